"""The D-Bus HTTP API of a fake GX in both of its dialects: one thread, HTTP/1.0, no length of the content."""

from __future__ import annotations

import json
import threading
import time
from enum import Enum
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from microgrid_core.gx.value import Address, Value

from .station import Station


class Dialect(Enum):
    """Which server it is."""

    OLDER = "1.0"
    """Only reads; a failed read is a 500."""
    NEWER = "3.2"
    """Writes if its owner lets it; a failed read is a 404 with a null value."""


class HttpSide:
    """One server."""

    def __init__(self, station: Station, dialect: Dialect, *, writing: bool = False, port: int = 0) -> None:
        """Listen; port 0 takes any. `writing` is the owner's switch."""
        self.station = station
        self.dialect = dialect
        self.writing = writing
        self.failing = False
        """Whether the D-Bus does not answer."""
        self.delay_s = 0.0
        self.requests: list[str] = []
        side = self

        class Handler(_Handler):
            """Serves this side."""

            api = side

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._began = time.monotonic()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    # ---- the requests --------------------------------------------------------------------------------------

    def get(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a GET."""
        newer = self.dialect is Dialect.NEWER
        if path == "/health":
            more = (
                {"version": "3.2.0", "uptime_seconds": int(time.monotonic() - self._began)} if newer else {}
            )
            return 200, {"status": "healthy", "success": True, **more}
        if path == "/":
            mode = "read-write" if newer else "read-only"
            about = {"name": "Victron D-Bus API", "version": self.dialect.value, "mode": mode}
            return 200, {**about, "endpoints": ["/services", "/value"], "success": True}
        if path == "/services":
            if self.failing and not newer:
                return 500, {"error": "D-Bus failed", "success": False}
            names = [] if self.failing else sorted(self.station.names.values())
            return 200, {"services": names, "count": len(names), "success": True}
        if path == "/settings":
            if self.failing and not newer:
                return 500, {"error": "D-Bus failed", "success": False}
            values = {} if self.failing else self._values("settings", 0)
            told = {key: {"Value": _bus(value), "Text": str(value)} for key, value in values.items()}
            return 200, {"settings": told, "success": True}
        if path in ("/value", "/text"):
            return self._read(path[1:], query)
        return 404, {"error": "Not found", "success": False}

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer a POST."""
        if self.dialect is Dialect.OLDER:
            return 403, {"error": "Write operations are disabled", "success": False}
        try:
            told = json.loads(body)
        except ValueError:
            return 400, {"error": "Invalid JSON", "success": False}
        if not self.writing:
            return 403, {
                "error": "AI write is disabled",
                "message": "The switch AI_write is off",
                "details": {},
                "hint": "Turn on AI_write",
                "success": False,
            }
        if not isinstance(told, dict) or any(told.get(key) is None for key in ("service", "path", "value")):
            return 400, {"error": "Missing field", "success": False}
        key = self._key(told["service"])
        address = Address(*key, told["path"]) if key is not None else None
        item = self.station.items.get(address) if address is not None else None
        if address is None or item is None:
            return 400, {"error": "SetValue failed", "success": False}
        previous = item.read()
        if not self.station.write(address, told["value"]):
            return 400, {"error": "SetValue failed", "success": False}
        answer = {"service": told["service"], "path": told["path"], "value": _bus(item.read())}
        return 200, {**answer, "previous_value": _bus(previous), "success": True}

    def _read(self, field: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        service, path = query.get("service"), query.get("path")
        if not service or not path:
            return 400, {"error": "Missing service or path", "success": False}
        key = self._key(service)
        if key is None or self.failing:
            return self._failed()
        if path == "/":
            values = self._values(*key)
            told: Any = {name[1:]: _bus(value) for name, value in values.items()}
        else:
            item = self.station.items.get(Address(*key, path))
            if item is None:
                return self._failed()
            told = _bus(item.read())
        return 200, {"service": service, "path": path, field: told, "success": True}

    def _failed(self) -> tuple[int, dict[str, Any]]:
        if self.dialect is Dialect.OLDER:
            return 500, {"error": "Failed to read value", "success": False}
        return 404, {"error": "Failed to read value", "value": None, "success": False}

    def _key(self, name: str) -> tuple[str, int] | None:
        return next((key for key, known in self.station.names.items() if known == name), None)

    def _values(self, service: str, instance: int) -> dict[str, Value]:
        with self.station.lock:
            return {
                address.path: item.read()
                for address, item in self.station.items.items()
                if address[:2] == (service, instance)
            }


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0, as the default of the standard library is."""

    api: HttpSide

    def do_GET(self) -> None:
        """Serve a GET."""
        parts = urlsplit(self.path)
        self.api.requests.append(self.path)
        time.sleep(self.api.delay_s)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self._answer(*self.api.get(parts.path, query))

    def do_POST(self) -> None:
        """Serve a POST."""
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        self.api.requests.append(f"POST {self.path}")
        self._answer(*self.api.post(self.path, body))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())


def _bus(value: Value) -> Value:
    """A value that is not valid is an empty array on the D-Bus."""
    return [] if value is None else value

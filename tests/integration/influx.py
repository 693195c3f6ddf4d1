"""InfluxDB 2.x and 3.x as their sources describe them, as far as a sink sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "a-secret-token"
ORGANISATION = "street"

type Judge = Callable[[list[bytes]], web.Response | None]


@dataclass
class Recorded:
    """What a mock was told."""

    writes: list[tuple[str, str, list[bytes]]] = field(default_factory=list)
    """Bucket, precision and lines."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and body of management requests."""


class Mock:
    """A server that answers as 2.9 or 3.10 do."""

    def __init__(self, generation: int, judge: Judge | None = None) -> None:
        """Know the generation; `judge` may refuse a write."""
        self.generation = generation
        self.judge = judge
        self.token = TOKEN
        self.pages = ""
        """Paths that begin like this are answered by a proxy with a page."""
        self.recorded = Recorded()
        self.buckets: dict[str, dict[str, Any]] = {}
        self.mappings: list[dict[str, Any]] = []
        application = web.Application(middlewares=[self._guard], client_max_size=10 << 20)
        application.add_routes(
            [
                web.get("/ping", self._ping),
                web.post("/api/v2/write", self._write),
                *(self._routes2() if generation == 2 else self._routes3()),
            ]
        )
        self.server = TestServer(application)

    @property
    def url(self) -> str:
        """Address."""
        return str(self.server.make_url("")).rstrip("/")

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.pages and request.path.startswith(self.pages):
            return web.Response(text="<html>Down for maintenance</html>", content_type="text/html")
        # 3.x guards even /ping, 2.x does not.
        guarded = request.path != "/ping" or self.generation == 3
        if guarded and request.headers.get("Authorization") != f"Token {self.token}":
            return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _ping(self, request: web.Request) -> web.Response:
        if self.generation == 2:
            return web.Response(
                status=204, headers={"X-Influxdb-Version": "v2.9.1", "X-Influxdb-Build": "OSS"}
            )
        return web.json_response(
            {"version": "3.10.1", "revision": "x"}, headers={"X-Influxdb-Version": "3.10.1"}
        )

    async def _write(self, request: web.Request) -> web.Response:
        bucket, lines = request.query["bucket"], (await request.read()).split(b"\n")
        if self.generation == 2 and bucket not in self.buckets:
            return web.json_response({"code": "not found", "message": f"bucket {bucket!r}"}, status=404)
        if self.judge is not None and (refusal := self.judge(lines)) is not None:
            return refusal
        self.recorded.writes.append((bucket, request.query["precision"], lines))
        return web.Response(status=204)

    def lines(self, bucket: str) -> set[bytes]:
        """Return what a bucket holds: later writes of a point replace it."""
        found: dict[tuple[bytes, bytes], bytes] = {}
        for name, _, lines in self.recorded.writes:
            if name == bucket:
                for line in lines:
                    series, _, rest = line.partition(b" ")
                    found[series, rest.rpartition(b" ")[2]] = line
        return set(found.values())

    # ------------------------------------------------------------------------------------------------- 2.x

    def _routes2(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v2/orgs", self._orgs),
            web.get("/api/v2/buckets", self._list),
            web.post("/api/v2/buckets", self._create),
            web.patch("/api/v2/buckets/{id}", self._patch),
            web.get("/api/v2/dbrps", self._dbrps),
            web.post("/api/v2/dbrps", self._map),
        ]

    async def _orgs(self, request: web.Request) -> web.Response:
        if request.query.get("org") != ORGANISATION:
            return web.json_response({"code": "not found", "message": "organization not found"}, status=404)
        return web.json_response({"orgs": [{"id": "0a", "name": ORGANISATION}]})

    async def _list(self, request: web.Request) -> web.Response:
        assert request.query["orgID"] == "0a"
        name = request.query["name"]
        return web.json_response({"buckets": [self.buckets[name]] if name in self.buckets else []})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.recorded.calls.append((request.method, request.path, body))
        if body["name"] in self.buckets:
            return web.json_response({"code": "conflict", "message": "exists"}, status=422)
        self.buckets[body["name"]] = {**body, "id": f"b{len(self.buckets)}"}
        return web.json_response(self.buckets[body["name"]], status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.recorded.calls.append((request.method, request.path, body))
        bucket = next(found for found in self.buckets.values() if found["id"] == request.match_info["id"])
        bucket.update(body)
        return web.json_response(bucket)

    async def _dbrps(self, request: web.Request) -> web.Response:
        return web.json_response({"content": self.mappings})

    async def _map(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.recorded.calls.append((request.method, request.path, body))
        self.mappings.append({**body, "id": f"m{len(self.mappings)}"})
        return web.json_response(self.mappings[-1], status=201)

    # ------------------------------------------------------------------------------------------------- 3.x

    def _routes3(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v3/configure/database", self._databases),
            web.post("/api/v3/configure/database", self._create_database),
        ]

    async def _databases(self, request: web.Request) -> web.Response:
        assert request.query["format"] == "json"
        return web.json_response([{"iox::database": name} for name in self.buckets])

    async def _create_database(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.recorded.calls.append((request.method, request.path, body))
        if len(self.buckets) >= 5:
            return web.json_response({"error": "reached limit of databases"}, status=422)
        self.buckets[body["db"]] = body
        return web.json_response({})


async def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - threads and servers are at work, there is no event to wait for
            await asyncio.sleep(0.02)

"""Home Assistant as a child process: its configuration folder, its storage before the start, its log."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .client import HassClient, HassError
from .errors import LabError
from .processes import LOOPBACK, Child

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = (ROOT / "custom_components" / "microgrid",)
SWIFT_HASS = Path(__file__).with_name("swift_hass.py")
RESTART_EXIT_STATUS = 100  # homeassistant.const.RESTART_EXIT_CODE: somebody pressed Restart

# Not `default_config`: it wants go2rtc, Bluetooth and the network.
CONFIGURATION = """\
homeassistant:
  name: Microgrid demo
  unit_system: metric
  time_zone: Europe/Berlin
  country: DE
  currency: EUR
  latitude: 52.5
  longitude: 13.4
  elevation: 40
automation: !include automations.yaml
config:
diagnostics:
energy:
frontend:
history:
logbook:
recorder:
system_health:
logger:
  default: warning
"""

# Written at level ERROR when the ffmpeg binary or libturbojpeg is not installed; neither is needed here.
HARMLESS = ("haffmpeg", "libturbojpeg", "TurboJPEG")

OURS = ("custom_components.microgrid", "custom_components/microgrid")
_RECORD = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (?P<level>[A-Z]+) \((?P<thread>[^)]*)\) \[(?P<logger>[^]]*)\] "
)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One entry of the log with all its lines."""

    level: str
    logger: str
    text: str

    @property
    def ours(self) -> bool:
        """Whether our code wrote it or appears in its traceback."""
        return any(mark in self.text for mark in OURS)


@dataclass(frozen=True, slots=True)
class Login:
    """Who may use this Home Assistant; kept beside its configuration."""

    username: str
    password: str
    token: str


class HomeAssistant(Child):
    """One instance with its configuration folder; it listens on a loopback port only."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        components: Iterable[Path] = COMPONENTS,
        configuration: str = CONFIGURATION,
        packages: Path | None = None,
        clock: Path | None = None,
    ) -> None:
        """Prepare `folder`; `components` are the custom integrations to link into it.

        What is installed in the folder `packages` comes before Home Assistant's own versions. `clock` is the
        file of a clock that runs faster than ours.
        """
        self.folder = folder
        self.port = port
        self.client = HassClient(f"http://{LOOPBACK}:{port}")
        self.login: Login | None = None
        program = Path(sys.executable).with_name("hass")
        if not program.exists():
            raise LabError("Home Assistant", f"there is no {program}", "run script/bootstrap")
        self._prepare(components, configuration)
        super().__init__(
            "Home Assistant",
            [
                *([str(program)] if clock is None else [sys.executable, "-I", str(SWIFT_HASS), str(clock)]),
                "-c",
                str(folder),
                "--skip-pip",
                "--log-no-color",
                "--log-file",
                str(folder / "hass.log"),
            ],
            log=folder / "hass.out",
            cwd=folder,
            # PYTHONPATH would show it custom_components twice; without compiled modules it starts slowly.
            env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
            | ({} if packages is None else {"PYTHONPATH": str(packages)}),
        )

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return self.client.base_url

    # ---- the folder ----------------------------------------------------------------------------------------

    def _prepare(self, components: Iterable[Path], configuration: str) -> None:
        (self.folder / ".storage").mkdir(parents=True, exist_ok=True)
        for name, text in (("configuration.yaml", configuration), ("automations.yaml", "[]\n")):
            if not (self.folder / name).exists():
                (self.folder / name).write_text(text)
        linked = self.folder / "custom_components"
        linked.mkdir(exist_ok=True)
        for component in components:
            link = linked / component.name
            if link.is_symlink():
                link.unlink()
            elif link.exists():
                shutil.rmtree(link)
            link.symlink_to(component, target_is_directory=True)
        self._write_http_storage()
        if not (self.folder / ".storage" / "onboarding").exists():
            # Only the user is left to be made: the step core_config would set up what calls the Internet.
            self._write_storage("onboarding", 4, 1, {"done": ["core_config", "analytics", "integration"]})
        self._path_of_login = self.folder / "login.json"
        if self._path_of_login.exists():
            self.login = Login(**json.loads(self._path_of_login.read_text()))
            self.client.token = self.login.token

    def _write_http_storage(self) -> None:
        """Bind to loopback and our port. From YAML it would be taken back after five minutes."""
        self._write_storage(
            "http",
            2,
            2,
            {
                "stable": {
                    "server_port": self.port,
                    "server_host": [LOOPBACK],
                    "cors_allowed_origins": ["https://cast.home-assistant.io"],
                    "login_attempts_threshold": -1,
                    "ip_ban_enabled": True,
                    "ssl_profile": "modern",
                    "use_x_frame_options": True,
                    "created_at": "2026-01-01T00:00:00+00:00",
                    "error": None,
                    "error_message": None,
                },
                "pending": None,
                "yaml_migration_done": True,
            },
        )

    def _write_storage(self, key: str, version: int, minor_version: int, data: dict[str, Any]) -> None:
        document = {"version": version, "minor_version": minor_version, "key": key, "data": data}
        (self.folder / ".storage" / key).write_text(json.dumps(document, indent=2))

    def point_mqtt_to(self, port: int, protocol: str) -> None:
        """Let the stored MQTT entry of an earlier run find the broker of this one; before the start."""
        path = self.folder / ".storage" / "core.config_entries"
        if not path.exists():
            return
        document = json.loads(path.read_text())
        for entry in document["data"]["entries"]:
            if entry["domain"] == "mqtt":
                entry["data"] |= {"broker": LOOPBACK, "port": port, "protocol": protocol}
        path.write_text(json.dumps(document, indent=2))

    # ---- running -------------------------------------------------------------------------------------------

    async def up(self, timeout_s: float = 240.0) -> float:
        """Start it, make the user when there is none, wait until it runs; returns the seconds it took."""
        began = time.monotonic()
        self.start()
        await self.client.close_socket()
        await self._wait_for("/api/onboarding", {200, 404}, timeout_s)  # 404: onboarding was done earlier
        if self.login is None:
            await self._onboard()
        deadline = time.monotonic() + timeout_s
        while (await self._state()) != "RUNNING":
            self._check(deadline, "to reach the state RUNNING")
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    async def down(self, grace_s: float = 30.0) -> None:
        """Stop it as a user would and close the connection to it."""
        await self.client.close()
        await self.stop(grace_s)

    async def _wait_for(self, path: str, statuses: set[int], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while (await self.client.status_of(path)) not in statuses:
            self._check(deadline, f"to answer on {self.url}")
            await asyncio.sleep(0.2)

    def _check(self, deadline: float, what: str) -> None:
        if not self.running:
            raise self.died()
        if time.monotonic() > deadline:
            raise LabError(
                "Home Assistant", f"waited in vain for it {what}:\n{self.tail()}", f"read {self.log}"
            )

    async def _state(self) -> str:
        try:
            config = await self.client.get("/api/config")
        except HassError:
            return "silent"
        return str(config["state"])

    async def _onboard(self) -> None:
        """Create the owner and a token that outlives restarts."""
        username, password = "demo", f"microgrid-{secrets.token_hex(3)}"
        client_id = f"{self.url}/"
        answer = await self.client.post(
            "/api/onboarding/users",
            {
                "client_id": client_id,
                "name": "Demo",
                "username": username,
                "password": password,
                "language": "en",
            },
        )
        form = {"grant_type": "authorization_code", "code": answer["auth_code"], "client_id": client_id}
        async with self.client.http.post(f"{self.url}/auth/token", data=form) as response:
            response.raise_for_status()
            self.client.token = (await response.json())["access_token"]
        token = await self.client.ws("auth/long_lived_access_token", client_name="lab", lifespan=3650)
        await self.client.close_socket()
        self.client.token = token
        self.login = Login(username, password, token)
        self._path_of_login.touch(mode=0o600)
        self._path_of_login.write_text(
            json.dumps({"username": username, "password": password, "token": token}, indent=2)
        )

    # ---- log -----------------------------------------------------------------------------------------------

    def log_records(self, *levels: str) -> list[LogRecord]:
        """Return the entries that the present run logged at the given levels."""
        records: list[LogRecord] = []
        for line in self.output().splitlines():
            if found := _RECORD.match(line):
                records.append(LogRecord(found["level"], found["logger"], line))
            elif records:
                last = records[-1]
                records[-1] = LogRecord(last.level, last.logger, f"{last.text}\n{line}")
        return [record for record in records if record.level in levels]

    def log_errors(self) -> list[LogRecord]:
        """Return the errors of the present run, without the known harmless ones."""
        return [
            record
            for record in self.log_records("ERROR", "CRITICAL")
            if not any(word in record.text for word in HARMLESS)
        ]

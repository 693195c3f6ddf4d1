"""The InfluxDB of a laboratory: a real 1.x server on free ports of the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.request
from pathlib import Path

from .errors import LabError
from .processes import LOOPBACK, Child, free_port, until

# Nothing that a test writes may wait: the write-ahead log is flushed at once, and queries see it.
CONFIGURATION = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
  https-enabled = {https}
  https-certificate = "{certificate}"
"""


class InfluxServer(Child):
    """A server that keeps its data over `kill` and `up`."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        auth: bool = False,
        certificate: Path | None = None,
    ) -> None:
        """Prepare its folder; `certificate` holds certificate and key in one PEM and switches https on."""
        program = find_influxd()
        if program is None:
            raise LabError("InfluxDB", "influxd is missing", "run script/bootstrap, or install influxdb 1.x")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        self.url = f"{'https' if certificate else 'http'}://{LOOPBACK}:{self.port}"
        self._https = certificate is not None
        configuration = folder / "influxdb.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder,
                port=self.port,
                rpc_port=free_port(),
                auth=str(auth).lower(),
                https=str(self._https).lower(),
                certificate=certificate or "",
            )
        )
        super().__init__(
            "InfluxDB", [program, "-config", str(configuration)], log=folder / "influxd.log", cwd=folder
        )

    async def up(self) -> None:
        """Start it and wait until it answers."""
        self.start()
        try:
            await until(lambda: self._answers() or not self.running, 30.0, self.url, poll_s=0.05)
        except TimeoutError as error:
            raise LabError(self.name, str(error), f"read {self.log}") from error
        if not self.running:
            raise self.died()

    def _answers(self) -> bool:
        if self._https:
            with socket.socket() as probe:
                probe.settimeout(1.0)
                return probe.connect_ex((LOOPBACK, self.port)) == 0
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=1.0) as answer:
                return bool(answer.status == 204)
        except OSError:
            return False


def find_influxd() -> str | None:
    """Return the path of influxd; what script/lib/env.sh found, or was told by the user, counts."""
    if named := os.environ.get("INFLUXD_BIN"):
        return shutil.which(named)
    tools = Path(__file__).resolve().parents[2] / ".tools" / "bin"
    return shutil.which("influxd", path=f"{tools}{os.pathsep}{os.environ.get('PATH', '')}")

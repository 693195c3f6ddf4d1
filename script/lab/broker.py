"""The MQTT broker of a laboratory: Mosquitto, or amqtt where Mosquitto cannot be had."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .errors import LabError
from .processes import LOOPBACK, Child, accepts, free_port, until

# QoS 1 bursts must not be dropped (Mosquitto's default queue is 1000 messages). Started by root it would give
# up its rights, and with them the leash; it listens on the loopback interface only.
MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
log_dest stdout
log_type error
log_type warning
log_type notice
max_queued_messages 0
set_tcp_nodelay true
{user}"""

AMQTT_YAML = """\
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


class Broker(Child):
    """A broker on a loopback port."""

    def __init__(self, folder: Path, port: int | None = None, *, program: str | None = None) -> None:
        """Choose the program: `program` when given ("mosquitto", "amqtt"), else the best there is."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(port)
        mosquitto = find_mosquitto()
        self.is_mosquitto = mosquitto is not None if program is None else program == "mosquitto"
        self.protocol = "5" if self.is_mosquitto else "3.1.1"
        """The newest version of MQTT that it speaks."""
        if self.is_mosquitto:
            if mosquitto is None:
                raise LabError(
                    "broker", "there is no mosquitto", "run script/bootstrap, or install mosquitto"
                )
            configuration = folder / "mosquitto.conf"
            user = "user root\n" if os.geteuid() == 0 else ""
            configuration.write_text(MOSQUITTO_CONF.format(port=self.port, user=user))
            command = [mosquitto, "-c", str(configuration)]
        else:
            amqtt = Path(sys.executable).with_name("amqtt")
            if not amqtt.exists():
                raise LabError("broker", "there is neither mosquitto nor amqtt", "install mosquitto")
            configuration = folder / "amqtt.yaml"
            configuration.write_text(AMQTT_YAML.format(port=self.port))
            command = [str(amqtt), "-c", str(configuration)]
        super().__init__(
            "broker Mosquitto" if self.is_mosquitto else "broker amqtt",
            command,
            log=folder / "broker.log",
            cwd=folder,
        )

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{LOOPBACK}:{self.port}"

    async def up(self) -> None:
        """Start it and wait until it answers."""
        self.start()
        try:
            await until(
                lambda: accepts(self.port) or not self.running, 20.0, f"{self.name} on port {self.port}"
            )
        except TimeoutError as error:
            raise LabError(self.name, str(error), f"read {self.log}") from error
        if not self.running:
            raise self.died()


def find_mosquitto() -> str | None:
    """Return the path of Mosquitto; what script/lib/env.sh found, or was told by the user, counts."""
    if named := os.environ.get("MOSQUITTO_BIN"):
        return shutil.which(named)
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")

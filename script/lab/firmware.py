"""The firmware of houses and gateways as programs of this machine: built once, one process for each node."""

from __future__ import annotations

import fcntl
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LabError
from .processes import LOOPBACK, Child

ROOT = Path(__file__).resolve().parents[2]
ESPHOME = ROOT / ".venv-esphome" / "bin" / "esphome"
EXAMPLES = ROOT / "esphome" / "examples"
BUILD = ROOT / "build" / "firmware"
HOUSE, GATEWAY = "house", "gateway"

_CAN_GROUP, _FEED_GROUP = "239.74.163.2", "239.74.163.1"  # the first is python-can's own
_IP_MULTICAST_ALL = 49  # linux/in.h
_OSCILLATOR_PPM = 20.0  # crystals of ESP32 boards are this good
_OSCILLATOR_START_S = 1000.0
_GATEWAYS_APART_S = 2.0
"""All gateways of a dark swarm may close on it, so they must not come at the same moment."""
_NAME = re.compile(r"^ *name: *([a-z0-9-]+) *$", re.MULTILINE)


def program(kind: str) -> Path:
    """Build the host program of a kind where its sources changed; LabError when it does not compile."""
    source = EXAMPLES / f"{kind}-host.yaml"
    name = _NAME.search(source.read_text(encoding="utf-8"))
    if name is None:
        raise LabError(f"firmware of a {kind}", f"{source} has no name", "give it one under esphome:")
    if not ESPHOME.exists():
        raise LabError(f"firmware of a {kind}", f"there is no {ESPHOME}", "run script/bootstrap")
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would write the same files
        done = subprocess.run(
            [ESPHOME, "compile", source],
            env={**os.environ, "ESPHOME_DATA_DIR": str(BUILD)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    built = BUILD / "build" / name[1] / ".pioenvs" / name[1] / "program"
    if done.returncode != 0 or not built.exists():
        log = BUILD / f"{kind}.log"
        log.write_text(done.stdout, encoding="utf-8")
        raise LabError(f"firmware of a {kind}", done.stdout[-1500:], f"read {log}")
    return built


_reserved: list[socket.socket] = []


def reserve_udp_port() -> int:
    """Return a UDP port of ours until this process ends: only who sets SO_REUSEADDR can bind it.

    A port that is merely free is taken within seconds by one of the many sockets that ask for any port, and
    who wanted it then hears nothing.
    """
    keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    _reserved.append(keeper)
    keeper.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)  # it keeps, and hears nothing
    keeper.bind(("", 0))
    # Not before: two who would share take the same port.
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port: int = keeper.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the nodes find the world: addresses that belong to one laboratory."""

    broker: str
    swarm: str = "demo"
    feed: str = field(default_factory=lambda: f"{_FEED_GROUP}:{reserve_udp_port()}")
    time_server: str = field(default_factory=lambda: f"{LOOPBACK}:{reserve_udp_port()}")


@dataclass(frozen=True, slots=True)
class Bus:
    """The CAN bus of one cluster."""

    cluster: str
    gateway: str
    port: int = field(default_factory=reserve_udp_port)

    @property
    def address(self) -> str:
        """GROUP:PORT."""
        return f"{_CAN_GROUP}:{self.port}"


class FirmwareNode(Child):
    """One node: a program that was told by its environment who it is."""

    def __init__(
        self, built: Path, folder: Path, node: str, settings: Mapping[str, str], *, delay_s: float = 0.0
    ) -> None:
        """Know what to start; card and preferences of the node lie in `folder`."""
        self.node = node
        self.delay_s = delay_s
        """How long after the others it starts."""
        self.card = folder / node / "card"
        """What stands for its memory card."""
        environment = {
            **os.environ,
            "ESPHOME_PREFDIR": str(folder / node / "preferences"),
            "MICROGRID_NODE": node,
            "MICROGRID_STORAGE": str(self.card),
        }
        environment |= {f"MICROGRID_{name}": value for name, value in settings.items()}
        super().__init__(
            f"firmware of {node}", [str(built)], log=folder / f"{node}.log", cwd=folder, env=environment
        )

    def start(self) -> None:
        """Start it with a card, which is empty the first time."""
        self.card.mkdir(parents=True, exist_ok=True)
        super().start()


def oscillator(chance: random.Random) -> dict[str, str]:
    """A clock crystal like no other, and the time at which its counter stood at the start."""
    return {
        "OSCILLATOR_PPM": f"{chance.uniform(-_OSCILLATOR_PPM, _OSCILLATOR_PPM):.3f}",
        "OSCILLATOR_START_US": f"{chance.uniform(1.0, _OSCILLATOR_START_S) * 1e6:.0f}",
    }


def swarm(
    folder: Path, surroundings: Surroundings, clusters: Sequence[Sequence[str]], seed: int
) -> list[FirmwareNode]:
    """Return the nodes of a swarm, houses before gateways; `clusters` has the names of the houses of each."""
    chance = random.Random(seed)
    house, gateway = program(HOUSE), program(GATEWAY)
    common = {
        "SWARM": surroundings.swarm,
        "BROKER": surroundings.broker,
        "SIM": surroundings.feed,
        "TIME": surroundings.time_server,
    }
    houses, gateways = list[FirmwareNode](), list[FirmwareNode]()
    for number, names in enumerate(clusters, 1):
        bus = Bus(f"cluster-{number}", f"gateway-{number}")
        shared = {**common, "CLUSTER": bus.cluster, "CAN": bus.address}
        for place, name in enumerate(names, 1):
            settings = {
                "NUMBER": str(place),
                "NAME": f"House {name.removeprefix('house-')}",
                "PARENT": bus.gateway,
            }
            houses.append(FirmwareNode(house, folder, name, {**shared, **settings, **oscillator(chance)}))
        settings = {"NUMBER": "0", "NAME": f"Gateway {number}"}
        gateways.append(
            FirmwareNode(
                gateway,
                folder,
                bus.gateway,
                {**shared, **settings, **oscillator(chance)},
                delay_s=number * _GATEWAYS_APART_S,
            )
        )
    return [*houses, *gateways]


class Firmware:
    """All nodes of a laboratory."""

    def __init__(self, nodes: Sequence[FirmwareNode]) -> None:
        """Take them; nothing runs yet."""
        self.nodes = tuple(nodes)
        self._starts: dict[str, float] = {}

    def start(self) -> None:
        """Start those whose time has come; call tend() for the others."""
        now = time.monotonic()
        self._starts = {node.node: now + node.delay_s for node in self.nodes}
        self.tend()

    def tend(self) -> list[str]:
        """Start who is due, and again who died; returns what to tell of the dead."""
        told = []
        for node in self.nodes:
            if node.running or time.monotonic() < self._starts[node.node]:
                continue
            if node.exit_status is not None:
                told.append(f"{node.name} ended with status {node.exit_status} and is started again")
            node.start()
        return told

    async def stop(self) -> None:
        """End all, politely."""
        for node in self.nodes:
            node.ask_to_end()
        for node in self.nodes:
            await node.stop(5.0)

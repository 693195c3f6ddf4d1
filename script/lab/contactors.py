"""What the operator of a new swarm does once: has the contactors closed, the first one on the dark bus.

Firmware comes with an open contactor and waits to be told; what it was told outlives its restarts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from microgrid_core.contract import topics
from microgrid_core.contract.encode import command_payload
from microgrid_core.contract.messages import Command

from .watcher import Watcher

_AGAIN_S = 20.0
_PATIENCE = timedelta(seconds=15)


class Contactors:
    """Asks one gateway, then, when its contactor is closed, all others."""

    def __init__(self, swarm: str, gateways: Sequence[str]) -> None:
        """Take the names; nothing is asked yet."""
        self._swarm = swarm
        self._gateways = tuple(gateways)
        self._asked: dict[str, float] = {}
        self._done: set[str] = set()
        self._live = False
        """Whether the swarm's bus has voltage."""
        self._count = 0

    def tend(self, watcher: Watcher) -> None:
        """Ask whoever should be asked now."""
        for gateway in self._gateways:
            values = self._values(watcher, gateway)
            if values.get("contactor_commanded") is True:
                self._done.add(gateway)  # whoever opens it again has his reasons
            elif values and gateway not in self._done and self._due(gateway):
                self._ask(watcher, gateway)
            if not self._live and values.get("contactor_closed") is not True:
                return
            self._live = True

    def _due(self, gateway: str) -> bool:
        return time.monotonic() - self._asked.get(gateway, -_AGAIN_S) >= _AGAIN_S

    def _ask(self, watcher: Watcher, gateway: str) -> None:
        self._asked[gateway] = time.monotonic()
        self._count += 1
        command = Command(
            id=f"lab-{self._count}-{int(time.time())}",
            command="set_contactor",
            parameters={"closed": True},
            expires_at=datetime.now(UTC) + _PATIENCE,
        )
        topic = topics.Topic(self._swarm, gateway, topics.CMD_SET)
        watcher.publish(str(topic), command_payload(command), qos=1)

    def _values(self, watcher: Watcher, gateway: str) -> dict[str, object]:
        payload = watcher.newest.get(str(topics.Topic(self._swarm, gateway, topics.LIVE)))
        if payload is None:
            return {}
        try:
            values = json.loads(payload)["values"]
        except ValueError, KeyError, TypeError:
            return {}
        return values if isinstance(values, dict) else {}

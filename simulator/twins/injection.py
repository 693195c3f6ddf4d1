"""The handle for tests and demonstrations: `simulator/<swarm>/inject` lets things go wrong on purpose."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ..physics.neighbourhood import Neighbourhood

_LOGGER = logging.getLogger(__name__)
_DEFAULT_S = 30.0
_LONGEST_S = 86_400.0


class Disturbable(Protocol):
    """What can be done to any node's twin."""

    def be_silent(self, until: float) -> None:
        """Stay connected without sending."""

    def talk_garbage(self, until: float) -> None:
        """Send broken messages."""

    def disconnect(self, duration_s: float) -> None:
        """Lose the network."""

    def restart(self, boot_id: int) -> None:
        """Start again."""


class Injector:
    """Reads injections and carries them out."""

    def __init__(
        self, site: Neighbourhood, twins: Mapping[str, Disturbable], new_boot_id: Callable[[], int]
    ) -> None:
        """Take the twins by node."""
        self._site = site
        self._twins = twins
        self._new_boot_id = new_boot_id

    def receive(self, payload: bytes) -> None:
        """Read `{"node":…, "fault":…}` or `{"node":…, "kind":…}`, with `duration_s`."""
        try:
            document = json.loads(payload)
            if not isinstance(document, dict):
                raise ValueError("it must be a JSON object")
            self.inject(
                str(document.get("node", "")),
                fault=document.get("fault"),
                kind=document.get("kind"),
                duration_s=float(document.get("duration_s", _DEFAULT_S)),
            )
        except (ValueError, TypeError, RecursionError) as error:
            _LOGGER.warning("injection %.200r: %s; nothing was done", payload, error)

    def inject(
        self, node: str, *, fault: str | None = None, kind: str | None = None, duration_s: float = _DEFAULT_S
    ) -> None:
        """Disturb a node; raises ValueError that names what cannot be done."""
        if node not in self._twins:
            raise ValueError(f"node {node!r} is not there; known are {', '.join(self._twins)}")
        if not math.isfinite(duration_s) or not 0.0 < duration_s <= _LONGEST_S:
            raise ValueError(f"duration_s = {duration_s} is not within 0 … {_LONGEST_S:g} s")
        twin, until = self._twins[node], time.monotonic() + duration_s
        if fault is not None:
            # A fault lasts as long for the reader of the messages at any speed of the physics.
            self._site.disturb(node, fault, duration_s * self._site.speed)
        elif kind == "disconnect":
            twin.disconnect(duration_s)
        elif kind == "silence":
            twin.be_silent(until)
        elif kind == "garbage":
            twin.talk_garbage(until)
        elif kind == "restart_counters":
            twin.restart(self._new_boot_id())
        else:
            raise ValueError("it needs a fault, or kind disconnect, silence, garbage or restart_counters")
        _LOGGER.info("injected %s at %s for %g s", fault or kind, node, duration_s)

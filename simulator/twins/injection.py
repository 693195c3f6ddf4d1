"""The handle for tests and demonstrations: `simulator/<swarm>/inject` lets things go wrong on purpose."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from microgrid_core.contract.messages import EVENT_ID

from ..physics.neighbourhood import Neighbourhood
from .stage import Stage

_LOGGER = logging.getLogger(__name__)
_DEFAULT_S = 30.0
_LONGEST_S = 86_400.0
_LONGEST_BYTES = 4096
_LONGEST_REASON = 500

INJECT, RESULT, SCENARIOS = "inject", "result", "scenarios"
"""What is wanted, what came of it, and (retained) what can be played where."""


def topic(swarm: str, what: str) -> str:
    """Return a topic of the handle: none of the contract's, no product knows it."""
    return f"simulator/{swarm}/{what}"


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


class OnlyFaults:
    """A node whose program runs elsewhere: only what happens around it can be disturbed from here."""

    def be_silent(self, until: float) -> None:
        """Cannot be done."""
        self._refuse()

    def talk_garbage(self, until: float) -> None:
        """Cannot be done."""
        self._refuse()

    def disconnect(self, duration_s: float) -> None:
        """Cannot be done."""
        self._refuse()

    def restart(self, boot_id: int) -> None:
        """Cannot be done."""
        self._refuse()

    @staticmethod
    def _refuse() -> None:
        raise ValueError("this node runs real firmware, for which only faults can be injected")


class Injector:
    """Reads injections, carries them out and answers."""

    def __init__(
        self,
        site: Neighbourhood,
        twins: Mapping[str, Disturbable],
        new_boot_id: Callable[[], int],
        stage: Stage | None = None,
        answer: Callable[[bytes], None] = lambda payload: None,
    ) -> None:
        """Take the twins by node; without a stage no scenario can be played."""
        self._site = site
        self._twins = twins
        self._new_boot_id = new_boot_id
        self._stage = stage
        self._answer = answer

    def receive(self, payload: bytes) -> None:
        """Read `{"node":…, "fault":…}` or `{"node":…, "kind":…}`, with `duration_s`, or `{"scenario":…}`.

        The latter may have `gateway` and `seed`, and each an `id`, which its answer carries.
        """
        id_: str | None = None
        try:
            if len(payload) > _LONGEST_BYTES:
                raise ValueError(f"{len(payload)} bytes, at most {_LONGEST_BYTES}")
            document = json.loads(payload)
            if not isinstance(document, dict):
                raise ValueError("it must be a JSON object")
            if "id" in document:
                id_ = _text(document, "id")
                if re.fullmatch(EVENT_ID, id_) is None:
                    id_ = None
                    raise ValueError("id: it must be up to 64 letters, digits or any of _.:-")
            if "scenario" in document:
                self._play(document, id_)
                return
            self.inject(
                str(document.get("node", "")),
                fault=document.get("fault"),
                kind=document.get("kind"),
                duration_s=float(document.get("duration_s", _DEFAULT_S)),
            )
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            _LOGGER.warning("injection %.200r: %s; nothing was done", payload, error)
            self._tell(id_, {"ok": False, "reason": str(error)[:_LONGEST_REASON]})
        else:
            self._tell(id_, {"ok": True})

    def _play(self, document: Mapping[str, object], id_: str | None) -> None:
        if self._stage is None:
            raise ValueError("houses and gateways run real firmware, which plays no scenario")
        seed = document.get("seed")
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise ValueError("seed: it must be a whole number")
        scenario = _text(document, "scenario")
        gateway = None if document.get("gateway") is None else _text(document, "gateway")
        self._stage.request(scenario, gateway, seed, lambda result: self._tell(id_, result))

    def _tell(self, id_: str | None, result: Mapping[str, object]) -> None:
        document = {**result} if id_ is None else {"id": id_, **result}
        self._answer(json.dumps(document, separators=(",", ":")).encode())

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


def _text(document: Mapping[str, object], key: str) -> str:
    if not isinstance(value := document[key], str):
        raise ValueError(f"{key}: it must be text")
    return value

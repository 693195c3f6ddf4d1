"""Where labelled faults are played: takes requests, simulates beside the loop, one play for a cluster."""

from __future__ import annotations

import difflib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from microgrid_core.contract.reading import format_time
from microgrid_core.contract.snapshot import SnapshotPart

from ..physics.neighbourhood import Neighbourhood
from ..scenarios import SCENARIOS, Split
from ..scenarios.library import Staged, stage
from ..scenarios.network import HOUSES
from .node import NodeTwin, from_us
from .play import Play
from .recording import Kept

_LOGGER = logging.getLogger(__name__)

MOST_SEED = 2**31 - 1
Reply = Callable[[Mapping[str, object]], None]
"""Is told once what came of a request."""
_Recorded = dict[str, dict[str, dict[SnapshotPart, Kept]]]


@dataclass(slots=True)
class _Booked:
    """A scenario at a cluster: first it is simulated, then it is played and written at the same time."""

    scenario: str
    gateway: str
    seed: int
    reply: Reply
    staging: Future[Staged]
    play: Play | None = None
    writing: Future[_Recorded] | None = None

    @property
    def recorded(self) -> _Recorded | None:
        """What the nodes will have recorded, when it is written."""
        return self.writing.result() if self.writing is not None and self.writing.done() else None


class Stage:
    """All plays of a neighbourhood; all methods are called from the loop's thread."""

    def __init__(
        self,
        site: Neighbourhood,
        twins: Mapping[str, NodeTwin],
        clock: Callable[[], int],
        new_boot_id: Callable[[], int],
        executor: Executor,
    ) -> None:
        """Take the twins by node; `clock` is the nodes' UTC in µs, the executor does what takes time."""
        self._site = site
        self._twins = twins
        self._clock = clock
        self._new_boot_id = new_boot_id
        self._executor = executor
        self._booked: dict[str, _Booked] = {}

    @property
    def clusters(self) -> dict[str, list[str]]:
        """Houses of each gateway at which scenarios can be played, as they stand along the line."""
        found = {
            gateway: [house for house in self._site.house_names if self._site.parent(house) == gateway]
            for gateway in self._site.gateway_names
            if gateway in self._twins
        }
        return {gateway: houses for gateway, houses in found.items() if len(houses) == HOUSES}

    def request(self, scenario: str, gateway: str | None, seed: int | None, reply: Reply) -> None:
        """Begin as soon as it is simulated; `reply` is called then. ValueError says why it cannot be."""
        if scenario not in SCENARIOS:
            near = difflib.get_close_matches(scenario, SCENARIOS, 3, 0.5)
            raise ValueError(
                f"scenario {scenario[:60]!r} is not there"
                + (f"; did you mean {' or '.join(near)}?" if near else f"; there are {len(SCENARIOS)}")
            )
        clusters = self.clusters
        if not clusters:
            raise ValueError(f"scenarios are played by clusters of {HOUSES} houses, and here is none")
        if gateway is None:
            gateway = next((one for one in clusters if one not in self._booked), next(iter(clusters)))
        if gateway not in clusters:
            raise ValueError(f"gateway {gateway[:60]!r}: a scenario can be played at {', '.join(clusters)}")
        if gateway in self._booked:
            raise ValueError(f"at {gateway} {self._booked[gateway].scenario} is still being played")
        if seed is None:
            seed = secrets.randbelow(10_000)
        if not 0 <= seed <= MOST_SEED:
            raise ValueError(f"seed {seed} is not within 0 … {MOST_SEED}")
        staging = self._executor.submit(stage, scenario, seed, Split.TUNED, degraded=False)
        self._booked[gateway] = _Booked(scenario, gateway, seed, reply, staging)

    def advance(self) -> None:
        """Go on with all plays."""
        for gateway, booked in list(self._booked.items()):
            try:
                if not self._advance(booked):
                    del self._booked[gateway]
                    self._leave(booked)
            except Exception as error:  # a play that fails must not take the neighbourhood with it
                _LOGGER.exception("scenario %s at %s failed", booked.scenario, gateway)
                del self._booked[gateway]
                self._leave(booked)
                if booked.play is None:
                    booked.reply({"ok": False, "reason": f"{error}; choose another seed"})

    def _advance(self, booked: _Booked) -> bool:
        if booked.play is None:
            if not booked.staging.done():
                return True
            cast = [self._twins[node] for node in (booked.gateway, *self.clusters[booked.gateway])]
            play = Play(booked.staging.result(), cast, self._clock, self._new_boot_id)
            booked.play = play
            booked.writing = self._executor.submit(play.record)
            self._site.roles.update(play.roles)
            booked.reply({"ok": True, **self._label(booked, play)})
        return booked.play.advance(time.monotonic(), booked.recorded)

    def _leave(self, booked: _Booked) -> None:
        if booked.play is None:
            return
        booked.play.abandon()
        for node, role in booked.play.roles.items():
            if self._site.roles.get(node) is role:
                del self._site.roles[node]

    def _label(self, booked: _Booked, play: Play) -> dict[str, object]:
        """What will be told, and what is true."""
        trigger, truth = play.trigger, play.staged.truth
        return {
            "scenario": booked.scenario,
            "gateway": booked.gateway,
            "seed": booked.seed,
            "event_id": trigger.event_id,
            "code": trigger.event.code,
            "node": play.name(truth.path[-1]),
            "time": format_time(from_us(play.utc_us(trigger.at_s))),
            "cause": truth.cause,
            "kind": truth.kind,
            "origin": play.name(truth.origin),
            "path": [play.name(node) for node in truth.path],
        }

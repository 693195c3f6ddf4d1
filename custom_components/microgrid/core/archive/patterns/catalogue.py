"""The six patterns by name, with the options that each takes: what the action and the command line offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from . import cell_drift, cluster_state, faults, frequency, recurring, supply
from .source import SECOND_US, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks; an option that a pattern does not take stays as it is."""

    start_us: int
    end_us: int
    nodes: tuple[str, ...] | None = None
    codes: tuple[str, ...] | None = None
    severities: tuple[str, ...] | None = None
    clusters: tuple[str, ...] | None = None
    event_id: str | None = None
    at_us: int | None = None
    before_s: float = cluster_state.BEFORE_S
    after_s: float = cluster_state.AFTER_S
    lookback_days: int = cell_drift.LOOKBACK_DAYS
    low_hz: float = frequency.LOW_HZ
    high_hz: float = frequency.HIGH_HZ
    minimum_s: float = 0.0
    minimum: int = recurring.MINIMUM
    window_s: float = recurring.WINDOW_S
    timezone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of question."""

    name: str
    title: str
    days: int
    """How far back it looks when no start is given."""
    options: tuple[str, ...]
    """Fields of a request that it takes beside start and end."""
    ask: Callable[[Source, Request], Any]

    def run(self, source: Source, request: Request) -> Any:
        """Return the answer, a frozen dataclass; raises ValueError and LookupError with a reason."""
        if request.start_us >= request.end_us:
            raise ValueError("the time range is empty: its end is not after its start")
        return self.ask(source, request)


_FILTER = ("nodes", "codes", "severities")


def _faults(source: Source, request: Request) -> faults.Faults:
    return faults.faults(source, request.start_us, request.end_us, **_taken(request, _FILTER))


def _cluster_state(source: Source, request: Request) -> cluster_state.ClusterState:
    around = _taken(request, ("before_s", "after_s"))
    if request.event_id is not None:
        return cluster_state.cluster_state_at_fault(
            source, request.event_id, request.start_us, request.end_us, **around
        )
    if request.at_us is None or request.nodes is None or len(request.nodes) != 1:
        raise ValueError("name the id of a fault, or one node and a time")
    return cluster_state.cluster_state(source, request.nodes[0], request.at_us, **around)


def _cell_drift(source: Source, request: Request) -> cell_drift.CellDrifts:
    options = _taken(request, ("nodes", "codes", "lookback_days"))
    return cell_drift.cell_drift(source, request.start_us, request.end_us, **options)


def _frequency(source: Source, request: Request) -> frequency.OutsideBand:
    options = _taken(request, ("nodes", "low_hz", "high_hz", "minimum_s"))
    return frequency.outside_band(source, request.start_us, request.end_us, **options)


def _recurring(source: Source, request: Request) -> recurring.Recurring:
    options = _taken(request, (*_FILTER, "minimum", "window_s", "timezone"))
    return recurring.recurring(source, request.start_us, request.end_us, **options)


def _supply(source: Source, request: Request) -> supply.Supply:
    return supply.supply(source, request.start_us, request.end_us, clusters=request.clusters)


def _taken(request: Request, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(request, name) for name in names}


PATTERNS = {
    pattern.name: pattern
    for pattern in (
        Pattern("faults", "all faults and alarms", 30, _FILTER, _faults),
        Pattern(
            "cluster_state",
            "values of all houses and the gateway around a fault",
            400,
            ("event_id", "nodes", "at_us", "before_s", "after_s"),
            _cluster_state,
        ),
        Pattern(
            "cell_drift",
            "trend of every cell in the days before a battery fault",
            30,
            ("nodes", "codes", "lookback_days"),
            _cell_drift,
        ),
        Pattern(
            "frequency_outside_band",
            "when the frequency left its band",
            7,
            ("nodes", "low_hz", "high_hz", "minimum_s"),
            _frequency,
        ),
        Pattern(
            "recurring_faults",
            "faults that come again and again",
            90,
            (*_FILTER, "minimum", "window_s", "timezone"),
            _recurring,
        ),
        Pattern("who_supplied_whom", "energy between the houses of a cluster", 1, ("clusters",), _supply),
    )
}


def window(pattern: Pattern, start_us: int | None, end_us: int | None, now_us: int) -> tuple[int, int]:
    """Return the time range: up to now, and as far back as is usual, where nothing else is said."""
    end = now_us if end_us is None else end_us
    return end - pattern.days * 86_400 * SECOND_US if start_us is None else start_us, end

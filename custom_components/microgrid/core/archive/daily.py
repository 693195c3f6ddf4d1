"""The summary of a day: of one node, or of a gateway with the houses behind it.

Works for any stretch of whole hours, since the day of people is not that of UTC. What is summed up follows
from the metric table: counters of energy grow, states of charge and frequencies have extremes, powers peaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..codec.umg1.records import EVENT_STATES
from ..model.metric import DeviceKind, Metric
from .growth import growth
from .query import ArchivedEvent, Floats, Queries
from .rollup import HOUR, MINUTE, Tier

_MINUTE_US = 60_000_000
_RAISED, _CLEARED = EVENT_STATES.index("raised"), EVENT_STATES.index("cleared")
_LOOK_BACK_US = 30 * 86_400_000_000  # for faults that were raised before the day and last


@dataclass(frozen=True, slots=True)
class DailySummary:
    """What a day was like; quantities of which nothing was logged are missing."""

    node: str
    members: tuple[str, ...]
    """The nodes behind a gateway that were summed up; empty for a node of its own."""
    start_s: int
    end_s: int
    energy_wh: Mapping[str, float]
    """Growth of each counter."""
    peak_power_w: Mapping[str, float]
    """Largest power of each kind with its sign; of a cluster that of the sum of its houses, by the minute."""
    state_of_charge: tuple[float, float] | None
    """Least and largest, in percent."""
    frequency_hz: Mapping[str, tuple[float, float]]
    """Least and largest of each."""
    fault_minutes: int
    """Minutes in which a fault or alarm was active."""
    hours_covered: int
    """Hours with samples; of a cluster with samples of every member."""


def daily_summary(queries: Queries, node: str, kind: DeviceKind, start_s: int, end_s: int) -> DailySummary:
    """Sum up one node in start ≤ UTC < end."""
    by_class = _by_class(kind)
    frequency = _names(by_class, "frequency")
    hours = queries.history(
        node, {*frequency, *_names(by_class, "battery"), *_names(by_class, "power")}, start_s, end_s, HOUR
    )
    charges = [hours[name] for name in _names(by_class, "battery") if name in hours]
    rates = {metric.key: metric.max_rate for metric in by_class.get("energy", ()) if metric.max_rate}
    grown = growth(queries, node, rates, start_s, end_s)
    covered = {time for found in hours.values() for time in found.times_s.tolist()}
    covered |= {time for found in grown.values() for time in found.times_s.tolist()}
    return DailySummary(
        node,
        (),
        start_s,
        end_s,
        {name: float(found.total.sum()) for name, found in grown.items()},
        {
            name: _peak(np.concatenate((hours[name].minimum, hours[name].maximum)))
            for name in _names(by_class, "power")
            if name in hours
        },
        _extremes((found.minimum, found.maximum) for found in charges) if charges else None,
        {
            name: _extremes([(hours[name].minimum, hours[name].maximum)])
            for name in frequency
            if name in hours
        },
        len(_fault_minutes(queries, node, start_s, end_s)),
        len(covered),
    )


def cluster_summary(
    queries: Queries,
    gateway: str,
    gateway_kind: DeviceKind,
    houses: Mapping[str, DeviceKind],
    start_s: int,
    end_s: int,
) -> DailySummary:
    """Sum up a gateway and the houses behind it.

    Energy of the houses is added up under its own names; what the gateway itself counts (exchange of the
    cluster with the swarm) stands under `cluster_…`, so that the two are never taken for one.
    """
    own = daily_summary(queries, gateway, gateway_kind, start_s, end_s)
    parts = [daily_summary(queries, node, kind, start_s, end_s) for node, kind in houses.items()]
    charges = [part.state_of_charge for part in (own, *parts) if part.state_of_charge is not None]
    minutes = _fault_minutes(queries, gateway, start_s, end_s)
    for node in houses:
        minutes |= _fault_minutes(queries, node, start_s, end_s)
    energy = {_of_cluster(name): value for name, value in own.energy_wh.items()}
    for part in parts:
        for name, value in part.energy_wh.items():
            energy[name] = energy.get(name, 0.0) + value
    peaks = {_of_cluster(name): value for name, value in own.peak_power_w.items()}
    return DailySummary(
        gateway,
        tuple(houses),
        start_s,
        end_s,
        energy,
        peaks | _peaks_of_sums(queries, houses, start_s, end_s),
        (min(low for low, _ in charges), max(high for _, high in charges)) if charges else None,
        own.frequency_hz,
        len(minutes),
        min((part.hours_covered for part in (own, *parts)), default=0),
    )


def _of_cluster(name: str) -> str:
    return name if name.startswith("cluster_") else f"cluster_{name}"


def _by_class(kind: DeviceKind) -> dict[str, list[Metric]]:
    found: dict[str, list[Metric]] = {}
    for metric in kind.metrics:
        if metric.device_class is not None:
            found.setdefault(metric.device_class, []).append(metric)
    return found


def _names(by_class: Mapping[str, Sequence[Metric]], device_class: str) -> list[str]:
    return [metric.key for metric in by_class.get(device_class, ())]


def _peak(values: Floats) -> float:
    return float(values[np.argmax(np.abs(values))])


def _extremes(pairs: Iterable[tuple[Floats, Floats]]) -> tuple[float, float]:
    lows, highs = zip(*pairs, strict=True)
    return float(min(low.min() for low in lows)), float(max(high.max() for high in highs))


def _peaks_of_sums(
    queries: Queries, houses: Mapping[str, DeviceKind], start_s: int, end_s: int
) -> dict[str, float]:
    """Return the largest sum of the means of all houses, by the minute where minutes still exist."""
    peaks: dict[str, float] = {}
    complete = all(queries.floors(node)[1] <= start_s for node in houses)
    tier: Tier = MINUTE if complete else HOUR
    sums: dict[str, Floats] = {}
    for node, kind in houses.items():
        for name, found in queries.history(
            node, _names(_by_class(kind), "power"), start_s, end_s, tier
        ).items():
            total = sums.setdefault(name, np.zeros((end_s - start_s) // tier.bucket_s + 1))
            total[(found.times_s - start_s) // tier.bucket_s] += found.mean
    for name, total in sums.items():
        peaks[name] = _peak(total)
    return peaks


def _fault_minutes(queries: Queries, node: str, start_s: int, end_s: int) -> set[int]:
    """Return the minutes (UTC divided by 60 s) in which a fault or an alarm was active."""
    start_us, end_us = start_s * 1_000_000, end_s * 1_000_000
    minutes: set[int] = set()
    events = queries.events(node, start_us - _LOOK_BACK_US, end_us, types=("fault", "alarm"))
    for raised_us, cleared_us in _spans(events, end_us):
        first, last = max(raised_us, start_us), min(cleared_us, end_us)
        if first < last or start_us <= raised_us < end_us:
            minutes.update(range(first // _MINUTE_US, max(first, last - 1) // _MINUTE_US + 1))
    return minutes


def _spans(events: Iterable[ArchivedEvent], end_us: int) -> Iterable[tuple[int, int]]:
    """Yield from when to when each code was active; one of an earlier boot ended with it."""
    active: dict[str, tuple[int, int]] = {}
    for found in events:
        if found.utc_us is None:
            continue
        code = found.event.code
        for other in [name for name, (boot, _) in active.items() if boot != found.boot_id]:
            yield active.pop(other)[1], found.utc_us
        if found.event.state == _RAISED:
            active.setdefault(code, (found.boot_id, found.utc_us))
        elif found.event.state == _CLEARED and code in active:
            yield active.pop(code)[1], found.utc_us
    for _, raised_us in active.values():
        yield raised_us, end_us

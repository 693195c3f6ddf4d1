"""Where the metrics of a device kind go: measurement and field of each, read off the metric tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..model.kinds import KINDS
from ..model.metric import DeviceKind, Metric, ValueType


@dataclass(frozen=True, slots=True)
class Place:
    """One metric in the database."""

    metric: Metric
    measurement: str
    field: str

    @property
    def counter(self) -> bool:
        """Whether only the newest value of a bucket means something."""
        return self.metric.counter


@dataclass(frozen=True, slots=True)
class Layout:
    """All metrics of one kind that are kept."""

    kind: DeviceKind
    places: Mapping[str, Place]
    """By metric key."""
    derived: tuple[Place, ...]
    """Those computed from others of the same node."""

    def by_measurement(self, keys: Collection[str]) -> Iterator[tuple[str, list[Place]]]:
        """Yield measurements with the places of these metrics."""
        found: dict[str, list[Place]] = {}
        for key, place in self.places.items():
            if key in keys:
                found.setdefault(place.measurement, []).append(place)
        yield from found.items()


@lru_cache
def layout(kind: str) -> Layout:
    """Return the layout of a kind of `KINDS`."""
    device = KINDS[kind]
    places: dict[str, Place] = {}
    numbers: Counter[tuple[str, str]] = Counter(
        (metric.component, metric.influx) for metric in device.metrics if metric.influx is not None
    )
    for metric in device.metrics:
        if metric.influx is None or metric.value in {ValueType.CHOICE, ValueType.TEXT}:
            continue
        field = metric.influx
        if numbers[metric.component, metric.influx] > 1:  # cells and probes share a row of the table
            field = f"{metric.influx}_{metric.key.rpartition('_')[2]}"
        measurement = device.measurements.get(metric.component, device.measurements.get("", ""))
        places[metric.key] = Place(metric, measurement, field)
    derived = tuple(place for place in places.values() if place.metric.derive is not None)
    return Layout(device, places, derived)


def infer_kind(channels: Collection[str]) -> str | None:
    """Return the kind of a node that nobody announced: the one whose table knows most of what it logs."""
    names = set(channels)
    best = max(KINDS.values(), key=lambda kind: len(names & kind.by_key.keys()))
    return best.kind if names & best.by_key.keys() else None

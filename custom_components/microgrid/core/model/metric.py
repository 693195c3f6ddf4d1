"""A metric: everything the project knows about one quantity of one kind of node.

Entities, state-write thresholds, plausibility guards, the InfluxDB mapping, Grafana panels and the
documentation table are all derived from these rows; nothing about a metric is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

Value = float | int | bool | str
Values = Mapping[str, Value]
Derivation = Callable[[Values], Value | None]


class ValueType(StrEnum):
    """The type of a metric's values."""

    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class LogChannel:
    """How a metric is written to the log of a node (see contract/log.md)."""

    period_ms: int
    """Sample period in milliseconds."""
    exponent: int
    """The log holds integers in units of 10**exponent."""
    snapshot: bool = False
    """Whether it is recorded at 100 Hz around a fault."""

    @property
    def fast(self) -> bool:
        """Whether the channel belongs to the fast group (sampled at 10 Hz or more)."""
        return self.period_ms <= 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of a metric table."""

    key: str
    """Name on the wire, unique within a node kind."""
    component: str = ""
    """Part of the device that the metric belongs to; empty for the device itself."""
    name: str = ""
    """Name shared by all languages (the translation key); defaults to the key without its component."""
    placeholders: tuple[tuple[str, str], ...] = ()
    value: ValueType = ValueType.NUMBER
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    precision: int | None = None
    """Decimals worth showing."""
    dead_band: float = 0.0
    """A change smaller than this is not worth a state write (same unit as the value)."""
    minimum: float | None = None
    maximum: float | None = None
    """Plausible range; a value outside is dropped and counted."""
    max_rate: float | None = None
    """For counters: the fastest plausible growth in units per hour; a metric that has it is a counter."""
    options: tuple[str, ...] = ()
    enabled: bool = True
    diagnostic: bool = False
    log: LogChannel | None = None
    influx: str | None = None
    """Field name in InfluxDB; None keeps the metric out of it."""
    inputs: tuple[str, ...] = ()
    derive: Derivation | None = field(default=None, compare=False)
    """For derived metrics: computed from `inputs` of the same node."""

    def __post_init__(self) -> None:
        """Fill the name from the key."""
        if not self.name:
            prefix = f"{self.component}_"
            name = self.key.removeprefix(prefix) if self.component else self.key
            object.__setattr__(self, "name", name)

    @property
    def counter(self) -> bool:
        """Whether the value only grows, except when the device restarts it."""
        return self.max_rate is not None

    @property
    def total(self) -> bool:
        """Whether the value is a count that stands until it is counted on."""
        return self.state_class == "total_increasing"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKind:
    """A kind of node with its complete metric table."""

    kind: str
    model: str
    """Model name shown to people when the node does not tell its own."""
    interval_s: float
    """Usual interval of live messages; three missed ones make a node stale."""
    components: tuple[str, ...] = ()
    measurements: Mapping[str, str] = field(default_factory=dict)
    """InfluxDB measurement of each component (empty name: the device itself)."""
    metrics: tuple[Metric, ...]
    by_key: Mapping[str, Metric] = field(init=False)

    def __post_init__(self) -> None:
        """Index the table and refuse a row that contradicts another."""
        index: dict[str, Metric] = {}
        for metric in self.metrics:
            if metric.key in index:
                raise ValueError(f"{self.kind}: metric {metric.key} stands twice in the table")
            if metric.component and metric.component not in self.components:
                raise ValueError(f"{self.kind}: {metric.key} names an unknown component {metric.component}")
            index[metric.key] = metric
        for metric in self.metrics:
            for name in metric.inputs:
                if name not in index:
                    raise ValueError(f"{self.kind}: {metric.key} is derived from unknown {name}")
        object.__setattr__(self, "by_key", index)


def numbered(metric: Metric, count: int) -> tuple[Metric, ...]:
    """Repeat a row for numbered parts (cells, probes): keys end in `_1` … `_count`."""
    return tuple(
        replace(
            metric, key=f"{metric.key}_{number}", name=metric.name, placeholders=(("number", str(number)),)
        )
        for number in range(1, count + 1)
    )

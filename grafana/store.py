"""What the dashboards know of InfluxDB: policies, measurements, and the fields of the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from microgrid_core.archive.derived import DERIVED
from microgrid_core.influx import points, tiers
from microgrid_core.influx.layout import Place, layout
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.metric import Metric, ValueType

DATABASE = tiers.DATABASE
SECONDS, MINUTES, HOURS, EVENTS = (policy.name for policy in tiers.POLICIES)

FAULTS, ALERTS, DAILY, SNAPSHOT = points.FAULTS, "alert", points.DAILY, "snapshot"
"""Measurements of the policy `events`, see docs/grafana.md; what heat pumps tell is in `alert`."""

GATEWAY_ALIVE = "contactor_closed"
"""Metric that a gateway logs as long as it runs: of a cluster without voltage it knows no frequency."""
OWN_BATTERY = "\"cluster\" = ''"
"""Condition for a battery that is a node: those of houses bear the cluster of their house."""

_TEXTS = Path(__file__).parents[1] / "custom_components" / "microgrid" / "translations" / "en.json"
_NAMES: dict[str, dict[str, dict[str, str]]] = json.loads(_TEXTS.read_text(encoding="utf-8"))["entity"]
_DERIVED = frozenset(channel.name for channel in DERIVED)
_BINARY_LOG = ("house", "gateway")
"""Kinds whose log has a schema of channels: what no channel holds never reaches the archive."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where the readings of a metric are found, and what people call it."""

    place: Place
    label: str

    @property
    def measurement(self) -> str:
        """Measurement in InfluxDB."""
        return self.place.measurement

    @property
    def name(self) -> str:
        """Field in InfluxDB."""
        return self.place.field

    @property
    def unit(self) -> str:
        """Unit of the project; empty for a flag or a count."""
        return self.place.metric.unit or ""

    @property
    def number(self) -> str | None:
        """Number of the cell or probe; None for what there is one of."""
        return dict(self.place.metric.placeholders).get("number")

    @property
    def flag(self) -> bool:
        """Whether the values are 0 and 1."""
        return self.place.metric.value is ValueType.FLAG


def label(metric: Metric) -> str:
    """Return the English name of a metric."""
    platform = "binary_sensor" if metric.value is ValueType.FLAG else "sensor"
    text = _NAMES[platform][metric.name]["name"]
    for key, value in metric.placeholders:
        text = text.replace(f"{{{key}}}", value)
    return text


def stored(kind: str, key: str) -> bool:
    """Whether the archive, and so InfluxDB, holds a metric."""
    if key not in layout(kind).places:
        return False
    metric = KINDS[kind].by_key[key]
    if kind not in _BINARY_LOG or metric.log is not None or key in _DERIVED:
        return True
    return bool(metric.inputs) and all(stored(kind, name) for name in metric.inputs)


def field(kind: str, key: str) -> Field:
    """Return the field of a metric; raises KeyError for an unknown, ValueError for one that is not stored."""
    metric = KINDS[kind].by_key[key]
    if not stored(kind, key):
        raise ValueError(
            f"{kind}: InfluxDB does not hold {key}; give it a log channel or leave the panel out"
        )
    return Field(layout(kind).places[key], label(metric))


def fields(kind: str, component: str | None = None) -> tuple[Field, ...]:
    """Return all stored fields of a kind, or of one of its components, in the order of its table."""
    return tuple(
        field(kind, metric.key)
        for metric in KINDS[kind].metrics
        if stored(kind, metric.key) and component in (None, metric.component)
    )


def captured(kind: str) -> tuple[Metric, ...]:
    """Return what a kind records at 100 Hz around a fault: fields of `snapshot` under their keys."""
    return tuple(metric for metric in KINDS[kind].metrics if metric.log is not None and metric.log.snapshot)


def by_quantity(found: Iterable[Field]) -> list[tuple[Field, ...]]:
    """Group fields that may share a panel: one unit and one scale; cells and probes are among themselves."""
    groups: dict[tuple[str, str | None, float | None, bool], list[Field]] = {}
    for one in found:
        metric = one.place.metric
        series = metric.influx if one.number else None
        groups.setdefault((one.unit, series, metric.maximum, one.flag), []).append(one)
    return [tuple(group) for group in groups.values()]

"""Writes docs/reference/metrics.md from the metric tables in core/model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from microgrid_core.model.bare_sensors import WEATHER_METRICS
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.metric import DeviceKind, Metric, ValueType

from .kept import ROOT, keep, run_generator

TARGET = ROOT / "docs" / "reference" / "metrics.md"
TEXTS = ROOT / "custom_components" / "microgrid" / "translations" / "en.json"

HEAD = """# Metrics

Every quantity that the project knows, by kind of node. Generated from the metric tables in
`custom_components/microgrid/core/model` by `script/generate metrics`.

- **Key**: the name on the wire and in conditions; `_1 … _16` stands for sixteen of them.
- **Name**: what Home Assistant shows, after the name of the device.
- **Range**: values outside are dropped and counted. A counter has a fastest plausible growth instead.
- **Dead-band**: a smaller change is not written to Home Assistant (profile *normal*; *calm* doubles it,
  *detailed* halves it). Flags and choices are always written at once.
- **Shown**: yes; *diagnostic*: among the diagnostics of the device; *off*: an entity that you may enable.
- **Log**: sample rate in the log of the node.
- **InfluxDB**: measurement and field.
"""
_NO_BOUND = 1e9  # the tables' word for "anything"
COLUMNS = ("Key", "Name", "Unit", "Range", "Dead-band", "Shown", "Log", "InfluxDB")


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 1000 else f"{value:g}"


def _range(metric: Metric) -> str:
    if metric.max_rate is not None:
        return f"counter, ≤ {_number(metric.max_rate)} per hour"
    if metric.minimum is None or metric.maximum is None:
        return ""
    if metric.maximum >= _NO_BOUND:
        return f"≥ {_number(metric.minimum)}"
    return f"{_number(metric.minimum)} … {_number(metric.maximum)}"


def _unit(metric: Metric) -> str:
    if metric.value is ValueType.CHOICE:
        return ", ".join(f"`{option}`" for option in metric.options)
    return metric.unit or {ValueType.FLAG: "on/off", ValueType.TEXT: "text"}.get(metric.value, "")


def _rate(metric: Metric) -> str:
    if metric.log is None:
        return ""
    return f"{1000.0 / metric.log.period_ms:.3g} Hz"


def _row(kind: DeviceKind, metric: Metric, count: int, names: dict[str, dict[str, dict[str, str]]]) -> str:
    platform = "binary_sensor" if metric.value is ValueType.FLAG else "sensor"
    name = names[platform][metric.name]["name"]
    key = metric.key
    if count > 1:
        key = f"{metric.key} … _{count}"
        name = name.replace("{number}", f"1 … {count}")
    shown = (
        ", ".join((["diagnostic"] if metric.diagnostic else []) + ([] if metric.enabled else ["off"]))
        or "yes"
    )
    measurement = kind.measurements.get(metric.component, "")
    cells = (
        f"`{key}`",
        f"{name} (derived)" if metric.derive else name,
        _unit(metric),
        _range(metric),
        f"{metric.dead_band:g}" if metric.dead_band else "",
        shown,
        _rate(metric),
        f"`{measurement}.{metric.influx}`" if metric.influx else "",
    )
    return f"| {' | '.join(cells)} |"


def _rows(
    kind: DeviceKind, metrics: Iterable[Metric], names: dict[str, dict[str, dict[str, str]]]
) -> list[str]:
    """One line for each metric; numbered ones share a line."""
    numbered: dict[str, list[Metric]] = {}
    for metric in metrics:
        base = metric.key.rsplit("_", 1)[0] if metric.placeholders else metric.key
        numbered.setdefault(base, []).append(metric)
    return [_row(kind, group[0], len(group), names) for group in numbered.values()]


def render() -> str:
    """Return the page."""
    names = json.loads(TEXTS.read_text(encoding="utf-8"))["entity"]
    lines = [HEAD]
    for kind in KINDS.values():
        metrics = [*kind.metrics, *(WEATHER_METRICS.values() if kind.kind == "site" else ())]
        lines += [
            f"## {kind.model} (`{kind.kind}`)",
            "",
            f"One live message every {kind.interval_s:g} s.",
            "",
        ]
        for component in ("", *kind.components):
            if rows := _rows(kind, [metric for metric in metrics if metric.component == component], names):
                if component:
                    lines += [f"### {component}", ""]
                lines += [
                    f"| {' | '.join(COLUMNS)} |",
                    f"|{'---|' * len(COLUMNS)}",
                    *rows,
                    "",
                ]
    return "\n".join(lines)


def main(check: bool) -> int:
    """Write the page, or with `check` only compare; return the exit status."""
    return keep({TARGET: render()}, "core/model", "metrics", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))

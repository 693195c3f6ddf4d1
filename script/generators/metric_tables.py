"""Writes what the firmware knows of a house and of a gateway from the metric tables of core/model.

A firmware measures what is not derived: the derived is computed by whoever shows it. The integer of a metric
has the step of its log channel, or of the decimals worth showing.
"""

from __future__ import annotations

import re
import sys

from microgrid_core.model.gateway import GATEWAY
from microgrid_core.model.house import HOUSE
from microgrid_core.model.metric import DeviceKind, Metric, ValueType

from .kept import ROOT, keep, run_generator

TARGET = ROOT / "esphome" / "components" / "microgrid_core" / "metric_tables.h"
NOMINAL_FREQUENCY_HZ = 50
_INT16 = 0x7FFF

HEAD = """\
// What houses and gateways measure; generated from core/model by `script/generate metric-tables`.
#pragma once

#include <array>

#include "readings.h"
#include "umg1_schema.h"

namespace esphome::microgrid {
"""


def measured(kind: DeviceKind) -> list[Metric]:
    """What the node itself measures, in the order of the table."""
    return [
        metric
        for metric in kind.metrics
        if metric.derive is None and metric.value in {ValueType.NUMBER, ValueType.FLAG}
    ]


def exponent(metric: Metric) -> int:
    """Power of ten of the metric's step."""
    if metric.log is not None:
        return metric.log.exponent
    return -(metric.precision or 0)


def offset(metric: Metric) -> int:
    """What the log subtracts from the integer: frequencies are written as deviation from 50 Hz."""
    if metric.log is None or metric.device_class != "frequency":
        return 0
    return int(NOMINAL_FREQUENCY_HZ * 10**-metric.log.exponent)


def width(metric: Metric) -> int:
    """Bytes in the log: a flag's one, two where they hold what the sensors of such a device can measure."""
    if metric.log is None:
        return 0
    if metric.value is ValueType.FLAG:
        return 1
    step = 10.0**metric.log.exponent
    most = max(abs(bound / step - offset(metric)) for bound in (metric.minimum or 0, metric.maximum or 1e9))
    # A plausible 400 A is 40000 in steps of 10 mA, but no shunt of a house shows more than 327 A.
    return 4 if metric.counter or most > 2 * _INT16 else 2


def constant(key: str) -> str:
    """Name in C++; a preprocessor knows OVERFLOW and the like, but none of our keys."""
    return key.upper()


def _kind(metric: Metric) -> str:
    if metric.value is ValueType.FLAG:
        return "FLAG"
    return "COUNTER" if metric.counter else "NUMBER"


def _rows(kind: DeviceKind) -> list[str]:
    name, camel = kind.kind.upper(), kind.kind.capitalize()
    metrics = measured(kind)
    logged = [metric for metric in metrics if metric.log is not None]
    channel = {metric.key: number for number, metric in enumerate(logged, 1)}
    lines = [f"enum class {camel}Metric : uint8_t {{"]
    lines += [f"  {constant(metric.key)}," for metric in metrics]
    lines += ["};", "", f"inline constexpr std::array<MetricRow, {len(metrics)}> {name}_METRICS = {{{{"]
    for metric in metrics:
        period_us = metric.log.period_ms * 1000 if metric.log is not None else 0
        lines.append(
            f'    {{"{metric.key}", "{metric.unit or ""}", ValueKind::{_kind(metric)}, {exponent(metric)}, '
            f"{channel.get(metric.key, 0)}, {width(metric)}, {offset(metric)}, {period_us}}},"
        )
    lines += ["}};", ""]
    periods = [(metric, metric.log) for metric in logged if metric.log is not None]
    lines += _channels(
        f"{name}_LOG",
        "The log: an index here is the channel's id minus 1.",
        [(metric, log.period_ms * 1000, log.fast) for metric, log in periods],
        channel,
    )
    snapshot = [metric for metric in logged if metric.log is not None and metric.log.snapshot]
    lines += _channels(
        f"{name}_CAPTURE",
        "Sampled at each beat of 10 ms, for snapshots.",
        [(metric, 10_000, True) for metric in snapshot],
        channel,
    )
    enum = [f"{camel}Metric::{constant(metric.key)}" for metric in logged]
    lines += [f"/// The metric of each channel of {name}_LOG and of {name}_CAPTURE."]
    lines += [f"inline constexpr std::array<{camel}Metric, {len(enum)}> {name}_LOG_METRICS = {{{{"]
    lines += [f"    {item}," for item in enum] + ["}};"]
    enum = [f"{camel}Metric::{constant(metric.key)}" for metric in snapshot]
    lines += [f"inline constexpr std::array<{camel}Metric, {len(enum)}> {name}_CAPTURE_METRICS = {{{{"]
    lines += [f"    {item}," for item in enum] + ["}};", ""]
    return lines


def _channels(
    name: str, remark: str, channels: list[tuple[Metric, int, bool]], ids: dict[str, int]
) -> list[str]:
    lines = [f"/// {remark}", f"inline constexpr std::array<Channel, {len(channels)}> {name} = {{{{"]
    for metric, period_us, fast in channels:
        fields = [
            f".id = {ids[metric.key]}",
            f'.name = "{metric.key}"',
            f'.unit = "{metric.unit or ""}"',
            f".exponent = {exponent(metric)}",
            f".offset = {offset(metric)}",
            f".period_us = {period_us}",
            f".group = Group::{'FAST' if fast else 'SLOW'}",
            f".width = {width(metric)}",
        ]
        lines.append(f"    {{{', '.join(fields)}}},")
    return [*lines, "}};", ""]


def render() -> str:
    """Return the header."""
    lines = [HEAD, *_rows(HOUSE), *_rows(GATEWAY), "}  // namespace esphome::microgrid", ""]
    text = "\n".join(lines)
    return re.sub(r"\n{3,}", "\n\n", "// clang-format off\n" + text)


def main(check: bool) -> int:
    """Write the header, or with `check` only compare; return the exit status."""
    return keep({TARGET: render()}, "core/model", "metric-tables", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))

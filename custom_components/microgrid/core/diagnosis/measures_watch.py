"""Measures of the quantity that the code watches: was it a moment, or did it last?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Finding
from .view import CELLS

__all__ = ["watched"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Watch:
    """Which channels a code is about, and which of them counts."""

    channels: tuple[str, ...]
    sign: float
    """-1: the lowest, or the negative value, is what trips."""
    amount: bool = False
    spread: bool = False
    delay_s: float = 0.1
    """Until the protection trips, as it is shipped."""


_CELLS = tuple(f"cell_voltage_{number}" for number in range(1, CELLS + 1))
_PROBES = tuple(f"battery_temperature_{number}" for number in range(1, 5))
_WATCHES = {
    "F001": _Watch(("inverter_current",), 1.0, amount=True, delay_s=0.02),
    "F002": _Watch(("inverter_voltage",), 1.0, delay_s=0.2),
    "F003": _Watch(("inverter_voltage",), -1.0, delay_s=0.2),
    "F004": _Watch(("mosfet_temperature_1", "mosfet_temperature_2"), 1.0, delay_s=0.5),
    "F005": _Watch(("dc_bus_voltage",), 1.0, delay_s=0.1),
    "F006": _Watch(("dc_bus_voltage",), -1.0, delay_s=0.5),
    "F010": _Watch(_CELLS, 1.0, delay_s=1.0),
    "F011": _Watch(_CELLS, -1.0, delay_s=1.0),
    "F012": _Watch(_PROBES, 1.0, delay_s=5.0),
    "F013": _Watch(("battery_current",), -1.0, delay_s=1.0),
    "F014": _Watch(("battery_current",), 1.0, delay_s=1.0),
    "F015": _Watch(_CELLS, 1.0, spread=True, delay_s=60.0),
    "F020": _Watch(("mppt_input_voltage",), 1.0, delay_s=0.5),
    "F021": _Watch(("mppt_input_current",), 1.0, delay_s=0.5),
}


def watched(facts: Facts) -> Iterator[Finding]:
    """How long, how far and from where the watched quantity passed its limit."""
    watch = _WATCHES.get(facts.code)
    if watch is None:
        return
    view, node = facts.view, facts.teller
    if len(watch.channels) == 1:
        t, x = view.series(node, watch.channels[0])
        values = watch.sign * (np.abs(x) if watch.amount else x)
    else:
        prefix = watch.channels[0].rpartition("_")[0]
        t, rows = view.numbered(node, prefix, len(watch.channels))
        if t.size == 0:
            return
        top, bottom = _fold(rows, np.nanmax), _fold(rows, np.nanmin)
        values = top - bottom if watch.spread else top if watch.sign > 0 else -bottom
    good = np.isfinite(values)
    t, values = t[good], values[good]
    if t.size < 8:
        return
    period = float(np.median(np.diff(t)))
    before = values[(t >= -10.0) & (t < -3.0 - watch.delay_s * (watch.delay_s < 2.0))]
    near = (t >= -watch.delay_s * (watch.delay_s < 2.0) - 3.0 * period) & (
        t <= facts.own_trip_s + 1.05 * period
    )
    if before.size < 3 or not near.any():
        return
    usual = float(np.median(before))
    peak = float(np.max(values[near]))
    rise = peak - usual
    channel = watch.channels[0] if len(watch.channels) == 1 else watch.channels[0].rpartition("_")[0]
    size = max(abs(peak), 1e-6)
    yield Finding("usual_distance", node, channel, 100.0 * rise / size)
    steps = np.diff(values[(t >= -10.0) & (t < -3.0)])
    if steps.size > 3:
        yield Finding("usual_noise", node, channel, 100.0 * float(np.std(steps)) / 2**0.5 / size)
    if rise <= 0.0:
        return
    at = int(np.flatnonzero(near)[int(np.argmax(values[near]))])
    over = values > usual + 0.5 * rise
    first, last = at, at
    while first > 0 and over[first - 1]:
        first -= 1
    while last < t.size - 1 and over[last + 1] and t[last + 1] < facts.own_trip_s + 10.0:
        last += 1
    yield Finding("excess_s", node, channel, float(t[last] - t[first]) + period, float(t[first]))
    around = (np.abs(t - t[at]) > 0.6 * period) & (np.abs(t - t[at]) < 1.6 * period + 0.02)
    if around.any():
        yield Finding(
            "excess_lasting", node, channel, float(np.clip((np.median(values[around]) - usual) / rise, -2, 2))
        )
    after = values[(t > facts.own_trip_s + 1.0) & (t < facts.own_trip_s + 5.0)]
    if after.size:
        yield Finding("came_back", node, channel, float(np.clip((peak - np.median(after)) / rise, -3, 3)))


def _fold(rows: Floats, reduce: Callable[..., Any]) -> Floats:
    known = np.isfinite(rows).any(axis=0)
    folded = np.full(rows.shape[1], np.nan)
    if known.any():
        folded[known] = reduce(rows[:, known], axis=0)
    return folded

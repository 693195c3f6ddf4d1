"""A cluster was disconnected, or stays so: was its gateway right, by what it measured on both sides?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..case import Series
from .fact import Fact, number
from .limits import GATEWAY, GatewayLimits
from .protection import Run, Verdict, lasting, period_of, samples

__all__ = ["CHANNELS", "Disconnection", "Moment", "disconnection"]

Floats = NDArray[np.float64]

CHANNELS = (
    "cluster_frequency",
    "swarm_frequency",
    "cluster_voltage",
    "swarm_voltage",
    "phase_difference",
    "contactor_closed",
    "power_flow",
)
BEFORE_S, AFTER_S = 75.0, 15.0
"""What is worth looking at around it: the waiting of a minute, and what came of it."""

_MOVING_S = 0.15
"""From the decision to the event: the contactor opens, its auxiliary contact settles."""
_DEAD_V = 23.0


class Moment(StrEnum):
    """What the gateway did."""

    OPENED = "opened"
    """By itself: the cluster was disconnected."""
    COMMANDED = "commanded"
    """It was told to open."""
    CLOSED = "closed"
    REFUSED = "refused"
    """It was told to close and did not: F040."""
    DISAGREED = "disagreed"
    """Contactor and command differ: F041."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One quantity held against its limits."""

    channel: str
    value: float | None
    """At the moment; None when nobody knows."""
    lowest: float | None
    highest: float | None
    """Within the second before."""
    unit: str
    low: float
    high: float
    """What it must stay within."""
    beyond_s: float | None
    """How long it had been outside at the moment; None when nobody knows."""
    resolution_s: float | None
    """Between samples: nothing shorter can be seen."""
    margin: float | None
    """Distance to the nearer limit; negative: outside."""


@dataclass(frozen=True, slots=True)
class Disconnection:
    """The answer."""

    summary: str
    verdict: Verdict
    steps: tuple[str, ...]
    evidence: tuple[Fact, ...]
    node: str
    moment: Moment
    reason: str
    """Why the gateway acted, by its rules: the channel that was outside, `command`, `contactor`, or empty."""
    within_s: float | None
    """While it waited: the longest time in which all closing limits held at once."""
    watched: tuple[Watched, ...]
    source: str
    """`snapshot` at 100 Hz, `log` at its own rates, or `event`: only what it told itself."""


def disconnection(
    node: str,
    moment: Moment,
    channels: Mapping[str, Series],
    *,
    told: Mapping[str, float] | None = None,
    source: str = "log",
    limits: GatewayLimits = GATEWAY,
) -> Disconnection:
    """Judge what a gateway did at 0 s by its channels (s since then) and what its event told (`told`)."""
    told = {key: value for key, value in (told or {}).items() if np.isfinite(value)}
    found = {key: samples(channels.get(key)) for key in CHANNELS}
    if moment in (Moment.OPENED, Moment.COMMANDED, Moment.DISAGREED):
        rows = _sides(found, told, limits)
        return _opened(node, moment, found, rows, source, limits)
    rows = _differences(found, told, limits)
    return _closing(node, moment, found, rows, source, limits)


# ---------------------------------------------------------------------------------------------------- opening


def _sides(
    found: Mapping[str, tuple[Floats, Floats]], told: Mapping[str, float], limits: GatewayLimits
) -> tuple[Watched, ...]:
    bounds = (
        ("frequency", "Hz", limits.under_frequency_hz, limits.over_frequency_hz),
        ("voltage", "V", limits.under_voltage_v, limits.over_voltage_v),
    )
    return tuple(
        _watched(f"{side}_{quantity}", *found[f"{side}_{quantity}"], told, unit, low, high)
        for side in ("cluster", "swarm")
        for quantity, unit, low, high in bounds
    )


def _watched(
    channel: str, t: Floats, x: Floats, told: Mapping[str, float], unit: str, low: float, high: float
) -> Watched:
    until = t <= 0.0
    t, x = t[until], x[until]
    period = period_of(t)
    fresh = t.size > 2 and t[-1] > -max(3.0 * period, 0.5)
    value = told.get(channel, float(x[-1]) if fresh else None)
    if not fresh or value is None:
        outside = None if value is None else _margin(value, low, high)
        return Watched(channel, value, None, None, unit, low, high, None, None, outside)
    near = x[t >= t[-1] - 1.0]
    run = lasting(t, (x < low) | (x > high), 0.0, _MOVING_S + 1.5 * period)
    return Watched(
        channel,
        value,
        float(near.min()),
        float(near.max()),
        unit,
        low,
        high,
        run.length_s,
        period,
        min(_margin(float(extreme), low, high) for extreme in (near.min(), near.max(), value)),
    )


def _margin(value: float, low: float, high: float) -> float:
    return min(value - low, high - value)


def _opened(
    node: str,
    moment: Moment,
    found: Mapping[str, tuple[Floats, Floats]],
    rows: tuple[Watched, ...],
    source: str,
    limits: GatewayLimits,
) -> Disconnection:
    delay_s = limits.opening_delay_s
    if moment is Moment.COMMANDED:
        return _answer(
            node, moment, Verdict.RIGHT, "command", None, rows, source,
            "opened because it was told to; nothing else had to be wrong",
            ("Find out who gave the command: an automation, a dashboard or a person.",),
        )  # fmt: skip
    if moment is Moment.DISAGREED:
        return _answer(
            node, moment, Verdict.CANNOT_TELL, "contactor", None, rows, source,
            "found its contactor elsewhere than it was told to be; no limit has to do with that",
            (
                "Treat both sides as live until the contactor has been checked.",
                "Ask microgrid.get_fault for the cause of F041: welded, stuck, auxiliary contact or command.",
            ),
        )  # fmt: skip
    outside = [row for row in rows if row.beyond_s]
    if outside:
        worst = max(outside, key=lambda row: row.beyond_s or 0.0)
        assert worst.beyond_s is not None and worst.resolution_s is not None
        lasted = max(worst.beyond_s - _MOVING_S, 0.0)
        blur = worst.resolution_s + 0.05
        said = f"{_outside(worst)} for {number(lasted, 's')}; {number(delay_s, 's')} is set"
        if lasted + _MOVING_S + 2.0 * blur < delay_s:
            verdict, how = Verdict.TOO_EARLY, f"opened too early: {said}"
        elif lasted > delay_s + 2.0 * blur + 0.3:
            verdict, how = Verdict.TOO_LATE, f"opened too late: {said}"
        else:
            verdict, how = Verdict.RIGHT, f"was right to open: {said}"
        return _answer(
            node, moment, verdict, worst.channel, None, rows, source, how, _opening_steps(verdict, worst)
        )
    unknown = [row.channel for row in rows if row.value is None]
    coarse = [row for row in rows if row.resolution_s is None or row.resolution_s > 0.6 * delay_s]
    told_outside = [row for row in rows if row.margin is not None and row.margin < 0.0]
    if told_outside:
        worst = min(told_outside, key=lambda row: row.margin or 0.0)
        how = f"told that {_outside(worst)} when it opened; for how long, no samples tell"
        return _answer(
            node,
            moment,
            Verdict.RIGHT,
            worst.channel,
            None,
            rows,
            source,
            how,
            _opening_steps(Verdict.RIGHT, worst),
        )
    fell = _fell_open(found)
    if len(unknown) == len(rows) or (unknown and not coarse):
        how = f"opened, but nothing is known of {', '.join(unknown)}; whether that was right cannot be told"
        return _answer(node, moment, Verdict.CANNOT_TELL, "", None, rows, source, how, _BLIND_STEPS)
    if coarse:
        names = ", ".join(row.channel for row in coarse)
        how = (
            "opened although no sample is outside the limits; the samples are too rare to show what lasts "
            f"{number(delay_s, 's')}: {names}"
        )
        return _answer(node, moment, Verdict.CANNOT_TELL, "", None, rows, source, how, _BLIND_STEPS)
    nearest = min(rows, key=lambda row: np.inf if row.margin is None else row.margin)
    how = (
        "opened although all four quantities were within their limits"
        f"{' (the power stopped before: it fell open by itself)' if fell else ''}; the nearest was "
        f"{nearest.channel}, {number(nearest.margin or 0.0, nearest.unit)} inside"
    )
    return _answer(
        node, moment, Verdict.TOO_EARLY, "contactor" if fell else "", None, rows, source, how, _WRONG_STEPS
    )


def _fell_open(found: Mapping[str, tuple[Floats, Floats]]) -> bool:
    """Whether the flow through the contactor had stopped before the gateway decided."""
    t, flow = found["power_flow"]
    before = flow[(t > -5.0) & (t < -1.0)]
    late = flow[(t > -0.6) & (t < -0.2)]
    if before.size < 5 or late.size < 5:
        return False
    return bool(np.median(np.abs(before)) > 100.0 and np.median(np.abs(late)) < 20.0)


_BLIND_STEPS = (
    "Fetch a snapshot of the next opening (100 Hz): microgrid.capture_snapshot, or wait for the fault's own.",
    "Compare the limits set at the gateway with those of this answer.",
    "Check plugs and wires of its voltage measurement.",
)
_WRONG_STEPS = (
    "Compare the limits set at the gateway with those of this answer; ask again with the ones that are set.",
    "Check coil, supply and auxiliary contact of the contactor: it may have fallen open by itself.",
    "Check plugs and wires of its measurements for a loose contact.",
)


def _opening_steps(verdict: Verdict, worst: Watched) -> tuple[str, ...]:
    side, _, quantity = worst.channel.partition("_")
    where = (
        "Ask what happened beyond the gateway: look at the neighbouring clusters at that time."
        if side == "swarm"
        else "Look for a fault of a house of the cluster at that time: microgrid.list_faults."
    )
    steps = [where]
    if quantity == "frequency":
        steps.append("Look at load and charge of all batteries: frequency follows the power that is missing.")
    else:
        steps.append("Look for a short circuit, an overload or an inverter whose voltage ran away.")
    if verdict is not Verdict.RIGHT:
        steps.insert(0, "Compare delay and limits set at the gateway with those of this answer.")
    return tuple(steps)


def _outside(row: Watched) -> str:
    """What was beyond which limit."""
    extremes = [value for value in (row.lowest, row.highest, row.value) if value is not None]
    if min(extremes) < row.low:
        return f"{row.channel} was {number(min(extremes), row.unit)}, below {number(row.low, row.unit)}"
    return f"{row.channel} was {number(max(extremes), row.unit)}, above {number(row.high, row.unit)}"


# ---------------------------------------------------------------------------------------------------- closing


def _differences(
    found: Mapping[str, tuple[Floats, Floats]], told: Mapping[str, float], limits: GatewayLimits
) -> tuple[Watched, ...]:
    rows = []
    for name, unit, limit in (
        ("frequency", "Hz", limits.frequency_difference_hz),
        ("voltage", "V", limits.voltage_difference_v),
    ):
        t, x = _difference(found[f"cluster_{name}"], found[f"swarm_{name}"])
        known = {f"{name}_difference": told[f"{name}_difference"]} if f"{name}_difference" in told else {}
        if f"cluster_{name}" in told and f"swarm_{name}" in told:
            known = {f"{name}_difference": told[f"cluster_{name}"] - told[f"swarm_{name}"]}
        rows.append(_watched(f"{name}_difference", t, x, known, unit, -limit, limit))
    t, x = found["phase_difference"]
    limit = limits.phase_difference_deg
    rows.append(_watched("phase_difference", t, x, told, "°", -limit, limit))
    return tuple(rows)


def _difference(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """a minus b at the times of a, where b is known near enough."""
    if a[0].size < 3 or b[0].size < 3:
        return np.zeros(0), np.zeros(0)
    near = np.clip(np.searchsorted(b[0], a[0]), 1, b[0].size - 1)
    near = near - (a[0] - b[0][near - 1] < b[0][near] - a[0])
    good = np.abs(b[0][near] - a[0]) <= 0.6 * max(period_of(b[0]), 0.01)
    return a[0][good], (a[1] - b[1][near])[good]


def _closing(
    node: str,
    moment: Moment,
    found: Mapping[str, tuple[Floats, Floats]],
    rows: tuple[Watched, ...],
    source: str,
    limits: GatewayLimits,
) -> Disconnection:
    unknown = [row.channel for row in rows if row.value is None]
    dead = [
        side
        for side in ("cluster", "swarm")
        if found[f"{side}_voltage"][0].size and _last(found[f"{side}_voltage"]) < _DEAD_V
    ]
    longest = _longest_within(found, limits)
    outside = [row for row in rows if row.value is not None and _margin(row.value, row.low, row.high) < 0.0]
    if moment is Moment.CLOSED:
        if dead:
            how = f"closed onto a dead side ({', '.join(dead)}): no frequency and no phase had to match"
            return _answer(node, moment, Verdict.RIGHT, dead[0], longest, rows, source, how, ())
        if unknown:
            how = f"closed, but nothing is known of {', '.join(unknown)}"
            return _answer(node, moment, Verdict.CANNOT_TELL, "", longest, rows, source, how, _BLIND_STEPS)
        if outside:
            worst = outside[0]
            how = f"closed although {_outside(worst)}"
            return _answer(
                node,
                moment,
                Verdict.TOO_EARLY,
                worst.channel,
                longest,
                rows,
                source,
                how,
                _SYNC_STEPS[worst.channel],
            )
        how = "was right to close: both sides matched within all three limits"
        return _answer(node, moment, Verdict.RIGHT, "", longest, rows, source, how, ())
    if longest is None:
        how = "did not close; how well both sides matched cannot be told: samples of one of them are missing"
        return _answer(node, moment, Verdict.CANNOT_TELL, "", longest, rows, source, how, _BLIND_STEPS)
    needed = number(limits.hold_s, "s")
    fits = f"at best all three limits held for {number(longest, 's')} at once, {needed} is needed"
    blame = _blame(rows, found)
    if longest > limits.hold_s + 2.0 * max(row.resolution_s or 0.0 for row in rows) + 0.5:
        how = f"should have closed: {fits}"
        return _answer(node, moment, Verdict.TOO_LATE, "", longest, rows, source, how, _MISSED_STEPS)
    how = f"was right not to close: {fits}; mostly {_typical(blame, found)}"
    return _answer(
        node, moment, Verdict.RIGHT, blame.channel, longest, rows, source, how, _SYNC_STEPS[blame.channel]
    )


def _last(series: tuple[Floats, Floats]) -> float:
    t, x = series
    near = x[t <= 0.0]
    return float(near[-1]) if near.size else float("inf")


def _blame(rows: tuple[Watched, ...], found: Mapping[str, tuple[Floats, Floats]]) -> Watched:
    """What was outside most of the time; of the phase only when the frequencies, that turn it, agree."""
    for row in rows:
        t, x = _course(row, found)
        before = np.abs(x[t <= 0.0])
        if before.size and np.mean(before > row.high) > 0.5:
            return row
    return rows[-1]


def _course(row: Watched, found: Mapping[str, tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Times and values of a difference."""
    name = row.channel.removesuffix("_difference")
    if name == "phase":
        return found["phase_difference"]
    return _difference(found[f"cluster_{name}"], found[f"swarm_{name}"])


def _typical(row: Watched, found: Mapping[str, tuple[Floats, Floats]]) -> str:
    t, x = _course(row, found)
    usual = float(np.median(np.abs(x[t <= 0.0]))) if (t <= 0.0).any() else 0.0
    return f"{row.channel} stood at {number(usual, row.unit)}, {number(row.high, row.unit)} is allowed"


def _longest_within(found: Mapping[str, tuple[Floats, Floats]], limits: GatewayLimits) -> float | None:
    """The longest time before 0 s in which everything held at once; None when something is not known.

    While the contactor was closed both sides are one, and nothing waited for them.
    """
    f = _difference(found["cluster_frequency"], found["swarm_frequency"])
    v = _difference(found["cluster_voltage"], found["swarm_voltage"])
    p = found["phase_difference"]
    if min(f[0].size, v[0].size, p[0].size) < 3:
        return None
    grid = np.arange(max(f[0][0], v[0][0], p[0][0]), 0.0, 0.01)
    if grid.size < 2:
        return None
    fits = np.ones(grid.size, np.bool_)
    for (t, x), limit in (
        (f, limits.frequency_difference_hz),
        (v, limits.voltage_difference_v),
    ):
        at = np.searchsorted(t, grid + 1e-6, side="right") - 1
        fits &= (np.abs(x[at]) <= limit) & (grid - t[at] < 1.5 * period_of(t))
    # between its samples the phase moves on as the frequencies differ
    at = np.searchsorted(p[0], grid + 1e-6, side="right") - 1
    slip = f[1][np.maximum(np.searchsorted(f[0], grid + 1e-6, side="right") - 1, 0)]
    phase = p[1][at] + 360.0 * slip * (grid - p[0][at])
    fits &= np.abs((phase + 180.0) % 360.0 - 180.0) <= limits.phase_difference_deg
    fits &= grid - p[0][at] < 1.5 * period_of(p[0])
    t, closed = found["contactor_closed"]
    if t.size:
        at = np.searchsorted(t, grid + 1e-6, side="right") - 1
        fits &= (at < 0) | (closed[np.maximum(at, 0)] < 0.5)
    best = Run(0.0, censored=False).length_s
    edges = np.flatnonzero(np.diff(np.concatenate(([0], fits.astype(np.int8), [0]))))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        best = max(best, 0.01 * float(end - first))
    return best


_MISSED_STEPS = (
    "See whether its waiting was over: after an opening both sides have to be healthy for a minute.",
    "Check that the auxiliary contact is read: with an unknown position nothing is closed.",
    "Compare the limits set at the gateway with those of this answer.",
)
_SYNC_STEPS: Mapping[str, Sequence[str]] = {
    "frequency_difference": (
        "Compare no-load frequency and droop gain of the cluster's houses: microgrid.debug_power_sharing.",
        "Look at load and charge in the cluster: a loaded cluster turns slower.",
    ),
    "voltage_difference": (
        "Compare the voltage settings of the cluster's inverters with those of the swarm.",
        "Measure both voltages with another meter.",
    ),
    "phase_difference": (
        "Check the settings of the phase lock: the frequencies agree, but the phase is not pulled in.",
        "Check polarity and phase of both voltage measurements.",
    ),
}


def _answer(
    node: str,
    moment: Moment,
    verdict: Verdict,
    reason: str,
    within_s: float | None,
    rows: tuple[Watched, ...],
    source: str,
    how: str,
    steps: Sequence[str],
) -> Disconnection:
    evidence = []
    for row in rows:
        if row.value is not None:
            bounds = (
                ""
                if row.low is None
                else f", allowed {number(row.low)} … {number(row.high or 0.0, row.unit)}"
            )
            evidence.append(
                Fact(row.channel, f"{row.channel} at that moment{bounds}", row.value, row.unit, node=node)
            )
        if row.beyond_s:
            lasted = f"how long {row.channel} had been outside"
            evidence.append(Fact(f"{row.channel}_outside", lasted, row.beyond_s, "s", node=node))
    if within_s is not None:
        held = "longest time in which all closing limits held at once"
        evidence.append(Fact("in_window", held, within_s, "s", node=node))
    return Disconnection(
        f"{node} {how}.", verdict, tuple(steps), tuple(evidence), node, moment, reason, within_s, rows, source
    )

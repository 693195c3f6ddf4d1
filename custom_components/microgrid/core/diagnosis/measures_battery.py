"""Measures of the DC side: cells against each other, the bus and the current; who charged whom."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Finding
from .onset import baseline, ramp
from .residuals import battery_current_residual_a, cell_minus_median_v, fit_line
from .view import CELLS

__all__ = ["battery_flow", "bus_and_cells", "cells", "temperatures"]

Floats = NDArray[np.float64]

_PROBES = 4


def _at_end(times: Floats, rows: Floats, since_s: float, until_s: float) -> Floats:
    """Median of each row within a window, NaN where nothing is known; shape (rows,)."""
    inside = rows[:, (times >= since_s) & (times < until_s)]
    if inside.shape[1] == 0:
        return np.full(len(rows), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without any value stay NaN
        found: Floats = np.nanmedian(inside, axis=1)
    return found


def _current_at(facts: Facts, times: Floats) -> Floats:
    """Battery current at the times of slow samples: mean of the 100 ms before each."""
    t, x = facts.view.series(facts.teller, "battery_current")
    good = np.isfinite(x)
    t, x = t[good], x[good]
    if t.size < 2:
        return np.full(times.size, np.nan)
    summed = np.concatenate(([0.0], np.cumsum(x)))
    last = np.searchsorted(t, times + 0.011)
    first = np.minimum(np.searchsorted(t, times - 0.1), np.maximum(last - 1, 0))
    count = last - first
    fits = (count > 0) & (last > 0)
    mean = np.where(fits, (summed[last] - summed[first]) / np.maximum(count, 1), np.nan)
    near = np.abs(t[np.clip(last - 1, 0, t.size - 1)] - times) < 1.5
    current: Floats = np.where(near, mean, np.nan)
    return current


def cells(facts: Facts) -> Iterator[Finding]:
    """Which cell stands apart, how far, since when, and whether its deviation follows the current."""
    view, node = facts.view, facts.teller
    times, rows = view.numbered(node, "cell_voltage", CELLS)
    if times.size == 0:
        return
    apart = cell_minus_median_v(rows)
    late, early = _at_end(times, rows, -2.1, 1.05), _at_end(times, rows, -10.5, -3.0)
    away, away_early = _at_end(times, apart, -2.1, 1.05), _at_end(times, apart, -10.5, -3.0)
    known = np.isfinite(away)
    if known.sum() < 3:
        return
    order = np.argsort(np.where(known, -np.abs(away), np.inf))
    worst, second = int(order[0]), int(order[1])
    channel = f"cell_voltage_{worst + 1}"
    usual = baseline(times, apart[worst], 0.001)
    usual_mv = None if usual is None else usual.scaled(1000.0)
    number = worst + 1
    yield Finding("cell_apart", node, channel, 1000.0 * away[worst], usual=usual_mv, detail=number)
    yield Finding("cell_apart_size", node, channel, 1000.0 * abs(away[worst]), detail=number)
    yield Finding("cell_apart_before", node, channel, 1000.0 * abs(away_early[worst]), detail=number)
    yield Finding("cell_moved", node, channel, 1000.0 * abs(away[worst] - away_early[worst]), detail=number)
    yield Finding("cell_alone", node, channel, _ratio(abs(away[second]), abs(away[worst])), detail=number)
    # the wire between two cells: what one seems to gain the other seems to lose
    beside = [away[i] for i in (worst - 1, worst + 1) if 0 <= i < CELLS and np.isfinite(away[i])]
    if beside:
        opposite = max(-value * np.sign(away[worst]) for value in beside)
        yield Finding(
            "cell_beside",
            node,
            channel,
            float(np.clip(opposite / max(abs(away[worst]), 1e-3), -2, 2)),
            detail=number,
        )
    others = np.delete(away, worst)
    others = others[np.isfinite(others)]
    yield Finding("cells_scatter", node, "cell_voltage_spread", 1000.0 * float(np.std(others)))
    yield Finding("cell_median", node, "cell_voltage", float(np.nanmedian(late)))
    yield Finding(
        "cell_median_early",
        node,
        "cell_voltage",
        float(np.nanmedian(early)) if np.isfinite(early).any() else np.nan,
    )
    yield Finding(
        "cells_spread", node, "cell_voltage_spread", 1000.0 * float(np.nanmax(late) - np.nanmin(late))
    )
    # single readings: a poor contact jumps from second to second
    window = (times > -10.5) & (times < 1.05)
    jumps = np.abs(np.diff(apart[worst][window]))
    jumps = jumps[np.isfinite(jumps)]
    if jumps.size > 2:
        yield Finding("cell_jumps", node, channel, 1000.0 * float(jumps.max()), detail=number)
        rest = np.abs(np.diff(np.delete(apart, worst, axis=0)[:, window], axis=1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield Finding(
                "cell_restless",
                node,
                channel,
                _ratio(float(np.median(jumps)), float(np.nanmedian(rest)) + 5e-4),
                detail=number,
            )
    highest, lowest = _series_peak(times, rows, np.nanmax), _series_peak(times, rows, np.nanmin)
    yield Finding("cell_highest", node, "cell_voltage_maximum", highest)
    yield Finding("cell_lowest", node, "cell_voltage_minimum", lowest)
    current = _current_at(facts, times)
    line = fit_line(current[times < 0.9], apart[worst][times < 0.9], 4.0)
    if line is not None:
        yield Finding("cell_resistance", node, channel, -1000.0 * line.slope, detail=number)
        yield Finding("cell_follows_current", node, channel, abs(line.correlation), detail=number)
        yield Finding("cell_rest_offset", node, channel, 1000.0 * abs(line.offset), detail=number)
    whole = fit_line(current, np.sum(rows, axis=0), 4.0)
    if whole is not None:
        yield Finding("pack_resistance", node, "cell_voltage", -1000.0 * whole.slope)
    trend = ramp(times[(times > -10.5) & (times < 0.5)], apart[worst][(times > -10.5) & (times < 0.5)])
    if trend is not None:
        yield Finding(
            "cell_trend",
            node,
            channel,
            1000.0 * trend.slope_per_s * float(np.sign(away[worst])),
            detail=number,
        )
    flow = view.median(node, "battery_current", -2.0, facts.quiet_until_s)
    yield Finding(
        "cell_apart_over_current", node, channel, 1000.0 * _ratio(-away[worst], flow, 8.0), detail=number
    )


def _series_peak(times: Floats, rows: Floats, reduce: Callable[[Floats], Any]) -> float:
    window = rows[:, (times > -3.0) & (times < 1.05)]
    if window.size == 0 or not np.isfinite(window).any():
        return float("nan")
    return float(reduce(window))


def _ratio(above: float, below: float, least: float = 1e-9) -> float:
    if not (np.isfinite(above) and np.isfinite(below)) or abs(below) < least:
        return float("nan")
    return float(np.clip(above / below, -50.0, 50.0))


def bus_and_cells(facts: Facts) -> Iterator[Finding]:
    """The DC bus against the sum of the cells, which it is while battery and wiring are whole."""
    view, node = facts.view, facts.teller
    times, rows = view.numbered(node, "cell_voltage", CELLS)
    until = facts.quiet_until_s
    bus_usual = view.usual(node, "dc_bus_voltage", 0.02)
    late_bus = view.median(node, "dc_bus_voltage", until - 0.12, until)
    yield Finding("bus_voltage", node, "dc_bus_voltage", late_bus, usual=bus_usual)
    if bus_usual is not None:
        change = bus_usual.of_change()
        yield Finding("bus_move", node, "dc_bus_voltage", late_bus - bus_usual.median, usual=change)
        wide = view.between(node, "dc_bus_voltage", until - 0.35, until)
        if wide.size:
            moves = wide - bus_usual.median
            yield Finding(
                "bus_extreme",
                node,
                "dc_bus_voltage",
                float(moves[np.argmax(np.abs(moves))]),
                usual=change,
            )
        sigma = np.diff(view.between(node, "dc_bus_voltage", -10.0, -3.0))
        if sigma.size > 5:
            yield Finding("bus_noise", node, "dc_bus_voltage", 1000.0 * float(np.std(sigma)) / 2**0.5)
    # fast bus against fast current: the resistance that the whole battery and its wiring have
    window = view.span(-10.0, until)
    bus, current = view.grid(node, "dc_bus_voltage")[window], view.grid(node, "battery_current")[window]
    line = fit_line(current, bus, 4.0)
    if line is not None:
        yield Finding("bus_resistance", node, "dc_bus_voltage", -1000.0 * line.slope)
        yield Finding("bus_follows_current", node, "dc_bus_voltage", abs(line.correlation))
    current_usual = view.usual(node, "battery_current", 0.2)
    late_current = view.median(node, "battery_current", until - 0.12, until)
    if bus_usual is not None and current_usual is not None:
        moved = late_current - current_usual.median
        yield Finding(
            "bus_move_over_current",
            node,
            "dc_bus_voltage",
            1000.0 * _ratio(bus_usual.median - late_bus, moved, 8.0),
        )
    if times.size == 0 or not np.isfinite(rows).any():
        return
    total = np.sum(rows, axis=0)
    if not np.isfinite(total).any():  # one cell missing: the rest stands for it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            total = np.nanmean(rows, axis=0) * CELLS
    early = view.median(node, "dc_bus_voltage", -10.0, -3.0) - float(
        np.nanmedian(_padded(total[(times >= -10.5) & (times < -3.0)]))
    )
    # cells are slower than the bus: compare each of their samples with the bus at its own instant
    bus_t, bus_x = view.series(node, "dc_bus_voltage")
    bus_at = np.full(times.size, np.nan)
    if bus_t.size:
        for index, instant in enumerate(times):
            near = bus_x[
                int(np.searchsorted(bus_t, instant - 0.06)) : int(np.searchsorted(bus_t, instant + 0.011))
            ]
            near = near[np.isfinite(near)]
            if near.size:
                bus_at[index] = np.median(near)
    residual = bus_at - total
    yield Finding("bus_minus_cells_usual", node, "dc_bus_voltage", early)
    late = residual[(times >= -2.1) & (times < min(until + 0.02, 1.05))]
    late = late[np.isfinite(late)]
    if late.size:
        extreme = float(late[np.argmax(np.abs(late))])
        yield Finding("bus_minus_cells", node, "dc_bus_voltage", extreme)
        yield Finding("bus_minus_cells_median", node, "dc_bus_voltage", float(np.median(late)))
    current = _current_at(facts, times)
    fit = fit_line(current[times < until], residual[times < until], 4.0)
    if fit is not None:
        yield Finding("link_resistance", node, "dc_bus_voltage", -1000.0 * fit.slope)
        yield Finding("link_offset", node, "dc_bus_voltage", fit.offset)
    # what the bus does beyond the cells' last reading, as if they had not moved since
    last = total[(times < until) & np.isfinite(total)]
    if last.size:
        yield Finding("bus_beyond_cells", node, "dc_bus_voltage", late_bus - float(last[-1]))
    after = total[(times > -0.2) & (times < 1.3) & np.isfinite(total)]
    near = total[(times > -1.3) & (times < 1.3) & np.isfinite(total)]
    before = total[(times < -3.0) & np.isfinite(total)]
    if before.size and (after.size or near.size):
        seen = near - np.median(before)
        yield Finding("cells_move", node, "cell_voltage", float(seen[np.argmax(np.abs(seen))]))
        if bus_usual is not None:
            yield Finding(
                "cells_follow_bus",
                node,
                "cell_voltage",
                _ratio(float(seen[np.argmax(np.abs(seen))]), late_bus - bus_usual.median, 0.3),
            )


def _padded(values: Floats) -> Floats:
    finite = values[np.isfinite(values)]
    return finite if finite.size else np.array([np.nan])


def battery_flow(facts: Facts) -> Iterator[Finding]:
    """The battery's current against what charger and inverter account for."""
    view, node = facts.view, facts.teller
    until = facts.quiet_until_s
    battery, bus = view.grid(node, "battery_current"), view.grid(node, "dc_bus_voltage")
    power, charger = view.grid(node, "inverter_power"), view.grid(node, "mppt_output_current")
    residual = battery_current_residual_a(battery, bus, power, charger)

    def level(values: Floats, since: float, upto: float) -> float:
        inside = values[view.span(since, upto)]
        inside = inside[np.isfinite(inside)]
        return float(np.median(inside)) if inside.size else float("nan")

    usual, late = level(residual, -10.0, -3.0), level(residual, until - 0.25, until)
    near = level(residual, -1.0, until)
    yield Finding("current_balance_usual", node, "battery_current", usual)
    yield Finding("current_balance", node, "battery_current", late)
    yield Finding("current_balance_size", node, "battery_current", abs(late))
    yield Finding("current_balance_move", node, "battery_current", abs(late - usual))
    yield Finding("current_balance_second", node, "battery_current", near)
    now, then = level(battery, until - 0.25, until), level(battery, -10.0, -3.0)
    yield Finding("battery_now", node, "battery_current", now, usual=view.usual(node, "battery_current", 0.2))
    yield Finding("battery_rise", node, "battery_current", now - then)
    solar_now, solar_then = level(charger, -1.0, until), level(charger, -10.0, -3.0)
    solar_after = view.highest(node, "mppt_output_current", -2.0, 1.05)
    yield Finding("charger_now", node, "mppt_output_current", solar_now)
    yield Finding("charger_rise", node, "mppt_output_current", max(solar_now, solar_after) - solar_then)
    yield Finding(
        "charger_share", node, "mppt_output_current", _ratio(max(solar_now, solar_after), -now, 10.0)
    )
    power_now = level(power, until - 0.25, until)
    bus_now = level(bus, until - 0.25, until)
    yield Finding("inverter_now", node, "inverter_power", power_now)
    yield Finding(
        "inverter_share",
        node,
        "inverter_power",
        _ratio(power_now / max(bus_now, 20.0), now, 10.0) if np.isfinite(bus_now) else np.nan,
    )
    yield Finding("inverter_rise", node, "inverter_power", power_now - level(power, -10.0, -3.0))
    # the switch of the battery management: current gone while the charger still feeds
    recent = battery[view.span(-2.0, until)]
    rest = np.abs(recent[np.isfinite(recent)])
    if rest.size > 5:
        yield Finding("battery_current_left", node, "battery_current", float(np.median(rest[-4:])))
        was = np.abs(level(battery, -10.0, -3.0))
        yield Finding(
            "battery_current_gone",
            node,
            "battery_current",
            _ratio(float(was - np.median(rest[-4:])), float(was), 1.5),
        )
    t, connected = facts.bus.signal("Battery", "battery_connected", _place(facts))
    if t.size:
        near_values = connected[(t > -3.0) & (t < until + 0.15)]
        if near_values.size:
            yield Finding("battery_switch_open", node, "battery_connected", 1.0 - float(near_values.min()))
    told = [
        e.code
        for e in view.case.events
        if e.raised and e.node == node and -10.0 < e.t_s < 0.02 and e.code != facts.code
    ]
    yield Finding(
        "battery_told_first",
        node,
        "event",
        float(any(code in {"F010", "F011", "F012", "F013", "F014"} for code in told)),
    )
    charge = view.median(node, "state_of_charge", -12.0, 1.0)
    if not np.isfinite(charge):
        t, values = facts.bus.signal("HouseState", "state_of_charge", _place(facts))
        charge = float(np.nanmedian(values)) if values.size and np.isfinite(values).any() else float("nan")
    yield Finding("state_of_charge", node, "state_of_charge", charge)


def _place(facts: Facts) -> int:
    record = facts.view.record(facts.teller)
    return -1 if record is None else record.place


def temperatures(facts: Facts) -> Iterator[Finding]:
    """Probes of battery and power stage: how far, how fast, which alone, and whether losses explain it."""
    view, node = facts.view, facts.teller
    for prefix, channel, count in (
        ("probe", "battery_temperature", _PROBES),
        ("stage", "mosfet_temperature", 2),
    ):
        times, rows = view.numbered(node, channel, count)
        if times.size == 0:
            continue
        late, early = _at_end(times, rows, -2.1, 1.05), _at_end(times, rows, -10.5, -3.0)
        if not np.isfinite(late).any():
            continue
        middle = float(np.nanmedian(late))
        extremes = np.where(np.isfinite(late), np.abs(late - middle), -1.0)
        hottest = int(np.nanargmax(late)) if count == 2 else int(np.argmax(extremes))
        name = f"{channel}_{hottest + 1}"
        rest = np.delete(late, hottest)
        known = rest[np.isfinite(rest)]
        yield Finding(
            f"{prefix}_level",
            node,
            name,
            float(late[hottest]),
            usual=baseline(times, rows[hottest], 0.1),
            detail=hottest + 1,
        )
        yield Finding(f"{prefix}_highest", node, channel, float(np.nanmax(late)))
        if known.size:
            yield Finding(
                f"{prefix}_apart",
                node,
                name,
                abs(float(late[hottest] - np.median(known))),
                detail=hottest + 1,
            )
            yield Finding(f"{prefix}_others", node, channel, float(np.median(known)))
            moved = np.delete(late - early, hottest)
            moved = moved[np.isfinite(moved)]
            if moved.size:
                yield Finding(f"{prefix}_others_moved", node, channel, float(np.median(moved)))
        window = (times > -10.5) & (times < 1.05)
        jumps = (
            np.diff(rows[:, window], axis=1) / np.maximum(np.diff(times[window]), 0.2)
            if window.sum() > 2
            else np.zeros((count, 0))
        )
        if jumps.size and np.isfinite(jumps[hottest]).any():
            yield Finding(
                f"{prefix}_jump", node, name, float(np.nanmax(np.abs(jumps[hottest]))), detail=hottest + 1
            )
        trend = ramp(times[(times > -10.5) & (times < 0.5)], rows[hottest][(times > -10.5) & (times < 0.5)])
        if trend is not None:
            yield Finding(f"{prefix}_trend", node, name, trend.slope_per_s, detail=hottest + 1)
        slopes = [
            found.slope_per_s
            for row in np.delete(rows, hottest, axis=0)
            if (found := ramp(times[times < 0.5], row[times < 0.5])) is not None
        ]
        if slopes:
            yield Finding(f"{prefix}_others_trend", node, channel, float(np.median(slopes)))
        elsewhere = [
            float(np.nanmax(there))
            for other in view.others
            for there in [_at_end(*view.numbered(other, channel, count), -10.5, 1.05)]
            if np.isfinite(there).any()
        ]
        if elsewhere:
            yield Finding(f"{prefix}_neighbours", node, channel, float(np.median(elsewhere)))
            yield Finding(
                f"{prefix}_above_neighbours",
                node,
                channel,
                float(np.nanmax(late)) - float(np.median(elsewhere)),
            )
    current = view.between(node, "inverter_current", -10.0, facts.quiet_until_s)
    if current.size:
        rms = float(np.sqrt(np.mean(current**2)))
        yield Finding("stage_current", node, "inverter_current", rms)
        level = view.highest(node, "mosfet_temperature_1", -2.1, 0.5)
        other = view.highest(node, "mosfet_temperature_2", -2.1, 0.5)
        hot = np.nanmax([level, other]) if np.isfinite([level, other]).any() else np.nan
        # what square law losses leave: kelvin above a room of 25 °C for each square ampere, times 1000
        yield Finding(
            "stage_kelvin_per_loss", node, "mosfet_temperature", 1000.0 * float(hot - 25.0) / (rms**2 + 60.0)
        )
        ratios = []
        for neighbour in view.others:
            there = view.between(neighbour, "inverter_current", -10.0, facts.quiet_until_s)
            warm = view.median(neighbour, "mosfet_temperature_1", -10.0, 0.5)
            if there.size and np.isfinite(warm):
                ratios.append((warm - 25.0) / (float(np.mean(there**2)) + 60.0))
        if ratios and np.isfinite(hot):
            yield Finding(
                "stage_loss_ratio",
                node,
                "mosfet_temperature",
                _ratio(float(hot - 25.0) / (rms**2 + 60.0), float(np.median(ratios)), 1e-4),
            )
    battery = view.between(node, "battery_current", -10.0, facts.quiet_until_s)
    if battery.size:
        yield Finding("probe_current", node, "battery_current", float(np.sqrt(np.mean(battery**2))))

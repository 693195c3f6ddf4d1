"""Measures of the solar charger: input against output, battery and the neighbours' sun."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Finding
from .onset import ramp

__all__ = ["solar"]

Floats = NDArray[np.float64]


def _ratio(above: float, below: float, least: float) -> float:
    if not (np.isfinite(above) and np.isfinite(below)) or abs(below) < least:
        return float("nan")
    return float(np.clip(above / below, -50.0, 50.0))


def solar(facts: Facts) -> Iterator[Finding]:
    """How much voltage and current came in and went out, and whether both sides agree."""
    view, node = facts.view, facts.teller

    def late(channel: str, of: str = node) -> float:
        return view.median(of, channel, -2.1, 1.05)

    def early(channel: str, of: str = node) -> float:
        return view.median(of, channel, -10.5, -3.0)

    v_in, i_in = late("mppt_input_voltage"), late("mppt_input_current")
    v_out, i_out = late("mppt_output_voltage"), late("mppt_output_current")
    usual_v = view.usual(node, "mppt_input_voltage", 0.1)
    change = None if usual_v is None else usual_v.of_change()
    yield Finding("pv_voltage", node, "mppt_input_voltage", v_in, usual=usual_v)
    yield Finding("pv_voltage_early", node, "mppt_input_voltage", early("mppt_input_voltage"))
    yield Finding(
        "pv_voltage_move",
        node,
        "mppt_input_voltage",
        v_in - early("mppt_input_voltage"),
        usual=change,
    )
    yield Finding("pv_current", node, "mppt_input_current", i_in)
    yield Finding("pv_current_early", node, "mppt_input_current", early("mppt_input_current"))
    yield Finding("mppt_out_current", node, "mppt_output_current", i_out)
    yield Finding("mppt_out_move", node, "mppt_output_current", i_out - early("mppt_output_current"))
    yield Finding("mppt_out_voltage", node, "mppt_output_voltage", v_out)
    yield Finding("mppt_efficiency_now", node, "mppt_efficiency", _ratio(v_out * i_out, v_in * i_in, 40.0))
    yield Finding(
        "mppt_efficiency_before",
        node,
        "mppt_efficiency",
        _ratio(
            early("mppt_output_voltage") * early("mppt_output_current"),
            early("mppt_input_voltage") * early("mppt_input_current"),
            40.0,
        ),
    )
    power_in, power_before = v_in * i_in, early("mppt_input_voltage") * early("mppt_input_current")
    yield Finding("pv_power_move", node, "mppt_input_power", power_in - power_before)
    yield Finding("pv_power", node, "mppt_input_power", power_in)
    bus = view.median(node, "dc_bus_voltage", -2.0, facts.quiet_until_s)
    yield Finding("charger_above_bus", node, "mppt_output_voltage", v_out - bus)
    # does the battery feel the charger's current, or only the charger's sensor?
    battery = view.median(node, "battery_current", -2.0, facts.quiet_until_s)
    battery_before = view.median(node, "battery_current", -10.0, -3.0)
    inverter_a = (
        view.median(node, "inverter_power", -2.0, facts.quiet_until_s) / (0.95 * bus) if bus > 1.0 else np.nan
    )
    yield Finding("charger_unaccounted", node, "mppt_output_current", i_out + battery - inverter_a)
    yield Finding(
        "battery_feels_charger",
        node,
        "battery_current",
        _ratio(battery_before - battery, i_out - early("mppt_output_current"), 3.0),
    )
    times, volts = view.series(node, "mppt_input_voltage")
    window = (times > -10.5) & (times < 0.5)
    trend = ramp(times[window], volts[window])
    if trend is not None:
        yield Finding("pv_voltage_trend", node, "mppt_input_voltage", trend.slope_per_s)
    if window.sum() > 2:
        jumps = np.abs(np.diff(volts[(times > -10.5) & (times < 1.05)]))
        jumps = jumps[np.isfinite(jumps)]
        if jumps.size:
            yield Finding("pv_voltage_jump", node, "mppt_input_voltage", float(jumps.max()))
    there = [late("mppt_input_voltage", other) for other in view.others]
    known = [value for value in there if np.isfinite(value) and value > 5.0]
    if known:
        yield Finding(
            "pv_voltage_over_neighbours",
            node,
            "mppt_input_voltage",
            _ratio(v_in, float(np.median(known)), 5.0),
        )
    powers = [late("mppt_input_voltage", other) * late("mppt_input_current", other) for other in view.others]
    powers = [value for value in powers if np.isfinite(value)]
    if powers:
        yield Finding("neighbours_sun", node, "mppt_input_power", float(np.median(powers)))
        yield Finding(
            "sun_over_neighbours", node, "mppt_input_power", _ratio(power_in, float(np.median(powers)), 30.0)
        )

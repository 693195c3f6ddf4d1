"""Measures of the gateway: both sides of its contactor, what was ordered and what it did."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Finding
from .onset import ramp
from .residuals import command_mismatch

__all__ = ["contactor", "synchronism"]

Floats = NDArray[np.float64]


def synchronism(facts: Facts) -> Iterator[Finding]:
    """Which side moves, how far both are apart, and what the phase does."""
    view, node = facts.view, facts.view.gateway
    if node is None:
        return
    stats = {}
    for side in ("cluster", "swarm"):
        f = view.grid(node, f"{side}_frequency")[view.span(-10.0, 0.0)]
        f = f[np.isfinite(f)]
        if f.size < 5:
            continue
        # variation slower than the noise of single readings: means of 200 ms
        smooth = f[: f.size // 20 * 20].reshape(-1, 20).mean(axis=1) if f.size >= 40 else f
        stats[side] = float(np.std(smooth)), float(np.median(f)), float(np.ptp(smooth))
        yield Finding(f"{side}_unrest", node, f"{side}_frequency", 1000.0 * stats[side][0])
        yield Finding(f"{side}_range", node, f"{side}_frequency", 1000.0 * stats[side][2])
        trend = ramp(
            view.grid_s[view.span(-10.0, 0.0)][::20],
            view.grid(node, f"{side}_frequency")[view.span(-10.0, 0.0)][::20],
        )
        if trend is not None:
            yield Finding(f"{side}_trend", node, f"{side}_frequency", 1000.0 * trend.slope_per_s)
        volts = view.between(node, f"{side}_voltage", -10.0, 0.0)
        if volts.size > 3:
            yield Finding(f"{side}_voltage_unrest", node, f"{side}_voltage", float(np.std(volts)))
    if len(stats) == 2:
        difference = stats["cluster"][1] - stats["swarm"][1]
        yield Finding("frequency_apart", node, "frequency_difference", 1000.0 * difference)
        yield Finding("frequency_apart_size", node, "frequency_difference", 1000.0 * abs(difference))
        yield Finding(
            "unrest_ratio",
            node,
            "frequency_difference",
            float(np.log10(max(stats["swarm"][0], 5e-4) / max(stats["cluster"][0], 5e-4))),
        )
    apart = view.median(node, "cluster_voltage", -10.0, 0.0) - view.median(node, "swarm_voltage", -10.0, 0.0)
    yield Finding("voltage_apart", node, "cluster_voltage", abs(apart))
    t, phase = view.series(node, "phase_difference")
    window = (t > -10.0) & (t < 0.0) & np.isfinite(phase)
    if window.sum() > 4:
        angles = np.unwrap(np.radians(phase[window]))
        yield Finding("phase_turn", node, "phase_difference", float(np.degrees(np.ptp(angles))))
        steady = np.abs(np.degrees(np.angle(np.mean(np.exp(1j * np.radians(phase[window]))))))
        yield Finding("phase_size", node, "phase_difference", float(steady))
        yield Finding("phase_nearest", node, "phase_difference", float(np.min(np.abs(phase[window]))))
        trend = ramp(t[window], np.degrees(angles))
        if trend is not None:
            yield Finding("phase_speed", node, "phase_difference", abs(trend.slope_per_s))
            line = np.degrees(angles) - trend.slope_per_s * t[window]
            yield Finding("phase_swing", node, "phase_difference", float(np.std(line)))
    unrest = {
        house: float(np.std(load))
        for house in view.houses
        if (load := view.between(house, "load_power", -10.0, 0.5)).size > 4
    }
    if unrest:
        hunting = max(unrest, key=lambda house: unrest[house])
        yield Finding("load_unrest", hunting, "load_power", unrest[hunting])
    late = view.median(node, "phase_difference", 0.5, 9.0)
    yield Finding("phase_after", node, "phase_difference", abs(late))
    closed = _positions(facts)[1]
    if closed.size:
        yield Finding("closed_after", node, "contactor_closed", float(closed[-1]))


def _positions(facts: Facts) -> tuple[Floats, Floats, Floats, Floats]:
    """Times, position (0, 1, NaN), times and command of the contactor; channels first, else from the bus."""
    view, node = facts.view, facts.view.gateway or facts.teller
    t, position = view.series(node, "contactor_closed")
    command_t, command = view.series(node, "contactor_commanded")
    if not t.size:
        t, position = facts.bus.signal("Contactor", "contactor_position", 0)
        position = np.where(position <= 1, position, np.nan)
    if not command_t.size:
        command_t, command = facts.bus.signal("Contactor", "contactor_command", 0)
        command = np.where(command <= 1, command, np.nan)
    return t, position, command_t, command


def contactor(facts: Facts) -> Iterator[Finding]:
    """Command, auxiliary contact and what the network says: current through, both frequencies alike."""
    view, node = facts.view, facts.view.gateway or facts.teller
    t, position, command_t, command = _positions(facts)
    if command_t.size:
        held = np.searchsorted(command_t, view.grid_s, side="right") - 1
        ordered = np.where(held >= 0, command[np.maximum(held, 0)], np.nan)
        late = ordered[view.span(-1.0, 0.0)]
        late = late[np.isfinite(late)]
        if late.size:
            yield Finding("ordered_closed", node, "contactor_commanded", float(np.median(late)))
        if t.size:
            seen = np.searchsorted(t, view.grid_s, side="right") - 1
            shown = np.where(seen >= 0, position[np.maximum(seen, 0)], np.nan)
            before = view.span(-10.0, 0.05)
            differ = command_mismatch(ordered, shown)[before]
            if differ.size:
                changes = np.flatnonzero(np.abs(np.diff(ordered[before])) > 0.5)
                at = int(changes[-1]) + 1 if changes.size else int(np.argmax(differ))
                first = float(view.grid_s[before][at])
                yield Finding("command_differs", node, "contactor_closed", float(differ.sum()) * 0.01, first)
            near = shown[view.span(-1.0, 0.0)]
            near = near[np.isfinite(near)]
            if near.size:
                yield Finding("shown_closed", node, "contactor_closed", float(np.median(near)))
    flow = view.between(node, "power_flow", -1.6, 0.5)
    if flow.size:
        yield Finding("flow_through", node, "power_flow", float(np.median(np.abs(flow))))
    flow_early = view.between(node, "power_flow", -10.0, -4.0)
    if flow_early.size:
        yield Finding("flow_early", node, "power_flow", float(np.median(np.abs(flow_early))))
    difference = view.grid(node, "cluster_frequency") - view.grid(node, "swarm_frequency")
    near = difference[view.span(-1.6, 0.3)]
    near = near[np.isfinite(near)]
    if near.size > 5:
        yield Finding(
            "frequencies_differ", node, "frequency_difference", 1000.0 * abs(float(np.median(near)))
        )
        yield Finding("frequencies_noise", node, "frequency_difference", 1000.0 * float(np.std(near)))
    phase = view.between(node, "phase_difference", -1.6, 1.1)
    if phase.size:
        yield Finding("phase_now", node, "phase_difference", float(np.median(np.abs(phase))))
        if phase.size > 1:
            yield Finding(
                "phase_range_now",
                node,
                "phase_difference",
                float(np.degrees(np.ptp(np.unwrap(np.radians(phase))))),
            )
    # the network's own answer to the question, as one number: 1 joined, 0 apart
    through = view.between(node, "power_flow", -1.6, 0.5)
    if near.size > 5 and through.size:
        joined = float(np.median(np.abs(through)) > 40.0 or abs(float(np.median(near))) < 0.004)
        yield Finding("joined", node, "power_flow", joined)
    bus = facts.bus
    if bus.known:
        yield Finding("contactor_frames_lost", node, "frames", 100.0 * bus.missing_share(0, -6.0, 0.0))
        rates = [bus.missing_share(place, -6.0, 0.0) for place in bus.places() if place]
        known = [rate for rate in rates if np.isfinite(rate)]
        if known:
            yield Finding("frames_lost_near", node, "frames", 100.0 * float(np.median(known)))
        times, sequence = bus.signal("Contactor", "sequence", 0)
        window = (times > -8.0) & (times < 0.5)
        if window.sum() > 2:
            yield Finding(
                "command_repeated", node, "contactor_commanded", float(np.unique(sequence[window]).size)
            )

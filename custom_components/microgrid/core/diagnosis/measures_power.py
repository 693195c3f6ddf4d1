"""Measures of power, voltage and frequency: who moved, what moved along, and what should have but did not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Finding
from .origin import OUTSIDE

__all__ = [
    "afterwards",
    "current_consistency",
    "droop",
    "frequency",
    "load_step",
    "loads",
    "shares",
    "sources",
    "trips",
    "voltages",
]

Floats = NDArray[np.float64]


def shares(facts: Facts) -> Iterator[Finding]:
    """Who changed its power in the first 80 ms, and whether the others went along or against."""
    found = facts.disturbance
    if found is None:
        if facts.view.between(facts.teller, "inverter_power", -3.0, 0.0).size > 50:
            yield Finding("power_step", facts.teller, "inverter_power", 0.0)
        return
    own = found.change_w.get(facts.teller, float("nan"))
    others = {node: change for node, change in found.change_w.items() if node != facts.teller}
    yield Finding("power_step", facts.teller, "inverter_power", found.total_w, found.t_s)
    yield Finding("power_step_lead", facts.teller, "inverter_power", -found.t_s, found.t_s)
    yield Finding("own_share", facts.teller, "inverter_power", found.share(facts.teller), found.t_s)
    if others:
        most = max(others, key=lambda node: abs(others[node]))
        yield Finding("other_share", most, "inverter_power", found.share(most), found.t_s)
        yield Finding(
            "own_over_other", facts.teller, "inverter_power", _ratio(abs(own), abs(others[most])), found.t_s
        )
        yield Finding(
            "own_peak_share", facts.teller, "inverter_power", found.peak_share(facts.teller), found.t_s
        )
        first = max(others, key=lambda node: abs(found.peak_w.get(node, 0.0)))
        yield Finding("other_peak_share", first, "inverter_power", found.peak_share(first), found.t_s)
        lead = _ratio(found.peak_share(facts.teller), found.peak_share(first), 1e-3)
        yield Finding("own_peak_over_other", facts.teller, "inverter_power", lead, found.t_s)
        yield Finding("own_change", facts.teller, "inverter_power", own, found.t_s)
        along = float(sum(others.values()))
        yield Finding("others_along", facts.teller, "inverter_power", _ratio(along, own, 60.0), found.t_s)
    yield from _balance(facts, found.t_s)


def load_step(facts: Facts) -> Iterator[Finding]:
    """At which house load came or went: by the first peak of power, the voltage there, and its own meter."""
    found, view = facts.disturbance, facts.view
    if found is None:
        return
    scores: dict[str, float] = {}
    moves = {node: _deviation(facts, node, "inverter_voltage", 0.3)[0] for node in view.houses}
    moves = {node: value for node, value in moves.items() if np.isfinite(value)}
    usual_move = float(np.mean(np.abs(list(moves.values())))) if moves else 0.0
    metered = {}
    for node in view.houses:
        before = view.median(node, "load_power", -9.5, -3.0)
        t, x = view.series(node, "load_power")
        inside = (t > found.t_s - 0.02) & (t < facts.quiet_until_s + 0.02) & np.isfinite(x)
        if np.isfinite(before) and inside.any():
            metered[node] = abs(float(np.max(np.abs(x[inside] - before))))
    for node in found.peak_w:
        score = found.peak_share(node) * len(found.peak_w)
        if usual_move > 1.0 and node in moves:
            score += 2.0 * abs(moves[node]) / usual_move
        if node in metered and metered[node] > 0.5 * found.total_w:
            score += 3.0
        scores[node] = score
    if len(scores) > 1:
        most = max(scores, key=lambda node: scores[node])
        rest = max(value for node, value in scores.items() if node != facts.teller)
        others = [node for node in scores if node != facts.teller]
        yield Finding(
            "load_step_at", max(others, key=lambda node: scores[node]), "load_power", scores[most], found.t_s
        )
        if facts.teller in scores:  # what is not known of the own house is not nothing
            yield Finding("load_step_own", facts.teller, "load_power", scores[facts.teller] - rest, found.t_s)


def _balance(facts: Facts, onset_s: float) -> Iterator[Finding]:
    """Power balance of the cluster: did load change inside, or did the houses only follow the swarm?"""
    view = facts.view
    until = facts.quiet_until_s
    if view.gateway is None or until - onset_s < 0.1:
        return
    flow_now = view.between(view.gateway, "power_flow", max(onset_s + 0.05, until - 0.25), until + 0.001)
    flow_then = view.between(view.gateway, "power_flow", onset_s - 2.0, onset_s - 0.02)
    given = 0.0
    for node in view.houses:
        now = view.median(node, "inverter_power", max(onset_s + 0.05, until - 0.25), until)
        then = view.median(node, "inverter_power", onset_s - 2.0, onset_s - 0.02)
        if not np.isfinite(now - then):
            return
        given += now - then
    if not flow_now.size or not flow_then.size:
        return
    flow = float(np.median(flow_now) - np.median(flow_then))
    inside = given - flow
    yield Finding("inside_change", facts.teller, "load_power", inside, onset_s)
    yield Finding(
        "outside_share", OUTSIDE, "power_flow", _ratio(abs(flow), abs(inside) + abs(flow), 80.0), onset_s
    )
    yield Finding("houses_change", facts.teller, "inverter_power", given, onset_s)
    yield Finding("flow_change", view.gateway, "power_flow", flow, onset_s)


def _ratio(above: float, below: float, least: float = 1e-9) -> float:
    """Quotient within ±10; NaN where there is nothing to compare with."""
    if not np.isfinite(above) or not np.isfinite(below) or abs(below) < least:
        return float("nan")
    return float(np.clip(above / below, -10.0, 10.0))


def trips(facts: Facts) -> Iterator[Finding]:
    """Inverters of neighbours that went off before."""
    known = [trip for trip in facts.earlier_trips if trip.t_s > -9.5]
    if known:
        last = max(known, key=lambda trip: (abs(trip.lost_w), trip.t_s))
        yield Finding("neighbour_trip", last.node, "inverter_power", abs(last.lost_w), last.t_s)
    elif any(np.isfinite(facts.view.grid(node, "inverter_power")).any() for node in facts.view.others):
        yield Finding("neighbour_trip", facts.teller, "inverter_power", 0.0)
    told = [
        event
        for event in facts.view.case.events
        if event.raised and event.node != facts.teller and -12.0 < event.t_s < -0.015
    ]
    first = min(told, key=lambda event: event.t_s, default=None)
    yield Finding(
        "neighbour_told",
        facts.teller if first is None else first.node,
        "event",
        0.0 if first is None else 1.0,
        0.0 if first is None else first.t_s,
    )


def loads(facts: Facts) -> Iterator[Finding]:
    """Changes of the houses' own loads, sampled once a second."""
    view = facts.view
    rises: dict[str, float] = {}
    falls: dict[str, float] = {}
    for node in view.houses:
        # 1 Hz, and maybe just before the step: later samples count as well while the house has voltage
        before = view.median(node, "load_power", -9.5, -3.0)
        t, x = view.series(node, "load_power")
        inside = (t > -2.2) & (t < 1.2) & np.isfinite(x)
        if not np.isfinite(before) or not inside.any():
            continue
        at = np.clip(np.searchsorted(view.grid_s, t[inside]), 0, view.grid_s.size - 1)
        volts = view.grid(node, "inverter_voltage")[at]
        moves = (x[inside] - before)[~(volts < 150.0)]
        if moves.size:
            rises[node], falls[node] = float(moves.max()), float(moves.min())
    own_rise, own_fall = rises.pop(facts.teller, float("nan")), falls.pop(facts.teller, float("nan"))
    yield Finding(
        "own_load_step", facts.teller, "load_power", own_rise if abs(own_rise) >= abs(own_fall) else own_fall
    )
    if rises:
        up, down = max(rises, key=lambda node: rises[node]), min(falls, key=lambda node: falls[node])
        yield Finding("other_load_rise", up, "load_power", rises[up])
        yield Finding("other_load_fall", down, "load_power", falls[down])
        yield Finding("own_over_other_load", facts.teller, "load_power", own_rise - rises[up])
        yield Finding("own_below_other_load", facts.teller, "load_power", falls[down] - own_fall)
    # the slow story: what the house gave away before the fault
    given = view.median(facts.teller, "inverter_power", -10.0, -0.05)
    taken = view.median(facts.teller, "load_power", -10.0, -0.05)
    yield Finding("export", facts.teller, "exchange_power", given - taken)
    yield Finding("export_share", facts.teller, "exchange_power", _ratio(given - taken, abs(given), 200.0))
    late = view.median(facts.teller, "inverter_power", -0.6, facts.quiet_until_s)
    yield Finding("late_export", facts.teller, "exchange_power", late - taken)
    yield Finding("late_power", facts.teller, "inverter_power", late)
    yield Finding("own_load", facts.teller, "load_power", taken)
    # the neighbour that gives least of what it takes itself
    balance = {
        node: view.median(node, "inverter_power", -10.0, -0.05)
        - view.median(node, "load_power", -10.0, -0.05)
        for node in view.others
    }
    known = {node: value for node, value in balance.items() if np.isfinite(value)}
    if known:
        # who takes and gives nothing at all counts before who only gives too little
        idle = {
            node: abs(view.median(node, "inverter_power", -10.0, -0.05)) < 60.0 and known[node] < -100.0
            for node in known
        }
        least = min(known, key=lambda n: (not idle[n], known[n]))
        most = max(known, key=lambda n: known[n])
        yield Finding("neighbour_import", least, "exchange_power", -known[least])
        yield Finding("neighbour_surplus", most, "exchange_power", known[most])
    if view.gateway is not None:
        yield Finding(
            "swarm_flow", view.gateway, "power_flow", view.median(view.gateway, "power_flow", -10.0, -0.05)
        )


def _deviation(facts: Facts, node: str, channel: str, floor: float) -> tuple[float, float]:
    """Lasting deviation in the last 150 ms before the trip, and the extreme one, from the baseline."""
    view = facts.view
    usual = view.usual(node, channel, floor)
    if usual is None:
        return float("nan"), float("nan")
    t, _ = view.series(node, channel)
    fast = t.size > 1 and float(np.median(np.diff(t[: min(t.size, 200)]))) < 0.2
    until = facts.quiet_until_s if fast else 1.3
    near = view.between(node, channel, until - (0.12 if fast else 1.5), until)
    if near.size == 0:
        return float("nan"), float("nan")
    wide = view.between(node, channel, until - (1.0 if fast else 2.5), until)
    moves = wide - usual.median
    return float(np.median(near)) - usual.median, float(moves[np.argmax(np.abs(moves))])


def voltages(facts: Facts) -> Iterator[Finding]:
    """The own AC voltage against those of the neighbours, the cluster and the swarm."""
    view = facts.view
    own, extreme = _deviation(facts, facts.teller, "inverter_voltage", 0.3)
    usual = view.usual(facts.teller, "inverter_voltage", 0.3)
    change = None if usual is None else usual.of_change()
    yield Finding("own_voltage", facts.teller, "inverter_voltage", own, usual=change)
    yield Finding("own_voltage_extreme", facts.teller, "inverter_voltage", extreme, usual=change)
    others = {node: _deviation(facts, node, "inverter_voltage", 0.3)[0] for node in view.others}
    known = {node: value for node, value in others.items() if np.isfinite(value)}
    if known:
        yield Finding(
            "others_voltage", facts.teller, "inverter_voltage", float(np.median(list(known.values())))
        )
        yield Finding(
            "others_voltage_ratio",
            facts.teller,
            "inverter_voltage",
            _ratio(float(np.median(list(known.values()))), own, 1.0),
        )
        most = max(known, key=lambda node: abs(known[node]))
        yield Finding("other_voltage", most, "inverter_voltage", known[most])
        yield Finding("other_voltage_ratio", most, "inverter_voltage", _ratio(known[most], own, 1.0))
    if view.gateway is not None:
        for key, channel in (
            ("cluster_voltage_ratio", "cluster_voltage"),
            ("swarm_voltage_ratio", "swarm_voltage"),
        ):
            move, wide = _deviation(facts, view.gateway, channel, 0.3)
            yield Finding(key, view.gateway, channel, _ratio(wide if np.isfinite(wide) else move, own, 1.0))
        usual_flow = view.usual(view.gateway, "power_flow", 30.0)
        if usual_flow is not None:
            _, flow = _deviation(facts, view.gateway, "power_flow", 30.0)
            yield Finding("flow_step", view.gateway, "power_flow", flow, usual=usual_flow.of_change())


def frequency(facts: Facts) -> Iterator[Finding]:
    """How frequencies moved; all inverters share one, so a lone deviation is none of the network."""
    view = facts.view
    own, _ = _deviation(facts, facts.teller, "inverter_frequency", 0.003)
    yield Finding("own_frequency", facts.teller, "inverter_frequency", own)
    if view.gateway is not None:
        swarm, _ = _deviation(facts, view.gateway, "swarm_frequency", 0.003)
        yield Finding("swarm_frequency_step", view.gateway, "swarm_frequency", swarm)
    yield Finding(
        "frequency_level",
        facts.teller,
        "inverter_frequency",
        view.median(facts.teller, "inverter_frequency", -1.0, facts.quiet_until_s),
    )


def afterwards(facts: Facts) -> Iterator[Finding]:
    """Whether load and frequency are as before some seconds later, when nobody needs to trip any more."""
    view, trip_s = facts.view, facts.own_trip_s
    node, until = facts.teller, facts.quiet_until_s
    usual = view.median(node, "load_power", -9.5, -3.0)
    during = view.highest(node, "load_power", -2.2, until + 0.02)
    after = view.median(node, "load_power", trip_s + 1.2, trip_s + 6.0)
    if not view.median(node, "inverter_voltage", trip_s + 1.2, trip_s + 6.0) < 150.0:
        yield Finding("load_back", node, "load_power", 1.0 - _ratio(after - usual, during - usual, 300.0))
    where, channel = node, "inverter_frequency"
    if view.gateway is not None and view.between(view.gateway, "cluster_frequency", -10.0, -3.0).size > 5:
        where, channel = view.gateway, "cluster_frequency"
    usual = view.median(where, channel, -9.5, -4.0)
    during = view.median(where, channel, until - 0.3, until)
    after = view.median(where, channel, trip_s + 2.0, trip_s + 6.0)
    yield Finding("frequency_back", where, channel, 1.0 - _ratio(after - usual, during - usual, 0.05))


def droop(facts: Facts) -> Iterator[Finding]:
    """The house that broke the droop rule: with it power falls as frequency rises, and the other way round.

    Healthy inverters answer a change of the common frequency along their line, so both changes have opposite
    signs. The one whose line itself moved has the same sign in both.
    """
    view = facts.view
    moves: dict[str, tuple[float, float]] = {}
    levels: dict[str, float] = {}
    until = facts.quiet_until_s
    for node in view.houses:
        power = [view.median(node, "inverter_power", *span) for span in ((-10.0, -6.0), (until - 0.3, until))]
        hertz = [
            view.median(node, "inverter_frequency", *span) for span in ((-10.0, -6.0), (until - 0.3, until))
        ]
        if np.isfinite(power).all() and max(abs(power[0]), abs(power[1])) > 60.0:
            levels[node] = power[1]
            if np.isfinite(hertz).all():
                moves[node] = power[1] - power[0], hertz[1] - hertz[0]
    if moves:
        broken = {
            node: abs(watts) if watts * hertz > 0.0 and abs(hertz) > 0.004 else 0.0
            for node, (watts, hertz) in moves.items()
        }
        most = max(broken, key=lambda node: broken[node])
        yield Finding("droop_offset_move", most, "inverter_power", broken[most])
        yield Finding(
            "droop_broken_own", facts.teller, "inverter_power", broken.get(facts.teller, float("nan"))
        )
        yield Finding(
            "frequency_move",
            facts.teller,
            "inverter_frequency",
            moves.get(facts.teller, (0.0, float("nan")))[1],
        )
        # power that only goes round adds up to nothing
        total, amount = sum(w for w, _ in moves.values()), sum(abs(w) for w, _ in moves.values())
        yield Finding("circulating", most, "inverter_power", _ratio(amount - abs(total), amount, 200.0))
        yield Finding("exchanged", most, "inverter_power", amount)
    if len(levels) >= 2:
        apart = {
            node: power - float(np.median([other for who, other in levels.items() if who != node]))
            for node, power in levels.items()
        }
        far = max(apart, key=lambda node: abs(apart[node]))
        yield Finding("droop_offset_late", far, "inverter_power", apart[far], until)
        yield Finding(
            "power_signs_late", min(levels, key=lambda n: levels[n]), "inverter_power", min(levels.values())
        )


def sources(facts: Facts) -> Iterator[Finding]:
    """Where surplus came from, or who was short: a neighbour's load or inverter, or the swarm."""
    view = facts.view
    until = facts.quiet_until_s
    now: dict[str, float] = {}
    moved: dict[str, float] = {}
    for node in view.others:
        given = view.median(node, "inverter_power", until - 0.4, until)
        taken = view.median(node, "load_power", -1.2, 1.2)
        before = view.median(node, "inverter_power", -10.0, -6.0) - view.median(
            node, "load_power", -10.0, -6.0
        )
        if np.isfinite(given - taken):
            now[node] = given - taken
            if np.isfinite(before):
                moved[node] = now[node] - before
    if view.gateway is not None:
        flow = view.median(view.gateway, "power_flow", until - 0.4, until)
        before = view.median(view.gateway, "power_flow", -10.0, -6.0)
        if np.isfinite(flow):
            now[OUTSIDE] = -flow
            if np.isfinite(before):
                moved[OUTSIDE] = before - flow
    if not now:
        return
    # what changed counts; where nothing did, what is
    rank = {node: moved.get(node, 0.0) + 0.25 * value for node, value in now.items()}
    giver, taker = max(rank, key=lambda node: rank[node]), min(rank, key=lambda node: rank[node])
    yield Finding("surplus_from", giver, "exchange_power", now[giver])
    yield Finding("shortage_from", taker, "exchange_power", -now[taker])
    yield Finding("surplus_outside", OUTSIDE, "power_flow", now.get(OUTSIDE, float("nan")))
    houses = [value for node, value in now.items() if node != OUTSIDE]
    if houses:
        yield Finding("surplus_neighbours", facts.teller, "exchange_power", float(sum(houses)))


def current_consistency(facts: Facts) -> Iterator[Finding]:
    """Does the AC current agree with power, battery current and neighbours? A sensor's does not."""
    view, node = facts.view, facts.teller
    until = facts.quiet_until_s
    start = (
        facts.disturbance.t_s
        if facts.disturbance is not None and facts.disturbance.t_s > -0.5
        else until - 0.06
    )
    window = view.span(min(start, until - 0.03), until)
    current, voltage = view.grid(node, "inverter_current"), view.grid(node, "inverter_voltage")
    power, battery = view.grid(node, "inverter_power"), view.grid(node, "battery_current")
    bus = view.grid(node, "dc_bus_voltage")
    rest = view.span(-10.0, -3.0)

    def change(values: Floats) -> float:
        now, then = values[window], values[rest]
        now, then = now[np.isfinite(now)], then[np.isfinite(then)]
        if now.size == 0 or then.size == 0:
            return float("nan")
        moves = now - np.median(then)
        return float(np.max(moves) if abs(np.max(moves)) >= abs(np.min(moves)) else np.min(moves))

    ac_rise = change(np.abs(current))
    apparent_rise = ac_rise * view.median(node, "inverter_voltage", -10.0, -3.0)
    power_rise = change(power)
    dc_rise = change(battery * bus)
    yield Finding("current_rise", node, "inverter_current", ac_rise, until)
    yield Finding(
        "power_follows_current", node, "inverter_power", _ratio(power_rise, apparent_rise, 200.0), until
    )
    yield Finding(
        "battery_follows_current", node, "battery_current", _ratio(dc_rise, apparent_rise, 200.0), until
    )
    yield Finding("battery_follows_power", node, "battery_current", _ratio(dc_rise, power_rise, 200.0), until)
    usual_apparent = np.abs(current * voltage)[rest]
    usual_power = np.abs(power)[rest]
    good = np.isfinite(usual_apparent) & np.isfinite(usual_power)
    if good.sum() > 10:
        yield Finding(
            "usual_power_factor",
            node,
            "inverter_current",
            _ratio(float(np.median(usual_power[good])), float(np.median(usual_apparent[good])), 150.0),
        )
    total = np.array([change(view.grid(other, "inverter_power")) for other in view.others])
    total = total[np.isfinite(total)]
    if total.size:
        yield Finding(
            "others_follow_current",
            node,
            "inverter_power",
            _ratio(float(total.sum()), apparent_rise, 200.0),
            until,
        )
    # how fast: part of the rise that came within 50 ms
    rise = np.abs(current)[view.span(-4.0, until)]
    rise = rise[np.isfinite(rise)]
    if rise.size > 30:
        steps = rise[5:] - rise[:-5]
        span = float(np.max(rise) - np.median(rise[: rise.size // 2]))
        yield Finding("current_suddenness", node, "inverter_current", _ratio(float(steps.max()), span, 1.0))

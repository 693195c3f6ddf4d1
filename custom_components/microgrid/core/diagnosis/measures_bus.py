"""Measures of the CAN bus: silences, restarts, floods and lost frames, by node, by time and by current."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .bus import Silence
from .facts import Facts, Finding

__all__ = ["floods", "losses", "silences"]

Floats = NDArray[np.float64]

_SILENT_S = 1.0
_CYCLES_S = 0.1


def _name(facts: Facts, place: int) -> str:
    """Node id of a CAN number; of a stranger, or a node whose number nobody knows, the number itself."""
    for record in facts.view.case.nodes.values():
        if record.place == place:
            return record.node
    return f"CAN number {place}"


def _hole_s(facts: Facts, node: str) -> float:
    """Longest time without own samples, which who only lost its cable has; NaN without a record."""
    t, x = facts.view.series(
        node, "inverter_frequency" if node != facts.view.gateway else "cluster_frequency"
    )
    good = t[np.isfinite(x)]
    if good.size < 20:
        return float("nan")
    return float(np.max(np.diff(good)))


def silences(facts: Facts) -> Iterator[Finding]:
    """Who was not heard, for how long, whether it came back and as what."""
    bus, view = facts.bus, facts.view
    if not bus.known:
        return
    found = [silence for place in bus.places() if (silence := bus.silence(place)) is not None]
    silent = [one for one in found if one.length_s > _SILENT_S]
    yield Finding("silent_nodes", facts.teller, "frames", float(len(silent)))
    if not found:
        return
    # of those that were silent together the one next to the gateway: behind it the cable is open
    longest = max(found, key=lambda one: one.length_s)
    together = sorted(one.place for one in silent if abs(one.since_s - longest.since_s) < 0.5)
    first = next((one for one in silent if together and one.place == together[0]), longest)
    node = _name(facts, first.place)
    yield Finding("silence", node, "frames", first.length_s, first.since_s, detail=first.place)
    yield Finding(
        "silence_returned",
        node,
        "frames",
        float(first.returned and first.length_s > _SILENT_S),
        first.until_s,
        detail=first.place,
    )
    yield Finding(
        "silent_gateway",
        node,
        "frames",
        float(first.place == 0 and first.length_s > _SILENT_S),
        first.since_s,
    )
    yield Finding(
        "silence_restart",
        node,
        "boot_id",
        float(bus.boots(first.place) > 1),
        first.until_s,
        detail=first.place,
    )
    hole = _hole_s(facts, node)
    yield Finding(
        "silent_samples_missing", node, "inverter_frequency", hole, first.since_s, detail=first.place
    )
    highest = max((place for place in bus.places()), default=0)
    at_end = bool(together) and together[-1] == highest and together == list(range(together[0], highest + 1))
    yield Finding("silent_to_the_end", node, "frames", float(at_end))
    yield Finding("silent_together", node, "frames", float(len(together)))
    yield Finding(
        "silence_others",
        node,
        "frames",
        max((one.length_s for one in found if one.place not in together), default=0.0),
    )
    restarted = [place for place in bus.places() if bus.boots(place) > 1]
    yield Finding(
        "restarts_seen",
        _name(facts, restarted[0]) if restarted else facts.teller,
        "boot_id",
        float(len(restarted)),
    )
    yield Finding("gateway_restarted", view.gateway or facts.teller, "boot_id", float(0 in restarted))


def floods(facts: Facts) -> Iterator[Finding]:
    """Frames that nobody needs so often."""
    bus = facts.bus
    if not bus.known:
        return
    identifier, excess, at = bus.busiest_identifier()
    node = _name(facts, identifier & 0xF) if identifier >= 0 else facts.teller
    yield Finding("flood", node, "frames", excess, at, detail=identifier & 0xF if identifier >= 0 else None)
    # foreign identifiers that nobody of the cluster owns
    edges = np.arange(bus.since_s, bus.until_s, 0.5)
    loads = [bus.load(float(a), float(a) + 0.5) for a in edges[:-1]] if edges.size > 2 else []
    if loads:
        yield Finding(
            "bus_load_highest",
            facts.teller,
            "can_bus_load",
            100.0 * max(loads),
            float(edges[int(np.argmax(loads))]),
        )
        yield Finding("bus_load_usual", facts.teller, "can_bus_load", 100.0 * float(np.median(loads)))


def losses(facts: Facts) -> Iterator[Finding]:
    """Frames that were expected and did not come, or came late: of all nodes or of one."""
    bus = facts.bus
    if not bus.known:
        return
    missing = {place: _missing_while_alive(facts, place) for place in bus.places()}
    known = {place: value for place, value in missing.items() if np.isfinite(value)}
    if not known:
        return
    worst = max(known, key=lambda place: known[place])
    rest = [value for place, value in known.items() if place != worst]
    yield Finding("frames_lost", _name(facts, worst), "frames", 100.0 * known[worst], detail=worst)
    median = float(np.median(rest)) if rest else float("nan")
    yield Finding("frames_lost_others", _name(facts, worst), "frames", 100.0 * median, detail=worst)
    yield Finding("frames_lost_least", facts.teller, "frames", 100.0 * min(known.values()))
    yield Finding(
        "frames_lost_alone",
        _name(facts, worst),
        "frames",
        float(np.clip((known[worst] - median) / max(known[worst], 0.002), -1, 1)),
        detail=worst,
    )
    yield from _late(facts)


def _late(facts: Facts) -> Iterator[Finding]:
    """Frames that were destroyed and repeated: whose, when, and with whose current."""
    bus, view = facts.bus, facts.view
    yield Finding("errors_counted", facts.teller, "can_errors", bus.counted_errors())
    shares = {place: share for place in bus.places() if np.isfinite(share := bus.late_share(place))}
    if not shares:
        return
    worst = max(shares, key=lambda place: shares[place])
    rest = [share for place, share in shares.items() if place != worst]
    others = float(np.median(rest)) if rest else float("nan")
    yield Finding("frames_late", _name(facts, worst), "frames", 100.0 * shares[worst], detail=worst)
    yield Finding("frames_late_others", _name(facts, worst), "frames", 100.0 * others, detail=worst)
    yield Finding(
        "frames_late_alone",
        _name(facts, worst),
        "frames",
        (shares[worst] - others) / max(shares[worst], 0.004),
        detail=worst,
    )
    since_s, until_s = max(bus.since_s, view.start_s), min(bus.until_s, view.end_s)
    edges: Floats = np.arange(since_s, until_s, _CYCLES_S, dtype=np.float64)
    if edges.size < 40:
        return
    late, sent = np.zeros(edges.size - 1), np.zeros(edges.size - 1)
    for place in shares:
        t, flags = bus.late(place)
        late += np.histogram(t[flags], edges)[0]
        sent += np.histogram(t, edges)[0]
    seconds = late[: late.size // 10 * 10].reshape(-1, 10).sum(axis=1)
    mean = float(np.mean(seconds))
    yield Finding(
        "loss_unsteady",
        facts.teller,
        "frames",
        float(np.std(seconds)) / max(mean, 1.0) ** 0.5,
        float(edges[int(np.argmax(late))]),
    )
    yield Finding(
        "loss_seconds",
        facts.teller,
        "frames",
        100.0 * float(np.mean(seconds > 0.3 * seconds.max())) if seconds.max() > 4 else 0.0,
    )
    yield Finding(
        "loss_before", facts.teller, "frames", float(np.median(seconds[:5])) / max(float(seconds.max()), 4.0)
    )
    if mean < 1.0:
        return
    share = late / np.maximum(sent, 1.0)
    smooth = np.convolve(share, np.ones(5) / 5.0, "same")
    found: list[tuple[float, float, str]] = []
    for house in view.houses:
        current = np.abs(view.grid(house, "inverter_current"))
        at = np.searchsorted(view.grid_s, edges[:-1] + _CYCLES_S / 2)
        levels = np.convolve(current[np.clip(at, 0, current.size - 1)], np.ones(5) / 5.0, "same")
        good = np.isfinite(levels)
        if good.sum() < 40 or float(np.std(levels[good])) < 0.15 or float(np.std(smooth[good])) <= 0.0:
            continue
        follows = float(np.corrcoef(levels[good], smooth[good])[0, 1])
        found.append((follows + _load_follows(facts, house, edges, smooth), follows, house))
    if found:
        _, best, who = max(found)
        yield Finding("loss_follows_current", who, "inverter_current", best)


def _load_follows(facts: Facts, house: str, edges: Floats, share: Floats) -> float:
    """Correlation of a house's own load with the repetitions, 0 … 1.

    Droop gives all inverters the same change of current; whose it is first shows in whose load it was.
    """
    t, x = facts.view.series(house, "load_power")
    inside = (t > edges[2]) & (t < edges[-3]) & np.isfinite(x)
    if inside.sum() < 8:
        return 0.0
    near = share[np.clip(np.searchsorted(edges, t[inside]) - 1, 0, share.size - 1)]
    if float(np.std(x[inside])) < 60.0 or float(np.std(near)) <= 0.0:
        return 0.0
    return max(0.0, float(np.corrcoef(x[inside], near)[0, 1]))


def _missing_while_alive(facts: Facts, place: int) -> float:
    """Share of lost frames outside a node's longest silence."""
    bus = facts.bus
    silence: Silence | None = bus.silence(place)
    if silence is None or silence.length_s < 0.5:
        return bus.missing_share(place, bus.since_s, bus.until_s)
    parts = [(bus.since_s, silence.since_s), (silence.until_s, bus.until_s)]
    long = [(a, b) for a, b in parts if b - a > 1.0]
    if not long:
        return float("nan")
    weights = np.array([b - a for a, b in long])
    values = np.array([bus.missing_share(place, a, b) for a, b in long])
    return float(np.sum(weights * values) / np.sum(weights))

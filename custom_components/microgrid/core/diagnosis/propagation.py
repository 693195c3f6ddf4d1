"""Where it began and how it got to the node that told the fault; every step of the way must hold."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from .causes import UNDETERMINED
from .evidence import KINDS
from .facts import Facts, Finding
from .onset import Onset, step_onset
from .origin import OUTSIDE
from .report import Link, OnsetTime, Origin

__all__ = ["ORIGIN_FROM", "find_onset", "find_origin", "links", "path_of"]

ORIGIN_FROM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "F001.neighbour_trip": ("neighbour_trip", "neighbour_told"),
        "F001.droop_mismatch": ("droop_offset_move", "droop_offset_late", "other_share"),
        "F002.cluster_load_dump": ("load_step_at", "other_load_fall", "other_peak_share"),
        "F002.swarm_load_dump": (OUTSIDE,),
        "F002.neighbour_regulator": ("other_voltage", "other_share"),
        "F003.cluster_overload": ("load_step_at", "other_load_rise", "other_peak_share"),
        "F003.line_short": ("other_voltage", "load_step_at", "other_peak_share"),
        "F004.export": ("neighbour_import",),
        "F005.backfeed": ("surplus_from", OUTSIDE),
        "F006.export_after_trip": ("neighbour_trip", "neighbour_told"),
        "F010.backfeed": ("surplus_from", OUTSIDE),
        "F011.export": ("shortage_from", OUTSIDE, "neighbour_import"),
        "F012.overcurrent": ("neighbour_import",),
        "F013.surplus": ("surplus_from", OUTSIDE, "neighbour_surplus"),
        "F014.shortage": ("shortage_from", OUTSIDE, "neighbour_import"),
        "F030.node_reset": ("silence",),
        "F030.open_cable": ("silence",),
        "F030.gateway_reset": ("silence",),
        "F030.babbling_node": ("flood",),
        "F031.node_clock": ("frames_late_alone", "frames_lost_alone"),
        "F031.babbling_node": ("flood",),
        "F031.switching_noise": ("loss_follows_current",),
        "F040.unstable_swarm": (OUTSIDE,),
        "F040.unstable_cluster": ("load_unrest",),
    }
)
"""By cause: evidence whose node is the origin, best first. All other causes are of who told the fault.

`outside` behind another: by exclusion, when every house of the cluster is known and none of them was it.
"""
_EITHER_WAY = frozenset({"other_voltage", "droop_offset_late"})
"""Evidence that names its node whatever its sign: a regulator that ran away may have tripped since."""
_FALLS = frozenset({"other_load_fall"})
_IN_THE_END = frozenset({"surplus_from", "shortage_from"})
_ON_AVERAGE = frozenset({"neighbour_surplus", "neighbour_import"})
"""Stand in for the above where it is not known; where it is, they are of the time before."""
_TRIPPED = frozenset({"F001.neighbour_trip", "F006.export_after_trip"})
"""Where no neighbour is seen to stop, it was the one that nothing is known of."""
_GATEWAY_CAUSES = frozenset({"F030.gateway_reset"})
_ELECTRICAL = frozenset(
    {"F001", "F002", "F003", "F004", "F005", "F006", "F010", "F011", "F012", "F013", "F014"}
)
_CHANNELS = (
    ("inverter_power", 20.0),
    ("inverter_voltage", 0.3),
    ("inverter_current", 0.1),
    ("inverter_frequency", 0.003),
    ("dc_bus_voltage", 0.03),
    ("battery_current", 0.3),
)
_GATEWAY_CHANNELS = (
    ("cluster_frequency", 0.003),
    ("swarm_frequency", 0.003),
    ("power_flow", 30.0),
    ("cluster_voltage", 0.3),
)
_CLOCKS_S = 0.02
"""Two clocks of 10 ms each."""
_SLOW_CODES = frozenset({"F004", "F010", "F011", "F012", "F015", "F020", "F021"})
"""Of quantities that are sampled once a second."""


def find_origin(
    facts: Facts, cause: str, likely: Mapping[str, float], findings: Mapping[str, Finding]
) -> Origin:
    """Name the node whose own defect the cause is; as sure as all causes together that lead to it."""
    found = _origin_of(facts, cause, findings)
    if not found.known:
        return found
    sure = 0.0
    for other, probability in likely.items():
        there = _origin_of(facts, other, findings)
        sure += probability * there.confidence if there.node == found.node else 0.0
    return Origin(found.node, min(sure, 1.0), found.evidence)


def _origin_of(facts: Facts, cause: str, findings: Mapping[str, Finding]) -> Origin:
    """Name the origin of a cause as if there were no doubt about the cause."""
    teller = facts.teller
    if cause in _GATEWAY_CAUSES and facts.view.gateway is not None:
        return Origin(facts.view.gateway, 0.95, KINDS["silence"].id if "silence" in findings else "")
    balanced = any(key in findings for key in ORIGIN_FROM.get(cause, ()) if key in _IN_THE_END)
    for rank, key in enumerate(ORIGIN_FROM.get(cause, ())):
        if key == OUTSIDE:
            if rank == 0 or _others_known(facts):
                return Origin(OUTSIDE, 0.9 if rank == 0 else 0.6, "")
            continue
        finding = findings.get(key)
        if (
            finding is not None
            and _points(finding)
            and not (balanced and key in _ON_AVERAGE)
            and (finding.node != teller or facts.code not in _ELECTRICAL)
        ):
            return Origin(finding.node, (0.95, 0.8, 0.65)[min(rank, 2)], KINDS[key].id)
    if cause in _TRIPPED:
        until = facts.quiet_until_s
        unseen = [
            n
            for n in facts.view.others
            if not facts.view.between(n, "inverter_power", until - 0.3, until).size
        ]
        if len(unseen) == 1:
            return Origin(unseen[0], 0.6, "")
    open_ = cause == UNDETERMINED or cause in ORIGIN_FROM
    return Origin(teller, 0.4 if open_ else 0.95, "")


def _points(finding: Finding) -> bool:
    """Whether a value speaks for its node: the one that gave most is no source while it still takes."""
    if finding.key in _EITHER_WAY:
        return finding.value != 0.0
    return finding.value < 0.0 if finding.key in _FALLS else finding.value > 0.0


def _others_known(facts: Facts) -> bool:
    """Whether what every neighbour gave and took in the end is known; of a lone house there is none."""
    view, until = facts.view, facts.quiet_until_s
    levels = [
        value
        for node in view.others
        for value in (
            view.median(node, "inverter_power", until - 0.4, until),
            view.median(node, "load_power", -1.2, 1.2),
        )
    ]
    return bool(levels or view.gateway is not None) and bool(np.isfinite(levels).all())


def path_of(facts: Facts, origin: str) -> tuple[str, ...]:
    """The way from the origin to the node that told the fault."""
    teller, gateway = facts.teller, facts.view.gateway
    if origin == teller:
        return (teller,)
    if origin == OUTSIDE and gateway is not None and gateway != teller:
        return (OUTSIDE, gateway, teller)
    return (origin, teller)


def _node_onset(facts: Facts, node: str) -> Onset | None:
    """First clear departure of a node's electrical quantities before the fault."""
    view = facts.view
    channels = _GATEWAY_CHANNELS if node == view.gateway else _CHANNELS
    found = []
    for channel, floor in channels:
        usual = view.usual(node, channel, floor)
        if usual is None:
            continue
        onset = step_onset(
            *view.series(node, channel), usual, -3.0, min(0.3, facts.own_trip_s + 0.1), alarm=12.0
        )
        if onset is not None and abs(onset.z) > 4.0:
            found.append(onset)
    return min(found, key=lambda one: one.t_s) if found else None


def links(facts: Facts, path: tuple[str, ...], findings: Mapping[str, Finding]) -> tuple[Link, ...]:
    """Check every step of a path: joined, both affected, in this order."""
    onsets: dict[str, Onset | None] = {}
    for node in path:
        onsets[node] = None if node == OUTSIDE else _node_onset(facts, node)
    if OUTSIDE in path and facts.view.gateway is not None:
        # what is beyond the gateway shows itself on the gateway's far side
        onsets[OUTSIDE] = _node_onset(facts, facts.view.gateway)
    heard = facts.bus.known
    known = set(facts.view.houses) | {facts.view.gateway, OUTSIDE}
    found = []
    for source, target in pairwise(path):
        structural = source in known and target in known
        first, second = onsets[source], onsets[target]
        if facts.code in _ELECTRICAL:
            slow = facts.code in ("F004", "F011", "F012") or first is None
            told = {key: finding for key, finding in findings.items() if finding.node == source}
            statistical = (first is not None or bool(told)) and (second is not None or slow)
            temporal = first is None or second is None or first.earliest_s <= second.latest_s + _CLOCKS_S
        else:  # on the bus everybody hears at once, a node without a name as well
            structural = structural or (heard and target in known)
            statistical = heard
            temporal = True
        found.append(Link(source, target, structural, statistical, temporal))
    return tuple(found)


def find_onset(facts: Facts, cause: str, origin: str, findings: Mapping[str, Finding]) -> OnsetTime | None:
    """When the first quantity left its usual values, and which one it was."""
    view = facts.view
    if facts.code in ("F030", "F031"):
        key = "flood" if cause.endswith("babbling_node") else "silence"
        finding = findings.get(key)
        if finding is None or (facts.code == "F031" and key == "silence"):
            return None
        return OnsetTime(finding.t_s, finding.t_s - 0.1, finding.t_s + 0.1, finding.node, "frames")
    if facts.code == "F041":
        finding = findings.get("command_differs")
        if finding is None or finding.value <= 0.0:
            return None
        return OnsetTime(finding.t_s, finding.t_s - 0.1, finding.t_s + 0.1, finding.node, finding.channel)
    trip = findings.get("neighbour_trip")
    if cause in ("F001.neighbour_trip", "F006.export_after_trip") and trip is not None and trip.value > 0.0:
        return OnsetTime(trip.t_s, trip.t_s - _CLOCKS_S, trip.t_s + _CLOCKS_S, trip.node, trip.channel)
    found = []
    # everybody's electrical quantities move at once; the most significant step is the best dated
    nodes = [facts.teller] if origin in (facts.teller, OUTSIDE) else [origin, facts.teller]
    for node in nodes:
        for channel, floor in _CHANNELS if node != view.gateway else _GATEWAY_CHANNELS:
            usual = view.usual(node, channel, floor)
            if usual is None:
                continue
            until = facts.quiet_until_s
            onset = step_onset(*view.series(node, channel), usual, -9.0, until, alarm=16.0)
            if onset is not None and abs(onset.z) > 4.0:
                found.append((onset, node, channel))
    watched = findings.get("excess_s")
    if watched is not None and (facts.code in _SLOW_CODES or not found):
        # one sample a second: it began within the second before the first that shows it
        period = 1.0 if facts.code in _SLOW_CODES else 0.01
        return OnsetTime(
            watched.t_s - period / 2.0, watched.t_s - period, watched.t_s, watched.node, watched.channel
        )
    if not found:
        return None
    strongest = max(abs(onset.z) for onset, _, _ in found)
    clear = [one for one in found if abs(one[0].z) > 0.1 * strongest]
    onset, node, channel = min(clear, key=lambda one: one[0].t_s)
    times = (onset.t_s, onset.earliest_s, onset.latest_s)
    return OnsetTime(*times, node, channel) if all(np.isfinite(times)) else None

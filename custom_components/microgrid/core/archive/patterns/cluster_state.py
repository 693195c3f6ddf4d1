"""Pattern: what every house and the gateway of a cluster measured around the instant of a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..query import Floats, History, Series
from ..rollup import HOUR, MINUTE, Tier
from .faults import FaultRecord, find_fault
from .source import SECOND_US, Member, Source, members

BEFORE_S = AFTER_S = 10.0
MAX_WINDOW_S = 600.0
HOLD_S = 120.0
"""A reading counts as the one at the instant when it is not older than this: energies come once a minute."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel around the instant t."""

    channel: str
    unit: str
    before: float | None
    """Mean of t − before ≤ time < t."""
    at: float | None
    """The newest reading at or before t, at most two minutes old."""
    after: float | None
    """Mean of t ≤ time < t + after."""
    minimum: float | None
    maximum: float | None
    """Over both."""
    resolution_s: int
    """0: from samples. Else from buckets of a roll-up, because no samples are left: `at` is the mean of the
    bucket that holds t, `before` and `after` are those beside it, the extremes are over the three."""
    told_by: str
    """The node whose log it is: the gateway, where a house's own log has nothing."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node around the instant."""

    node: str
    role: str
    channels: tuple[ChannelState, ...]
    """Empty when the archive has nothing of that time."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A cluster around an instant."""

    cluster: str
    utc_us: int
    before_s: float
    after_s: float
    fault: FaultRecord | None
    nodes: tuple[NodeState, ...]
    """The gateway first, then the houses."""


def cluster_state_at_fault(
    source: Source,
    event_id: str,
    start_us: int,
    end_us: int,
    *,
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> ClusterState:
    """Return the state of the cluster at a fault of the time range; raises LookupError if there is none."""
    fault = find_fault(source, event_id, start_us, end_us)
    return cluster_state(source, fault.node, fault.utc_us, before_s=before_s, after_s=after_s, fault=fault)


def cluster_state(
    source: Source,
    node: str,
    utc_us: int,
    *,
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
    fault: FaultRecord | None = None,
) -> ClusterState:
    """Return the state of the cluster of a node at an instant; of a node without cluster its own."""
    for name, value in (("before_s", before_s), ("after_s", after_s)):
        if not 0 <= value <= MAX_WINDOW_S:
            raise ValueError(f"{name} {value:g}: 0 to {MAX_WINDOW_S:g} s can be looked at")
    found = members(source)
    if node not in found:
        raise LookupError(f"no node {node} in the archive; it has {', '.join(sorted(found)) or 'none'}")
    cluster = found[node].cluster
    group = [one for one in found.values() if one.node == node or (cluster and one.cluster == cluster)]
    window = _Window(utc_us, round(before_s * SECOND_US), round(after_s * SECOND_US))
    told = {member.node: _channels(source, member.node, window) for member in group}
    for member in group:
        for name, state in list(told[member.node].items()):
            house, slash, channel = name.partition("/")
            if slash:  # what a gateway logged of a house
                del told[member.node][name]
                if house in told and channel not in told[house]:
                    told[house][channel] = replace(state, channel=channel)
    nodes = tuple(_node(member, told[member.node]) for member in group)
    return ClusterState(cluster, utc_us, before_s, after_s, fault, nodes)


@dataclass(frozen=True, slots=True)
class _Window:
    utc_us: int
    before_us: int
    after_us: int


def _node(member: Member, channels: Mapping[str, ChannelState]) -> NodeState:
    return NodeState(member.node, str(member.role), tuple(channels[name] for name in sorted(channels)))


def _channels(source: Source, node: str, window: _Window) -> dict[str, ChannelState]:
    """Return what is known of a node: from samples, else from the finest roll-up."""
    first = window.utc_us - max(window.before_us, round(HOLD_S * SECOND_US))
    pieces: dict[str, list[Series]] = {}
    for piece in source.stream(node, None, first, window.utc_us + max(window.after_us, 1)):
        for name, series in piece.items():
            pieces.setdefault(name, []).append(series)
    states = {
        name: state
        for name, found in pieces.items()
        if (state := _from_samples(node, name, found, window)) is not None
    }
    for tier in (MINUTE, HOUR):
        if states:
            break
        states = _from_buckets(source, node, window.utc_us // SECOND_US, tier)
    return states


def _from_samples(node: str, name: str, pieces: list[Series], window: _Window) -> ChannelState | None:
    times = np.concatenate([piece.times_us for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    start, instant, end, held = np.searchsorted(
        times,
        (
            window.utc_us - window.before_us,
            window.utc_us,
            window.utc_us + window.after_us,
            window.utc_us + 1,
        ),
    )
    both = values[start:end]
    at = float(values[held - 1]) if held else None
    if at is None and not len(both):
        return None
    return ChannelState(
        name,
        pieces[-1].unit,
        _mean(values[start:instant]),
        at,
        _mean(values[instant:end]),
        float(both.min()) if len(both) else None,
        float(both.max()) if len(both) else None,
        0,
        node,
    )


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _from_buckets(source: Source, node: str, time_s: int, tier: Tier) -> dict[str, ChannelState]:
    middle = time_s // tier.bucket_s * tier.bucket_s
    places = (middle - tier.bucket_s, middle, middle + tier.bucket_s)
    found = source.history(node, None, places[0], places[-1] + 1, tier)
    return {
        name: _bucket_state(node, history, places, tier)
        for name, history in found.items()
        if middle in history.times_s
    }


def _bucket_state(node: str, history: History, places: Iterable[int], tier: Tier) -> ChannelState:
    means = dict(zip(history.times_s.tolist(), history.mean.tolist(), strict=True))
    before, at, after = (means.get(place) for place in places)
    return ChannelState(
        history.name,
        history.unit,
        before,
        at,
        after,
        float(history.minimum.min()),
        float(history.maximum.max()),
        tier.bucket_s,
        node,
    )

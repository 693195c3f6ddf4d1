"""The four debugging questions, asked of an archive: reads what each needs, bounded, and has it judged.

The archive may be open for writing meanwhile. ValueError and LookupError say why there is no answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .archive.patterns.faults import faults
from .archive.patterns.source import Member, Role, Source, members
from .archive.query import ArchivedEvent, History
from .archive.rollup import HOUR, MINUTE, Tier
from .codec.umg1.records import EVENT_STATES, SEVERITIES
from .diagnosis.case import Series
from .diagnosis.debugging.cells import CellHistory, CellImbalance, cell_imbalance
from .diagnosis.debugging.disconnection import (
    AFTER_S,
    BEFORE_S,
    CHANNELS,
    Disconnection,
    Moment,
    disconnection,
)
from .diagnosis.debugging.limits import GATEWAY, HOUSE, GatewayLimits
from .diagnosis.debugging.sharing import HouseHistory, PowerSharing, SharingHistory, power_sharing

__all__ = [
    "CELL_DAYS",
    "SHARING_DAYS",
    "GatewayAct",
    "around",
    "cells",
    "find_act",
    "gateway_act",
    "house_channels",
    "sharing",
]

Floats = NDArray[np.float64]

SECOND_US = 1_000_000
DAY_S = 86_400
CELL_DAYS, MOST_CELL_DAYS = 60, 366
"""Usual and longest look back at a battery: 26,000 hours of twenty channels at most 9,000 times twenty."""
SHARING_DAYS, MOST_SHARING_DAYS = 14, 31
"""Of a cluster; minutes are kept for 30 days unless told otherwise."""
MOST_HOUSES = 16
"""A bus has no more."""
_LOOK_BACK_DAYS = 400
_NEAREST_S = 3600
"""An act of the gateway is looked for so far from the time that was named."""
_CELLS = tuple(f"cell_voltage_{number}" for number in range(1, 33))
_BATTERY = ("battery_current", "state_of_charge", "dc_bus_voltage")
_LINE = ("inverter_frequency", "inverter_power", "state_of_charge", "mppt_input_power")
_GATEWAY = ("phase_difference", "contactor_closed")
_BUS_FAULTS = ("F030", "F031")
_HOUSE_CHANNELS = tuple(sorted({name for rows in HOUSE.values() for row in rows for name in row.channels}))


# ------------------------------------------------------------------------------------------------------ cells


def cells(source: Source, node: str, start_s: int, end_s: int) -> CellImbalance:
    """Judge the cells of a house's battery by the hours of a time range."""
    _check(start_s, end_s, MOST_CELL_DAYS)
    _member(source, node)
    start_s = start_s // HOUR.bucket_s * HOUR.bucket_s
    times = np.arange(start_s, end_s, HOUR.bucket_s, dtype=np.float64)
    found = source.history(node, (*_CELLS, *_BATTERY), start_s, end_s, HOUR)
    names = [name for name in _CELLS if name in found]
    if not names:
        raise LookupError(f"{node} logged no cells in that time")
    spread = np.full(times.size, np.nan)
    minutes = source.history(node, ("cell_voltage_spread",), start_s, end_s, MINUTE).get(
        "cell_voltage_spread"
    )
    if minutes is not None:  # the largest that lasted for a minute, as the protection demands it
        row = (minutes.times_s - start_s) // HOUR.bucket_s
        np.fmax.at(spread, row, minutes.mean / 1000.0)
    last = max(_CELLS.index(name) for name in names) + 1
    means, lows, highs = (
        np.array([_placed(found.get(name), field, times, HOUR) for name in _CELLS[:last]])
        for field in ("mean", "minimum", "maximum")
    )
    current, charge, bus = (_placed(found.get(name), "mean", times, HOUR) for name in _BATTERY)
    return cell_imbalance(CellHistory(node, times, means, lows, highs, spread, current, charge, bus))


def _placed(history: History | None, field: str, times: Floats, tier: Tier) -> Floats:
    """A column of a history on a grid of its tier; NaN where nothing is."""
    values = np.full(times.size, np.nan)
    if history is not None and times.size:
        row = (history.times_s - int(times[0])) // tier.bucket_s
        inside = (row >= 0) & (row < times.size)
        values[row[inside]] = getattr(history, field)[inside]
    return values


# ---------------------------------------------------------------------------------------------------- sharing


def sharing(
    source: Source,
    node: str,
    start_s: int,
    end_s: int,
    *,
    offset_s: float = 0.0,
    factors: Mapping[str, tuple[Floats, Floats]] | None = None,
) -> PowerSharing:
    """Judge how the houses of a cluster share, by the minutes of a time range.

    `node` is its gateway or one of its houses; `factors` are further things to compare with, each as starts
    of hours (UTC s) and values.
    """
    _check(start_s, end_s, MOST_SHARING_DAYS)
    everyone = members(source)
    own = _member(source, node, everyone)
    inside = [one for one in everyone.values() if one.cluster == own.cluster]
    houses = [one.node for one in inside if one.role is Role.HOUSE][:MOST_HOUSES]
    if not houses:
        raise LookupError(f"no house of the cluster of {node} has logged anything")
    start_s = start_s // MINUTE.bucket_s * MINUTE.bucket_s
    times = np.arange(start_s, end_s, MINUTE.bucket_s, dtype=np.float64)
    rows, solar = [], np.full(times.size, np.nan)
    for house in houses:
        found = source.history(house, _LINE, start_s, end_s, MINUTE)
        frequency, power, charge, sun = (_placed(found.get(name), "mean", times, MINUTE) for name in _LINE)
        rows.append(HouseHistory(house, frequency, power, charge))
        solar = np.where(np.isfinite(sun), np.nan_to_num(solar) + sun, solar)
    seen: dict[str, Floats] = {"solar_power": solar}
    for gateway in (one.node for one in inside if one.role is Role.GATEWAY):
        found = source.history(gateway, _GATEWAY, start_s, end_s, MINUTE)
        closed = _placed(found.get("contactor_closed"), "mean", times, MINUTE)
        phase = np.abs(_placed(found.get("phase_difference"), "mean", times, MINUTE))
        seen |= {"contactor_open": 1.0 - closed, "phase": np.where(closed > 0.99, phase, np.nan)}
    seen["can_fault"] = _bus_trouble(source, [one.node for one in inside], times)
    for name, (starts, values) in (factors or {}).items():
        seen[name] = _hourly(starts, values, times)
    return power_sharing(SharingHistory(own.cluster or node, times, rows, offset_s, seen))


def _bus_trouble(source: Source, nodes: Collection[str], times: Floats) -> Floats:
    """1 in minutes in which a node told that its bus was silent or damaged."""
    flags = np.zeros(times.size)
    start_us, end_us = int(times[0]) * SECOND_US, int(times[-1] + MINUTE.bucket_s) * SECOND_US
    for one in faults(source, start_us, end_us, nodes=nodes, codes=_BUS_FAULTS).faults:
        ended_us = one.utc_us if one.cleared_utc_us is None else one.cleared_utc_us
        first, last = ((us / SECOND_US - times[0]) // MINUTE.bucket_s for us in (one.utc_us, ended_us))
        flags[int(first) : int(last) + 1] = 1.0
    return flags


def _hourly(starts_s: Floats, values: Floats, times: Floats) -> Floats:
    """Values of hours for each minute; NaN where an hour is missing."""
    if not starts_s.size:
        return np.full(times.size, np.nan)
    at = np.searchsorted(starts_s, times, side="right") - 1
    held = np.maximum(at, 0)
    fresh = (at >= 0) & (times - starts_s[held] < HOUR.bucket_s)
    spread: Floats = np.where(fresh, values[held], np.nan)
    return spread


# ---------------------------------------------------------------------------------------------- disconnection


@dataclass(frozen=True, slots=True)
class GatewayAct:
    """Something that a gateway did, as its log tells it."""

    node: str
    moment: Moment
    event_id: str
    utc_us: int
    told: Mapping[str, float]
    """What it measured when it decided, by channel."""


_CODES = {
    "CONTACTOR_OPENED": Moment.OPENED,
    "CONTACTOR_CLOSED": Moment.CLOSED,
    "SYNC_FAILED": Moment.REFUSED,
    "F040": Moment.REFUSED,
    "F041": Moment.DISAGREED,
}
_APART = (Moment.OPENED, Moment.COMMANDED, Moment.REFUSED)
"""In these the cluster was, or stayed, disconnected."""
_WARNING = SEVERITIES.index("warning")
_CLEARED = EVENT_STATES.index("cleared")


def find_act(
    source: Source, node: str, now_us: int, *, at_us: int | None = None, event_id: str | None = None
) -> GatewayAct:
    """Return what a gateway did: by the id of its event, next to a time, or the last disconnection."""
    member = _member(source, node)
    if member.role is not Role.GATEWAY:
        raise ValueError(f"{node} is no gateway: name the one of its cluster")
    start_us = (
        now_us - _LOOK_BACK_DAYS * DAY_S * SECOND_US if at_us is None else at_us - _NEAREST_S * SECOND_US
    )
    end_us = now_us + DAY_S * SECOND_US if at_us is None else at_us + _NEAREST_S * SECOND_US
    found = [
        act
        for event in source.events(node, start_us, end_us, codes=tuple(_CODES), limit=10_000)
        if (act := _act(source, event)) is not None
    ]
    if event_id is not None:
        if (act := next((one for one in found if one.event_id == event_id), None)) is None:
            raise LookupError(f"{node} has logged no opening, closing or failed closing {event_id}")
        return act
    if at_us is not None:
        if not found:
            raise LookupError(
                f"{node} has logged no opening, closing or failed closing within an hour of then"
            )
        return min(found, key=lambda one: abs(one.utc_us - at_us))
    apart = [one for one in found if one.moment in _APART]
    if not apart:
        raise LookupError(f"{node} has logged no disconnection")
    return apart[-1]


def _act(source: Source, event: ArchivedEvent) -> GatewayAct | None:
    if event.utc_us is None or event.event.state == _CLEARED:
        return None
    moment = _CODES[event.event.code]
    if moment is Moment.OPENED and event.event.severity < _WARNING:
        moment = Moment.COMMANDED
    schema = source.schemas(event.node).get(event.schema_hash) if event.event.values else None
    told = {
        channel.name: float(channel.scaled(np.array([integer]))[0])
        for number, integer in event.event.values
        if schema is not None and (channel := schema.by_id.get(number)) is not None
    }
    return GatewayAct(event.node, moment, event.event.event_id, event.utc_us, told)


def gateway_act(
    source: Source,
    act: GatewayAct,
    *,
    snapshot: Mapping[str, Series] | None = None,
    limits: GatewayLimits = GATEWAY,
) -> Disconnection:
    """Judge what a gateway did, by its log and, where it covers the moment, by a snapshot (s since then)."""
    channels = around(source, act.node, CHANNELS, act.utc_us, BEFORE_S, AFTER_S)
    origin = "log"
    if snapshot and any(name in snapshot for name in CHANNELS[:4]):
        origin = "snapshot"
        # a snapshot is finer but short: how long both sides had matched only the log tells
        if act.moment is not Moment.REFUSED or not channels:
            channels = {**channels, **{name: snapshot[name] for name in CHANNELS if name in snapshot}}
    if not channels:
        origin = "event"
    return disconnection(act.node, act.moment, channels, told=act.told, source=origin, limits=limits)


# -------------------------------------------------------------------------------------------------- in common


def around(
    source: Source, node: str, names: Collection[str], at_us: int, before_s: float, after_s: float
) -> dict[str, Series]:
    """Return the logged samples around an instant, in s since then, by channel."""
    parts: dict[str, list[tuple[Floats, Floats]]] = {}
    start_us, end_us = at_us - round(before_s * SECOND_US), at_us + round(after_s * SECOND_US)
    for piece in source.stream(node, names, start_us, end_us):
        for name, found in piece.items():
            parts.setdefault(name, []).append(((found.times_us - at_us) / SECOND_US, found.values))
    return {
        name: Series(np.concatenate([t for t, _ in part]), np.concatenate([x for _, x in part]))
        for name, part in parts.items()
    }


def house_channels(source: Source, node: str, at_us: int) -> dict[str, Series]:
    """Return what the protections of a house looked at around an instant, as it was logged."""
    return around(source, node, _HOUSE_CHANNELS, at_us, BEFORE_S, AFTER_S)


def _check(start_s: int, end_s: int, most_days: int) -> None:
    if start_s >= end_s:
        raise ValueError("the time range is empty: its end is not after its start")
    if end_s - start_s > most_days * DAY_S:
        raise ValueError(f"the time range is longer than {most_days} days; ask for less")


def _member(source: Source, node: str, everyone: Mapping[str, Member] | None = None) -> Member:
    found = members(source) if everyone is None else everyone
    if node not in found:
        raise LookupError(f"no node {node} in the archive; it has {', '.join(sorted(found)) or 'none'}")
    return found[node]

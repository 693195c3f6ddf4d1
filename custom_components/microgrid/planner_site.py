"""What the site uses and yields: now, from nodes or entities, and earlier, from the archive."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from homeassistant.const import UnitOfApparentPower, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util.unit_conversion import PowerConverter

from .core.archive.archive import Archive
from .core.archive.growth import growth
from .core.energy.settlement import Settlement, dual_prices, mid_market
from .core.model.house import HOUSE
from .core.model.mpp_inverter import MPP_INVERTER
from .core.model.swarm import Node
from .planner_state import Hour


@dataclass(frozen=True, slots=True)
class _Meter:
    """Where a kind of node tells its powers, W."""

    load: str
    solar: str
    battery: str | None = None
    """Of its own, which counts where it is not planned: as yield when it gives, as load when it takes."""


_METERS: Final[Mapping[str, _Meter]] = {
    "house": _Meter("load_power", "mppt_output_power", "battery_power"),
    "mpp_inverter": _Meter("ac_output_active_power", "pv_charging_power"),
    "victron_gx": _Meter("consumption_power", "solar_power", "battery_power"),
}

NO_LOAD: Final = "load_missing"
FROZEN_LOAD: Final = "load_frozen"
GONE_AFTER: Final = timedelta(minutes=15)
FROZEN_AFTER: Final = timedelta(hours=6)
_APPARENT: Final[Mapping[str, str]] = {
    UnitOfPower.WATT: UnitOfPower.WATT,
    UnitOfApparentPower.VOLT_AMPERE: UnitOfPower.WATT,
    UnitOfApparentPower.KILO_VOLT_AMPERE: UnitOfPower.KILO_WATT,
}
_LOAD_COUNTER: Final = "load_energy"
_SOLAR_COUNTERS: Final = ("mppt_energy", "pv_energy")
_RATES: Final[Mapping[str, float]] = {
    metric.key: metric.max_rate
    for kind in (HOUSE, MPP_INVERTER)
    for metric in kind.metrics
    if metric.max_rate is not None
}
"""Wh in an hour that each counter can grow at most."""


@dataclass(slots=True)
class LoadWatch:
    """Sees when the load is no longer measured, or stands still as no house does."""

    _load: tuple[float, datetime] | None = None
    """Newest load that differed from the one before, and when it came."""
    _seen: datetime | None = None

    def take(self, now: datetime, load_kw: float) -> None:
        """Look at a measured load."""
        self._seen = now
        if self._load is None or self._load[0] != load_kw:
            self._load = load_kw, now

    def trouble(self, now: datetime) -> str | None:
        """Return why plans for this load are not to be trusted."""
        if self._seen is None or now - self._seen > GONE_AFTER:
            return NO_LOAD
        if self._load is not None and now - self._load[1] > FROZEN_AFTER:
            return FROZEN_LOAD
        return None


def of_nodes(nodes: Iterable[Node], planned: Collection[str]) -> tuple[float | None, float | None]:
    """Return load and solar yield of all nodes that are there, kW; None where nobody measures."""
    loads: list[float] = []
    yields: list[float] = []
    for node in nodes:
        meter = _METERS.get(node.kind.kind)
        if meter is None or not node.available or (load := _value(node, meter.load)) is None:
            continue
        loads.append(max(load, 0.0))
        yields.append(max(_value(node, meter.solar) or 0.0, 0.0))
        if meter.battery is not None and node.node_id not in planned:
            own = _value(node, meter.battery) or 0.0
            (yields if own > 0.0 else loads).append(abs(own))
    return (sum(loads) / 1000.0, sum(yields) / 1000.0) if loads else (None, None)


def of_entity(hass: HomeAssistant, entity_id: str) -> float | None:
    """Return the power that an entity shows, kW; None while it shows none."""
    state = hass.states.get(entity_id)
    try:
        value = float(state.state) if state is not None else math.nan
        unit = state.attributes.get("unit_of_measurement") if state is not None else None
        # Where voltage and current are all that is measured, their product stands for the power.
        unit = _APPARENT.get(unit or UnitOfPower.WATT, unit)
        power = PowerConverter.convert(value, unit, UnitOfPower.KILO_WATT)
    except ValueError, HomeAssistantError:
        return None
    return power if math.isfinite(power) else None


def archived_by_node(archive: Archive, start: datetime, end: datetime) -> dict[str, dict[int, Hour]]:
    """Return load and yield of each node that counts them, by hour; to be run in the executor."""
    nodes: dict[str, dict[int, Hour]] = {}
    for node in archive.nodes():
        if _LOAD_COUNTER not in archive.channels(node):
            continue
        hours = nodes.setdefault(node, {})
        rates = {name: _RATES[name] for name in (_LOAD_COUNTER, *_SOLAR_COUNTERS)}
        found = growth(archive.queries, node, rates, int(start.timestamp()), int(end.timestamp()))
        for name, grown in found.items():
            for at, gain in zip(grown.times_s.tolist(), grown.total.tolist(), strict=True):
                row = hours.setdefault(int(at) // 3600, Hour())
                if name == _LOAD_COUNTER:
                    row.load += gain / 1000.0
                    row.cover = 1.0
                else:
                    row.solar += gain / 1000.0
    return nodes


def archived_hours(archive: Archive, start: datetime, end: datetime) -> dict[int, Hour]:
    """Return load and yield of the hours that the counters of all nodes cover; to be run in the executor."""
    nodes = archived_by_node(archive, start, end)
    numbers = [{number for number, row in hours.items() if row.cover} for hours in nodes.values()]
    # An hour in which a node is missing says too little.
    whole = set.intersection(*numbers) if numbers else set()
    return {
        number: Hour(
            load=sum(hours[number].load for hours in nodes.values()),
            solar=sum(hours[number].solar for hours in nodes.values()),
            cover=1.0,
        )
        for number in whole
    }


@dataclass(frozen=True, slots=True)
class Settled:
    """Who pays whom over a range."""

    houses: tuple[str, ...]
    settlement: Settlement
    hours: int
    """That were counted: those with prices and energies of somebody."""
    imported_kwh: tuple[float, ...]
    exported_kwh: tuple[float, ...]


type LinePrices = Mapping[int, Mapping[str, float]]
"""Marginal prices of the houses' lines, by hour and house, as they were planned."""


def settle(
    archive: Archive,
    houses: Collection[str],
    ledger: Mapping[int, Hour],
    start: datetime,
    end: datetime,
    *,
    dual: LinePrices | None = None,
) -> Settled:
    """Return what each house owes by the middle of the market; to be run in the executor.

    Each hour's exchange is what the house's own counters say; prices are those that held. With `dual` every
    house pays the marginal price of its line instead; where none was planned, that of the connection.
    """
    names = tuple(sorted(houses))
    first, last = (int(at.timestamp()) // 3600 for at in (start, end))
    net = np.full((len(names), max(0, last - first)), np.nan)
    for place, house in enumerate(names):
        rates = {name: _RATES[name] for name in ("energy_imported", "energy_exported")}
        found = growth(archive.queries, house, rates, first * 3600, last * 3600)
        for name, sign in (("energy_imported", 1.0), ("energy_exported", -1.0)):
            if (grown := found.get(name)) is None:
                continue
            at = np.asarray(grown.times_s, np.int64) // 3600 - first
            net[place, at] = np.nan_to_num(net[place, at]) + sign * grown.total / 1000.0
    rows = [ledger.get(number) for number in range(first, last)]
    if dual is None:
        return settled(names, net, rows)
    planned = [dual.get(number, {}) for number in range(first, last)]
    lines = np.array([[hour.get(name, np.nan) for hour in planned] for name in names])
    return settled(names, net, rows, lines.reshape(net.shape))


def settled(
    names: tuple[str, ...], net: np.ndarray, rows: list[Hour | None], lines: np.ndarray | None = None
) -> Settled:
    """Settle the hours that have prices and energies; `lines`: by the marginal price of each house's line."""
    priced = np.array([row is not None and None not in (row.bought, row.sold) for row in rows], bool)
    kept = priced & np.isfinite(net).any(axis=0) if len(rows) else priced
    columns = [row for row, keep in zip(rows, kept.tolist(), strict=True) if keep and row is not None]
    bought, sold = (np.array([getattr(row, name) for row in columns]) for name in ("bought", "sold"))
    counted = np.nan_to_num(net[:, kept])
    return Settled(
        names,
        mid_market(counted, bought, sold)
        if lines is None
        else dual_prices(counted, _marginal(counted, lines[:, kept], bought, sold), bought, sold),
        int(kept.sum()),
        tuple(np.maximum(counted, 0.0).sum(axis=1).tolist()),
        tuple(np.maximum(-counted, 0.0).sum(axis=1).tolist()),
    )


def _marginal(net: np.ndarray, lines: np.ndarray, bought: np.ndarray, sold: np.ndarray) -> np.ndarray:
    """Return the price of each house's line: as planned, else what one more kWh costs all of them."""
    together = net.sum(axis=0)
    connection = np.where(together > 0.0, bought, np.where(together < 0.0, sold, (bought + sold) / 2.0))
    return np.where(np.isfinite(lines), lines, connection)


def _value(node: Node, key: str) -> float | None:
    value = node.values.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)

"""The daily work of the guardian: a record of each day that is over, and what the days add up to.

Houses and Pi batteries are summed up from the minutes of the archive, heat pumps from their readings in it,
and batteries at a Victron GX from samples that are taken here. Days are those of UTC: every one has 24 h,
whatever the clocks on the wall do. Days that were missed, or whose readings came later, are made up for as
long as the archive has their minutes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from homeassistant.core import HomeAssistant, callback

from .core.archive.archive import Archive
from .core.archive.errors import ArchiveError
from .core.archive.query import Queries
from .core.archive.rollup import MINUTE
from .core.gx.tree import Device, Tree
from .core.health.capacity import Capacity
from .core.health.drift import Drift
from .core.health.heat_pump import HeatPumpWatch
from .core.health.rules_gx import CAN_STATISTICS, can_errors, can_packets
from .core.health.subject import EACH, DeviceSubject, Given, Unusable
from .core.health.summary import (
    BatteryDay,
    BatterySamples,
    Floats,
    HeatPumpDay,
    summarise_battery,
    summarise_heat_pump,
)
from .core.health.trends import BatteryTrends, battery_trends, refrigerant_drift
from .core.model.heat_pump import HEAT_PUMP
from .core.model.metric import Value, ValueType
from .guardian_records import Kept, Records

_LOGGER = logging.getLogger(__name__)

CATCH_UP_DAYS: Final = 28
"""The archive keeps minutes for thirty days unless the user says otherwise."""
_COMPLETE: Final = 0.95
_BETTER: Final = 0.01
"""A day with more gaps is looked at again while its minutes last, and kept again when it has less of them."""
_MINUTE_S: Final = 60
_MINUTES: Final = 1440
_PAUSE_S: Final = 1800.0
"""After a longer silence of a heat pump nobody knows for how long it has been running."""
_NOMINAL_CELLS_V: Final = 51.2
"""16 LFP cells: how houses and Pi batteries turn charge into stored energy."""
_INVERTING: Final = 9
_NAN: Final = float("nan")
_IS_CAN: Final = re.compile(CAN_STATISTICS).search


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which metrics of a node tell of its battery; empty: none."""

    charge: str
    current: str
    temperatures: tuple[str, ...]
    stored: str
    health: str = ""
    spread: str = ""

    @property
    def names(self) -> set[str]:
        return {self.charge, self.current, *self.temperatures, self.stored, self.health, self.spread} - {""}


_BATTERIES: Final[Mapping[str, _Columns]] = {
    "house": _Columns(
        "state_of_charge",
        "battery_current",
        tuple(f"battery_temperature_{probe}" for probe in range(1, 5)),
        "battery_stored_energy",
        "battery_state_of_health",
        "cell_voltage_spread",
    ),
    "battery": _Columns("state_of_charge", "current", ("temperature",), "stored_energy"),
}
"""By the kind of the node."""
_OF_A_HEAT_PUMP: Final = (
    "compressor_running",
    "defrost_active",
    "pressure_high",
    "pressure_low",
    "temp_ambient",
    "temp_compressor",
    "temp_inlet",
    "temp_outlet",
)
_SAMPLED: Final = (
    "charge_percent",
    "current_a",
    "cell_spread_v",
    "temperature_c",
    "health_percent",
    "can_errors",
    "can_packets",
    "off_grid",
    "ac_out_w",
    "dc_w",
    "inverter_w",
    "capacity_ah",
)
"""What is sampled of a battery at a GX, after the time."""
_WIDTH: Final = 1 + len(_SAMPLED)


@dataclass(frozen=True, slots=True)
class DaySubject:
    """Something of which days are kept."""

    key: str
    kind: str
    """That of the node, or `gx` for a battery at a Victron GX."""
    identity: str = ""
    """What tells one battery from the next in the same place."""
    refrigerant: str | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """What enters an assessment beside the days."""

    today: float
    """Days since 1970."""
    end_of_life: float


@dataclass(slots=True)
class Trends:
    """What the days add up to, by subject."""

    batteries: dict[str, BatteryTrends] = field(default_factory=dict)
    heat_pumps: dict[str, Drift] = field(default_factory=dict)


class DayKeeper:
    """Makes the records of days, and assesses them."""

    def __init__(self, hass: HomeAssistant, folder: Path, archive: Callable[[], Archive | None]) -> None:
        """Keep records in `folder`; `archive` returns None while there is none."""
        self._hass = hass
        self._records = Records(folder)
        self._archive = archive
        self._waiting: dict[str, list[tuple[float, ...]]] = {}
        self._writing = asyncio.Lock()
        self.trends = Trends()
        self.assessed_day: int | None = None
        """Newest day that is summed up and assessed; None before the first time."""

    # ---- collecting ------------------------------------------------------------------------------------

    @callback
    def sample(self, key: str, tree: Tree, device: Device, utc_s: float) -> None:
        """Take a sample of a battery at a GX; call it once a minute."""
        row = (utc_s, *_sampled(tree, device))
        if any(math.isfinite(value) for value in row[1:]):
            self._waiting.setdefault(key, []).append(row)

    async def flush(self) -> None:
        """Write the samples that wait; a disk that refuses gets them again next time, for an hour at most."""
        waiting, self._waiting = self._waiting, {}
        async with self._writing:
            for key, rows in waiting.items():
                try:
                    await self._hass.async_add_executor_job(self._records.add_samples, key, rows)
                except OSError as error:
                    _LOGGER.warning("samples of %s cannot be kept: %s", key, error)
                    self._waiting[key] = (rows + self._waiting.get(key, []))[-60:]

    async def keep_capacity(self, key: str, capacity: Capacity, nominal_ah: float) -> None:
        """Keep a capacity that was counted."""
        percent = 100.0 * capacity.capacity_ah / nominal_ah
        try:
            async with self._writing:
                await self._hass.async_add_executor_job(
                    self._records.add_capacity, key, capacity.time_s / 86_400.0, percent
                )
        except OSError as error:
            _LOGGER.warning("a counted capacity of %s cannot be kept: %s", key, error)

    # ---- once a day ------------------------------------------------------------------------------------

    async def assess(self, subjects: Iterable[DaySubject], now: Now) -> None:
        """Sum up the days that are over and not yet kept, and assess all of them."""
        await self.flush()
        found = Trends()
        async with self._writing:
            for subject in subjects:
                try:
                    await self._hass.async_add_executor_job(self._assess, subject, now, found)
                except (ArchiveError, OSError) as error:
                    _LOGGER.warning("the days of %s cannot be kept: %s", subject.key, error)
        self.trends = found
        self.assessed_day = math.floor(now.today) - 1

    def _assess(self, subject: DaySubject, now: Now, found: Trends) -> None:
        kept = self._records.read(subject.key)
        try:
            self._catch_up(subject, kept, math.floor(now.today) - 1)
        finally:  # what is known already is assessed, whatever the disk says
            if subject.kind == HEAT_PUMP.kind:
                found.heat_pumps[subject.key] = refrigerant_drift(kept.heat_pump_days)
            else:
                found.batteries[subject.key] = battery_trends(
                    kept.battery_days, kept.counted, now.today, end_of_life=now.end_of_life
                )

    def _catch_up(self, subject: DaySubject, kept: Kept, last_day: int) -> None:
        days = range(last_day - CATCH_UP_DAYS + 1, last_day + 1)
        if subject.kind == "gx":
            samples = self._records.samples(subject.key, _WIDTH)
            fresh = _better(kept.batteries, _days_of_samples(samples, days, subject.identity))
            self._records.add_days(subject.key, fresh)
            kept.batteries.update({day.day: day for day in fresh})
            self._records.forget_samples(subject.key, last_day + 1, _WIDTH)
            return
        if (archive := self._archive()) is None:
            return
        queries = archive.queries
        if subject.kind == HEAT_PUMP.kind:
            wanted = [day for day in days if day not in kept.heat_pumps]
            pumped = [
                record
                for day in wanted
                if (record := day_of_heat_pump(queries, subject.key, day, subject)) is not None
            ]
            self._records.add_days(subject.key, pumped)
            kept.heat_pumps.update({day.day: day for day in pumped})
            return
        wanted = [
            day for day in days if day not in kept.batteries or kept.batteries[day].coverage < _COMPLETE
        ]
        made = (day_of_battery(queries, subject.key, day, subject) for day in wanted)
        fresh = _better(kept.batteries, [day for day in made if day is not None])
        self._records.add_days(subject.key, fresh)
        kept.batteries.update({day.day: day for day in fresh})


def _better(kept: Mapping[int, BatteryDay], made: Iterable[BatteryDay]) -> list[BatteryDay]:
    """Return the records that are new, or have less gaps than those that are kept."""
    return [day for day in made if day.day not in kept or day.coverage > kept[day.day].coverage + _BETTER]


def day_of_battery(queries: Queries, node: str, day: int, subject: DaySubject) -> BatteryDay | None:
    """Sum up a day of a house or a Pi battery from the minutes; None when there are none."""
    columns = _BATTERIES[subject.kind]
    found = _minutes(queries, node, columns.names, day)
    present = _any_finite(found.values())
    if not present.any():
        return None

    def column(name: str, scale: float = 1.0) -> Floats:
        values = found.get(name)
        return np.full(int(present.sum()), _NAN) if values is None else values[present] * scale

    charge = column(columns.charge)
    probes = np.stack([column(name) for name in columns.temperatures])
    nothing = np.full(charge.shape, _NAN)
    return summarise_battery(
        day,
        BatterySamples(
            time_s=day * 86_400.0 + np.flatnonzero(present).astype(np.float64) * float(_MINUTE_S),
            charge_percent=charge,
            current_a=column(columns.current),
            cell_spread_v=column(columns.spread, 1e-3),
            temperature_c=np.fmax.reduce(probes),
            health_percent=column(columns.health),
            can_errors=nothing,
            can_packets=nothing,
            off_grid=nothing,
            ac_out_w=nothing,
            dc_w=nothing,
            capacity_ah=_capacity_ah(column(columns.stored), charge),
            identity=subject.identity,
        ),
    )


def day_of_heat_pump(queries: Queries, node: str, day: int, subject: DaySubject) -> HeatPumpDay | None:
    """Sum up a day of a heat pump from its readings; None when there are none."""
    found = _minutes(queries, node, _OF_A_HEAT_PUMP, day)
    present = np.flatnonzero(_any_finite(found.values()))
    if not present.size:
        return None
    rows: list[tuple[float, float, float, float]] = []
    watch, before_s = HeatPumpWatch(), -math.inf
    for minute in present.tolist():
        time_s = day * 86_400.0 + minute * float(_MINUTE_S)
        if time_s - before_s > _PAUSE_S:
            watch = HeatPumpWatch()
            watch.choose(subject.refrigerant, time_s)
        before_s = time_s
        told = watch.read(_reading({name: values[minute] for name, values in found.items()}), time_s).values
        condensing = told.get("condensing_temperature")
        evaporating = told.get("evaporating_temperature")
        superheat = told.get("discharge_superheat")
        rows.append(
            (
                time_s,
                _or_nan(superheat),
                _or_nan(condensing) - _or_nan(evaporating),
                float(watch.steady(time_s)),
            )
        )
    time, superheats, lifts, steady = np.array(rows, dtype=float).T
    return summarise_heat_pump(day, time, superheats, lifts, steady, subject.identity)


def _minutes(queries: Queries, node: str, names: Iterable[str], day: int) -> dict[str, Floats]:
    """Return the means of all minutes of a day, NaN where there is none."""
    start_s = day * 86_400
    found: dict[str, Floats] = {}
    for name, history in queries.history(node, set(names), start_s, start_s + 86_400, MINUTE).items():
        values = np.full(_MINUTES, _NAN)
        values[(history.times_s - start_s) // _MINUTE_S] = history.mean
        found[name] = values
    return found


def _any_finite(columns: Iterable[Floats]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    present = np.zeros(_MINUTES, dtype=np.bool_)
    for values in columns:
        present |= np.isfinite(values)
    return present


def _capacity_ah(stored_wh: Floats, charge_percent: Floats) -> float | None:
    """Capacity from the stored energy; near empty its steps are too coarse."""
    usable = np.isfinite(stored_wh) & (charge_percent >= 10.0)
    if not usable.any():
        return None
    return float(np.median(stored_wh[usable] / _NOMINAL_CELLS_V / (charge_percent[usable] / 100.0)))


def _reading(values: Mapping[str, float]) -> dict[str, Value]:
    """Return means of a minute as a reading: numbers, and flags for what is on or off."""
    return {
        name: bool(value > 0.5) if HEAT_PUMP.by_key[name].value is ValueType.FLAG else float(value)
        for name, value in values.items()
        if math.isfinite(value)
    }


def _or_nan(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _NAN


# ---- batteries at a Victron GX -------------------------------------------------------------------------


def _sampled(tree: Tree, device: Device) -> Sequence[float]:
    """Return the columns of a sample; NaN for what is not told, or not any more."""
    inverter = next(tree.of("vebus"), None)
    highest, lowest = (number(tree, device, f"/System/{end}CellVoltage") for end in ("Max", "Min"))
    warmest = number(tree, device, "/System/MaxCellTemperature")
    errors, packets = _can(tree)
    connected = number(tree, inverter, "/Ac/ActiveIn/Connected")
    state = number(tree, inverter, "/State")
    off_grid = _NAN if math.isnan(connected + state) else float(connected == 0.0 and state == _INVERTING)
    return (
        number(tree, device, "/Soc"),
        -number(tree, device, "/Dc/0/Current"),
        highest - lowest,
        number(tree, device, "/Dc/0/Temperature") if math.isnan(warmest) else warmest,
        number(tree, device, "/Soh"),
        errors,
        packets,
        off_grid,
        _of_phases(tree, inverter, "/Ac/Out/P", "/Ac/Out/{}/P"),
        -number(tree, inverter, "/Dc/0/Voltage") * number(tree, inverter, "/Dc/0/Current"),
        _of_phases(tree, inverter, "/Ac/Out/NominalInverterPower", "/Ac/Out/{}/NominalInverterPower"),
        nominal_ah(tree, device),
    )


def number(tree: Tree, device: Device | None, path: str) -> float:
    """Return a value that can be relied on as a number; NaN when there is none."""
    leaf = None if device is None else device.leaves.get(path)
    if leaf is None or leaf.number is None or tree.stale(leaf):
        return _NAN
    return leaf.number


def nominal_ah(tree: Tree, device: Device) -> float:
    """Return the capacity that a battery was sold with; NaN when it does not tell."""
    installed = number(tree, device, "/InstalledCapacity")
    return number(tree, device, "/Capacity") if math.isnan(installed) else installed


def identity_of(device: Device) -> str:
    """Return what tells a battery and its firmware from the next one."""
    told = (device.value(path) for path in ("/ProductId", "/Serial", "/FirmwareVersion"))
    return "/".join("" if value is None else str(value)[:64] for value in told)


def _of_phases(tree: Tree, device: Device | None, whole: str, part: str) -> float:
    """Return a power of all phases: told as one, or to be added up."""
    if not math.isnan(told := number(tree, device, whole)):
        return told
    phases = [number(tree, device, part.format(phase)) for phase in ("L1", "L2", "L3")]
    known = [phase for phase in phases if not math.isnan(phase)]
    return sum(known) if known else _NAN


def _can(tree: Tree) -> tuple[float, float]:
    """Return errors and packets of all CAN interfaces of the station."""
    errors = packets = 0.0
    seen = False
    for device in tree.of("platform"):
        subject = DeviceSubject("", tree, device)
        for path in device.leaves:
            if _IS_CAN(path):
                given = Given(subject, (EACH,), path, 0.0, 0.0)
                try:
                    errors, packets, seen = errors + can_errors(given), packets + can_packets(given), True
                except Unusable:
                    continue
    return (errors, packets) if seen else (_NAN, _NAN)


def _days_of_samples(samples: Floats, days: Iterable[int], identity: str) -> list[BatteryDay]:
    """Sum up the days of which there are samples."""
    made = []
    present = np.floor(samples[:, 0] / 86_400.0)
    for day in days:
        rows = samples[present == day]
        if not rows.size:
            continue
        columns = dict(zip(_SAMPLED, rows[:, 1:].T, strict=True))
        capacity, inverter = columns.pop("capacity_ah"), columns.pop("inverter_w")
        made.append(
            summarise_battery(
                day,
                BatterySamples(
                    time_s=rows[:, 0],
                    capacity_ah=_median(capacity),
                    inverter_w=_median(inverter),
                    identity=identity,
                    **columns,
                ),
            )
        )
    return made


def _median(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None

"""A day in one record: what is kept for ever of a battery or a heat pump, each value under the gate it needs.

Pure functions of a day's samples. A value that no sample could give under its gate is None, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ENOUGH = 20  # samples that a median needs
_DAY_S = 86_400.0
_LONGEST_S = 600.0  # a sample holds until the next, but no longer
_RESTING_SHARE = 0.05  # of the capacity: C/20
_LOADED_SHARE = 0.1  # of the inverter's rating: below, its own consumption is all there is


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySamples:
    """Readings of one day at common times; NaN where there is none. Current is positive while discharging."""

    time_s: Floats
    """Seconds since 1970, rising."""
    charge_percent: Floats
    current_a: Floats
    cell_spread_v: Floats
    temperature_c: Floats
    health_percent: Floats
    can_errors: Floats
    """Counter."""
    can_packets: Floats
    """Counter."""
    off_grid: Floats
    """1 while the inverter alone feeds the loads (no active input, state inverting)."""
    ac_out_w: Floats
    dc_w: Floats
    """What the inverter draws from the battery."""
    capacity_ah: float | None = None
    inverter_w: float | None = None
    """Rating of the inverter."""
    identity: str = ""
    """Firmware and serial number: trends begin anew when it changes."""

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        for column in fields(self):
            value = getattr(self, column.name)
            if isinstance(value, np.ndarray) and value.shape != self.time_s.shape:
                raise ValueError(f"{column.name}: {value.shape} samples, but {self.time_s.shape} times")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryDay:
    """What is kept of a battery's day."""

    day: int
    """Days since 1970-01-01, UTC."""
    identity: str = ""
    coverage: float = 0.0
    """Share of the day with samples, 0 … 1."""
    health_percent: float | None = None
    """The last one that the BMS told."""
    charge_low_percent: float | None = None
    charge_high_percent: float | None = None
    throughput_ah: float | None = None
    """Charge moved in both directions."""
    cell_spread_v: float | None = None
    """Median at rest (below C/20) between 20 and 90 % of charge."""
    temperature_mean_c: float | None = None
    temperature_peak_c: float | None = None
    """95th percentile."""
    can_errors_per_million: float | None = None
    efficiency_percent: float | None = None
    """AC over DC energy of the inverter while off-grid at 10 % load or more."""
    off_grid_hours: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPumpDay:
    """What is kept of a heat pump's day; temperatures are medians while it runs steadily, no defrost."""

    day: int
    identity: str = ""
    steady_hours: float = 0.0
    superheat_k: float | None = None
    """Discharge superheat."""
    lift_k: float | None = None
    """Condensing less evaporating temperature."""


def day_of(time_s: float) -> int:
    """Return the day of a time."""
    return math.floor(time_s / _DAY_S)


def date_of(day: float) -> date:
    """Return the date of a day."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + math.floor(day))


def summarise_battery(day: int, samples: BatterySamples) -> BatteryDay:
    """Make the record of a day; samples of other days are left out."""
    inside = np.floor(samples.time_s / _DAY_S) == day
    column: dict[str, Floats] = {
        each.name: getattr(samples, each.name)[inside]
        for each in fields(samples)
        if isinstance(getattr(samples, each.name), np.ndarray)
    }
    time_s = column["time_s"]
    held_s = np.minimum(np.diff(time_s, append=time_s[-1:]), _LONGEST_S)
    charge, current = column["charge_percent"], column["current_a"]
    resting = np.zeros(time_s.shape, dtype=bool)
    if samples.capacity_ah:
        resting = (
            (np.abs(current) < _RESTING_SHARE * samples.capacity_ah) & (charge >= 20.0) & (charge <= 90.0)
        )
    loaded = (column["off_grid"] == 1.0) & np.isfinite(column["ac_out_w"]) & (column["dc_w"] > 0.0)
    if samples.inverter_w:
        loaded &= column["ac_out_w"] >= _LOADED_SHARE * samples.inverter_w
    else:
        loaded[:] = False
    return BatteryDay(
        day=day,
        identity=samples.identity,
        coverage=float(held_s.sum() / _DAY_S),
        health_percent=_last(column["health_percent"]),
        charge_low_percent=_percentile(charge, 0.0),
        charge_high_percent=_percentile(charge, 100.0),
        throughput_ah=_integral(np.abs(current), held_s),
        cell_spread_v=_percentile(column["cell_spread_v"][resting], 50.0),
        temperature_mean_c=_mean(column["temperature_c"], held_s),
        temperature_peak_c=_percentile(column["temperature_c"], 95.0),
        can_errors_per_million=_rate(column["can_errors"], column["can_packets"]),
        efficiency_percent=_efficiency(column["ac_out_w"][loaded], column["dc_w"][loaded], held_s[loaded]),
        off_grid_hours=float(held_s[column["off_grid"] == 1.0].sum() / 3600.0),
    )


def summarise_heat_pump(
    day: int, time_s: Floats, superheat_k: Floats, lift_k: Floats, steady: Floats, identity: str = ""
) -> HeatPumpDay:
    """Make the record of a day; `steady` is 1 while the machine has settled (see HeatPumpWatch.steady)."""
    inside = (np.floor(time_s / _DAY_S) == day) & (steady == 1.0)
    usable = inside & np.isfinite(superheat_k) & np.isfinite(lift_k)
    held_s = np.minimum(np.diff(time_s, append=time_s[-1:]), _LONGEST_S)
    return HeatPumpDay(
        day=day,
        identity=identity,
        steady_hours=float(held_s[inside].sum() / 3600.0),
        superheat_k=_percentile(superheat_k[usable], 50.0),
        lift_k=_percentile(lift_k[usable], 50.0),
    )


Record = TypeVar("Record", BatteryDay, HeatPumpDay)


def to_json(record: BatteryDay | HeatPumpDay) -> dict[str, Any]:
    """Return a record as it is stored."""
    return asdict(record)


def from_json(kind: type[Record], stored: Mapping[str, Any]) -> Record:
    """Read a stored record; unknown fields are left out, wrong ones raise ValueError."""
    known: dict[str, Any] = {}
    for each in fields(kind):
        value = stored.get(each.name)
        if value is None:
            continue
        if each.name == "identity":
            known[each.name] = str(value)
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{kind.__name__}: {each.name} is {value!r}, want a number")
        else:
            known[each.name] = int(value) if each.name == "day" else float(value)
    if "day" not in known:
        raise ValueError(f"{kind.__name__}: there is no day")
    return kind(**known)


def _finite(values: Floats) -> Floats:
    finite: Floats = values[np.isfinite(values)]
    return finite


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _last(values: Floats) -> float | None:
    finite = _finite(values)
    return float(finite[-1]) if finite.size else None


def _percentile(values: Floats, percent: float) -> float | None:
    finite = _finite(values)
    return _known(float(np.percentile(finite, percent))) if finite.size >= _ENOUGH else None


def _mean(values: Floats, weight: Floats) -> float | None:
    finite = np.isfinite(values)
    total = float(weight[finite].sum())
    return _known((values[finite] * weight[finite]).sum() / total) if total > 0.0 else None


def _integral(values: Floats, held_s: Floats) -> float | None:
    finite = np.isfinite(values)
    return _known((values[finite] * held_s[finite]).sum() / 3600.0) if finite.any() else None


def _rate(errors: Floats, packets: Floats) -> float | None:
    """Errors in a million packets; where a counter restarted, nothing is counted."""
    both = np.isfinite(errors) & np.isfinite(packets)
    new_errors, new_packets = np.diff(errors[both]), np.diff(packets[both])
    counted = (new_errors >= 0.0) & (new_packets >= 0.0)
    total = float(new_packets[counted].sum())
    return _known(1e6 * float(new_errors[counted].sum()) / total) if total >= 1e4 else None


def _efficiency(ac_w: Floats, dc_w: Floats, held_s: Floats) -> float | None:
    """Ratio of energies: a mean of ratios would weigh the noise of small loads like the rest."""
    if ac_w.size < _ENOUGH:
        return None
    drawn = float((dc_w * held_s).sum())
    percent = 100.0 * float((ac_w * held_s).sum()) / drawn if drawn > 0.0 else 0.0
    return percent if 50.0 <= percent <= 100.0 else None  # beyond, the meters do not belong together

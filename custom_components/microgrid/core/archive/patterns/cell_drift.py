"""Pattern: how the cells of a battery drifted apart in the days before its management raised a fault."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..query import Floats
from ..rollup import HOUR
from .faults import FaultRecord, faults
from .source import DAY_S, HOUR_S, SECOND_US, Source
from .trend import theil_sen

CODES = ("F010", "F011", "F012", "F015")
LOOKBACK_DAYS = 7
MAX_LOOKBACK_DAYS = 31
MAX_FAULTS = 50
_CELLS = tuple(f"cell_voltage_{number}" for number in range(1, 33))  # the longest bank in the field has 24
_MINIMUM_CELLS = 3  # the median of two says nothing about which of them is off


@dataclass(frozen=True, slots=True)
class CellTrend:
    """The deviation of one cell from the median of the bank."""

    cell: int
    hours: int
    first_mv: float
    last_mv: float
    slope_mv_per_day: float | None
    """Theil–Sen; None for fewer than six hours."""
    slope_low: float | None
    slope_high: float | None
    """Ends of the interval of 95 %."""


@dataclass(frozen=True, slots=True)
class CellDrift:
    """The cells before one fault."""

    fault: FaultRecord
    cells: tuple[CellTrend, ...]
    """By number; empty when the archive has no cells of that time."""
    drifting: int | None
    """The cell with the steepest slope among those whose interval leaves zero out."""


@dataclass(frozen=True, slots=True)
class CellDrifts:
    """Faults of batteries in a time range."""

    start_utc_us: int
    end_utc_us: int
    lookback_days: int
    drifts: tuple[CellDrift, ...]
    """In the order of time."""
    truncated: bool
    """Whether there were more faults; only the newest were looked at."""


def cell_drift(
    source: Source,
    start_us: int,
    end_us: int,
    *,
    nodes: Collection[str] | None = None,
    codes: Collection[str] | None = None,
    lookback_days: int = LOOKBACK_DAYS,
) -> CellDrifts:
    """Return the trend of every cell before each fault that was raised in the time range.

    Counted are the whole hours within `lookback_days` before the fault; in each the mean of a cell is
    compared with the median of the means of all cells. An hour with fewer than three cells is left out.
    """
    if not 1 <= lookback_days <= MAX_LOOKBACK_DAYS:
        raise ValueError(f"lookback_days {lookback_days}: 1 to {MAX_LOOKBACK_DAYS} days can be looked at")
    found = faults(source, start_us, end_us, nodes=nodes, codes=codes or CODES)
    newest = found.faults[-MAX_FAULTS:]
    drifts = tuple(_drift(source, fault, lookback_days) for fault in newest)
    truncated = found.truncated or len(newest) < len(found.faults)
    return CellDrifts(start_us, end_us, lookback_days, drifts, truncated)


def _drift(source: Source, fault: FaultRecord, lookback_days: int) -> CellDrift:
    fault_s = fault.utc_us // SECOND_US
    start_s = -(-(fault_s - lookback_days * DAY_S) // HOUR_S) * HOUR_S
    end_s = fault_s // HOUR_S * HOUR_S
    cells, times_s, deviations_mv = _deviations(source, fault.node, start_s, end_s)
    trends = []
    certain: list[tuple[float, int]] = []
    for cell, row in zip(cells, deviations_mv, strict=True):
        there = ~np.isnan(row)
        if not there.any():
            continue
        known = row[there]
        slope = theil_sen(times_s[there] / DAY_S, known)
        trends.append(
            CellTrend(
                cell,
                len(known),
                float(known[0]),
                float(known[-1]),
                slope.value if slope else None,
                slope.low if slope else None,
                slope.high if slope else None,
            )
        )
        if slope is not None and slope.certain:
            certain.append((abs(slope.value), -cell))
    return CellDrift(fault, tuple(trends), -max(certain)[1] if certain else None)


def _deviations(source: Source, node: str, start_s: int, end_s: int) -> tuple[list[int], Floats, Floats]:
    """Return cells, hours (s) and the deviations in mV as cells × hours, NaN where nothing is known."""
    found = source.history(node, _CELLS, start_s, end_s, HOUR)
    cells = [number for number, name in enumerate(_CELLS, 1) if name in found]
    hours = np.arange(start_s, end_s, HOUR_S)
    volts = np.full((len(cells), len(hours)), np.nan)
    for row, cell in zip(volts, cells, strict=True):
        history = found[_CELLS[cell - 1]]
        row[(history.times_s - start_s) // HOUR_S] = history.mean
    usable = (~np.isnan(volts)).sum(axis=0) >= _MINIMUM_CELLS
    volts, hours = volts[:, usable], hours[usable]
    if volts.size:
        volts = (volts - np.nanmedian(volts, axis=0)) * 1000
    return cells, hours.astype(np.float64), volts

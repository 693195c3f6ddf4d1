"""Recorded loads and PV yields (hourly CSV) in place of the generators."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import numpy as np

from .arrays import Floats, Indices

_LOAD, _PV, _TIME = "load_kwh_", "pv_kwh_per_kwp_", "local_hour"


class Trace:
    """Hourly columns `load_kwh_…` and `pv_kwh_per_kwp_…` with `local_hour`; houses take columns in turn."""

    def __init__(self, path: Path, houses: int) -> None:
        """Read a .csv or .csv.gz; raises ValueError that names what is missing or wrong."""
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError(f"{path}: no rows; a trace needs a header and one row an hour")
        loads = [name for name in rows[0] if name.startswith(_LOAD)]
        if not loads or _TIME not in rows[0]:
            raise ValueError(f"{path}: needs a column {_TIME} and at least one {_LOAD}<house>")
        yields = [name.replace(_LOAD, _PV) for name in loads]
        try:
            first = datetime.fromisoformat(rows[0][_TIME])
            self._load_w = 1000.0 * np.array([[float(row[name]) for name in loads] for row in rows])
            has_pv = all(name in rows[0] for name in yields)
            self._yield = (
                np.array([[float(row[name]) for name in yields] for row in rows]) if has_pv else None
            )
        except ValueError as error:
            raise ValueError(
                f"{path}: {error}; every cell must be a number, {_TIME} like 2016-08-01 00:00"
            ) from None
        self._first_hour = (first.timetuple().tm_yday - 1) * 24 + first.hour
        self._column = np.arange(houses) % len(loads)
        # Houses that share a column live it some weeks apart.
        self._shift_h = 21 * 24 * (np.arange(houses) // len(loads))

    @property
    def has_pv(self) -> bool:
        """Whether the file has PV yields for all its houses."""
        return self._yield is not None

    def load_w(self, day_of_year: float, time_of_day_s: float) -> Floats:
        """Power of each house at a time of the year."""
        return self._at(self._load_w, day_of_year, time_of_day_s, self._shift_h)

    def pv_per_peak(self, day_of_year: float, time_of_day_s: float) -> Floats:
        """PV power of each house as a share of its peak power; no shift, since all share one sky."""
        assert self._yield is not None
        return self._at(self._yield, day_of_year, time_of_day_s, np.zeros_like(self._shift_h))

    def _at(self, table: Floats, day_of_year: float, time_of_day_s: float, shift_h: Indices) -> Floats:
        # An hour's mean belongs to its middle; straight lines between.
        hour = (int(day_of_year) - 1) * 24 + time_of_day_s / 3600.0 - 0.5 - self._first_hour
        whole = int(np.floor(hour))
        row = (whole + shift_h) % len(table)
        following = (row + 1) % len(table)
        part = hour - whole
        values: Floats = table[row, self._column] * (1.0 - part) + table[following, self._column] * part
        return values

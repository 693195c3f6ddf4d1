"""What the guardian keeps for ever: days of batteries and heat pumps, a line each, and counted capacities.

A file a subject, and nothing is ever changed in it: a line is appended and synced. So a crash costs at most
the line that was being written, which is left out when the file is read, and a copy that a backup makes
meanwhile is whole up to some line. Of two lines for one day the later one counts.

Readings of the day that nobody else logs (those of batteries at a Victron GX) wait beside, in a file of
samples, until the record of their day is made.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from .core.health.summary import BatteryDay, Floats, HeatPumpDay, day_of, from_json, to_json

_LOGGER = logging.getLogger(__name__)

MAX_LINE: Final = 4096
MAX_LINES: Final = 100_000
"""Of one subject: two and a half centuries of days."""
_LAST_DAY: Final = 150_000.0
"""In the 24th century: what lies beyond was not written by a clock."""
_UNSAFE: Final = re.compile(r"[^a-z0-9_.-]")
_BATTERY, _HEAT_PUMP, _COUNTED = "battery", "heat_pump", "counted"


@dataclass(slots=True)
class Kept:
    """Everything that is kept of one subject."""

    batteries: dict[int, BatteryDay] = field(default_factory=dict)
    heat_pumps: dict[int, HeatPumpDay] = field(default_factory=dict)
    """By day."""
    counted: list[tuple[float, float]] = field(default_factory=list)
    """Days and counted capacities in percent of the nominal one."""

    @property
    def battery_days(self) -> list[BatteryDay]:
        """The days of a battery, oldest first."""
        return [self.batteries[day] for day in sorted(self.batteries)]

    @property
    def heat_pump_days(self) -> list[HeatPumpDay]:
        """The days of a heat pump, oldest first."""
        return [self.heat_pumps[day] for day in sorted(self.heat_pumps)]


class Records:
    """The files in one folder. All methods block."""

    def __init__(self, folder: Path) -> None:
        """Work in `folder`, which is made when the first line is written."""
        self._folder = folder

    def read(self, key: str) -> Kept:
        """Return what is kept of a subject; lines that are none of ours are left out and told once."""
        kept, refused = Kept(), 0
        try:
            with self._path(key, "jsonl").open("rb") as file:
                for number, line in enumerate(file):
                    if number >= MAX_LINES:
                        refused += 1
                        break
                    refused += not _take(kept, line)
        except FileNotFoundError:
            return kept
        if refused:
            _LOGGER.warning("health records of %s: %d lines were not understood and left out", key, refused)
        kept.counted.sort()
        return kept

    def add_days(self, key: str, days: Iterable[BatteryDay | HeatPumpDay]) -> None:
        """Keep days; they are on the medium on return. Raises OSError."""
        self._append(
            key,
            [
                {"kind": _BATTERY if isinstance(day, BatteryDay) else _HEAT_PUMP, **to_json(day)}
                for day in days
            ],
        )

    def add_capacity(self, key: str, day: float, percent: float) -> None:
        """Keep a counted capacity; it is on the medium on return. Raises OSError."""
        self._append(key, [{"kind": _COUNTED, "day": day, "percent": percent}])

    def add_samples(self, key: str, rows: Iterable[Sequence[float]]) -> None:
        """Keep samples until their day is summed up: time and columns. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path(key, "samples").open("a", encoding="ascii") as file:
            file.writelines(",".join(f"{value:.10g}" for value in row) + "\n" for row in rows)

    def samples(self, key: str, columns: int) -> Floats:
        """Return the samples that wait, a row each, in the order of time; the first of two of one time.

        They may lie in the file in another order, as the clock was set: none of them stands for the others.
        """
        rows: dict[float, list[float]] = {}
        try:
            with self._path(key, "samples").open("r", encoding="ascii", errors="replace") as file:
                for line in file:
                    if (row := _row(line, columns)) is not None:
                        rows.setdefault(row[0], row)
        except FileNotFoundError:
            pass
        return np.array([rows[time_s] for time_s in sorted(rows)], dtype=float).reshape(len(rows), columns)

    def forget_samples(self, key: str, before_day: int, columns: int) -> None:
        """Drop the samples of days that were summed up. Raises OSError."""
        path = self._path(key, "samples")
        if not path.exists():
            return
        found = self.samples(key, columns)
        left = [row.tolist() for row in found if day_of(row[0]) >= before_day]
        if len(left) == len(found):
            return
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.writelines(",".join(f"{value:.10g}" for value in row) + "\n" for row in left)
        fresh.replace(path)

    def _append(self, key: str, lines: Sequence[Mapping[str, Any]]) -> None:
        if not lines:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n" for line in lines)
        with self._path(key, "jsonl").open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash left half a line: what comes must not be read with it
                    text = "\n" + text
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _path(self, key: str, suffix: str) -> Path:
        return self._folder / f"{_UNSAFE.sub('_', key.replace('/', '.'))}.{suffix}"


def _take(kept: Kept, line: bytes) -> bool:
    """Read one line; False when it is none of ours."""
    if len(line) > MAX_LINE:
        return False
    if not line.strip():
        return True
    try:
        row = json.loads(line)
        kind = row["kind"]
        if not 0.0 <= row["day"] < _LAST_DAY:
            return False
        if kind == _BATTERY:
            battery = from_json(BatteryDay, row)
            kept.batteries[battery.day] = battery
        elif kind == _HEAT_PUMP:
            heat_pump = from_json(HeatPumpDay, row)
            kept.heat_pumps[heat_pump.day] = heat_pump
        elif kind == _COUNTED:
            day, percent = float(row["day"]), float(row["percent"])
            if not math.isfinite(percent):
                return False
            kept.counted.append((day, percent))
        else:
            return False
    except ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError:
        return False
    return True


def _row(line: str, columns: int) -> list[float] | None:
    try:
        row = [float(part) for part in line.split(",")]
    except ValueError:
        return None
    return row if len(row) == columns and math.isfinite(row[0]) else None

"""CSV files of measured or expected energy: a time, load, solar yield and prices in each row."""

from __future__ import annotations

import csv
import gzip
import math
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path

from ..energy.clock import utc

_TIMES = ("time", "start", "utc", "local_hour")


class UnusableFile(ValueError):
    """A file that cannot be used, with the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called."""

    load: str = "load_kwh"
    solar: str = "solar_kwh"
    import_price: str = "import_price"
    export_price: str = "export_price"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal steps; NaN where a cell is empty."""

    start: datetime
    step: timedelta
    load_kwh: list[float]
    solar_kwh: list[float]
    import_price: list[float] | None
    export_price: list[float] | None

    @property
    def starts(self) -> list[datetime]:
        """Start of each row in UTC."""
        return [self.start + number * self.step for number in range(len(self.load_kwh))]


def read_table(path: Path, columns: Columns, zone: tzinfo) -> Table:
    """Read a .csv or .csv.gz; times without a zone are on the wall clock of `zone`. Raises UnusableFile."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError) as error:
        raise UnusableFile(f"{path}: {error}; a CSV file in UTF-8 is needed") from error
    if len(rows) < 2:
        raise UnusableFile(f"{path}: {len(rows)} rows; a header and at least two rows are needed")
    name = next((name for name in _TIMES if name in rows[0]), None)
    if name is None:
        raise UnusableFile(f"{path}: no column with times, named one of {', '.join(_TIMES)}")
    if columns.load not in rows[0]:
        known = ", ".join(str(column) for column in rows[0])
        raise UnusableFile(f"{path}: no column {columns.load}; there are {known} (see --load)")
    # Wall times count through: on the days of changing clocks an hour is skipped or comes twice.
    naive = [_time(path, number, row[name]) for number, row in enumerate(rows, 2)]
    for number, when in enumerate(naive, 2):
        if (when.tzinfo is None) != (naive[0].tzinfo is None):
            raise UnusableFile(f"{path}: row {number}: some times have a zone and some have none")
    step = naive[1] - naive[0]
    if step < timedelta(minutes=1) or step > timedelta(hours=1) or timedelta(hours=1) % step:
        raise UnusableFile(f"{path}: rows {step} apart; whole parts of an hour are needed")
    for number, (before, after) in enumerate(pairwise(naive), 3):
        jump = after - before
        if jump != step and abs(jump - step) != timedelta(hours=1):
            raise UnusableFile(f"{path}: row {number} comes {jump} after the one before, the others {step}")
    first = naive[0] if naive[0].tzinfo else naive[0].replace(tzinfo=zone)

    def column(title: str) -> list[float] | None:
        if title not in rows[0]:
            return None
        return [_number(path, number, title, row[title]) for number, row in enumerate(rows, 2)]

    return Table(
        utc(first),
        step,
        column(columns.load) or [],
        column(columns.solar) or [0.0] * len(rows),
        column(columns.import_price),
        column(columns.export_price),
    )


def _time(path: Path, number: int, text: str | None) -> datetime:
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        raise UnusableFile(f"{path}: row {number}: {text!r} is no time such as 2026-11-21T12:00Z") from None


def _number(path: Path, number: int, title: str, text: str | None) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise UnusableFile(f"{path}: row {number}: {title} {text!r} is no number") from None

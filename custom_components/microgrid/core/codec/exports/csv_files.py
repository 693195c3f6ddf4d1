"""CSV: one file for each node and sampling period."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..umg1.schema import Channel
from .tables import Column, Table

FIXED = ("utc", "boot_id", "mono_us")


def write_csv(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Write the tables into `folder`; return the files.

    A column is named `key [unit]`; a missing sample is an empty cell. A later schema with other channels
    begins another file.
    """
    files: dict[tuple[str, tuple[Channel, ...]], Any] = {}
    paths: list[Path] = []
    with ExitStack() as stack:
        for table in tables:
            channels = tuple(column.channel for column in table.columns)
            writer = files.get((table.name, channels))
            if writer is None:
                number = sum(name == table.name for name, _ in files)
                path = folder / f"{table.name}{f'_{number + 1}' if number else ''}.csv"
                paths.append(path)
                writer = csv.writer(stack.enter_context(path.open("w", encoding="utf-8", newline="")))
                names = [f"{each.name} [{each.unit}]" if each.unit else each.name for each in channels]
                writer.writerow([*FIXED, *names])
                files[table.name, channels] = writer
            utc = np.datetime_as_string(table.utc_us.astype("datetime64[us]"), timezone="UTC")
            utc[table.utc_us == 0] = ""
            boots = [f"{boot:08x}" for boot in table.boot_ids.tolist()]
            cells = [_cells(column) for column in table.columns]
            writer.writerows(zip(utc.tolist(), boots, table.mono_us.tolist(), *cells, strict=True))
    return paths


def _cells(column: Column) -> list[str]:
    """Values as text, with the digits that the channel's scale has."""
    digits = max(0, -column.channel.exponent)
    cells = [f"{value:.{digits}f}" for value in column.scaled().tolist()]
    if column.valid is not None:
        for missing in np.flatnonzero(~column.valid):
            cells[missing] = ""
    return cells

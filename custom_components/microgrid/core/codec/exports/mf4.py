"""MF4 (ASAM MDF 4.10), by asammdf: a channel group for each node and sampling period."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..umg1.schema import Channel
from .optional import require
from .tables import Table

_WIDTHS = {1: np.int8, 2: np.int16, 4: np.int32}


def write_mf4(tables: Iterable[Table], path: Path) -> list[Path]:
    """Write all tables into one file; return it.

    A later schema with other channels or other scales begins another group. Samples stay the integers of the
    log, with a linear conversion to the unit; missing ones carry an invalidation bit. The time of a group
    counts seconds from the start of the file; where the log never knew the time, from the start of the node.
    Raises ExportError without asammdf.
    """
    asammdf = require("asammdf", "asammdf", "MF4")
    groups: dict[tuple[str, int, tuple[Channel, ...]], list[Table]] = {}
    for table in tables:
        key = (table.node, table.period_us, tuple(column.channel for column in table.columns))
        groups.setdefault(key, []).append(table)
    known = [
        int(table.utc_us[table.utc_us > 0].min())
        for part in groups.values()
        for table in part
        if table.utc_us.any()
    ]
    start_us = min(known, default=0)
    with asammdf.MDF(version="4.10") as mdf:
        mdf.start_time = datetime.fromtimestamp(start_us / 1e6, UTC)
        for (node, period_us, _), parts in groups.items():
            utc = np.concatenate([part.utc_us for part in parts])
            mono = np.concatenate([part.mono_us for part in parts])
            seconds = np.where(utc == 0, mono, utc - start_us) / 1e6
            signals = []
            for at, column in enumerate(parts[0].columns):
                channel = column.channel
                valid = [
                    np.ones(len(part.mono_us), np.bool_)
                    if part.columns[at].valid is None
                    else part.columns[at].valid
                    for part in parts
                ]
                missing = ~np.concatenate([one for one in valid if one is not None])
                signals.append(
                    asammdf.Signal(
                        samples=np.concatenate([part.columns[at].values for part in parts]).astype(
                            _WIDTHS[channel.width]
                        ),
                        timestamps=seconds,
                        name=channel.name,
                        unit=channel.unit,
                        conversion={"a": channel.scale, "b": channel.offset * channel.scale},
                        invalidation_bits=missing if missing.any() else None,
                    )
                )
            mdf.append(
                signals,
                acq_name=f"{node} {period_us} µs",
                comment=f"{node}, period {period_us} µs",
                common_timebase=True,
            )
        mdf.save(path, compression=2, overwrite=True)
    return [path]

"""Parquet, by pyarrow: one file for each node and sampling period."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..umg1.schema import Channel
from .optional import require
from .tables import Table


def write_parquet(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Write the tables into `folder`; return the files.

    Columns `utc` (timestamp, null where unknown), `boot_id`, `mono_us` and one of doubles for each channel,
    with its unit in the metadata of the field. Raises ExportError without pyarrow.
    """
    pa = require("pyarrow", "pyarrow", "Parquet")
    pq = require("pyarrow.parquet", "pyarrow", "Parquet")
    writers: dict[tuple[str, tuple[Channel, ...]], Any] = {}
    paths: list[Path] = []
    with ExitStack() as stack:
        for table in tables:
            channels = tuple(column.channel for column in table.columns)
            unknown = table.utc_us == 0
            arrays = [
                pa.array(table.utc_us, pa.timestamp("us", "UTC"), mask=unknown),
                pa.array(table.boot_ids, pa.uint32()),
                pa.array(table.mono_us, pa.int64()),
            ]
            arrays += [
                pa.array(column.scaled(), pa.float64(), mask=None if column.valid is None else ~column.valid)
                for column in table.columns
            ]
            fields = [pa.field("utc", pa.timestamp("us", "UTC")), pa.field("boot_id", pa.uint32(), False)]
            fields.append(pa.field("mono_us", pa.int64(), False))
            fields += [pa.field(each.name, pa.float64(), True, {"unit": each.unit}) for each in channels]
            schema = pa.schema(fields, {"node": table.node, "period_us": str(table.period_us)})
            writer = writers.get((table.name, channels))
            if writer is None:
                number = sum(name == table.name for name, _ in writers)
                path = folder / f"{table.name}{f'_{number + 1}' if number else ''}.parquet"
                paths.append(path)
                # Doubles of few digits: their bytes side by side compress to a third.
                writer = stack.enter_context(
                    pq.ParquetWriter(
                        path,
                        schema,
                        compression="zstd",
                        use_dictionary=False,
                        column_encoding={each.name: "BYTE_STREAM_SPLIT" for each in channels}
                        | {"utc": "DELTA_BINARY_PACKED", "mono_us": "DELTA_BINARY_PACKED"},
                    )
                )
                writers[table.name, channels] = writer
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return paths

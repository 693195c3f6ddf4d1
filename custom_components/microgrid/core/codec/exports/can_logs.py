"""Bus traffic as a candump text or as BLF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..umg1.can import ERROR, EXTENDED, REMOTE, CanFrame
from ..umg1.content import content
from ..umg1.frame import Kind
from ..umg1.log import Log
from ..umg1.wire import Malformed
from .optional import require

_FLAGS = EXTENDED | REMOTE | ERROR
_CANDUMP_ERROR = 0x20000000


@dataclass(frozen=True, slots=True)
class Traffic:
    """A frame on the bus and when: µs of UTC, of the node's start where the log never knew the time."""

    time_us: int
    frame: CanFrame

    @property
    def number(self) -> int:
        """Identifier without flags."""
        return self.frame.identifier & ~_FLAGS


def traffic(log: Log, rows: NDArray[np.void] | None = None) -> Iterator[Traffic]:
    """Yield the bus traffic of these rows of the index (all) in order."""
    rows = log.index if rows is None else rows
    for frame in log.frames(rows[rows["kind"] == Kind.CAN]):
        try:
            bus = content(frame)
        except Malformed as error:
            log.malformed.append((frame, str(error)))
            continue
        if isinstance(bus, tuple) and bus:
            mono = np.array([one.mono_us for one in bus], np.int64)
            utc = log.clock(frame.boot_id).utc_us(mono)
            times = mono if utc is None else utc
            for at, one in zip(times.tolist(), bus, strict=True):
                yield Traffic(at, one)


def candump_line(one: Traffic, interface: str = "can0") -> str:
    """Return a frame as candump -l writes it."""
    identifier = one.frame.identifier
    if identifier & ERROR:
        name = f"{one.number | _CANDUMP_ERROR:08X}"
    else:
        name = f"{one.number:08X}" if identifier & EXTENDED else f"{one.number:03X}"
    data = "R" if identifier & REMOTE else one.frame.data.hex().upper()
    return f"({one.time_us // 1_000_000}.{one.time_us % 1_000_000:06d}) {interface} {name}#{data}"


def write_candump(log: Log, path: Path, rows: NDArray[np.void] | None = None) -> list[Path]:
    """Write the bus traffic as text; return the file."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for one in traffic(log, rows):
            file.write(candump_line(one) + "\n")
    return [path]


def write_blf(log: Log, path: Path, rows: NDArray[np.void] | None = None) -> list[Path]:
    """Write the bus traffic as BLF; return the file. Raises ExportError without python-can."""
    can = require("can", "python-can", "BLF")
    with can.BLFWriter(path, channel=0) as writer:
        for one in traffic(log, rows):
            identifier = one.frame.identifier
            writer.on_message_received(
                can.Message(
                    timestamp=one.time_us / 1e6,
                    arbitration_id=one.number,
                    is_extended_id=bool(identifier & EXTENDED),
                    is_remote_frame=bool(identifier & REMOTE),
                    is_error_frame=bool(identifier & ERROR),
                    data=b"" if identifier & REMOTE else one.frame.data,
                )
            )
    return [path]

"""Recordings of stations: one file of JSON lines for each service, read into what was and what happened.

The first line names the service; then `{"t": seconds, "path": …, "value": …}`. What a path says first at
t = 0 is its initial value, everything later a change; null is a value that is not valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .http_answers import service_type
from .value import MAX_INSTANCE, Address, Reason, Value, clean, parse_json, valid_path

MAX_ROWS: Final = 1_000_000
_MAX_TIME_S: Final = 10.0 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Event:
    """A change, so many seconds after the begin."""

    time_s: float
    address: Address
    value: Value


@dataclass(slots=True)
class Recording:
    """A station for a while."""

    initial: dict[Address, Value] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    """Full names on the D-Bus by service and instance."""
    rejected: Counter[Reason] = field(default_factory=Counter)

    @property
    def length_s(self) -> float:
        """When the last change is."""
        return self.events[-1].time_s if self.events else 0.0

    def add(self, lines: Iterable[str | bytes]) -> None:
        """Add one service; what is not readable is counted and left out."""
        rows = _rows(lines, self.rejected)
        if not rows:
            self.rejected[Reason.BAD_ANSWER] += 1
            return
        name = rows[0].get("service")
        service = service_type(name) if isinstance(name, str) else None
        if service is None or not isinstance(name, str):
            self.rejected[Reason.BAD_TOPIC] += 1
            return
        told = [row for row in map(self._row, rows[1:]) if row is not None]
        instance = next(
            (value for _, path, value in told if path == "/DeviceInstance" and _instance(value)), 0
        )
        number = instance if isinstance(instance, int) else 0
        while (service, number) in self.names:  # a GX never has two of them
            number += 1
        self.names[service, number] = name
        for time_s, path, value in told:
            address = Address(service, number, path)
            if time_s == 0 and address not in self.initial:
                self.initial[address] = number if path == "/DeviceInstance" else value
            else:
                self.events.append(Event(time_s, address, value))
        self.events.sort(key=lambda event: event.time_s)

    def _row(self, row: dict[str, object]) -> tuple[float, str, Value] | None:
        time_s, path, value = row.get("t"), row.get("path"), clean(row.get("value"))
        if (
            isinstance(value, Reason)
            or "value" not in row
            or not isinstance(path, str)
            or not valid_path(path)
            or isinstance(time_s, bool)
            or not isinstance(time_s, int | float)
            or not 0 <= time_s <= _MAX_TIME_S
        ):
            self.rejected[Reason.BAD_VALUE] += 1
            return None
        return float(time_s), path, value


def load(files: Iterable[Path]) -> Recording:
    """Read the files of one station; raises OSError."""
    recording = Recording()
    for file in sorted(files):
        recording.add(file.read_bytes().splitlines())
    return recording


def _rows(lines: Iterable[str | bytes], rejected: Counter[Reason]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for line in lines:
        if not line.strip():
            continue
        row = parse_json(line.encode(errors="replace") if isinstance(line, str) else line)
        if isinstance(row, Reason) or not isinstance(row, dict):
            rejected[row if isinstance(row, Reason) else Reason.NOT_JSON] += 1
        elif len(rows) < MAX_ROWS:
            rows.append(row)
    return rows


def _instance(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INSTANCE

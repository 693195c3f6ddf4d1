"""What is known of the paths of a GX: one row of paths.csv each, found by service and path.

Rows speak of families: `/Ac/Out/{phase}/V` is three paths. The table is read at the first
look-up, in some 10 ms.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from .enums import ENUMS

TIERS_S: Final = (10, 60, 300)
"""How often a path is evaluated and published, in seconds; all paths stand in one of the three."""
ANY_SERVICE: Final = "*"
"""Rows of this service stand for all services."""


class Kind(StrEnum):
    """What the values of a path are."""

    MEASUREMENT = "measurement"
    TOTAL = "total"
    """Only grows, but may start again at zero."""
    NUMBER = "number"
    """Counts and settings: no statistics."""
    DURATION = "duration"
    """Seconds."""
    TIME = "time"
    """Seconds since 1970, UTC."""
    ALARM = "alarm"
    """0 OK, 1 warning, 2 alarm."""
    FLAG = "flag"
    CHOICE = "choice"
    BITS = "bits"
    """A sum of the numbers of the enumeration."""
    CODE = "code"
    """A number of which some have names."""
    TEXT = "text"
    DATA = "data"
    """JSON, as such or in a string."""
    ACTION = "action"
    """Writing it does something; reading it tells nothing."""


class Area(StrEnum):
    """What a path is looked at for: the fifteen areas of the diagnostics, and the rest."""

    SYSTEM = "system"
    BATTERY = "battery"
    CELLS = "cells"
    BMS_ALARMS = "bms_alarms"
    INVERTER = "inverter"
    AC = "ac"
    DC = "dc"
    GRID_METER = "grid_meter"
    ENERGY = "energy"
    ESS = "ess"
    TEMPERATURE = "temperature"
    NETWORK = "network"
    FIRMWARE = "firmware"
    CAN_BUS = "can_bus"
    NOTIFICATIONS = "notifications"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PathFact:
    """One row: everything that is known of a path, or of a family of paths."""

    service: str
    path: str
    name: str
    """In English; with the same placeholders as the path."""
    kind: Kind
    unit: str | None
    """As Home Assistant spells it; D-Bus values are not scaled."""
    enum: str | None
    """Name of the enumeration in `enums`."""
    area: Area
    tier_s: int
    enabled: bool
    """Whether most people want to see it."""
    writable: bool
    """Whether the GX takes it. What we write stands in `control`."""
    note: str
    options: Mapping[int, str] = field(init=False, repr=False)
    """What the numbers mean; empty without an enumeration."""

    def __post_init__(self) -> None:
        """Look up the enumeration."""
        object.__setattr__(self, "options", ENUMS[self.enum] if self.enum else _NO_OPTIONS)

    @property
    def key(self) -> str:
        """Identifier of the row, unique within its service."""
        return re.sub(r"[^a-z0-9]+", "_", self.path.lower()).strip("_")

    @property
    def device_class(self) -> str | None:
        """What Home Assistant calls such a quantity."""
        if self.kind is Kind.TIME:
            return "timestamp"
        if (named := _CLASS_OF_PATH.get(self.path.rsplit("/", 1)[-1])) is not None:
            return named
        if self.unit == "kWh":
            return "energy" if self.kind is Kind.TOTAL else "energy_storage"
        return _CLASS_OF_UNIT.get(self.unit or "")

    @property
    def state_class(self) -> str | None:
        """What statistics are made of it."""
        if self.kind is Kind.TOTAL:
            return "total_increasing"
        return "measurement" if self.kind is Kind.MEASUREMENT else None

    @property
    def polled(self) -> bool:
        """Whether the GX computes it only when it is read, and never tells of a change."""
        return self.path.endswith("/Statistics") and self.area is Area.CAN_BUS

    def text(self, value: object) -> str | None:
        """Return what a number of the enumeration means; None for one that nobody knows."""
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return self.options.get(value) if isinstance(value, int) else None

    def bits(self, value: int) -> tuple[str, ...]:
        """Return the names of the bits that are set."""
        return tuple(name for bit, name in self.options.items() if bit and value & bit)


@dataclass(frozen=True, slots=True)
class Known:
    """What the table says of one path."""

    fact: PathFact
    placeholders: Mapping[str, str]
    """What stands in the path where the row has a placeholder, e.g. {"phase": "L1"}."""

    @property
    def name(self) -> str:
        """Return the row's name with its placeholders filled in."""
        return self.fact.name.format(**self.placeholders) if self.placeholders else self.fact.name


_NO_OPTIONS: Final[Mapping[int, str]] = MappingProxyType({})
_NO_PLACEHOLDERS: Final[Mapping[str, str]] = MappingProxyType({})

_CLASS_OF_UNIT: Final = {
    "V": "voltage",
    "A": "current",
    "W": "power",
    "kW": "power",
    "VA": "apparent_power",
    "Hz": "frequency",
    "°C": "temperature",
    "s": "duration",
    "h": "duration",
    "d": "duration",
    "hPa": "pressure",
    "kPa": "pressure",
    "B": "data_size",
    "m³": "volume_storage",
    "m/s": "speed",
    "km": "distance",
    "W/m²": "irradiance",
    "lx": "illuminance",
}
_CLASS_OF_PATH: Final = {
    "Soc": "battery",
    "Humidity": "humidity",
    "CO2": "carbon_dioxide",
    "PM25": "pm25",
    "PowerFactor": "power_factor",
    "WindSpeed": "wind_speed",
}

_PLACEHOLDER: Final = re.compile(r"\{([\w.]+)\}$")
_SETS: Final = {"A..H": ("distributor", frozenset("ABCDEFGH")), "0..7": ("fuse", frozenset("01234567"))}
_PHASES: Final = frozenset({"L1", "L2", "L3"})
_MAX_DIGITS: Final = 4
_NUMBERS: Final = frozenset({"n", "day", "slot"})


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a path that ends in a placeholder."""

    prefix: str
    name: str
    allowed: frozenset[str] | None
    number: bool

    @classmethod
    def parse(cls, text: str) -> _Segment | None:
        """Return what the part allows; None for one without a placeholder."""
        if (found := _PLACEHOLDER.search(text)) is None:
            return None
        name, allowed = _SETS.get(found[1], (found[1], _PHASES if found[1] == "phase" else None))
        return cls(text[: found.start()], name, allowed, name in _NUMBERS)

    def match(self, text: str) -> str | None:
        """Return what stands for the placeholder."""
        if not text.startswith(self.prefix):
            return None
        value = text[len(self.prefix) :]
        if self.allowed is not None:
            return value if value in self.allowed else None
        if self.number:
            return value if value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS else None
        return value or None


@dataclass(slots=True)
class _Branch:
    """A level of the tree of paths."""

    fact: PathFact | None = None
    literal: dict[str, _Branch] = field(default_factory=dict)
    open: list[tuple[_Segment, _Branch]] = field(default_factory=list)

    def add(self, fact: PathFact) -> None:
        """Hang a row into the tree."""
        branch = self
        for part in fact.path[1:].split("/"):
            segment = _Segment.parse(part)
            if segment is None:
                branch = branch.literal.setdefault(part, _Branch())
                continue
            found = next((child for known, child in branch.open if known == segment), None)
            if found is None:
                found = _Branch()
                branch.open.append((segment, found))
            branch = found
        branch.fact = fact

    def find(self, parts: list[str], at: int, placeholders: dict[str, str]) -> PathFact | None:
        """Return the row for a path; what is written out goes before what is a placeholder."""
        if at == len(parts):
            return self.fact
        part = parts[at]
        if (child := self.literal.get(part)) is not None and (
            found := child.find(parts, at + 1, placeholders)
        ) is not None:
            return found
        for segment, child in self.open:
            if (value := segment.match(part)) is None:
                continue
            if (found := child.find(parts, at + 1, placeholders)) is not None:
                placeholders[segment.name] = value
                return found
        return None


class PathTable:
    """All rows, and the way from a path to its row."""

    def __init__(self, facts: tuple[PathFact, ...]) -> None:
        """Index the rows."""
        self.facts = facts
        self._services: dict[str, _Branch] = {}
        for fact in facts:
            self._services.setdefault(fact.service, _Branch()).add(fact)

    def find(self, service: str, path: str) -> Known | None:
        """Return what is known of a path of a service (`battery`, `/Soc`), or None."""
        parts = path[1:].split("/")
        for name in (service, ANY_SERVICE):
            if (tree := self._services.get(name)) is not None:
                placeholders: dict[str, str] = {}
                if (fact := tree.find(parts, 0, placeholders)) is not None:
                    return Known(fact, placeholders or _NO_PLACEHOLDERS)
        return None

    def of(self, service: str) -> Iterator[PathFact]:
        """Yield the rows of a service, without those of all services."""
        return (fact for fact in self.facts if fact.service == service)


@cache
def table() -> PathTable:
    """Return the table; it is read once."""
    with resources.files(__package__).joinpath("paths.csv").open(encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return PathTable(
            tuple(
                PathFact(
                    service,
                    path,
                    name,
                    Kind(kind),
                    unit or None,
                    enum or None,
                    Area(area),
                    int(tier_s),
                    bool(enabled),
                    bool(writable),
                    note,
                )
                for service, path, name, kind, unit, enum, area, tier_s, enabled, writable, note in rows
            )
        )

"""What rules see of a device: readings by name, and whether they can be relied on.

A node of the live swarm and a device of a Victron GX look alike from here, so one engine judges both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ..model.swarm import Node

EACH = "*"
"""Stands for the name that a rule with `each` is judging."""
PRESENT = "@present"
"""Whether the device is there: True or False."""
SILENT_S = "@silent"
"""For how many seconds the station of a device has not spoken."""


class Reading(NamedTuple):
    """A value, and whether it can be relied on."""

    value: object
    """None when it is not valid."""
    stale: bool = False
    """Whether nobody has confirmed it for too long."""


class Subject(Protocol):
    """Something that rules judge."""

    @property
    def key(self) -> str:
        """Name that stays the same over restarts."""

    @property
    def scope(self) -> str:
        """Kind of the subject, see `Rule.scopes`."""

    def read(self, name: str) -> Reading | None:
        """Return the newest value; None when there never was one."""

    def names(self) -> Iterable[str]:
        """Yield what can be read."""


class Unusable(Exception):
    """A reading is missing, not valid, stale or no number: nothing follows from it."""


class Given:
    """The readings of a subject at one moment, as a quantity or a gate asks for them."""

    __slots__ = ("_element", "_subject", "inputs", "steady_s", "utc_s")

    def __init__(
        self, subject: Subject, inputs: tuple[str, ...], element: str, steady_s: float, utc_s: float
    ) -> None:
        """`steady_s` runs evenly, over restarts and steps of the clock; `utc_s` is seconds since 1970."""
        self._subject = subject
        self.inputs = inputs
        self._element = element
        self.steady_s = steady_s
        self.utc_s = utc_s

    def value(self, name: str) -> object:
        """Return a value; raises Unusable, and KeyError for a name that was not declared."""
        if (value := self.optional(name)) is None:
            raise Unusable
        return value

    def optional(self, name: str) -> object:
        """Return a value or None when there is none; raises Unusable when it is stale."""
        if name not in self.inputs:
            raise KeyError(f"{name} is not among the inputs {', '.join(self.inputs)}")
        reading = self._subject.read(self._element if name == EACH else name)
        if reading is None or reading.value is None:
            return None
        if reading.stale or (isinstance(reading.value, float) and not math.isfinite(reading.value)):
            raise Unusable
        return reading.value

    def number(self, name: str) -> float:
        """Return a number, flags as 0 and 1; raises Unusable."""
        return _number(self.value(name))

    def number_or(self, name: str, default: float) -> float:
        """Return a number, or the default when there is none; raises Unusable when it is stale."""
        value = self.optional(name)
        return default if value is None else _number(value)

    def flag(self, name: str) -> bool:
        """Return whether a flag is set; raises Unusable."""
        return self.number(name) != 0.0

    def numbers(self, names: Iterable[str]) -> list[float]:
        """Return the numbers that there are; raises Unusable when there are none."""
        found = [_number(value) for name in names if (value := self.optional(name)) is not None]
        if not found:
            raise Unusable
        return found


def _number(value: object) -> float:
    if not isinstance(value, (bool, int, float)):
        raise Unusable
    try:
        return float(value)
    except OverflowError:  # an integer that no float can hold measures nothing
        raise Unusable from None


class NodeSubject:
    """A node of the live swarm."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        """Look at a node; it may change afterwards."""
        self._node = node

    @property
    def key(self) -> str:
        """The id of the node."""
        return self._node.node_id

    @property
    def scope(self) -> str:
        """Its kind."""
        return self._node.kind.kind

    def read(self, name: str) -> Reading | None:
        """Return the newest value of a metric; those of a node that is away are stale."""
        if name == PRESENT:
            return Reading(self._node.available)
        value = self._node.values.get(name)
        return None if value is None else Reading(value, not self._node.available)

    def names(self) -> Iterable[str]:
        """Yield the metrics that it has shown."""
        return self._node.metrics


class _Leaf(Protocol):
    @property
    def value(self) -> object: ...


class _Device(Protocol):
    @property
    def key(self) -> tuple[str, int]: ...
    @property
    def present(self) -> bool: ...
    @property
    def leaves(self) -> Mapping[str, _Leaf]: ...


class Station(Protocol):
    """What is needed of the tree of a Victron GX (core/gx); core packages do not know each other."""

    def of(self, service: str, /) -> Iterable[_Device]:
        """Yield the devices of a service that are there, by instance."""

    def stale(self, leaf: Any, /) -> bool:
        """Whether nobody confirmed the value for too long."""

    def silent_s(self) -> float | None:
        """Return for how long the station gave no sign of life."""


_STATION_SILENT_S = 30.0  # three times the quickest tier, ten times the heartbeat of a GX


class DeviceSubject:
    """A device of a Victron GX; its names are paths, `service:/path` is the first one of the station."""

    __slots__ = ("_device", "_station", "_station_key")

    def __init__(self, station_key: str, station: Station, device: _Device) -> None:
        """`station_key` tells the stations of a site apart."""
        self._station_key = station_key
        self._station = station
        self._device = device

    @property
    def key(self) -> str:
        """Station, service and instance."""
        service, instance = self._device.key
        return f"{self._station_key}/{service}/{instance}"

    @property
    def scope(self) -> str:
        """`gx:` and the service."""
        return f"gx:{self._device.key[0]}"

    def read(self, name: str) -> Reading | None:
        """Return the newest value of a path."""
        if name in (SILENT_S, PRESENT):
            silent = self._station.silent_s()
            if silent is None:
                return None
            if name == SILENT_S:
                return Reading(silent)
            return Reading(self._device.present, silent > _STATION_SILENT_S)
        service, colon, path = name.partition(":")
        if not colon:
            return self._reading(self._device, name)
        for device in self._station.of(service):
            if (reading := self._reading(device, path)) is not None and reading.value is not None:
                return reading
        return None

    def names(self) -> Iterable[str]:
        """Yield the paths of the device."""
        return tuple(self._device.leaves)

    def _reading(self, device: _Device, path: str) -> Reading | None:
        leaf = device.leaves.get(path)
        return None if leaf is None else Reading(leaf.value, self._station.stale(leaf))

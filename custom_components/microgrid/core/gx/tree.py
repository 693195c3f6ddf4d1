"""The tree of one station: every value that it ever told, whether the table knows the path or not.

Transports write into it, everybody else reads and listens. Times are of two clocks: `changed_at` for people
(Unix), `heard_at` for ages (monotonic: it does not jump).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .table import Known, PathTable, table
from .value import Address, Reason, Told, Value

_LOGGER = logging.getLogger(__name__)

MAX_DEVICES: Final = 256
MAX_PATHS: Final = 20_000
"""A large GX has some 3,000; settings alone some 1,500."""
STALE_TIERS: Final = 3
"""A value that was not confirmed for so many times its tier is stale."""


class Happening(StrEnum):
    """What a listener is told."""

    APPEARED = "appeared"
    """A path that was not there before has a value; a device appears with its first path."""
    CHANGED = "changed"
    LOST = "lost"
    """The value is not valid any more: null was told, or the device left."""


class Leaf:
    """One path of one device."""

    __slots__ = ("changed_at", "device", "heard_at", "known", "maximum", "minimum", "path", "value")

    def __init__(self, device: Device, path: str, known: Known | None) -> None:
        """Begin without a value."""
        self.device = device
        self.path = path
        self.known = known
        """The row of the table; None for a path that it does not have."""
        self.value: Value = None
        self.minimum: float | None = None
        self.maximum: float | None = None
        self.changed_at = 0.0
        self.heard_at = 0.0

    @property
    def address(self) -> Address:
        """Where it is."""
        return Address(self.device.service, self.device.instance, self.path)

    @property
    def valid(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def number(self) -> float | None:
        """The value, if it is a number."""
        return float(self.value) if isinstance(self.value, int | float) else None

    @property
    def limits(self) -> tuple[float, float] | None:
        """What the device allows, if it says so; settings without limits say that both are 0."""
        if self.minimum is None or self.maximum is None or self.minimum >= self.maximum:
            return None
        return self.minimum, self.maximum


class Device:
    """One service of the D-Bus: a battery, an inverter, the settings."""

    __slots__ = ("instance", "leaves", "name", "present", "service")

    def __init__(self, service: str, instance: int) -> None:
        """Begin without paths."""
        self.service = service
        self.instance = instance
        self.name = ""
        """The full name on the D-Bus, where the transport tells it."""
        self.leaves: dict[str, Leaf] = {}
        self.present = True

    def value(self, path: str) -> Value:
        """Return the value of a path; None where there is none."""
        leaf = self.leaves.get(path)
        return None if leaf is None else leaf.value

    @property
    def key(self) -> tuple[str, int]:
        """What tells it apart within a station."""
        return self.service, self.instance

    @property
    def title(self) -> str:
        """What a person calls it: the name that the user gave, or the product."""
        for path in ("/CustomName", "/ProductName", "/Device/Model"):
            if isinstance(text := self.value(path), str) and text.strip():
                return text.strip()
        return f"{self.service} {self.instance}"

    @property
    def role(self) -> str:
        """What it measures: a grid meter may be a service `acload` that says `grid`."""
        role = self.value("/Role")
        return role if self.service == "acload" and isinstance(role, str) and role else self.service


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to one path."""

    happening: Happening
    leaf: Leaf
    previous: Value


Listener = Callable[[Change], None]


class Tree:
    """All devices of one station."""

    def __init__(
        self,
        *,
        paths: PathTable | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Begin empty; nothing is read from the disk before the first path arrives."""
        self.devices: dict[tuple[str, int], Device] = {}
        self.rejected: Counter[Reason] = Counter()
        self.accepted = 0
        self.alive_at: float | None = None
        """When the station last gave a sign of life (monotonic)."""
        self.pushed = False
        """Whether the station tells changes by itself, so that silence means that nothing changed."""
        self.cycle_s = 0.0
        """Otherwise: how long until every value has been read again."""
        self._paths = paths
        self._monotonic = monotonic
        self._wall = wall
        self._listeners: list[Listener] = []
        self._count = 0

    # ---- reading -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Count the paths."""
        return self._count

    def leaf(self, address: Address) -> Leaf | None:
        """Return a path of a device that is there."""
        device = self.devices.get((address.service, address.instance))
        return None if device is None else device.leaves.get(address.path)

    def value(self, service: str, path: str) -> Value:
        """Return the first valid value of a path among the devices of a service."""
        for device in self.of(service):
            if (value := device.value(path)) is not None:
                return value
        return None

    def of(self, service: str) -> Iterator[Device]:
        """Yield the devices of a service that are there, by instance."""
        found = [device for device in self.devices.values() if device.service == service and device.present]
        return iter(sorted(found, key=lambda device: device.instance))

    def leaves(self, tier_s: int | None = None) -> Iterator[Leaf]:
        """Yield all paths, or those of one tier; a path that the table does not know is in no tier."""
        for device in self.devices.values():
            for leaf in device.leaves.values():
                if tier_s is None or (leaf.known is not None and leaf.known.fact.tier_s == tier_s):
                    yield leaf

    def age_s(self, leaf: Leaf) -> float:
        """Return how long ago the value was known to hold."""
        heard = leaf.heard_at
        told_of_changes = self.pushed and not (leaf.known is not None and leaf.known.fact.polled)
        if told_of_changes and leaf.device.present and self.alive_at is not None:
            heard = max(heard, self.alive_at)
        return max(0.0, self._monotonic() - heard)

    def stale(self, leaf: Leaf) -> bool:
        """Whether nothing confirmed the value for three times its tier."""
        tier_s = 60 if leaf.known is None else leaf.known.fact.tier_s
        return self.age_s(leaf) > STALE_TIERS * max(tier_s, self.cycle_s)

    def silent_s(self) -> float | None:
        """Return how long the station has given no sign of life; None before the first."""
        return None if self.alive_at is None else max(0.0, self._monotonic() - self.alive_at)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on every change from now on; returns the way to stop it."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    # ---- writing: the transports ---------------------------------------------------------------------------

    def reject(self, reason: Reason) -> None:
        """Count something that could not be read."""
        self.rejected[reason] += 1

    def alive(self) -> None:
        """The station gave a sign of life."""
        self.alive_at = self._monotonic()

    def tell(self, address: Address, told: Told) -> None:
        """A device told a value."""
        now = self.alive_at = self._monotonic()
        leaf = self._find(address)
        if leaf is None:
            return
        self.accepted += 1
        leaf.heard_at = now
        if told.minimum is not None or told.maximum is not None:
            leaf.minimum, leaf.maximum = told.minimum, told.maximum
        self._set(leaf, told.value)

    def leave(self, service: str, instance: int) -> None:
        """A device left the bus: nothing that it told holds any more."""
        device = self.devices.get((service, instance))
        if device is None or not device.present:
            return
        device.present = False
        for leaf in list(device.leaves.values()):
            self._set(leaf, None)

    def sweep(self, since: float) -> None:
        """Let the devices leave that were not heard since a time on the monotonic clock.

        For the end of a full publish or of a round of reading: who left while nobody listened is found here.
        """
        for device in list(self.devices.values()):
            if device.present and not any(leaf.heard_at >= since for leaf in device.leaves.values()):
                self.leave(*device.key)

    def now(self) -> float:
        """Return the time on the clock of `heard_at`."""
        return self._monotonic()

    def _find(self, address: Address) -> Leaf | None:
        key = (address.service, address.instance)
        device = self.devices.get(key)
        if device is None:
            if len(self.devices) >= MAX_DEVICES:
                self.reject(Reason.TREE_FULL)
                return None
            device = self.devices[key] = Device(*key)
        device.present = True
        leaf = device.leaves.get(address.path)
        if leaf is None:
            if self._count >= MAX_PATHS:
                self.reject(Reason.TREE_FULL)
                return None
            if self._paths is None:
                self._paths = table()
            known = self._paths.find(address.service, address.path)
            leaf = device.leaves[address.path] = Leaf(device, address.path, known)
            self._count += 1
        return leaf

    def _set(self, leaf: Leaf, value: Value) -> None:
        previous = leaf.value
        # 1 and True, 0 and 0.0 are the same state, told in another type.
        if previous == value and leaf.changed_at:
            return
        leaf.value = value
        first, leaf.changed_at = not leaf.changed_at, self._wall()
        if value is None:
            if first:
                return
            happening = Happening.LOST
        else:
            happening = Happening.CHANGED if previous is not None else Happening.APPEARED
        change = Change(happening, leaf, previous)
        for listener in tuple(self._listeners):
            try:
                listener(change)
            except Exception:  # one listener's mistake must not stop the reading of a whole station
                _LOGGER.exception("a listener failed on %s", leaf.address)

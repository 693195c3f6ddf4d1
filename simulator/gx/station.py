"""What a fake GX knows: every value by address, what may be written, and who is told of changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from microgrid_core.gx.recording import Recording
from microgrid_core.gx.table import table
from microgrid_core.gx.value import Address, Value

DEFAULT_PORTAL = "c0619ab00001"
Key = tuple[str, int]
Told = Callable[[Address], None]


@dataclass(slots=True)
class Item:
    """One value on the D-Bus."""

    value: Value
    minimum: float | None = None
    maximum: float | None = None
    writable: bool = False
    computed: Callable[[], Value] | None = None
    """Made anew at every read and never told by itself, as the statistics of CAN interfaces are."""

    def read(self) -> Value:
        """Return the value as it is now."""
        if self.computed is not None:
            self.value = self.computed()
        return self.value


class Station:
    """The D-Bus of a GX. Its methods may be called from any thread."""

    def __init__(self, portal: str = DEFAULT_PORTAL) -> None:
        """Begin with the one service that every GX has."""
        self.portal = portal
        self.items: dict[Address, Item] = {}
        self.names: dict[Key, str] = {}
        self.ignored: set[Address] = set()
        """Where writes have no effect, without a word, as where something else on the GX decides."""
        self.lock = threading.RLock()
        self._listeners: list[Told] = []
        self.add("system", 0, {"/Serial": portal, "/DeviceInstance": 0})

    @classmethod
    def from_recording(cls, recording: Recording, portal: str = DEFAULT_PORTAL) -> Station:
        """Return what was there when a recording began."""
        station = cls(portal)
        station.names |= recording.names
        for address, value in recording.initial.items():
            station.items[address] = Item(value, writable=_writable(address))
        return station

    def listen(self, listener: Told) -> None:
        """Tell `listener` of every change."""
        self._listeners.append(listener)

    def add(self, service: str, instance: int, values: dict[str, Value], name: str | None = None) -> None:
        """Put a service on the bus, or more paths into one."""
        with self.lock:
            default = f"com.victronenergy.{service}"
            if service not in {"system", "settings", "platform", "logger", "hub4"}:
                default += f".ttyO{instance}"
            self.names.setdefault((service, instance), name or default)
            for path, value in values.items():
                address = Address(service, instance, path)
                self.items[address] = Item(value, writable=_writable(address))
                self._tell(address)

    def limit(self, address: Address, minimum: float, maximum: float) -> None:
        """Give a value limits, as settings have them."""
        item = self.items[address]
        item.minimum, item.maximum = minimum, maximum

    def set(self, address: Address, value: Value) -> None:
        """A device changes a value."""
        with self.lock:
            item = self.items.setdefault(address, Item(None, writable=_writable(address)))
            if item.value == value and type(item.value) is type(value):
                return
            item.value = value
            self._tell(address)

    def write(self, address: Address, value: Value) -> bool:
        """Somebody sends a value; returns whether the device took it. Nobody is told why it did not."""
        with self.lock:
            item = self.items.get(address)
            if item is None or not item.writable or address in self.ignored:
                return False
            if isinstance(value, int | float) and item.minimum is not None and item.maximum is not None:
                limited = item.minimum < item.maximum
                if limited and not item.minimum <= value <= item.maximum:
                    return False
            if None not in (item.value, value) and _is_number(item.value) != _is_number(value):
                return False
            self.set(address, value)
            return True

    def leave(self, service: str, instance: int) -> list[Address]:
        """Take a service off the bus; returns the paths that it had."""
        with self.lock:
            self.names.pop((service, instance), None)
            gone = [address for address in self.items if address[:2] == (service, instance)]
            for address in gone:
                del self.items[address]
            return gone

    def below(self, prefix: str) -> list[Address]:
        """Return the addresses of a path and of everything under it, e.g. `platform/0/CanBus`."""
        with self.lock:
            return [
                address
                for address in self.items
                if (text := str(address)) == prefix or text.startswith(f"{prefix}/")
            ]

    def _tell(self, address: Address) -> None:
        for listener in self._listeners:
            listener(address)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _writable(address: Address) -> bool:
    known = table().find(address.service, address.path)
    return known is not None and known.fact.writable

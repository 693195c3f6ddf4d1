"""Where an inverter may hang: a name, how to open it, and how long its answers take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .hidraw import hidraw_paths, open_hidraw
from .line import Line
from .serial import open_serial

# Measured at 2400 baud: 0.2 s for QMOD to 0.7 s for QPIGS. The USB bridge adds its reports.
_SERIAL_REPLY_S, _USB_REPLY_S = 2.0, 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """A device file, or what stands for one."""

    name: str
    open: Callable[[], Line]
    """Raises OSError."""
    reply_s: float = _SERIAL_REPLY_S
    """How long to wait for an answer."""


def place_of(path: str) -> Place:
    """Return the place of a path: hidraw by its name (`/dev/hidraw0`, `/dev/microgrid/mpp0`), else serial."""
    name = path.rsplit("/", 1)[-1]
    if name.startswith(("hidraw", "mpp")):
        return Place(path, lambda: open_hidraw(path), _USB_REPLY_S)
    return Place(path, lambda: open_serial(path), _SERIAL_REPLY_S)


def usb_places() -> list[Place]:
    """Return the places of all inverters on USB."""
    return [place_of(path) for path in hidraw_paths()]

"""Pretended inverters and the places where the daemon finds them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from microgrid_daemon.transport.hidraw import HidrawLine
from microgrid_daemon.transport.line import Line
from microgrid_daemon.transport.link import Link, Timing
from microgrid_daemon.transport.place import Place
from microgrid_daemon.transport.serial import open_serial
from simulator.pi30.device import Device

FAST = Timing(idle_s=60.0, reopen_first_s=0.01, reopen_last_s=0.04, settle_s=0.02)
REPLY_S = 0.25


def usb_place(device: Device, name: str = "usb") -> Place:
    """A packet socket instead of /dev/hidrawN; each opening plugs the device in anew."""

    def open_line() -> Line:
        theirs = device.plug_into_socket()
        return HidrawLine(theirs.fileno(), theirs.close, pause_s=0.0)

    return Place(name, open_line, REPLY_S)


def serial_place(path: str, name: str = "serial") -> Place:
    """A real path of a terminal, opened as a serial port is."""
    return Place(name, lambda: open_serial(path), REPLY_S)


@contextmanager
def wired(device: Device, kind: str) -> Iterator[list[Place]]:
    """The device on a USB socket or on a terminal."""
    try:
        yield [usb_place(device) if kind == "usb" else serial_place(device.plug_into_terminal())]
    finally:
        device.unplug()


def link_to(places: list[Place], serial_number: str | None = None, timing: Timing = FAST) -> Link:
    """A link without patience."""
    return Link(lambda: places, serial_number=serial_number, timing=timing)


async def until(done: Callable[[], Awaitable[bool]], timeout_s: float = 60.0) -> None:
    """Wait for what must come true."""
    end = time.monotonic() + timeout_s
    while not await done():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.01)

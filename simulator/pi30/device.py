"""A pretended inverter on a line: a terminal that stands for RS-232, or a packet socket for USB reports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import socket
import tty
from collections.abc import Callable

from . import wire
from .behaviour import Behaviour
from .unit import ACK, NAK, Unit


class Device:
    """Listens on a descriptor and answers for a unit, on the running event loop."""

    def __init__(self, unit: Unit, behaviour: Behaviour | None = None) -> None:
        """Not plugged in yet."""
        self.unit = unit
        self.behaviour = behaviour if behaviour is not None else Behaviour()
        self.heard: list[str] = []
        """Commands that were understood, answered or not."""
        self._descriptor = -1
        self._usb = False
        self._held = bytearray()
        self._close: Callable[[], None] = lambda: None
        self._answers: set[asyncio.Task[None]] = set()
        self._speaking = asyncio.Lock()

    def plug_into_terminal(self) -> str:
        """Make a serial port; returns its path."""
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        path = os.ttyname(theirs)

        def close() -> None:
            os.close(ours)
            os.close(theirs)

        # The other side stays open here as well, or a program that opens and closes it would unplug us.
        self._attach(ours, close, usb=False)
        return path

    def plug_into_socket(self) -> socket.socket:
        """Make what stands for a hidraw device; returns its other side, which keeps reports apart."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._attach(ours.fileno(), ours.close, usb=True)
        return theirs

    def unplug(self) -> None:
        """Be gone: whoever reads the other side gets an error or an end. Safe to repeat."""
        if self._descriptor < 0:
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._descriptor = -1
        for task in self._answers:
            task.cancel()
        self._close()

    def _attach(self, descriptor: int, close: Callable[[], None], *, usb: bool) -> None:
        self.unplug()
        self._descriptor, self._close, self._usb = descriptor, close, usb
        self._held.clear()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, 256)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.unplug()
            return
        if self._usb:
            if len(data) != 1 + wire.REPORT_BYTES or data[0] != 0:
                raise ValueError(f"no report with its number in front: {data.hex()}")
            data = data[1:]
        self._held += data
        while b"\r" in self._held:
            request, _, rest = bytes(self._held).partition(b"\r")
            self._held[:] = rest.lstrip(b"\x00") if self._usb else rest
            self._hear(request)

    def _hear(self, request: bytes) -> None:
        how = self.behaviour
        if how.sleeps:
            how.sleeps = False
            return
        command = wire.command_of(request, deaf_to_zero=how.deaf_to_zero)
        if command is None:
            # A device that stops at a zero hears no request at all; others refuse what they do not
            # understand.
            if not how.deaf_to_zero:
                self._say(wire.reply(NAK))
            return
        self.heard.append(command)
        if how.echoes_first or how.echoes:
            self._say(request + b"\r")
        if how.echoes or how.silent or command in how.silent_to:
            return
        if how.fixed_answer:
            self._say(how.fixed_answer)
            return
        answer = self._answer(command)
        if how.loses_consent and not command.startswith("Q"):
            return
        frame = wire.reply(answer)
        if how.breaks_crc > 0:
            how.breaks_crc -= 1
            frame = frame[:-3] + bytes([frame[-3] ^ 0x40]) + frame[-2:]
        end = b"\n" if how.line_feed else b""
        self._say(how.noise_before + frame + end + how.noise_after)

    def _answer(self, command: str) -> str:
        how = self.behaviour
        if how.refuses_all or command in how.refuses:
            return NAK
        if how.accepts_without_effect and not command.startswith("Q"):
            return ACK
        return self.unit.answer(command)

    def _say(self, message: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._send(message))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _send(self, message: bytes) -> None:
        how = self.behaviour
        if how.delay_s:
            await asyncio.sleep(how.delay_s)
        parts = wire.reports(message) if self._usb else [message]
        if how.byte_s and not self._usb:
            parts = [message[start : start + 4] for start in range(0, len(message), 4)]
        async with self._speaking:
            for part in parts:
                if how.byte_s:
                    await asyncio.sleep(how.byte_s * len(part))
                with contextlib.suppress(OSError):
                    os.write(self._descriptor, part)

"""An open byte line to a device: a non-blocking descriptor that the event loop watches, without threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

_READ_BYTES = 256
_DRAIN_READS = 256  # a device that talks without pause must not hold us


class LineGone(Exception):
    """The device was unplugged, or the line never was there."""


class Line:
    """A descriptor that bytes go to and come from as they are."""

    def __init__(self, descriptor: int, close: Callable[[], None] | None = None) -> None:
        """Take over a descriptor, or borrow one that `close` gives back."""
        self._descriptor = descriptor
        self._close = close
        self._open = True
        os.set_blocking(descriptor, False)

    async def send(self, message: bytes) -> None:
        """Write all of it; raises LineGone."""
        await self._write(message)

    async def receive(self) -> bytes:
        """Wait for bytes; raises LineGone."""
        while (data := self._read()) is None:
            loop = asyncio.get_running_loop()
            await self._ready(loop.add_reader, loop.remove_reader)
        return data

    def drain(self) -> None:
        """Drop what has come; raises LineGone."""
        for _ in range(_DRAIN_READS):
            if self._read() is None:
                return

    def close(self) -> None:
        """Let go of the descriptor; safe to repeat."""
        if not self._open:
            return
        self._open = False
        if self._close is not None:
            self._close()
        else:
            os.close(self._descriptor)

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                loop = asyncio.get_running_loop()
                await self._ready(loop.add_writer, loop.remove_writer)
            except OSError as error:
                raise LineGone(error.strerror or str(error)) from error

    def _read(self) -> bytes | None:
        """Return what is there, None for nothing yet."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:  # EIO and ENODEV: unplugged
            raise LineGone(error.strerror or str(error)) from error
        if not data:
            raise LineGone("the other side closed the line")
        return data

    async def _ready(
        self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], bool]
    ) -> None:
        ready = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        watch(self._descriptor, wake)
        try:
            await ready
        finally:
            unwatch(self._descriptor)

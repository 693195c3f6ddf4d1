"""USB-HID: PI30 in reports of eight bytes through /dev/hidrawN, as Cypress' bridge 0665:5161 has them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from .device_file import open_alone
from .line import Line

REPORT_BYTES = 8
_REPORT_NUMBER = b"\x00"  # what the kernel wants in front when a device does not number its reports
_PAUSE_S = 0.05  # the bridge passes a report on at 2400 baud: faster ones overrun it
_USB_ID = re.compile(r"^HID_ID=[0-9A-F]+:0000(0665):0000(5161)$", re.MULTILINE)


class HidrawLine(Line):
    """Sends reports padded with NUL; what comes back is padded, too."""

    def __init__(
        self, descriptor: int, close: Callable[[], None] | None = None, *, pause_s: float = _PAUSE_S
    ) -> None:
        """Take over a descriptor that keeps the borders of reports."""
        super().__init__(descriptor, close)
        self._pause_s = pause_s

    async def send(self, message: bytes) -> None:
        """Write report after report; raises LineGone."""
        for start in range(0, len(message), REPORT_BYTES):
            if start:
                await asyncio.sleep(self._pause_s)
            report = message[start : start + REPORT_BYTES].ljust(REPORT_BYTES, b"\x00")
            await self._write(_REPORT_NUMBER + report)


def open_hidraw(path: str) -> HidrawLine:
    """Open a device; raises OSError."""
    return HidrawLine(open_alone(path))


def hidraw_paths(system: Path = Path("/sys/class/hidraw"), devices: Path = Path("/dev")) -> list[str]:
    """Find the inverters that are plugged in by their USB id, in a steady order."""
    found = []
    for entry in sorted(system.glob("hidraw*"), key=lambda entry: (len(entry.name), entry.name)):
        try:
            description = (entry / "device" / "uevent").read_text(encoding="ascii", errors="replace")
        except OSError:  # unplugged while we looked
            continue
        if _USB_ID.search(description):
            found.append(str(devices / entry.name))
    return found

"""The frame of PI30: `(` + payload + CRC + CR for replies, the same without `(` for requests.

Neither `(` nor CR nor LF occurs in a payload or in a CRC, so the first CR or LF ends a frame and the last `(`
before it begins one, whatever noise there is around. A CRC may hold 00: only behind the end are NULs padding.
"""

from __future__ import annotations

from . import crc
from .rejection import Reason, Rejection

MAX_FRAME_BYTES = 512
"""More than twice the longest reply known; what goes on without an end is noise."""
_START = b"("
_PADDING = b"\x00\r\n"
_ENDS = frozenset(b"\r\n")
# The refusal and the consent of the protocols PI17 and PI18, which hang on the same USB id and know no `(`.
_FOREIGN_ANSWERS = (b"^0\x1b\xe3", b"^1\x0b\xc2")


def request(command: str, *, zero_as_one: bool = False) -> bytes:
    """Return the bytes that ask for `command`; raises ValueError when it cannot be sent."""
    if not command or not command.isascii() or not command.isprintable() or " " in command or "(" in command:
        raise ValueError(f"command {command!r}: must be printable ASCII without blanks and parentheses")
    text = command.encode("ascii")
    check = crc.checksum(text)
    return text + (crc.without_zero(check) if zero_as_one else check) + b"\r"


def has_zero_crc(command: str) -> bool:
    """Tell whether the CRC of a request holds 00, which some devices take for the end of the text."""
    return 0 in crc.checksum(command.encode("ascii"))


class FrameReader:
    """Cuts a stream of bytes into frames, without their ends."""

    __slots__ = ("_held", "_skipping")

    def __init__(self) -> None:
        """Begin between two frames."""
        self._held = bytearray()
        self._skipping = False

    @property
    def held(self) -> bytes:
        """What has come of a frame that has no end yet."""
        return bytes(self._held)

    def clear(self) -> None:
        """Forget what has come so far."""
        self._held.clear()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | Rejection]:
        """Take what came; return every frame that is whole now, and each one that was too long."""
        found: list[bytes | Rejection] = []
        for byte in data:
            if byte in _ENDS:
                if self._held:
                    found.append(bytes(self._held))
                self.clear()
            elif self._skipping or (not self._held and byte in _PADDING):
                continue
            else:
                self._held.append(byte)
                if len(self._held) > MAX_FRAME_BYTES:
                    found.append(Rejection(Reason.TOO_LONG, f"no end within {MAX_FRAME_BYTES} bytes"))
                    self._held.clear()
                    self._skipping = True
        return found


def unpack(frame: bytes) -> str | Rejection:
    """Return the text between `(` and CRC of a frame, with or without its end."""
    frame = _without_end(frame)
    if frame.endswith(_FOREIGN_ANSWERS):
        return Rejection(
            Reason.FOREIGN_PROTOCOL, "unsupported protocol PI17/PI18: the device answers with ^ instead of ("
        )
    start = frame.rfind(_START)
    if start < 0:
        return _no_start(frame)
    message, check = frame[start : -crc.LENGTH], frame[-crc.LENGTH :]
    if len(frame) - start < 1 + crc.LENGTH:
        return Rejection(Reason.TOO_SHORT, f"{len(frame) - start} bytes are too few for ( and CRC")
    if not crc.fits(message, check):
        return Rejection(
            Reason.BAD_CRC, f"CRC {check.hex()} of {len(message)} bytes is not {crc.checksum(message).hex()}"
        )
    text = message[1:]
    if not all(0x20 <= byte < 0x7F for byte in text):
        return Rejection(Reason.NOT_ASCII, f"{text[:40]!r} holds bytes that are no printable ASCII")
    return text.decode("ascii")


def _without_end(frame: bytes) -> bytes:
    """Cut at the first CR or LF behind what may precede a frame."""
    frame = frame.lstrip(_PADDING)
    ends = [position for position in (frame.find(b"\r"), frame.find(b"\n")) if position >= 0]
    return frame[: min(ends)] if ends else frame


def _no_start(frame: bytes) -> Rejection:
    text, check = frame[: -crc.LENGTH], frame[-crc.LENGTH :]
    if text[:1].isupper() and crc.fits(text, check):
        return Rejection(
            Reason.ECHO,
            f"the request {text.decode('ascii', 'replace')} came back: check the wiring of the line",
        )
    if text[:1] == b"^" and crc.fits(text, check):
        return Rejection(
            Reason.FOREIGN_PROTOCOL,
            f"unsupported protocol of answers such as {text.decode('ascii', 'replace')}",
        )
    return Rejection(Reason.NO_START, f"{len(frame)} bytes without (: {frame[:16].hex()}")

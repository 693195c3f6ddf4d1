"""PI30 on the wire as a device sees it: its checksum bit by bit, requests in, replies out."""

from __future__ import annotations

_BUMPED = {0x28: 0x29, 0x0D: 0x0E, 0x0A: 0x0B}
REPORT_BYTES = 8


def checksum(message: bytes) -> bytes:
    """CRC-16/XMODEM, high byte first, bytes that frame messages raised by one."""
    register = 0
    for byte in message:
        register ^= byte << 8
        for _ in range(8):
            register <<= 1
            if register & 0x10000:
                register ^= 0x11021
    return bytes(_BUMPED.get(byte, byte) for byte in (register >> 8, register & 0xFF))


def reply(payload: str) -> bytes:
    """Frame what a device says."""
    message = b"(" + payload.encode("ascii")
    return message + checksum(message) + b"\r"


def command_of(request: bytes, *, deaf_to_zero: bool = False) -> str | None:
    """Return the command of a request without its CR; None for one that a device does not understand.

    Some devices take a zero in the checksum for the end of the text and understand only 01 in its place.
    """
    message, check = request[:-2], request[-2:]
    expected = checksum(message)
    if deaf_to_zero:
        expected = expected.replace(b"\x00", b"\x01")
    return message.decode("ascii", "replace") if message and check == expected else None


def reports(message: bytes) -> list[bytes]:
    """Cut into reports of eight bytes, the last one filled up with NUL."""
    return [
        message[start : start + REPORT_BYTES].ljust(REPORT_BYTES, b"\x00")
        for start in range(0, len(message), REPORT_BYTES)
    ]

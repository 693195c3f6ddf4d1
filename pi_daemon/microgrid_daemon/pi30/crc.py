"""The checksum of PI30: CRC-16/XMODEM, with three byte values that never go over the wire."""

from __future__ import annotations

from binascii import crc_hqx

LENGTH = 2
# `(`, CR and LF frame the messages: a CRC byte that equals one of them is sent as the next value, in both
# directions.
_RESERVED = frozenset(b"(\r\n")


def checksum(message: bytes) -> bytes:
    """Return the two bytes that follow `message`, high byte first."""
    return bytes(
        byte + 1 if byte in _RESERVED else byte for byte in crc_hqx(message, 0).to_bytes(LENGTH, "big")
    )


def without_zero(check: bytes) -> bytes:
    """Return the checksum as devices want it that take a NUL for the end of the text: 01 for 00."""
    return check.replace(b"\x00", b"\x01")


def fits(message: bytes, check: bytes) -> bool:
    """Tell whether `check` belongs to `message`, with a zero sent as it is or as 01."""
    return len(check) == LENGTH and all(
        got == want or (want == 0 and got == 1) for got, want in zip(check, checksum(message), strict=True)
    )

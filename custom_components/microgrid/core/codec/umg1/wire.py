"""Elements of UMG1 payloads: bounded reading and writing of integers, varints and text."""

from __future__ import annotations

import struct

MAX_VARINT_BYTES = 10
VARINT32_BYTES = 5


class Malformed(ValueError):
    """A payload that breaks the format although its CRC is good."""


def zigzag(value: int) -> int:
    """Return the unsigned form of a signed integer."""
    return (value << 1) ^ (value >> 63)


def unzigzag(value: int) -> int:
    """Return the signed form of an unsigned integer."""
    return (value >> 1) ^ -(value & 1)


class Cursor:
    """Reads a payload from the front; every read is checked against its end."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes | memoryview, position: int = 0) -> None:
        """Read `data` from `position` on."""
        self.data = memoryview(data)
        self.position = position

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Read a fixed layout of integers."""
        if self.left < layout.size:
            raise Malformed(f"{layout.size} bytes wanted at {self.position}, {self.left} left")
        values: tuple[int, ...] = layout.unpack_from(self.data, self.position)
        self.position += layout.size
        return values

    def take(self, count: int) -> bytes:
        """Read raw bytes."""
        if self.left < count:
            raise Malformed(f"{count} bytes wanted at {self.position}, {self.left} left")
        start, self.position = self.position, self.position + count
        return bytes(self.data[start : self.position])

    def byte(self) -> int:
        """Read a u8."""
        return self.take(1)[0]

    def varint(self, longest: int = MAX_VARINT_BYTES) -> int:
        """Read an unsigned varint of at most 64 bits and `longest` bytes."""
        value = 0
        for shift in range(0, 7 * longest, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    raise Malformed(f"varint at {self.position} exceeds 64 bits")
                return value
        raise Malformed(f"varint at {self.position} does not end")

    def signed(self, longest: int = MAX_VARINT_BYTES) -> int:
        """Read a zigzag varint."""
        return unzigzag(self.varint(longest))

    def text(self) -> str:
        """Read a text."""
        try:
            return self.take(self.byte()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"text at {self.position} is no UTF-8") from error


def put_varint(value: int) -> bytes:
    """Write an unsigned varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_signed(value: int) -> bytes:
    """Write a zigzag varint."""
    return put_varint(zigzag(value))


def put_text(value: str) -> bytes:
    """Write a text of at most 255 bytes."""
    data = value.encode("utf-8")
    if len(data) > 255:
        raise ValueError(f"text of {len(data)} bytes, at most 255: {value[:40]}…")
    return bytes([len(data)]) + data

"""Schemas: what the channels of a node mean, and the hash that frames carry."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .wire import Cursor, Malformed, put_text

if TYPE_CHECKING:  # nodes that only write do without numpy
    import numpy as np
    from numpy.typing import NDArray

SCHEMA_VERSION = 1
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_CHANNEL = struct.Struct("<ibiIBB")
_WIDTHS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: `value = (integer + offset) * numerator * 10**exponent` in `unit`."""

    id: int
    name: str
    unit: str
    period_us: int
    exponent: int = 0
    numerator: int = 1
    offset: int = 0
    fast: bool = False
    width: int = 2
    """Bytes of the signed integer at the source."""

    @property
    def scale(self) -> float:
        """Value of one count."""
        return self.numerator * 10.0**self.exponent

    def scaled(self, integers: NDArray[np.signedinteger[Any]]) -> NDArray[np.float64]:
        """Return values in the channel's unit."""
        values = (integers.astype("int64", copy=False) + self.offset).astype("float64") * self.numerator
        # Division by a whole power of ten rounds once: 23001 becomes 230.01 and not 230.01000000000002.
        return values / 10.0**-self.exponent if self.exponent < 0 else values * 10.0**self.exponent

    def check(self) -> None:
        """Raise Malformed for a channel that no writer may declare."""
        if not 1 <= self.id <= 255:
            raise Malformed(f"channel id {self.id} is not within 1 … 255")
        if NAME.fullmatch(self.name) is None:
            raise Malformed(f"channel {self.id}: name {self.name!r} does not match {NAME.pattern}")
        if self.width not in _WIDTHS:
            raise Malformed(f"{self.name}: width {self.width} is none of 1, 2, 4")
        if self.period_us < 1:
            raise Malformed(f"{self.name}: period {self.period_us} µs")
        if self.numerator == 0 or not -18 <= self.exponent <= 18:
            raise Malformed(f"{self.name}: scale {self.numerator} × 10^{self.exponent}")


@dataclass(frozen=True, slots=True)
class Schema:
    """The channels of one node."""

    node: str
    cluster: str
    channels: tuple[Channel, ...]
    payload: bytes = field(init=False, repr=False, compare=False)
    hash: int = field(init=False, compare=False)
    by_id: Mapping[int, Channel] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check and encode."""
        if not 1 <= len(self.channels) <= 255:
            raise Malformed(f"{len(self.channels)} channels, 1 … 255 are possible")
        by_id: dict[int, Channel] = {}
        for channel in self.channels:
            channel.check()
            if channel.id in by_id:
                raise Malformed(f"channel id {channel.id} stands twice")
            by_id[channel.id] = channel
        payload = (
            bytes([SCHEMA_VERSION])
            + put_text(self.node)
            + put_text(self.cluster)
            + bytes([len(self.channels)])
            + b"".join(
                bytes([channel.id])
                + put_text(channel.name)
                + put_text(channel.unit)
                + _CHANNEL.pack(
                    channel.numerator,
                    channel.exponent,
                    channel.offset,
                    channel.period_us,
                    channel.fast,
                    channel.width,
                )
                for channel in self.channels
            )
        )
        object.__setattr__(self, "payload", payload)
        object.__setattr__(self, "hash", zlib.crc32(payload))
        object.__setattr__(self, "by_id", by_id)

    @classmethod
    def parse(cls, payload: bytes | memoryview) -> Schema:
        """Read the payload of a schema frame; raises Malformed."""
        cursor = Cursor(payload)
        if (version := cursor.byte()) != SCHEMA_VERSION:
            raise Malformed(f"schema version {version}, this reader knows {SCHEMA_VERSION}")
        node, cluster = cursor.text(), cursor.text()
        channels = []
        for _ in range(cursor.byte()):
            number = cursor.byte()
            name, unit = cursor.text(), cursor.text()
            numerator, exponent, offset, period_us, group, width = cursor.unpack(_CHANNEL)
            channels.append(
                Channel(number, name, unit, period_us, exponent, numerator, offset, group == 1, width)
            )
        schema = cls(node, cluster, tuple(channels))
        # Bytes that this reader does not understand still belong to the hash that the frames carry.
        object.__setattr__(schema, "payload", bytes(payload))
        object.__setattr__(schema, "hash", zlib.crc32(payload))
        return schema

"""Datagrams between the simulator and the host programs of the firmware.

The layout, version 1, stands in esphome/components/microgrid_sim/sim_wire.h. Answers are read with doubt: any
program of this machine can send them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

_MAGIC = b"UMGS\x01"
_FAST, _SLOW, _ANSWER = 1, 2, 3
_HEAD = struct.Struct("<5sBBB")
_FAST_HEAD = struct.Struct("<Iq")
_ANSWER_BODY = struct.Struct("<IIqqI")
FAST_VALUES = 6
ANSWER_BYTES = _HEAD.size + _ANSWER_BODY.size
_UNKNOWN_ERROR = 0xFFFF_FFFF


class Role(IntEnum):
    """What a program plays."""

    GATEWAY = 0
    HOUSE = 1


class Contact(IntEnum):
    """Position of a contactor's auxiliary contact."""

    UNKNOWN = 0
    OPEN = 1
    CLOSED = 2


class Flags(IntFlag):
    """What a program says of itself."""

    TRIPPED = 1
    DRIVEN = 2
    COMMANDED = 4
    TIME_VALID = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program does, and what time it believes it is."""

    role: Role
    slot: int
    flags: Flags
    boot_id: int
    monotonic_ns: int
    """CLOCK_MONOTONIC when it read its clock."""
    utc_us: int
    """Its time then; 0: it knows none."""
    error_us: int | None
    """How wrong it thinks that may be."""


def fast(
    sequence: int,
    monotonic_ns: int,
    houses: Sequence[Sequence[float]],
    gateways: Sequence[Sequence[float]],
    contacts: Sequence[Contact],
) -> bytes:
    """The quick values of everybody: six for each house and gateway, one contact for each gateway."""
    rows = [value for row in (*houses, *gateways) for value in row]
    if len(contacts) != len(gateways) or len(rows) != FAST_VALUES * (len(houses) + len(gateways)):
        raise ValueError(f"{len(rows)} values and {len(contacts)} contacts do not fit the nodes")
    return (
        _HEAD.pack(_MAGIC, _FAST, len(houses), len(gateways))
        + _FAST_HEAD.pack(sequence & 0xFFFF_FFFF, monotonic_ns)
        + struct.pack(f"<{len(rows)}f", *rows)
        + bytes(contacts)
    )


def slow(role: Role, slot: int, node: str, values: Mapping[str, float | bool | None]) -> bytes:
    """The slow values of one node by metric key; None is sent as what is not known."""
    parts = [_HEAD.pack(_MAGIC, _SLOW, slot, len(values)), bytes([role]), _text(node)]
    for key, value in values.items():
        parts.append(_text(key) + struct.pack("<d", math.nan if value is None else float(value)))
    return b"".join(parts)


def read_answer(datagram: bytes) -> Answer | None:
    """Read an answer; None for anything else."""
    if len(datagram) != ANSWER_BYTES:
        return None
    magic, kind, role, slot = _HEAD.unpack_from(datagram)
    if magic != _MAGIC or kind != _ANSWER or role not in (Role.GATEWAY, Role.HOUSE):
        return None
    flags, boot_id, monotonic_ns, utc_us, error_us = _ANSWER_BODY.unpack_from(datagram, _HEAD.size)
    known = Flags.TRIPPED | Flags.DRIVEN | Flags.COMMANDED | Flags.TIME_VALID
    return Answer(
        Role(role),
        slot,
        Flags(flags & known),
        boot_id,
        monotonic_ns,
        utc_us,
        None if error_us == _UNKNOWN_ERROR else error_us,
    )


def _text(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded

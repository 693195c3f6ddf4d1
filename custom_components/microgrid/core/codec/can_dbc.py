"""Read and write frames of the CAN bus (contract/can.md): millions a second by numpy, or one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ._can_table import MESSAGE_ROWS
from .can_message import GATEWAY, HOUSES, MESSAGE_MASK, NODE_MASK, Message, Signal

__all__ = [
    "BY_IDENTIFIER",
    "GATEWAY",
    "HOUSES",
    "MESSAGES",
    "Message",
    "Messages",
    "Signal",
    "bus_load",
    "decode",
    "encode",
    "event_id",
    "frame_bits",
    "frames_per_second",
    "full_time",
    "gather",
    "physical",
    "raw",
    "to_words",
]

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MESSAGES: Mapping[str, Message] = MappingProxyType({row.name: row for row in MESSAGE_ROWS})
BY_IDENTIFIER: Mapping[int, Message] = MappingProxyType({row.identifier: row for row in MESSAGE_ROWS})

_EVENT_TICK_US = 10
_EVENT_TICKS = 1 << 29


# ------------------------------------------------------------------------------------------------------- many


@dataclass(frozen=True, slots=True)
class Messages:
    """All frames of one message, in their order."""

    message: Message
    rows: Integers
    """Where they stood among all frames."""
    nodes: NDArray[np.uint8]
    words: Words


def to_words(data: NDArray[np.uint8]) -> Words:
    """Data of frames, shape (n, 8), as one little-endian number each; padding may be anything."""
    return np.ascontiguousarray(data).view("<u8").astype(np.uint64, copy=False).reshape(-1)


def gather(
    identifiers: NDArray[np.uint32], lengths: NDArray[np.uint8], data: NDArray[np.uint8]
) -> tuple[Messages, ...]:
    """Sort frames by message; left out are those that are none of ours, or shorter than their message.

    Identifiers as in the log: 11 bits, and flags above bit 28 for extended, remote and error frames, which
    are none of ours. Frames longer than their message are of a later version and good.
    """
    shortest = np.full(1 + (MESSAGE_MASK >> 4), 255, np.uint8)
    for row in MESSAGE_ROWS:
        shortest[row.identifier >> 4] = row.length
    standard = identifiers <= (MESSAGE_MASK | NODE_MASK)
    kinds = np.where(standard, identifiers >> 4, 0).astype(np.uint8)
    good = standard & (lengths >= shortest[kinds])
    rows = np.flatnonzero(good)
    if not rows.size:
        return ()
    rows = rows[np.argsort(kinds[rows], kind="stable")]
    kinds = kinds[rows]
    nodes = (identifiers[rows] & NODE_MASK).astype(np.uint8)
    words = to_words(data)[rows]
    present, starts = np.unique(kinds, return_index=True)
    ends = [*starts[1:], len(kinds)]
    return tuple(
        Messages(BY_IDENTIFIER[int(kind) << 4], rows[start:end], nodes[start:end], words[start:end])
        for kind, start, end in zip(present, starts, ends, strict=True)
    )


def raw(signal: Signal, words: Words) -> Integers:
    """The integer of a signal in each frame, whatever the frame's group."""
    up = words << np.uint64(64 - signal.start - signal.length)
    down = 64 - signal.length
    if signal.signed:
        return up.view(np.int64) >> np.int64(down)  # an arithmetic shift brings the sign along
    return (up >> np.uint64(down)).view(np.int64)


def physical(message: Message, signal: Signal, words: Words) -> Floats:
    """A signal in its unit; NaN where it is not known and in frames of another group.

    Exact below 2^53; data of bulk frames is longer, see `raw`.
    """
    integers = raw(signal, words)
    values = (integers * signal.numerator + signal.offset * signal.denominator).astype(np.float64)
    if signal.denominator != 1:
        values /= signal.denominator  # the only rounding: 49.987 comes out as 49.987
    if signal.unavailable is not None:
        values[integers == signal.unavailable] = np.nan
    if signal.group is not None and message.selector is not None:
        values[raw(message.selector, words) != signal.group] = np.nan
    return values


def decode(message: Message, words: Words) -> dict[str, Floats]:
    """All signals of a message by name, see `physical`."""
    return {signal.name: physical(message, signal, words) for signal in message.signals}


# -------------------------------------------------------------------------------------------------------- one


def encode(message: Message, values: Mapping[str, float | None]) -> bytes:
    """Data of a frame; None and what is missing become "not available", or 0 where that does not exist.

    ValueError when a value is outside its range, or the name of no signal in the frame's group.
    """
    chosen = None if message.selector is None else values.get(message.selector.name, 0)
    signals = {s.name: s for s in message.signals if s.group is None or s.group == chosen}
    if strangers := values.keys() - signals.keys():
        raise ValueError(f"{message.name}: no signal {', '.join(sorted(strangers))} in group {chosen}")
    word = 0
    for name, signal in signals.items():
        value = values.get(name)
        if value is None:
            integer = signal.unavailable or 0
        elif signal.minimum <= value <= signal.maximum:
            integer = round((value - signal.offset) * signal.denominator / signal.numerator)
        else:
            limits = f"{signal.minimum:g} … {signal.maximum:g} {signal.unit}".rstrip()
            raise ValueError(f"{message.name}.{name}: {value:g} is outside {limits}")
        word |= (integer & (1 << signal.length) - 1) << signal.start
    return word.to_bytes(message.length, "little")


# ----------------------------------------------------------------------------------------------------- events


def event_id(cluster: str, node: int, boot_id: int, number: int) -> str:
    """The event id that every node writes for a Fault; the boot id is the one of the sender's Heartbeat."""
    return f"{cluster}.{node}:{boot_id:08x}:{number}"


def full_time(event_time_us: int, near_us: int) -> int:
    """UTC in µs of a Fault's `event_time`, which comes around every 89 minutes: the nearest to `near_us`."""
    period = _EVENT_TICKS * _EVENT_TICK_US
    return near_us + (event_time_us - near_us + period // 2) % period - period // 2


# --------------------------------------------------------------------------------------------------- bus load


def frame_bits(length: int) -> int:
    """Most bits of a frame with an 11-bit identifier: all stuffing that there can be, and the pause."""
    stuffable = 34 + 8 * length
    return stuffable + (stuffable - 1) // 4 + 13


def frames_per_second(houses: int) -> float:
    """Cyclic frames of a bus with a gateway and this many houses."""
    return sum(1000 / row.cycle_ms * row.senders(houses) for row in MESSAGE_ROWS if row.cycle_ms)


def bus_load(houses: int, bit_rate: int) -> float:
    """Largest share of the bus that the cyclic messages need, 0 … 1; above 1 they do not fit."""
    bits = sum(
        1000 / row.cycle_ms * row.senders(houses) * frame_bits(row.length)
        for row in MESSAGE_ROWS
        if row.cycle_ms
    )
    return bits / bit_rate

"""Generator `can`: whatever follows from contract/microgrid.dbc.

The C++ header of the firmware, the table of the Python decoder, the tables in contract/can.md, and golden
frames in contract/vectors/can, which cantools encodes and neither of our implementations.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import cantools
from cantools.database.can import Database, Message, Signal

from .kept import ROOT, keep, run_generator

SOURCE = ROOT / "contract" / "microgrid.dbc"
PROSE = ROOT / "contract" / "can.md"
VECTORS = ROOT / "contract" / "vectors" / "can"
HEADER = ROOT / "esphome" / "components" / "microgrid_can" / "microgrid_dbc.h"
TABLE = ROOT / "custom_components" / "microgrid" / "core" / "codec" / "_can_table.py"

NODE_MASK = 0x00F
MESSAGE_MASK = 0x7F0
LARGEST_IDENTIFIER = 0x7EF  # seven recessive bits at the beginning are not allowed
UNAVAILABLE = "not_available"
UNITS = {"degC": "°C", "deg": "°", "us": "µs"}
"""A DBC file is not UTF-8."""
RATES = (500_000, 125_000)
WORD_BITS = 64

# Where values usually are, for the load of a usual bus; others are anywhere in their range.
USUAL: dict[str, tuple[float, float]] = {
    "rank": (3, 3),
    "clock_state": (1, 1),
    "clock_source": (3, 3),
    "clock_error": (0.05, 0.4),
    "utc": (1.7e15, 1.9e15),
    "inverter_frequency": (49.5, 50),
    "cluster_frequency": (49.5, 50),
    "swarm_frequency": (49.5, 50),
    "inverter_voltage": (225, 235),
    "cluster_voltage": (225, 235),
    "swarm_voltage": (225, 235),
    "inverter_current": (0, 12),
    "inverter_power": (0, 3000),
    "load_power": (0, 3000),
    "power_flow": (-4000, 4000),
    "cluster_power": (0, 9000),
    "phase_difference": (-5, 5),
    "dc_bus_voltage": (50, 54),
    "battery_voltage": (50, 54),
    "mppt_output_voltage": (50, 54),
    "battery_current": (-60, 60),
    "battery_state_of_health": (90, 100),
    "health": (90, 100),
    "mosfet_temperature": (30, 60),
    "battery_temperature": (15, 30),
    "battery_stored_energy": (3000, 14_000),
    "cell_voltage": (3.2, 3.4),
    "fault_code": (0, 0),
    "mppt_input_voltage": (80, 140),
    "mppt_input_current": (0, 20),
    "mppt_output_current": (0, 50),
    "card_errors": (0, 3),
    "can_errors": (0, 50),
    "restarts": (0, 20),
    "protocol": (1, 1),
}


# -------------------------------------------------------------------------------------------- reading the DBC


def names_of(signal: Signal) -> dict[int, str]:
    """Names of raw values, without that of the missing value."""
    return {raw: str(name) for raw, name in (signal.choices or {}).items() if str(name) != UNAVAILABLE}


def unavailable_of(signal: Signal) -> int | None:
    """The raw value that stands for a missing one."""
    return next((raw for raw, name in (signal.choices or {}).items() if str(name) == UNAVAILABLE), None)


def scale_of(signal: Signal) -> Fraction:
    """The factor without the errors of its binary form."""
    return Fraction(str(signal.scale))


def limits_of(signal: Signal) -> tuple[int, int]:
    """Smallest and largest raw value that a sender may use for a value."""
    low, high = (
        (Fraction(str(limit)) - Fraction(str(signal.offset))) / scale_of(signal)
        for limit in (signal.minimum, signal.maximum)
    )
    return int(low), int(high)


def group_of(signal: Signal) -> int | None:
    """The value of the selector for which the signal is there."""
    return signal.multiplexer_ids[0] if signal.multiplexer_ids else None


def selector_of(message: Message) -> Signal | None:
    """The signal that tells the groups apart."""
    return next((one for one in message.signals if one.is_multiplexer), None)


def ordered(message: Message) -> list[Signal]:
    """The signals, the selector first, then by group and place."""
    return sorted(message.signals, key=lambda one: (group_of(one) is not None, group_of(one) or 0, one.start))


def sent_by(message: Message) -> str:
    """`each`, `master` or `demand`."""
    attribute = message.dbc.attributes.get("SentBy") if message.dbc else None
    return ("each", "master", "demand")[int(attribute.value)] if attribute else "each"


def cycle_of(message: Message) -> int:
    """Milliseconds, 0 without a cycle."""
    return message.cycle_time or 0


def senders_of(message: Message, houses: int) -> int:
    """How many nodes of a bus send it."""
    if sent_by(message) == "master":
        return 1
    return ("Gateway" in message.senders) + ("House" in message.senders) * houses


def problems(database: Database) -> Iterator[str]:
    """What the generated code could not express, and what would make two messages meet on the bus."""
    shapes: dict[str, tuple[tuple[int, str], ...]] = {}
    for message in database.messages:
        if (
            message.is_extended_frame
            or message.frame_id & ~MESSAGE_MASK
            or message.frame_id > LARGEST_IDENTIFIER
        ):
            yield f"{message.name}: identifier {message.frame_id:#x} is not that of node 0 below 0x7F0"
        if (sent_by(message) == "demand") != (cycle_of(message) == 0):
            yield f"{message.name}: has a cycle time exactly when it is not sent on demand"
        for signal in message.signals:
            where = f"{message.name}.{signal.name}"
            scale, (low, high) = scale_of(signal), limits_of(signal)
            smallest = -(1 << signal.length - 1) if signal.is_signed else 0
            if signal.byte_order != "little_endian" or signal.is_float:
                yield f"{where}: is not a little-endian integer"
            if 1 not in (scale.numerator, scale.denominator) or signal.offset != int(signal.offset):
                yield f"{where}: the factor is neither n nor 1/n, or the offset no integer"
            if not smallest <= low < high < smallest + (1 << signal.length):
                yield f"{where}: the range {signal.minimum} … {signal.maximum} does not fit into its bits"
            missing = unavailable_of(signal)
            if missing is not None and low <= missing <= high:
                yield f"{where}: a value in its range says that there is none"
            shape = tuple(sorted(names_of(signal).items()))
            if shape and shapes.setdefault(signal.name, shape) != shape:
                yield f"{where}: its names differ from those of the same signal in another message"


# ------------------------------------------------------------------------------------------- table for Python


def render_signal(signal: Signal) -> str:
    """A row of the Python table."""
    scale = scale_of(signal)
    optional = {
        "signed": signal.is_signed,
        "numerator": scale.numerator if scale.numerator != 1 else None,
        "denominator": scale.denominator if scale.denominator != 1 else None,
        "offset": int(signal.offset) or None,
        "unit": UNITS.get(signal.unit or "", signal.unit),
    }
    fields = [f'name="{signal.name}"', f"start={signal.start}", f"length={signal.length}"]
    fields += [f"{key}={value!r}" for key, value in optional.items() if value]
    fields += [f"minimum={signal.minimum}", f"maximum={signal.maximum}"]
    if group_of(signal) is not None:
        fields.append(f"group={group_of(signal)}")
    if unavailable_of(signal) is not None:
        fields.append(f"unavailable={unavailable_of(signal)}")
    if names := names_of(signal):
        fields.append(f"names={tuple(sorted(names.items()))!r}")
    return f"Signal({', '.join(fields)})"


def render_table(database: Database) -> str:
    """core/codec/_can_table.py."""
    lines = [
        '"""The messages of the CAN bus; generated from contract/microgrid.dbc by `script/generate can`."""',
        "",
        "from __future__ import annotations",
        "",
        "from .can_message import Message, Signal",
        "",
        "MESSAGE_ROWS = (",
    ]
    for message in database.messages:
        selector = selector_of(message)
        lines += [
            f"Message(name={message.name!r}, identifier={message.frame_id:#05x}, length={message.length},",
            f"cycle_ms={cycle_of(message)}, by_gateway={'Gateway' in message.senders},",
            f"by_house={'House' in message.senders}, by_master={sent_by(message) == 'master'}, signals=(",
            *(f"{render_signal(signal)}," for signal in ordered(message)),
            "),",
            f"selector={render_signal(selector)}," if selector else "",
            "),",
        ]
    return formatted(
        "\n".join([*lines, ")", ""]), "ruff", "format", "--quiet", "--stdin-filename", str(TABLE)
    )


def formatted(text: str, *command: str) -> str:
    """The text as the formatter of its language writes it."""
    tool = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [tool, *command[1:], *(["-"] if command[0] == "ruff" else [])],
        input=text,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout


# --------------------------------------------------------------------------------------------- header for C++


@dataclass(frozen=True)
class Member:
    """A member of a generated struct: a signal, or an array of signals whose names are numbered."""

    name: str
    signals: tuple[Signal, ...]

    @property
    def first(self) -> Signal:
        """The signal, or the first of the array."""
        return self.signals[0]

    @property
    def is_array(self) -> bool:
        """Whether its signals are numbered."""
        return len(self.signals) > 1

    @property
    def type(self) -> str:
        """Its C++ type, that of an element for an array."""
        if names_of(self.first):
            return camel(self.first.name)
        if self.first.length == 1:
            return "bool"
        size = next(size for size in (8, 16, 32, 64) if self.first.length <= size)
        return f"{'' if self.first.is_signed else 'u'}int{size}_t"

    @property
    def has_scale(self) -> bool:
        """Whether the integer alone does not say everything."""
        return not names_of(self.first) and (
            bool(self.first.unit) or scale_of(self.first) != 1 or unavailable_of(self.first) is not None
        )

    def places(self) -> Iterator[tuple[str, Signal]]:
        """How the C++ code names each signal."""
        for index, signal in enumerate(self.signals):
            yield (f"this->{self.name}[{index}]" if self.is_array else f"this->{self.name}"), signal


def camel(name: str) -> str:
    """clock_state → ClockState."""
    return "".join(part.capitalize() for part in name.split("_"))


def members_of(message: Message) -> list[Member]:
    """Signals x_1, x_2 … become the array x."""

    def stem(signal: Signal) -> str:
        return re.sub(r"_\d+$", "", signal.name)

    return [Member(name, tuple(signals)) for name, signals in groupby(ordered(message), stem)]


def literal(raw: int, kind: str) -> str:
    """A raw value as a C++ constant of that type."""
    if kind in ("int64_t", "uint64_t"):
        return f"{raw}{'ULL' if kind[0] == 'u' else 'LL'}"
    return f"{raw}U" if kind[0] == "u" and raw > 0x7FFFFFFF else str(raw)


def render_enums(database: Database) -> Iterator[str]:
    """One enumeration for each signal whose values have names."""
    seen = set()
    for signal in (one for message in database.messages for one in ordered(message)):
        names = names_of(signal)
        if not names or signal.name in seen:
            continue
        seen.add(signal.name)
        every = names | ({} if (missing := unavailable_of(signal)) is None else {missing: UNAVAILABLE})
        values = ", ".join(f"{name.upper()} = {raw}" for raw, name in sorted(every.items()))
        yield f"enum class {camel(signal.name)} : uint8_t {{ {values} }};"


def remark(member: Member) -> str:
    """What a reader of the struct wants to know beside the name."""
    signal, parts = member.first, []
    scale = scale_of(signal)
    if member.has_scale:
        unit = UNITS.get(signal.unit or "", signal.unit or "")
        step = f"{float(scale):g} {unit}".strip()
        parts.append(f"{step}" + (f", from {int(signal.offset)} {unit}" if signal.offset else ""))
    if signal.comment:
        parts.append(signal.comment.replace("10 us", "10 µs").rstrip("."))
    return f"  // {'; '.join(parts)}" if parts else ""


def render_struct(message: Message) -> Iterator[str]:
    """A message: its integers, how they are packed, and how they are meant."""
    selector, members = selector_of(message), members_of(message)
    cycle = f"every {cycle_of(message)} ms" if cycle_of(message) else "on demand"
    yield ""
    yield f"/// {message.comment} Sent {cycle}."
    yield f"struct {message.name} final {{"
    yield f'static constexpr const char *NAME = "{message.name}";'
    numbers = f"{message.frame_id:#05x}, {message.length}, {cycle_of(message)}"
    yield f"static constexpr Message MESSAGE{{{numbers}}};"
    for member in members:
        if not member.has_scale:
            continue
        kind, signal, scale = member.type, member.first, scale_of(member.first)
        low, high = limits_of(signal)
        missing = unavailable_of(signal)
        yield (
            f"static constexpr Scale<{kind}> {member.name.upper()}{{{scale.numerator}, {scale.denominator}, "
            f"{int(signal.offset)}, {literal(low, kind)}, {literal(high, kind)}, "
            f"{'true' if missing is not None else 'false'}, {literal(missing or 0, kind)}}};"
        )
    yield ""
    for member in members:
        missing = unavailable_of(member.first)
        if missing is None:
            initial = ""
        elif names_of(member.first):
            initial = f"{member.type}::{UNAVAILABLE.upper()}"
        else:
            initial = literal(missing, member.type)
        if member.is_array:
            values = ", ".join([initial] * len(member.signals)) if initial else ""
            kind = f"std::array<{member.type}, {len(member.signals)}>"
            yield f"{kind} {member.name}{{{values}}};{remark(member)}"
        else:
            yield f"{member.type} {member.name}{{{initial}}};{remark(member)}"

    places = [place for member in members for place in member.places()]
    types = {signal.name: member.type for member in members for signal in member.signals}

    def packed(group: int | None) -> str:
        return " | ".join(
            f"put({place}, {one.start}, {one.length})" for place, one in places if group_of(one) == group
        )

    def unpacked(group: int | None) -> Iterator[str]:
        for place, one in places:
            if group_of(one) == group:
                yield f"{place} = get<{types[one.name]}>(word, {one.start}, {one.length});"

    yield ""
    if selector is None:
        yield f"constexpr uint64_t pack() const {{ return {packed(None)}; }}"
        yield "constexpr void unpack(uint64_t word) {"
        yield from unpacked(None)
    else:
        groups = sorted({group for one in message.signals if (group := group_of(one)) is not None})
        choice = f"static_cast<unsigned>(this->{selector.name})"
        yield f"/// The group that `{selector.name}` names."
        yield f"constexpr uint64_t pack() const {{ const uint64_t word = {packed(None)}; switch ({choice}) {{"
        for group in groups:
            yield f"case {group}: return word | {packed(group)};"
        yield "default: return word; } }"
        yield "/// Only the members of the frame's group change."
        yield "constexpr void unpack(uint64_t word) {"
        yield from unpacked(None)
        yield f"switch ({choice}) {{"
        for group in groups:
            yield f"case {group}:"
            yield from unpacked(group)
            yield "break;"
        yield "default: break; }"
    yield "}"
    yield "/// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has."
    yield "template <typename V> void visit(V &&visitor) const {"
    for group, run in groupby(
        ((place, one, member) for member in members for place, one in member.places()),
        key=lambda entry: group_of(entry[1]),
    ):
        calls = [
            f'visitor("{one.name}", {place}{f", {member.name.upper()}" if member.has_scale else ""});'
            for place, one, member in run
        ]
        if group is not None and selector is not None:
            yield f"if (static_cast<unsigned>(this->{selector.name}) == {group}) {{"
        yield from calls
        if group is not None:
            yield "}"
    yield "}"
    yield "};"


def render_header(database: Database) -> str:
    """The C++ header of the firmware."""
    lines = [
        "// The messages of the CAN bus; generated from contract/microgrid.dbc by `script/generate can`.",
        "// Members are the integers on the wire, in the unit of their remark; the constants convert them.",
        "#pragma once",
        "",
        "#include <array>",
        "#include <cstdint>",
        "",
        '#include "dbc_signal.h"',
        "",
        "namespace esphome::microgrid::dbc {",
        "",
        *render_enums(database),
    ]
    for message in database.messages:
        lines += render_struct(message)
    lines += [
        "",
        "/// Calls visitor(T{}) with the message of an identifier; false when it is none of ours.",
        "template <typename V> constexpr bool with_message(uint32_t identifier, V &&visitor) {",
        "switch (identifier & ~NODE_MASK) {",
        *(
            f"case {message.frame_id:#05x}: visitor({message.name}{{}}); return true;"
            for message in database.messages
        ),
        "default: return false; } }",
        "",
        "}  // namespace esphome::microgrid::dbc",
        "",
    ]
    return formatted("\n".join(lines), "clang-format", f"--assume-filename={HEADER}")


# ---------------------------------------------------------------------------------------------------- vectors


def encoded(message: Message, raws: dict[str, int]) -> bytes:
    """Data of a frame, by cantools."""
    return message.encode(raws, scaling=False, strict=False)


def value_of(signal: Signal, raw: int) -> int | float | str | None:
    """What a reader shows for a raw value."""
    if raw == unavailable_of(signal):
        return None
    value = raw * scale_of(signal) + Fraction(str(signal.offset))
    return int(value) if value.denominator == 1 else float(value)


def groups_of(message: Message) -> list[tuple[int | None, list[Signal]]]:
    """The signals that travel together."""
    selector = selector_of(message)
    if selector is None:
        return [(None, ordered(message))]
    values = sorted({group for one in message.signals if (group := group_of(one)) is not None})
    return [(value, [one for one in ordered(message) if group_of(one) in (None, value)]) for value in values]


def drawn(signal: Signal, dice: random.Random) -> int:
    """A raw value where it usually is."""
    low, high = limits_of(signal)
    if usual := USUAL.get(signal.name) or USUAL.get(re.sub(r"_\d+$", "", signal.name)):
        low, high = (round((value - float(signal.offset)) / float(signal.scale)) for value in usual)
    return dice.randint(low, high)


def usual_frame(
    message: Message, group: int | None, signals: Sequence[Signal], dice: random.Random
) -> dict[str, int]:
    """Raw values as on a usual day."""
    return {
        one.name: group if one.is_multiplexer and group is not None else drawn(one, dice) for one in signals
    }


def render_frames(database: Database) -> str:
    """Golden frames: usual ones, the ends of all ranges, and everything unknown."""
    dice = random.Random(4)
    rows = []
    for message in database.messages:
        for group, signals in groups_of(message):
            low = {one.name: limits_of(one)[0] for one in signals}
            high = {one.name: limits_of(one)[1] for one in signals}
            missing = {one.name: max(0, low[one.name]) for one in signals}
            missing |= {one.name: raw for one in signals if (raw := unavailable_of(one)) is not None}
            cases = {"usual": usual_frame(message, group, signals, dice), "lowest": low, "highest": high}
            if any(unavailable_of(one) is not None for one in signals):
                cases["unavailable"] = missing
            for case, raws in cases.items():
                if group is not None:
                    raws[next(one.name for one in signals if one.is_multiplexer)] = group
                node = dice.randint(
                    0 if "Gateway" in message.senders else 1, 15 if "House" in message.senders else 0
                )
                rows.append(
                    {
                        "message": message.name,
                        "case": case,
                        "identifier": message.frame_id | node,
                        "data": encoded(message, raws).hex(),
                        "raw": raws,
                        "value": {one.name: value_of(one, raws[one.name]) for one in signals},
                    }
                )
    shown = ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{{\n  "frames": [\n    {shown}\n  ]\n}}\n'


def render_events() -> str:
    """Golden event ids and times of Fault."""
    identifiers: list[dict[str, Any]] = [
        {
            "cluster": "north",
            "node": 3,
            "boot_id": 0x5F2A10C4,
            "number": 17,
            "event_id": "north.3:5f2a10c4:17",
        },
        {"cluster": "a", "node": 0, "boot_id": 0, "number": 0, "event_id": "a.0:00000000:0"},
        {
            "cluster": "c" * 32,
            "node": 15,
            "boot_id": 0xFFFFFFFF,
            "number": 0xFFFFF,
            "event_id": "c" * 32 + ".15:ffffffff:1048575",
        },
    ]
    dice = random.Random(5)
    half = (1 << 28) * 10
    times = []
    for distance in (0, 10, -10, half - 10, -half, 30_000_000, -30_000_000):
        time = dice.randrange(10**15, 2 * 10**15, 10)
        ticks = time // 10 % (1 << 29)
        times.append({"near_us": time - distance, "event_time_us": ticks * 10, "raw": ticks, "utc_us": time})
    rows = [
        f'  "{key}": [\n    ' + ",\n    ".join(map(json.dumps, found)) + "\n  ]"
        for key, found in (("event_ids", identifiers), ("times", times))
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


# ------------------------------------------------------------------------------------------- tables of can.md


def longest_bits(length: int) -> int:
    """Bits of a frame with all the stuffing that there can be, and the pause behind it."""
    stuffable = 34 + 8 * length
    return stuffable + (stuffable - 1) // 4 + 13


def bits_on_the_wire(identifier: int, data: bytes) -> int:
    """Bits of this very frame: its own stuffing, checksum included."""
    bits = [int(bit) for bit in f"0{identifier:011b}000{len(data):04b}"] + [
        byte >> at & 1 for byte in data for at in range(7, -1, -1)
    ]
    crc = 0
    for bit in bits:
        crc = (crc << 1 & 0x7FFF) ^ (0x4599 if bit ^ crc >> 14 else 0)
    bits += [crc >> at & 1 for at in range(14, -1, -1)]
    stuffed, run, last = 0, 0, -1
    for bit in bits:
        run = run + 1 if bit == last else 1
        last = bit
        if run == 5:  # the complement follows, and begins a run of its own
            stuffed += 1
            last, run = 1 - bit, 1
    return len(bits) + stuffed + 13


def usual_bits(message: Message) -> float:
    """Mean of frames with usual values."""
    dice = random.Random(6)
    found = []
    for _ in range(16):
        for group, signals in groups_of(message):
            node = dice.randint(1, 4) if "House" in message.senders else 0
            data = encoded(message, usual_frame(message, group, signals, dice))
            found.append(bits_on_the_wire(message.frame_id | node, data))
    return sum(found) / len(found)


def load_rows(database: Database) -> Iterator[str]:
    """The bus by number of houses."""
    cyclic = [message for message in database.messages if cycle_of(message)]
    usual = {message.name: usual_bits(message) for message in cyclic}
    heads = [f"{rate // 1000} kbit/s {kind}" for rate in RATES for kind in ("usual", "largest")]
    yield f"| houses | frames/s | {' | '.join(heads)} |"
    yield "|---:" * (2 + len(heads)) + "|"
    for houses in range(1, 16):
        rates = {message.name: 1000 / cycle_of(message) * senders_of(message, houses) for message in cyclic}
        cells = []
        for rate in RATES:
            typical = sum(rates[name] * usual[name] for name in rates)
            largest = sum(rates[one.name] * longest_bits(one.length) for one in cyclic)
            cells += [
                f"{share:.1%}".replace("%", " %") if share <= 1 else "–"
                for share in (typical / rate, largest / rate)
            ]
        yield f"| {houses} | {sum(rates.values()):.0f} | {' | '.join(cells)} |"


def message_rows(database: Database) -> Iterator[str]:
    """The messages in their order of priority."""
    yield "| identifier | message | bytes | every | sent by | |"
    yield "|---|---|---:|---:|---|---|"
    for message in database.messages:
        cycle = f"{cycle_of(message)} ms" if cycle_of(message) else "on demand"
        names = [name.lower() for name in ("Gateway", "House") if name in message.senders]
        by = "master" if sent_by(message) == "master" else ", ".join(names)
        digit = "0" if names == ["gateway"] and message.name != "BulkRequest" else "n"
        row = (
            f"`0x{message.frame_id >> 4:02X}{digit}`",
            message.name,
            str(message.length),
            cycle,
            by,
            message.comment,
        )
        yield f"| {' | '.join(map(str, row))} |"


def signal_rows(database: Database) -> Iterator[str]:
    """Every signal of every message."""
    for message in database.messages:
        yield f"**{message.name}**"
        yield ""
        yield "| signal | bits | value | range | |"
        yield "|---|---|---|---|---|"
        for signal in ordered(message):
            unit = UNITS.get(signal.unit or "", signal.unit or "")
            scale, offset = scale_of(signal), int(signal.offset)
            value = f"{float(scale):g} {unit}".strip() if unit or scale != 1 else ""
            value += f" + {offset} {unit}" if offset else ""
            value = value if not signal.is_signed else f"{value}, signed"
            remarks = [f"group {group_of(signal)}"] if group_of(signal) is not None else []
            remarks += [", ".join(f"{raw} {name}" for raw, name in sorted(names_of(signal).items()))]
            remarks += [(signal.comment or "").replace("10 us", "10 µs").rstrip(".")]
            if (missing := unavailable_of(signal)) is not None:
                remarks.append(f"raw {missing}: not available")
            bits = (
                f"{signal.start}–{signal.start + signal.length - 1}"
                if signal.length > 1
                else f"{signal.start}"
            )
            span = f"{signal.minimum:,} … {signal.maximum:,}".replace(",", " ")
            remark_text = "; ".join(part for part in remarks if part)
            yield f"| {signal.name} | {bits} | {value} | {span} | {remark_text} |"
        yield ""


def render_prose(database: Database, text: str) -> str:
    """can.md with its tables made anew."""
    blocks = {"messages": message_rows, "signals": signal_rows, "load": load_rows}
    for name, rows in blocks.items():
        begin, end = f"<!-- {name} -->", "<!-- end -->"
        before, found, rest = text.partition(begin)
        if not found:
            raise SystemExit(f"{PROSE.relative_to(ROOT)}: the mark {begin} is missing")
        _, _, after = rest.partition(end)
        text = "\n".join([before + begin, *rows(database)]).rstrip("\n") + f"\n{end}" + after
    return text


# ------------------------------------------------------------------------------------------------------- main


def main(check: bool) -> int:
    """Write the files, or with `check` only compare; return the exit status."""
    database = cantools.database.load_file(SOURCE)
    assert isinstance(database, Database)
    database.messages.sort(key=lambda message: message.frame_id)
    if found := list(problems(database)):
        print(*(f"{SOURCE.relative_to(ROOT)}: {problem}" for problem in found), sep="\n", file=sys.stderr)
        return 1
    files: dict[Path, str | bytes] = {
        HEADER: render_header(database),
        TABLE: render_table(database),
        VECTORS / "frames.json": render_frames(database),
        VECTORS / "events.json": render_events(),
        PROSE: render_prose(database, PROSE.read_text(encoding="utf-8")),
    }
    return keep(files, "contract/microgrid.dbc", "can", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))

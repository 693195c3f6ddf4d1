"""CAN frames: golden vectors, plausible ranges of the metrics, refusals, bus load."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.codec.can_dbc import (
    BY_IDENTIFIER,
    HOUSES,
    MESSAGES,
    Message,
    Signal,
    bus_load,
    decode,
    encode,
    event_id,
    frame_bits,
    frames_per_second,
    full_time,
    gather,
    raw,
    to_words,
)
from microgrid_core.contract.messages import EVENT_ID
from microgrid_core.model.gateway import GATEWAY
from microgrid_core.model.house import HOUSE
from microgrid_core.model.metric import Metric, ValueType

CONTRACT = Path(__file__).resolve().parents[4] / "contract"
FRAMES: list[dict[str, Any]] = json.loads((CONTRACT / "vectors" / "can" / "frames.json").read_text())[
    "frames"
]
EVENTS = json.loads((CONTRACT / "vectors" / "can" / "events.json").read_text())

SIGNALS = {signal.name: signal for message in MESSAGES.values() for signal in message.signals}


def words_of(data: bytes) -> Any:
    """One frame as an array."""
    return to_words(np.frombuffer(data.ljust(8, b"\0"), np.uint8).reshape(1, 8))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f"{f['message']}-{f['case']}-{f['data']}")
def test_golden_frame_is_read_and_written(frame: dict[str, Any]) -> None:
    message = MESSAGES[frame["message"]]
    data = bytes.fromhex(frame["data"])
    words = words_of(data)
    assert BY_IDENTIFIER[frame["identifier"] & 0x7F0] is message
    assert {name: int(raw(message.signal(name), words)[0]) for name in frame["raw"]} == frame["raw"]
    found = {name: float(values[0]) for name, values in decode(message, words).items()}
    for name, value in found.items():
        wanted = frame["value"].get(name)
        assert math.isnan(value) if wanted is None else value == float(wanted), name
    if all(value is None or value < 2**53 for value in frame["value"].values()):
        assert encode(message, frame["value"]) == data


def test_every_message_and_group_has_golden_frames() -> None:
    """So that no signal is left to the generator's good will."""
    assert {name for frame in FRAMES for name in frame["raw"]} == SIGNALS.keys()
    assert {frame["message"] for frame in FRAMES} == MESSAGES.keys()


@given(st.data())
def test_values_come_back_within_half_a_step(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(list(MESSAGES.values())))
    groups = {s.group for s in message.signals if s.group is not None}
    group = data.draw(st.sampled_from(sorted(groups))) if groups else None
    values: dict[str, float | None] = {}
    for signal in message.signals:
        if message.selector is not None and signal.name == message.selector.name:
            values[signal.name] = group
        elif signal.group in (None, group) and signal.length < 53:
            number = st.floats(signal.minimum, signal.maximum, allow_nan=False)
            values[signal.name] = data.draw(st.none() | number)
    found = decode(message, words_of(encode(message, values)))
    for name, wanted in values.items():
        signal, value = message.signal(name), float(found[name][0])
        if wanted is None:
            assert math.isnan(value) if signal.unavailable is not None else value in (0, signal.offset)
        else:
            step = signal.numerator / signal.denominator
            assert abs(value - wanted) <= step / 2 * (1 + 1e-6)


@given(st.binary(min_size=8, max_size=8))
def test_any_bytes_can_be_read(data: bytes) -> None:
    for message in MESSAGES.values():
        for name, values in decode(message, words_of(data)).items():
            signal = message.signal(name)
            integer = int.from_bytes(data, "little") >> signal.start & (1 << signal.length) - 1
            if signal.signed and integer >> signal.length - 1:
                integer -= 1 << signal.length
            assert int(raw(signal, words_of(data))[0]) == integer
            assert not np.isinf(values).any()


def test_frames_are_gathered_by_message() -> None:
    """Foreign, extended, remote, error and short frames are left out; longer ones are of a later version."""
    rows = [
        (0x203, 4),
        (0x302, 6),
        (0x201, 8),
        (0x203, 3),  # short
        (0x204, 4),
        (0x030, 8),  # no such message
        (0x7F3, 8),
        (0x80000203, 8),  # extended
        (0x40000203, 0),  # remote
        (0x20000203, 8),  # error
        (0x00010203, 8),
    ]
    identifiers = np.array([row[0] for row in rows], np.uint32)
    lengths = np.array([row[1] for row in rows], np.uint8)
    data = np.arange(8 * len(rows), dtype=np.uint8).reshape(-1, 8)
    found = {one.message.name: one for one in gather(identifiers, lengths, data)}
    assert found.keys() == {"Frequency", "Inverter"}
    assert found["Frequency"].rows.tolist() == [0, 2, 4]
    assert found["Frequency"].nodes.tolist() == [3, 1, 4]
    assert found["Frequency"].words.tolist() == to_words(data)[[0, 2, 4]].tolist()
    assert found["Inverter"].nodes.tolist() == [2]


def test_no_frames_are_no_messages() -> None:
    empty = np.zeros((0, 8), np.uint8)
    assert gather(np.zeros(0, np.uint32), np.zeros(0, np.uint8), empty) == ()


def test_refusals_name_signal_value_and_range() -> None:
    inverter, cells = MESSAGES["Inverter"], MESSAGES["Cells"]
    with pytest.raises(ValueError, match=r"Inverter.inverter_voltage: 512 is outside 0 … 409.4 V"):
        encode(inverter, {"inverter_voltage": 512})
    with pytest.raises(ValueError, match="is outside"):
        encode(inverter, {"inverter_voltage": math.nan})
    with pytest.raises(ValueError, match="Inverter: no signal voltage in group None"):
        encode(inverter, {"voltage": 1})
    with pytest.raises(ValueError, match="Cells: no signal cell_voltage_5 in group 0"):
        encode(cells, {"cell_group": 0, "cell_voltage_5": 3.3})
    with pytest.raises(KeyError, match="Inverter has no signal voltage"):
        inverter.signal("voltage")


@pytest.mark.parametrize("row", EVENTS["event_ids"], ids=lambda row: row["event_id"][-20:])
def test_event_ids(row: dict[str, Any]) -> None:
    assert event_id(row["cluster"], row["node"], row["boot_id"], row["number"]) == row["event_id"]
    assert EVENT_ID.fullmatch(row["event_id"])
    assert len(row["event_id"]) <= 52  # as can.md says


@pytest.mark.parametrize("row", EVENTS["times"], ids=lambda row: str(row["utc_us"]))
def test_times_of_events(row: dict[str, Any]) -> None:
    assert full_time(row["event_time_us"], row["near_us"]) == row["utc_us"]


LOGGED = [
    *(metric for metric in HOUSE.metrics if metric.log),
    # A gateway publishes itself: its bus hears what houses can make use of.
    *(metric for metric in GATEWAY.metrics if metric.log and metric.key in SIGNALS),
]
COARSER = {"battery_stored_energy"}
"""Tens of watt hours are enough for who looks live."""
BENT = {"clock_error"}
"""A worse one than the worst that can be told is told as that: its time has not been valid for long."""


@pytest.mark.parametrize("metric", LOGGED, ids=lambda metric: metric.key)
def test_what_is_logged_travels_without_loss(metric: Metric) -> None:
    """Same step as in the log, the whole plausible range, and a value that says: not known."""
    signal: Signal = SIGNALS[metric.key]
    assert metric.log is not None
    step = signal.numerator / signal.denominator
    assert metric.key in COARSER or step == pytest.approx(10.0**metric.log.exponent)
    assert signal.unit == (metric.unit or "")
    assert metric.minimum is None or signal.minimum <= metric.minimum
    assert metric.maximum is None or metric.key in BENT or metric.maximum <= signal.maximum
    assert signal.unavailable is not None or metric.value is ValueType.FLAG
    message = next(one for one in MESSAGES.values() if signal in one.signals)
    groups = len({one.group for one in message.signals} - {None}) or 1
    assert message.cycle_ms * groups <= metric.log.period_ms


def test_what_only_the_gateway_can_publish_travels() -> None:
    """All measured numbers of a house are on the bus, but those that the gateway derives or knows itself."""
    measured = {metric.key for metric in HOUSE.metrics if metric.derive is None}
    assert measured - SIGNALS.keys() == {"clock_valid"}  # follows from clock_error
    for name in measured & SIGNALS.keys():
        metric = next(one for one in HOUSE.metrics if one.key == name)
        assert SIGNALS[name].unit == (metric.unit or "")


def test_bus_load_of_a_cluster_stays_in_its_budget() -> None:
    assert bus_load(4, 500_000) < 0.30
    assert bus_load(4, 125_000) < 0.60
    assert bus_load(HOUSES, 500_000) < 0.60
    assert all(bus_load(houses, 500_000) < bus_load(houses + 1, 500_000) for houses in range(15))


def test_frame_bits_of_the_standard() -> None:
    """135 bits: the longest frame with 8 bytes, pause included (Davis et al. 2007)."""
    assert frame_bits(8) == 135
    assert frame_bits(0) == 55


def test_urgent_messages_come_first() -> None:
    order = [message.name for message in sorted(MESSAGES.values(), key=lambda one: one.identifier)]
    assert order[:3] == ["Sync", "FollowUp", "Fault"]
    assert order[-2:] == ["BulkRequest", "BulkResponse"]
    cycles = [
        row.cycle_ms for row in MESSAGES.values() if row.by_house and row.cycle_ms and not row.by_master
    ]
    by_priority = [row for row in MESSAGES.values() if row.cycle_ms and row.identifier >> 8 in (2, 3, 4)]
    assert [row.cycle_ms for row in by_priority] == sorted(row.cycle_ms for row in by_priority)
    assert cycles


def test_prose_tells_the_load_that_the_table_gives() -> None:
    """The numbers in can.md come from the DBC by another program."""
    text = (CONTRACT / "can.md").read_text(encoding="utf-8")
    table = text.partition("<!-- load -->")[2].partition("<!-- end -->")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")]
    for houses, frames, usual_500, largest_500, usual_125, largest_125 in rows[1:]:
        assert float(frames) == pytest.approx(frames_per_second(int(houses)), abs=0.5)
        for rate, usual, largest in ((500_000, usual_500, largest_500), (125_000, usual_125, largest_125)):
            load = bus_load(int(houses), rate)
            assert largest.strip() == (f"{load:.1%}".replace("%", " %") if load <= 1 else "–")
            assert usual.strip() == "–" or float(usual.strip(" %")) / 100 < load
    assert len(rows) == 1 + HOUSES


def test_messages_do_not_overlap() -> None:
    for message in MESSAGES.values():
        _assert_disjoint(message)


def _assert_disjoint(message: Message) -> None:
    for group in {one.group for one in message.signals}:
        taken: set[int] = set()
        for signal in message.signals:
            if signal.group in (None, group):
                bits = set(range(signal.start, signal.start + signal.length))
                assert not bits & taken, f"{message.name}.{signal.name}"
                assert max(bits) < 8 * message.length
                taken |= bits

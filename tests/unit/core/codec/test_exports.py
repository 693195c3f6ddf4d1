"""What is exported is read back by other people's readers, with the same numbers at the same times."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microgrid_core.codec.exports import comtrade, optional
from microgrid_core.codec.exports.can_logs import write_blf, write_candump
from microgrid_core.codec.exports.csv_files import write_csv
from microgrid_core.codec.exports.mf4 import write_mf4
from microgrid_core.codec.exports.optional import ExportError
from microgrid_core.codec.exports.parquet import write_parquet
from microgrid_core.codec.exports.tables import tables
from microgrid_core.codec.umg1 import can
from microgrid_core.codec.umg1.frame import FLAG_CLOCK, Frame, Kind
from microgrid_core.codec.umg1.log import Log, open_log
from microgrid_core.codec.umg1.records import Clock, Event, Snapshot
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.writer import SegmentWriter

from .snapshots import (
    BOOT,
    CAN_FRAMES,
    CELL,
    FREQUENCY,
    NARROW,
    TRIGGER_US,
    UTC_US,
    WIDE,
    Truth,
    write_snapshot,
)
from .vectors import FOLDER

Made = tuple[Log, Truth]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    truth = write_snapshot(tmp_path / "s.umg1")
    return open_log([tmp_path / "s.umg1"]), truth


def judge(name: str) -> Any:
    """Another project's reader; they are installed beside Home Assistant, not on the oldest Python."""
    return pytest.importorskip(name)


def close(got: NDArray[np.float64], wanted: NDArray[np.float64], tolerance: float) -> None:
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    assert np.nanmax(np.abs(got - wanted)) <= tolerance


# ---------------------------------------------------------------- tables


def test_csv(made: Made, tmp_path: Path) -> None:
    log, truth = made
    files = write_csv(tables(log), tmp_path)
    assert [path.name for path in files] == ["house3_10ms.csv", "house3_100ms.csv", "house3_1000ms.csv"]
    with files[0].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2000
    assert rows[0]["utc"] == "2025-10-09T08:53:40.000000Z"
    assert rows[1]["utc"] == "2025-10-09T08:53:40.010000Z"
    assert rows[0]["boot_id"] == "cafe0001"
    assert rows[-1]["mono_us"] == "39990000"
    got = np.array([float(row["frequency [Hz]"] or "nan") for row in rows])
    close(got, truth.values[1], 0)


def test_csv_of_a_boot_that_never_knew_the_time(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "s.umg1", synchronised=False)
    files = write_csv(tables(open_log([tmp_path / "s.umg1"])), tmp_path)
    line = files[2].read_text(encoding="utf-8").splitlines()[1]
    assert line.startswith(",cafe0001,20000000,")


def test_channels_with_other_instants_share_a_table(tmp_path: Path) -> None:
    """A channel that has fewer samples than its neighbour, or none, leaves empty cells."""
    schema = Schema("house1", "", (Channel(1, "a", "V", 10_000), Channel(2, "b", "A", 10_000)))
    long, short = np.arange(5), np.array([7, 8])
    with (tmp_path / "s.umg1").open("wb") as file:
        writer = SegmentWriter(file)
        writer.write(Frame(Kind.SCHEMA, 0, 1, schema.hash, 0, 0, schema.payload))
        for seq, series in enumerate(({1: (long, None), 2: (short, None)}, {2: (short, None)}), start=1):
            payload, flags, blocks = encode_samples(schema, Kind.SLOW, 50, series)
            writer.write(Frame(Kind.SLOW, seq, 1, schema.hash, seq * 50_000, 0, payload, flags, blocks))
    (path,) = write_csv(tables(open_log([tmp_path / "s.umg1"])), tmp_path)
    rows = [line.split(",")[2:] for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        ["mono_us", "a [V]", "b [A]"],
        ["50000", "0", "7"],
        ["60000", "1", "8"],
        ["70000", "2", ""],
        ["80000", "3", ""],
        ["90000", "4", ""],
        ["100000", "", "7"],
        ["110000", "", "8"],
    ]


def test_parquet(made: Made, tmp_path: Path) -> None:
    pq = judge("pyarrow.parquet")
    log, truth = made
    files = write_parquet(tables(log), tmp_path)
    table = pq.read_table(files[1])
    assert table.column_names == ["utc", "boot_id", "mono_us", "dc_voltage"]
    assert table.schema.field("dc_voltage").metadata == {b"unit": b"V"}
    assert table["utc"][0].value == UTC_US + 20_000_000
    close(table["dc_voltage"].to_numpy(), truth.values[2], 0)
    assert table["dc_voltage"].null_count == int(np.isnan(truth.values[2]).sum()) > 0


@pytest.mark.parametrize("schema", [NARROW, WIDE])
def test_mf4(schema: Schema, tmp_path: Path) -> None:
    asammdf = judge("asammdf")
    truth = write_snapshot(tmp_path / "s.umg1", schema)
    (path,) = write_mf4(tables(open_log([tmp_path / "s.umg1"])), tmp_path / "s.mf4")
    with asammdf.MDF(path) as mdf:
        assert mdf.start_time.timestamp() == (UTC_US + 20_000_000) / 1e6
        for channel in schema.channels:
            signal = mdf.get(channel.name)  # without the samples that are marked as invalid
            valid = np.isfinite(truth.values[channel.id])
            wanted = truth.values[channel.id][valid]
            assert len(wanted) < len(valid)
            assert len(signal.samples) == len(wanted)
            assert np.abs(signal.samples - wanted).max() <= abs(channel.scale) * 1e-6
            assert signal.unit == channel.unit
            times = np.arange(len(valid))[valid] * channel.period_us / 1e6
            assert np.allclose(signal.timestamps, times, atol=1e-7)


# ---------------------------------------------------------------- COMTRADE


def test_mf4_of_a_channel_that_got_another_scale(tmp_path: Path) -> None:
    """A new firmware measures finer, in the same log: what was 23 V remains 23 V."""
    asammdf = judge("asammdf")
    with (tmp_path / "s.umg1").open("wb") as file:
        writer = SegmentWriter(file)
        for boot_id, exponent, integer in ((1, -1, 230), (2, -2, 2300)):
            schema = Schema("h1", "", (Channel(1, "dc_bus_voltage", "V", 1_000_000, exponent=exponent),))
            values = {1: (np.array([integer, integer], np.int64), None)}
            payload, flags, blocks = encode_samples(schema, Kind.SLOW, 2000, values)
            start_us = boot_id * 10_000_000
            writer.write(Frame(Kind.SCHEMA, 0, boot_id, schema.hash, start_us, 0, schema.payload))
            writer.write(Frame(Kind.SLOW, 1, boot_id, schema.hash, start_us, 0, payload, flags, blocks))
    (path,) = write_mf4(tables(open_log([tmp_path / "s.umg1"])), tmp_path / "s.mf4")
    with asammdf.MDF(path) as mdf:
        read = [mdf.get("dc_bus_voltage", group=group) for group in range(len(mdf.groups))]
    assert [value for signal in read for value in signal.samples.tolist()] == pytest.approx([23.0] * 4)


def held(truth: Truth, channel_id: int, period_us: int) -> NDArray[np.float64]:
    """The truth at 100 Hz."""
    return np.repeat(truth.values[channel_id], period_us // 10_000)


def check_analogs(got: Any, truth: Truth, schema: Schema, missing: float | None) -> None:
    for column, channel in enumerate(schema.channels):
        wanted = held(truth, channel.id, channel.period_us)
        values = np.asarray(got[column], np.float64)
        if missing is not None:  # a reader that scales the mark of a missing sample like any other
            scaled = (missing + channel.offset) * channel.scale
            values = np.where(np.isclose(values, scaled, rtol=1e-9), np.nan, values)
        assert np.array_equal(np.isnan(values), np.isnan(wanted))
        # Readers keep 32-bit floats: half a step and their rounding.
        tolerance = 0.5 * abs(channel.scale) + np.nanmax(np.abs(wanted)) * 1e-7
        assert np.nanmax(np.abs(values - wanted)) <= tolerance


@pytest.mark.parametrize("schema", [NARROW, WIDE])
@pytest.mark.parametrize("ending", ["cff", "cfg"])
def test_comtrade_by_the_reader_comtrade(schema: Schema, ending: str, tmp_path: Path) -> None:
    reader = judge("comtrade").Comtrade()
    truth = write_snapshot(tmp_path / "s.umg1", schema)
    files = comtrade.write_comtrade(open_log([tmp_path / "s.umg1"]), tmp_path / f"out.{ending}")
    assert {path.suffix for path in files} == ({".cff"} if ending == "cff" else {".cfg", ".dat", ".hdr"})
    reader.load(*[str(path) for path in files[:2]])
    assert reader.rev_year == "2013"
    assert reader.analog_channel_ids == [channel.name for channel in schema.channels]
    assert reader.status_channel_ids == ["TRIGGER", "F005", "F015"]
    assert reader.total_samples == 2000
    assert reader.trigger_time == pytest.approx(10.0, abs=1e-6)
    assert reader.start_timestamp.timestamp() - reader.trigger_timestamp.timestamp() == -10.0
    check_analogs(reader.analog, truth, schema, -(2**31) if schema is WIDE else None)
    states = np.asarray(reader.status)
    assert [int(np.argmax(state)) for state in states[:2]] == [1000, 1000]
    assert states[0].sum() == 1000
    assert states[1].sum() == 500
    assert states[2].tolist() == [1] * 500 + [0] * 1500  # cleared in the window: raised before it
    assert np.allclose(np.asarray(reader.time), np.arange(2000) / 100, atol=1e-6)


def test_comtrade_by_the_reader_comtrade_io(tmp_path: Path) -> None:
    judge("comtrade_io")
    files = judge("comtrade_io.parser.comtrade_file")
    truth = write_snapshot(tmp_path / "s.umg1")
    comtrade.write_comtrade(open_log([tmp_path / "s.umg1"]), tmp_path / "out.cfg")
    record = files.ComtradeFile.from_file(str(tmp_path / "out.cfg"))
    columns = record.data.to_numpy(float).T  # number, time in µs, analogue, status
    check_analogs(columns[2:5], truth, NARROW, -(2**15))
    assert np.array_equal(columns[0], np.arange(1, 2001))
    assert int(np.argmax(columns[5])) == 1000
    assert (record.fault_time - record.start_time).total_seconds() == 10.0


def strict(cff: bytes) -> dict[str, Any]:
    """Read a CFF by the letter of the standard, of which this project needs one analogue-only corner."""
    head, rest = cff.split(b"--- file type: CFG ---\r\n")
    assert head == b""
    cfg, rest = rest.split(b"--- file type: INF ---\r\n")
    _, rest = rest.split(b"--- file type: HDR ---\r\n")
    header, rest = rest.split(b"--- file type: DAT ", 1)
    kind, rest = rest.split(b": ", 1)
    size, data = rest.split(b" ---\r\n", 1)
    assert int(size) == len(data)
    lines = cfg.decode().split("\r\n")
    assert lines.pop() == ""
    station, device, year = lines[0].split(",")
    total, analog, digital = lines[1].split(",")
    a, d = int(analog.removesuffix("A")), int(digital.removesuffix("D"))
    assert int(total) == a + d
    channels = [line.split(",") for line in lines[2 : 2 + a]]
    assert all(len(channel) == 13 for channel in channels)
    assert all(len(line.split(",")) == 5 for line in lines[2 + a : 2 + a + d])
    frequency, rates, rate, start, trigger, form, multiplier, code, quality = lines[2 + a + d :]
    assert (frequency, rates, multiplier, code, form.encode()) == ("50", "1", "1", "0,0", kind)
    hz, last = rate.split(",")
    width = {"BINARY": 2, "BINARY32": 4}[form]
    layout = np.dtype(
        [("n", "<u4"), ("t", "<u4"), ("a", f"<i{width}", (a,)), ("d", "<u2", ((d + 15) // 16,))]
    )
    rows = np.frombuffer(data, layout)
    assert len(rows) == int(last)
    assert np.array_equal(rows["t"], np.arange(len(rows)) * round(1e6 / float(hz)))
    return {
        "station": station,
        "device": device,
        "year": year,
        "start": start,
        "trigger": trigger,
        "quality": quality,
        "rows": rows,
        "channels": channels,
        "header": header.decode(),
    }


@pytest.mark.parametrize(("schema", "missing"), [(NARROW, -(2**15)), (WIDE, -(2**31))])
def test_comtrade_by_the_letter(schema: Schema, missing: int, tmp_path: Path) -> None:
    truth = write_snapshot(tmp_path / "s.umg1", schema)
    (path,) = comtrade.write_comtrade(open_log([tmp_path / "s.umg1"]), tmp_path / "out.cff")
    record = strict(path.read_bytes())
    assert (record["station"], record["device"], record["year"]) == ("north", "house3-cafe0001", "2013")
    assert record["start"] == "09/10/2025,08:53:40.000000"
    assert record["trigger"] == "09/10/2025,08:53:50.000000"
    assert record["quality"] == "7,0"  # 0.9 ms
    assert record["header"].splitlines()[:3] == [
        "event: house3-17__with a line",
        "code: F005",
        "origin: house2",
    ]
    for column, channel in enumerate(schema.channels):
        a, b = map(float, record["channels"][column][5:7])
        counts = record["rows"]["a"][:, column]
        close(
            np.where(counts == missing, np.nan, a * counts + b),
            held(truth, channel.id, channel.period_us),
            a / 2,
        )


@pytest.mark.parametrize("late_us", [1, 4_999, 5_001, 9_999])
def test_the_trigger_between_two_samples(late_us: int, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "s.umg1", trigger_us=TRIGGER_US + late_us)
    record = comtrade.snapshot_record(open_log([tmp_path / "s.umg1"]))
    trigger = record.digitals[0].states
    first_us = 20_000_000 + 10_000  # the window begins behind the first sample
    assert (record.trigger - record.start).total_seconds() * 1e6 == TRIGGER_US + late_us - first_us
    at = int(np.argmax(trigger))
    assert first_us + (at - 1) * 10_000 < TRIGGER_US + late_us <= first_us + at * 10_000


def test_a_slow_channel_does_not_outlive_its_samples(tmp_path: Path) -> None:
    truth = write_snapshot(tmp_path / "s.umg1")
    record = comtrade.snapshot_record(open_log([tmp_path / "s.umg1"]))
    (cell,) = [analog for analog in record.analogs if analog.channel == CELL]
    assert np.array_equal(cell.valid, np.repeat(np.isfinite(truth.values[CELL.id]), 100))


def test_clock_qualities() -> None:
    codes = {
        0: "4",
        1: "4",
        400: "7",
        1000: "7",
        1001: "8",
        10_000: "8",
        20_000: "9",
        2_000_000: "B",
        10**8: "F",
    }
    assert {error: comtrade.time_quality(error) for error in codes} == codes
    assert comtrade.time_quality(None) == "F"


def strange(path: Path, *, period_us: int = 10_000, utc_us: int = UTC_US, codes: int = 0) -> Log:
    """A snapshot of 20 s that a node with other ideas could send; its frames are whole."""
    schema = Schema("house3", "north", (replace(FREQUENCY, period_us=period_us),))

    def frame(seq: int, kind: Kind, mono_us: int, payload: bytes, flags: int = 0, blocks: int = 0) -> Frame:
        return Frame(kind, seq, BOOT, schema.hash, mono_us, utc_us + mono_us, payload, flags, blocks)

    about = Snapshot("e", "F005", "house3", TRIGGER_US, 0, 10_000, 10_000, 0)
    frames = [
        frame(0, Kind.SCHEMA, 0, schema.payload),
        frame(1, Kind.SNAPSHOT, TRIGGER_US, about.encode()),
        frame(2, Kind.TIMESYNC, 20_000_000, Clock(0, 900, 2, 1).encode(), FLAG_CLOCK),
    ]
    for start_us in (20_000_000, 39_000_000):
        payload, flags, blocks = encode_samples(schema, Kind.FAST, 10, {1: (np.arange(10), None)})
        frames.append(frame(len(frames), Kind.FAST, start_us, payload, flags, blocks))
    for number in range(codes):
        event = Event(0, 1, 2, f"X{number}", f"e{number}")
        frames.append(frame(len(frames), Kind.EVENT, TRIGGER_US, event.encode()))
    path.write_bytes(b"".join(one.encode() for one in frames))
    return open_log([path])


@pytest.mark.parametrize("utc_us", [(1 << 60) - 60_000_000, -(1 << 60)])
def test_a_time_that_no_calendar_has_is_unknown(utc_us: int, tmp_path: Path) -> None:
    record = comtrade.snapshot_record(strange(tmp_path / "s.umg1", utc_us=utc_us))
    assert (record.quality, record.start.year) == ("F", 1970)
    assert "time: unknown" in record.header


def test_samples_that_are_too_fast_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="19000010 rows"):
        comtrade.snapshot_record(strange(tmp_path / "s.umg1", period_us=1))


def test_not_every_code_becomes_a_channel(tmp_path: Path) -> None:
    record = comtrade.snapshot_record(strange(tmp_path / "s.umg1", codes=500))
    assert record.digitals[0].name == "TRIGGER" and len(record.digitals) == 64


def test_no_snapshot_no_comtrade() -> None:
    with pytest.raises(ExportError, match="no snapshot"):
        comtrade.snapshot_record(open_log([FOLDER / "clock.umg1"]))


# ---------------------------------------------------------------- CAN


def same_traffic(messages: Any, frames: tuple[can.CanFrame, ...] = CAN_FRAMES) -> None:
    messages = list(messages)
    assert len(messages) == len(frames)
    for message, frame in zip(messages, frames, strict=True):
        assert message.arbitration_id == frame.identifier & 0x1FFFFFFF
        assert message.is_extended_id == bool(frame.identifier & can.EXTENDED)
        assert message.is_remote_frame == bool(frame.identifier & can.REMOTE)
        assert bytes(message.data) == frame.data
        assert message.timestamp == pytest.approx((UTC_US + frame.mono_us) / 1e6, abs=2e-6)


def test_candump(made: Made, tmp_path: Path) -> None:
    reader = judge("can")
    (path,) = write_candump(made[0], tmp_path / "bus.log")
    assert path.read_text().splitlines()[1] == "(1760000030.000500) can0 18FF0102#0102"
    with reader.LogReader(path) as messages:
        same_traffic(messages)


def test_blf(made: Made, tmp_path: Path) -> None:
    reader = judge("can")
    (path,) = write_blf(made[0], tmp_path / "bus.blf")
    with reader.LogReader(path) as messages:
        same_traffic(messages)


def test_error_frames(tmp_path: Path) -> None:
    reader = judge("can")
    log = open_log([FOLDER / "every-kind.umg1"])
    write_candump(log, tmp_path / "bus.log")
    write_blf(log, tmp_path / "bus.blf")
    for name in ("bus.log", "bus.blf"):
        with reader.LogReader(tmp_path / name) as messages:
            found = list(messages)
        assert len(found) == 9, name
        if name == "bus.blf":
            assert [message.is_error_frame for message in found].count(True) == 1
    assert (tmp_path / "bus.log").read_text().splitlines()[6].endswith("can0 20000004#0001020304050607")


def test_a_missing_package_is_named_with_its_remedy() -> None:
    assert importlib.util.find_spec("no_such_package") is None
    with pytest.raises(ExportError, match=r"Parquet needs the package no-such.*pip install no-such"):
        optional.require("no_such_package", "no-such", "Parquet")

"""Recordings: their format, what is not readable, real ones against the table, and playing them."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from microgrid_core.gx.errors import NotSupported, Unreachable
from microgrid_core.gx.recording import Event, Recording, load
from microgrid_core.gx.replay import ReplayStation
from microgrid_core.gx.table import Kind, table
from microgrid_core.gx.transport import LinkState
from microgrid_core.gx.value import Address, Reason
from tests.unit.core.gx.conftest import until

SERVICE = '{"service": "com.victronenergy.battery.ttyO1"}'
FOLDER = Path(os.environ.get("MICROGRID_RECORDINGS", "/nonexistent")) / "victron"
needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason="MICROGRID_RECORDINGS names no folder with victron/: real stations are not tried",
)
TEXT_UNIT = {
    "Ah": "Ah",
    "A": "A",
    "V": "V",
    "W": "W",
    "Hz": "Hz",
    "%": "%",
    "kWh": "kWh",
    "C": "°C",
    "RPM": "rpm",
}
_TEXT = re.compile(r"-?\d[\d.]*\s*(Ah|A|V|W|Hz|%|kWh|C|RPM)\Z")


def rows(*told: tuple[float, str, object]) -> list[str]:
    return [SERVICE, *(json.dumps({"t": t, "path": path, "value": value}) for t, path, value in told)]


def test_what_was_and_what_happened() -> None:
    recording = Recording()
    recording.add(
        rows(
            (0, "/DeviceInstance", 7),
            (0, "/Soc", 50.0),
            (0, "/Soc", 51.0),
            (9, "/Soc", None),
            (3, "/Soh", 99),
        )
    )
    soc, soh = Address("battery", 7, "/Soc"), Address("battery", 7, "/Soh")
    assert recording.initial == {Address("battery", 7, "/DeviceInstance"): 7, soc: 50.0}
    assert recording.events == [Event(0.0, soc, 51.0), Event(3.0, soh, 99), Event(9.0, soc, None)]
    assert recording.length_s == 9.0
    assert recording.names == {("battery", 7): "com.victronenergy.battery.ttyO1"}
    assert Recording().length_s == 0.0


def test_two_of_a_kind_never_share_an_instance() -> None:
    recording = Recording()
    for _ in range(2):
        recording.add(rows((0, "/DeviceInstance", 288), (0, "/Soc", 1)))
    assert set(recording.names) == {("battery", 288), ("battery", 289)}
    assert recording.initial[Address("battery", 289, "/DeviceInstance")] == 289


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], Reason.BAD_ANSWER),
        (["", "  "], Reason.BAD_ANSWER),
        (['{"service": "org.freedesktop.x"}'], Reason.BAD_TOPIC),
        (['{"service": 5}'], Reason.BAD_TOPIC),
        ([SERVICE, "{"], Reason.NOT_JSON),
        ([SERVICE, "5"], Reason.NOT_JSON),
        (rows((-1, "/Soc", 1)), Reason.BAD_VALUE),
        ([SERVICE, '{"t": "x", "path": "/Soc", "value": 1}'], Reason.BAD_VALUE),
        ([SERVICE, '{"t": true, "path": "/Soc", "value": 1}'], Reason.BAD_VALUE),
        ([SERVICE, '{"t": 0, "path": "Soc", "value": 1}'], Reason.BAD_VALUE),
        ([SERVICE, '{"t": 0, "path": "/Soc"}'], Reason.BAD_VALUE),
        ([SERVICE, '{"t": 0, "path": "/Soc", "value": NaN}'], Reason.BAD_VALUE),
    ],
)
def test_what_is_not_readable_is_counted(lines: list[str], reason: Reason) -> None:
    recording = Recording()
    recording.add(lines)
    assert recording.rejected == {reason: 1}
    assert not recording.initial


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_lines(lines: list[bytes]) -> None:
    recording = Recording()
    recording.add(lines)
    recording.add([SERVICE, *(line.decode(errors="replace") for line in lines)])


async def test_it_plays() -> None:
    recording = Recording()
    recording.add(rows((0, "/Soc", 50.0), (1, "/Soc", 49.0), (2, "/Soc", None)))
    station = ReplayStation(recording, speed=20.0, repeat=True)
    assert not station.writable
    seen: list[object] = []
    station.tree.subscribe(lambda change: seen.append(change.leaf.value))
    task = asyncio.create_task(station.run())
    await until(lambda: station.rounds >= 2, "played twice")
    assert seen[:5] == [50.0, 49.0, None, 50.0, 49.0]
    states = [station.state]
    address = Address("battery", 0, "/Soc")
    assert (await station.read(address)).value in (50.0, 49.0, None)
    with pytest.raises(Unreachable):
        await station.read(Address("battery", 0, "/Soh"))
    with pytest.raises(NotSupported):
        await station.write(address, 1)
    assert station.tree.devices["battery", 0].name == "com.victronenergy.battery.ttyO1"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [*states, station.state] == [LinkState.ONLINE, LinkState.STOPPED]


async def test_the_end_stays_and_lives() -> None:
    recording = Recording()
    recording.add(rows((0, "/Soc", 50.0)))
    station = ReplayStation(recording)
    task = asyncio.create_task(station.run())
    await until(lambda: station.rounds == 1, "played")
    silent_s = station.tree.silent_s()
    assert silent_s is not None
    assert silent_s < 2.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_speed_that_is_none() -> None:
    with pytest.raises(ValueError, match="no speed"):
        ReplayStation(Recording(), speed=0.0)


def recorded() -> Iterator[tuple[str, str, object, str | None]]:
    """Service, path, value and text of everything in the recordings."""
    for file in sorted(FOLDER.glob("*/*.jsonl")):
        lines = file.read_bytes().splitlines()
        service = json.loads(lines[0])["service"].split(".")[2]
        for line in lines[1:]:
            row = json.loads(line)
            yield service, row["path"], row["value"], row.get("text")


@needs_recordings
def test_units_of_real_stations() -> None:
    """The recorded texts carry the unit that Victron shows: ours must be that one."""
    compared, wrong = set(), set()
    for service, path, value, text in recorded():
        known = table().find(service, path)
        if known is None or not isinstance(text, str) or not isinstance(value, int | float):
            continue
        if (found := _TEXT.match(text)) is None or known.fact.kind is Kind.DURATION:
            continue
        compared.add((service, path))
        if known.fact.unit != TEXT_UNIT[found[1]]:
            wrong.add((service, path, text, known.fact.unit))
    assert len(compared) > 100
    assert not wrong


@needs_recordings
def test_numbers_of_real_stations_have_meanings() -> None:
    """Every number of an enumerated path means something, and every alarm is 0, 1 or 2."""
    compared, wrong = set(), set()
    for service, path, value, _ in recorded():
        known = table().find(service, path)
        if known is None or not known.fact.options or not isinstance(value, int | float):
            continue
        compared.add((service, path))
        if known.fact.kind not in (Kind.CODE, Kind.BITS) and known.fact.text(value) is None:
            wrong.add((service, path, value))
    assert len(compared) > 60
    assert not wrong


@needs_recordings
@pytest.mark.parametrize("name", ["p", "u"])
def test_real_stations_are_read_without_a_loss(name: str) -> None:
    recording = load((FOLDER / name).glob("*.jsonl"))
    assert not recording.rejected
    lines = sum(
        sum(1 for line in file.read_bytes().splitlines() if line.strip()) - 1
        for file in (FOLDER / name).glob("*.jsonl")
    )
    assert len(recording.initial) + len(recording.events) == lines


@needs_recordings
async def test_a_real_station_plays() -> None:
    recording = load((FOLDER / "p").glob("*.jsonl"))
    station = ReplayStation(recording, speed=2000.0)
    task = asyncio.create_task(station.run())
    await until(lambda: station.rounds == 1, "played")
    last: dict[Address, object] = {**recording.initial}
    for event in recording.events:
        last[event.address] = event.value
    for address, value in last.items():
        leaf = station.tree.leaf(address)
        assert leaf is not None
        assert leaf.value == value, address
    assert not station.tree.rejected
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

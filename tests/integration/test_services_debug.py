"""The actions microgrid.debug_…: nodes log over MQTT, a real archive and a real fault store answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import voluptuous as vol
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import service
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.microgrid import sensor_hours, services_debug
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.archive.errors import ArchiveUnavailable
from custom_components.microgrid.core.archive.faults.records import Member, Pull, RecordedFault, Stage
from custom_components.microgrid.core.archive.faults.store import FaultStore
from custom_components.microgrid.core.contract.snapshot import SnapshotPart, SnapshotState
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import (
    EVENT_STATES,
    EVENT_TYPES,
    Clock,
    Event,
    Snapshot,
)
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from tests.unit.core.archive.logs import DAY_US, SECOND_US, Node
from tests.unit.core.diagnosis.debugging.clusters import Cluster
from tests.unit.core.diagnosis.debugging.test_cells import synthetic

from . import hassfest
from .voices import Voice

GATEWAY, HOUSE = "gateway-1", "house-01"
TRANSLATIONS = Path(services_debug.__file__).parent / "translations"
HOUR_S = 3600
CLOCK = Clock(0, 500, 3, 1)
"""The node knows the time: its samples are dated by it."""
NAMES = ("debug_inverter_trip", "debug_disconnection", "debug_cell_imbalance", "debug_power_sharing")


async def ask(hass: HomeAssistant, name: str, **data: Any) -> dict[str, Any]:
    """Call an action and return its response, which has to be what JSON can say."""
    answer = await hass.services.async_call(
        DOMAIN, f"debug_{name}", data, blocking=True, return_response=True
    )
    assert isinstance(answer, dict)
    json.dumps(answer, allow_nan=False)
    for field in ("summary", "verdict", "steps", "evidence"):
        assert answer[field] is not None
    found: dict[str, Any] = answer
    for fact in found["evidence"]:
        assert {"id", "meaning", "value", "unit"} <= fact.keys()
    return found


async def refused(hass: HomeAssistant, name: str, **data: Any) -> tuple[str, str]:
    """Call an action that refuses; return the key of its text and the text, which every language has."""
    with pytest.raises(ServiceValidationError) as caught:
        await ask(hass, name, **data)
    key = str(caught.value.translation_key)
    texts = {}
    for language in hassfest.LANGUAGES:
        stored = json.loads((TRANSLATIONS / f"{language}.json").read_text())["exceptions"]
        texts[language] = stored[key]["message"].format(**(caught.value.translation_placeholders or {}))
    assert len(set(texts.values())) == len(texts)
    return key, texts["en"]


def archive_of(entry: MockConfigEntry) -> Archive:
    """The open archive of the entry."""
    archive: Archive | None = entry.runtime_data.historian.archive
    assert archive is not None
    return archive


def store_of(entry: MockConfigEntry) -> FaultStore:
    """The open fault store of the entry."""
    store: FaultStore | None = entry.runtime_data.faults.store
    assert store is not None
    return store


def integers(channel: Channel, values: Any) -> Any:
    """Values as the log has them."""
    return np.round(np.asarray(values) / channel.scale).astype(np.int64) - channel.offset


def slow_frames(node: Node, series: dict[str, Any], every_s: int) -> Iterable[Frame]:
    """Frames of an hour each: a value every so many seconds."""
    channels = {channel.name: channel for channel in node.schema.channels}
    per_frame = HOUR_S // every_s
    count = len(next(iter(series.values())))
    for first in range(0, count, per_frame):
        block = {
            channels[name].id: (integers(channels[name], values[first : first + per_frame]), None)
            for name, values in series.items()
        }
        size = min(per_frame, count - first)
        payload, flags, blocks = encode_samples(node.schema, Kind.SLOW, size * every_s * 1000, block, CLOCK)
        yield node.frame(Kind.SLOW, payload, flags, blocks)
        node.mono_us += size * every_s * SECOND_US


def encoded(frames: Iterable[Frame]) -> list[bytes]:
    """Frames as nodes send them."""
    return [frame.encode() for frame in frames]


def started(days: float) -> int:
    """UTC in µs so many days ago, at a full hour."""
    return (time.time_ns() // 1000 - round(days * DAY_US)) // (HOUR_S * SECOND_US) * HOUR_S * SECOND_US


# ------------------------------------------------------------------------------------------------------ cells


@pytest.fixture
async def battery(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Thirty days of a house whose fifth cell falls behind by 0.9 mV a day."""
    rows = synthetic(np.random.default_rng(3), 0.9, 30)
    every_s = 600
    names = [f"cell_voltage_{number}" for number in range(1, 17)]
    schema = Schema(
        HOUSE,
        "north",
        (
            *(
                Channel(n, name, "V", every_s * SECOND_US, exponent=-4, width=4)
                for n, name in enumerate(names, 1)
            ),
            Channel(20, "battery_current", "A", every_s * SECOND_US, exponent=-2),
            Channel(21, "state_of_charge", "%", every_s * SECOND_US, exponent=-1),
            Channel(22, "dc_bus_voltage", "V", every_s * SECOND_US, exponent=-3, width=4),
        ),
    )
    node = Node(utc_us=started(30.2), schema=schema)
    times = HOUR_S // every_s

    def often(values: Any) -> Any:
        return np.repeat(values, times)

    series = {name: often(rows.cells_v[number]) for number, name in enumerate(names)}
    series |= {
        "battery_current": often(rows.current_a),
        "state_of_charge": often(rows.state_of_charge),
        "dc_bus_voltage": often(rows.bus_v),
    }

    def write() -> None:
        archive = archive_of(entry)
        archive.append(HOUSE, encoded([*node.start(), *slow_frames(node, series, every_s)]))

    await Voice(hass, HOUSE, "house", "House 1").greet()
    await hass.async_add_executor_job(write)


@pytest.mark.usefixtures("battery")
async def test_the_drifting_cell_is_named_with_a_date(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    answer = await ask(hass, "cell_imbalance", node=HOUSE)
    assert (answer["verdict"], answer["cell"], answer["cause"]) == ("charge", 5, "F015.balancer")
    assert answer["confirmed"] is True
    assert answer["failure"]["code"] == "F015"
    assert (
        answer["failure"]["earliest_utc"] < answer["failure"]["likely_utc"] < answer["failure"]["latest_utc"]
    )
    drift = next(fact for fact in answer["evidence"] if fact["id"] == "drift")
    assert drift["low"] <= 7 * -0.9 <= drift["high"]
    assert drift["unit"] == "mV/week"
    # while the archive is being backed up it answers from what was summed up before
    await entry.runtime_data.historian.hold()
    try:
        held = await ask(hass, "cell_imbalance", node=HOUSE)
    finally:
        entry.runtime_data.historian.release()
    assert held["cell"] == 5


@pytest.mark.usefixtures("battery")
async def test_a_range_that_is_too_short_or_wrong_is_told(hass: HomeAssistant) -> None:
    now = datetime.now(UTC)
    few = await ask(hass, "cell_imbalance", node=HOUSE, start=(now - timedelta(days=6)).isoformat())
    assert few["verdict"] == "not_enough_data"
    assert "10 are needed" in few["summary"]
    assert (await refused(hass, "cell_imbalance", node=HOUSE, start="2020-01-01 00:00:00"))[0] == "no_answer"
    _, text = await refused(
        hass, "cell_imbalance", node=HOUSE, start="2026-01-02 00:00:00", end="2026-01-01 00:00:00"
    )
    assert "its end is not after its start" in text
    assert (await refused(hass, "cell_imbalance", node="house-77"))[0] == "unknown_node"


# ---------------------------------------------------------------------------------------------------- sharing


@pytest.fixture
async def cluster(hass: HomeAssistant, entry: MockConfigEntry) -> Cluster:
    """Three days of three houses behind a gateway; the second stands 100 mHz higher."""
    made = Cluster(houses=3, days=3, seed=5)
    made.no_load_hz[1] += 0.1
    history = made.live()
    schemas = [
        Schema(
            house.node,
            "north",
            (
                Channel(1, "inverter_frequency", "Hz", 60 * SECOND_US, exponent=-4, offset=500_000, width=4),
                Channel(2, "inverter_power", "W", 60 * SECOND_US, exponent=-1, width=4),
                Channel(3, "state_of_charge", "%", 60 * SECOND_US, exponent=-1),
            ),
        )
        for house in history.houses
    ]

    def write() -> None:
        archive = archive_of(entry)
        for house, schema in zip(history.houses, schemas, strict=True):
            node = Node(utc_us=started(3.1), schema=schema)
            series = {
                "inverter_frequency": house.frequency_hz,
                "inverter_power": house.power_w,
                "state_of_charge": house.state_of_charge,
            }
            archive.append(house.node, encoded([*node.start(), *slow_frames(node, series, 60)]))

    await hass.async_add_executor_job(write)
    return made


@pytest.mark.usefixtures("cluster")
async def test_the_house_that_is_off_is_named(hass: HomeAssistant) -> None:
    answer = await ask(hass, "power_sharing", node=HOUSE)
    assert (answer["verdict"], answer["culprits"]) == ("droop_mismatch", ["house-02"])
    off = next(row for row in answer["houses"] if row["node"] == "house-02")
    assert off["offset_off_hz"] == pytest.approx(0.1, abs=0.02)
    assert off["extra_w"] > 200.0
    assert {"droop_gain", "no_load_frequency"} <= {fact["id"] for fact in answer["evidence"]}
    key, text = await refused(hass, "power_sharing", node=HOUSE, weather=["sensor.nothing"])
    assert key == "no_statistics"
    assert "sensor.nothing" in text


@pytest.mark.usefixtures("recorder_mock", "cluster")
async def test_weather_is_compared(hass: HomeAssistant) -> None:
    """Hours of a sensor's statistics are one of the things that uneven sharing may go with."""
    begin = datetime.now(UTC) - timedelta(days=3)
    rows = [
        {"start": (begin + timedelta(hours=hour)).timestamp(), "mean": float(hour % 7)} for hour in range(72)
    ]
    with patch.object(sensor_hours, "statistics_during_period", return_value={"sensor.wind": rows}) as asked:
        answer = await ask(hass, "power_sharing", node=HOUSE, weather="sensor.wind")
    assert asked.call_args.args[3] == {"sensor.wind"}
    assert "sensor.wind" in answer["looked_at"]


# ---------------------------------------------------------------------------------------------- disconnection

FAST = SECOND_US // 10


@pytest.fixture
async def opened(hass: HomeAssistant, entry: MockConfigEntry) -> Node:
    """A gateway that opened because the swarm's frequency fell to 46.5 Hz, and then once on command."""
    schema = Schema(
        GATEWAY,
        "north",
        (
            Channel(1, "cluster_frequency", "Hz", FAST, exponent=-3, offset=50_000, fast=True),
            Channel(2, "swarm_frequency", "Hz", FAST, exponent=-3, offset=50_000, fast=True),
            Channel(3, "cluster_voltage", "V", SECOND_US, exponent=-1),
            Channel(4, "swarm_voltage", "V", SECOND_US, exponent=-1),
            Channel(5, "power_flow", "W", SECOND_US),
        ),
    )
    node = Node(utc_us=started(0.1), schema=schema)
    frames = list(node.start())
    for minute in range(3):
        for part in range(6):
            swarm = np.full(100, 49.9)
            if (minute, part) == (1, 5):
                swarm[-4:] = 46.5  # the last four tenths before the opening
            fast = {
                1: (integers(schema.by_id[1], np.full(100, 49.9)), None),
                2: (integers(schema.by_id[2], swarm), None),
            }
            payload, flags, blocks = encode_samples(schema, Kind.FAST, 10_000, fast)
            frames.append(node.frame(Kind.FAST, payload, flags, blocks))
            node.mono_us += 10 * SECOND_US
        slow = {number: (integers(schema.by_id[number], np.full(60, 230.0)), None) for number in (3, 4, 5)}
        payload, flags, blocks = encode_samples(schema, Kind.SLOW, 60_000, slow, CLOCK)
        frames.append(node.frame(Kind.SLOW, payload, flags, blocks, node.mono_us - 60 * SECOND_US))
        if minute in (1, 2):
            code, severity = "CONTACTOR_OPENED", 1 if minute == 1 else 0
            values = ((2, -3500),) if minute == 1 else ()
            event = Event(
                EVENT_TYPES.index("contactor"),
                EVENT_STATES.index("moment"),
                severity,
                code,
                f"g:{minute}",
                values,
            )
            frames.append(node.frame(Kind.EVENT, event.encode()))
    await Voice(hass, GATEWAY, "gateway", "Gateway").greet()
    await hass.async_add_executor_job(archive_of(entry).append, GATEWAY, encoded(frames))
    return node


async def test_an_opening_is_judged(hass: HomeAssistant, opened: Node) -> None:
    answer = await ask(hass, "disconnection", node=GATEWAY, event_id="g:1")
    assert (answer["verdict"], answer["moment"], answer["reason"]) == ("right", "opened", "swarm_frequency")
    assert answer["source"] == "log"
    assert "46.5 Hz, below 47.5 Hz" in answer["summary"]
    newest = await ask(hass, "disconnection", node=GATEWAY)
    assert (newest["event_id"], newest["moment"]) == ("g:2", "commanded")
    at = datetime.fromisoformat(answer["utc"]) + timedelta(seconds=5)
    assert (await ask(hass, "disconnection", node=GATEWAY, at=at.isoformat()))["event_id"] == "g:1"
    other = await ask(
        hass,
        "disconnection",
        node=GATEWAY,
        event_id="g:1",
        limits={"under_frequency": 47.5, "opening_delay": 5},
    )
    assert other["verdict"] == "too_early"


@pytest.mark.usefixtures("opened")
async def test_what_a_gateway_did_not_do_is_told(hass: HomeAssistant) -> None:
    assert "no opening" in (await refused(hass, "disconnection", node=GATEWAY, event_id="g:9"))[1]
    assert (
        "within an hour" in (await refused(hass, "disconnection", node=GATEWAY, at="2024-01-01 00:00:00"))[1]
    )
    limits = {"under_voltage": 230, "over_voltage": 230}
    assert "is not below" in (await refused(hass, "disconnection", node=GATEWAY, limits=limits))[1]


@pytest.mark.usefixtures("battery")
async def test_a_house_is_no_gateway(hass: HomeAssistant) -> None:
    assert "is no gateway" in (await refused(hass, "disconnection", node=HOUSE))[1]


# ---------------------------------------------------------------------------------------------- inverter trip

EVENT_ID = "north.1:5f2a10c4:17"
TRIGGER_US = 20 * SECOND_US


def recorded(entry: MockConfigEntry, code: str = "F001", event_id: str = EVENT_ID) -> None:
    """A fault with the recording of its house: 45 A for 30 ms."""
    at_us = started(0.5)
    fault = RecordedFault(
        event_id,
        HOUSE,
        code,
        "critical",
        at_us + TRIGGER_US,
        at_us + TRIGGER_US,
        stage=Stage.TOLD,
        pull=Pull.COMPLETE,
    )
    assert store_of(entry).record(fault, (Member(HOUSE, "house"), Member(GATEWAY, "gateway")))
    schema = Schema(
        HOUSE,
        "north",
        (
            Channel(1, "inverter_current", "A", SECOND_US // 100, exponent=-2, fast=True),
            Channel(2, "inverter_power", "W", SECOND_US // 100, fast=True),
        ),
    )
    node = Node(utc_us=at_us, schema=schema)
    first, *_ = node.start()
    about = Snapshot(event_id, code, HOUSE, TRIGGER_US, at_us + TRIGGER_US, 10_000, 10_000, 0)
    frames = [first, node.frame(Kind.SNAPSHOT, about.encode())]
    t = np.arange(3000) * 10_000
    current = np.where((t >= TRIGGER_US - 25_000) & (t <= TRIGGER_US), 45.0, 4.0)
    for begin in range(0, 3000, 1000):
        part = current[begin : begin + 1000]
        series = {
            1: (integers(schema.by_id[1], part), None),
            2: (integers(schema.by_id[2], 230.0 * part), None),
        }
        payload, flags, blocks = encode_samples(schema, Kind.FAST, 10_000, series)
        frames.append(node.frame(Kind.FAST, payload, flags, blocks))
        node.mono_us += 10 * SECOND_US
    data = b"".join(frame.encode() for frame in frames)
    store_of(entry).store_part(event_id, HOUSE, SnapshotPart.MEASURED, SnapshotState.COMPLETE, data)


async def test_a_trip_is_explained_and_its_protection_judged(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    await Voice(hass, HOUSE, "house", "House 1").greet()
    await hass.async_add_executor_job(recorded, entry)
    answer = await ask(hass, "inverter_trip", event_id=EVENT_ID)
    assert (answer["node"], answer["code"], answer["verdict"]) == (HOUSE, "F001", "right")
    assert answer["protection"]["measured"] == pytest.approx(45.0, abs=0.1)
    assert answer["protection"]["limit"] == 39.15
    assert answer["missing"] == [GATEWAY]
    assert "tripped with F001" in answer["summary"]
    assert {"limit_measured", "limit_passed_for"} <= {fact["id"] for fact in answer["evidence"]}
    # an analysis that is stored is the one that counts; and the newest trip of the house is this one
    await hass.services.async_call(
        DOMAIN, "analyze_fault", {"event_id": EVENT_ID}, blocking=True, return_response=True
    )
    assert (await ask(hass, "inverter_trip", node=HOUSE))["cause"] == answer["cause"]


async def test_what_is_no_trip_is_told(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await Voice(hass, HOUSE, "house", "House 1").greet()
    assert (await refused(hass, "inverter_trip", node=HOUSE))[0] == "no_trip"
    assert (await refused(hass, "inverter_trip", event_id="nobody:1:1"))[0] == "unknown_fault"
    await hass.async_add_executor_job(recorded, entry, "F031", "north.1:5f2a10c4:18")
    assert (await refused(hass, "inverter_trip", event_id="north.1:5f2a10c4:18"))[0] == "no_trip_code"


# -------------------------------------------------------------------------------------------------- in common


async def test_what_is_closed_is_told(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await Voice(hass, HOUSE, "house", "House 1").greet()
    historian, faults = entry.runtime_data.historian, entry.runtime_data.faults
    with patch.object(type(faults), "store", None), pytest.raises(HomeAssistantError) as caught:
        await ask(hass, "inverter_trip", event_id=EVENT_ID)
    assert caught.value.translation_key == "faults_closed"
    archive, historian.archive = historian.archive, None
    try:
        with pytest.raises(HomeAssistantError) as caught:
            await ask(hass, "cell_imbalance", node=HOUSE)
    finally:
        historian.archive = archive
    assert caught.value.translation_key == "archive_closed"
    with (
        patch.object(services_debug.debug, "cells", side_effect=ArchiveUnavailable("disk full")),
        pytest.raises(HomeAssistantError) as caught,
    ):
        await ask(hass, "cell_imbalance", node=HOUSE)
    assert caught.value.translation_placeholders == {"reason": "disk full"}


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (services_debug.TRIP_SCHEMA, {}),
        (services_debug.TRIP_SCHEMA, {"event_id": "a", "node": "b"}),
        (services_debug.DISCONNECTION_SCHEMA, {"node": "g", "at": "2026-01-01", "event_id": "a"}),
        (services_debug.DISCONNECTION_SCHEMA, {"node": "g", "limits": {"under_frequency": "low"}}),
        (services_debug.DISCONNECTION_SCHEMA, {"node": "g", "limits": {"jump": 1}}),
        (services_debug.CELL_SCHEMA, {"node": "g", "device_id": "d"}),
        (services_debug.CELL_SCHEMA, {"node": "g", "start": "yesterday"}),
        (services_debug.SHARING_SCHEMA, {"node": "g", "weather": "no entity"}),
        (services_debug.SHARING_SCHEMA, {"node": "g", "weather": [f"sensor.s{n}" for n in range(9)]}),
    ],
)
def test_nonsense_is_refused(schema: Any, data: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        schema(data)


async def test_the_actions_are_described_as_they_are(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    described = (await service.async_get_all_descriptions(hass))[DOMAIN]
    schemas = (
        services_debug.TRIP_SCHEMA,
        services_debug.DISCONNECTION_SCHEMA,
        services_debug.CELL_SCHEMA,
        services_debug.SHARING_SCHEMA,
    )
    for name, schema in zip(NAMES, schemas, strict=True):
        assert set(described[name]["fields"]) == {str(key) for key in schema.validators[0].schema}
        assert described[name]["response"] == {"optional": False}

"""The blueprints, run by Home Assistant: nodes speak over MQTT, and a phone keeps what it is told."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA, async_validate_config_item
from homeassistant.components.blueprint.models import Blueprint, BlueprintInputs
from homeassistant.const import CONTENT_TYPE_JSON
from homeassistant.core import CoreState, HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util, yaml as yaml_util
from homeassistant.util.json import JsonObjectType, JsonValueType
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
from pytest_homeassistant_custom_component.test_util.aiohttp import (
    AiohttpClientMocker,
    AiohttpClientMockResponse,
)

from custom_components.microgrid.core.contract.messages import NodeEvent, parse_event
from custom_components.microgrid.core.contract.reading import format_time
from custom_components.microgrid.fault_desk import EVENT_ANALYZED
from custom_components.microgrid.log_events import LogEvents
from custom_components.microgrid.services_faults import ANNOTATE_SCHEMA, FAULT_SCHEMA, LIST_SCHEMA

from .test_schedules import until
from .voices import Voice

BLUEPRINTS = Path(__file__).parents[2] / "blueprints" / "automation" / "microgrid"
FILES = sorted(BLUEPRINTS.glob("*.yaml"))
NORTH = "North Frequency"
PUSH = "https://push.invalid/send"
ANSWER = {"rateLimits": {"successful": 1, "maximum": 150, "errors": 0, "resetsAt": "2030-01-01T00:00:00Z"}}


class Phone:
    """What Home Assistant's mobile app would have shown, as it goes to the push service."""

    def __init__(self, device_id: str, wire: AiohttpClientMocker) -> None:
        """Listen."""
        self.device_id = device_id
        self._wire = wire

    @property
    def shown(self) -> list[dict[str, Any]]:
        """All notifications, the newest last."""
        return [call[2] for call in self._wire.mock_calls if str(call[1]) == PUSH]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Title and message of each."""
        return [(one["title"], one["message"]) for one in self.shown]

    def delay(self, until: asyncio.Event) -> None:
        """Have the push service answer only then."""

        async def answer(method: str, url: Any, data: Any) -> AiohttpClientMockResponse:
            await until.wait()
            return AiohttpClientMockResponse(method, url, status=201, json=ANSWER)

        self._wire.clear_requests()
        self._wire.post(PUSH, side_effect=answer)


@pytest.fixture
async def phone(hass: HomeAssistant, aioclient_mock: AiohttpClientMocker) -> Phone:
    """A registered phone of the operator."""
    aioclient_mock.post(PUSH, status=201, headers={"Content-Type": CONTENT_TYPE_JSON}, json=ANSWER)
    await async_setup_component(hass, "mobile_app", {})
    registration = MockConfigEntry(
        domain="mobile_app",
        data={
            "app_data": {"push_token": "token", "push_url": PUSH},
            "app_id": "io.example.app",
            "app_name": "App",
            "app_version": "1.0",
            "device_id": "phone-1",
            "device_name": "Operator's Phone",
            "manufacturer": "Example",
            "model": "One",
            "os_name": "Linux",
            "os_version": "1.0",
            "secret": None,
            "supports_encryption": False,
            "user_id": "operator",
            "webhook_id": "webhook-1",
        },
    )
    registration.add_to_hass(hass)
    assert await hass.config_entries.async_setup(registration.entry_id)
    await hass.async_block_till_done()
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), registration.entry_id)
    return Phone(device.id, aioclient_mock)


@pytest.fixture
def spoken(hass: HomeAssistant, request: pytest.FixtureRequest) -> str:
    """The language of the instance, before anything is set up."""
    hass.config.language = str(request.param)
    return hass.config.language


type Clock = FrozenDateTimeFactory
type Automate = Callable[..., Awaitable[None]]


@pytest.fixture
async def automate(hass: HomeAssistant) -> AsyncIterator[Automate]:
    """Make an automation of a blueprint, as a person does in the UI."""

    async def make(name: str, **inputs: Any) -> None:
        target = Path(hass.config.path("blueprints/automation/microgrid"))

        def copy() -> None:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(BLUEPRINTS / f"{name}.yaml", target)

        await hass.async_add_executor_job(copy)
        use = {"path": f"microgrid/{name}.yaml", "input": inputs}
        config = {"automation": {"id": name, "alias": name, "use_blueprint": use}}
        assert await async_setup_component(hass, "automation", config)
        await hass.async_block_till_done()
        assert hass.states.get(f"automation.{name}").state == "on"  # type: ignore[union-attr]  # or it is not there

    yield make
    await hass.services.async_call("automation", "turn_off", {"entity_id": "all"}, blocking=True)


def entity(hass: HomeAssistant, platform: str, node: str, key: str) -> str:
    """Return the entity id of a node's entity."""
    found = [
        one.entity_id
        for one in er.async_get(hass).entities.values()
        if one.platform == "microgrid" and one.domain == platform and one.unique_id.endswith(f"/{node}/{key}")
    ]
    assert len(found) == 1, (found, [one.unique_id for one in er.async_get(hass).entities.values()])
    return found[0]


async def settle() -> None:
    """Let everything happen that needs no time; async_block_till_done() waits for automations that wait."""
    for _ in range(100):
        await asyncio.sleep(0)


async def pass_time(hass: HomeAssistant, clock: Clock, **delta: float) -> None:
    """Let time go by, after all that happened has been seen."""
    await settle()
    clock.tick(timedelta(**delta))
    async_fire_time_changed(hass)
    await settle()


def logged(event_id: str, state: str, code: str = "F001", **ago: float) -> NodeEvent:
    """An event as it comes with the log."""
    time = format_time(dt_util.utcnow() - timedelta(**ago))
    told = {"event_id": event_id, "type": "fault", "state": state, "code": code, "severity": "critical"}
    event = parse_event(json.dumps({**told, "boot_id": 1, "seq": 1, "time": time}).encode(), dt_util.utcnow())
    assert isinstance(event, NodeEvent)
    return event


# ---- all of them ------------------------------------------------


def inputs_of(blueprint: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the inputs, those in sections too."""
    flat = dict[str, dict[str, Any]]()
    for name, given in blueprint["input"].items():
        flat.update(given.get("input", {name: given}))
    return flat


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_valid_and_described(hass: HomeAssistant, path: Path) -> None:
    """Home Assistant takes it, every input has a selector, and no name is without one."""
    assert await async_setup_component(hass, "automation", {})
    data = await hass.async_add_executor_job(yaml_util.load_yaml_dict, str(path))
    blueprint = Blueprint(
        data, expected_domain="automation", path=path.name, schema=AUTOMATION_BLUEPRINT_SCHEMA
    )
    assert blueprint.validate() is None
    assert blueprint.name.startswith("Microgrid: ")
    assert len(blueprint.metadata["description"]) > 60
    wanted = inputs_of(blueprint.metadata)
    assert all(given["name"] and given["selector"] for given in wanted.values())
    stand_ins: dict[str, Any] = {
        name: ["0123"] if name == "phones" else "sensor.any"
        for name, given in wanted.items()
        if "default" not in given
    }
    use = BlueprintInputs(blueprint, {"use_blueprint": {"path": path.name, "input": stand_ins}})
    use.validate()
    config = await async_validate_config_item(
        hass, "test", {**use.async_substitute(), "alias": "x", "id": "x"}
    )
    assert config is not None
    assert config.validation_status == "ok", config.validation_error
    used = set(re.findall(r"!input (\w+)", await hass.async_add_executor_job(path.read_text)))
    assert used == set(wanted), "an input that nothing uses, or one that is not asked for"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_listed_and_found_again(path: Path) -> None:
    """The page of the blueprints imports it, and Home Assistant can import it anew."""
    address = re.search(r"^  source_url: (\S+)$", path.read_text(), re.MULTILINE)
    assert address and address[1].endswith(f"/{path.relative_to(BLUEPRINTS.parents[2])}")
    page = (BLUEPRINTS.parents[2] / "docs" / "blueprints.md").read_text()
    assert f"blueprint_url={quote(address[1], safe='')})" in page
    assert f"](../{path.relative_to(BLUEPRINTS.parents[2])})" in page


# ---- each of them -----------------------------------------------


async def test_node_offline(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
) -> None:
    gateway = Voice(hass, "north", "gateway", "North")
    house = Voice(hass, "house-1", "house", "House 1", parent="north")
    neighbour = Voice(hass, "house-2", "house", "House 2", parent="north")
    for node in (gateway, house, neighbour):
        await node.greet()
    nodes = [entity(hass, "binary_sensor", node, "online") for node in ("house-1", "north", "house-2")]
    await automate("node_offline", nodes=nodes, gateways=[nodes[1]], phones=[phone.device_id])

    await house.state("offline")
    await pass_time(hass, freezer, minutes=5)
    await house.state("online")
    await pass_time(hass, freezer, minutes=11)
    assert phone.shown == [], "it was away for a short time only"

    await house.state("offline")
    await pass_time(hass, freezer, minutes=11)
    assert phone.texts[-1][0] == "House 1 is offline"
    assert "Not heard of since" in phone.texts[-1][1]
    house.send("state", "online")
    await settle()
    assert phone.texts[-1][0] == "House 1 is online again"
    assert phone.texts[-1][1].startswith("Back after 11 minutes")
    assert len({one["data"]["tag"] for one in phone.shown}) == 1, "the second message replaces the first"

    house.send("state", "offline")
    await pass_time(hass, freezer, minutes=11)
    assert phone.texts[-1][0] == "House 1 is offline"
    for node in (gateway, neighbour):
        node.send("state", "offline")
    await pass_time(hass, freezer, minutes=11)
    assert [title for title, _ in phone.texts[3:]] == ["North is offline"]
    gateway.send("state", "online")
    await pass_time(hass, freezer, minutes=1)
    for node in (neighbour, house):
        node.send("state", "online")
    await settle()
    assert [title for title, _ in phone.texts[4:]] == ["North is online again", "House 1 is online again"]


async def test_critical_fault_escalation(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
) -> None:
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet()
    await automate(
        "critical_fault_escalation",
        faults=[entity(hass, "event", "house-1", "fault")],
        phones=[phone.device_id],
        second_phones=[phone.device_id],
    )
    house.event("fault", "F030", "raised", "warning")
    await settle()
    assert phone.shown == []

    house.event("fault", "F001", "raised", "critical", event_id="one")
    await settle()
    assert phone.texts == [("House 1: Inverter overcurrent (F001)", phone.texts[0][1])]
    assert "restart the inverter" in phone.texts[0][1]
    assert phone.shown[0]["data"]["push"]["sound"]["critical"] == 1
    for rung in (2, 4, 6):  # the second circle from the third time on
        await pass_time(hass, freezer, minutes=5, seconds=1)
        assert len(phone.shown) == rung
    hass.bus.async_fire("mobile_app_notification_action", {"action": "MICROGRID_ACKNOWLEDGE_another"})
    await settle()
    assert len(phone.shown) == 6
    (button,) = phone.shown[0]["data"]["actions"]
    hass.bus.async_fire("mobile_app_notification_action", {"action": button["action"]})
    await settle()
    assert phone.texts[-1][1] == "Somebody takes care of it."
    told = len(phone.shown)
    await pass_time(hass, freezer, hours=1)
    assert len(phone.shown) == told

    house.event("fault", "F001", "raised", "critical", event_id="two")
    await pass_time(hass, freezer, seconds=1)
    house.event("fault", "F001", "cleared", "critical")
    await settle()
    assert phone.texts[-1][1] == "The fault is gone."


async def test_escalation_of_what_is_over(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
) -> None:
    """No bell rings for a fault of the log that is over, nor on for one whose end nobody told."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet()
    await house.live(faults=[])
    await automate(
        "critical_fault_escalation",
        faults=[entity(hass, "event", "house-1", "fault")],
        phones=[phone.device_id],
    )
    log = LogEvents(entry.runtime_data.swarm)

    async def live(*faults: str) -> None:
        house.seq += 1
        house.send("live", json.dumps({"boot_id": 1, "seq": house.seq, "values": {}, "faults": faults}))
        await settle()

    log.take("house-1", [logged("a", "raised", hours=8), logged("b", "cleared", hours=7)], dt_util.utcnow())
    await pass_time(hass, freezer, seconds=11)
    await pass_time(hass, freezer, minutes=6)
    assert phone.shown == [], "it is long over"

    log.take("house-1", [logged("c", "raised", minutes=9)], dt_util.utcnow())
    await live("F001")
    assert len(phone.shown) == 1, "it lasts"
    assert "Happened at" in phone.texts[0][1]
    await live()
    await live("F001")  # a message overtook another
    await pass_time(hass, freezer, minutes=5, seconds=1)
    assert len(phone.shown) == 2
    await live()
    await pass_time(hass, freezer, minutes=5, seconds=1)
    assert phone.texts[-1][1] == "The fault is gone."
    assert len(phone.shown) == 3


@pytest.mark.parametrize("before", ["nobody answered", "acknowledged", "gone"])
async def test_escalation_goes_on_after_a_restart(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
    before: str,
) -> None:
    """What was critical when Home Assistant went down rings again, if it lasts and nobody acknowledged it."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet()
    await house.live(faults=[])
    house.event("fault", "F001", "raised", "critical", event_id="one")
    await settle()
    desk = entry.runtime_data.faults
    while await desk.details("one") is None:
        await hass.async_add_executor_job(time.sleep, 0.005)
    if before == "acknowledged":
        await hass.services.async_call(
            "microgrid", "annotate_fault", {"event_id": "one", "note": "acknowledged"}, blocking=True
        )
    await house.live(faults=[])
    hass.set_state(CoreState.not_running)
    faults = [entity(hass, "event", "house-1", "fault")]
    await automate("critical_fault_escalation", faults=faults, phones=[phone.device_id])
    hass.bus.async_fire("microgrid_ring_again", {"automation": "automation.another", "entity_id": faults[0]})
    await hass.async_start()
    await settle()
    await pass_time(hass, freezer, minutes=3)
    assert phone.shown == [], "the node was not heard of yet"
    live = {"boot_id": 1, "seq": house.seq + 1, "values": {}, "faults": [] if before == "gone" else ["F001"]}
    house.send("live", json.dumps(live))
    await pass_time(hass, freezer, seconds=1)
    if before != "nobody answered":
        await hass.async_add_executor_job(time.sleep, 0.3)
        await pass_time(hass, freezer, hours=1)
        assert phone.shown == []
        return
    await until(hass, lambda: len(phone.shown) == 1)
    (button,) = phone.shown[0]["data"]["actions"]
    hass.bus.async_fire("mobile_app_notification_action", {"action": button["action"]})
    await until(hass, lambda: len(phone.shown) > 1)
    assert phone.texts[-1][1] == "Somebody takes care of it."

    async def notes() -> list[str]:
        await hass.async_add_executor_job(time.sleep, 0.005)
        found = await desk.details("one")
        return [] if found is None else [one.note for one in found.annotations]

    while await notes() == []:
        pass
    assert await notes() == ["acknowledged"]


@pytest.mark.parametrize("end", ["acknowledged", "gone"])
async def test_escalation_while_phones_are_told(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
    end: str,
) -> None:
    """The push service takes its time, and neither who taps meanwhile nor the end of the fault is missed."""
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet()
    await automate(
        "critical_fault_escalation",
        faults=[entity(hass, "event", "house-1", "fault")],
        phones=[phone.device_id, phone.device_id],
    )
    sent = asyncio.Event()
    phone.delay(sent)
    house.event("fault", "F001", "raised", "critical", event_id="one")
    await settle()
    assert len(phone.shown) == 1
    if end == "gone":
        house.event("fault", "F001", "cleared", "critical")
    else:
        (button,) = phone.shown[0]["data"]["actions"]
        hass.bus.async_fire("mobile_app_notification_action", {"action": button["action"]})
    await settle()
    sent.set()
    await settle()
    last = "The fault is gone." if end == "gone" else "Somebody takes care of it."
    assert [message for _, message in phone.texts[1:]] == [last, last], (
        "the second phone is not rung any more"
    )
    await pass_time(hass, freezer, hours=1)
    assert len(phone.shown) == 3


@pytest.mark.parametrize("spoken", ["en", "de", "pl"], indirect=True)
async def test_gateway_disconnected(
    hass: HomeAssistant,
    spoken: str,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Entity ids are in the language of the instance, and the message does not depend on them."""
    gateway = Voice(hass, "north", "gateway", "North")
    others = ("cluster_state_of_charge", "cluster_load_power", "cluster_solar_power")
    for node in (Voice(hass, "south", "gateway", "South"), gateway):
        await node.greet(("contactor_closed", *others))
        await node.live(
            contactor_closed=True,
            cluster_state_of_charge=64.2,
            cluster_load_power=3210.0,
            cluster_solar_power=1200.0,
        )
    contactor = entity(hass, "binary_sensor", "north", "contactor_closed")
    powers = {
        name: [entity(hass, "sensor", node, f"cluster_{key}_power") for node in ("south", "north")]
        for name, key in (("loads", "load"), ("solar", "solar"))
    }
    await automate("gateway_disconnected", contactors=[contactor], phones=[phone.device_id], **powers)
    await gateway.live(contactor_closed=False)
    await pass_time(hass, freezer, seconds=31)
    assert phone.texts[-1][0] == "North is disconnected"
    assert phone.texts[-1][1].endswith("batteries: charge 64 %, load 3210 W, solar 1200 W."), phone.texts
    await gateway.live(contactor_closed=True)
    await settle()
    assert phone.texts[-1] == ("North is connected again", "The cluster was on its own for 31 seconds.")
    await gateway.live(contactor_closed=False)
    await pass_time(hass, freezer, seconds=3)
    await gateway.live(contactor_closed=True)
    await pass_time(hass, freezer, seconds=60)
    assert len(phone.shown) == 2


async def test_frequency_excursion(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    def measure(value: str) -> None:
        attributes = {
            "unit_of_measurement": "Hz",
            "device_class": "frequency",
            "friendly_name": "North Frequency",
        }
        hass.states.async_set("sensor.north", value, attributes)

    measure("50.0")
    await automate("frequency_excursion", frequencies=["sensor.north"], phones=[phone.device_id])
    measure("49.2")
    await pass_time(hass, freezer, seconds=11)
    assert phone.texts == [
        (
            f"{NORTH}: frequency too low",
            "49.2 Hz, the band is 49.5 to 50.5 Hz. More is used than generated: switch off what can wait.",
        )
    ]
    measure("unavailable")
    await settle()
    assert len(phone.shown) == 1
    measure("49.9")
    await settle()
    assert phone.texts[-1] == (f"{NORTH}: frequency back in its band", "49.9 Hz.")
    measure("50.6")
    await pass_time(hass, freezer, seconds=5)
    measure("50.1")
    await pass_time(hass, freezer, seconds=20)
    assert len(phone.shown) == 2


async def test_low_charge_load_shedding(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    names = ("boiler", "charger")
    assert await async_setup_component(hass, "homeassistant", {})
    booleans = {name: {"name": name.title()} for name in names}
    assert await async_setup_component(hass, "input_boolean", {"input_boolean": booleans})
    loads = [f"input_boolean.{name}" for name in names]
    await hass.services.async_call("input_boolean", "turn_on", {"entity_id": loads[0]}, blocking=True)

    def charge(value: str) -> None:
        attributes = {"unit_of_measurement": "%", "device_class": "battery"}
        hass.states.async_set("sensor.charge", value, attributes)

    def states() -> list[str]:
        return [state.state for load in loads if (state := hass.states.get(load))]

    charge("40")
    await automate("low_charge_load_shedding", charge="sensor.charge", loads=loads, phones=[phone.device_id])
    charge("unavailable")
    await pass_time(hass, freezer, minutes=5)
    assert states() == ["on", "off"]
    charge("19")
    await pass_time(hass, freezer, minutes=3)
    assert states() == ["off", "off"]
    assert phone.texts == [("Battery low: 19 %", "Switched off: Boiler.")]
    charge("30")
    await pass_time(hass, freezer, minutes=10)
    assert states() == ["off", "off"]
    charge("36")
    await pass_time(hass, freezer, minutes=3)
    assert states() == ["on", "off"], "only what it switched off itself"
    assert phone.texts[-1] == ("Battery recovered: 36 %", "Switched on again: Boiler.")


async def test_data_loss(
    hass: HomeAssistant, entry: MockConfigEntry, phone: Phone, automate: Automate
) -> None:
    house = Voice(hass, "house-1", "house", "House 1")
    await house.greet()
    activity = entity(hass, "event", "house-1", "activity")
    await automate("data_loss", activities=[activity], phones=[phone.device_id])
    house.event("boot", "BOOT")
    await settle()
    assert phone.shown == []
    house.event("overflow", "OVERFLOW", lost_first_seq=3, lost_last_seq=9)
    await settle()
    assert [title for title, _ in phone.texts] == ["House 1 lost data"]


async def test_heat_pump_alert(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    phone: Phone,
    automate: Automate,
    freezer: FrozenDateTimeFactory,
) -> None:
    house = Voice(hass, "house-1", "house", "House 1")  # any node tells alarms alike
    await house.greet()
    hot = {"unit_of_measurement": "°C", "device_class": "temperature", "friendly_name": "Compressor"}
    hass.states.async_set("sensor.compressor", "60", hot)
    await automate(
        "heat_pump_alert",
        faults=[entity(hass, "event", "house-1", "fault")],
        phones=[phone.device_id],
        sensors=["sensor.compressor"],
        highest=100,
    )
    house.event("fault", "F004", "raised", "critical")
    await pass_time(hass, freezer, seconds=1)
    house.event("fault", "F004", "cleared", "critical")
    await settle()
    (raised, over) = phone.texts
    assert over == (f"{raised[0]} is over", "It runs as it should.")
    assert phone.shown[0]["data"]["tag"] == phone.shown[1]["data"]["tag"]
    time = dt_util.now() - timedelta(hours=8)
    LogEvents(entry.runtime_data.swarm).take("house-1", [logged("a", "raised", "F004", hours=8)], None)
    await settle()
    late = phone.texts[-1][1]
    assert late == f"{raised[1]} Happened at {time:%H:%M, %d.%m.}."
    hass.states.async_set("sensor.compressor", "104.4", hot)
    await pass_time(hass, freezer, minutes=3)
    assert phone.texts[-1] == ("Compressor: 104.4 °C", "Outside the range that you gave.")


def monday_morning() -> datetime:
    """A minute before the reports."""
    return dt_util.now().replace(2026, 11, 23, 7, 59, 0, 0)


async def test_cell_imbalance_report(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    freezer.move_to(monday_morning())
    sensors = {
        "sensor.one": "12.4",
        "sensor.two": "131.2",
        "sensor.three": "unavailable",
        "sensor.four": "55",
    }
    for sensor, value in sensors.items():
        hass.states.async_set(sensor, value, {"device_class": "voltage", "unit_of_measurement": "mV"})
    await automate("cell_imbalance_report", spreads=list(sensors), phones=[phone.device_id])
    await pass_time(hass, freezer, minutes=1, seconds=1)
    assert phone.texts == [("Cells: 2 of 3 batteries beyond 50 mV", "sensor.two: 131 mV\nsensor.four: 55 mV")]
    await pass_time(hass, freezer, days=1)
    assert len(phone.shown) == 1, "it is Tuesday"
    for sensor in sensors:
        hass.states.async_set(sensor, "20", {"device_class": "voltage", "unit_of_measurement": "mV"})
    await pass_time(hass, freezer, days=6)
    assert len(phone.shown) == 1, "all is well"


async def test_recurring_fault_digest(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    freezer.move_to(monday_morning())
    hours = [0] * 24
    hours[18] = 4
    row = {
        "node": "house-7",
        "code": "F010",
        "count": 5,
        "hours": hours,
        "last_utc": (dt_util.utcnow() - timedelta(days=1)).isoformat(),
    }
    old = {**row, "node": "house-8", "last_utc": (dt_util.utcnow() - timedelta(days=12)).isoformat()}
    asked = async_mock_service(
        hass,
        "microgrid",
        "query_pattern",
        response={"recurring": [row, old]},
        supports_response=SupportsResponse.ONLY,
    )
    await automate("recurring_fault_digest", phones=[phone.device_id])
    await pass_time(hass, freezer, minutes=1, seconds=1)
    assert asked[0].data["pattern"] == "recurring_faults"
    assert phone.texts == [
        ("1 recurring fault this week", "house-7: F010, 5 times in four weeks, mostly about 18:00")
    ]


async def test_storm_preparation(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    assert await async_setup_component(hass, "input_boolean", {"input_boolean": {"storm": None}})
    hass.states.async_set("sensor.charge", "55", {"unit_of_measurement": "%", "device_class": "battery"})
    forecast = list[dict[str, Any]]()
    async_mock_service(
        hass,
        "weather",
        "get_forecasts",
        response={"weather.home": {"forecast": forecast}},
        supports_response=SupportsResponse.ONLY,
    )
    charged = async_mock_service(hass, "test", "charge")
    released = async_mock_service(hass, "test", "release")
    await automate(
        "storm_preparation",
        weather="weather.home",
        charge="sensor.charge",
        storm_mode="input_boolean.storm",
        phones=[phone.device_id],
        prepare=[{"action": "test.charge"}],
        release=[{"action": "test.release"}],
    )
    freezer.move_to(monday_morning())

    def expect(**hours: dict[str, Any]) -> None:
        begin = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
        forecast[:] = [
            {"datetime": (begin + timedelta(hours=hour)).isoformat(), "condition": "cloudy"}
            | hours.get(f"h{hour}", {})
            for hour in range(24)
        ]

    expect(h20={"condition": "lightning"})
    await pass_time(hass, freezer, hours=1)
    assert (charged, phone.shown) == ([], []), "it is far away"
    expect(h5={"wind_gust_speed": 90.0}, h6={"condition": "hail"})
    await pass_time(hass, freezer, hours=1)
    await pass_time(hass, freezer, hours=1)
    assert len(charged) == 1 and len(phone.shown) == 1, "once for each storm"
    assert phone.texts[0][0].startswith("Storm expected from ")
    assert phone.texts[0][1] == "Charging the batteries to 90 %, they have 55 %."
    expect()
    await pass_time(hass, freezer, hours=1)
    assert len(released) == 1
    assert phone.texts[-1] == ("The storm has passed", "State of charge: 55 %.")
    forecast.clear()
    await pass_time(hass, freezer, hours=1)
    assert len(phone.shown) == 2


async def test_storm_reserve(hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock) -> None:
    """While a warning is on the reserve is renewed; it ends with the warning, and by itself."""
    raised = async_mock_service(hass, "microgrid", "raise_reserve", supports_response=SupportsResponse.NONE)
    hass.states.async_set("binary_sensor.warning", "off")
    await automate("storm_reserve", warning="binary_sensor.warning", reserve=85, phones=[phone.device_id])
    freezer.move_to(monday_morning())
    await pass_time(hass, freezer, hours=1)
    assert raised == []
    hass.states.async_set("binary_sensor.warning", "on")
    await pass_time(hass, freezer, seconds=1)
    assert raised[0].data["reserve"] == 85
    until = dt_util.parse_datetime(raised[0].data["until"])
    assert until is not None and timedelta(hours=5) < until - dt_util.utcnow() <= timedelta(hours=6)
    assert phone.texts == [("A storm is expected", "The batteries are charged up to 85 % and keep it.")]
    await pass_time(hass, freezer, hours=1)
    assert len(raised) >= 2 and len(phone.shown) == 1, "renewed without another word"
    hass.states.async_set("binary_sensor.warning", "off")
    await pass_time(hass, freezer, seconds=1)
    assert raised[-1].data["reserve"] == 0
    assert all("config_entry_id" not in one.data for one in raised)
    assert phone.texts[-1] == ("The warning is over", "The usual reserve holds again.")


async def test_storm_reserve_of_one_swarm(hass: HomeAssistant, automate: Automate, freezer: Clock) -> None:
    """Where several swarms have a planner, one is chosen."""
    raised = async_mock_service(hass, "microgrid", "raise_reserve", supports_response=SupportsResponse.NONE)
    hass.states.async_set("binary_sensor.warning", "off")
    await automate("storm_reserve", warning="binary_sensor.warning", swarm="entry")
    for state in ("on", "off"):
        hass.states.async_set("binary_sensor.warning", state)
        await pass_time(hass, freezer, seconds=1)
    assert [(one.data["config_entry_id"], one.data["reserve"]) for one in raised] == [
        ("entry", 90),
        ("entry", 0),
    ]


async def test_notify_on_cheap_energy(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    """Told once when the price falls below the limit, and never at night, but in the morning then."""
    freezer.move_to(monday_morning())
    hass.states.async_set("sensor.price", "0.30", {"unit_of_measurement": "EUR/kWh"})
    await automate("notify_on_cheap_energy", price="sensor.price", limit=0.2, phones=[phone.device_id])

    async def costs(price: str) -> None:
        hass.states.async_set("sensor.price", price, {"unit_of_measurement": "EUR/kWh"})
        await pass_time(hass, freezer, seconds=1)

    await costs("0.12")
    assert phone.texts == [("Energy is cheap now", "0.12 EUR/kWh.")]
    await costs("0.11")
    assert len(phone.shown) == 1, "it was cheap already"
    await costs("0.30")
    freezer.move_to(monday_morning().replace(hour=2) + timedelta(days=1))
    await costs("0.05")
    assert len(phone.shown) == 1, "people sleep"
    await pass_time(hass, freezer, hours=5)
    assert phone.texts[1:] == [("Energy is cheap now", "0.05 EUR/kWh.")], "it still is cheap"
    await costs("0.30")
    await pass_time(hass, freezer, days=1)
    assert len(phone.shown) == 2


async def test_flexible_load(hass: HomeAssistant, automate: Automate, freezer: Clock) -> None:
    """The load does what the planner advises, and what it always did when nobody knows."""
    sensor = "binary_sensor.flexible_load"
    done = [async_mock_service(hass, "pump", name) for name in ("run", "usual", "hold")]
    actions = {name: [{"action": f"pump.{name}"}] for name in ("run", "usual", "hold")}
    hass.states.async_set(sensor, "off", {"advice": "usual"})
    await automate("flexible_load", advice=sensor, **actions)
    for state, attributes, calls in (
        ("on", {"advice": "run"}, [1, 0, 0]),
        ("on", {"advice": "run", "saving": 0.4}, [1, 0, 0]),
        ("off", {"advice": "hold"}, [1, 0, 1]),
        ("unavailable", {}, [1, 1, 1]),
        ("off", {"advice": "usual"}, [1, 2, 1]),
    ):
        hass.states.async_set(sensor, state, attributes)
        await pass_time(hass, freezer, seconds=1)
        assert [len(one) for one in done] == calls, state


async def test_fault_explained(hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock) -> None:
    """Told once with its cause; silenced, the same fault at the same node stays quiet, and no other."""
    notes = dict[str, list[str]]()
    told = dict[str, dict[str, Any]]()

    async def list_faults(call: ServiceCall) -> ServiceResponse:
        found = [
            one
            for one in reversed(notes)
            if one.startswith(call.data["node"][0]) and call.data.get("note", "") in (*notes[one], "")
        ]
        return {"faults": [{"event_id": one} for one in found[: call.data["limit"]]]}

    async def get_fault(call: ServiceCall) -> ServiceResponse:
        data = told[call.data["event_id"]]
        return data | {"name": data["code_name"], "origin": data.get("origin"), "missing": []}

    async def annotate_fault(call: ServiceCall) -> None:
        notes[call.data["event_id"]].append(call.data["note"])

    for action, schema, responds in (
        (list_faults, LIST_SCHEMA, SupportsResponse.ONLY),
        (get_fault, FAULT_SCHEMA, SupportsResponse.ONLY),
        (annotate_fault, ANNOTATE_SCHEMA, SupportsResponse.NONE),
    ):
        hass.services.async_register("microgrid", action.__name__, action, schema, responds)
    await automate("fault_explained", phones=[phone.device_id])

    async def fault(event_id: str, node: str = "house-7", severity: str = "critical", **more: Any) -> None:
        notes[event_id] = []
        data = {
            "config_entry_id": "entry",
            "event_id": event_id,
            "node": node,
            "node_name": node.title(),
            "code": "F001",
            "code_name": "Inverter overcurrent",
            "severity": severity,
            "time": "2026-11-21T21:04:05+00:00",
            "late": False,
            "cause": "F001.neighbour_trip",
            "summary": "A neighbour switched off.",
            "complete": True,
        }
        told[event_id] = data | more
        hass.bus.async_fire(EVENT_ANALYZED, told[event_id])
        await pass_time(hass, freezer, seconds=6)

    await fault("house-7:1")
    assert phone.texts == [("House-7: Inverter overcurrent (F001)", "A neighbour switched off.")]
    shown = phone.shown[0]["data"]
    assert [button["title"] for button in shown["actions"]] == ["Acknowledge", "Show chart", "Silence"]
    assert shown["ttl"] == 0 and "image" not in shown
    hass.bus.async_fire("mobile_app_notification_action", {"action": shown["actions"][2]["action"]})
    await settle()
    assert phone.texts[-1][1] == "Silenced for 24 hours. A neighbour switched off."
    assert phone.shown[-1]["data"]["tag"] == shown["tag"]

    for number in range(2, 20):
        await fault(f"house-7:{number}")
    assert len(phone.shown) == 2, "however often it comes back"
    await fault("north:1", node="north", severity="info")
    assert len(phone.shown) == 2
    await fault("north:2", node="north", severity="warning", late=True, complete=False)
    assert "Not all nodes have sent" in phone.texts[-1][1] and "Happened at" in phone.texts[-1][1]
    hass.bus.async_fire(
        "mobile_app_notification_action", {"action": phone.shown[-1]["data"]["actions"][0]["action"]}
    )
    await settle()
    assert notes["north:2"] == ["acknowledged"]
    assert phone.texts[-1][1].startswith("Somebody has seen it. A neighbour")
    await fault("south:1", node="south", origin="house-4", origin_name="House 4")
    assert phone.texts[-1][1] == "It began at House 4. A neighbour switched off."
    await fault("south:2", node="south", origin="outside", origin_name="outside")
    assert phone.texts[-1][1].startswith("It began beyond the gateway. ")

    shown_before = len(phone.shown)
    await asyncio.gather(*(fault(f"west:{number}", node="west") for number in range(120)))
    assert len(phone.shown) == shown_before + 120, "many at once are all told"


@pytest.mark.parametrize(
    "action",
    [None, 7, "", "OTHER", "MICROGRID_SEEN", "MICROGRID_SEEN/entry", "OTHER/entry/one", "URI", ["a"]],
)
async def test_buttons_of_others_are_not_ours(
    hass: HomeAssistant, phone: Phone, automate: Automate, action: Any
) -> None:
    asked = async_mock_service(hass, "microgrid", "get_fault")
    await automate("fault_explained", phones=[phone.device_id])
    hass.bus.async_fire("mobile_app_notification_action", {"action": action})
    hass.bus.async_fire("mobile_app_notification_action", {})
    await hass.async_block_till_done()
    state = hass.states.get("automation.fault_explained")
    assert not asked and not phone.shown and state is not None and state.attributes["last_triggered"] is None


async def test_silence_lasts_from_the_tap_on(
    hass: HomeAssistant, phone: Phone, automate: Automate, freezer: Clock
) -> None:
    """Whoever taps two hours after the fault has silence for the hour that the phone promises."""
    came: dict[str, datetime] = {}
    noted: dict[str, datetime] = {}
    known: dict[str, JsonObjectType] = {}

    async def list_faults(call: ServiceCall) -> ServiceResponse:
        start, since = (call.data.get(name) for name in ("start", "noted_since"))
        found: list[JsonValueType] = [
            {"event_id": one}
            for one, tapped in noted.items()
            if (start is None or came[one] >= start) and (since is None or tapped >= since)
        ]
        return {"faults": found}

    async def annotate_fault(call: ServiceCall) -> None:
        noted[call.data["event_id"]] = dt_util.utcnow()

    async def get_fault(call: ServiceCall) -> ServiceResponse:
        return known[call.data["event_id"]]

    hass.services.async_register("microgrid", "list_faults", list_faults, LIST_SCHEMA, SupportsResponse.ONLY)
    hass.services.async_register("microgrid", "get_fault", get_fault, FAULT_SCHEMA, SupportsResponse.ONLY)
    hass.services.async_register("microgrid", "annotate_fault", annotate_fault, ANNOTATE_SCHEMA)
    await automate("fault_explained", phones=[phone.device_id], silence=1)

    async def told(event_id: str) -> bool:
        came[event_id], before = dt_util.utcnow(), len(phone.shown)
        data: JsonObjectType = {
            "config_entry_id": "entry",
            "event_id": event_id,
            "node": "house-7",
            "node_name": "House 7",
            "code": "F001",
            "code_name": "Inverter overcurrent",
            "severity": "critical",
            "time": came[event_id].isoformat(),
            "late": False,
            "summary": "A neighbour switched off.",
            "complete": True,
        }
        known[event_id] = {**data, "name": data["code_name"], "missing": []}
        hass.bus.async_fire(EVENT_ANALYZED, data)
        await pass_time(hass, freezer, seconds=6)
        return len(phone.shown) > before

    assert await told("one")
    await pass_time(hass, freezer, hours=2)
    for service in ("turn_off", "turn_on"):  # nothing waits for the tap, as after a restart
        target = {"entity_id": "automation.fault_explained"}
        await hass.services.async_call("automation", service, target, blocking=True)
    button = phone.shown[-1]["data"]["actions"][2]["action"]
    hass.bus.async_fire("mobile_app_notification_action", {"action": button})
    await settle()
    assert phone.texts[-1][1].startswith("Silenced for 1 hours.")
    await pass_time(hass, freezer, minutes=30)
    assert not await told("two")
    await pass_time(hass, freezer, minutes=31)
    assert await told("three")

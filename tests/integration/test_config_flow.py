"""The config flow: what a user is asked, what is refused and why, and that every word shown exists."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.mqtt import DOMAIN as MQTT_DOMAIN
from homeassistant.config_entries import SOURCE_MQTT, SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components import microgrid
from custom_components.microgrid.const import (
    CONF_NAME,
    CONF_SWARM,
    DOMAIN,
    KEEP_DAYS,
    OPT_HEAT_PUMPS,
    OPT_HOUSE_SENSORS,
    OPT_INTERVAL,
    OPT_PROFILE,
)
from custom_components.microgrid.core.model.deadband import CALM, DETAILED, NORMAL
from custom_components.microgrid.sources.heat_pump_mqtt import HeatPumpMqtt
from custom_components.microgrid.sources.house_sensors import HouseSensors

from .voices import SWARM, Voice

assert microgrid.__file__
TEXTS = json.loads((Path(microgrid.__file__).parent / "translations/en.json").read_text(encoding="utf-8"))
BIRTH = {"protocol": 1, "kind": "house", "name": "House 1", "boot_id": 1}


def in_words(result: Mapping[str, Any], flow: str = "config") -> Mapping[str, Any]:
    """Return the result after making sure that the user interface has a text for all of it."""
    placeholders = set(result.get("description_placeholders") or {})
    if result["type"] is FlowResultType.ABORT:
        if not result.get("translation_domain"):
            text = TEXTS[flow]["abort"][result["reason"]]
            assert set(re.findall(r"{(\w+)}", text)) <= placeholders
    elif result["type"] is FlowResultType.FORM:
        step = TEXTS[flow]["step"][result["step_id"]]
        assert step["title"]
        assert set(re.findall(r"{(\w+)}", step.get("description", ""))) <= placeholders
        fields = {str(key) for key in result["data_schema"].schema}
        assert step["data"].keys() == step["data_description"].keys() == fields
        for error in (result["errors"] or {}).values():
            assert TEXTS[flow]["error"][error]
    return result


async def from_user(hass: HomeAssistant, **answer: str) -> Mapping[str, Any]:
    """Add the integration by hand and answer the form, if any."""
    result = in_words(await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER}))
    if answer:
        assert result["step_id"] == "user"
        result = in_words(await hass.config_entries.flow.async_configure(result["flow_id"], answer))
    return result


async def found(
    hass: HomeAssistant,
    payload: str | bytes | Mapping[str, Any],
    topic: str = "microgrid/v1/sunny_street/house-1/birth",
) -> Mapping[str, Any]:
    """Let MQTT discovery find a message."""
    text = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    info = MqttServiceInfo(
        topic=topic,
        payload=text,
        qos=1,
        retain=True,
        subscribed_topic="microgrid/v1/+/+/birth",
        timestamp=0.0,
    )
    return in_words(
        await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_MQTT}, data=info)
    )


# ---- added by the user ------------------------------------------


async def test_user_adds_a_swarm(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """Name and id make an entry, which is loaded at once."""
    result = await from_user(hass, name="  Sunny Street ", swarm="sunny_street")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Sunny Street"
    assert result["data"] == {CONF_NAME: "Sunny Street", CONF_SWARM: "sunny_street"}
    await hass.async_block_till_done()
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.unique_id == "sunny_street"
    assert entry.state is ConfigEntryState.LOADED


async def test_only_the_first_entry_reads_topics_without_a_swarm(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    """Heat pumps and house sensors name no swarm: a second entry leaves them to the first."""
    first = await from_user(hass, name="One", swarm="one")
    second = await from_user(hass, name="Two", swarm="two")
    assert first["options"] == {OPT_PROFILE: NORMAL.name, OPT_HEAT_PUMPS: True, OPT_HOUSE_SENSORS: True}
    assert second["options"] == {OPT_PROFILE: NORMAL.name, OPT_HEAT_PUMPS: False, OPT_HOUSE_SENSORS: False}


@pytest.mark.parametrize("swarm", ["", "Sunny", "sunny street", "a/b", "+", "ü", "x" * 33])
async def test_unlawful_id(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, swarm: str) -> None:
    """An id that no topic can carry is refused, and the form can be corrected."""
    result = await from_user(hass, name="Street", swarm=swarm)
    assert result["errors"] == {CONF_SWARM: "invalid_swarm"}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {CONF_NAME: "Street", CONF_SWARM: "street"}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("name", ["", "   ", "x" * 65])
async def test_unusable_name(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, name: str) -> None:
    """A name is something a person can read."""
    result = await from_user(hass, name=name, swarm="street")
    assert result["errors"] == {CONF_NAME: "invalid_name"}


async def test_same_swarm_twice(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """One entry a swarm."""
    result = await from_user(hass, name="Again", swarm=SWARM)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_without_mqtt(hass: HomeAssistant) -> None:
    """Without MQTT there is nothing to hear; the user is led to where it is set up."""
    result = await from_user(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "mqtt_missing")
    assert result["description_placeholders"]["add_mqtt"].endswith("domain=mqtt")


async def test_broker_away(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """A broker that cannot be reached is told before anything is stored, and trying again helps."""
    mqtt_mock.connected = False
    result = await from_user(hass, name="Street", swarm="street")
    assert result["errors"] == {"base": "broker_not_connected"}
    mqtt_mock.connected = True
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {CONF_NAME: "Street", CONF_SWARM: "street"}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


# ---- found by MQTT ----------------------------------------------


async def test_birth_is_discovered(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """The first birth offers the whole swarm, under a readable name that the user may change."""
    result = await found(hass, BIRTH)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "confirm")
    assert result["description_placeholders"] == {"swarm": "sunny_street", "node": "house-1", "kind": "house"}
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {"name": "Sunny street", "swarm": "sunny_street"}
    assert TEXTS["config"]["flow_title"].format(**flow["context"]["title_placeholders"]) == (
        "Sunny street (sunny_street)"
    )

    result = in_words(await hass.config_entries.flow.async_configure(result["flow_id"], {CONF_NAME: " "}))
    assert result["errors"] == {CONF_NAME: "invalid_name"}
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {CONF_NAME: "Sunny Street"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {CONF_NAME: "Sunny Street", CONF_SWARM: "sunny_street"}
    assert result["result"].unique_id == "sunny_street"


async def test_discovered_over_the_broker(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """The manifest names the topic, so that Home Assistant itself starts the flow."""
    await hass.config_entries.async_reload(hass.config_entries.async_entries(MQTT_DOMAIN)[0].entry_id)
    await hass.async_block_till_done()
    await Voice(hass, "house-1", "house", "House 1").birth()
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["handler"], flow["context"]["unique_id"]) == (DOMAIN, SWARM)


async def test_more_births_of_one_swarm(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    """Each swarm is offered once."""
    await found(hass, BIRTH)
    result = await found(hass, BIRTH, "microgrid/v1/sunny_street/house-2/birth")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_in_progress")


async def test_birth_of_a_known_swarm(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A swarm that is set up is not offered again."""
    result = await found(hass, BIRTH, f"microgrid/v1/{SWARM}/house-9/birth")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_births_do_not_reload_a_known_swarm(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Home Assistant would note each discovery in the entry, and each change of an entry reloads it."""
    before = entry.runtime_data
    for number in range(12):
        await Voice(hass, f"house-{number}", "house", "House").birth()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(before.swarm.nodes) == 13
    assert entry.runtime_data is before
    assert not entry.discovery_keys


@pytest.mark.parametrize(
    "payload",
    ["", "hello", b"\xff\xfe", "[]", {**BIRTH, "kind": "toaster"}, {**BIRTH, "protocol": 99}, "{" * 5000],
)
async def test_garbage_is_ignored(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, payload: str | bytes | dict[str, Any]
) -> None:
    """What is no birth ends without a trace."""
    result = await found(hass, payload)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "no_birth")
    assert not hass.config_entries.flow.async_progress()


@pytest.mark.parametrize(
    "topic",
    [
        "microgrid/v1/Sunny/house-1/birth",
        "microgrid/v1/s/house 1/birth",
        "microgrid/v2/s/n/birth",
        "microgrid/v1/s/n/live",
    ],
)
async def test_other_topics_are_ignored(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, topic: str) -> None:
    """So is what comes on a topic that is not ours."""
    assert (await found(hass, BIRTH, topic))["reason"] == "no_birth"


# ---- changed later ----------------------------------------------


async def test_rename(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A new name reaches the title and the site; the id is told to be fixed."""
    result = in_words(await entry.start_reconfigure_flow(hass))
    assert result["description_placeholders"] == {"swarm": SWARM}
    result = in_words(await hass.config_entries.flow.async_configure(result["flow_id"], {CONF_NAME: ""}))
    assert result["errors"] == {CONF_NAME: "invalid_name"}
    result = in_words(
        await hass.config_entries.flow.async_configure(result["flow_id"], {CONF_NAME: "Hill Road"})
    )
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert entry.title == "Hill Road"
    assert entry.data == {CONF_NAME: "Hill Road", CONF_SWARM: SWARM}
    assert entry.unique_id == SWARM
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.swarm.site.name == "Hill Road"


async def test_options(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Options take effect at once, by a reload."""
    before = entry.runtime_data
    result = in_words(await hass.config_entries.options.async_init(entry.entry_id), "options")
    assert result["menu_options"] == ["readings", "health_rules", "ageing"]
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "readings"}
    )
    in_words(result, "options")
    assert result["step_id"] == "readings"
    chosen = {OPT_PROFILE: CALM.name, OPT_INTERVAL: 120, OPT_HEAT_PUMPS: False, OPT_HOUSE_SENSORS: False}
    result = await hass.config_entries.options.async_configure(result["flow_id"], chosen)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == chosen | KEEP_DAYS
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data is not before
    assert (entry.runtime_data.heat_pumps, entry.runtime_data.house_sensors) == (None, None)
    assert not any(isinstance(one, HeatPumpMqtt | HouseSensors) for one in entry.runtime_data.sources)


async def test_interval_can_be_left_to_the_profile(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """An emptied interval is forgotten."""
    hass.config_entries.async_update_entry(entry, options={OPT_INTERVAL: 30})
    await hass.async_block_till_done()
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "readings"}
    )
    chosen = {OPT_PROFILE: DETAILED.name, OPT_HEAT_PUMPS: True, OPT_HOUSE_SENSORS: True}
    await hass.config_entries.options.async_configure(result["flow_id"], chosen)
    await hass.async_block_till_done()
    assert entry.options == chosen | KEEP_DAYS


@pytest.mark.parametrize("wrong", [{OPT_PROFILE: "hectic"}, {OPT_INTERVAL: 0}, {OPT_INTERVAL: 3601}])
async def test_impossible_options(hass: HomeAssistant, entry: MockConfigEntry, wrong: dict[str, Any]) -> None:
    """Home Assistant refuses what the form does not offer; nothing changes."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": "readings"}
    )
    with pytest.raises(
        Exception, match=r"hectic|too small|too large|at least|at most|must be|not a valid|Schema"
    ):
        await hass.config_entries.options.async_configure(result["flow_id"], wrong)
    assert not set(wrong) & set(entry.options)


def test_profiles_have_names() -> None:
    """Each profile that can be chosen has a text."""
    assert TEXTS["selector"][OPT_PROFILE]["options"].keys() == {CALM.name, NORMAL.name, DETAILED.name}

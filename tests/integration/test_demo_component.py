"""What the demo adds to Home Assistant: offers and answers of a simulator, pushes to a phone, nonsense."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.service import async_get_all_descriptions
from homeassistant.setup import async_setup_component
from hypothesis import HealthCheck, given, settings, strategies as st
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    async_fire_mqtt_message,
    mock_integration,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, MqttMockHAClient

from script.lab.demonstration import COMPONENT, PUSH_PATH
from script.lab.microgrid_demo import faults, phone
from script.lab.microgrid_demo.faults import Faults, readable

OFFER = {
    "scenarios": ["F001.own_load_inrush/short", "F010.sense_wire"],
    "clusters": {"gateway-1": ["house-01"]},
}
TRUTH = {"event_id": "house-01-1", "cause": "F010.sense_wire", "origin": "house-01"}


@pytest.fixture
async def simulator(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> MqttMockHAClient:
    """A broker where somebody offers scenarios."""
    mock_integration(hass, MockModule("microgrid_demo"))
    Faults(hass).async_start()
    await hass.async_block_till_done()
    async_fire_mqtt_message(hass, "simulator/demo/scenarios", json.dumps(OFFER))
    await hass.async_block_till_done()
    return mqtt_mock


async def simulate(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, **answer: Any) -> Any:
    """Call the action and answer what it asks."""
    mqtt_mock.async_publish.reset_mock()
    calling = hass.async_create_task(
        hass.services.async_call(
            "microgrid",
            "simulate_fault",
            {"scenario": "F010.sense_wire"},
            blocking=True,
            return_response=True,
        )
    )
    for _ in range(100):
        await asyncio.sleep(0)
    topic, payload, qos, retain = mqtt_mock.async_publish.call_args[0][:4]
    asked = json.loads(payload)
    assert (topic, qos, retain) == ("simulator/demo/inject", 1, False)
    assert asked["scenario"] == "F010.sense_wire"
    for result in ({"id": "somebody else's", "ok": True}, {"id": asked["id"], **answer}):
        async_fire_mqtt_message(hass, "simulator/demo/result", json.dumps(result))
    async_fire_mqtt_message(hass, "simulator/demo/result", "nonsense")
    return await calling


async def test_a_wish_is_answered_with_what_is_true(hass: HomeAssistant, simulator: MqttMockHAClient) -> None:
    assert await simulate(hass, simulator, ok=True, **TRUTH) == TRUTH
    with pytest.raises(ServiceValidationError, match="did you mean"):
        await simulate(hass, simulator, ok=False, reason="did you mean F010.sense_wire?")


async def test_a_simulator_that_is_gone(
    hass: HomeAssistant, simulator: MqttMockHAClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "ANSWER_S", 0.01)
    with pytest.raises(HomeAssistantError, match="did not answer within"):
        await hass.services.async_call(
            "microgrid", "simulate_fault", {"scenario": "F010.sense_wire"}, blocking=True
        )


async def test_the_form_offers_what_the_simulator_offers(
    hass: HomeAssistant, simulator: MqttMockHAClient
) -> None:
    described = (await async_get_all_descriptions(hass))["microgrid"]["simulate_fault"]
    scenario = described["fields"]["scenario"]
    assert scenario["required"] is True
    assert [option["value"] for option in scenario["selector"]["select"]["options"]] == OFFER["scenarios"]
    assert described["fields"]["gateway"]["selector"]["select"]["options"] == [
        {"value": "gateway-1", "label": "gateway-1: house-01"}
    ]
    assert described["response"] == {"optional": True}


def test_scenarios_are_named_for_people() -> None:
    assert readable("F010.sense_wire", "en").startswith("F010 ")
    assert readable("F001.own_load_inrush/short", "en").endswith(" (short)")
    assert readable("F010.sense_wire", "de") != readable("F010.sense_wire", "en")
    assert readable("F999.unheard_of", "en").startswith("F999 ")


@pytest.mark.parametrize(
    "offer",
    [
        "nonsense",
        "[]",
        "{}",
        '{"scenarios":1,"clusters":{}}',
        '{"scenarios":["F001.x"],"clusters":{"gateway-1":7}}',
        '{"scenarios":[],"clusters":{}}',
    ],
)
async def test_an_offer_that_is_none_offers_nothing(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, offer: str
) -> None:
    Faults(hass).async_start()
    await hass.async_block_till_done()
    async_fire_mqtt_message(hass, "simulator/demo/scenarios", offer)
    await hass.async_block_till_done()
    assert not hass.services.has_service("microgrid", "simulate_fault")


def texts(document: Any) -> Any:
    """The keys of a translation, and that no text is empty."""
    if isinstance(document, dict):
        return {key: texts(value) for key, value in document.items()}
    assert document.strip()
    return None


def test_every_language_says_the_same() -> None:
    files = sorted((COMPONENT / "translations").glob("*.json"))
    assert [file.stem for file in files] == ["de", "en", "pl"]
    keys = [texts(json.loads(file.read_text())) for file in files]
    assert keys[0] == keys[1] == keys[2]
    assert set(keys[1]["services"]["simulate_fault"]["fields"]) == {str(key) for key in faults.SCHEMA.schema}


# ---- the phone ---------------------------------------------------------------------------------------------


PUSH = {
    "title": "House 7: Inverter overcurrent (F001)",
    "message": "It began at House 4.",
    "push_token": "demo",
    "registration_info": {"app_id": "x"},
    "data": {
        "tag": "microgrid-fault-1",
        "image": "/api/image_proxy/image.house_7_last_fault_chart",
        "actions": [
            {"action": "SEEN", "title": "Acknowledge"},
            {"action": "URI", "title": "Show chart", "uri": "/?more-info-entity-id=image.x"},
        ],
    },
}


async def test_what_is_pushed_is_shown(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "http", {})
    hass.http.register_view(phone.PushView())
    client = await hass_client_no_auth()
    for number in (1, 2):  # the second one takes the place of the first
        answer = await client.post(PUSH_PATH, json={**PUSH, "message": f"It began at House {number}."})
        assert answer.status == 201 and (await answer.json())["rateLimits"]
    (shown,) = persistent_notification._async_get_or_create_notifications(hass).values()
    text, picture, buttons = shown["message"].split("\n\n")
    assert (shown["title"], text) == (PUSH["title"], "It began at House 2.")
    assert picture.startswith("![Chart](/api/image_proxy/image.house_7_last_fault_chart?authSig=")
    assert buttons == "Acknowledge · [Show chart](/?more-info-entity-id=image.x)"
    for wrong in (b"", b"[]", b"{}", b"\xff", b'{"message":[1]}', b'{"message":"x","data":{"actions":7}}'):
        assert (await client.post(PUSH_PATH, data=wrong)).status == 400
    assert (await client.post(PUSH_PATH, data=b" " * 70_000)).status == 413
    assert len(persistent_notification._async_get_or_create_notifications(hass)) == 1


@pytest.mark.parametrize(
    "image",
    [
        "",
        "https://push.invalid/x.png",
        "/api/config",
        "/api/image_proxy/../config",
        "/api/image_proxy/image.x?a=b",
    ],
)
async def test_nothing_but_pictures_of_entities_is_signed(hass: HomeAssistant, image: str) -> None:
    assert phone.as_markdown(hass, "text", {"image": image, "actions": []}) == "text"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.one_of(st.binary(max_size=200), st.text(max_size=200)))
async def test_no_message_of_the_simulator_does_harm(
    hass: HomeAssistant, simulator: MqttMockHAClient, payload: bytes | str
) -> None:
    for topic in ("simulator/demo/scenarios", "simulator/demo/result"):
        async_fire_mqtt_message(hass, topic, payload)
    await hass.async_block_till_done()
    assert hass.services.has_service("microgrid", "simulate_fault")


async def test_a_phone_of_an_earlier_run_is_told_where_we_are(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "http", {"http": {"server_port": 8765}})
    ours = MockConfigEntry(
        domain="mobile_app",
        data={"app_data": {"push_url": f"http://127.0.0.1:1{PUSH_PATH}", "push_token": "demo"}},
    )
    other = MockConfigEntry(domain="mobile_app", data={"app_data": {"push_url": "https://push.invalid/send"}})
    for entry in (ours, other):
        entry.add_to_hass(hass)
    phone.async_find_phone(hass)
    port = hass.http.server_port
    assert ours.data["app_data"] == {"push_url": f"http://127.0.0.1:{port}{PUSH_PATH}", "push_token": "demo"}
    assert other.data["app_data"]["push_url"] == "https://push.invalid/send"


def test_it_is_no_part_of_the_integration() -> None:
    integration = Path(__file__).parents[2] / "custom_components" / "microgrid"
    for file in integration.rglob("*"):
        if file.suffix in (".py", ".yaml", ".json"):
            assert "simulate_fault" not in file.read_text(encoding="utf-8"), file

"""The action microgrid.query_pattern: nodes log over MQTT, the archive answers."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import voluptuous as vol
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import service
from homeassistant.helpers.translation import async_get_translations
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import services_patterns
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.patterns.catalogue import PATTERNS
from custom_components.microgrid.core.codec.umg1.records import SEVERITIES
from custom_components.microgrid.services_patterns import QUERY_PATTERN_SCHEMA
from tests.unit.core.archive.logs import HOUR_US, Node

from . import hassfest
from .test_historian import acknowledgements, send, until
from .voices import Voice

HOUSE = "house-1"
TRANSLATIONS = Path(services_patterns.__file__).parent / "translations"
SMALLEST = {"cluster_state": {"node": HOUSE, "at": "2026-01-01 00:00:00"}}
"""What a pattern needs to be asked at all."""


async def ask(hass: HomeAssistant, pattern: str, **data: Any) -> dict[str, Any]:
    """Call the action and return its response."""
    answer = await hass.services.async_call(
        DOMAIN, "query_pattern", {"pattern": pattern, **data}, blocking=True, return_response=True
    )
    assert isinstance(answer, dict)
    return answer


@pytest.fixture
async def log(hass: HomeAssistant, entry: MockConfigEntry, mqtt_mock: MqttMockHAClient) -> Node:
    """A house whose log of three minutes ends with three faults."""
    await Voice(hass, HOUSE, "house", "House 1").greet()
    node = Node(utc_us=time.time_ns() // 1000 - HOUR_US)
    frames = [*node.start(), *node.minutes(3)]
    for _ in range(3):
        node.mono_us -= 20_000_000
        frames.append(node.event("F010"))
    send(hass, b"".join(frame.encode() for frame in frames))
    await until(
        lambda: acknowledgements(mqtt_mock) and acknowledgements(mqtt_mock)[-1]["seq"] == node.seq - 1
    )
    return node


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_every_pattern_answers(hass: HomeAssistant, log: Node, pattern: str) -> None:
    answer = await ask(hass, pattern, **SMALLEST.get(pattern, {}))
    assert answer["pattern"] == pattern


async def test_faults_and_what_recurs(hass: HomeAssistant, log: Node) -> None:
    faults = await ask(hass, "faults", node=HOUSE, severity="critical")
    assert [(one["node"], one["code"], one["category"]) for one in faults["faults"]] == [
        (HOUSE, "F010", "battery")
    ] * 3
    assert (await ask(hass, "faults", code=["F001"]))["faults"] == []
    (recurring,) = (await ask(hass, "recurring_faults", times=3, window=1))["recurring"]
    assert (recurring["count"], recurring["median_s"]) == (3, 20.0)
    zone = await hass.async_add_executor_job(ZoneInfo, hass.config.time_zone)
    local = datetime.fromisoformat(recurring["first_utc"]).astimezone(zone)
    assert recurring["hours"][local.hour] >= 1


async def test_the_cluster_at_a_fault(hass: HomeAssistant, log: Node) -> None:
    newest = (await ask(hass, "faults"))["faults"][-1]
    state = await ask(hass, "cluster_state", event_id=newest["event_id"], before=5, after=5)
    assert state["utc"] == newest["utc"]
    (house,) = state["nodes"]
    frequency = next(one for one in house["channels"] if one["channel"] == "inverter_frequency")
    assert frequency["minimum"] <= frequency["at"] <= frequency["maximum"]
    at = datetime.fromisoformat(newest["utc"])
    assert (await ask(hass, "cluster_state", node=HOUSE, at=at.isoformat()))["nodes"]


async def test_what_just_came_is_in_the_answer(hass: HomeAssistant, log: Node) -> None:
    """Roll-ups are made every few minutes; the action does not wait for that."""
    answer = await ask(hass, "frequency_outside_band", low=50.1, high=60)
    assert answer["episodes"]
    start = datetime.fromtimestamp(log.utc_us / 1e6, UTC)
    before = await ask(
        hass, "frequency_outside_band", low=50.1, high=60, start=start - timedelta(days=1), end=start
    )
    assert before["episodes"] == []


@pytest.mark.parametrize(
    ("pattern", "data", "key"),
    [
        ("faults", {"low": 49}, "option_not_taken"),
        ("who_supplied_whom", {"node": HOUSE}, "option_not_taken"),
        ("cluster_state", {}, "pattern_refused"),
        ("cluster_state", {"event_id": "nobody:1:1"}, "pattern_refused"),
        ("faults", {"node": "house-77"}, "pattern_refused"),
        ("faults", {"start": "2026-01-02 00:00:00", "end": "2026-01-01 00:00:00"}, "pattern_refused"),
        ("faults", {"start": "1990-01-01 00:00:00"}, "pattern_refused"),
        ("frequency_outside_band", {"low": 51, "high": 50}, "pattern_refused"),
        ("who_supplied_whom", {"cluster": "nowhere"}, "pattern_refused"),
    ],
)
async def test_what_cannot_be_answered_is_told(
    hass: HomeAssistant, log: Node, pattern: str, data: dict[str, Any], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await ask(hass, pattern, **data)
    assert caught.value.translation_key == key
    for language in hassfest.LANGUAGES:
        texts = json.loads((TRANSLATIONS / f"{language}.json").read_text())["exceptions"]
        assert texts[key]["message"].format(**(caught.value.translation_placeholders or {}))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"pattern": "weather"},
        {"pattern": "faults", "severity": "dire"},
        {"pattern": "faults", "node": []},
        {"pattern": "recurring_faults", "times": 1},
        {"pattern": "cell_drift", "lookback": 0},
        {"pattern": "faults", "unknown": 1},
    ],
)
def test_nonsense_is_refused_before_the_archive_is_asked(data: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        QUERY_PATTERN_SCHEMA(data)


async def test_without_an_archive_the_reason_is_told(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    historian = entry.runtime_data.historian
    archive, historian.archive = historian.archive, None
    try:
        with pytest.raises(HomeAssistantError) as caught:
            await ask(hass, "faults")
        assert caught.value.translation_key == "archive_closed"
    finally:
        historian.archive = archive


async def test_the_action_is_described_as_it_is(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    described = (await service.async_get_all_descriptions(hass))[DOMAIN]["query_pattern"]
    assert set(described["fields"]) == {str(key) for key in QUERY_PATTERN_SCHEMA.schema}
    assert described["fields"]["pattern"]["selector"]["select"]["options"] == list(PATTERNS)
    assert described["fields"]["severity"]["selector"]["select"]["options"] == list(SEVERITIES)
    assert described["response"] == {"optional": False}
    for language in hassfest.LANGUAGES:
        texts = await async_get_translations(hass, language, "selector", {DOMAIN})
        for name in PATTERNS:
            assert texts[f"component.{DOMAIN}.selector.pattern.options.{name}"]

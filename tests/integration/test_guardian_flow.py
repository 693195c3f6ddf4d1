"""The options of health: a rule is found, changed, refused when that makes no sense, and reset."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.microgrid.core.health.rules import all_rules
from custom_components.microgrid.guardian_flow import EVERYWHERE, KINDS, kind_of

from .test_config_flow import TEXTS, in_words
from .voices import Voice


async def walk(hass: HomeAssistant, entry: MockConfigEntry, *answers: dict[str, Any]) -> Any:
    """Open the options and answer page after page."""
    result: Any = await hass.config_entries.options.async_init(entry.entry_id)
    assert TEXTS["options"]["step"]["init"]["menu_options"].keys() == set(result["menu_options"])
    for answer in answers:
        result = in_words(
            await hass.config_entries.options.async_configure(result["flow_id"], answer), "options"
        )
    await hass.async_block_till_done()
    return result


def change(rule: str, where: str = EVERYWHERE, kind: str = "house", **wanted: Any) -> list[dict[str, Any]]:
    """Return the answers that change a rule."""
    row = next(one for one in all_rules() if one.id == rule)
    default = {
        "enabled": row.enabled,
        "threshold": row.threshold,
        "duration_s": row.duration_s,
        "severity": "default",
        "reset": False,
    }
    return [
        {"next_step_id": "health_rules"},
        {"kind": kind},
        {"rule": rule, "where": where},
        default | wanted,
    ]


def test_every_rule_is_listed() -> None:
    assert {kind_of(rule) for rule in all_rules()} == set(KINDS)
    selectors = TEXTS["selector"]
    assert selectors["health_kind"]["options"].keys() == set(KINDS)
    assert selectors["health_severity"]["options"].keys() == {"default", "info", "warning", "critical"}


async def test_a_rule_is_changed_and_reset(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Only what differs is stored, nothing is reloaded, and other options stay."""
    runtime = entry.runtime_data
    hass.config_entries.async_update_entry(entry, options={"profile": "calm"})
    await hass.async_block_till_done()
    runtime = entry.runtime_data
    result = await walk(hass, entry, *change("H5", threshold=65, duration_s=900, severity="info"))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options["profile"] == "calm"
    assert entry.options["health_rules"] == {
        "H5": {"threshold": 65.0, "duration_s": 900.0, "severity": "info"}
    }
    rule = runtime.guardian._engine.rule("H5", "house-1")
    assert (rule.threshold, rule.duration_s, rule.severity.value) == (65.0, 900.0, "info")
    await walk(hass, entry, *change("P5", kind="trend", enabled=True))
    assert entry.options["health_rules"]["P5"] == {"enabled": True}
    assert runtime.guardian._engine.rule("P5", "heat-pump").enabled
    result = await walk(hass, entry, *change("H5")[:3])
    fields = result["data_schema"].schema
    suggested = {str(key): key.description["suggested_value"] for key in fields if key.description}
    assert (suggested["threshold"], suggested["severity"], suggested["enabled"]) == (65.0, "info", True)
    await walk(hass, entry, *change("H5", reset=True))
    assert entry.options["health_rules"] == {"P5": {"enabled": True}}
    await walk(hass, entry, *change("P5", kind="trend"))  # as it is by default: nothing to keep
    assert entry.options["health_rules"] == {}
    assert entry.runtime_data is runtime


async def test_a_rule_is_changed_at_one_house(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Devices that are there can be chosen; the change holds there alone."""
    voice = Voice(hass, "house-1", "house", "House 1")
    await voice.greet(("state_of_charge",))
    await voice.live(state_of_charge=50.0)
    await walk(hass, entry, *change("H1", where="house-1", enabled=False))
    assert entry.options["health_rules"] == {"H1@house-1": {"enabled": False}}
    engine = entry.runtime_data.guardian._engine
    assert not engine.rule("H1", "house-1").enabled
    assert engine.rule("H1", "house-2").enabled


async def test_what_makes_no_sense_is_refused(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    with pytest.raises(InvalidData, match="duration_s"):
        await walk(hass, entry, *change("H5", duration_s=1e9))
    result = await walk(hass, entry, *change("H5", threshold=float("inf")))
    assert result["errors"] == {"base": "rule_refused"}
    assert "must be finite" in result["description_placeholders"]["reason"]
    assert "health_rules" not in entry.options


async def test_the_end_of_life_is_an_option(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    runtime = entry.runtime_data
    await walk(hass, entry, {"next_step_id": "ageing"}, {"battery_end_of_life": 70})
    assert entry.options["battery_end_of_life"] == 70.0
    assert runtime.guardian._end_of_life == 70.0
    assert entry.runtime_data is runtime

"""The dashboard: its bundle is served and announced, and its own tests see registries as they really are."""

from __future__ import annotations

import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

from homeassistant.components.frontend import DATA_EXTRA_MODULE_URL
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, MqttMockHAClient

from custom_components.microgrid.core.model.kinds import KINDS
from custom_components.microgrid.frontend import BUNDLE, async_register_dashboard, bundle_url

from .voices import Voice

FIXTURE = Path(__file__).parents[2] / "frontend/test/registries.json"
UPDATE = "MICROGRID_UPDATE_FIXTURES"


async def test_pages_load_the_bundle(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """Home Assistant tells browsers to load the file, which they may keep: its digest is in the address."""
    assert await async_setup_component(hass, "frontend", {})

    await async_register_dashboard(hass)

    assert bundle_url() in hass.data[DATA_EXTRA_MODULE_URL].urls
    response = await (await hass_client()).get(bundle_url())
    assert response.status == HTTPStatus.OK
    assert "javascript" in response.headers["Content-Type"]
    assert "max-age" in response.headers["Cache-Control"]
    assert await response.read() == BUNDLE.read_bytes()
    assert b"ll-strategy-dashboard-microgrid" in BUNDLE.read_bytes()


async def test_no_frontend_is_no_failure(hass: HomeAssistant) -> None:
    """A Home Assistant without pages gets no dashboard and no error."""
    assert "frontend" not in hass.config.components

    await async_register_dashboard(hass)

    assert DATA_EXTRA_MODULE_URL not in hass.data


async def test_fixture_of_the_dashboard_is_what_the_integration_registers(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    """A renamed metric must not leave a hole in the dashboard: its tests run on these registries."""
    planner = ConfigSubentryData(
        data={"source": "fixed", "price": 0.3},
        subentry_type="energy_planner",
        title="Fixed",
        unique_id=None,
    )
    entry = MockConfigEntry(
        domain="microgrid",
        title="Demo",
        entry_id="entry",
        data={"swarm": "demo", "name": "Demo"},
        subentries_data=[planner],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    for node_id, kind, parent in (
        ("gateway_1", "gateway", None),
        ("house_1", "house", "gateway_1"),
        ("house_2", "house", "gateway_9"),
        ("heat_pump_1", "heat_pump", None),
        ("mpp_1", "mpp_inverter", None),
        ("battery_1", "battery", None),
    ):
        metrics = tuple(metric.key for metric in KINDS[kind].metrics if metric.derive is None)
        name = node_id.replace("_", " ").capitalize()
        await Voice(hass, node_id, kind, name, parent).birth(metrics=metrics)
    site = entry.runtime_data.swarm.site
    for metric in site.kind.metrics:
        entry.runtime_data.swarm.define(site, metric)
    assert entry.runtime_data.settlement is not None
    await entry.runtime_data.settlement.refresh()
    await hass.async_block_till_done()

    registered = _registries(hass, entry)

    if os.environ.get(UPDATE):
        FIXTURE.write_text(registered)
    hint = f"set {UPDATE}=1 to write {FIXTURE.name}, then run the tests of frontend/"
    assert FIXTURE.read_text() == registered, hint


def _registries(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """What the frontend gets to know, with ids that do not change from run to run."""
    registry = dr.async_get(hass)
    parents = dr.async_entries_for_config_entry(registry, entry.entry_id)
    parts = [part for parent in parents for part in dr.async_entries_for_parent_device(registry, parent.id)]
    devices: list[dr.AnyDeviceEntry] = [*parents, *parts]
    ids = {device.id: next(iter(device.identifiers))[1] for device in devices}

    def device(entry: dr.AnyDeviceEntry) -> dict[str, Any]:
        row = entry.dict_repr
        links = {key: ids.get(str(row.get(key))) for key in ("via_device_id", "parent_device_id")}
        kept = {key: row.get(key) for key in ("config_entry_id", "name", "entry_type", "identifiers")}
        return {"id": ids[entry.id], **kept, **links}

    def entity(entry: er.RegistryEntry) -> dict[str, Any]:
        return {
            "entity_id": entry.entity_id,
            "platform": entry.platform,
            "device_id": ids[entry.device_id or ""],
            "translation_key": entry.translation_key,
            **({"entity_category": entry.entity_category} if entry.entity_category else {}),
        }

    shown = [
        entity(row)
        for row in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if row.disabled_by is None
    ]
    rows = {
        "devices": sorted(map(device, devices), key=lambda row: row["id"]),
        "entities": sorted(shown, key=lambda row: row["entity_id"]),
    }
    lists = [
        f'"{name}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in table) + "\n]"
        for name, table in rows.items()
    ]
    return "{\n" + ",\n".join(lists) + "\n}\n"

"""What the demo has beside the integration: faults on demand, and a phone that is told of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from .hass import ROOT, HomeAssistant

COMPONENT = Path(__file__).parent / "microgrid_demo"
BLUEPRINTS = ROOT / "blueprints" / "automation" / "microgrid"
BLUEPRINT = "fault_explained.yaml"
AUTOMATION = "demo_fault_explained"
PHONE = "Demo phone"
PUSH_PATH = "/api/microgrid_demo/push"  # microgrid_demo/phone.py listens there

CONFIGURATION = """\
mobile_app:
microgrid_demo:
"""
"""Beside that of every lab."""


def prepare(folder: Path) -> None:
    """Put into a configuration folder what Home Assistant reads at its start."""
    configuration = folder / "configuration.yaml"
    if CONFIGURATION not in (text := configuration.read_text()):
        configuration.write_text(text + CONFIGURATION)
    target = folder / "blueprints" / "automation" / "microgrid"
    target.mkdir(parents=True, exist_ok=True)
    for blueprint in BLUEPRINTS.glob("*.yaml"):
        shutil.copy(blueprint, target)


async def set_up(hass: HomeAssistant) -> None:
    """Register the phone, and have it told of every fault, as a user would do it."""
    client = hass.client
    entries = [entry["title"] for entry in await client.ws("config_entries/get", domain="mobile_app")]
    if PHONE not in entries:
        await client.post(
            "/api/mobile_app/registrations",
            {
                "app_id": "microgrid.demo",
                "app_name": "Microgrid demo",
                "app_version": "1",
                "device_id": "microgrid-demo-phone",
                "device_name": PHONE,
                "manufacturer": "Microgrid",
                "model": "Stand-in",
                "os_name": "none",
                "os_version": "1",
                "supports_encryption": False,
                "app_data": {"push_token": "demo", "push_url": f"{hass.url}{PUSH_PATH}"},
            },
        )
    if AUTOMATION not in [
        state["attributes"].get("id")
        for state in await client.get("/api/states")
        if state["entity_id"].startswith("automation.")
    ]:
        (phone,) = [
            device["id"]
            for device in await client.ws("config/device_registry/list")
            if device["name"] == PHONE
        ]
        await client.post(
            f"/api/config/automation/config/{AUTOMATION}",
            {
                "alias": "Tell the phone of faults and their causes",
                "use_blueprint": {"path": f"microgrid/{BLUEPRINT}", "input": {"phones": [phone]}},
            },
        )

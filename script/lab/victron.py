"""A simulated Victron GX beside the neighbourhood, and the dialogue that joins it to the swarm."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from .client import HassClient
from .errors import LabError
from .hass import ROOT
from .processes import LOOPBACK, Child

KIND = "victron_gx"
NAME = "Barn"
_PATIENCE_S = 60.0
_TRIES = 3
"""amqtt 0.12 forgets who connects while others subscribe; a user would press the button again."""
FLOWS = "/api/config/config_entries/subentries/flow"


class VictronGx(Child):
    """The simulator of a GX; it speaks through the broker of the lab."""

    def __init__(self, folder: Path, broker: str, recording: Path | None = None) -> None:
        """Know whom to tell (`broker`: HOST:PORT), and what to play instead of a simulated site."""
        played = () if recording is None else (f"--recording={recording}",)
        super().__init__(
            "Victron GX",
            [sys.executable, "-m", "simulator.gx", f"--broker={broker}", *played],
            log=folder / "victron_gx.log",
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


async def join(client: HassClient, domain: str, port: int) -> None:
    """Join the station to the swarm, as a user would, or tell the stored one where the broker is now."""
    await _settled(client)
    (entry,) = await client.ws("config_entries/get", domain=domain)
    entry_id = entry["entry_id"]
    there = [
        subentry["subentry_id"]
        for subentry in await client.ws("config_entries/subentries/list", entry_id=entry_id)
        if subentry["subentry_type"] == KIND
    ]
    start = {"handler": [entry_id, KIND]} | ({"subentry_id": there[0]} if there else {})
    result = await client.flow(
        FLOWS,
        start,
        {"next_step_id": "gx_mqtt"},
        {"name": NAME, "host": LOOPBACK, "tls": False, "port": port},
        {},
        tries=_TRIES,
    )
    if result["type"] != "create_entry" and result.get("reason") != "reconfigure_successful":
        raise LabError("Victron GX", f"the dialogue answered {result}", "read the log of Home Assistant")


async def _settled(client: HassClient) -> None:
    """Wait for the first node: a swarm loaded anew while it still subscribes confuses the MQTT client."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        for state in await client.get("/api/states"):
            if state["attributes"].get("device_class") == "connectivity" and state["state"] == "on":
                return
        await asyncio.sleep(0.2)

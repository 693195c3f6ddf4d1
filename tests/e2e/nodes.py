"""Nodes in processes of their own, and what Home Assistant shows of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from script.lab.client import Json
from script.lab.hass import ROOT
from script.lab.lab import DOMAIN, Lab
from script.lab.processes import Child


@contextmanager
def lone_node(lab: Lab, node_id: str) -> Iterator[Child]:
    """A house in a process of its own, running."""
    node = Child(
        node_id,
        [sys.executable, "-m", "tests.e2e.lone_node", str(lab.broker.port), lab.watcher.swarm_id, node_id],
        log=lab.folder / f"{node_id}.log",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    node.start()
    try:
        yield node
    finally:
        node.kill()


def forget(lab: Lab, node_id: str) -> None:
    """Delete the retained messages of a node: it left for good."""
    for suffix in ("birth", "state"):
        lab.watcher.publish(
            f"microgrid/v1/{lab.watcher.swarm_id}/{node_id}/{suffix}", b"", qos=1, retain=True
        )


async def states_of(lab: Lab, node_id: str) -> dict[str, str]:
    """Return the states of all entities of one node, its parts included, by metric or role."""
    client = lab.hass.client
    states = {state["entity_id"]: state["state"] for state in await client.get("/api/states")}
    found = {}
    for entity in await client.ws("config/entity_registry/list"):
        if entity["platform"] == DOMAIN and entity["disabled_by"] is None:
            _, name, key = entity["unique_id"].split("/", 2)
            if name == node_id:
                found[key] = states.get(entity["entity_id"], "missing")
    return found


async def diagnostics(lab: Lab) -> Json:
    """Return the diagnostics of our integration, as a user would download them."""
    client = lab.hass.client
    entry = (await client.ws("config_entries/get", domain=DOMAIN))[0]["entry_id"]
    return (await client.get(f"/api/diagnostics/config_entry/{entry}"))["data"]


LATE = ("/publish_interval", "/archive_age")
"""Sensors that come by themselves, whatever a test does: the interval of a heat pump is known 40 s after its
first message, and how old the archive is with the first upkeep after something was stored, minutes later.
"""


async def registered(lab: Lab) -> tuple[dict[str, str], dict[str, str]]:
    """Return our devices (identifier to id) and our entities but those of LATE (unique id to entity id)."""
    client = lab.hass.client
    devices: dict[str, str] = {}
    for device in await client.ws("config/device_registry/list"):
        for domain, identifier in device["identifiers"]:
            if domain == DOMAIN:
                assert identifier not in devices, f"two devices are {identifier}"
                devices[identifier] = device["id"]
    entities = {
        entity["unique_id"]: entity["entity_id"]
        for entity in await client.ws("config/entity_registry/list")
        if entity["platform"] == DOMAIN and not entity["unique_id"].endswith(LATE)
    }
    return devices, entities

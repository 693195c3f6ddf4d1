"""Broker, Home Assistant and nodes are killed and started in any order: everything recovers by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio

from script.lab.hass import LogRecord
from script.lab.lab import Lab
from script.lab.summary import complaints, shown
from tests.e2e.nodes import diagnostics, forget, lone_node, registered, states_of

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PATIENCE_S = 90.0
STALE_S = 6.0  # longer than three missed intervals of a house


# Of Home Assistant's MQTT client: it loses its birth message when the broker dies while that is under way.
NOT_OURS = "_async_resubscribe_and_publish_birth_message"


def mishaps(lab: Lab) -> list[LogRecord]:
    """Errors of our code, and exceptions of anybody; that the broker cannot be reached is HA's to tell."""
    return [
        record
        for record in lab.hass.log_errors()
        if record.ours or ("Traceback" in record.text and NOT_OURS not in record.text)
    ]


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def everything_runs(lab: Lab) -> None:
    """Begin with a whole lab, whatever became of the test before."""
    if not lab.broker.running:
        await lab.broker.up()
    if not lab.neighbourhood.running:
        lab.neighbourhood.start()
    if not lab.hass.running:
        await lab.hass.up()
    assert await recovered(lab) == []
    lab.hass.forget_output()


async def is_saved(lab: Lab) -> bool:
    """Return whether the registries on disk hold all of our devices and entities."""
    devices, entities = await registered(lab)
    storage = lab.hass.folder / ".storage"
    on_disk = [
        (storage / f"core.{name}_registry").read_text()
        for name in ("device", "entity")
        if (storage / f"core.{name}_registry").exists()
    ]
    return len(on_disk) == 2 and all(
        f'"{identity}"' in text
        for text, identities in zip(on_disk, (devices, entities), strict=True)
        for identity in identities
    )


async def kill_broker(lab: Lab) -> None:
    """Pull its plug: what it retained is lost."""
    lab.broker.kill()


async def start_broker(lab: Lab) -> None:
    """Start it on the same port."""
    await lab.broker.up()


async def kill_hass(lab: Lab) -> None:
    """Pull its plug, but not before it has saved what it registered (ten seconds later, by its rule)."""
    deadline = time.monotonic() + 60
    while not await is_saved(lab):
        assert time.monotonic() < deadline, "the registries were not saved"
        await asyncio.sleep(1)
    assert mishaps(lab) == []  # the log of the next run begins anew
    lab.hass.kill()


async def start_hass(lab: Lab) -> None:
    """Start it on what it had on disk."""
    await lab.hass.up()


async def kill_nodes(lab: Lab) -> None:
    """Pull the plug of all simulated nodes."""
    lab.neighbourhood.kill()


async def start_nodes(lab: Lab) -> None:
    """Start them; they boot anew."""
    lab.neighbourhood.start()


async def wait(lab: Lab) -> None:
    """Let the silence be noticed."""
    await asyncio.sleep(STALE_S)


type Step = Callable[[Lab], Awaitable[None]]

STORMS: dict[str, list[Step]] = {
    "broker": [kill_broker, wait, start_broker],
    "broker at once": [kill_broker, start_broker],
    "hass": [kill_hass, start_hass],
    "nodes": [kill_nodes, wait, start_nodes],
    "hass, then broker while it is away": [kill_hass, kill_broker, start_broker, start_hass],
    "hass comes back before the broker": [kill_broker, kill_hass, start_hass, start_broker],
    "nodes come back before the broker": [kill_broker, kill_nodes, start_nodes, wait, start_broker],
    "everything": [
        kill_nodes,
        kill_hass,
        kill_broker,
        start_broker,
        start_nodes,
        start_hass,
    ],
}


async def recovered(lab: Lab) -> list[str]:
    """Wait until everything is shown alive with values that move again; returns what is wrong in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        now = await shown(lab)
        problems = complaints(lab, now)
        if not (await diagnostics(lab))["broker_connected"]:
            problems.append("Home Assistant has not found the broker again")
        if not problems or time.monotonic() > deadline:
            return problems
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("storm", STORMS)
async def test_everything_recovers(lab: Lab, storm: str) -> None:
    before = await registered(lab)

    for step in STORMS[storm]:
        await step(lab)

    assert await recovered(lab) == []
    devices, entities = await registered(lab)
    assert (sorted(devices.items()), sorted(entities.items())) == tuple(sorted(b.items()) for b in before)
    assert mishaps(lab) == []
    if kill_hass not in STORMS[storm]:
        first = {
            state["entity_id"]: state["last_updated"] for state in await lab.hass.client.get("/api/states")
        }
        await asyncio.sleep(20)
        later = {
            state["entity_id"]: state["last_updated"] for state in await lab.hass.client.get("/api/states")
        }
        assert sum(later[name] > first[name] for name in first if ".house_" in name) > 12


async def test_a_killed_node_is_shown_offline_alone_and_comes_back(lab: Lab) -> None:
    with lone_node(lab, "lone-1") as node:
        await until_state(lab, "lone-1", "online", "on")
        node.kill()

        await until_state(lab, "lone-1", "online", "off")
        assert (await states_of(lab, "lone-1"))["load_power"] == "unavailable"
        assert (await shown(lab)).offline == ("lone-1",)

        node.start()
        await until_state(lab, "lone-1", "online", "on")
        assert (await states_of(lab, "lone-1"))["load_power"] != "unavailable"
        lab.broker.kill()
        node.kill()
        await lab.broker.up()
        await until_state(lab, "lone-1", "online", "off")
        node.start()
        await until_state(lab, "lone-1", "online", "on")
    forget(lab, "lone-1")
    assert await recovered(lab) == []
    assert mishaps(lab) == []


async def until_state(lab: Lab, node_id: str, key: str, state: str) -> None:
    """Wait until an entity of a node has a state."""
    deadline = time.monotonic() + 40
    while (states := await states_of(lab, node_id)).get(key) != state:
        assert time.monotonic() < deadline, f"{node_id}: {key} is not {state}: {states}"
        await asyncio.sleep(0.5)

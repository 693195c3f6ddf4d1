"""Nodes of the contract over MQTT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from homeassistant.core import HomeAssistant

from custom_components.microgrid.core.contract.messages import CommandStatus
from custom_components.microgrid.core.contract.reading import RejectReason

from .conftest import World

BIRTH = {"protocol": 1, "kind": "house", "name": "House 1", "boot_id": 1}


def live(seq: int, boot_id: int = 1, **values: Any) -> dict[str, Any]:
    """A live message."""
    return {"boot_id": boot_id, "seq": seq, "values": values}


def event(event_id: str, **more: Any) -> dict[str, Any]:
    """An event message."""
    return {
        "event_id": event_id,
        "type": "fault",
        "state": "raised",
        "code": "F001",
        "severity": "critical",
        "boot_id": 1,
        "seq": 1,
        **more,
    }


def arrive(world: World, node_id: str = "house-1", **more: Any) -> None:
    """A node announces itself and is online."""
    world.node(node_id, "birth", {**BIRTH, **more}, retain=True)
    world.node(node_id, "state", "online", retain=True)


async def test_a_node_comes_speaks_goes_silent_and_leaves(world: World) -> None:
    arrive(world)
    world.node("house-1", "live", live(1, load_power=500))
    house = world.swarm.nodes["house-1"]
    assert (house.name, house.available, house.values["load_power"]) == ("House 1", True, 500)
    world.node("house-1", "state", "offline")
    assert not house.available
    world.node("house-1", "birth", "")
    assert "house-1" not in world.swarm.nodes
    assert not world.swarm.rejected


async def test_the_state_may_come_before_the_birth(world: World) -> None:
    world.node("house-1", "state", "online", retain=True)
    world.node("house-1", "birth", BIRTH, retain=True)
    assert world.swarm.nodes["house-1"].available


async def test_a_deleted_state_is_forgotten(world: World) -> None:
    world.node("house-1", "state", "online", retain=True)
    world.node("house-1", "state", "")
    world.node("house-1", "birth", BIRTH, retain=True)
    assert not world.swarm.nodes["house-1"].available


async def test_values_may_overtake_the_births_that_the_broker_kept(
    world: World, warnings: Callable[[], list[str]]
) -> None:
    world.node("house-1", "live", live(1, load_power=500))
    assert world.swarm.rejected == {RejectReason.UNKNOWN_NODE: 1}
    assert warnings() == []


async def test_values_before_the_birth_are_counted(world: World, warnings: Callable[[], list[str]]) -> None:
    await world.pass_time(10)
    world.node("house-1", "live", live(1, load_power=500))
    world.node("house-1", "event", event("e1"))
    assert world.swarm.rejected == {RejectReason.UNKNOWN_NODE: 2}
    assert len(warnings()) == 1


async def test_what_the_broker_sends_again_is_harmless(world: World) -> None:
    arrive(world)
    world.node("house-1", "live", live(1, load_power=500))
    world.told.clear()
    arrive(world)
    assert world.told == []
    assert not world.swarm.rejected


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("live", live(9, load_power=1)),
        ("event", event("e9")),
        ("cmd/result", {"id": "c", "status": "failed"}),
    ],
)
async def test_what_must_not_be_retained_is_the_past(world: World, suffix: str, message: Any) -> None:
    arrive(world)
    world.node("house-1", suffix, message, retain=True)
    assert world.swarm.rejected == {RejectReason.OUTDATED: 1}
    assert "load_power" not in world.swarm.nodes["house-1"].values
    assert (world.events(), world.results) == ([], [])


async def test_events_come_once(world: World) -> None:
    arrive(world)
    world.node("house-1", "event", event("e1"))
    world.node("house-1", "event", event("e1"))
    assert world.events() == [("F001", "raised", "critical")]
    assert set(world.swarm.nodes["house-1"].faults) == {"F001"}
    assert world.swarm.rejected == {RejectReason.DUPLICATE: 1}


async def test_results_of_commands_are_handed_on(world: World) -> None:
    world.node("house-1", "cmd/result", {"id": "c-1", "status": "rejected", "reason": "too hot"})
    ((node_id, result),) = world.results
    assert (node_id, result.id, result.status, result.reason) == (
        "house-1",
        "c-1",
        CommandStatus.REJECTED,
        "too hot",
    )


async def test_a_gateway_speaks_for_its_own_houses_only(world: World) -> None:
    arrive(world, "gateway-a", kind="gateway", name="A")
    arrive(world, "house-1", parent="gateway-a")
    arrive(world, "house-2", parent="gateway-b")
    arrive(world, "house-3")
    message = live(1, cluster_frequency=50.0)
    message["nodes"] = {f"house-{number}": live(1, load_power=number) for number in (1, 2, 3, 4)}
    world.node("gateway-a", "live", message)
    nodes = world.swarm.nodes
    assert nodes["gateway-a"].values["cluster_frequency"] == 50.0
    assert [nodes[f"house-{number}"].values.get("load_power") for number in (1, 2, 3)] == [1, None, None]
    assert world.swarm.rejected == {RejectReason.BAD_NODE_ID: 2, RejectReason.UNKNOWN_NODE: 1}


async def test_a_gateway_that_speaks_only_for_others_is_there(world: World) -> None:
    arrive(world, "gateway-a", kind="gateway", name="A")
    arrive(world, "house-1", parent="gateway-a")
    for seq in range(5):
        await world.pass_time(2)
        world.node("gateway-a", "live", {"nodes": {"house-1": live(seq, load_power=seq)}})
    assert world.swarm.nodes["gateway-a"].available
    assert world.swarm.nodes["house-1"].values["load_power"] == 4


async def test_a_later_protocol_is_observable_until_it_is_spoken_no_more(world: World) -> None:
    seen: list[dict[str, str]] = []
    stop = world.swarm_mqtt.on_too_new(lambda: seen.append(dict(world.swarm_mqtt.too_new)))
    world.node("house-1", "birth", {**BIRTH, "protocol": 2})
    world.node("house-1", "birth", {**BIRTH, "protocol": 2})
    world.node("house-2", "birth", {**BIRTH, "protocol": 3})
    world.node("house-1", "birth", BIRTH)
    world.node("house-2", "birth", "")
    assert [sorted(nodes) for nodes in seen] == [["house-1"], ["house-1", "house-2"], ["house-2"], []]
    assert world.swarm.rejected == {RejectReason.PROTOCOL_TOO_NEW: 3}
    stop()
    world.node("house-2", "birth", {**BIRTH, "protocol": 3})
    assert len(seen) == 4


@pytest.mark.parametrize("node_id", ["House", "h" * 33, "ä", "a.b"])
async def test_unlawful_ids_are_refused(world: World, node_id: str) -> None:
    world.node(node_id, "birth", BIRTH)
    assert world.swarm.rejected == {RejectReason.BAD_NODE_ID: 1}
    assert list(world.swarm.nodes) == ["site"]


async def test_the_site_cannot_be_claimed(world: World) -> None:
    for suffix, message in (("birth", BIRTH), ("state", "offline"), ("live", live(1, load_power=1))):
        world.node("site", suffix, message)
    world.node("site", "birth", "")
    assert world.swarm.site.available
    assert sum(world.swarm.rejected.values()) == 3


async def test_too_large_messages_are_refused(world: World) -> None:
    arrive(world)
    world.node("house-1", "live", b" " * (256 * 1024 + 1))
    assert world.swarm.rejected == {RejectReason.TOO_LARGE: 1}


async def test_refusals_are_logged_once_a_minute_for_each_node_and_reason(
    world: World, warnings: Callable[[], list[str]]
) -> None:
    arrive(world, "house-1")
    arrive(world, "house-2")
    for _ in range(50):
        world.node("house-1", "live", "{")
        world.node("house-2", "live", "{")
        world.node("house-2", "live", "[]")
        world.node("house-1", "live", live(0))  # repetitions are nobody's fault
    assert len(warnings()) == 3
    await world.pass_time(61)
    world.node("house-1", "live", "{")
    assert len(warnings()) == 4
    assert "49 more" in warnings()[-1]
    assert world.swarm.rejected[RejectReason.NOT_JSON] == 101


async def test_invented_senders_share_one_line(world: World, warnings: Callable[[], list[str]]) -> None:
    await world.pass_time(10)
    for number in range(200):
        world.node(f"ghost-{number}", "live", live(1))
    assert len(warnings()) == 1


async def test_after_the_stop_nothing_comes_in(hass: HomeAssistant, world: World) -> None:
    await world.swarm_mqtt.async_stop()
    arrive(world)
    assert list(world.swarm.nodes) == ["site"]

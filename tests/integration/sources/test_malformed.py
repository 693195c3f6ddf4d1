"""Ten thousand malformed messages on every topic: counted, and nothing else changes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from custom_components.microgrid.core.model.swarm import NodeRemoved

from .conftest import World
from .test_heat_pump_mqtt import DATA, sample
from .test_swarm_mqtt import arrive, event, live

MESSAGES = 10_000
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    2**70,
    "",
    "x" * 300,
    "\u202e\x00",
    "../../etc/passwd",
    "{{ 1 }}",
    [],
    {},
    [[]],
)


def _mutated(rng: random.Random, value: Any) -> Any:
    """A copy with one thing broken, somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.7:
        key = rng.choice(list(value))
        copy = dict(value)
        if rng.random() < 0.3:
            del copy[key]
        else:
            copy[key] = _mutated(rng, value[key])
        return copy
    return rng.choice(ODD)


def _malformed(rng: random.Random, seed: dict[str, Any]) -> bytes:
    """Broken bytes, broken JSON, or JSON that is broken in one place or more."""
    match rng.randrange(6):
        case 0:
            return rng.randbytes(rng.randrange(40))
        case 1:
            text = json.dumps(seed).encode()
            return text[: rng.randrange(1, len(text))]
        case 2:
            return b"[" * rng.randrange(1, 3000)
        case 3:
            broken = bytearray(json.dumps(seed).encode())
            broken[rng.randrange(len(broken))] = rng.randrange(256)
            return bytes(broken)
        case _:
            message = seed
            for _ in range(rng.randrange(1, 4)):
                message = _mutated(rng, message) or {}
            return json.dumps(message).encode()


BIRTH = {
    "protocol": 1,
    "kind": "house",
    "name": "Victim",
    "boot_id": 1,
    "parent": "gateway-a",
    "capabilities": {
        "metrics": ["load_power"],
        "commands": [{"name": "reset", "parameters": [{"name": "x", "type": "number", "minimum": 0}]}],
    },
}
TOPICS: dict[str, dict[str, Any]] = {
    "microgrid/v1/demo/victim/birth": BIRTH,
    "microgrid/v1/demo/victim/state": {"state": "online"},
    "microgrid/v1/demo/victim/live": live(5, load_power=5.0, state_of_charge=50),
    "microgrid/v1/demo/victim/event": event("e-1", time="2026-06-01T12:00:00.000Z", values={"i": 1}),
    "microgrid/v1/demo/victim/cmd/result": {
        "id": "c",
        "status": "failed",
        "reason": "no",
        "values": {"a": 1},
    },
    "heatpump/victim/data": {"timestamp": 1780315200000, "readings": [sample()], "overflow": 3},
    "heatpump/victim/status/online": {"online": True},
    "heatpump/victim/alerts": {"type": "current", "level": 1, "alerts": {"voltage": 2}},
    "house/victim_temp": {"value": 1},
    "weather/temperature": {"value": 1},
}


@pytest.mark.parametrize("topic", sorted(TOPICS))
async def test_ten_thousand_malformed_messages(
    world: World, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    arrive(world, "house-1")
    world.node("house-1", "live", live(1, load_power=500))
    world.receive(DATA, sample())
    world.receive("house/good_temp", "20")
    good = {node_id: dict(node.values) for node_id, node in world.swarm.nodes.items()}
    world.told.clear()
    rng = random.Random(topic)
    for _ in range(MESSAGES):
        world.receive(topic, _malformed(rng, TOPICS[topic]))
    await world.hass.async_block_till_done()

    assert sum(world.swarm.rejected.values()) > MESSAGES / 3
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []
    lines = [record for record in caplog.records if record.name.endswith("sources.refusals")]
    assert len([record for record in lines if record.levelname == "WARNING"]) <= 32
    removed = {change.node.node_id for change in world.told if isinstance(change, NodeRemoved)}
    assert removed <= {"victim"}
    for node_id, values in good.items():
        now = world.swarm.nodes[node_id].values
        assert {key: now.get(key) for key in values} == values

    world.node("house-1", "live", live(2, load_power=501))
    assert world.swarm.nodes["house-1"].values["load_power"] == 501


async def test_malformed_names(world: World, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(1)
    letters = "abcXYZ019_-. ü$&%\\\"'{}<>"
    for _ in range(MESSAGES):
        name = "".join(rng.choices(letters, k=rng.randrange(1, 80)))
        world.node(name, "birth", {**BIRTH, "kind": "battery"} if rng.random() < 0.01 else "{")
        world.receive(f"heatpump/{name}/data", sample() if rng.random() < 0.1 else "{")
        world.receive(f"house/{name}", "1")
    await world.hass.async_block_till_done()
    assert sum(world.swarm.rejected.values()) > MESSAGES
    assert len(world.swarm.nodes) < 200
    assert sum(key.startswith("house_") for key in world.swarm.site.values) <= 64
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []

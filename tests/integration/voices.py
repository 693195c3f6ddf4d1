"""Nodes that speak to Home Assistant in tests, with the messages of the contract."""

from __future__ import annotations

import json
from typing import Any

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message

SWARM = "demo"


class Voice:
    """One node on the wire."""

    def __init__(
        self, hass: HomeAssistant, node_id: str, kind: str, name: str, parent: str | None = None
    ) -> None:
        """Know what to say about itself."""
        self.hass = hass
        self.node_id = node_id
        self.kind = kind
        self.name = name
        self.parent = parent
        self.boot_id = 1
        self.seq = 0
        self.events = 0

    def send(self, suffix: str, payload: str) -> None:
        """Publish; to those who listen already the broker passes retained messages on as fresh ones."""
        async_fire_mqtt_message(self.hass, f"microgrid/v1/{SWARM}/{self.node_id}/{suffix}", payload, qos=1)

    async def birth(self, metrics: tuple[str, ...] = (), **more: Any) -> None:
        """Announce itself."""
        message = {
            "protocol": 1,
            "kind": self.kind,
            "name": self.name,
            "boot_id": self.boot_id,
            "capabilities": {"metrics": list(metrics)},
            **({"parent": self.parent} if self.parent else {}),
            **more,
        }
        self.send("birth", json.dumps(message))
        await self.hass.async_block_till_done()

    async def leave(self) -> None:
        """Take the retained birth back."""
        self.send("birth", "")
        await self.hass.async_block_till_done()

    async def state(self, state: str) -> None:
        """Speak as last will or its opposite."""
        self.send("state", state)
        await self.hass.async_block_till_done()

    async def live(self, faults: list[str] | None = None, **values: Any) -> None:
        """Tell newest values."""
        self.seq += 1
        message: dict[str, Any] = {"boot_id": self.boot_id, "seq": self.seq, "values": values}
        if faults is not None:
            message["faults"] = faults
        self.send("live", json.dumps(message))
        await self.hass.async_block_till_done()

    def event(
        self,
        event_type: str,
        code: str,
        state: str = "moment",
        severity: str = "info",
        event_id: str | None = None,
        **values: Any,
    ) -> None:
        """Tell that something happened, without waiting for what comes of it."""
        self.events += 1
        message = {
            "event_id": event_id or f"{self.node_id}-{self.boot_id}-{self.events}",
            "type": event_type,
            "state": state,
            "code": code,
            "severity": severity,
            "boot_id": self.boot_id,
            "seq": self.events,
            "time": "2026-06-01T12:00:00.000Z",
            "values": values,
        }
        self.send("event", json.dumps(message))

    async def greet(self, metrics: tuple[str, ...] = (), **more: Any) -> None:
        """Announce itself and be online."""
        await self.birth(metrics, **more)
        await self.state("online")

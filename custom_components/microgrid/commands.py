"""Commands to nodes: refused before they leave unless the node declared them, matched to their answers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.contract.messages import CommandResult, Scalar
from .core.contract.reading import format_time
from .core.contract.topics import CMD_SET, Topic
from .core.model.swarm import Node, Swarm


class CommandDesk:
    """Sends commands and waits for what became of them."""

    def __init__(self, hass: HomeAssistant, swarm: Swarm) -> None:
        """Know the swarm; the source hands the results in."""
        self._hass = hass
        self._swarm = swarm
        self._waiting: dict[tuple[str, str], asyncio.Future[CommandResult]] = {}

    def check(self, node: Node, command: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return every reason why the node would refuse the command."""
        declared = {capability.name: capability for capability in node.birth.commands} if node.birth else {}
        if (capability := declared.get(command)) is None:
            known = ", ".join(sorted(declared)) or "none"
            return [f"{node.node_id} does not offer {command}; it offers: {known}"]
        reasons = []
        wanted = {parameter.name: parameter for parameter in capability.parameters}
        for name in sorted(wanted.keys() - parameters.keys()):
            reasons.append(f"{node.node_id}: {command} needs {name}")
        for name in sorted(parameters.keys() - wanted.keys()):
            reasons.append(f"{node.node_id}: {command} has no parameter {name}")
        for name, value in parameters.items():
            if name in wanted and (why := wanted[name].refusal(value)):
                reasons.append(f"{node.node_id}: {why}")
        if not node.available:
            reasons.append(f"{node.node_id} is offline")
        return reasons

    async def send(
        self, node: Node, command: str, parameters: Mapping[str, Scalar], timeout_s: float
    ) -> CommandResult:
        """Send a checked command; raises when no answer came in time."""
        command_id = uuid4().hex
        payload = {
            "id": command_id,
            "command": command,
            "parameters": dict(parameters),
            "expires_at": format_time(dt_util.utcnow() + timedelta(seconds=timeout_s)),
        }
        future: asyncio.Future[CommandResult] = self._hass.loop.create_future()
        self._waiting[node.node_id, command_id] = future
        try:
            await mqtt.async_publish(
                self._hass,
                str(Topic(self._swarm.swarm_id, node.node_id, CMD_SET)),
                json.dumps(payload),
                qos=1,
                retain=False,
                message_expiry_interval=math.ceil(timeout_s),
            )
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="command_timeout",
                translation_placeholders={"node": node.name, "command": command, "seconds": f"{timeout_s:g}"},
            ) from None
        finally:
            self._waiting.pop((node.node_id, command_id), None)

    @callback
    def result(self, node_id: str, result: CommandResult) -> None:
        """Take a result; one that nobody waits for any more is dropped."""
        future = self._waiting.get((node_id, result.id))
        if future is not None and not future.done():
            future.set_result(result)

    def close(self) -> None:
        """Give up waiting."""
        for future in self._waiting.values():
            if not future.done():
                future.cancel()

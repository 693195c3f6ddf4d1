"""The twin of the Pi's battery: a node that also executes schedules."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from microgrid_core.contract import encode, topics
from microgrid_core.contract.messages import CommandCapability, NodeKind, Parameter, ParameterType, Scalar
from microgrid_core.contract.schedule import Acknowledgement, ScheduleState

from ..physics.neighbourhood import BATTERY, Neighbourhood
from ..physics.pi_battery import MAX_POWER_W
from .connection import Handler
from .node import Ability, Identity, NodeTwin, Values
from .schedule import CAPABILITY, ScheduleKeeper

_SET_POWER_LIMIT = CommandCapability(
    "set_power_limit", (Parameter("power", ParameterType.NUMBER, 0.0, MAX_POWER_W, unit="W"),)
)


class BatteryTwin(NodeTwin):
    """`battery-1`."""

    def __init__(self, site: Neighbourhood, swarm: str, boot_id: int) -> None:
        """Build with an empty schedule."""
        super().__init__(
            site,
            swarm,
            BATTERY,
            Identity(NodeKind.BATTERY, "Battery 1", "Raspberry Pi 4", "simulator"),
            boot_id,
            abilities=(Ability(_SET_POWER_LIMIT, self._set_power_limit),),
            schedule=CAPABILITY,
        )
        self._keeper = ScheduleKeeper(f"{BATTERY}-{boot_id:08x}", self._acknowledge)
        self._advanced = time.monotonic()
        self._published: ScheduleState | None = None

    def handlers(self) -> dict[str, Handler]:
        """Commands and schedules."""
        return {**super().handlers(), self.topic(topics.SCHEDULE_SET): self._schedule_set}

    def values(self) -> Values:
        """The pack's readings and what the keeper did."""
        return {
            **super().values(),
            "schedule_revision": self._keeper.revision,
            "intervals_done": self._keeper.intervals_done,
            "intervals_failed": self._keeper.intervals_failed,
            "intervals_late": self._keeper.intervals_late,
        }

    def announce(self) -> None:
        """Also say which schedule we hold."""
        super().announce()
        self._published = None

    def due(self, now: float) -> None:
        """Walk on in the schedule, then send."""
        seconds, self._advanced = now - self._advanced, now
        battery = self._site.battery
        battery.task = self._keeper.advance(self.utc_now(), battery.power_w, seconds)
        state = self._keeper.state(self.utc_now())
        if self._published is None or replace(state, time=self._published.time) != self._published:
            self._published = state
            self.publish(topics.SCHEDULE_STATE, encode.schedule_state_payload(state), qos=1, retain=True)
        super().due(now)

    def _schedule_set(self, payload: bytes) -> None:
        self._keeper.receive(payload, self.utc_now())

    def _acknowledge(self, acknowledgement: Acknowledgement) -> None:
        self.publish(topics.ACK, encode.acknowledgement_payload(acknowledgement), qos=1)

    def _set_power_limit(self, parameters: Mapping[str, Scalar]) -> Values:
        self._site.battery.power_limit_w = float(parameters["power"])
        return {"power": self._site.battery.power_limit_w}

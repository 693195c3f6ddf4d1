"""The batteries that the planner steers: what is asked of one, all as one, what cannot be believed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol

from .core.contract.messages import ScheduleCapability, ScheduleMode
from .core.contract.schedule import INTERVAL, Interval, Schedule
from .core.energy.battery import Battery
from .core.energy.dispatch import schedule_of
from .core.energy.planning import Plan
from .core.model.swarm import Node
from .planner_money import Answer

NO_BATTERY: Final = "battery_missing"
NO_CHARGE: Final = "charge_missing"
WRONG_CHARGE: Final = "charge_implausible"
FROZEN_CHARGE: Final = "charge_frozen"
WRONG_CLOCK: Final = "battery_clock"

MAX_CLOCK_OFFSET_S: Final = 60.0
_EFFICIENCY: Final = 0.95
_JUMP_PERCENT: Final = 8.0
"""Of charge beyond what the power allows: gauges correct themselves by some percent."""
_DISTRUST: Final = timedelta(minutes=15)
_MOVED_SHARE: Final = 0.25
"""Of the capacity that flowed while the gauge did not move at all."""
_RULE_HOURS: Final = 24
_LEAST_PERCENT: Final = 5.0  # below it stored energy over charge says little about the capacity


class PlannedBattery(Protocol):
    """What is asked of a battery; everything that takes schedules can be one."""

    @property
    def node_id(self) -> str:
        """Id of its node."""

    @property
    def name(self) -> str:
        """Its name for people."""

    @property
    def capability(self) -> ScheduleCapability:
        """What it declared."""

    @property
    def capacity_kwh(self) -> float | None:
        """What it holds when full, as far as it tells."""

    @property
    def charge_percent(self) -> float | None:
        """Its state of charge; None while it is not there or does not know."""

    @property
    def power_kw(self) -> float | None:
        """What it gives (+) or takes."""

    @property
    def clock_offset_s(self) -> float | None:
        """Its clock against ours."""

    def next_revision(self) -> int:
        """Return the revision that the next schedule must have."""

    async def publish(self, schedule: Schedule) -> None:
        """Send a schedule; raises HomeAssistantError when it is refused."""

    async def cancel(self) -> None:
        """Withdraw what was planned."""


class Desk(Protocol):
    """What sends schedules to nodes of the swarm."""

    def next_revision(self, node_id: str) -> int:
        """Return the revision above all that is known."""

    async def set(self, node_id: str, schedule: Schedule) -> None:
        """Send a schedule."""

    def cancel(self, node_id: str) -> Awaitable[object]:
        """Withdraw what was planned."""


@dataclass(frozen=True, slots=True)
class _Keys:
    charge: str
    power: str
    stored: str | None = None


_KEYS: Final[Mapping[str, _Keys]] = {
    "battery": _Keys("state_of_charge", "power", "stored_energy"),
    "house": _Keys("state_of_charge", "battery_power", "battery_stored_energy"),
    "victron_gx": _Keys("state_of_charge", "battery_power"),
}
"""Where the kinds of nodes tell what is needed of a battery."""
_DROOP: Final = ScheduleCapability((), 0.0, 0.0)
"""Of a battery that takes no schedules: no power is known."""


@dataclass(frozen=True, slots=True)
class SwarmBattery:
    """A node of the swarm that takes schedules over MQTT."""

    node: Node
    capability: ScheduleCapability
    desk: Desk

    @classmethod
    def of(cls, node: Node, desk: Desk) -> SwarmBattery | None:
        """Return the battery of a node, None when it is none or takes no schedules."""
        if node.kind.kind not in _KEYS or node.schedule is None:
            return None
        return cls(node, node.schedule, desk)

    @classmethod
    def watched(cls, node: Node, desk: Desk) -> SwarmBattery | None:
        """Return the battery of a node whether it takes schedules or shares the load by droop alone."""
        if node.kind.kind not in _KEYS:
            return None
        return cls(node, node.schedule or _DROOP, desk)

    @property
    def node_id(self) -> str:
        """Id of its node."""
        return self.node.node_id

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.node.name

    @property
    def capacity_kwh(self) -> float | None:
        """By stored energy and charge, where both are told."""
        stored, charge = self._value(_KEYS[self.node.kind.kind].stored), self.charge_percent
        if stored is None or charge is None or charge < _LEAST_PERCENT or stored <= 0.0:
            return None
        return stored / 1000.0 / (charge / 100.0)

    @property
    def charge_percent(self) -> float | None:
        """Its state of charge."""
        return self._value(_KEYS[self.node.kind.kind].charge)

    @property
    def power_kw(self) -> float | None:
        """What it gives (+) or takes."""
        power = self._value(_KEYS[self.node.kind.kind].power)
        return None if power is None else power / 1000.0

    @property
    def clock_offset_s(self) -> float | None:
        """Its clock against ours."""
        return self.node.clock_offset_s

    def next_revision(self) -> int:
        """Return the revision that the next schedule must have."""
        return self.desk.next_revision(self.node_id)

    async def publish(self, schedule: Schedule) -> None:
        """Send a schedule."""
        await self.desk.set(self.node_id, schedule)

    async def cancel(self) -> None:
        """Withdraw what was planned."""
        await self.desk.cancel(self.node_id)

    def _value(self, key: str | None) -> float | None:
        value = self.node.values.get(key) if key is not None and self.node.available else None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return None
        return float(value)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All batteries as one: they stand behind one meter and share what is planned by their size."""

    members: tuple[PlannedBattery, ...]
    capacities_kwh: tuple[float, ...]
    charge_percent: float | None
    power_kw: float | None

    @classmethod
    def of(
        cls,
        batteries: Sequence[PlannedBattery],
        fallback_kwh: float,
        remembered_kwh: Mapping[str, float] = MappingProxyType({}),
    ) -> Fleet:
        """Return the fleet.

        `fallback_kwh` is the capacity of all where they do not tell their own; `remembered_kwh` is what each
        told earlier, for an empty battery says little about what it holds when full.
        """
        told = [battery.capacity_kwh or remembered_kwh.get(battery.node_id) for battery in batteries]
        silent = told.count(None)
        left_kwh = fallback_kwh - sum(size for size in told if size is not None)
        share = left_kwh / silent if silent and left_kwh > 0.0 else fallback_kwh / max(1, len(told))
        sizes = tuple(share if size is None else size for size in told)
        charges, powers = (
            [getattr(battery, name) for battery in batteries] for name in ("charge_percent", "power_kw")
        )
        charge = power = None
        if batteries and None not in charges:
            weights = sizes if sum(sizes) > 0.0 else (1.0,) * len(sizes)
            charge = sum(c * w for c, w in zip(charges, weights, strict=True)) / sum(weights)
        if batteries and None not in powers:
            power = sum(powers)
        return cls(tuple(batteries), sizes, charge, power)

    @property
    def capacity_kwh(self) -> float:
        """Of all."""
        return sum(self.capacities_kwh)

    @property
    def capability(self) -> ScheduleCapability:
        """What all can do together: the modes that each of them has."""
        modes = [set(member.capability.modes) for member in self.members]
        shared = set.intersection(*modes) if modes else set()
        return ScheduleCapability(
            tuple(mode for mode in ScheduleMode if mode in shared),
            sum(member.capability.max_charge_w for member in self.members),
            sum(member.capability.max_discharge_w for member in self.members),
        )

    def battery(self, reserve_percent: float, wear_per_kwh: float) -> Battery:
        """Return it as the optimiser sees it."""
        capability = self.capability
        return Battery(
            self.capacity_kwh,
            capability.max_charge_w / 1000.0,
            capability.max_discharge_w / 1000.0,
            _EFFICIENCY,
            _EFFICIENCY,
            wear_per_kwh,
            reserve_percent / 100.0,
        )

    def trouble(self) -> str | None:
        """Return what forbids to plan with it as told."""
        if not self.members:
            return NO_BATTERY
        if self.charge_percent is None or self.capacity_kwh <= 0.0:
            return NO_CHARGE
        offsets = (member.clock_offset_s for member in self.members)
        return (
            WRONG_CLOCK
            if any(abs(offset) > MAX_CLOCK_OFFSET_S for offset in offsets if offset is not None)
            else None
        )


@dataclass(slots=True)
class ChargeWatch:
    """Compares the state of charge with what flowed."""

    _at: datetime | None = None
    _charge: float = 0.0
    _net_kwh: float = 0.0
    """What flowed since the gauge last moved."""
    _distrusted_until: datetime | None = None
    _verdict: str | None = None

    def look(self, now: datetime, fleet: Fleet) -> str | None:
        """Return what is wrong with the charge, after taking it in."""
        charge, size = fleet.charge_percent, fleet.capacity_kwh
        if charge is None or size <= 0.0:
            return None
        if self._at is None:
            self._at, self._charge = now, charge
        if now > self._at:
            self._verdict = self._judged(now, fleet, charge, size, self._at)
        return self._verdict

    def _judged(
        self, now: datetime, fleet: Fleet, charge: float, size: float, before: datetime
    ) -> str | None:
        hours = (now - before) / timedelta(hours=1)
        if hours >= 1.0:  # it was silent: anything may have happened
            self._net_kwh = 0.0
        capability = fleet.capability
        most_kw = max(capability.max_charge_w, capability.max_discharge_w) / 1000.0
        possible = _JUMP_PERCENT + 100.0 * 1.2 * most_kw * hours / size
        if abs(charge - self._charge) > possible:
            self._distrusted_until = now + _DISTRUST
        flowed = (fleet.power_kw or 0.0) * hours
        self._net_kwh = self._net_kwh + flowed if charge == self._charge else 0.0
        self._at, self._charge = now, charge
        if self._distrusted_until is not None and now < self._distrusted_until:
            return WRONG_CHARGE
        # A full or empty battery may stand still while its gauge says so.
        if abs(self._net_kwh) > _MOVED_SHARE * size:
            return FROZEN_CHARGE
        return None


@dataclass(frozen=True, slots=True)
class Reserve:
    """What must stay in the battery."""

    percent: float
    charge_to: bool = False
    """A storm is coming: take it from the grid if need be."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """How a plan becomes the schedules of a fleet."""

    fleet: Fleet
    battery: Battery
    reserve: Reserve
    now: datetime
    until: datetime
    """When the next plan is made."""
    taking: bool = False
    """The house takes from battery or grid at the moment."""

    def planned(self, found: Answer) -> dict[str, Schedule]:
        """Return the schedule of each battery for a plan."""
        if (plans := self._own(found)) is not None:
            return self._each(found, plans)
        whole = self._whole(found, found.plan, self.battery, self.fleet.capability)
        return self._shared(whole, self.resting(found))

    def _own(self, found: Answer | None) -> Mapping[str, Plan] | None:
        """Return the plan of each battery; None where they share one."""
        plans = {} if found is None or found.street is None else found.street.plans
        return plans if all(member.node_id in plans for member in self.fleet.members) else None

    def _each(self, found: Answer, plans: Mapping[str, Plan]) -> dict[str, Schedule]:
        """Return schedules where every battery has a plan of its own."""
        sent: dict[str, Schedule] = {}
        for member, size in zip(self.fleet.members, self.fleet.capacities_kwh, strict=True):
            alone = Fleet((member,), (size,), member.charge_percent, member.power_kw)
            part = replace(self, fleet=alone, battery=battery_of(member.capability, size, self.battery))
            whole = part._whole(found, plans[member.node_id], part.battery, member.capability)
            sent |= part._shared(whole, part.resting(found))
        return sent

    def _whole(self, found: Answer, plan: Plan, battery: Battery, capability: ScheduleCapability) -> Schedule:
        """Return the schedule of a plan, from now on."""
        whole = schedule_of(
            plan,
            found.start,
            battery,
            capability,
            schedule_id="plan",
            revision=1,
            issued_at=self.now,
        )
        empty = [
            after <= 1e-6 and before <= 1e-6 and net > 0.0
            for before, after, net in zip(
                plan.stored_kwh, plan.stored_kwh[1:], plan.outlook.net_kwh, strict=False
            )
        ]

        def kept(interval: Interval) -> Interval:
            # The node knows its own floor only: at ours the planner lets it rest instead of following.
            step = int((interval.start - found.start) / timedelta(hours=1))
            if interval.mode is ScheduleMode.FOLLOW and 0 <= step < len(empty) and empty[step]:
                return replace(interval, mode=ScheduleMode.IDLE, rate_w=None)
            return interval

        intervals = [kept(interval) for interval in whole.intervals if interval.end > self.now]
        curve = whole.value_curve if found.follows_curve else ()
        return replace(whole, intervals=tuple(self._stormy(intervals)), value_curve=curve)

    def rule(self) -> dict[str, Schedule]:
        """Return schedules that follow the house."""
        first = _half_hour(self.now)
        mode = (
            ScheduleMode.FOLLOW if ScheduleMode.FOLLOW in self.fleet.capability.modes else ScheduleMode.IDLE
        )
        count = _RULE_HOURS * 2
        intervals = [Interval(number, first + number * INTERVAL, mode) for number in range(count)]
        whole = Schedule("rule", 1, self.now, first + count * INTERVAL, mode, tuple(self._stormy(intervals)))
        return self._shared(whole, self.resting(None))

    def resting(self, found: Answer | None) -> frozenset[str]:
        """Return the batteries that would give what is the reserve; a node knows only its own floor.

        Each counts for itself, and all where they share a plan and have no more together.
        """
        charges = {member.node_id: member.charge_percent for member in self.fleet.members}
        if self._own(found) is None and self._down(self.fleet.charge_percent):
            return frozenset(charges)
        return frozenset(node_id for node_id, charge in charges.items() if self._down(charge))

    def _down(self, charge: float | None) -> bool:
        return self.taking and charge is not None and charge <= self.reserve.percent

    def _rested(self, interval: Interval) -> Interval:
        """Let a battery at its reserve rest until the next plan, whatever sun was expected."""
        if interval.mode is not ScheduleMode.FOLLOW or interval.start >= self.until:
            return interval
        return replace(interval, mode=ScheduleMode.IDLE, rate_w=None)

    def _stormy(self, intervals: list[Interval]) -> list[Interval]:
        """Fill the battery up to the reserve before anything else when a storm is coming."""
        charge, capability = self.fleet.charge_percent, self.fleet.capability
        if (
            not self.reserve.charge_to
            or charge is None
            or ScheduleMode.CHARGE not in capability.modes
            or capability.max_charge_w <= 0.0
            or charge >= self.reserve.percent - 1.0
        ):
            return intervals
        missing_kwh = self.fleet.capacity_kwh * (self.reserve.percent - charge) / 100.0
        per_interval = capability.max_charge_w / 1000.0 * (INTERVAL / timedelta(hours=1)) * _EFFICIENCY
        count = min(math.ceil(missing_kwh / per_interval), len(intervals))
        if self.fleet.capacity_kwh <= 0.0:  # nobody knows how much that is: it is seen at the next plan
            count = sum(interval.start < self.until for interval in intervals)
        filling = [
            replace(interval, mode=ScheduleMode.CHARGE, rate_w=capability.max_charge_w)
            for interval in intervals[:count]
        ]
        return [*filling, *intervals[count:]]

    def _shared(self, whole: Schedule, resting: Collection[str]) -> dict[str, Schedule]:
        """Divide rates by what each battery can do, and let some rest."""
        total = self.fleet.capability
        shared = {}
        for member in self.fleet.members:
            own = member.capability
            shares = {
                ScheduleMode.CHARGE: (own.max_charge_w, total.max_charge_w),
                ScheduleMode.DISCHARGE: (own.max_discharge_w, total.max_discharge_w),
                ScheduleMode.FOLLOW: (
                    own.max_charge_w + own.max_discharge_w,
                    total.max_charge_w + total.max_discharge_w,
                ),
            }

            def of_member(
                interval: Interval, shares: Mapping[ScheduleMode, tuple[float, float]] = shares
            ) -> Interval:
                if interval.rate_w is None or interval.mode not in shares:
                    return interval
                part, whole_w = shares[interval.mode]
                rate = interval.rate_w * part / whole_w if whole_w > 0.0 else 0.0
                return replace(interval, rate_w=round(min(rate, part), 1))

            kept = map(self._rested, whole.intervals) if member.node_id in resting else whole.intervals
            revision = member.next_revision()
            shared[member.node_id] = replace(
                whole,
                schedule_id=f"{whole.schedule_id}-{self.now:%Y%m%dT%H%M%S}-{revision}",
                revision=revision,
                intervals=tuple(of_member(interval) for interval in kept),
            )
        return shared


def battery_of(capability: ScheduleCapability, capacity_kwh: float, like: Battery) -> Battery:
    """Return one battery as the optimiser sees it, with losses, wear and reserve of another."""
    return replace(
        like,
        capacity_kwh=capacity_kwh,
        charge_kw=capability.max_charge_w / 1000.0,
        discharge_kw=capability.max_discharge_w / 1000.0,
    )


def _half_hour(now: datetime) -> datetime:
    return now - timedelta(minutes=now.minute % 30, seconds=now.second, microseconds=now.microsecond)


type Batteries = Callable[[], Sequence[PlannedBattery]]
"""Returns the batteries that there are now."""

"""A swarm without a grid: how full its batteries should be, when the sun goes and when it comes back.

Nobody commands power here: droop shares the load among the inverters within milliseconds, and what the
batteries give together is what the houses use. What can be said beforehand is the band of charge at every
hour: at least so much that the night is served until the sun is back, at most so much that the sun of the
day finds room. Both ends follow backward from the end of the horizon and are exact for the load they are
computed for; for safety the lower end takes a night that is worse than expected, the upper end a day that is
better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .battery import Battery, Limits
from .clock import HOURS
from .forecast import Expectation

Floats = NDArray[np.float64]
WORSE, BETTER = 5, 1
"""Of the seven quantiles of the net load's error: one night and one day in five are further off."""
_DAYLIGHT_SHARE = 0.05
"""Of the largest expected yield of an hour: below it there is no sun to speak of."""
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Turn:
    """When the sun goes or comes back, and how full the batteries should be then, kWh above the reserve."""

    step: int
    """Before which it is."""
    dusk: bool
    least_kwh: float
    """With less the night is not served to its end."""
    most_kwh: float
    """With more some of the day's sun finds no room."""
    expected_kwh: float

    @property
    def target_kwh(self) -> float:
        """What to aim at: at dusk what the night needs, at dawn no more than leaves room for the day."""
        return self.least_kwh if self.dusk else max(self.least_kwh, min(self.expected_kwh, self.most_kwh))

    @property
    def short_kwh(self) -> float:
        """What is missing to the least: to be saved, or made by a generator."""
        return max(0.0, self.least_kwh - self.expected_kwh)

    @property
    def spare_kwh(self) -> float:
        """What is above the most: to be used before it is lost."""
        return max(0.0, self.expected_kwh - max(self.most_kwh, self.least_kwh))


@dataclass(frozen=True, slots=True)
class IslandPlan:
    """The band of charge of all batteries together, kWh above the reserve; one value more than steps."""

    expected_kwh: tuple[float, ...]
    """As droop leaves it when the forecast is right."""
    least_kwh: tuple[float, ...]
    most_kwh: tuple[float, ...]
    unserved_kwh: tuple[float, ...]
    """Load that nothing is left for, by the forecast, in each step."""
    curtailed_kwh: tuple[float, ...]
    """Yield that finds no room, by the forecast, in each step."""
    turns: tuple[Turn, ...]

    def next_turn(self, *, dusk: bool) -> Turn | None:
        """Return the next dusk or dawn."""
        return next((turn for turn in self.turns if turn.dusk is dusk), None)


def plan_island(
    expectation: Expectation, battery: Battery, stored_kwh: float, *, first_hour: int = 0
) -> IslandPlan:
    """Return the band of the coming hours for all batteries as one.

    `first_hour` is the wall hour that begins now; `stored_kwh` counts above the reserve. A battery without
    known power is not limited by it.
    """
    limits = battery.limits(1.0)
    net = np.nan_to_num(expectation.net_kwh)
    steps = len(net)
    errors = np.nan_to_num(expectation.errors)[(first_hour + np.arange(steps)) % HOURS]
    expected, unserved, curtailed = course(net.tolist(), limits, stored_kwh)
    least = least_needed((net + errors[:, WORSE]).tolist(), limits)
    most = most_useful((net + errors[:, BETTER]).tolist(), limits)
    turns = tuple(
        Turn(step, dusk, least[step], most[step], expected[step])
        for step, dusk in turns_of(expectation.solar_kwh)
    )
    return IslandPlan(tuple(expected), tuple(least), tuple(most), tuple(unserved), tuple(curtailed), turns)


def course(
    net_kwh: Sequence[float], limits: Limits, stored_kwh: float
) -> tuple[list[float], list[float], list[float]]:
    """Return the stored energy before each step and after the last, and what is unserved and curtailed."""
    stored = min(max(stored_kwh, 0.0), limits.usable) if math.isfinite(stored_kwh) else 0.0
    levels, unserved, curtailed = [stored], [], []
    for net in net_kwh:
        change = _wanted(net, limits)
        after = min(max(stored + change, 0.0), limits.usable)
        done = after - stored
        served = -done * limits.discharge_efficiency if done < 0.0 else -done / limits.charge_efficiency
        unserved.append(max(0.0, net - served))
        curtailed.append(max(0.0, served - net))
        levels.append(after)
        stored = after
    return levels, unserved, curtailed


def least_needed(net_kwh: Sequence[float], limits: Limits) -> list[float]:
    """Return the least stored energy before each step, and after the last, with which all load is served.

    Where not even a full battery would do, it is a full battery.
    """
    return _backward(net_kwh, limits, 0.0)


def most_useful(net_kwh: Sequence[float], limits: Limits) -> list[float]:
    """Return the most stored energy before each step, and after the last, with which all sun finds room.

    Where not even an empty battery has room, it is an empty battery.
    """
    return _backward(net_kwh, limits, limits.usable)


def turns_of(solar_kwh: Sequence[float] | Floats) -> list[tuple[int, bool]]:
    """Return the steps before which the sun goes (True) or comes."""
    sun = np.nan_to_num(np.asarray(solar_kwh, np.float64))
    if not len(sun) or sun.max() <= 0.0:
        return []
    light = sun > _DAYLIGHT_SHARE * sun.max()
    return [(int(step) + 1, bool(light[step])) for step in np.flatnonzero(light[1:] != light[:-1])]


def shared(
    target_kwh: float, usable_kwh: Sequence[float], own_kwh: Sequence[float] | None = None
) -> list[float]:
    """Divide a target among batteries: all at the same share of what they hold.

    Who needs more for its own house (`own_kwh`) has that first, as far as it fits, for energy that is where
    it will be used needs no line. Without enough for that, all get the same part of it.
    """
    sizes = [max(size, 0.0) for size in usable_kwh]
    first = [
        min(max(need, 0.0), size) for need, size in zip(own_kwh or [0.0] * len(sizes), sizes, strict=True)
    ]
    target = min(max(target_kwh, 0.0), sum(sizes))
    if (needed := sum(first)) >= target:
        return [need * target / needed if needed > 0.0 else 0.0 for need in first]
    low, high = 0.0, 1.0
    for _ in range(_ROUNDS):
        level = (low + high) / 2.0
        if sum(max(need, level * size) for need, size in zip(first, sizes, strict=True)) < target:
            low = level
        else:
            high = level
    return [max(need, high * size) for need, size in zip(first, sizes, strict=True)]


def _wanted(net_kwh: float, limits: Limits) -> float:
    """Return the change of the stored energy that droop asks for, within the battery's power."""
    if net_kwh >= 0.0:
        return -min(net_kwh / limits.discharge_efficiency, limits.down or math.inf)
    return min(-net_kwh * limits.charge_efficiency, limits.up or math.inf)


def _backward(net_kwh: Sequence[float], limits: Limits, end: float) -> list[float]:
    levels = [end]
    for net in reversed(net_kwh):
        levels.append(min(max(levels[-1] - _wanted(net, limits), 0.0), limits.usable))
    levels.reverse()
    return levels

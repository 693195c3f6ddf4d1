"""Quantities that depend on the past: growth of counters, charge that does not add up, frozen values.

Times are the steady seconds of the engine. What is saved is what a restart must not forget: events of days.
Windows of minutes begin anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

from .rule import Memory
from .subject import Given, Unusable

_DAY_S = 86_400.0
_GAP_S = (
    200.0  # currents are not integrated over a longer silence (three times the tier of these rules, and some)
)
_SAMPLE_S = 60.0
_MOST = 10_000  # no memory grows beyond


def _pairs(saved: object) -> list[tuple[float, float]]:
    if not isinstance(saved, list) or len(saved) > _MOST:
        raise ValueError("a list of pairs was saved")
    return [(_number(first), _number(second)) for first, second in saved]


def _number(saved: object) -> float:
    if isinstance(saved, bool) or not isinstance(saved, (int, float)) or not math.isfinite(saved):
        raise ValueError(f"{saved!r} is no number")
    return float(saved)


class Growth(Memory):
    """How much a counter grew within a window; a counter that restarted begins a new baseline."""

    def __init__(
        self,
        window_s: float,
        count: Callable[[Given], float],
        of: Callable[[Given], float] | None = None,
        share: float = 0.0,
    ) -> None:
        """With `of`, growth only counts while it is more than `share` of the growth of that."""
        self._window_s = window_s
        self._count = count
        self._of = of
        self._share = share
        self._last: tuple[float, float, float] | None = None
        self._grown: deque[tuple[float, float]] = deque()
        self._grown_of: deque[tuple[float, float]] = deque()

    def feed(self, given: Given) -> float | None:
        """Return the growth."""
        now = given.steady_s
        count, of = self._count(given), self._of(given) if self._of else 0.0
        if self._last is not None:
            before_s, before, before_of = self._last
            if count >= before and of >= before_of and now - before_s <= 1.5 * self._window_s:
                for series, growth in ((self._grown, count - before), (self._grown_of, of - before_of)):
                    if growth:
                        series.append((now, growth))
        self._last = (now, count, of)
        grown, grown_of = (self._sum(series, now) for series in (self._grown, self._grown_of))
        if self._of is not None and grown <= self._share * grown_of:
            return 0.0
        return grown

    def _sum(self, series: deque[tuple[float, float]], now: float) -> float:
        while series and now - series[0][0] >= self._window_s:
            series.popleft()
        while len(series) > _MOST:
            series.popleft()
        return sum(growth for _, growth in series)

    def save(self) -> object:
        """Save baseline and growth."""
        return [
            None if self._last is None else list(self._last),
            [list(row) for row in self._grown],
            [list(row) for row in self._grown_of],
        ]

    def load(self, saved: Any) -> None:
        """Load them."""
        last, grown, grown_of = saved
        if last is not None:
            when, count, of = (_number(value) for value in last)
            self._last = (when, count, of)
        self._grown, self._grown_of = deque(_pairs(grown)), deque(_pairs(grown_of))


class Rising(Memory):
    """How much a number rose over a window without ever falling; None until the window is full."""

    def __init__(self, window_s: float, name: str) -> None:
        """`name` is the input."""
        self._window_s = window_s
        self._name = name
        self._since: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    def feed(self, given: Given) -> float | None:
        """Return the rise."""
        now, value = given.steady_s, given.number(self._name)
        if self._since is None or self._last is None or value < self._last[1]:
            self._since = (now, value)
        elif value == self._last[1] and value == self._since[1]:
            self._since = (now, value)  # a rise begins where it last stood still
        self._last = (now, value)
        return value - self._since[1] if now - self._since[0] >= self._window_s else 0.0

    def save(self) -> object:
        """A window of minutes begins anew."""
        return None

    def load(self, saved: object) -> None:
        """Nothing was saved."""


class Conservation(Memory):
    """How many times more than allowed the state of charge departed from the current's integral (30 min)."""

    WINDOW_S = 1800.0

    def __init__(
        self,
        charge: str,
        voltage: str,
        discharge_a: Callable[[Given], float],
        capacity_ah: Callable[[Given], float],
    ) -> None:
        """Names of state of charge (%) and voltage, current (positive while discharging), capacity."""
        self._charge = charge
        self._voltage = voltage
        self._discharge_a = discharge_a
        self._capacity_ah = capacity_ah
        self._last_s: float | None = None
        self._drawn_ah = 0.0
        self._samples: deque[tuple[float, float, float]] = deque()
        self._newest: tuple[float, float] | None = None
        self._worst = 0.0

    def feed(self, given: Given) -> float | None:
        """Return the largest deviation from any moment of the window, over what is allowed."""
        now = given.steady_s
        charge, voltage = given.number(self._charge), given.number(self._voltage)
        current, capacity = self._discharge_a(given), self._capacity_ah(given)
        if capacity <= 0.0 or not 0.0 <= charge <= 100.0:
            raise Unusable
        if self._last_s is None or now - self._last_s > _GAP_S or charge >= 99.0:
            self._samples.clear()  # at full charge a battery monitor sets itself right
            self._drawn_ah = 0.0
        else:
            self._drawn_ah += current * (now - self._last_s) / 3600.0
        self._last_s = now
        while self._samples and now - self._samples[0][0] > self.WINDOW_S:
            self._samples.popleft()
        if (charge, voltage) == self._newest and self._samples:
            return self._worst  # a monitor that stands still is another rule; so is what it does not count
        self._newest = (charge, voltage)
        deviations_ah = (
            abs((charge - charge_then) / 100.0 * capacity + self._drawn_ah - drawn_then)
            for _, charge_then, drawn_then in self._samples
        )
        self._worst = max(deviations_ah, default=0.0) / max(0.05 * capacity, 3.0)
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now, charge, self._drawn_ah))
        return self._worst

    def save(self) -> object:
        """A window of minutes begins anew."""
        return None

    def load(self, saved: object) -> None:
        """Nothing was saved."""


class StandStill(Memory):
    """For how many minutes numbers have been exactly the same while they should move."""

    def __init__(self, names: tuple[str, ...], moving: Callable[[Given], bool]) -> None:
        """`moving` tells whether the numbers should change now."""
        self._names = names
        self._moving = moving
        self._numbers: tuple[float, ...] | None = None
        self._same_s = 0.0
        self._last_s: float | None = None

    def feed(self, given: Given) -> float | None:
        """Return the minutes."""
        now = given.steady_s
        numbers = tuple(given.number(name) for name in self._names)
        moving = self._moving(given)
        if numbers != self._numbers:
            self._same_s = 0.0
        elif moving and self._last_s is not None and now - self._last_s <= _GAP_S:
            self._same_s += now - self._last_s
        self._numbers, self._last_s = numbers, now
        return self._same_s / 60.0

    def save(self) -> object:
        """Save what stood still for how long."""
        return [None if self._numbers is None else list(self._numbers), self._same_s]

    def load(self, saved: Any) -> None:
        """Load it."""
        numbers, same_s = saved
        self._numbers = None if numbers is None else tuple(_number(number) for number in numbers)
        self._same_s = _number(same_s)


class Happenings(Memory):
    """How often a condition began within a window."""

    def __init__(self, window_s: float, condition: Callable[[Given], bool]) -> None:
        """A condition that holds from the start has not begun."""
        self._window_s = window_s
        self._condition = condition
        self._before: bool | None = None
        self._begun: deque[float] = deque(maxlen=1000)

    def feed(self, given: Given) -> float | None:
        """Return the count."""
        holds = self._condition(given)
        if holds and self._before is False:
            self._begun.append(given.steady_s)
        self._before = holds
        while self._begun and given.steady_s - self._begun[0] >= self._window_s:
            self._begun.popleft()
        return float(len(self._begun))

    def save(self) -> object:
        """Save when it began."""
        return [self._before, list(self._begun)]

    def load(self, saved: Any) -> None:
        """Load it."""
        before, begun = saved
        self._before = None if before is None else bool(before)
        self._begun.extend(_number(when) for when in begun)


class ShortCycles(Memory):
    """On how many days of the last seven a compressor cycled too fast.

    Three starts an hour are normal for most units. A day counts with six starts within 60 minutes whose
    median period is at most 15 minutes; starts during and after a defrost are none (after
    alepee/hass-hitachi_yutaki).
    """

    STARTS = 6
    WINDOW_S = 3600.0
    PERIOD_S = 900.0
    DAYS = 7
    _AFTER_DEFROST_S = 300.0

    def __init__(self, running: str, defrosting: str) -> None:
        """Names of the flags; a machine without the second is taken as never defrosting."""
        self._running = running
        self._defrosting = defrosting
        self._before: bool | None = None
        self._defrost_s: float | None = None
        self._starts: deque[float] = deque(maxlen=100)
        self._days: set[int] = set()

    def feed(self, given: Given) -> float | None:
        """Return the days."""
        now = given.steady_s
        running = given.flag(self._running)
        if given.number_or(self._defrosting, 0.0):
            self._defrost_s = now
        excused = self._defrost_s is not None and now - self._defrost_s < self._AFTER_DEFROST_S
        if running and self._before is False and not excused:
            self._starts.append(now)
        self._before = running
        while self._starts and now - self._starts[0] > self.WINDOW_S:
            self._starts.popleft()
        today = int(given.utc_s // _DAY_S)
        starts = list(self._starts)
        periods = [later - earlier for earlier, later in pairwise(starts)]
        if len(starts) >= self.STARTS and median(periods) <= self.PERIOD_S:
            self._days.add(today)
        self._days = {day for day in self._days if 0 <= today - day < self.DAYS}
        return float(len(self._days))

    def save(self) -> object:
        """Save the days and the starts of the last hour."""
        return [self._before, list(self._starts), sorted(self._days)]

    def load(self, saved: Any) -> None:
        """Load them."""
        before, starts, days = saved
        self._before = None if before is None else bool(before)
        self._starts.extend(_number(when) for when in starts)
        self._days = {int(_number(day)) for day in days[: self.DAYS]}

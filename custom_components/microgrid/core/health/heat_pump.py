"""Judges the readings of a heat pump: steady or not, what the pressures mean, which limits are passed.

Pressure limits are saturation temperatures of the chosen refrigerant; without one they are off, as the same
pressure is a normal day for one fluid and a burst disc for another. The defrost guard follows the pattern of
alepee/hass-hitachi_yutaki: what is read during a defrost and right after says nothing about the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from ..model.metric import Value, Values
from ..model.refrigerant import ATMOSPHERE_BAR, BAR_PER_PSI, REFRIGERANTS, Refrigerant
from .limits import Alarm, Limit, LimitWatch, earliest

_STEADY_AFTER_S = 180.0  # a compressor needs minutes until pressures and temperatures belong together
_RECOVERED_AFTER = 3  # readings in a row
_RECOVERY_S = 300.0
_DIRECTION_K = 0.5  # a smaller difference of outlet and inlet has no sign worth the name
_INFERRED_DEFROST_S = 1200.0  # longer than any defrost: the owner switched from heating to cooling
_SMALLEST_LIFT_K = 5.0

_FIXED = (
    Limit("HP_VOLTAGE_HIGH", "voltage", warning=245.0, critical=250.0, clear=243.0, delay_s=5.0),
    Limit("HP_VOLTAGE_LOW", "voltage", warning=215.0, critical=210.0, clear=217.0, delay_s=5.0),
    Limit("HP_COMP_HOT", "temp_compressor", warning=85.0, critical=95.0, clear=82.0, delay_s=30.0),
    Limit("HP_CURRENT_HIGH", "current", warning=12.0, critical=15.0, clear=11.5, delay_s=10.0),
)
"""V, °C and A: the alert table of the node's source documents, with our own delays and hysteresis."""

_CONDENSING_C = (60.0, 65.0, 57.0)
_EVAPORATING_C = (-25.0, -30.0, -22.0)
"""Warning, critical and clear, as saturation temperatures."""

_PAUSED_AT_START = frozenset({"current", "pressure_low"})
"""Inrush, and a low side that is pulled down: beyond their limits by nature."""


class Phase(Enum):
    """Where the defrost guard stands."""

    NORMAL = auto()
    DEFROST = auto()
    RECOVERY = auto()


class DefrostGuard:
    """Tells from the defrost flag, or from the water running colder, when readings mean something."""

    __slots__ = ("_count", "_sign", "_since", "inferred", "phase")

    def __init__(self) -> None:
        """Start with a normal machine."""
        self.phase = Phase.NORMAL
        self.inferred = False
        """Whether the newest defrost was inferred, because the node tells no flag."""
        self._sign = 0
        self._since = 0.0
        self._count = 0

    def read(self, flag: bool | None, difference_k: float | None, running: bool, now: float) -> None:
        """Take a reading: defrost flag, outlet minus inlet (K), compressor, monotonic time (s)."""
        sign = _sign(difference_k)
        if self.phase is Phase.DEFROST and self.inferred and now - self._since >= _INFERRED_DEFROST_S:
            self.phase, self._sign = Phase.NORMAL, 0
        defrosting = flag
        if flag is None:
            defrosting = sign < 0 < self._sign and (running or self.phase is Phase.DEFROST)
        if defrosting:
            if self.phase is not Phase.DEFROST:
                self.phase, self._since, self.inferred = Phase.DEFROST, now, flag is None
            return
        if self.phase is Phase.DEFROST:
            self.phase, self._since, self._count = Phase.RECOVERY, now, 0
        if self.phase is Phase.RECOVERY:
            self._count = self._count + 1 if sign and sign == (self._sign or sign) else 0
            if self._count < _RECOVERED_AFTER and now - self._since < _RECOVERY_S:
                return
            self.phase = Phase.NORMAL
        self._sign = sign or self._sign


def _sign(difference_k: float | None) -> int:
    if difference_k is None or abs(difference_k) <= _DIRECTION_K:
        return 0
    return 1 if difference_k > 0.0 else -1


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reading means."""

    values: Mapping[str, Value | None]
    """Saturation temperatures and what follows from them; None where nothing can be said."""
    alarms: tuple[Alarm, ...]


class HeatPumpWatch:
    """Watches one heat pump."""

    def __init__(self) -> None:
        """Know no refrigerant yet."""
        self.guard = DefrostGuard()
        self._refrigerant: Refrigerant | None = None
        self._values: Values = {}
        self._running_since: float | None = None
        self._fixed = tuple(LimitWatch(limit) for limit in _FIXED)
        self._pressures: tuple[LimitWatch, ...] = ()

    def read(self, values: Values, now: float) -> Judgement:
        """Take the newest values of the heat pump, read at monotonic time `now` (s)."""
        self._values = dict(values)
        running = values.get("compressor_running") is True
        if not running:
            self._running_since = None
        elif self._running_since is None:
            self._running_since = now
        inlet, outlet = _number(values, "temp_inlet"), _number(values, "temp_outlet")
        self.guard.read(
            _flag(values, "defrost_active"),
            None if inlet is None or outlet is None else outlet - inlet,
            running,
            now,
        )
        return Judgement(self._derived(now), self._check((*self._fixed, *self._pressures), now))

    def choose(self, name: str | None, now: float) -> Judgement:
        """Judge the newest values anew with another refrigerant; None, or an unknown one, for none."""
        chosen = REFRIGERANTS.get(name) if name else None
        alarms: tuple[Alarm, ...] = ()
        if chosen is not self._refrigerant:
            alarms = tuple(alarm for watch in self._pressures if (alarm := watch.withdraw()) is not None)
            self._refrigerant = chosen
            self._pressures = tuple(LimitWatch(limit) for limit in _pressure_limits(chosen))
            alarms += self._check(self._pressures, now)
        return Judgement(self._derived(now), alarms)

    def poll(self, now: float) -> tuple[Alarm, ...]:
        """Return what has become an alarm because the newest values lasted; call it at `due`."""
        watches = (*self._fixed, *self._pressures)
        return tuple(alarm for watch in watches if (alarm := watch.poll(now)) is not None)

    @property
    def due(self) -> float | None:
        """When `poll` has something to tell, unless a reading comes first."""
        return earliest([watch.due for watch in (*self._fixed, *self._pressures)])

    def steady(self, now: float) -> bool:
        """Whether the machine has settled, so that its values belong together."""
        return (
            self.guard.phase is Phase.NORMAL
            and self._running_since is not None
            and now - self._running_since >= _STEADY_AFTER_S
        )

    def _check(self, watches: tuple[LimitWatch, ...], now: float) -> tuple[Alarm, ...]:
        told_running = _flag(self._values, "compressor_running")
        starting = self._running_since is not None and now - self._running_since < _STEADY_AFTER_S
        paused = starting or self.guard.phase is not Phase.NORMAL
        found = []
        for watch in watches:
            key = watch.limit.key
            meaningless = (paused and key in _PAUSED_AT_START) or (
                told_running is False and key == "pressure_low"  # at rest it follows the weather
            )
            alarm = watch.update(None if meaningless else _number(self._values, key), now)
            if alarm is not None:
                found.append(alarm)
        return tuple(found)

    def _derived(self, now: float) -> dict[str, Value | None]:
        high, low = _number(self._values, "pressure_high"), _number(self._values, "pressure_low")
        condensing = evaporating = None
        if self._refrigerant is not None:
            condensing = None if high is None else self._refrigerant.bubble.temperature_c(high)
            evaporating = None if low is None else self._refrigerant.dew.temperature_c(low)
        derived: dict[str, Value | None] = {
            "condensing_temperature": condensing,
            "evaporating_temperature": evaporating,
            "discharge_superheat": None,
            "condensing_approach": None,
            "evaporating_approach": None,
            "pressure_ratio": None,
            "carnot_estimate": None,
        }
        if self.steady(now):
            derived["discharge_superheat"] = _difference(_number(self._values, "temp_compressor"), condensing)
            derived["condensing_approach"] = _difference(condensing, _number(self._values, "temp_outlet"))
            derived["evaporating_approach"] = _difference(_number(self._values, "temp_ambient"), evaporating)
            derived["pressure_ratio"] = _pressure_ratio(high, low)
            derived["carnot_estimate"] = _carnot(condensing, evaporating)
        return derived


def _pressure_limits(refrigerant: Refrigerant | None) -> list[Limit]:
    """Return the pressure limits of a refrigerant in psi; those beyond its saturation curve are left out."""
    if refrigerant is None:
        return []
    limits = []
    for code, key, side, bounds_c in (
        ("HP_PRESSURE_HIGH", "pressure_high", refrigerant.bubble, _CONDENSING_C),
        ("HP_PRESSURE_LOW", "pressure_low", refrigerant.dew, _EVAPORATING_C),
    ):
        warning, critical, clear = (side.gauge_psi(bound_c) for bound_c in bounds_c)
        if warning is not None and critical is not None and clear is not None:
            limits.append(Limit(code, key, warning=warning, critical=critical, clear=clear, delay_s=10.0))
    return limits


def _number(values: Values, key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _flag(values: Values, key: str) -> bool | None:
    value = values.get(key)
    return value if isinstance(value, bool) else None


def _difference(minuend: float | None, subtrahend: float | None) -> float | None:
    return None if minuend is None or subtrahend is None else minuend - subtrahend


def _pressure_ratio(high_psi: float | None, low_psi: float | None) -> float | None:
    """Ratio of absolute pressures; None where the low side is near vacuum or not the low side."""
    if high_psi is None or low_psi is None:
        return None
    atmosphere_psi = ATMOSPHERE_BAR / BAR_PER_PSI
    low_absolute = low_psi + atmosphere_psi
    return (high_psi + atmosphere_psi) / low_absolute if low_absolute > 0.5 and high_psi >= low_psi else None


def _carnot(condensing_c: float | None, evaporating_c: float | None) -> float | None:
    """Carnot factor for heating; None below 5 K of lift, where it grows without bound."""
    lift = _difference(condensing_c, evaporating_c)
    if condensing_c is None or lift is None or lift < _SMALLEST_LIFT_K:
        return None
    return (condensing_c + 273.15) / lift

"""Hard limits of a battery: they win over every schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Instruction

OVER: Final = 1.1
"""So many times a greatest power is too much: readings of currents are whole amperes."""
OVER_S: Final = 30.0
"""So long it may be too much; a load that begins is followed with a delay."""
OVER_REST_S: Final = 900.0
"""So long the battery rests then: not every device can be told a power."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the battery says of itself; None where it says nothing."""

    power_w: float | None = None
    """Positive while it is being discharged."""
    soc_percent: float | None = None
    temperature_c: float | None = None
    age_s: float = 0.0
    """How old the readings are."""
    trouble: str | None = None
    """Why the battery must be left alone: a fault, a lost line, a second master."""
    floor_percent: float | None = None
    """Below this state of charge the device itself discharges nothing; None when it has no such limit."""
    net_w: float | None = None
    """Load of the house less what the sun gives: what the grid would bring if the battery rested."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Within these a battery may be commanded."""

    soc_min_percent: float = 10.0
    soc_max_percent: float = 100.0
    soc_hysteresis_percent: float = 2.0
    """So far from a bound it must be before it is used in that direction again."""
    temperature_min_c: float = 0.0
    """Below, an LFP battery must not be charged."""
    temperature_max_c: float = 50.0
    max_charge_w: float = 10_000.0
    max_discharge_w: float = 10_000.0
    max_age_s: float = 60.0
    """Older readings decide nothing."""

    def __post_init__(self) -> None:
        """Raise ValueError for bounds in the wrong order."""
        if not 0.0 <= self.soc_min_percent < self.soc_max_percent <= 100.0:
            raise ValueError(
                f"state of charge {self.soc_min_percent:g} … {self.soc_max_percent:g} %: no range in 0 … 100"
            )
        if not self.temperature_min_c < self.temperature_max_c:
            raise ValueError(
                f"temperature: {self.temperature_min_c:g} °C is not below {self.temperature_max_c:g} °C"
            )
        if min(self.max_charge_w, self.max_discharge_w, self.soc_hysteresis_percent, self.max_age_s) < 0.0:
            raise ValueError("powers, hysteresis and age must not be negative")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be done of what was asked, and why not all of it."""

    instruction: Instruction
    reason: str | None = None


class Guard:
    """Applies the limits; remembers which bound was reached until the battery has left it."""

    def __init__(self, limits: Limits) -> None:
        """Begin with every direction open."""
        self._limits = limits
        self._empty = False
        self._full = False
        self._floor = limits.soc_min_percent
        self._over_s = 0.0
        self._rest_s = 0.0

    @property
    def usable_percent(self) -> tuple[float, float]:
        """Return between what states of charge the battery may be used now."""
        limits = self._limits
        distance = limits.soc_hysteresis_percent
        return (
            min(100.0, self._floor + (distance if self._empty else 0.0)),
            limits.soc_max_percent - (distance if self._full else 0.0),
        )

    def refusal(self, measured: Measured) -> str | None:
        """Return why nothing at all may be done with the battery; None when a direction may be open."""
        limits = self._limits
        self._floor = max(limits.soc_min_percent, measured.floor_percent or 0.0)
        self._note_bounds(measured.soc_percent)
        if measured.trouble is not None:
            return measured.trouble
        if not measured.age_s <= limits.max_age_s:
            return f"readings are {measured.age_s:.0f} s old"
        soc, temperature = measured.soc_percent, measured.temperature_c
        if soc is None or not 0.0 <= soc <= 100.0:
            return "the state of charge is unknown"
        if temperature is not None and not temperature <= limits.temperature_max_c:
            return f"{temperature:.1f} °C is above {limits.temperature_max_c:g} °C"
        return None

    def allow(self, wanted: Instruction, measured: Measured, seconds: float = 0.0) -> Allowed:
        """Return what may be done now; idle when nothing else is safe. `seconds` went by since the last."""
        limits = self._limits
        self._rest_s = max(0.0, self._rest_s - seconds)  # whatever is planned meanwhile
        refusal = self.refusal(measured)
        if wanted.mode is ScheduleMode.IDLE:
            return Allowed(wanted, measured.trouble)
        if refusal is not None:
            return _rest(wanted, refusal)
        if (too_much := self._too_much(wanted, measured, seconds)) is not None:
            return _rest(wanted, too_much)
        soc, temperature = measured.soc_percent, measured.temperature_c
        if wanted.mode is ScheduleMode.CHARGE:
            if self._full:
                return _rest(wanted, f"state of charge {soc:.1f} %: full at {limits.soc_max_percent:g} %")
            if temperature is not None and not temperature >= limits.temperature_min_c:
                return _rest(wanted, f"{temperature:.1f} °C is too cold to charge")
            return _at_most(wanted, limits.max_charge_w)
        if self._empty:
            return _rest(wanted, f"state of charge {soc:.1f} %: empty at {self._floor:g} %")
        return _at_most(wanted, limits.max_discharge_w)

    def _too_much(self, wanted: Instruction, measured: Measured, seconds: float) -> str | None:
        """Note how long more flowed than may: what a device does of itself, nobody has limited."""
        limits = self._limits
        power_w = measured.power_w or 0.0
        charges = wanted.mode is ScheduleMode.CHARGE
        flows_w, most_w = (-power_w, limits.max_charge_w) if charges else (power_w, limits.max_discharge_w)
        self._over_s = self._over_s + seconds if flows_w > OVER * most_w else 0.0
        if self._over_s >= OVER_S:
            self._over_s, self._rest_s = 0.0, OVER_REST_S
        if self._rest_s > 0.0:
            return f"more than {most_w:g} W flowed: rests for {OVER_REST_S / 60:.0f} min"
        return None

    def _note_bounds(self, soc: float | None) -> None:
        if soc is None:
            return
        limits = self._limits
        if soc <= self._floor:
            self._empty = True
        elif soc >= self._floor + limits.soc_hysteresis_percent:
            self._empty = False
        if soc >= limits.soc_max_percent:
            self._full = True
        elif soc <= limits.soc_max_percent - limits.soc_hysteresis_percent:
            self._full = False


def _rest(wanted: Instruction, reason: str) -> Allowed:
    return Allowed(replace(wanted, mode=ScheduleMode.IDLE, rate_w=None), reason)


def _at_most(wanted: Instruction, limit_w: float) -> Allowed:
    if wanted.rate_w is None or wanted.rate_w <= limit_w:
        return Allowed(wanted if wanted.rate_w is not None else replace(wanted, rate_w=limit_w))
    return Allowed(replace(wanted, rate_w=limit_w), f"{wanted.rate_w:g} W is limited to {limit_w:g} W")

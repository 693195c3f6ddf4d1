"""The capacity of a battery by counting charge from one anchor to another: full, and low."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GAP_S = 60.0
FULL_FOR_S = 600.0
_FULL_PERCENT, _LOW_PERCENT = 99.0, 20.0
_BELOW_LIMIT_V = 0.3
_KNEE_V = 3.1  # of the lowest cell: an LFP cell has little below
_DIFFERENCE_PERCENT = 60.0
_WARM_C = (15.0, 35.0)  # a cold battery gives less without being worn
_PLAUSIBLE = (0.3, 1.3)  # of the nominal capacity


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment; None where there is no reading."""

    time_s: float
    current_a: float | None
    """Positive while discharging."""
    charge_percent: float | None
    voltage_v: float | None
    charge_limit_v: float | None
    """Charge voltage limit of the BMS."""
    temperature_c: float | None
    lowest_cell_v: float | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """A capacity that was counted."""

    time_s: float
    """When the count ended."""
    capacity_ah: float
    difference_percent: float
    """By how much the state of charge differed between the anchors."""


class CapacityCounter:
    """Counts between anchors, sample by sample; feed it every 10 s or faster."""

    def __init__(self, nominal_ah: float) -> None:
        """`nominal_ah` is what the battery had when it was new."""
        if not nominal_ah > 0.0 or not math.isfinite(nominal_ah):
            raise ValueError(f"nominal capacity {nominal_ah} Ah must be positive")
        self._nominal_ah = nominal_ah
        self._last_s: float | None = None
        self._full_s = 0.0
        self._anchor: tuple[bool, float] | None = None
        """Whether it is a full one, and its state of charge."""
        self._drawn_ah = 0.0
        self._warmth = 0.0
        self._counted_s = 0.0

    def feed(self, sample: Sample) -> Capacity | None:
        """Take a sample; returns a capacity when an anchor ends a count."""
        current, charge, temperature = sample.current_a, sample.charge_percent, sample.temperature_c
        usable = all(
            value is not None and math.isfinite(value)
            for value in (sample.time_s, current, charge, temperature)
        )
        if not usable or current is None or charge is None or temperature is None:
            return None  # a gap begins; if it is short, the next sample bridges it
        before_s, self._last_s = self._last_s, sample.time_s
        elapsed_s = 0.0 if before_s is None else sample.time_s - before_s
        if before_s is None or not 0.0 <= elapsed_s <= GAP_S:
            self._drop()
            elapsed_s = 0.0
        self._drawn_ah += current * elapsed_s / 3600.0
        self._warmth += temperature * elapsed_s
        self._counted_s += elapsed_s
        self._full_s = self._full_s + elapsed_s if self._is_full(sample, current, charge) else 0.0
        if self._full_s >= FULL_FOR_S:
            return self._reach(True, charge, sample.time_s)
        knee = sample.lowest_cell_v is not None and sample.lowest_cell_v <= _KNEE_V
        if (charge <= _LOW_PERCENT or knee) and abs(current) < 0.2 * self._nominal_ah:
            return self._reach(False, charge, sample.time_s)
        return None

    def _is_full(self, sample: Sample, current: float, charge: float) -> bool:
        limit, voltage = sample.charge_limit_v, sample.voltage_v
        return (
            charge >= _FULL_PERCENT
            and abs(current) < self._nominal_ah / 20.0
            and limit is not None
            and voltage is not None
            and voltage >= limit - _BELOW_LIMIT_V
        )

    def _reach(self, full: bool, charge: float, time_s: float) -> Capacity | None:
        """Begin at an anchor anew; one of the other kind ends the count."""
        anchor, drawn_ah = self._anchor, self._drawn_ah
        warm = self._counted_s > 0.0 and _WARM_C[0] <= self._warmth / self._counted_s <= _WARM_C[1]
        self._anchor, self._drawn_ah, self._warmth, self._counted_s = (full, charge), 0.0, 0.0, 0.0
        if anchor is None or anchor[0] is full or not warm:
            return None
        difference = abs(anchor[1] - charge)
        if difference < _DIFFERENCE_PERCENT:
            return None
        capacity_ah = (drawn_ah if anchor[0] else -drawn_ah) / (difference / 100.0)
        if not _PLAUSIBLE[0] <= capacity_ah / self._nominal_ah <= _PLAUSIBLE[1]:
            return None
        return Capacity(time_s, capacity_ah, difference)

    def _drop(self) -> None:
        self._anchor, self._full_s = None, 0.0
        self._drawn_ah = self._warmth = self._counted_s = 0.0

    def save(self) -> dict[str, Any]:
        """Return what must survive a short restart, fit for JSON."""
        return {
            "last_s": self._last_s,
            "full_s": self._full_s,
            "anchor": None if self._anchor is None else list(self._anchor),
            "count": [self._drawn_ah, self._warmth, self._counted_s],
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on from it; raises ValueError when it is not ours. A longer pause than a gap drops the count."""
        try:
            last_s, anchor = saved["last_s"], saved["anchor"]
            drawn, warmth, counted = (float(value) for value in saved["count"])
            full_s = float(saved["full_s"])
            restored = None if anchor is None else (bool(anchor[0]), float(anchor[1]))
            moment = None if last_s is None else float(last_s)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"the saved count lacks or misspells {error}") from None
        numbers = [drawn, warmth, counted, full_s, *([] if restored is None else [restored[1]])]
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("the saved count has numbers that are none")
        self._last_s, self._anchor, self._full_s = moment, restored, full_s
        self._drawn_ah, self._warmth, self._counted_s = drawn, warmth, counted

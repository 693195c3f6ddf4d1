"""Numbers with units: how they are found in a text, and whether one is what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..evidence import KINDS

__all__ = ["NUMBER", "TOLERANCE", "Quantity", "numbers_in", "rounded"]

TOLERANCE: Final = 0.01
"""Of a quoted number, relative to the measured one."""
_LEAST: Final = 1e-4
_SCALES: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "": (("%", 100.0),),
    "s": (("ms", 1e3),),
    "ms": (("s", 1e-3),),
    "W": (("kW", 1e-3),),
    "V": (("mV", 1e3),),
    "mV": (("V", 1e-3),),
    "mHz": (("Hz", 1e-3),),
    "Hz": (("mHz", 1e3),),
    "mΩ": (("Ω", 1e-3),),
}
"""In which other units a value may be told, and by how much it is then larger."""
_STRANGE: Final = frozenset(
    ["d", "h", "min", "A", "mA", "kA", "kV", "MW", "GW", "VA", "kVA", "Wh", "kWh", "Ah", "kHz", "kΩ"]
)
"""Known so that they are not taken for words."""
_UNITS: Final = sorted(
    {kind.unit for kind in KINDS.values()} - {""}
    | {unit for row in _SCALES.values() for unit, _ in row}
    | _STRANGE,
    key=len,
    reverse=True,
)
NUMBER: Final = re.compile(
    r"(?<![A-Za-z0-9.,])[-−+]?(?P<digits>[0-9]+(?:[.,][0-9]+)?)(?![0-9])"
    rf"(?:[ \u00a0]?(?P<unit>{'|'.join(map(re.escape, _UNITS))})(?![A-Za-z0-9²³/]))?"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that an answer may quote."""

    value: float
    unit: str

    def is_told_by(self, value: float, unit: str) -> bool:
        """Whether a number, without its sign, is this one; a unit that is left out could be any."""
        return any(
            abs(value - abs(measured)) <= TOLERANCE * abs(measured)
            for in_unit, measured in self._tellings()
            if unit == in_unit
        )

    def _tellings(self) -> Iterator[tuple[str, float]]:
        yield self.unit, self.value
        for unit, factor in _SCALES.get(self.unit, ()):
            yield unit, self.value * factor


def rounded(value: float) -> float:
    """Return a number with the four digits that are sent of it; what would need an exponent is nothing."""
    return 0.0 if abs(value) < _LEAST else float(f"{value:.4g}")


def numbers_in(text: str) -> tuple[Quantity, ...]:
    """Return the numbers of a text of ours, which may be repeated."""
    return tuple(
        Quantity(float(found["digits"].replace(",", ".")), found["unit"] or "")
        for found in NUMBER.finditer(text)
    )

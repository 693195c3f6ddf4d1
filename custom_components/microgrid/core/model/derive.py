"""Formulas of derived values: pure functions from the newest values of one node to a value or None."""

from __future__ import annotations

from collections.abc import Callable

from .metric import Derivation, Value, Values

FLOW_DIRECTIONS = ("importing", "idle", "exporting")
CELLS = tuple(f"cell_voltage_{number}" for number in range(1, 17))
_IDLE_POWER_W = 50.0  # below the resolution of a 100 A current transformer nobody can tell the direction
_MPPT_LIGHT_W = 20.0  # the converter's own consumption dominates below: an efficiency would be noise


def _number(values: Values, key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _numbers(values: Values, keys: tuple[str, ...]) -> list[float] | None:
    found = [_number(values, key) for key in keys]
    return None if None in found else [value for value in found if value is not None]


def product(*keys: str) -> Derivation:
    """Product of the values, for example V × I; its absolute value is apparent power."""

    def derive(values: Values) -> Value | None:
        numbers = _numbers(values, keys)
        if numbers is None:
            return None
        result = 1.0
        for value in numbers:
            result *= value
        return result

    return derive


def apparent_power(voltage: str, current: str) -> Derivation:
    """RMS voltage times RMS current in VA, never negative."""
    multiply = product(voltage, current)

    def derive(values: Values) -> Value | None:
        result = multiply(values)
        return None if result is None else abs(float(result))

    return derive


def difference(minuend: str, subtrahend: str) -> Derivation:
    """Difference of two values."""

    def derive(values: Values) -> Value | None:
        numbers = _numbers(values, (minuend, subtrahend))
        return None if numbers is None else numbers[0] - numbers[1]

    return derive


def flow_direction(power: str) -> Derivation:
    """Direction of a power that is positive when leaving; `idle` near zero."""

    def derive(values: Values) -> Value | None:
        value = _number(values, power)
        if value is None:
            return None
        if abs(value) < _IDLE_POWER_W:
            return "idle"
        return "exporting" if value > 0 else "importing"

    return derive


def efficiency(power_in: str, power_out: str) -> Derivation:
    """Output over input power in percent; None in weak light, capped at 100 against sensor noise."""

    def derive(values: Values) -> Value | None:
        numbers = _numbers(values, (power_in, power_out))
        if numbers is None or numbers[0] < _MPPT_LIGHT_W:
            return None
        return min(100.0, max(0.0, 100.0 * numbers[1] / numbers[0]))

    return derive


def below(key: str, limit: float) -> Derivation:
    """Whether a value lies below a limit."""

    def derive(values: Values) -> Value | None:
        value = _number(values, key)
        return None if value is None else value < limit

    return derive


def _cells(reduce: Callable[[list[float]], float]) -> Derivation:
    def derive(values: Values) -> Value | None:
        present = [value for key in CELLS if (value := _number(values, key)) is not None]
        return reduce(present) if len(present) >= 2 else None

    return derive


cell_minimum = _cells(min)
cell_maximum = _cells(max)
cell_spread = _cells(lambda cells: 1000.0 * (max(cells) - min(cells)))


def weakest_cell(values: Values) -> Value | None:
    """Number (1 … 16) of the cell with the lowest voltage."""
    present = {key: value for key in CELLS if (value := _number(values, key)) is not None}
    if len(present) < 2:
        return None
    return int(min(present, key=lambda key: present[key]).rsplit("_", 1)[1])

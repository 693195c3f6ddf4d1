"""The limits that nodes watch by themselves, as the firmware has them unless an installer changed them.

Houses: esphome/components/microgrid_house/protections.h; gateways: microgrid_gateway/synchroniser.h. Tests
compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["GATEWAY", "HOUSE", "GatewayLimits", "Limit", "Watch"]


class Watch(StrEnum):
    """What of its channels a protection looks at; the worst of several counts."""

    ABOVE = "above"
    BELOW = "below"
    MAGNITUDE = "magnitude"
    """Above, whatever the sign."""
    REVERSE = "reverse"
    """The negative value above."""
    SPREAD = "spread"
    """Highest minus lowest above."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A protection of a house."""

    code: str
    watch: Watch
    channels: tuple[str, ...]
    trips: bool
    """The inverter stops."""
    value: float
    unit: str
    delay_s: float
    """So long must the limit be passed without interruption."""


def _numbered(channel: str, count: int) -> tuple[str, ...]:
    return tuple(f"{channel}_{number}" for number in range(1, count + 1))


_CELLS = _numbered("cell_voltage", 16)
_PROBES = _numbered("battery_temperature", 4)

_ROWS = (
    Limit("F001", Watch.MAGNITUDE, ("inverter_current",), True, 39.15, "A", 0.02),
    Limit("F002", Watch.ABOVE, ("inverter_voltage",), True, 253.0, "V", 0.2),
    Limit("F003", Watch.BELOW, ("inverter_voltage",), True, 207.0, "V", 0.2),
    Limit("F004", Watch.ABOVE, _numbered("mosfet_temperature", 2), True, 95.0, "°C", 0.5),
    Limit("F005", Watch.ABOVE, ("dc_bus_voltage",), True, 58.4, "V", 0.1),
    Limit("F006", Watch.BELOW, ("dc_bus_voltage",), True, 44.8, "V", 0.5),
    Limit("F010", Watch.ABOVE, _CELLS, True, 3.65, "V", 1.0),
    Limit("F011", Watch.BELOW, _CELLS, True, 2.80, "V", 1.0),
    Limit("F012", Watch.ABOVE, _PROBES, True, 60.0, "°C", 5.0),
    Limit("F012", Watch.BELOW, _PROBES, True, -20.0, "°C", 5.0),
    Limit("F013", Watch.REVERSE, ("battery_current",), True, 180.0, "A", 1.0),
    Limit("F014", Watch.ABOVE, ("battery_current",), True, 220.0, "A", 1.0),
    Limit("F015", Watch.SPREAD, _CELLS, False, 0.100, "V", 60.0),
    Limit("F020", Watch.ABOVE, ("mppt_input_voltage",), False, 250.0, "V", 0.5),
    Limit("F021", Watch.ABOVE, ("mppt_input_current",), False, 45.0, "A", 0.5),
)

HOUSE: Mapping[str, tuple[Limit, ...]] = MappingProxyType(
    {one.code: tuple(row for row in _ROWS if row.code == one.code) for one in _ROWS}
)
"""By code; one with two rows watches both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """When a gateway may close its contactor, and when it must open it."""

    frequency_difference_hz: float = 0.1
    voltage_difference_v: float = 6.9
    """3 % of 230 V."""
    phase_difference_deg: float = 10.0
    hold_s: float = 0.5
    """All three must hold so long before it closes."""
    timeout_s: float = 60.0
    """Then it tells F040, and goes on trying."""
    reconnection_s: float = 60.0
    """Both sides healthy for so long after it was not opened on command."""

    under_frequency_hz: float = 47.5
    over_frequency_hz: float = 52.0
    under_voltage_v: float = 184.0
    over_voltage_v: float = 264.5
    opening_delay_s: float = 0.2
    """Beyond one of these four for so long, it opens."""
    blind_s: float = 10.0
    """So long neither side may be unmeasured while it is closed."""

    def __post_init__(self) -> None:
        """Refuse limits that nothing could fulfil."""
        for low, high in (("under_frequency_hz", "over_frequency_hz"), ("under_voltage_v", "over_voltage_v")):
            if not getattr(self, low) < getattr(self, high):
                raise ValueError(
                    f"{low} {getattr(self, low):g} is not below {high} {getattr(self, high):g}: exchange them"
                )


GATEWAY = GatewayLimits()

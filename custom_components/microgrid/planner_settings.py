"""What the user chose for the energy planner: as the flow keeps it, and as the planner reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from .planner_money import SAVE_MONEY, STRATEGIES
from .planner_prices import PriceSettings, SettingsError, read_settings as read_prices

CONF_RESERVE: Final = "reserve"
CONF_WEAR: Final = "wear"
CONF_STRATEGY: Final = "strategy"
CONF_AUTOMATIC: Final = "automatic"
CONF_CAPACITY: Final = "capacity"
CONF_INTERVAL: Final = "interval"
CONF_LOAD: Final = "load_entity"
CONF_SOLAR: Final = "solar_entity"
CONF_FORECASTS: Final = "solar_forecasts"
CONF_WEATHER: Final = "weather_entity"
SECTION_FLEXIBLE: Final = "flexible"
SECTION_LINES: Final = "lines"
CONF_FLEXIBLE: Final = "flexible_entity"
CONF_FLEXIBLE_MOST: Final = "flexible_power"
CONF_AHEAD: Final = "flexible_ahead"
CONF_BEHIND: Final = "flexible_behind"
CONF_TIE: Final = "tie_power"
CONF_TIE_LOSS: Final = "tie_loss"

DEFAULT_RESERVE: Final = 10.0
DEFAULT_INTERVAL_MIN: Final = 30
_MOST_LOSS: Final = 50.0


@dataclass(frozen=True, slots=True)
class FlexibleSettings:
    """A load that may run earlier or later, such as a heat pump with its store."""

    entity_id: str
    """Tells its power."""
    most_kw: float
    ahead_kwh: float
    behind_kwh: float


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """What the user chose in the flow."""

    prices: PriceSettings = field(default_factory=PriceSettings)
    reserve: float = DEFAULT_RESERVE
    wear: float = 0.0
    strategy: str = SAVE_MONEY
    automatic: bool = True
    capacity_kwh: float = 0.0
    interval: timedelta = timedelta(minutes=DEFAULT_INTERVAL_MIN)
    load_entity: str = ""
    solar_entity: str = ""
    solar_forecasts: tuple[str, ...] = ()
    """Config entries of integrations that forecast the solar yield."""
    weather_entity: str = ""
    """Whose hours of cloud cover are one more forecast of the yield."""
    flexible: FlexibleSettings | None = None
    tie_kw: float | None = None
    """Most that flows between a cluster and the others; None: nothing limits it."""
    tie_loss: float = 0.0
    """Share that is lost on the way from one cluster to another."""

    @property
    def off_grid(self) -> bool:
        """Whether the swarm is an island: nothing is bought, droop shares the load."""
        return self.prices.off_grid

    @property
    def by_house(self) -> bool:
        """Whether lines between the houses count, so that they are planned as a neighbourhood."""
        return not self.off_grid and (self.tie_kw is not None or self.tie_loss > 0.0)


def read_settings(data: Mapping[str, Any]) -> PlannerSettings:
    """Read what a flow stored; raises SettingsError."""
    strategy = data.get(CONF_STRATEGY, SAVE_MONEY)
    if strategy not in STRATEGIES:
        raise SettingsError("strategy_unknown", f"{strategy!r} is none of {', '.join(STRATEGIES)}")
    lines = data.get(SECTION_LINES) or {}
    try:
        return PlannerSettings(
            read_prices(data),
            reserve=min(max(float(data.get(CONF_RESERVE, DEFAULT_RESERVE)), 0.0), 100.0),
            wear=max(0.0, float(data.get(CONF_WEAR) or 0.0)),
            strategy=strategy,
            automatic=bool(data.get(CONF_AUTOMATIC, True)),
            capacity_kwh=max(0.0, float(data.get(CONF_CAPACITY) or 0.0)),
            interval=timedelta(
                minutes=min(max(float(data.get(CONF_INTERVAL) or DEFAULT_INTERVAL_MIN), 15.0), 60.0)
            ),
            load_entity=data.get(CONF_LOAD) or "",
            solar_entity=data.get(CONF_SOLAR) or "",
            solar_forecasts=tuple(data.get(CONF_FORECASTS) or ()),
            weather_entity=data.get(CONF_WEATHER) or "",
            flexible=_flexible(data.get(SECTION_FLEXIBLE) or {}),
            tie_kw=max(0.0, float(lines[CONF_TIE])) if lines.get(CONF_TIE) is not None else None,
            tie_loss=min(max(0.0, float(lines.get(CONF_TIE_LOSS) or 0.0)), _MOST_LOSS) / 100.0,
        )
    except (TypeError, ValueError) as error:
        raise SettingsError("number_wrong", str(error)) from error


def _flexible(data: Mapping[str, Any]) -> FlexibleSettings | None:
    if not (entity_id := data.get(CONF_FLEXIBLE)):
        return None
    most, ahead, behind = (
        max(0.0, float(data.get(name) or 0.0)) for name in (CONF_FLEXIBLE_MOST, CONF_AHEAD, CONF_BEHIND)
    )
    if most <= 0.0 or ahead + behind <= 0.0:
        raise SettingsError(
            "flexible_wrong",
            f"{entity_id} may take {most:g} kW and be {ahead:g} kWh ahead or {behind:g} kWh behind",
        )
    return FlexibleSettings(entity_id, most, ahead, behind)

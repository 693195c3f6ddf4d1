"""The energy planner of a swarm: where prices come from, how batteries are treated; checked, then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import SOURCE_USER, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.data_entry_flow import section
from homeassistant.helpers import selector
from homeassistant.util import dt as dt_util

from .const import SUBENTRY_PLANNER
from .planner_money import SAVE_MONEY, STRATEGIES
from .planner_prices import (
    CONF_ACTION,
    CONF_DATA,
    CONF_DEMAND,
    CONF_ENTITY,
    CONF_EXPORT,
    CONF_EXPORT_MARKET,
    CONF_FEE,
    CONF_LEVY,
    CONF_PERIODS,
    CONF_PRICE,
    CONF_SOURCE,
    CONF_TAX,
    CONF_UNIT,
    SOURCE_ACTION,
    SOURCE_ENTITY,
    SOURCE_FIXED,
    SOURCE_NO_GRID,
    SOURCE_TIME_OF_USE,
    SOURCES,
    UNIT_AUTO,
    UNITS,
    PriceDesk,
    SettingsError,
    preview,
)
from .planner_settings import (
    CONF_AHEAD,
    CONF_AUTOMATIC,
    CONF_BEHIND,
    CONF_CAPACITY,
    CONF_FLEXIBLE,
    CONF_FLEXIBLE_MOST,
    CONF_FORECASTS,
    CONF_INTERVAL,
    CONF_LOAD,
    CONF_RESERVE,
    CONF_SOLAR,
    CONF_STRATEGY,
    CONF_TIE,
    CONF_TIE_LOSS,
    CONF_WEAR,
    CONF_WEATHER,
    DEFAULT_INTERVAL_MIN,
    DEFAULT_RESERVE,
    SECTION_FLEXIBLE,
    SECTION_LINES,
    read_settings,
)
from .planner_solar import entries as solar_entries

WEEKDAYS = [str(day) for day in range(7)]


def _box(
    low: float, high: float, step: float | None = None, unit: str | None = None
) -> selector.NumberSelector:
    config = selector.NumberSelectorConfig(
        min=low, max=high, step=step or "any", mode=selector.NumberSelectorMode.BOX
    )
    if unit is not None:
        config["unit_of_measurement"] = unit
    return selector.NumberSelector(config)


# A kilowatt-hour costs 0.3 EUR, 37 HUF or 150 KRW, a kilowatt of power a hundred times as much.
_PRICE = _box(-1000, 1000)
_EXPORT: dict[vol.Marker, Any] = {vol.Required(CONF_EXPORT, default=0.0): _PRICE}
_MARKET: dict[vol.Marker, Any] = {
    vol.Required(CONF_UNIT, default=UNIT_AUTO): selector.SelectSelector(
        selector.SelectSelectorConfig(options=[UNIT_AUTO, *UNITS], translation_key="price_unit")
    ),
    vol.Required(CONF_FEE, default=0.0): _PRICE,
    vol.Required(CONF_TAX, default=0.0): _box(-50, 100, 0.1, "%"),
    vol.Required(CONF_LEVY, default=0.0): _PRICE,
    **_EXPORT,
    vol.Required(CONF_EXPORT_MARKET, default=False): selector.BooleanSelector(),
}
_PERIODS = selector.ObjectSelector(
    selector.ObjectSelectorConfig(
        multiple=True,
        label_field="price",
        description_field="start",
        translation_key="tariff_periods",
        fields={
            "price": {"selector": _PRICE, "required": True},
            "start": {"selector": selector.TimeSelector(), "required": True},
            "end": {"selector": selector.TimeSelector(), "required": True},
            "weekdays": {
                "selector": selector.SelectSelector(
                    selector.SelectSelectorConfig(options=WEEKDAYS, multiple=True, translation_key="weekdays")
                )
            },
        },
    )
)
SCHEMAS: Mapping[str, vol.Schema] = {
    SOURCE_FIXED: vol.Schema({vol.Required(CONF_PRICE): _PRICE, **_EXPORT}),
    SOURCE_TIME_OF_USE: vol.Schema(
        {vol.Required(CONF_PRICE): _PRICE, vol.Required(CONF_PERIODS, default=list): _PERIODS, **_EXPORT}
    ),
    SOURCE_ENTITY: vol.Schema(
        {
            vol.Required(CONF_ENTITY): selector.EntitySelector(
                selector.EntitySelectorConfig(domain="sensor")
            ),
            **_MARKET,
        }
    ),
    SOURCE_ACTION: vol.Schema(
        {
            vol.Required(CONF_ACTION): selector.TextSelector(),
            vol.Required(CONF_DATA, default=dict): selector.ObjectSelector(),
            **_MARKET,
        }
    ),
}
_POWER = selector.EntitySelector(selector.EntitySelectorConfig(domain="sensor", device_class="power"))
_MONEY: dict[vol.Marker, Any] = {
    vol.Required(CONF_STRATEGY, default=SAVE_MONEY): selector.SelectSelector(
        selector.SelectSelectorConfig(options=list(STRATEGIES), translation_key=CONF_STRATEGY)
    ),
    vol.Required(CONF_AUTOMATIC, default=True): selector.BooleanSelector(),
    vol.Required(CONF_WEAR, default=0.0): _box(0, 1000),
    vol.Required(CONF_DEMAND, default=0.0): _box(0, 100_000),
}
_BATTERY: dict[vol.Marker, Any] = {
    vol.Required(CONF_RESERVE, default=DEFAULT_RESERVE): _box(0, 100, 1, "%"),
    vol.Required(CONF_INTERVAL, default=DEFAULT_INTERVAL_MIN): _box(15, 60, 15, "min"),
    vol.Optional(CONF_CAPACITY): _box(0, 10_000, 0.01, "kWh"),
    vol.Optional(CONF_LOAD): _POWER,
    vol.Optional(CONF_SOLAR): _POWER,
    vol.Optional(CONF_WEATHER): selector.EntitySelector(selector.EntitySelectorConfig(domain="weather")),
}
_SECTIONS: dict[vol.Marker, Any] = {
    vol.Optional(SECTION_FLEXIBLE): section(
        vol.Schema(
            {
                vol.Optional(CONF_FLEXIBLE): selector.EntitySelector(
                    selector.EntitySelectorConfig(domain="sensor", device_class=["power", "apparent_power"])
                ),
                vol.Optional(CONF_FLEXIBLE_MOST): _box(0, 1000, 0.01, "kW"),
                vol.Optional(CONF_AHEAD): _box(0, 1000, 0.1, "kWh"),
                vol.Optional(CONF_BEHIND): _box(0, 1000, 0.1, "kWh"),
            }
        ),
        {"collapsed": True},
    ),
    vol.Optional(SECTION_LINES): section(
        vol.Schema(
            {
                vol.Optional(CONF_TIE): _box(0, 1000, 0.1, "kW"),
                vol.Optional(CONF_TIE_LOSS): _box(0, 50, 0.1, "%"),
            }
        ),
        {"collapsed": True},
    ),
}


def _forecasts(options: list[selector.SelectOptionDict]) -> dict[vol.Marker, Any]:
    """Return the field for solar forecasts, where there are any to choose from."""
    if not options:
        return {}
    config = selector.SelectSelectorConfig(
        options=options, multiple=True, mode=selector.SelectSelectorMode.DROPDOWN
    )
    return {vol.Optional(CONF_FORECASTS): selector.SelectSelector(config)}


class PlannerSubentryFlow(ConfigSubentryFlow):
    """Adds or changes the planner of a swarm."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._data: dict[str, Any] = {}

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask where prices come from; there is one planner for each swarm."""
        if self.source == SOURCE_USER and self._get_entry().get_subentries_of_type(SUBENTRY_PLANNER):
            return self.async_abort(reason="already_configured")
        return self.async_show_menu(step_id="user", menu_options=list(SOURCES))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask again, with what was chosen before filled in."""
        return self.async_show_menu(step_id="reconfigure", menu_options=list(SOURCES))

    async def async_step_fixed(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for one price."""
        return await self._ask(SOURCE_FIXED, user_input)

    async def async_step_time_of_use(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for prices by the time of day."""
        return await self._ask(SOURCE_TIME_OF_USE, user_input)

    async def async_step_price_entity(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the entity whose attributes hold the prices."""
        return await self._ask(SOURCE_ENTITY, user_input)

    async def async_step_price_action(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the action that answers with the prices."""
        return await self._ask(SOURCE_ACTION, user_input)

    async def async_step_off_grid(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Without a grid there are no prices to ask for."""
        self._data = {CONF_SOURCE: SOURCE_NO_GRID}
        return await self.async_step_battery()

    async def _ask(self, source: str, user_input: dict[str, Any] | None) -> SubentryFlowResult:
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            data = {CONF_SOURCE: source, **user_input}
            try:
                desk = await self._tried(data)
            except SettingsError as error:
                errors["base"], reason = error.key, str(error)
            else:
                if desk.trouble is None:
                    self._data = data
                    return await self.async_step_battery()
                errors["base"] = desk.trouble
                reason = data.get(CONF_ENTITY) or data.get(CONF_ACTION) or ""
        return self.async_show_form(
            step_id=source,
            data_schema=self.add_suggested_values_to_schema(SCHEMAS[source], user_input or self._before),
            errors=errors,
            description_placeholders={
                "reason": reason,
                "currency": self.hass.config.currency,
                "example": "nordpool.get_prices_for_date",
            },
        )

    async def async_step_battery(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask how batteries are treated."""
        errors: dict[str, str] = {}
        reason = ""
        off_grid = self._data[CONF_SOURCE] == SOURCE_NO_GRID
        if user_input is not None:
            try:
                read_settings(self._data | user_input)
            except SettingsError as error:
                errors["base"], reason = error.key, str(error)
            else:
                self._data |= user_input
                return self._keep("Off-grid") if off_grid else await self.async_step_check()
        forecasts = _forecasts(
            [
                selector.SelectOptionDict(value=entry.entry_id, label=f"{entry.title} ({entry.domain})")
                for entry in await solar_entries(self.hass)
            ]
        )
        fields = _BATTERY | forecasts if off_grid else {**_MONEY, **_BATTERY, **forecasts, **_SECTIONS}
        return self.async_show_form(
            step_id="battery",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(fields), user_input or self._before),
            errors=errors,
            description_placeholders={"reason": reason, "currency": self.hass.config.currency},
        )

    async def async_step_check(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Show the prices of the next day, then keep everything."""
        if user_input is None:
            desk = await self._tried(self._data)
            table = preview(desk.tariff, dt_util.utcnow(), desk.zone, self.hass.config.currency)
            return self.async_show_form(
                step_id="check",
                data_schema=vol.Schema({}),
                description_placeholders={"prices": table},
                last_step=True,
            )
        title = {
            SOURCE_ENTITY: self._data.get(CONF_ENTITY),
            SOURCE_ACTION: self._data.get(CONF_ACTION),
        }.get(self._data[CONF_SOURCE]) or self._data[CONF_SOURCE].replace("_", " ").capitalize()
        return self._keep(title)

    def _keep(self, title: str) -> SubentryFlowResult:
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=title, data=self._data)
        # The update listener reloads the entry.
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), title=title, data=self._data
        )

    async def _tried(self, data: Mapping[str, Any]) -> PriceDesk:
        """Return a desk that has fetched; raises SettingsError."""
        desk = PriceDesk(self.hass, read_settings(data).prices, dt_util.get_default_time_zone())
        await desk.refresh(dt_util.utcnow())
        return desk

    @property
    def _before(self) -> Mapping[str, Any]:
        return {} if self.source == SOURCE_USER else self._get_reconfigure_subentry().data

"""Config flow: one entry for each swarm, found by the birth messages of its nodes or named by the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.components import mqtt
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.core import callback
from homeassistant.helpers import selector
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.util import dt as dt_util

from .const import (
    CONF_NAME,
    CONF_SWARM,
    DOMAIN,
    KEEP_DAYS,
    OPT_HEAT_PUMPS,
    OPT_HOUSE_SENSORS,
    OPT_INTERVAL,
    OPT_PROFILE,
    SUBENTRY_EXPLAINER,
    SUBENTRY_GX,
    SUBENTRY_INFLUX,
    SUBENTRY_PLANNER,
)
from .core.contract.messages import Birth, parse_birth
from .core.contract.topics import BIRTH, IDENTIFIER, Topic, parse_topic
from .core.influx.server import InfluxError
from .core.model.deadband import NORMAL, PROFILES
from .explainer_claude import ClaudeError
from .explainer_flow import (
    KEY_SCHEMA,
    ExplainerSubentryFlow,
    async_try as async_try_explainer,
    error_key as explainer_error_key,
)
from .guardian_flow import HealthOptions
from .gx_flow import GxConfigSteps, GxSubentryFlow
from .influx_flow import ACCESS_SCHEMA, InfluxSubentryFlow, async_try, error_key, stripped
from .planner_flow import PlannerSubentryFlow

MAX_NAME_LENGTH = 64
MIN_INTERVAL_S = 1
MAX_INTERVAL_S = 3600
MAX_KEEP_DAYS = 3660
ADD_MQTT_URL = "/config/integrations/add?domain=mqtt"

NAME_FIELD = selector.TextSelector()
SWARM_FIELD = selector.TextSelector()
OPTIONS_SCHEMA = vol.Schema(
    {
        vol.Required(OPT_PROFILE, default=NORMAL.name): selector.SelectSelector(
            selector.SelectSelectorConfig(options=list(PROFILES), translation_key=OPT_PROFILE)
        ),
        vol.Optional(OPT_INTERVAL): selector.NumberSelector(
            selector.NumberSelectorConfig(
                min=MIN_INTERVAL_S,
                max=MAX_INTERVAL_S,
                step=1,
                unit_of_measurement="s",
                mode=selector.NumberSelectorMode.BOX,
            )
        ),
        vol.Required(OPT_HEAT_PUMPS, default=True): selector.BooleanSelector(),
        vol.Required(OPT_HOUSE_SENSORS, default=True): selector.BooleanSelector(),
        **{
            vol.Required(option, default=days): selector.NumberSelector(
                selector.NumberSelectorConfig(
                    min=1,
                    max=MAX_KEEP_DAYS,
                    step=1,
                    unit_of_measurement="d",
                    mode=selector.NumberSelectorMode.BOX,
                )
            )
            for option, days in KEEP_DAYS.items()
        },
    }
)


class MicrogridConfigFlow(GxConfigSteps, ConfigFlow, domain=DOMAIN):
    """Adds a swarm."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Nothing was found yet."""
        self._found: Topic | None = None
        self._birth: Birth | None = None

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Offer options."""
        return MicrogridOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Offer what a swarm can be joined to."""
        return {
            SUBENTRY_EXPLAINER: ExplainerSubentryFlow,
            SUBENTRY_GX: GxSubentryFlow,
            SUBENTRY_INFLUX: InfluxSubentryFlow,
            SUBENTRY_PLANNER: PlannerSubentryFlow,
        }

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the name and the id of the swarm."""
        if not await mqtt.async_wait_for_mqtt_client(self.hass):
            return self._abort_without_mqtt()
        errors: dict[str, str] = {}
        if user_input is not None:
            name, swarm = user_input[CONF_NAME].strip(), user_input[CONF_SWARM].strip()
            errors = _name_errors(name)
            if IDENTIFIER.fullmatch(swarm) is None:
                errors[CONF_SWARM] = "invalid_swarm"
            if not errors and not mqtt.is_connected(self.hass):
                errors["base"] = "broker_not_connected"
            if not errors:
                await self.async_set_unique_id(swarm, raise_on_progress=False)
                self._abort_if_unique_id_configured()
                return self._create(swarm, name)
        schema = vol.Schema({vol.Required(CONF_NAME): NAME_FIELD, vol.Required(CONF_SWARM): SWARM_FIELD})
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
        )

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """A node announced itself; whatever is no birth message ends here without a word to the user."""
        topic = parse_topic(discovery_info.topic)
        text = discovery_info.payload
        payload = text.encode() if isinstance(text, str) else bytes(text)
        birth = parse_birth(payload, dt_util.utcnow())
        if topic is None or topic.suffix != BIRTH or not isinstance(birth, Birth):
            return self.async_abort(reason="no_birth")
        if self.hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, topic.swarm):
            # Before this flow has the unique id: with it, Home Assistant would note the topic of every single
            # node in the entry, and each note would have the update listener reload the swarm.
            return self.async_abort(reason="already_configured")
        await self.async_set_unique_id(topic.swarm)
        self._found, self._birth = topic, birth
        self.context["title_placeholders"] = {"name": _readable(topic.swarm), "swarm": topic.swarm}
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the swarm that was found should be added, and under which name."""
        assert self._found is not None and self._birth is not None
        errors: dict[str, str] = {}
        if user_input is not None:
            name = user_input[CONF_NAME].strip()
            if not (errors := _name_errors(name)):
                return self._create(self._found.swarm, name)
        schema = vol.Schema({vol.Required(CONF_NAME): NAME_FIELD})
        suggested = user_input or {CONF_NAME: _readable(self._found.swarm)}
        return self.async_show_form(
            step_id="confirm",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=errors,
            # Ids and kinds only: names come from outside and this text is shown as Markdown.
            description_placeholders={
                "swarm": self._found.swarm,
                "node": self._found.node,
                "kind": self._birth.kind,
            },
        )

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change the name; the id stays, since topics, devices and statistics hang on it."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            name = user_input[CONF_NAME].strip()
            if not (errors := _name_errors(name)):
                # The update listener reloads the entry.
                return self.async_update_and_abort(entry, title=name, data_updates={CONF_NAME: name})
        schema = vol.Schema({vol.Required(CONF_NAME): NAME_FIELD})
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or entry.data),
            errors=errors,
            description_placeholders={"swarm": entry.data[CONF_SWARM]},
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """The InfluxDB of the swarm, a station, or who explains its faults, does not accept us any more."""
        if (station := entry_data.get(SUBENTRY_GX)) is not None:
            return await self.async_step_reauth_gx(station)
        if entry_data.get(SUBENTRY_EXPLAINER):
            return await self.async_step_reauth_explainer()
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_explainer(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for another API key and try it."""
        entry = self._get_reauth_entry()
        subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_EXPLAINER)), None)
        if subentry is None:
            return self.async_abort(reason="explainer_removed")
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            data = {**subentry.data, **stripped(user_input)}
            try:
                await async_try_explainer(self.hass, data)
            except ClaudeError as error:
                errors["base"], reason = explainer_error_key(error), str(error)
            else:
                # The update listener reloads the entry.
                self.hass.config_entries.async_update_subentry(entry, subentry, data=data)
                return self.async_abort(reason="explainer_reauth_successful")
        return self.async_show_form(
            step_id="reauth_explainer",
            data_schema=KEY_SCHEMA,
            errors=errors,
            description_placeholders={"title": subentry.title, "reason": reason},
        )

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for new access and try it; what is left empty stays as it is."""
        entry = self._get_reauth_entry()
        subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_INFLUX)), None)
        if subentry is None:
            return self.async_abort(reason="influx_removed")
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            data = {**subentry.data, **stripped(user_input)}
            try:
                await async_try(self.hass, data)
            except InfluxError as error:
                errors["base"], reason = error_key(error), str(error)
            else:
                # The update listener reloads the entry.
                self.hass.config_entries.async_update_subentry(entry, subentry, data=data)
                return self.async_abort(reason="reauth_successful")
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=ACCESS_SCHEMA,
            errors=errors,
            description_placeholders={"url": subentry.data["url"], "reason": reason},
        )

    def _create(self, swarm: str, name: str) -> ConfigFlowResult:
        # Topics outside microgrid/… name no swarm: only one entry may take what arrives there.
        first = not self._async_current_entries(include_ignore=False)
        return self.async_create_entry(
            title=name,
            data={CONF_SWARM: swarm, CONF_NAME: name},
            options={OPT_PROFILE: NORMAL.name, OPT_HEAT_PUMPS: first, OPT_HOUSE_SENSORS: first},
        )

    def _abort_without_mqtt(self) -> ConfigFlowResult:
        return self.async_abort(reason="mqtt_missing", description_placeholders={"add_mqtt": ADD_MQTT_URL})


class MicrogridOptionsFlow(HealthOptions):
    """Changes how closely states follow the readings, which other topics are read, and rules of health."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask what shall be changed."""
        return self.async_show_menu(step_id="init", menu_options=["readings", "health_rules", "ageing"])

    async def async_step_readings(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show the page of what is read and kept; the update listener reloads the entry."""
        errors: dict[str, str] = {}
        if user_input is not None:
            days = [user_input[option] for option in KEEP_DAYS]
            if days == sorted(days):
                others = {
                    key: value
                    for key, value in self.config_entry.options.items()
                    if key not in OPTIONS_SCHEMA.schema
                }
                return self.async_create_entry(data=others | user_input)
            errors["base"] = "keep_order"
        return self.async_show_form(
            step_id="readings",
            data_schema=self.add_suggested_values_to_schema(
                OPTIONS_SCHEMA, user_input or self.config_entry.options
            ),
            errors=errors,
        )


def _name_errors(name: str) -> dict[str, str]:
    return {} if 0 < len(name) <= MAX_NAME_LENGTH else {CONF_NAME: "invalid_name"}


def _readable(swarm: str) -> str:
    """Return a name to begin with: `sunny_street` is Sunny street."""
    return swarm.replace("_", " ").replace("-", " ").strip().capitalize() or swarm

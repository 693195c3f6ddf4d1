"""Who explains faults: Claude with an own account, or an AI task of Home Assistant; tried first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import SOURCE_USER, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import selector

from .const import SUBENTRY_EXPLAINER
from .core.diagnosis.explanation.explanation import Outcome
from .core.diagnosis.explanation.spending import PRICES
from .explainer_claude import Claude, ClaudeError
from .explainer_settings import (
    AI_TASK,
    ANTHROPIC,
    AUTO,
    BASE_URL,
    CONF_API_KEY,
    CONF_BASE_URL,
    CONF_DAY_USD,
    CONF_EFFORT,
    CONF_ENTITY,
    CONF_INPUT_USD,
    CONF_MODEL,
    CONF_MONTH_USD,
    CONF_OUTPUT_USD,
    CONF_PROVIDER,
    CONF_REQUESTS,
    DEFAULT_DAY_USD,
    DEFAULT_MODEL,
    DEFAULT_MONTH_USD,
    DEFAULT_REQUESTS,
    MAX_TOKENS,
    ClaudeSettings,
    SettingsError,
    read_settings,
)
from .explainer_task import can_generate

KEY_FIELD = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.PASSWORD))


def _dollars(most: float) -> selector.NumberSelector:
    return selector.NumberSelector(
        selector.NumberSelectorConfig(
            min=0, max=most, step=0.01, unit_of_measurement="USD", mode=selector.NumberSelectorMode.BOX
        )
    )


CLAUDE_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_API_KEY): KEY_FIELD,
        vol.Required(CONF_MODEL, default=DEFAULT_MODEL): selector.SelectSelector(
            selector.SelectSelectorConfig(
                options=list(PRICES), custom_value=True, mode=selector.SelectSelectorMode.DROPDOWN
            )
        ),
        vol.Required(CONF_EFFORT, default=AUTO): selector.SelectSelector(
            selector.SelectSelectorConfig(options=list(MAX_TOKENS), translation_key=CONF_EFFORT)
        ),
        vol.Required(CONF_DAY_USD, default=DEFAULT_DAY_USD): _dollars(1000),
        vol.Required(CONF_MONTH_USD, default=DEFAULT_MONTH_USD): _dollars(10_000),
        vol.Optional(CONF_INPUT_USD): _dollars(1000),
        vol.Optional(CONF_OUTPUT_USD): _dollars(1000),
        vol.Optional(CONF_BASE_URL): selector.TextSelector(
            selector.TextSelectorConfig(type=selector.TextSelectorType.URL)
        ),
    }
)
KEY_SCHEMA = vol.Schema({vol.Required(CONF_API_KEY): KEY_FIELD})
TASK_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ENTITY): selector.EntitySelector(selector.EntitySelectorConfig(domain=AI_TASK)),
        vol.Required(CONF_REQUESTS, default=DEFAULT_REQUESTS): selector.NumberSelector(
            selector.NumberSelectorConfig(min=1, max=1000, step=1, mode=selector.NumberSelectorMode.BOX)
        ),
    }
)
_ERRORS = {Outcome.UNREACHABLE: "claude_unreachable", Outcome.UNAUTHORISED: "claude_unauthorised"}


class ExplainerSubentryFlow(ConfigSubentryFlow):
    """Adds or changes who puts diagnoses into words."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask who it shall be; there is one for each swarm."""
        if self._get_entry().get_subentries_of_type(SUBENTRY_EXPLAINER):
            return self.async_abort(reason="already_configured")
        return self.async_show_menu(step_id="user", menu_options=[ANTHROPIC, AI_TASK])

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for what has changed."""
        if self._before[CONF_PROVIDER] == AI_TASK:
            return await self.async_step_ai_task()
        return await self.async_step_anthropic()

    async def async_step_anthropic(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for account, model and budget, and try them; an empty key leaves an earlier one."""
        errors: dict[str, str] = {}
        reason = ""
        before = self._before
        if user_input is not None:
            data = {CONF_PROVIDER: ANTHROPIC, **_stripped(user_input)}
            if CONF_API_KEY in before:
                data.setdefault(CONF_API_KEY, before[CONF_API_KEY])
            try:
                await async_try(self.hass, data)
            except SettingsError as error:
                errors["base"], reason = error.key, str(error)
            except ClaudeError as error:
                errors["base"], reason = error_key(error), str(error)
            else:
                return self._keep(f"Claude ({data[CONF_MODEL]})", data)
        shown = {name: value for name, value in (user_input or before).items() if name != CONF_API_KEY}
        return self.async_show_form(
            step_id=ANTHROPIC,
            data_schema=self.add_suggested_values_to_schema(CLAUDE_SCHEMA, shown),
            errors=errors,
            description_placeholders={"reason": reason, "default_url": BASE_URL},
        )

    async def async_step_ai_task(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the entity, and see whether it can do what is needed."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if can_generate(self.hass, user_input[CONF_ENTITY]):
                return self._keep(user_input[CONF_ENTITY], {CONF_PROVIDER: AI_TASK, **user_input})
            errors[CONF_ENTITY] = "task_unavailable"
        return self.async_show_form(
            step_id=AI_TASK,
            data_schema=self.add_suggested_values_to_schema(TASK_SCHEMA, user_input or self._before),
            errors=errors,
        )

    @property
    def _before(self) -> Mapping[str, Any]:
        return {} if self.source == SOURCE_USER else self._get_reconfigure_subentry().data

    def _keep(self, title: str, data: dict[str, Any]) -> SubentryFlowResult:
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=title, data=data)
        # The update listener reloads the entry.
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), title=title, data=data
        )


async def async_try(hass: HomeAssistant, data: Mapping[str, Any]) -> None:
    """Send a tiny request with these settings; SettingsError and ClaudeError say what is wrong."""
    provider = read_settings(data).provider
    assert isinstance(provider, ClaudeSettings)
    claude = Claude(hass, provider)
    try:
        await claude.try_out()
    finally:
        await claude.close()


def error_key(error: ClaudeError) -> str:
    """Return the key of the text for an error."""
    return _ERRORS.get(error.outcome, "claude_failed")


def _stripped(user_input: Mapping[str, Any]) -> dict[str, Any]:
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in user_input.items()}
    return {name: value for name, value in trimmed.items() if value != ""}

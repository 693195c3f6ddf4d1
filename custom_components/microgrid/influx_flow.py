"""The InfluxDB of a swarm: adding it, changing it, renewing its access; each is tried before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import SOURCE_USER, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import selector
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .const import SUBENTRY_INFLUX
from .core.influx.connect import connect
from .core.influx.server import (
    InfluxError,
    NotInflux,
    Server,
    Step,
    Unauthorised,
    Unreachable,
    detect,
)
from .core.influx.settings import InfluxSettings

CONF_URL = "url"
CONF_USERNAME = "username"
CONF_PASSWORD = "password"
CONF_TOKEN = "token"
CONF_ORGANISATION = "organisation"
CONF_VERIFY_TLS = "verify_tls"
CONF_CA_CERTIFICATE = "ca_certificate"
EXAMPLE_URL = "http://homeassistant.local:8086"
SECRETS = frozenset({CONF_USERNAME, CONF_PASSWORD, CONF_TOKEN, CONF_CA_CERTIFICATE})
"""What is shown nowhere."""

_TEXT = selector.TextSelector()
_HIDDEN = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.PASSWORD))
ACCESS_FIELDS: dict[vol.Marker, Any] = {
    vol.Optional(CONF_USERNAME): _TEXT,
    vol.Optional(CONF_PASSWORD): _HIDDEN,
    vol.Optional(CONF_TOKEN): _HIDDEN,
    vol.Optional(CONF_ORGANISATION): _TEXT,
}
ACCESS_SCHEMA = vol.Schema(ACCESS_FIELDS)
SCHEMA = vol.Schema(
    {
        vol.Required(CONF_URL): selector.TextSelector(
            selector.TextSelectorConfig(type=selector.TextSelectorType.URL)
        ),
        **ACCESS_FIELDS,
        vol.Required(CONF_VERIFY_TLS, default=True): selector.BooleanSelector(),
        vol.Optional(CONF_CA_CERTIFICATE): selector.TextSelector(selector.TextSelectorConfig(multiline=True)),
    }
)
_ERRORS = (
    (Unreachable, "influx_unreachable"),
    (NotInflux, "not_influx"),
    (Unauthorised, "influx_unauthorised"),
)


class InfluxSubentryFlow(ConfigSubentryFlow):
    """Adds or changes the server that receives what the archive holds."""

    def __init__(self) -> None:
        """Nothing was tried yet."""
        self._data: dict[str, Any] = {}
        self._server: Server | None = None
        self._steps: list[Step] = []

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the server; there is one for each swarm."""
        if self._get_entry().get_subentries_of_type(SUBENTRY_INFLUX):
            return self.async_abort(reason="already_configured")
        return await self._ask("user", user_input, {})

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for what has changed; secrets that are left empty stay as they are."""
        return await self._ask("reconfigure", user_input, dict(self._get_reconfigure_subentry().data))

    async def _ask(
        self, step_id: str, user_input: dict[str, Any] | None, before: dict[str, Any]
    ) -> SubentryFlowResult:
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            kept = {name: before[name] for name in SECRETS - {CONF_USERNAME} if name in before}
            self._data = kept | stripped(user_input)
            try:
                self._server, self._steps = await async_try(self.hass, self._data)
            except ValueError as error:
                errors["base"], reason = "influx_invalid", str(error)
            except InfluxError as error:
                errors["base"], reason = error_key(error), str(error)
            else:
                return await self.async_step_report()
        shown = {name: value for name, value in (user_input or before).items() if name not in SECRETS}
        if username := (user_input or before).get(CONF_USERNAME):
            shown[CONF_USERNAME] = username
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(SCHEMA, shown),
            errors=errors,
            description_placeholders={"reason": reason, "example": EXAMPLE_URL},
        )

    async def async_step_report(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Show what was found and made, then keep it."""
        assert self._server is not None
        if user_input is None:
            return self.async_show_form(
                step_id="report",
                data_schema=vol.Schema({}),
                description_placeholders={"version": self._server.version, "steps": report(self._steps)},
                last_step=True,
            )
        title = f"InfluxDB {self._data[CONF_URL]}"
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=title, data=self._data)
        # The update listener reloads the entry.
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), title=title, data=self._data
        )


async def async_try(hass: HomeAssistant, data: Mapping[str, Any]) -> tuple[Server, list[Step]]:
    """Reach the server and make its tiers; raises InfluxError, and ValueError for impossible settings."""
    access = await hass.async_add_executor_job(InfluxSettings(**data).access)
    session = async_get_clientsession(hass)
    server = await detect(session, access)
    sink = await connect(session, access, server)
    try:
        return server, await sink.provision()
    finally:
        await sink.close()


def stripped(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was filled in, without blanks around it."""
    trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in user_input.items()}
    return {name: value for name, value in trimmed.items() if value != ""}


def error_key(error: InfluxError) -> str:
    """Return the key of the text for an error."""
    return next((key for kind, key in _ERRORS if isinstance(error, kind)), "influx_failed")


def report(steps: list[Step]) -> str:
    """Return the steps as a Markdown list; names are our own."""
    signs = {"exists": "✓", "created": "+", "changed": "~"}
    return "\n".join(f"- {signs[step.made]} `{step.name}`" for step in steps)

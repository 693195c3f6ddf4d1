"""Victron GX stations of a swarm: adding one, also one that was found, changing it, and renewing its access.

All four end in the same three ways to a station, and each way is tried before it counts. What was found on
the way, the id of the GX and the certificate that it showed, is kept; the certificate must stay the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, override
from urllib.parse import urlparse

import aiohttp
import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowContext,
    ConfigFlowResult,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult
from homeassistant.helpers import selector
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.service_info.ssdp import SsdpServiceInfo

from .const import CONF_NAME, DOMAIN, SUBENTRY_GX
from .core.gx.access import PLAIN_PORT, TLS_PORT, Login, MqttAccess, pairing_request, parse_pairing
from .core.gx.control import GROUPS
from .core.gx.errors import AccessRefused, BadAnswer, GxError, Unreachable, WrongCertificate
from .core.gx.http import PORT as HTTP_PORT, HttpStation
from .core.gx.mqtt import probe
from .core.gx.value import valid_portal
from .gx_control import CONF_ALLOW_CONTROL, CONF_CONTROLS
from .gx_station import (
    CONF_FINGERPRINT,
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PORT,
    CONF_PORTAL,
    CONF_TLS,
    CONF_URL,
    CONF_USERNAME,
    CONF_WAY,
    Way,
)

DEFAULT_HOST: Final = "venus.local"
DEFAULT_NAME: Final = "Victron GX"
CONF_SWARM_ENTRY: Final = "swarm_entry"
WAYS: Final = ("gx_mqtt", "gx_pair", "gx_http")
_PAIRING_TIMEOUT_S: Final = 15.0
_PAIRED_TRIES, _PAIRED_PAUSE_S = 4, 2.0
"""The broker may start again with the first token."""

_TEXT = selector.TextSelector()
_HIDDEN = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.PASSWORD))
_URL = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.URL))
_PORT = selector.NumberSelector(
    selector.NumberSelectorConfig(min=1, max=65535, step=1, mode=selector.NumberSelectorMode.BOX)
)
MQTT_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_NAME): _TEXT,
        vol.Required(CONF_HOST): _TEXT,
        vol.Required(CONF_TLS, default=True): selector.BooleanSelector(),
        vol.Optional(CONF_PORT): _PORT,
        vol.Optional(CONF_PASSWORD): _HIDDEN,
    }
)
PAIR_SCHEMA = vol.Schema({vol.Required(CONF_NAME): _TEXT, vol.Required(CONF_HOST): _TEXT})
HTTP_SCHEMA = vol.Schema({vol.Required(CONF_NAME): _TEXT, vol.Required(CONF_URL): _URL})
CONTROL_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ALLOW_CONTROL, default=False): selector.BooleanSelector(),
        vol.Required(CONF_CONTROLS, default=list(GROUPS)): selector.SelectSelector(
            selector.SelectSelectorConfig(options=list(GROUPS), multiple=True, translation_key="gx_controls")
        ),
    }
)
_ERRORS: Final = (
    (AccessRefused, "gx_refused"),
    (WrongCertificate, "gx_certificate"),
    (BadAnswer, "gx_bad_answer"),
    (Unreachable, "gx_unreachable"),
)


class GxDialogue[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """The ways to a station, tried and reported; what becomes of it the flow decides."""

    _before: Mapping[str, Any] = MappingProxyType({})
    """What is kept of the station already, or was found of it."""
    _gx_name = DEFAULT_NAME
    _data: Mapping[str, Any] = MappingProxyType({})
    _login: tuple[str, Login] | None = None
    """Host and token of a pairing of this flow: it is not asked for twice."""
    _confirmed: str | None = None
    """Fingerprint of a new certificate that a person takes for that of the station."""
    _postponed: Callable[[], Awaitable[ResultT]] | None = None
    """The attempt that waits until a person has seen the new certificate."""

    def _settled(self) -> ResultT:
        """Keep `_data` as the station `_gx_name`."""
        raise NotImplementedError

    async def async_step_gx_mqtt(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Ask for the address and the password of the GX."""
        if user_input is None:
            return self._form("gx_mqtt", MQTT_SCHEMA, self._before)
        tls = user_input[CONF_TLS]
        data: dict[str, Any] = {
            CONF_WAY: Way.MQTT.value,
            CONF_HOST: user_input[CONF_HOST].strip(),
            CONF_TLS: tls,
            CONF_PORT: int(user_input.get(CONF_PORT) or (TLS_PORT if tls else PLAIN_PORT)),
        }
        if password := user_input.get(CONF_PASSWORD):
            data[CONF_PASSWORD] = password
        else:  # a login that is there stays
            data |= {key: self._before[key] for key in (CONF_USERNAME, CONF_PASSWORD) if key in self._before}
        return await self._try("gx_mqtt", MQTT_SCHEMA, user_input, data)

    async def async_step_gx_pair(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Guide through the pairing mode of the GX, and ask it for a login of our own."""
        if user_input is None:
            return self._form("gx_pair", PAIR_SCHEMA, self._before)
        host = user_input[CONF_HOST].strip()
        try:
            if self._login is None or self._login[0] != host:
                self._login = host, await async_pair(self.hass, host)
        except (GxError, ValueError) as error:
            return self._form("gx_pair", PAIR_SCHEMA, user_input, error)
        login = self._login[1]
        data: dict[str, Any] = {
            CONF_WAY: Way.MQTT.value,
            CONF_HOST: host,
            CONF_TLS: True,
            CONF_PORT: TLS_PORT,
            CONF_USERNAME: login.username,
            CONF_PASSWORD: login.password,
        }
        return await self._try("gx_pair", PAIR_SCHEMA, user_input, data, tries=_PAIRED_TRIES)

    async def async_step_gx_http(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Ask for the address of the D-Bus HTTP API."""
        if user_input is None:
            return self._form("gx_http", HTTP_SCHEMA, self._before)
        data = {CONF_WAY: Way.HTTP.value, CONF_URL: user_input[CONF_URL].strip()}
        return await self._try("gx_http", HTTP_SCHEMA, user_input, data)

    async def async_step_gx_report(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Show who answered, then keep it."""
        return self._settled() if user_input is not None else self._report("gx_report")

    async def async_step_gx_new_certificate(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Say that the GX shows another certificate than before, and let a person decide."""
        if user_input is None or self._postponed is None:
            return self._report("gx_new_certificate")
        attempt, self._postponed = self._postponed, None
        self._confirmed = self._data[CONF_FINGERPRINT]
        return await attempt()

    def _report(self, step_id: str) -> ResultT:
        return self.async_show_form(
            step_id=step_id,
            data_schema=vol.Schema({}),
            description_placeholders={
                "portal": self._data[CONF_PORTAL],
                "certificate": _readable(self._data.get(CONF_FINGERPRINT)),
                "before": _readable(self._before.get(CONF_FINGERPRINT)),
            },
            last_step=True,
        )

    async def _try(
        self,
        step_id: str,
        schema: vol.Schema,
        user_input: dict[str, Any],
        data: dict[str, Any],
        tries: int = 1,
    ) -> ResultT:
        before = self._before.get(CONF_FINGERPRINT)
        try:
            self._data = await async_try(self.hass, data, self._confirmed or before, tries)
        except WrongCertificate as error:  # who is not known hears no password before a person has agreed
            self._data = {CONF_PORTAL: self._before[CONF_PORTAL], CONF_FINGERPRINT: error.shown}
            self._postponed = partial(self._try, step_id, schema, user_input, data, tries)
            return await self.async_step_gx_new_certificate()
        except (GxError, ValueError) as error:
            return self._form(step_id, schema, user_input, error)
        known = self._before.get(CONF_PORTAL)
        if known is not None and known != self._data[CONF_PORTAL]:
            return self._form(step_id, schema, user_input, key="gx_another")
        if known is None and self._is_there(self._data[CONF_PORTAL]):
            return self.async_abort(reason="gx_already_configured")
        self._gx_name = user_input[CONF_NAME].strip() or DEFAULT_NAME
        if self._confirmed is not None and self._data.get(CONF_FINGERPRINT) == self._confirmed:
            return self._settled()
        return await self.async_step_gx_report()

    def _form(
        self,
        step_id: str,
        schema: vol.Schema,
        shown: Mapping[str, Any],
        error: Exception | None = None,
        key: str | None = None,
    ) -> ResultT:
        if error is not None:
            key = error_key(error)
        suggested = {CONF_NAME: self._gx_name, CONF_HOST: DEFAULT_HOST, **shown}
        suggested.pop(CONF_PASSWORD, None)
        if suggested.get(CONF_PORT) in (TLS_PORT, PLAIN_PORT):  # follows from whether it is encrypted
            del suggested[CONF_PORT]
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors={"base": key} if key else {},
            description_placeholders={
                "reason": str(error or ""),
                "example": f"http://{DEFAULT_HOST}:{HTTP_PORT}",
            },
        )

    def _is_there(self, portal: str) -> bool:
        return _find(self.hass, portal) is not None


class GxSubentryFlow(
    GxDialogue[SubentryFlowContext, SubentryFlowResult, tuple[str, str]], ConfigSubentryFlow
):
    """Adds or changes a station."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask how the station is to be reached."""
        return self.async_show_menu(step_id="user", menu_options=list(WAYS))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask how the station is to be reached from now on."""
        subentry = self._get_reconfigure_subentry()
        self._before, self._gx_name = subentry.data, subentry.title
        return self.async_show_menu(step_id="reconfigure", menu_options=[*WAYS, "gx_control"])

    async def async_step_gx_control(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask what may be written at the station; nothing may unless the user says so."""
        if user_input is None:
            schema = self.add_suggested_values_to_schema(CONTROL_SCHEMA, self._before)
            return self.async_show_form(step_id="gx_control", data_schema=schema)
        # The update listener reloads the entry.
        return self.async_update_and_abort(
            self._get_entry(), self._get_reconfigure_subentry(), data={**self._before, **user_input}
        )

    @override
    def _settled(self) -> SubentryFlowResult:
        if self.source != SOURCE_RECONFIGURE:
            return self.async_create_entry(
                title=self._gx_name, data=self._data, unique_id=self._data[CONF_PORTAL]
            )
        # The update listener reloads the entry.
        return self.async_update_and_abort(
            self._get_entry(),
            self._get_reconfigure_subentry(),
            title=self._gx_name,
            data=_updated(self._before, self._data),
        )


class GxConfigSteps(GxDialogue[ConfigFlowContext, ConfigFlowResult, str], ConfigFlow):
    """The steps of the integration's own flow: a station that was found, and one that refuses us."""

    _gx_entry: ConfigEntry | None = None
    _gx_subentry: ConfigSubentry | None = None

    @override
    async def async_step_ssdp(self, discovery_info: SsdpServiceInfo) -> ConfigFlowResult:
        """A GX announced itself; one that moved is followed where its certificate proves that it is it."""
        host = urlparse(discovery_info.ssdp_location or "").hostname
        portal = discovery_info.upnp.get("X_VrmPortalId")
        if not host or not isinstance(portal, str) or not valid_portal(portal):
            return self.async_abort(reason="gx_not_recognised")
        if (found := _find(self.hass, portal)) is not None:
            entry, subentry = found
            if subentry.data.get(CONF_FINGERPRINT) and subentry.data.get(CONF_HOST) != host:
                self.hass.config_entries.async_update_subentry(
                    entry, subentry, data={**subentry.data, CONF_HOST: host}
                )
            return self.async_abort(reason="gx_already_configured")
        await self.async_set_unique_id(f"{SUBENTRY_GX}_{portal}")
        self._abort_if_unique_id_configured()  # the user chose to ignore it
        if not self._async_current_entries(include_ignore=False):
            return self.async_abort(reason="gx_no_swarm")
        self._before = {CONF_HOST: host}
        self.context["title_placeholders"] = {"name": DEFAULT_NAME, "swarm": host}
        return await self.async_step_gx_found()

    async def async_step_gx_found(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask to which swarm the station belongs; where there is one, there is nothing to ask."""
        entries = {entry.entry_id: entry for entry in self._async_current_entries(include_ignore=False)}
        if user_input is not None or len(entries) == 1:
            chosen = user_input[CONF_SWARM_ENTRY] if user_input else next(iter(entries))
            self._gx_entry = entries.get(chosen)
            if self._gx_entry is not None:
                return await self.async_step_gx_way()
        schema = vol.Schema(
            {
                vol.Required(CONF_SWARM_ENTRY): selector.SelectSelector(
                    selector.SelectSelectorConfig(
                        options=[
                            selector.SelectOptionDict(value=key, label=entry.title)
                            for key, entry in entries.items()
                        ]
                    )
                )
            }
        )
        return self.async_show_form(
            step_id="gx_found",
            data_schema=schema,
            description_placeholders={"host": self._before[CONF_HOST]},
        )

    async def async_step_gx_way(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask how the station that was found is to be reached."""
        assert self._gx_entry is not None
        return self.async_show_menu(
            step_id="gx_way",
            menu_options=list(WAYS),
            description_placeholders={
                "host": self._before[CONF_HOST],
                "swarm": self._gx_entry.title,
            },
        )

    async def async_step_reauth_gx(self, subentry_id: str) -> ConfigFlowResult:
        """A station refuses the login, or shows another certificate."""
        self._gx_entry = self._get_reauth_entry()
        self._gx_subentry = self._gx_entry.subentries.get(subentry_id)
        if self._gx_subentry is None:
            return self.async_abort(reason="gx_removed")
        self._before, self._gx_name = self._gx_subentry.data, self._gx_subentry.title
        return await self.async_step_reauth_gx_way()

    async def async_step_reauth_gx_way(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for another way in."""
        return self.async_show_menu(
            step_id="reauth_gx_way",
            menu_options=list(WAYS),
            description_placeholders={"name": self._gx_name, "host": self._before.get(CONF_HOST, "")},
        )

    @override
    def _settled(self) -> ConfigFlowResult:
        assert self._gx_entry is not None
        if self.source == SOURCE_REAUTH:
            assert self._gx_subentry is not None
            # The update listener reloads the entry; where nothing is new, it must connect again all the same.
            changed = self.hass.config_entries.async_update_subentry(
                self._gx_entry,
                self._gx_subentry,
                title=self._gx_name,
                data=_updated(self._before, self._data),
            )
            if not changed:
                self.hass.config_entries.async_schedule_reload(self._gx_entry.entry_id)
            return self.async_abort(reason="gx_reauth_successful")
        self.hass.config_entries.async_add_subentry(
            self._gx_entry,
            ConfigSubentry(
                data=MappingProxyType(dict(self._data)),
                subentry_type=SUBENTRY_GX,
                title=self._gx_name,
                unique_id=self._data[CONF_PORTAL],
            ),
        )
        return self.async_abort(reason="gx_added", description_placeholders={"swarm": self._gx_entry.title})


async def async_try(
    hass: HomeAssistant, data: Mapping[str, Any], fingerprint: str | None = None, tries: int = 1
) -> dict[str, Any]:
    """Reach a station; returns the data with the id of the GX and the certificate that it showed.

    Raises GxError, and ValueError for impossible settings; WrongCertificate before any login was sent, where
    an encrypted station shows another certificate than the one with the `fingerprint` (None: any will do).
    """
    if data[CONF_WAY] == Way.HTTP:
        station = HttpStation(async_get_clientsession(hass), data[CONF_URL])
        await station.introduce()
        return {**data, CONF_PORTAL: await station.portal()}
    login = None
    if password := data.get(CONF_PASSWORD):
        username = data.get(CONF_USERNAME)
        login = Login(username, password) if username else Login.with_password(password)
    access = MqttAccess(data[CONF_HOST], data[CONF_PORT], data[CONF_TLS], login, fingerprint)
    found = await _probe(access, tries)
    answer = {**data, CONF_PORTAL: found.portal}
    if found.fingerprint is not None:
        answer[CONF_FINGERPRINT] = found.fingerprint
    return answer


async def _probe(access: MqttAccess, tries: int) -> MqttAccess:
    for _ in range(tries - 1):
        try:
            return await probe(access)
        except Unreachable:
            await asyncio.sleep(_PAIRED_PAUSE_S)
    return await probe(access)


async def async_pair(hass: HomeAssistant, host: str) -> Login:
    """Ask a GX in pairing mode for a login of our own; raises GxError, and ValueError for what is no host."""
    MqttAccess(host).check()
    request = pairing_request(host)
    session = async_get_clientsession(hass, verify_ssl=False)  # each GX signs its own certificate
    try:
        async with (
            asyncio.timeout(_PAIRING_TIMEOUT_S),
            session.post(request.url, data=request.form, allow_redirects=False) as response,
        ):
            return parse_pairing(response.status, await response.read())
    except TimeoutError as error:
        raise Unreachable(f"{host} does not answer within {_PAIRING_TIMEOUT_S:g} s") from error
    except aiohttp.ClientError as error:
        raise Unreachable(f"{host}: {error}") from error


def error_key(error: Exception) -> str:
    """Return the key of the text for an error."""
    return next((key for kind, key in _ERRORS if isinstance(error, kind)), "gx_invalid")


def _find(hass: HomeAssistant, portal: str) -> tuple[ConfigEntry, ConfigSubentry] | None:
    """Return where a station is joined to a swarm."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        for subentry in entry.get_subentries_of_type(SUBENTRY_GX):
            if subentry.unique_id == portal:
                return entry, subentry
    return None


def _updated(before: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return new data of a station: the way anew, and what others keep there."""
    ours = {
        *(CONF_WAY, CONF_HOST, CONF_PORT, CONF_TLS, CONF_USERNAME, CONF_PASSWORD, CONF_FINGERPRINT),
        *(CONF_URL, CONF_PORTAL),
    }
    return {**{key: value for key, value in before.items() if key not in ours}, **data}


def _readable(fingerprint: str | None) -> str:
    """Return a fingerprint in groups that can be compared."""
    if fingerprint is None:
        return "—"
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))

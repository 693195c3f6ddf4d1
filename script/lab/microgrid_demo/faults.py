"""`microgrid.simulate_fault`: asks the simulator to play one of the labelled faults that it offers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any, Final

import voluptuous as vol
from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.json import json_dumps
from homeassistant.helpers.service import async_set_service_schema
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_when_setup
from homeassistant.util.json import json_loads_object

from custom_components.microgrid.core.contract.faults import fault
from custom_components.microgrid.core.diagnosis.causes import CAUSES

_LOGGER = logging.getLogger(__name__)

ACTION_DOMAIN: Final = "microgrid"
ACTION: Final = "simulate_fault"
ANSWER_S: Final = 30.0
ATTR_SCENARIO: Final = "scenario"
ATTR_GATEWAY: Final = "gateway"
ATTR_SEED: Final = "seed"
SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_SCENARIO): cv.string,
        vol.Optional(ATTR_GATEWAY): cv.string,
        vol.Optional(ATTR_SEED): vol.All(vol.Coerce(int), vol.Range(0, 2**31 - 1)),
    }
)


class Faults:
    """What simulators on the broker offer, and the wishes that they have not answered."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Know nobody yet."""
        self._hass = hass
        self._swarm: str | None = None
        self._wishes: dict[str, asyncio.Future[dict[str, Any]]] = {}

    @callback
    def async_start(self) -> None:
        """Listen as soon as there is a broker."""
        async_when_setup(self._hass, mqtt.DOMAIN, self._listen)

    async def _listen(self, hass: HomeAssistant, component: str) -> None:
        if await mqtt.async_wait_for_mqtt_client(hass):
            await mqtt.async_subscribe(hass, "simulator/+/result", self._answered, 1)
            await mqtt.async_subscribe(hass, "simulator/+/scenarios", self._offered, 1)

    async def _offered(self, message: ReceiveMessage) -> None:
        """Offer what a simulator offers."""
        try:
            offer = json_loads_object(message.payload)
            scenarios = _texts(offer["scenarios"])
            if not isinstance(found := offer["clusters"], dict):
                raise TypeError("clusters must be an object")
            clusters = {gateway: _texts(houses) for gateway, houses in found.items()}
        except (KeyError, TypeError, ValueError) as error:
            _LOGGER.warning("%s: %s", message.topic, error)
            return
        if not scenarios:
            return
        self._swarm = message.topic.split("/")[1]
        if not self._hass.services.has_service(ACTION_DOMAIN, ACTION):
            self._hass.services.async_register(
                ACTION_DOMAIN, ACTION, self._simulate, SCHEMA, SupportsResponse.OPTIONAL
            )
        await self._describe(scenarios, clusters)

    async def _describe(self, scenarios: list[str], clusters: dict[str, list[str]]) -> None:
        """Say in the language of this Home Assistant what the action does, and name what can be chosen."""
        language = self._hass.config.language
        prefix = f"component.microgrid_demo.services.{ACTION}"
        texts = await async_get_translations(self._hass, language, "services", {"microgrid_demo"})

        def words(path: str) -> dict[str, str]:
            return {
                key: text for key in ("name", "description") if (text := texts.get(f"{prefix}.{path}{key}"))
            }

        choose = [{"value": name, "label": readable(name, language)} for name in scenarios]
        where = [
            {"value": gateway, "label": f"{gateway}: {', '.join(houses)}"}
            for gateway, houses in clusters.items()
        ]
        selectors: dict[str, Any] = {
            ATTR_SCENARIO: {"select": {"options": choose, "mode": "dropdown"}},
            ATTR_GATEWAY: {"select": {"options": where, "mode": "dropdown"}},
            ATTR_SEED: {"number": {"min": 0, "max": 9999, "mode": "box"}},
        }
        fields = {
            key: {**words(f"fields.{key}."), "required": key == ATTR_SCENARIO, "selector": selector}
            for key, selector in selectors.items()
        }
        fields[ATTR_SCENARIO]["example"] = scenarios[0]
        async_set_service_schema(self._hass, ACTION_DOMAIN, ACTION, {**words(""), "fields": fields})

    async def _simulate(self, call: ServiceCall) -> ServiceResponse:
        """Wish for a fault; returns what will be told, and what is true of it."""
        number = secrets.token_hex(8)
        wish = {"id": number, **call.data}
        self._wishes[number] = answer = self._hass.loop.create_future()
        try:
            topic = f"simulator/{self._swarm}/inject"
            await mqtt.async_publish(self._hass, topic, json_dumps(wish), qos=1)
            async with asyncio.timeout(ANSWER_S):
                result = await answer
        except TimeoutError:
            raise HomeAssistantError(f"the simulator did not answer within {ANSWER_S:g} s") from None
        finally:
            del self._wishes[number]
        if result.pop("ok", False) is not True:
            raise ServiceValidationError(str(result.get("reason", "the simulator refused")))
        result.pop("id")
        return result if call.return_response else None

    @callback
    def _answered(self, message: ReceiveMessage) -> None:
        try:
            result = json_loads_object(message.payload)
        except ValueError:
            return
        answer = self._wishes.get(str(result.get("id")))
        if answer is not None and not answer.done():
            answer.set_result(dict(result))


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("scenarios and the houses of a cluster must be lists")
    return [str(text) for text in value]


def readable(scenario: str, language: str) -> str:
    """Return what people choose by: `F001.own_load_inrush/short` is a code, a cause and a variant of it."""
    name, _, variant = scenario.partition("/")
    code = name.partition(".")[0]
    cause = CAUSES.get(name)
    text = f"{code} {fault(code).text(language).name}"
    if cause is not None:
        text += f": {cause.meaning}"
    return f"{text} ({variant})" if variant else text

"""The action microgrid.gx_read: any path of a Victron GX with its meaning, asked for if nobody told it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN
from .core.gx.errors import GxError, NotThere
from .core.gx.tree import Device, Leaf
from .core.gx.value import Told
from .devices import part_of_device
from .services_history import NODE_ID, async_find_node, node_of

if TYPE_CHECKING:
    from .gx_station import GxStation
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

ACTION_GX_READ: Final = "gx_read"
ATTR_DEVICE: Final = "device_id"
ATTR_NODE: Final = "node"
ATTR_SERVICE: Final = "service"
ATTR_PATH: Final = "path"
ATTR_REFRESH: Final = "refresh"

GX_READ_SCHEMA: Final = vol.Schema(
    {
        vol.Exclusive(ATTR_DEVICE, "target"): cv.string,
        vol.Exclusive(ATTR_NODE, "target"): NODE_ID,
        vol.Optional(ATTR_SERVICE): vol.All(cv.string, vol.Length(min=1, max=64)),
        vol.Required(ATTR_PATH): vol.All(cv.string, vol.Length(min=1, max=256)),
        vol.Optional(ATTR_REFRESH, default=False): cv.boolean,
    }
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_GX_READ,
        _gx_read,
        schema=GX_READ_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _gx_read(call: ServiceCall) -> ServiceResponse:
    station, of_device = await _station(call)
    name: str | None = call.data.get(ATTR_SERVICE, of_device)
    if name is None:
        there = ", ".join(sorted(f"{kind}/{number}" for kind, number in station.tree.devices))
        raise _refused("gx_which_service", station=station.name, services=there or "-")
    path: str = call.data[ATTR_PATH]
    try:
        if path.endswith("/"):
            return _below(station, name, path)
        return await _one(station, name, path, refresh=call.data[ATTR_REFRESH])
    except NotThere as error:
        raise _refused("gx_path_missing", reason=str(error)) from error
    except GxError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="gx_read_failed",
            translation_placeholders={"reason": str(error)},
        ) from error


async def _one(station: GxStation, name: str, path: str, *, refresh: bool) -> JsonObjectType:
    """Return one path; it is asked for where the tree may not hold the present."""
    address = station.find(name, path)
    leaf = station.tree.leaf(address)
    if refresh or leaf is None or not station.connected or station.tree.stale(leaf):
        told = await station.access.read(address)
        leaf = station.tree.leaf(address)
    else:
        told = Told(leaf.value, leaf.minimum, leaf.maximum)
    answer = {"station": station.name, "service": f"{address.service}/{address.instance}", "path": path}
    return {**answer, **_described(station, leaf, told)}


def _below(station: GxStation, name: str, path: str) -> JsonObjectType:
    """Return all that was told of the paths below one."""
    address = station.find(name, f"{path}*")
    device: Device = station.tree.devices[address.service, address.instance]
    return {
        "station": station.name,
        "service": f"{address.service}/{address.instance}",
        "path": path,
        "paths": {
            leaf.path: _plain(leaf.value)
            for leaf in sorted(device.leaves.values(), key=lambda leaf: leaf.path)
            if leaf.path.startswith(path)
        },
    }


def _described(station: GxStation, leaf: Leaf | None, told: Told) -> JsonObjectType:
    answer: dict[str, Any] = {"value": _plain(told.value)}
    if told.minimum is not None:
        answer["minimum"] = told.minimum
    if told.maximum is not None:
        answer["maximum"] = told.maximum
    if leaf is None:
        return answer
    answer["age_s"] = round(station.tree.age_s(leaf), 1)
    answer["changed"] = dt_util.utc_from_timestamp(leaf.changed_at).isoformat()
    if leaf.known is not None:
        fact = leaf.known.fact
        answer |= {"name": leaf.known.name, "area": fact.area.value}
        if fact.unit is not None:
            answer["unit"] = fact.unit
        if (meaning := fact.text(told.value)) is not None:
            answer["meaning"] = meaning
        if fact.note:
            answer["note"] = fact.note
    return answer


async def _station(call: ServiceCall) -> tuple[GxStation, str | None]:
    """Return the station that is meant, and the service that a device stands for."""
    of_device = None
    if (device_id := call.data.get(ATTR_DEVICE)) is not None:
        runtime, node_id = node_of(call.hass, device_id)
        of_device = _service_of(call.hass, device_id)
    elif (node := call.data.get(ATTR_NODE)) is not None:
        runtime, node_id = await async_find_node(call.hass, node)
    else:
        return _only_station(call.hass), None
    if (station := runtime.gx.station_of(node_id)) is None:
        raise _refused("gx_no_station", node=node_id)
    return station, of_device


def _only_station(hass: HomeAssistant) -> GxStation:
    stations = [station for runtime in _runtimes(hass) for station in runtime.gx.stations.values()]
    if len(stations) != 1:
        names = ", ".join(f"{station.name} ({station.node_id})" for station in stations)
        raise _refused("gx_which_station", stations=names or "-")
    return stations[0]


def _runtimes(hass: HomeAssistant) -> list[MicrogridRuntime]:
    entries: list[MicrogridConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return [entry.runtime_data for entry in entries]


def _service_of(hass: HomeAssistant, device_id: str) -> str | None:
    """Return `battery/512` for the device of a service."""
    entry: MicrogridConfigEntry
    device, entry = service.async_get_device_and_config_entry(hass, DOMAIN, device_id)
    return part_of_device(entry, device)


def _plain(value: Any) -> Any:
    """Return a value as plain JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )

"""Keeps the device registry in step with the swarm: site → gateway → house → inverter, battery, MPPT."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN, MANUFACTURER
from .core.model.swarm import SITE_ID, Change, Node, NodeChanged, NodeRemoved, Swarm

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry

_SEPARATOR = "/"  # in no node id and in no metric key, so that two pairs never read the same


class DeviceTree:
    """Registers devices as nodes appear, parents before children."""

    def __init__(self, hass: HomeAssistant, entry: MicrogridConfigEntry, swarm: Swarm) -> None:
        """Register the site and follow the swarm."""
        self._registry = dr.async_get(hass)
        self._entry = entry
        self._swarm = swarm
        self._ids: dict[str, str] = {}
        self._unsubscribe = swarm.subscribe(self._changed)
        self._register(swarm.site)

    def close(self) -> None:
        """Stop following."""
        self._unsubscribe()

    def unique_id(self, *parts: str) -> str:
        """Return an id of our own: entry, node, and metric or component."""
        return _SEPARATOR.join((self._entry.entry_id, *parts))

    def identifier(self, node_id: str, component: str = "") -> tuple[str, str]:
        """Return the identifier of a node's device or of one of its parts."""
        return DOMAIN, self.unique_id(node_id, component) if component else self.unique_id(node_id)

    def device_id(self, node_id: str) -> str:
        """Return the id in the registry of the device of a node that was registered."""
        return self._ids[node_id]

    def info(self, node: Node, component: str = "") -> dr.DeviceInfo | dr.ChildDeviceInfo:
        """Return what links an entity to its device."""
        if not component:
            return dr.DeviceInfo(identifiers={self.identifier(node.node_id)})
        return dr.ChildDeviceInfo(
            identifiers={self.identifier(node.node_id, component)},
            parent_device_id=self._register(node),
            translation_key=component,
        )

    @callback
    def register_part(
        self,
        node_id: str,
        part: str,
        *,
        name: str,
        manufacturer: str,
        model: str,
        sw_version: str | None,
    ) -> dr.DeviceEntry:
        """Register a device that a node stands for besides its own, with a maker and firmware of its own."""
        return self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={self.identifier(node_id, part)},
            name=name,
            manufacturer=manufacturer,
            model=model,
            sw_version=sw_version,
            via_device_id=self._ids[node_id],
        )

    @callback
    def keep_only(self, prefix: str, node_ids: Collection[str]) -> None:
        """Remove the devices of nodes whose id begins with `prefix`, but for those of `node_ids`."""
        for device in dr.async_entries_for_config_entry(self._registry, self._entry.entry_id):
            node_id = node_of_device(self._entry, device) or ""
            if node_id.startswith(prefix) and node_id not in node_ids:
                self._registry.async_remove_device(device.id)

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, NodeChanged):
            self._register(change.node)
            self._adopt(change.node)
        elif isinstance(change, NodeRemoved):
            device_id = self._ids.pop(change.node.node_id, None)
            if device_id is not None and self._registry.async_get(device_id) is not None:
                self._registry.async_remove_device(device_id)
            self._adopt(change.node)

    def _adopt(self, parent: Node) -> None:
        """Hang the children of a node where they belong; they may have come before it or outlive it."""
        for child in self._swarm.children(parent.node_id):
            self._register(child)

    def _register(self, node: Node) -> str:
        birth = node.birth
        device = self._registry.async_get_or_create(
            config_entry_id=self._entry.entry_id,
            identifiers={self.identifier(node.node_id)},
            name=node.name,
            manufacturer=MANUFACTURER,
            model=(birth.hardware if birth else None) or node.kind.model,
            sw_version=birth.firmware if birth else None,
            entry_type=dr.DeviceEntryType.SERVICE if node.node_id == SITE_ID else None,
            via_device_id=None if node.node_id == SITE_ID else self._ids[self._above(node)],
        )
        self._ids[node.node_id] = device.id
        return device.id

    def _above(self, node: Node) -> str:
        """Return the node that a node hangs under: the parent that it names, when that is no descendant."""
        above = node.parent_id
        seen = {node.node_id}
        while above is not None and above in self._ids and above not in seen:
            seen.add(above)
            above = self._swarm.nodes[above].parent_id if above in self._swarm.nodes else None
        in_a_circle = above == node.node_id
        return node.parent_id if node.parent_id in self._ids and not in_a_circle else SITE_ID


def part_of_device(entry: MicrogridConfigEntry, device: dr.AnyDeviceEntry) -> str | None:
    """Return which part of its node a device of the entry stands for (`battery/512` of a Victron GX)."""
    for domain, identifier in device.identifiers:
        entry_id, _, rest = identifier.partition(_SEPARATOR)
        if domain == DOMAIN and entry_id == entry.entry_id:
            return rest.partition(_SEPARATOR)[2] or None
    return None


def node_of_device(entry: MicrogridConfigEntry, device: dr.AnyDeviceEntry) -> str | None:
    """Return the id of the node that a device of the entry stands for (of its parent, for a part)."""
    for domain, identifier in device.identifiers:
        entry_id, _, rest = identifier.partition(_SEPARATOR)
        if domain == DOMAIN and entry_id == entry.entry_id:
            return rest.partition(_SEPARATOR)[0]
    return None

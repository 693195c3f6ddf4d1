"""Builds the parts of one swarm and joins them to Home Assistant; the only file that knows all of them."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .commands import CommandDesk
from .const import (
    CONF_NAME,
    CONF_SWARM,
    DOMAIN,
    OPT_HEAT_PUMPS,
    OPT_HOUSE_SENSORS,
    OPT_INTERVAL,
    OPT_PROFILE,
    STORAGE_VERSION,
)
from .core.model.counter import CounterState
from .core.model.deadband import NORMAL, PROFILES, Profile
from .core.model.swarm import Swarm
from .devices import DeviceTree
from .entity import EntityHub
from .repairs import RepairDesk
from .sources import Source
from .sources.heat_pump_mqtt import HeatPumpMqtt
from .sources.house_sensors import MAX_HOUSE_SENSORS, HouseSensors
from .sources.swarm_mqtt import SwarmMqtt

type MicrogridConfigEntry = ConfigEntry[MicrogridRuntime]

_SAVE_EVERY_S = 900.0  # counters of an earlier quarter of an hour are good enough after a crash


class MicrogridRuntime:
    """Everything that lives as long as one loaded entry."""

    def __init__(self, hass: HomeAssistant, entry: MicrogridConfigEntry, stored: dict[str, Any]) -> None:
        """Build the parts; nothing runs yet."""
        self._hass = hass
        self._store = _store(hass, entry)
        self._cancel: list[CALLBACK_TYPE] = []
        self.settings: dict[str, Any] = stored.get("settings", {})
        """What users chose at entities, by node and name (the refrigerant of a heat pump)."""
        self.swarm = Swarm(
            entry.data[CONF_SWARM],
            entry.data[CONF_NAME],
            monotonic=time.monotonic,
            utc_now=dt_util.utcnow,
            counters={key: CounterState(**state) for key, state in stored.get("counters", {}).items()},
        )
        self.devices = DeviceTree(hass, entry, self.swarm)
        profile: Profile = PROFILES.get(entry.options.get(OPT_PROFILE, NORMAL.name), NORMAL)
        self.hub = EntityHub(self.swarm, profile, entry.options.get(OPT_INTERVAL) or profile.interval_s)
        self.commands = CommandDesk(hass, self.swarm)
        self.repairs = RepairDesk(hass, entry, self.swarm)
        self.swarm_mqtt = SwarmMqtt(hass, self.swarm, on_command_result=self.commands.result)
        self.swarm_mqtt.on_too_new(lambda: self.repairs.show_too_new(self.swarm_mqtt.too_new))
        self.sources: list[Source] = [self.swarm_mqtt]
        self.heat_pumps: HeatPumpMqtt | None = None
        if entry.options.get(OPT_HEAT_PUMPS, True):
            self.heat_pumps = HeatPumpMqtt(hass, self.swarm, self.setting)
            self.sources.append(self.heat_pumps)
        self.house_sensors: HouseSensors | None = None
        if entry.options.get(OPT_HOUSE_SENSORS, True):
            self.house_sensors = HouseSensors(hass, self.swarm)
            self.house_sensors.on_too_many(lambda: self.repairs.too_many_house_sensors(MAX_HOUSE_SENSORS))
            self.sources.append(self.house_sensors)

    @classmethod
    async def async_create(cls, hass: HomeAssistant, entry: MicrogridConfigEntry) -> Self:
        """Build the runtime with what an earlier run stored."""
        return cls(hass, entry, await _store(hass, entry).async_load() or {})

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
        """Delete what was stored."""
        await _store(hass, entry).async_remove()

    async def async_start(self) -> None:
        """Let readings in."""
        self._cancel.append(async_track_time_interval(self._hass, self._tick, timedelta(seconds=1)))
        for source in self.sources:
            await source.async_start()
        self._save_later()
        self._cancel.append(
            async_track_time_interval(self._hass, self._save_later, timedelta(seconds=_SAVE_EVERY_S))
        )

    async def async_stop(self) -> None:
        """Stop in the opposite order and save."""
        for source in reversed(self.sources):
            await source.async_stop()
        for cancel in self._cancel:
            cancel()
        self.commands.close()
        self.repairs.close()
        self.hub.close()
        self.devices.close()
        await self._store.async_save(self._stored())

    def setting(self, node_id: str, name: str) -> Any:
        """Return what the user chose at an entity, or None."""
        return self.settings.get(node_id, {}).get(name)

    @callback
    def choose(self, node_id: str, name: str, value: Any) -> None:
        """Remember what the user chose at an entity."""
        self.settings.setdefault(node_id, {})[name] = value
        self._store.async_delay_save(self._stored, 1.0)

    @callback
    def _tick(self, now: datetime) -> None:
        self.swarm.tick()
        self.hub.flush()

    @callback
    def _save_later(self, now: datetime | None = None) -> None:
        """Have a save pending at all times: Home Assistant writes pending ones when it stops."""
        self._store.async_delay_save(self._stored, _SAVE_EVERY_S - 10.0)

    def _stored(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "counters": {key: asdict(state) for key, state in self.swarm.counter_states().items()},
        }


def _store(hass: HomeAssistant, entry: MicrogridConfigEntry) -> Store[dict[str, Any]]:
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry.entry_id}")

"""Entities of the paths of a Victron GX: what the path table knows of a path makes the entity.

A path gets its entity when it first has a value. Names are those of the table; what numbers mean is
translated. A station tells up to thirty changes a second, and a state is written when a change exceeds the
dead-band of its unit and the tier of its path is over; choices, alarms and texts never wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_time_interval

from .const import DOMAIN
from .core.gx.table import Area, Kind, PathFact
from .core.gx.tree import Device, Leaf
from .core.model.deadband import DETAILED, DeadBand, Verdict
from .core.model.metric import Metric, ValueType

if TYPE_CHECKING:
    from .gx_station import GxStation
    from .runtime import MicrogridConfigEntry, MicrogridRuntime

MANUFACTURER: Final = "Victron Energy"
MAX_STATE: Final = 255
"""Longer texts are no states."""
_FLUSH: Final = timedelta(seconds=1)
_WITHOUT: Final = frozenset({Kind.ACTION, Kind.DATA})
"""Tell nothing that a state could show."""
_FLAGS: Final = frozenset({0, 1})
_ABOUT_DEVICE: Final = frozenset({"/CustomName", "/ProductName", "/Device/Model", "/FirmwareVersion"})
_DIAGNOSTIC: Final = frozenset(
    {
        Area.SYSTEM,
        Area.BMS_ALARMS,
        Area.CELLS,
        Area.NETWORK,
        Area.FIRMWARE,
        Area.CAN_BUS,
        Area.NOTIFICATIONS,
        Area.OTHER,
    }
)
_NUMBERS: Final = frozenset({Kind.MEASUREMENT, Kind.TOTAL, Kind.NUMBER, Kind.DURATION, Kind.TIME})
_BANDS: Final = {
    "V": (0.05, 2),
    "A": (0.2, 1),
    "W": (10.0, 0),
    "kW": (0.01, 2),
    "VA": (10.0, 0),
    "Hz": (0.02, 2),
    "%": (0.5, 1),
    "°C": (0.2, 1),
    "kWh": (0.01, 2),
    "Ah": (0.1, 1),
    "rpm": (10.0, 0),
    "hPa": (0.2, 1),
}
"""Change worth a state write, and decimals worth showing, by unit."""
_CELL_BAND: Final = (0.002, 3)
_AC_BAND: Final = (0.5, 1)
_TIME_BAND_S: Final = 60.0


def add_sensors(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of all stations, now and later."""
    _follow(hass, entry, async_add_entities, "sensor", lambda fact: not is_flag(fact), PathSensor)


def add_binary_sensors(
    hass: HomeAssistant, entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the binary sensors of all stations, now and later."""
    _follow(hass, entry, async_add_entities, "binary_sensor", is_flag, PathBinarySensor)


def translation_key(enum: str) -> str:
    """Return the key under which the texts of an enumeration are translated."""
    return f"gx_{enum}"


def is_flag(fact: PathFact) -> bool:
    """Whether a path is on or off and nothing else."""
    return fact.kind is Kind.FLAG and fact.options.keys() <= _FLAGS


class PathEntity(Entity):
    """An entity of one path."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    band: DeadBand
    """Of an entity in use; two of three are only listed."""

    def __init__(self, shelf: Shelf, leaf: Leaf, fact: PathFact, device: dr.DeviceEntry) -> None:
        """Take everything from the row of the path table."""
        assert leaf.known is not None
        self.leaf = leaf
        self.fact = fact
        self._shelf = shelf
        # Not `device_info`: with it, Home Assistant looks the device over again for each of its entities.
        self.device_entry = device
        self._attr_unique_id = shelf.unique_id(leaf)
        self._attr_name = leaf.known.name
        self._attr_entity_registry_enabled_default = fact.enabled
        if fact.area in _DIAGNOSTIC or leaf.device.service == "settings":
            self._attr_entity_category = EntityCategory.DIAGNOSTIC
        if fact.enum is not None:
            self._attr_translation_key = translation_key(fact.enum)

    @property
    @override
    def available(self) -> bool:
        """While the station tells the present and the device is on its bus."""
        return self._shelf.station.connected and self.leaf.device.present

    @property
    def judged(self) -> float | bool | str | None:
        """What the dead-band looks at."""
        value = self.leaf.value
        return value if value is None or isinstance(value, bool | int | float | str) else str(value)

    @override
    async def async_added_to_hass(self) -> None:
        """Be told of changes."""
        self.band = self._shelf.band(self.fact)
        self._shelf.live[self.leaf] = self
        self._shelf.wrote(self)

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Be told no more."""
        self._shelf.live.pop(self.leaf, None)
        self._shelf.waiting.pop(self.leaf, None)


class PathSensor(PathEntity, SensorEntity):
    """A number, choice, time or text of a path."""

    def __init__(self, shelf: Shelf, leaf: Leaf, fact: PathFact, device: dr.DeviceEntry) -> None:
        """Take everything from the row of the path table."""
        super().__init__(shelf, leaf, fact, device)
        if fact.kind in (Kind.CHOICE, Kind.ALARM, Kind.FLAG) and fact.options:
            self._attr_device_class = SensorDeviceClass.ENUM
            self._attr_options = list(dict.fromkeys(fact.options.values()))
            return
        if fact.device_class is not None:
            self._attr_device_class = SensorDeviceClass(fact.device_class)
        if fact.state_class is not None:
            self._attr_state_class = SensorStateClass(fact.state_class)
        self._attr_native_unit_of_measurement = fact.unit
        if fact.kind in (Kind.MEASUREMENT, Kind.TOTAL):
            self._attr_suggested_display_precision = _band(fact)[1]

    @property
    @override
    def native_value(self) -> str | int | float | datetime | None:
        """The newest value, in words where numbers have a meaning."""
        value, fact = self.leaf.value, self.fact
        if value is None:
            return None
        if fact.kind is Kind.BITS:
            return ", ".join(fact.bits(int(value))) or "none" if isinstance(value, int | float) else None
        if fact.options:
            text = fact.text(value)
            # A code may have no name; a choice that nobody knows cannot be shown as one.
            return text if text is not None or fact.kind is not Kind.CODE else str(value)[:MAX_STATE]
        if fact.kind is Kind.TIME:
            return _time(self.leaf.number)
        if fact.kind in _NUMBERS:
            return self.leaf.number if not isinstance(value, int) or isinstance(value, bool) else value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value)[:MAX_STATE]


class PathBinarySensor(PathEntity, BinarySensorEntity):
    """A flag of a path."""

    @property
    @override
    def is_on(self) -> bool | None:
        """The newest value; flags may be numbers."""
        number = self.leaf.number
        return None if number is None else number != 0.0


class Shelf:
    """The entities of one station on one platform: makes them, and tells them what changed."""

    def __init__(
        self,
        hass: HomeAssistant,
        runtime: MicrogridRuntime,
        station: GxStation,
        platform: str,
        wanted: Callable[[PathFact], bool],
        make: Callable[[Shelf, Leaf, PathFact, dr.DeviceEntry], PathEntity],
        add: AddConfigEntryEntitiesCallback,
    ) -> None:
        """Follow the station."""
        self.station = station
        self.live: dict[Leaf, PathEntity] = {}
        """Entities that are enabled and in use."""
        self.waiting: dict[Leaf, PathEntity] = {}
        """Those with a change that waits for its interval."""
        self._hass = hass
        self._runtime = runtime
        self._platform = platform
        self._wanted = wanted
        self._make = make
        self._add = add
        self._made: set[Leaf] = set()
        self._described: set[tuple[str, int]] = set()
        self._connected = False

    # ---- what an entity asks -------------------------------------------------------------------------------

    def unique_id(self, leaf: Leaf) -> str:
        """Return an id of our own: entry, node, and address."""
        return self._runtime.devices.unique_id(self.station.node_id, str(leaf.address))

    def band(self, fact: PathFact) -> DeadBand:
        """Return what decides which changes are written; a slowly moving value waits for its tier."""
        hub = self._runtime.hub
        interval_s = hub.interval_s if hub.profile is DETAILED else max(hub.interval_s, float(fact.tier_s))
        return DeadBand(_metric(fact), hub.profile, interval_s)

    @callback
    def wrote(self, entity: PathEntity) -> None:
        """Remember what the state of an entity says now."""
        entity.band.tell(entity.judged, self._now())

    # ---- what a station tells ------------------------------------------------------------------------------

    @callback
    def changed(self, leaves: tuple[Leaf, ...]) -> None:
        """Paths changed, or the connection did."""
        if not leaves:
            self._connection_changed()
            return
        if self.station.node is None or not self.station.connected:
            return  # all are looked at when everything is there
        now = self._now()
        fresh = []
        for leaf in leaves:
            if (entity := self.live.get(leaf)) is not None:
                self._consider(entity, now)
            elif leaf not in self._made and leaf.valid:
                fresh.append(leaf)
            if leaf.valid and leaf.path in _ABOUT_DEVICE and leaf.device.key in self._described:
                self._describe(leaf.device)
        if fresh:
            self._make_all(fresh)

    @callback
    def flush(self, now: datetime) -> None:
        """Write what had to wait for its interval."""
        at = self._now()
        for entity in tuple(self.waiting.values()):
            self._consider(entity, at)

    def _connection_changed(self) -> None:
        connected = self.station.node is not None and self.station.connected
        if connected is self._connected:
            return  # one way of being away became another
        self._connected = connected
        for entity in tuple(self.live.values()):
            self._write(entity, float("-inf"))
        if not connected:
            return
        registry = er.async_get(self._hass)
        self._make_all(
            leaf
            for leaf in self.station.tree.leaves()
            if leaf not in self._made
            and leaf.known is not None
            and leaf.device.present
            # One that had a value in an earlier run is shown, though it has none now.
            and (
                leaf.valid
                or registry.async_get_entity_id(self._platform, DOMAIN, self.unique_id(leaf)) is not None
            )
        )

    def _make_all(self, leaves: Iterable[Leaf]) -> None:
        entities = []
        devices: dict[tuple[str, int], dr.DeviceEntry] = {}
        for leaf in leaves:
            if leaf.known is None or leaf.known.fact.kind in _WITHOUT or not self._wanted(leaf.known.fact):
                continue
            self._made.add(leaf)
            if (device := devices.get(leaf.device.key)) is None:
                device = devices[leaf.device.key] = self._describe(leaf.device)
            entities.append(self._make(self, leaf, leaf.known.fact, device))
        if entities:
            self._add(entities)

    def _consider(self, entity: PathEntity, now: float) -> None:
        verdict = entity.band.judge(entity.judged, now)
        if verdict is Verdict.WAIT:
            self.waiting[entity.leaf] = entity
            return
        self.waiting.pop(entity.leaf, None)
        if verdict is Verdict.TELL:
            self._write(entity, now)

    def _write(self, entity: PathEntity, now: float) -> None:
        entity.band.tell(entity.judged, now)
        self._runtime.hub.writes += 1
        entity.async_write_ha_state()

    def _now(self) -> float:
        return self._runtime.swarm.monotonic()

    # ---- devices -------------------------------------------------------------------------------------------

    def _describe(self, device: Device) -> dr.DeviceEntry:
        """Register the device of a service, or what has changed of it."""
        self._described.add(device.key)
        return self._runtime.devices.register_part(
            self.station.node_id,
            f"{device.service}/{device.instance}",
            name=f"{self.station.name} {_title(device)}",
            manufacturer=MANUFACTURER,
            model=_text(device, "/ProductName") or device.service,
            sw_version=_text(device, "/FirmwareVersion"),
        )


def _follow(
    hass: HomeAssistant,
    entry: MicrogridConfigEntry,
    add: AddConfigEntryEntitiesCallback,
    platform: str,
    wanted: Callable[[PathFact], bool],
    make: Callable[[Shelf, Leaf, PathFact, dr.DeviceEntry], PathEntity],
) -> None:
    runtime = entry.runtime_data
    for station in runtime.gx.stations.values():
        shelf = Shelf(hass, runtime, station, platform, wanted, make, add)
        entry.async_on_unload(station.on_change(shelf.changed))
        entry.async_on_unload(async_track_time_interval(hass, shelf.flush, _FLUSH))


def _metric(fact: PathFact) -> Metric:
    """Return what the dead-band needs to know."""
    number = fact.kind in _NUMBERS
    return Metric(
        key=fact.key,
        value=ValueType.NUMBER if number else ValueType.TEXT,
        dead_band=_band(fact)[0] if number else 0.0,
    )


def _band(fact: PathFact) -> tuple[float, int | None]:
    if fact.kind in (Kind.TIME, Kind.DURATION):
        return _TIME_BAND_S, None
    if fact.unit == "V" and "Cell" in fact.path:
        return _CELL_BAND
    if fact.unit == "V" and fact.path.startswith("/Ac/"):
        return _AC_BAND
    return _BANDS.get(fact.unit or "", (0.0, None))


def _time(seconds: float | None) -> datetime | None:
    """Return a time; 0 is how devices say never."""
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except OverflowError, OSError, ValueError:
        return None


def _title(device: Device) -> str:
    """Return what a person calls a device; those that have one of their kind only need no number."""
    title = device.title
    return device.service if title == f"{device.service} 0" else title


def _text(device: Device, path: str) -> str | None:
    """Return what a device says of itself."""
    value = device.value(path)
    return None if value is None else str(value).strip() or None

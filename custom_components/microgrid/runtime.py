"""Builds the parts of one swarm and joins them to Home Assistant; the only file that knows all of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .chart_desk import FaultCharts
from .commands import CommandDesk
from .const import (
    CONF_NAME,
    CONF_SWARM,
    DOMAIN,
    KEEP_DAYS,
    OPT_HEAT_PUMPS,
    OPT_HOUSE_SENSORS,
    OPT_INTERVAL,
    OPT_KEEP_HOURS,
    OPT_KEEP_MINUTES,
    OPT_KEEP_SAMPLES,
    OPT_PROFILE,
    STORAGE_VERSION,
    SUBENTRY_EXPLAINER,
    SUBENTRY_GX,
    SUBENTRY_INFLUX,
    SUBENTRY_PLANNER,
)
from .core.archive.append import Position
from .core.archive.faults.records import Analysis
from .core.archive.retention import Retention
from .core.diagnosis.explanation.dossier import NodeName
from .core.influx.settings import InfluxSettings
from .core.model.counter import CounterState
from .core.model.deadband import NORMAL, PROFILES, Profile
from .core.model.gateway import GATEWAY
from .core.model.house import HOUSE
from .core.model.swarm import Node, Swarm
from .devices import DeviceTree
from .entity import EntityHub
from .explainer import Context, Explainer
from .explainer_settings import ExplainerSettings, SettingsError, read_settings
from .fault_analysis import (
    StoredCase,
    case_of_stored,
    earlier_faults,
    explained,
    find_cause,
    report_of,
    told_in,
)
from .fault_desk import FaultDesk
from .fault_moments import FaultMoments
from .fault_watch import FaultWatch
from .guardian import Guardian
from .gx_battery import GxBattery
from .gx_control import GxControl, allowed_by
from .gx_station import NODE_PREFIX, GxSettings, GxStation
from .historian import Historian
from .influx_feed import Identity
from .influx_sink import InfluxSink
from .log_events import LogEvents
from .planner import Planner, Seams
from .planner_batteries import SwarmBattery
from .planner_past import past_hours
from .planner_prices import SettingsError as PlannerSettingsError
from .planner_settings import PlannerSettings, read_settings as read_planner_settings
from .planner_site import archived_by_node, of_entity, of_nodes
from .planner_state import Hour
from .repairs import RepairDesk
from .schedules import AnswerStatus, ScheduleDesk
from .scribe import Scribe
from .settlement_desk import SettlementDesk
from .sources import Source
from .sources.gx import GxSource
from .sources.heat_pump_mqtt import REFRIGERANT, HeatPumpMqtt
from .sources.house_sensors import MAX_HOUSE_SENSORS, HouseSensors
from .sources.log_mqtt import LogMqtt
from .sources.schedule_mqtt import ScheduleMqtt
from .sources.snapshot_mqtt import SnapshotMqtt
from .sources.swarm_mqtt import SwarmMqtt
from .statistics import StatisticsImporter

_LOGGER = logging.getLogger(__name__)
_WITH_FILES: Final = {"stations": SUBENTRY_GX, "planners": SUBENTRY_PLANNER}
"""Subentries whose files must go with them, by the name under which their ids are stored."""

type MicrogridConfigEntry = ConfigEntry[MicrogridRuntime]

_SAVE_EVERY_S = 900.0  # counters of an earlier quarter of an hour are good enough after a crash


class MicrogridRuntime:
    """Everything that lives as long as one loaded entry."""

    def __init__(self, hass: HomeAssistant, entry: MicrogridConfigEntry, stored: dict[str, Any]) -> None:
        """Build the parts; nothing runs yet."""
        self._hass = hass
        self._store = _store(hass, entry)
        self._cancel: list[CALLBACK_TYPE] = []
        self._subentries: dict[str, list[str]] = {name: stored.get(name, []) for name in _WITH_FILES}
        self.settings: dict[str, Any] = stored.get("settings", {})
        """What users chose at entities, by node and name (the refrigerant of a heat pump)."""
        self.swarm = Swarm(
            entry.data[CONF_SWARM],
            entry.data[CONF_NAME],
            monotonic=time.monotonic,
            utc_now=dt_util.utcnow,
            counters={key: CounterState(**state) for key, state in stored.get("counters", {}).items()},
            events=stored.get("events", ()),
        )
        self.devices = DeviceTree(hass, entry, self.swarm)
        profile: Profile = PROFILES.get(entry.options.get(OPT_PROFILE, NORMAL.name), NORMAL)
        self.hub = EntityHub(self.swarm, profile, entry.options.get(OPT_INTERVAL) or profile.interval_s)
        self.commands = CommandDesk(hass, self.swarm)
        self.repairs = RepairDesk(hass, entry, self.swarm)
        self.swarm_mqtt = SwarmMqtt(hass, self.swarm, on_command_result=self.commands.result)
        self.swarm_mqtt.on_too_new(lambda: self.repairs.show_too_new(self.swarm_mqtt.too_new))
        self.historian = Historian(
            hass,
            Path(hass.config.path(DOMAIN, self.swarm.swarm_id, "archive")),
            self._acknowledge,
            _retention(entry),
        )
        self.historian.on_trouble(lambda: self.repairs.archive(self.historian.trouble))
        self.log_events = LogEvents(self.swarm)
        self.historian.on_events(self.log_events.take)
        self.historian.on_gaps(self.log_events.lost)
        self.statistics = StatisticsImporter(
            hass, self.swarm, lambda: self.historian.archive, self.historian.write
        )
        self.scribe = Scribe(hass, lambda: self.historian.archive, self.historian.write)
        self.historian.on_upkeep(self.scribe.store_soon)
        self.historian.on_upkeep(self.statistics.schedule)
        self.historian.on_upkeep(self._look_at_archive)
        self.influx = InfluxSink(
            hass,
            entry.entry_id,
            self.swarm.swarm_id,
            _influx_settings(entry),
            archive=lambda: self.historian.archive,
            write=self.historian.write,
            nodes=self._identities,
            unauthorised=lambda: entry.async_start_reauth(hass),
        )
        self.influx.on_change(self._look_at_influx)
        self.explainer = Explainer(
            hass,
            entry.entry_id,
            _explainer_settings(entry),
            nodes=lambda: {
                node.node_id: NodeName(node.kind.kind, node.name) for node in self.swarm.nodes.values()
            },
            unauthorised=lambda: entry.async_start_reauth(hass, data={SUBENTRY_EXPLAINER: True}),
            restart_needed=self.repairs.restart_needed,
        )
        self.explainer.on_change(self._look_at_explainer)
        self.log_mqtt = LogMqtt(hass, self.swarm, self.historian.take)
        snapshots = SnapshotMqtt(hass, self.swarm)
        self.faults = FaultDesk(
            hass,
            entry.entry_id,
            self.swarm,
            Path(hass.config.path(DOMAIN, self.swarm.swarm_id, "faults")),
            snapshots,
            archive=lambda: self.historian.archive,
            diagnose=find_cause,
            explain=self._explain,
        )
        self.historian.on_upkeep(self.faults.reconcile_soon)
        self.faults.shelf.on_trouble(lambda: self.repairs.fault_store(self.faults.trouble))
        self.fault_charts = FaultCharts(hass, self.faults)
        self.fault_moments = FaultMoments(hass, entry.entry_id, self.swarm)
        self.fault_watch = FaultWatch(
            hass, entry.entry_id, self.swarm, self.faults, self.repairs.critical_faults
        )
        self.schedules = ScheduleDesk(
            hass, self.swarm, Path(hass.config.path(DOMAIN, self.swarm.swarm_id, "schedules", "schedules.db"))
        )
        self.schedules.on_change(self._look_at_schedule)
        self.schedules.on_trouble(lambda: self.repairs.schedule_log(self.schedules.trouble))
        schedules = ScheduleMqtt(
            hass,
            self.swarm,
            on_set=self.schedules.heard_set,
            on_state=self.schedules.heard_state,
            on_ack=self.schedules.heard_ack,
            is_known=lambda node_id: self.schedules.held(node_id) is not None,
        )
        self.sources: list[Source] = [self.swarm_mqtt, self.log_mqtt, snapshots, schedules]
        self.heat_pumps: HeatPumpMqtt | None = None
        if entry.options.get(OPT_HEAT_PUMPS, True):
            self.heat_pumps = HeatPumpMqtt(
                hass,
                self.swarm,
                self.setting,
                lambda node, readings, on_arrival: self.scribe.take(
                    node.node_id, node.kind, readings, on_arrival=on_arrival
                ),
            )
            self.sources.append(self.heat_pumps)
        self.house_sensors: HouseSensors | None = None
        if entry.options.get(OPT_HOUSE_SENSORS, True):
            self.house_sensors = HouseSensors(hass, self.swarm)
            self.house_sensors.on_too_many(lambda: self.repairs.too_many_house_sensors(MAX_HOUSE_SENSORS))
            self.sources.append(self.house_sensors)
        self.gx = GxSource(
            hass,
            self.swarm,
            _stations(hass, entry),
            lambda work, name: entry.async_create_background_task(hass, work, name),
            lambda node, readings: self.scribe.take(node.node_id, node.kind, readings),
        )
        self.devices.keep_only(NODE_PREFIX, {station.node_id for station in self.gx.stations.values()})
        self.sources.append(self.gx)
        self.gx_controls: dict[str, GxControl] = {
            key: GxControl(hass, entry.entry_id, key, station, allowed_by(entry.subentries[key].data))
            for key, station in self.gx.stations.items()
        }
        """By the id of the station's subentry."""
        self.gx_batteries = [
            GxBattery(hass, entry.entry_id, self.swarm, station, self.gx_controls[key])
            for key, station in self.gx.stations.items()
        ]

        self.guardian = Guardian(
            hass,
            entry.entry_id,
            self.swarm,
            options=entry.options,
            folder=Path(hass.config.path(DOMAIN, self.swarm.swarm_id, "health")),
            archive=lambda: self.historian.archive,
            stations=lambda: [(station.node_id, station.tree) for station in self.gx.stations.values()],
            refrigerant=lambda node_id: self.setting(node_id, REFRIGERANT),
            show=self.repairs.health,
        )

        self.planner: Planner | None = None
        self.settlement: SettlementDesk | None = None
        if (planner := _planner_settings(entry)) is not None:
            self.planner = Planner(
                hass,
                entry.entry_id,
                planner,
                Seams(
                    batteries=lambda: self._batteries(steered=not planner.off_grid),
                    meters=lambda: self._meters(planner),
                    flexible=lambda: (
                        of_entity(hass, planner.flexible.entity_id) if planner.flexible is not None else None
                    ),
                    clusters=self._clusters,
                    past=lambda start, end: past_hours(hass, planner, self.historian.archive, start, end),
                    by_node=self._hours_by_node,
                    trouble=self.repairs.planner_trouble,
                ),
            )
            self.settlement = SettlementDesk(
                hass,
                archive=lambda: self.historian.archive,
                houses=self._houses,
                hours=lambda: self.planner.state.ledger.hours if self.planner is not None else {},
            )
            self.planner.on_change(self.settlement.look)

    @classmethod
    async def async_create(cls, hass: HomeAssistant, entry: MicrogridConfigEntry) -> Self:
        """Build the runtime with what an earlier run stored; the files of removed subentries go."""
        store = _store(hass, entry)
        stored = await store.async_load() or {}
        present = {
            name: [subentry.subentry_id for subentry in entry.get_subentries_of_type(kind)]
            for name, kind in _WITH_FILES.items()
        }
        if present != (before := {name: stored.get(name, []) for name in _WITH_FILES}):
            await _forget_stations(hass, entry, set(before["stations"]) - set(present["stations"]))
            if set(before["planners"]) - set(present["planners"]):
                await Planner.async_forget(hass, entry.entry_id)
            stored = {**stored, **present}
            await store.async_save(stored)  # at once, so that a crash does not hide whose files there are
        return cls(hass, entry, stored)

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
        """Delete what was stored."""
        store = _store(hass, entry)
        stored = await store.async_load() or {}
        await store.async_remove()
        stations = {subentry.subentry_id for subentry in entry.get_subentries_of_type(SUBENTRY_GX)}
        await _forget_stations(hass, entry, stations | set(stored.get("stations", [])))
        await InfluxSink.async_forget(hass, entry.entry_id)
        await Explainer.async_forget(hass, entry.entry_id)
        await Planner.async_forget(hass, entry.entry_id)
        await Guardian.async_forget(hass, entry.entry_id)

    async def async_start(self) -> None:
        """Let readings in."""
        self._cancel.append(async_track_time_interval(self._hass, self._tick, timedelta(seconds=1)))
        await self.historian.async_start()
        await self.explainer.async_start()
        await self.faults.async_start()
        await self.schedules.async_start()
        for control in self.gx_controls.values():
            await control.async_start()
        for source in self.sources:
            await source.async_start()
        await self.guardian.async_start()
        for battery in self.gx_batteries:
            await battery.async_start()
        self.faults.resume()
        self._look_at_archive()  # not only with the first upkeep, a minute from now
        await self.influx.async_start()
        if self.planner is not None:
            await self.planner.async_start()
        self._save_later()
        self._cancel.append(
            async_track_time_interval(self._hass, self._save_later, timedelta(seconds=_SAVE_EVERY_S))
        )

    async def async_stop(self) -> None:
        """Stop in the opposite order and save."""
        if self.planner is not None:
            await self.planner.async_stop()
        for battery in self.gx_batteries:
            await battery.async_stop()
        for control in self.gx_controls.values():
            await control.async_stop()  # what is held at a station is given back while it is connected
        for source in reversed(self.sources):
            await source.async_stop()
        self.fault_moments.close()
        await self.fault_watch.async_stop()
        await self.schedules.async_stop()
        await self.faults.async_stop()
        await self.explainer.async_stop()
        await self.influx.async_stop()
        await self.scribe.async_stop()
        await self.guardian.async_stop()
        await self.statistics.async_stop()
        await self.historian.async_stop()
        for cancel in self._cancel:
            cancel()
        self.commands.close()
        self.repairs.close()
        self.hub.close()
        self.devices.close()
        self.swarm.close()
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
    def _acknowledge(self, node_id: str, position: Position) -> None:
        self.log_mqtt.acknowledge(node_id, position.boot_id, position.seq)

    @callback
    def _look_at_archive(self) -> None:
        """Show how the archive is, and what nodes lost without a word."""
        self._hass.async_create_task(self._show_archive(), "microgrid archive", eager_start=True)

    async def _show_archive(self) -> None:
        if (figures := await self.historian.figures()) is None:
            return
        now = dt_util.utcnow()
        self.swarm.conclude(
            self.swarm.site,
            {
                "archive_size": figures.bytes_used / 1e6,
                "archive_free": figures.bytes_free / 1e9,
                "archive_age": (now - figures.oldest) / timedelta(days=1) if figures.oldest else None,
                "archive_delay": (now - figures.newest).total_seconds() if figures.newest else None,
            },
        )
        for node_id in self.log_events.untold:
            self.log_events.compare(node_id, await self.historian.losses(node_id))

    @callback
    def _look_at_influx(self) -> None:
        """Show how the sink is."""
        sent = self.influx.sent
        self.swarm.conclude(
            self.swarm.site,
            {
                "influx_delay": self.influx.delay_s(),
                "influx_points": sent.lines,
                "influx_points_refused": sent.dropped,
                "influx_failures": sent.failures,
            },
        )

    @callback
    def _look_at_schedule(self, node_id: str) -> None:
        """Show what a person has to put right about the schedule of a node."""
        held = self.schedules.held(node_id)
        rejected = None
        if held is not None and held.answer is AnswerStatus.REJECTED and held.sent_at is not None:
            rejected = (held.sent_at, held.reasons)
        self.repairs.schedule(node_id, rejected, self.schedules.failing(node_id))

    async def _explain(self, stored: StoredCase, analysis: Analysis) -> Analysis:
        """Return the analysis in the user's language, in the words of a model where these count."""
        analysis = told_in(self._hass.config.language, analysis, self.faults.name)
        if not self.explainer.configured or (report := report_of(analysis)) is None:
            return analysis
        case = await self._hass.async_add_executor_job(case_of_stored, stored)
        explanation = await self.explainer.explain(report, Context(case, earlier_faults(stored)))
        return await self._hass.async_add_executor_job(explained, analysis, report, explanation, case)

    @callback
    def _look_at_explainer(self) -> None:
        """Show what explanations took."""
        ledger = self.explainer.ledger
        self.swarm.conclude(
            self.swarm.site,
            {
                "explanation_tokens_read": ledger.usage.tokens_in,
                "explanation_tokens_written": ledger.usage.output,
                "explanation_cost": ledger.total_cents / 100,
            },
        )

    def _identities(self) -> Mapping[str, Identity]:
        """Return what the nodes are, and the gateway of each."""
        return {
            node.node_id: Identity(
                node.kind.kind, node.node_id if node.kind is GATEWAY else node.parent_id or ""
            )
            for node in self.swarm.nodes.values()
            if node is not self.swarm.site
        }

    def _batteries(self, *, steered: bool = True) -> list[SwarmBattery]:
        """Return what the planner may steer; else what it may look at: all that tell their charge."""
        if not steered:
            watched = (SwarmBattery.watched(node, self.schedules) for node in self.swarm.nodes.values())
            return [one for one in watched if one is not None and one.charge_percent is not None]
        found = (SwarmBattery.of(node, self.schedules) for node in self.swarm.nodes.values())
        return [battery for battery in found if battery is not None]

    def _houses(self) -> dict[str, str]:
        """Return the names of all houses by id."""
        return {node.node_id: node.name for node in self.swarm.nodes.values() if node.kind is HOUSE}

    def _meters(self, settings: PlannerSettings) -> tuple[float | None, float | None]:
        """Return load and solar yield of the site, kW, from where the user wants them."""
        planned = {battery.node_id for battery in self._batteries(steered=not settings.off_grid)}
        load, solar = of_nodes(self.swarm.nodes.values(), planned)
        if settings.load_entity:
            load = of_entity(self._hass, settings.load_entity)
        if settings.solar_entity:
            solar = of_entity(self._hass, settings.solar_entity)
        return load, solar

    def _clusters(self) -> dict[str, str]:
        """Return the gateway of every node that is below one."""
        nodes = self.swarm.nodes
        clusters = {}
        for node in nodes.values():
            above: Node | None = node
            for _ in range(len(nodes)):  # parents may go in a circle: they are what nodes say
                if above is None or above.kind is GATEWAY:
                    break
                above = nodes.get(above.parent_id) if above.parent_id is not None else None
            clusters[node.node_id] = above.node_id if above is not None and above.kind is GATEWAY else ""
        return clusters

    async def _hours_by_node(self, start: datetime, end: datetime) -> Mapping[str, Mapping[int, Hour]]:
        """Return what the archive knows of load and yield of each node."""
        if (archive := self.historian.archive) is None:
            return {}
        return await self._hass.async_add_executor_job(archived_by_node, archive, start, end)

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
            **self._subentries,
            "settings": self.settings,
            "counters": {key: asdict(state) for key, state in self.swarm.counter_states().items()},
            "events": self.swarm.events_told(),
        }


def _retention(entry: MicrogridConfigEntry) -> Retention:
    seconds = {option: int(entry.options.get(option, days)) * 86_400 for option, days in KEEP_DAYS.items()}
    return Retention(
        raw_s=seconds[OPT_KEEP_SAMPLES],
        minute_s=seconds[OPT_KEEP_MINUTES],
        hour_s=seconds[OPT_KEEP_HOURS],
    )


def _influx_settings(entry: MicrogridConfigEntry) -> InfluxSettings | None:
    subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_INFLUX)), None)
    return None if subentry is None else InfluxSettings(**subentry.data)


def _explainer_settings(entry: MicrogridConfigEntry) -> ExplainerSettings | None:
    subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_EXPLAINER)), None)
    if subentry is None:
        return None
    try:
        return read_settings(subentry.data)
    except SettingsError as error:  # of an earlier version: no reason to be without a swarm
        _LOGGER.warning("nobody explains faults: %s; change the settings of the explanations", error)
        return None


def _stations(hass: HomeAssistant, entry: MicrogridConfigEntry) -> list[GxStation]:
    """Return the Victron GX stations that the user joined to the swarm."""

    def refused(station: GxStation) -> None:
        entry.async_start_reauth(hass, data={SUBENTRY_GX: station.subentry_id})

    stations = []
    for subentry in entry.get_subentries_of_type(SUBENTRY_GX):
        try:
            settings = GxSettings.from_data(subentry.data)
            access = settings.access(
                async_get_clientsession(hass), allow_writes=bool(allowed_by(subentry.data))
            )
        except ValueError as error:  # one station that cannot be is no reason to be without a swarm
            _LOGGER.warning("%s is not reached: %s; change its settings", subentry.title, error)
            continue
        stations.append(GxStation(subentry.subentry_id, subentry.title, settings, access, refused))
    return stations


async def _forget_stations(
    hass: HomeAssistant, entry: MicrogridConfigEntry, subentry_ids: Iterable[str]
) -> None:
    """Delete what was stored of stations that the user removed."""
    for subentry_id in subentry_ids:
        await GxControl.async_forget(hass, entry.entry_id, subentry_id)
        await GxBattery.async_forget(hass, entry.entry_id, subentry_id)


def _planner_settings(entry: MicrogridConfigEntry) -> PlannerSettings | None:
    subentry = next(iter(entry.get_subentries_of_type(SUBENTRY_PLANNER)), None)
    if subentry is None:
        return None
    try:
        return read_planner_settings(subentry.data)
    except PlannerSettingsError as error:  # of an earlier version: no reason to be without a swarm
        _LOGGER.warning("nothing is planned: %s; change the settings of the energy planner", error)
        return None


def _store(hass: HomeAssistant, entry: MicrogridConfigEntry) -> Store[dict[str, Any]]:
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry.entry_id}")

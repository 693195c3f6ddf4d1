"""The guardian: has the rules of health judge every node and every device of a Victron GX, again and again.

Rules are judged every 10, 60 or 300 s. What they raise is told to whoever listens, once, also over restarts;
what the days add up to (`guardian_days.py`) is judged by the same rules. After a start of Home Assistant a
node is judged from its first reading on, so that nothing is raised because of data that is still to come.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN, OPT_END_OF_LIFE, OPT_HEALTH_RULES
from .core.archive.archive import Archive
from .core.contract.messages import Severity
from .core.gx.tree import Tree
from .core.health.capacity import CapacityCounter, Sample
from .core.health.engine import Active, Engine, Finding
from .core.health.risk import Risk, RiskInputs, assess_risk
from .core.health.rule import TIERS_S, Override, RuleError, overridden
from .core.health.rules import all_rules
from .core.health.subject import DeviceSubject, NodeSubject, Subject
from .core.health.summary import day_of
from .core.health.trends import BatteryTrends, battery_subject, heat_pump_subject
from .core.model.swarm import SITE_ID, Change, Node, NodeRemoved, Swarm
from .guardian_days import DayKeeper, DaySubject, Now, Trends, identity_of, nominal_ah, number

_LOGGER = logging.getLogger(__name__)

GRACE_S: Final = 600.0
"""After a start, how long a node that was not heard yet is not judged: two intervals of a heat pump."""
GONE_S: Final = 60.0
"""The same of a node whose last will says that it is offline."""
STRANGERS_S: Final = 86_400.0
"""After a start, how long nodes may stay away before what was stored of them is forgotten; parts of a station
from when it is heard."""
PERSISTS_S: Final = 86_400.0
"""A warning that lasts longer is worth a repair."""
DAY_OVER_S: Final = 900.0
"""After midnight (UTC), before the day is summed up: roll-ups and logs that come late."""
DEFAULT_END_OF_LIFE: Final = 80.0
MAX_WATCHES: Final = 50_000
"""Of a stored state: a hundred large stations."""
_SAVE_EVERY_S: Final = 900.0
"""What is raised is saved at once; of what is pending or counted an earlier quarter of an hour will do."""
_SAVE_SOON_S: Final = 1.0
_TICK_S: Final = TIERS_S[0]
_WITH_BATTERY: Final = ("house", "battery")

type Stations = Callable[[], Iterable[tuple[str, Tree]]]
"""Node id and tree of each Victron GX."""
type OnFinding = Callable[[str, Finding], None]
type OnChange = Callable[[str], None]
"""Gets the node of which something changed: findings, risk or trends."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Findings of one rule at one node that a person should see to."""

    name: str
    """What people call the node."""
    severity: Severity
    findings: tuple[Active, ...]


type Show = Callable[[str, list[Trouble]], None]
"""Gets a node and everything at it that is worth a repair."""


class Guardian:
    """The engine of rules at work on one swarm."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        swarm: Swarm,
        *,
        options: Mapping[str, Any],
        folder: Path,
        archive: Callable[[], Archive | None],
        stations: Stations,
        refrigerant: Callable[[str], str | None],
        show: Show,
    ) -> None:
        """Follow the swarm; nothing is judged yet. Records of days lie in `folder`."""
        self._hass = hass
        self._swarm = swarm
        self._stations = stations
        self._refrigerant = refrigerant
        self._show = show
        self._store = _store(hass, entry_id)
        self._engine = Engine(all_rules())
        self._days = DayKeeper(hass, folder, archive)
        self._counters: dict[str, CapacityCounter] = {}
        self._saved_counters: dict[str, Any] = {}
        self._heard: set[str] = set()
        self._loaded = False
        self._started_s = 0.0
        self._grace_over = False
        self._strangers_gone = False
        self._there_since: dict[str, float] = {}
        """When each station was first heard in this run."""
        self._parts_gone: set[str] = set()
        """Stations whose parts of an earlier run were looked for."""
        self._deleted: set[str] = set()
        """Parts that the user deleted while they were away."""
        self._ticks = 0
        self._assessing: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._on_finding: list[OnFinding] = []
        self._on_change: list[OnChange] = []
        self._cancel: list[CALLBACK_TYPE] = [swarm.subscribe(self._changed)]
        self._end_of_life = DEFAULT_END_OF_LIFE
        self.risks: dict[str, Risk] = {}
        """By node; of a station with several batteries that of the worst."""
        self.judged = 0
        """Rounds of judging since the start."""
        self.cpu_s = 0.0
        """What they took."""
        self.configure(options)

    async def async_start(self) -> None:
        """Go on from where an earlier run stopped, and begin to judge."""
        self._load(await self._stored_state())
        self._loaded = True
        self._started_s = self._swarm.monotonic()
        self._cancel.append(
            async_track_time_interval(
                self._hass, self._tick, timedelta(seconds=_TICK_S), cancel_on_shutdown=True
            )
        )
        self._save_sometime()

    async def async_stop(self) -> None:
        """Stop judging and keep the state."""
        while self._cancel:
            self._cancel.pop()()
        if self._assessing is not None:
            self._working.add(self._assessing)
        if self._working:  # a thread that writes goes on anyway
            await asyncio.gather(*self._working, return_exceptions=True)
        await self._days.flush()
        if self._loaded:  # or the state of an earlier run would be lost to an empty one
            await self._store.async_save(self._state())

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
        """Delete the stored state. The records of days stay beside the archive."""
        await _store(hass, entry_id).async_remove()

    @callback
    def on_finding(self, listener: OnFinding) -> Callable[[], None]:
        """Call `listener` with the node and the finding; returns the way to stop it."""
        self._on_finding.append(listener)
        return lambda: self._on_finding.remove(listener)

    @callback
    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Call `listener` when there is something new of a node; returns the way to stop it."""
        self._on_change.append(listener)
        return lambda: self._on_change.remove(listener)

    @callback
    def configure(self, options: Mapping[str, Any]) -> None:
        """Take what the user wants otherwise; what makes no sense (any more) is left out with a warning."""
        self._engine.configure(read_overrides(options.get(OPT_HEALTH_RULES)))
        end_of_life = options.get(OPT_END_OF_LIFE, DEFAULT_END_OF_LIFE)
        if end_of_life != self._end_of_life:
            self._end_of_life = float(end_of_life)
            self._days.assessed_day = None  # so that dates are worked out anew

    def active(self, node_id: str) -> list[Active]:
        """Return what is raised at a node and its devices, the worst first, then the oldest."""
        found = [active for active in self._engine.active if owner(active.subject) == node_id]
        return sorted(found, key=lambda active: _ORDER[active.severity])

    def trends(self, node_id: str) -> BatteryTrends | None:
        """Return what the days of a battery add up to; of several that with the highest risk."""
        found = [trends for key, trends in self._days.trends.batteries.items() if owner(key) == node_id]
        return max(found, key=lambda trends: trends.risk.score, default=None)

    @property
    def known(self) -> Trends:
        """Everything that the days add up to, by subject."""
        return self._days.trends

    def subjects(self, scope: str) -> list[str]:
        """Return the keys of what is judged now and has a scope."""
        return sorted({subject.key for subject in self._subjects(TIERS_S[-1]) if subject.scope == scope})

    # ---- judging ---------------------------------------------------------------------------------------

    @callback
    def _tick(self, now: datetime) -> None:
        self.judge()

    @callback
    def judge(self) -> None:
        """Judge the tiers whose time has come; called every ten seconds."""
        began_s = time.thread_time()
        self._ticks += 1
        monotonic_s, utc_s = self._swarm.monotonic(), dt_util.utcnow().timestamp()
        self._grace_over = monotonic_s - self._started_s >= GRACE_S
        if not self._strangers_gone and monotonic_s - self._started_s >= STRANGERS_S:
            self._strangers_gone = True
            self._forget_strangers()
        found: list[Finding] = []
        for tier_s in TIERS_S:
            if self._ticks % (tier_s // _TICK_S) == 0:
                subjects = self._subjects(tier_s)
                found += self._engine.judge(subjects, tier_s, monotonic_s=monotonic_s, utc_s=utc_s)
        self._count_capacities(utc_s)
        self._tell(found)
        if self._ticks == 1:  # what an earlier run left
            self._show_active()
        if self._ticks % (TIERS_S[1] // _TICK_S) == 1:
            self._weigh_risks()
            self._sample(utc_s)
        if self._ticks % (TIERS_S[2] // _TICK_S) == 0:
            self._each_five_minutes()
        if not found and self._ticks % round(_SAVE_EVERY_S / _TICK_S) == 0:
            self._save_sometime()
        self.judged += 1
        self.cpu_s += time.thread_time() - began_s
        self._assess_when_due(utc_s)

    def _subjects(self, tier_s: int) -> list[Subject]:
        monotonic_s = self._swarm.monotonic()
        found: list[Subject] = [
            NodeSubject(node) for node in self._swarm.nodes.values() if self._may_judge(node, monotonic_s)
        ]
        for node_id, tree in self._stations():
            for device in tree.devices.values():
                subject = DeviceSubject(node_id, tree, device)
                if device.present:
                    self._deleted.discard(subject.key)
                if subject.key not in self._deleted:
                    found.append(subject)
        if tier_s == TIERS_S[-1]:
            trends = self._days.trends
            found += [battery_subject(key, one) for key, one in trends.batteries.items()]
            found += [heat_pump_subject(key, one) for key, one in trends.heat_pumps.items()]
        return found

    def _may_judge(self, node: Node, monotonic_s: float) -> bool:
        if node.node_id == SITE_ID:
            return False
        if node.available:
            self._heard.add(node.node_id)
        said_goodbye = node.birth is not None and not node.online
        return (
            self._grace_over
            or node.node_id in self._heard
            or (said_goodbye and monotonic_s - self._started_s >= GONE_S)
        )

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, NodeRemoved):
            self._forget(change.node.node_id)

    def _forget(self, node_id: str) -> None:
        """A node left for good: what it raised is over, and nobody needs to hear of it."""
        self._heard.discard(node_id)
        self.risks.pop(node_id, None)
        for key in [key for key in self._engine.subjects if owner(key) == node_id]:
            self._engine.forget(key)
        for key in [key for key in self._counters if owner(key) == node_id]:
            del self._counters[key]
        trends = self._days.trends
        for known in (trends.batteries, trends.heat_pumps):
            for key in [key for key in known if owner(key) == node_id]:
                del known[key]
        self._show(node_id, [])

    def _forget_strangers(self) -> None:
        """Forget what was stored of nodes that are no more."""
        known = {*self._swarm.nodes, *(node_id for node_id, _ in self._stations())}
        for node_id in {owner(key) for key in self._engine.subjects} - known:
            self._forget(node_id)

    def _forget_parts(self) -> None:
        """Forget devices of earlier runs that a station, there for long enough, does not have any more."""
        now_s = self._swarm.monotonic()
        for node_id, tree in self._stations():
            silent_s = tree.silent_s()
            if node_id in self._parts_gone or silent_s is None or silent_s > GONE_S:
                continue
            if now_s - self._there_since.setdefault(node_id, now_s) < STRANGERS_S:
                continue
            self._parts_gone.add(node_id)
            there = {DeviceSubject(node_id, tree, device).key for device in tree.devices.values()}
            stored = {*self._engine.subjects, *self._saved_counters}
            for key in sorted(stored - there - {node_id}):
                if owner(key) == node_id:
                    self._forget_part(key)

    @callback
    def forget_part(self, node_id: str, part: str) -> None:
        """The user deleted a part of a station, `battery/512`: it is judged no more until it comes back."""
        key = f"{node_id}/{part}"
        self._deleted.add(key)
        self._forget_part(key)

    def _forget_part(self, key: str) -> None:
        self._counters.pop(key, None)
        self._saved_counters.pop(key, None)
        self._days.trends.batteries.pop(key, None)
        self._tell(self._engine.forget(key))

    # ---- telling ---------------------------------------------------------------------------------------

    def _tell(self, found: Iterable[Finding]) -> None:
        nodes: dict[str, None] = {}
        for finding in found:
            node_id = owner(finding.subject)
            nodes[node_id] = None
            _LOGGER.info(
                "%s %s: %s (%s) at %s %s",
                finding.severity,
                finding.state,
                finding.rule.name,
                finding.rule.id,
                finding.subject,
                finding.element,
            )
            for listener in tuple(self._on_finding):
                listener(node_id, finding)
        for node_id in nodes:
            self._show_repairs(node_id)
            self._told_change(node_id)
        if nodes:
            self._store.async_delay_save(self._state, _SAVE_SOON_S)

    def _told_change(self, node_id: str) -> None:
        for listener in tuple(self._on_change):
            listener(node_id)

    def _show_repairs(self, node_id: str) -> None:
        now_s = dt_util.utcnow().timestamp()
        by_rule: dict[str, list[Active]] = {}
        for active in self.active(node_id):
            lasting = active.severity is Severity.WARNING and now_s - active.since_s >= PERSISTS_S
            if active.severity is Severity.CRITICAL or lasting:
                by_rule.setdefault(active.rule.id, []).append(active)
        if (node := self._swarm.nodes.get(node_id)) is None:
            return  # not there yet
        self._show(
            node_id, [Trouble(node.name, found[0].severity, tuple(found)) for found in by_rule.values()]
        )

    def _show_active(self) -> None:
        for node_id in {owner(active.subject): None for active in self._engine.active}:
            self._show_repairs(node_id)
            self._told_change(node_id)

    def _each_five_minutes(self) -> None:
        """Tell newest values of what is raised, and see which warnings have lasted."""
        self._forget_parts()
        self._show_active()
        self._work(self._days.flush(), "samples")

    # ---- batteries -------------------------------------------------------------------------------------

    def _batteries(self) -> Iterable[tuple[str, Tree, Any]]:
        for node_id, tree in self._stations():
            for device in tree.of("battery"):
                yield DeviceSubject(node_id, tree, device).key, tree, device

    def _sample(self, utc_s: float) -> None:
        for key, tree, device in self._batteries():
            self._days.sample(key, tree, device, utc_s)

    def _count_capacities(self, utc_s: float) -> None:
        """Count charge between full and low; only a GX tells the limit that makes a battery full."""
        for key, tree, device in self._batteries():
            if (counter := self._counters.get(key)) is None:
                nominal = nominal_ah(tree, device)
                if not nominal > 0.0:
                    continue
                counter = self._counters[key] = CapacityCounter(nominal)
                if (saved := self._saved_counters.pop(key, None)) is not None:
                    try:
                        counter.load(saved)
                    except ValueError, TypeError:
                        _LOGGER.warning("count of charge of %s: the stored one was not understood", key)
            current = number(tree, device, "/Dc/0/Current")
            counted = counter.feed(
                Sample(
                    utc_s,
                    _known(-current),
                    _known(number(tree, device, "/Soc")),
                    _known(number(tree, device, "/Dc/0/Voltage")),
                    _known(number(tree, device, "/Info/MaxChargeVoltage")),
                    _known(number(tree, device, "/Dc/0/Temperature")),
                    _known(number(tree, device, "/System/MinCellVoltage")),
                )
            )
            if counted is not None and (nominal := nominal_ah(tree, device)) > 0.0:
                self._work(self._days.keep_capacity(key, counted, nominal), "capacity")

    def _weigh_risks(self) -> None:
        found: dict[str, Risk] = {}
        for node in self._swarm.nodes.values():
            if node.kind.kind in _WITH_BATTERY:
                found[node.node_id] = self._risk(
                    node.node_id,
                    _metric(node, "battery_state_of_health"),
                    None,
                    _metric(node, "battery_cycles"),
                )
        for key, tree, device in self._batteries():
            risk = self._risk(
                key,
                _known(number(tree, device, "/Soh")),
                _known(number(tree, device, "/System/NrOfModulesOffline")),
                _known(number(tree, device, "/History/ChargeCycles")),
            )
            if (other := found.get(owner(key))) is None or other.score < risk.score:
                found[owner(key)] = risk
        before, self.risks = self.risks, found
        for node_id, risk in found.items():
            if before.get(node_id) != risk:
                self._told_change(node_id)

    def _risk(
        self, key: str, health: float | None, modules_offline: float | None, cycles: float | None
    ) -> Risk:
        """Join what the days say with what is known now."""
        trends = self._days.trends.batteries.get(key)
        assessed = {} if trends is None else {one.name: one.value for one in trends.risk.factors}
        return assess_risk(
            RiskInputs(
                health if assessed.get("health") is None else assessed["health"],
                assessed.get("cell_spread"),
                modules_offline,
                assessed.get("temperature"),
                cycles,
            )
        )

    # ---- once a day ------------------------------------------------------------------------------------

    def _assess_when_due(self, utc_s: float) -> None:
        over = day_of(utc_s - DAY_OVER_S) - 1
        settled = self._ticks >= TIERS_S[1] // _TICK_S  # nodes and stations are there again
        busy = self._assessing is not None and not self._assessing.done()
        if settled and not busy and self._days.assessed_day != over:
            self._assessing = self._hass.async_create_background_task(
                self._assess(over + 1.0), "microgrid guardian: days", eager_start=False
            )

    async def _assess(self, today: float) -> None:
        await self._days.assess(self._day_subjects(), Now(today, self._end_of_life))
        self._weigh_risks()
        for node_id in {owner(key) for key in self._days.trends.batteries}:
            self._told_change(node_id)

    def _day_subjects(self) -> list[DaySubject]:
        found = [
            DaySubject(
                node.node_id,
                node.kind.kind,
                (node.birth.hardware or "") if node.birth else "",
                self._refrigerant(node.node_id),
            )
            for node in self._swarm.nodes.values()
            if node.kind.kind in (*_WITH_BATTERY, "heat_pump")
        ]
        return found + [DaySubject(key, "gx", identity_of(device)) for key, _, device in self._batteries()]

    # ---- over restarts ---------------------------------------------------------------------------------

    async def _stored_state(self) -> dict[str, Any]:
        try:
            return await self._store.async_load() or {}
        except (HomeAssistantError, NotImplementedError) as error:
            _LOGGER.warning("the stored state of health is left aside: %s", error)
            return {}

    def _load(self, stored: object) -> None:
        if not stored:
            return
        if not isinstance(stored, dict):
            _LOGGER.warning("the stored state of health is not understood and begins anew")
            return
        state = stored.get("engine")
        if isinstance(state, dict) and isinstance(rows := state.get("watches"), list):
            state = {**state, "watches": rows[:MAX_WATCHES]}
        if refused := self._engine.load(state):
            _LOGGER.warning("stored state of health: %d parts were not understood and begin anew", refused)
        counters = stored.get("counters")
        self._saved_counters = dict(counters) if isinstance(counters, dict) else {}

    def _state(self) -> dict[str, Any]:
        return {
            "engine": self._engine.save(),
            "counters": {key: counter.save() for key, counter in self._counters.items()},
        }

    def _save_sometime(self) -> None:
        """Have a save pending at all times: Home Assistant writes pending ones when it stops."""
        self._store.async_delay_save(self._state, _SAVE_EVERY_S - 2 * _TICK_S)

    def _work(self, work: Any, name: str) -> None:
        task = self._hass.async_create_background_task(work, f"microgrid guardian: {name}")
        self._working.add(task)
        task.add_done_callback(self._working.discard)


_ORDER: Final = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def owner(subject: str) -> str:
    """Return the node that a subject belongs to."""
    return subject.partition("/")[0]


def read_overrides(stored: object) -> dict[str, Override]:
    """Read what the options say of rules; what makes no sense is left out with a warning."""
    if not isinstance(stored, Mapping):
        return {}
    rules = {rule.id: rule for rule in all_rules()}
    found: dict[str, Override] = {}
    for name, row in stored.items():
        rule = rules.get(str(name).partition("@")[0])
        try:
            if rule is None:
                raise RuleError("there is no such rule")
            override = read_override(row)
            overridden(rule, override)
        except (RuleError, TypeError, ValueError) as error:
            _LOGGER.warning("the change of rule %s is left out: %s", name, error)
            continue
        found[str(name)] = override
    return found


def read_override(row: Any) -> Override:
    """Read one row of the options; raises TypeError and ValueError."""
    if not isinstance(row, Mapping):
        raise TypeError(f"{row!r} is no change of a rule")
    enabled, severity = row.get("enabled"), row.get("severity")
    threshold, duration_s = row.get("threshold"), row.get("duration_s")
    return Override(
        None if enabled is None else bool(enabled),
        None if threshold is None else float(threshold),
        None if duration_s is None else float(duration_s),
        None if severity is None else Severity(severity),
    )


def _metric(node: Node, key: str) -> float | None:
    value = node.values.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, 1, f"{DOMAIN}.{entry_id}.guardian")

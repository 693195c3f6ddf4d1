"""Repairs: what a person has to put right, shown as long as it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow, RepairsFlowResult
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .const import CONF_SWARM, DOMAIN
from .core.archive.errors import ArchiveError
from .core.contract.faults import condition
from .core.contract.messages import EventType, NodeEvent, Severity
from .core.contract.topics import PROTOCOL
from .core.diagnosis.cause_texts import meaning
from .core.health.texts import advice_of, name_of
from .core.model.swarm import Change, EventReceived, Node, NodeRemoved, Swarm, ValuesChanged

if TYPE_CHECKING:
    from .core.health.engine import Active
    from .fault_watch import OpenFault
    from .guardian import Trouble
    from .runtime import MicrogridConfigEntry
    from .schedule_log import Execution

ARCHIVE_UNAVAILABLE: Final = "archive_unavailable"
BROKER_MISSING: Final = "broker_missing"
CLOCK_WRONG: Final = "node_clock_wrong"
CRITICAL_FAULT: Final = "critical_fault"
CRITICAL_FAULT_EXPLAINED: Final = "critical_fault_explained"
DATA_LOSS: Final = "data_loss"
HEALTH_CRITICAL: Final = "health_critical"
HEALTH_WARNING: Final = "health_warning"
FAULTS_UNAVAILABLE: Final = "faults_unavailable"
PLANNER_BATTERY: Final = "planner_battery_missing"
PLANNER_PRICES: Final = "planner_prices_missing"
PROTOCOL_TOO_NEW: Final = "node_protocol_too_new"
RESTART_NEEDED: Final = "restart_needed"
SCHEDULE_FAILING: Final = "schedule_failing"
SCHEDULE_LOG_UNAVAILABLE: Final = "schedule_log_unavailable"
SCHEDULE_REJECTED: Final = "schedule_rejected"
TOO_MANY_HOUSE_SENSORS: Final = "too_many_house_sensors"
_OF_A_NODE: Final = (CLOCK_WRONG, DATA_LOSS, PROTOCOL_TOO_NEW, SCHEDULE_FAILING, SCHEDULE_REJECTED)

MAX_CLOCK_OFFSET_S: Final = 60.0
WRONG_MESSAGES: Final = 3
"""Live messages in a row with a wrong clock before it is worth a word: one may have been delayed."""
FAILED_INTERVALS: Final = 3
"""Of a schedule in a row before it is worth a word: a battery may be full for once."""
MAX_REASON: Final = 300
"""Characters shown of what a node gives as its reasons."""
MAX_TOO_NEW: Final = 16
"""Issues shown for nodes of a later protocol; invented node ids must not bury the user."""

TROUBLESHOOTING_URL: Final = (
    "https://github.com/microgrid-home/microgrid/blob/main/docs/home-assistant.md#troubleshooting"
)
HEALTH_URL: Final = "https://github.com/microgrid-home/microgrid/blob/main/docs/health.md#home-assistant"
MAX_HEALTH: Final = 16
"""Issues of health shown for one node: more than that has one reason, and that is among them."""
_PLAIN: Final = re.compile(r"[^\w /.:-]")
MQTT_URL: Final = "https://www.home-assistant.io/integrations/mqtt"


def issue_id(entry_id: str, kind: str, node_id: str = "") -> str:
    """Return the id of an issue of an entry or of one of its nodes."""
    return f"{kind}_{entry_id}_{node_id}" if node_id else f"{kind}_{entry_id}"


@callback
def async_broker_missing(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
    """Say that MQTT has to be set up."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id(entry.entry_id, BROKER_MISSING),
        is_fixable=False,
        learn_more_url=MQTT_URL,
        severity=ir.IssueSeverity.ERROR,
        translation_key=BROKER_MISSING,
        translation_placeholders={"swarm": entry.data[CONF_SWARM]},
    )


@callback
def async_broker_found(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
    """MQTT is there."""
    ir.async_delete_issue(hass, DOMAIN, issue_id(entry.entry_id, BROKER_MISSING))


@callback
def async_forget(hass: HomeAssistant, entry: MicrogridConfigEntry) -> None:
    """Remove all issues of an entry that the user removed."""
    for domain, known_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and f"_{entry.entry_id}" in known_id:
            ir.async_delete_issue(hass, DOMAIN, known_id)


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Let the user confirm: what was lost cannot be brought back, only be known; a fault is acknowledged."""
    return AcknowledgeFault(data) if data and "event_id" in data else ConfirmRepairFlow()


class AcknowledgeFault(ConfirmRepairFlow):
    """Remembers in the fault store that somebody knows of a fault."""

    def __init__(self, data: Mapping[str, str | int | float | None]) -> None:
        """Know which one."""
        self._entry_id, self._event_id = str(data["entry_id"]), str(data["event_id"])

    @override
    async def async_step_confirm(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Ask, then remember."""
        if user_input is not None:
            entry: MicrogridConfigEntry | None = self.hass.config_entries.async_get_entry(self._entry_id)
            try:
                if entry is None or (runtime := getattr(entry, "runtime_data", None)) is None:
                    raise ArchiveError("the swarm is not loaded")
                await runtime.fault_watch.acknowledge(self._event_id)
            except (ArchiveError, LookupError) as error:
                return self.async_abort(
                    reason="not_acknowledged", description_placeholders={"reason": str(error)}
                )
        return await super().async_step_confirm(user_input)


class RepairDesk:
    """Raises and clears the issues of one loaded entry."""

    def __init__(self, hass: HomeAssistant, entry: MicrogridConfigEntry, swarm: Swarm) -> None:
        """Follow the swarm."""
        self._hass = hass
        self._entry_id = entry.entry_id
        self._swarm = swarm
        self._swarm_id = swarm.swarm_id
        self._wrong: dict[str, int] = {}
        """Live messages in a row with a wrong clock, by node."""
        self._judged: dict[str, datetime] = {}
        """When the newest message that was judged came, by node: derived values tell changes without one."""
        self._shown: set[str] = set()
        """Issues that hold as long as this desk sees their cause."""
        self._critical: dict[str, set[str]] = {}
        """Those of open faults, by node."""
        self._unhealthy: dict[str, set[str]] = {}
        """Those of health, by node."""
        self._unsubscribe = swarm.subscribe(self._changed)

    def close(self) -> None:
        """Stop following. What still is wrong is found again after the next start."""
        self._unsubscribe()
        for shown in list(self._shown):
            self._clear(shown)

    @callback
    def show_too_new(self, too_new: Mapping[str, str]) -> None:
        """Show exactly these nodes as speaking a later protocol than ours; the value is what they said."""
        wanted = {self._id(PROTOCOL_TOO_NEW, node_id): node_id for node_id in sorted(too_new)[:MAX_TOO_NEW]}
        for shown in [shown for shown in self._shown if shown.startswith(PROTOCOL_TOO_NEW)]:
            if shown not in wanted:
                self._clear(shown)
        for wanted_id, node_id in wanted.items():
            self._show(
                wanted_id,
                PROTOCOL_TOO_NEW,
                ir.IssueSeverity.ERROR,
                {"node": node_id, "swarm": self._swarm_id, "supported": str(PROTOCOL)},
            )

    @callback
    def archive(self, trouble: str | None) -> None:
        """Say that readings are not being stored, and why; or that they are again."""
        if trouble is None:
            self._clear(self._id(ARCHIVE_UNAVAILABLE))
        else:
            self._show(
                self._id(ARCHIVE_UNAVAILABLE),
                ARCHIVE_UNAVAILABLE,
                ir.IssueSeverity.ERROR,
                {"swarm": self._swarm_id, "reason": trouble},
            )

    @callback
    def fault_store(self, trouble: str | None) -> None:
        """Say that faults are not being stored, and why; or that they are again."""
        if trouble is None:
            self._clear(self._id(FAULTS_UNAVAILABLE))
        else:
            self._show(
                self._id(FAULTS_UNAVAILABLE),
                FAULTS_UNAVAILABLE,
                ir.IssueSeverity.ERROR,
                {"swarm": self._swarm_id, "reason": trouble},
            )

    @callback
    def schedule_log(self, trouble: str | None) -> None:
        """Say that what becomes of schedules is not being stored, and why; or that it is again."""
        if trouble is None:
            self._clear(self._id(SCHEDULE_LOG_UNAVAILABLE))
        else:
            self._show(
                self._id(SCHEDULE_LOG_UNAVAILABLE),
                SCHEDULE_LOG_UNAVAILABLE,
                ir.IssueSeverity.ERROR,
                {"swarm": self._swarm_id, "reason": trouble},
            )

    @callback
    def critical_faults(self, node_id: str, faults: Iterable[OpenFault]) -> None:
        """Show exactly these faults of a node as open, one of each code."""
        wanted = {f"{self._id(CRITICAL_FAULT, node_id)}_{found.fault.code}": found for found in faults}
        for shown in self._critical.pop(node_id, set()) - wanted.keys():
            self._clear(shown)
        for wanted_id, found in wanted.items():
            self._critical.setdefault(node_id, set()).add(wanted_id)
            self._show_critical(wanted_id, found)

    @callback
    def schedule(
        self, node_id: str, rejected: tuple[datetime, Sequence[str]] | None, failed: Sequence[Execution]
    ) -> None:
        """Say that a node rejected what was sent (when, and why), or fails again and again; or neither."""
        node = self._swarm.nodes.get(node_id)
        names = {"name": node_id if node is None else _named(node.name) or node_id, "node": node_id}
        rejected_id, failing_id = self._id(SCHEDULE_REJECTED, node_id), self._id(SCHEDULE_FAILING, node_id)
        if rejected is None:
            self._clear(rejected_id)
        else:
            details = {"time": _local(rejected[0]), "reasons": _quoted(rejected[1])}
            self._show(rejected_id, SCHEDULE_REJECTED, ir.IssueSeverity.WARNING, names | details)
        if len(failed) < FAILED_INTERVALS:
            self._clear(failing_id)
        else:
            newest = failed[-1]
            details = {
                "count": str(len(failed)),
                "time": _local(newest.start),
                "mode": newest.mode.value,
                "requested": _kilowatts(newest.requested_kw),
                "actual": _kilowatts(newest.actual_kw),
                "reasons": _quoted(newest.reasons),
            }
            self._show(failing_id, SCHEDULE_FAILING, ir.IssueSeverity.WARNING, names | details)

    @callback
    def health(self, node_id: str, troubles: Iterable[Trouble]) -> None:
        """Show exactly these troubles of a node, one of each rule; the worst when there are too many."""
        wanted = {
            f"{self._id(HEALTH_WARNING, node_id)}_{found.findings[0].rule.id}": found
            for found in list(troubles)[:MAX_HEALTH]
        }
        for shown in self._unhealthy.pop(node_id, set()) - wanted.keys():
            self._clear(shown)
        language = self._hass.config.language
        for wanted_id, found in wanted.items():
            self._unhealthy.setdefault(node_id, set()).add(wanted_id)
            self._shown.add(wanted_id)
            first = found.findings[0]
            critical = found.severity is Severity.CRITICAL
            limit = f"{first.rule.comparator} {first.rule.threshold:g} {first.rule.quantity.unit}"
            kind = HEALTH_CRITICAL if critical else HEALTH_WARNING
            earlier = ir.async_get(self._hass).async_get_issue(DOMAIN, wanted_id)
            if earlier is not None and earlier.translation_key != kind:
                ir.async_delete_issue(self._hass, DOMAIN, wanted_id)  # it got worse: told again
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                wanted_id,
                is_fixable=False,
                learn_more_url=HEALTH_URL,
                severity=ir.IssueSeverity.ERROR if critical else ir.IssueSeverity.WARNING,
                translation_key=kind,
                translation_placeholders={
                    "name": _named(found.name) or node_id,
                    "finding": name_of(first.rule, language),
                    "rule": first.rule.id,
                    "where": ", ".join(sorted({_where(active) for active in found.findings})),
                    "since": _when(first.since_s),
                    "limit": limit.strip(),
                    "advice": advice_of(first.rule, language),
                },
            )

    def _show_critical(self, shown_id: str, found: OpenFault) -> None:
        fault, analysis, language = found.fault, found.analysis, self._hass.config.language
        data: dict[str, str | int | float | None] = {
            "entry_id": self._entry_id,
            "event_id": fault.event_id,
        }
        earlier = ir.async_get(self._hass).async_get_issue(DOMAIN, shown_id)
        if earlier is not None and earlier.data and earlier.data != data:
            ir.async_delete_issue(self._hass, DOMAIN, shown_id)  # it came again: who ignored it is told again
        when = dt_util.as_local(dt_util.utc_from_timestamp(fault.time_us / 1e6)).isoformat(timespec="seconds")
        self._shown.add(shown_id)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            shown_id,
            data=data,
            is_fixable=True,
            severity=ir.IssueSeverity.CRITICAL,
            translation_key=CRITICAL_FAULT if analysis is None else CRITICAL_FAULT_EXPLAINED,
            translation_placeholders={
                "name": found.name,
                "node": fault.node,
                "code": fault.code,
                "code_name": condition(fault.code).text(language).name,
                "time": when,
                # Marked as a link that opens beside Home Assistant: its own pages would catch any other.
                "report": f'<a href="{found.report}" target="_blank">{when}</a>' if found.report else when,
                **(
                    {}
                    if analysis is None
                    else {
                        "cause": meaning(analysis.cause, language),
                        "confidence": f"{100 * analysis.confidence:.0f}",
                    }
                ),
            },
        )

    @callback
    def planner_trouble(self, reason: str | None) -> None:
        """Say what the energy planner has been lacking for a while; None: nothing."""
        kind = None
        if reason is not None:
            kind = PLANNER_BATTERY if reason == "battery_missing" else PLANNER_PRICES
        for other in (PLANNER_BATTERY, PLANNER_PRICES):
            if other == kind:
                self._show(self._id(other), other, ir.IssueSeverity.WARNING, {"swarm": self._swarm_id})
            else:
                self._clear(self._id(other))

    @callback
    def restart_needed(self) -> None:
        """Say that a package changed beneath the running Home Assistant."""
        shown_id = self._id(RESTART_NEEDED)
        self._show(shown_id, RESTART_NEEDED, ir.IssueSeverity.WARNING, {"package": "anthropic"})

    @callback
    def too_many_house_sensors(self, limit: int) -> None:
        """Say that more sensors of the house arrive than are taken."""
        self._show(
            self._id(TOO_MANY_HOUSE_SENSORS),
            TOO_MANY_HOUSE_SENSORS,
            ir.IssueSeverity.WARNING,
            {"limit": str(limit)},
        )

    @callback
    def _changed(self, change: Change) -> None:
        if isinstance(change, ValuesChanged):
            self._judge_clock(change.node)
        elif isinstance(change, EventReceived):
            if change.event.type is EventType.OVERFLOW:
                self._report_loss(change.node, change.event)
        elif isinstance(change, NodeRemoved):
            node_id = change.node.node_id
            self._wrong.pop(node_id, None)
            self._judged.pop(node_id, None)
            for kind in _OF_A_NODE:
                self._clear(self._id(kind, node_id))

    def _judge_clock(self, node: Node) -> None:
        if node.last_seen is None or self._judged.get(node.node_id) == node.last_seen:
            return
        self._judged[node.node_id] = node.last_seen
        offset_s = node.clock_offset_s
        if offset_s is None or abs(offset_s) <= MAX_CLOCK_OFFSET_S:
            if self._wrong.pop(node.node_id, 0) >= WRONG_MESSAGES:
                self._clear(self._id(CLOCK_WRONG, node.node_id))
            return
        self._wrong[node.node_id] = wrong = self._wrong.get(node.node_id, 0) + 1
        if wrong == WRONG_MESSAGES:
            self._show(
                self._id(CLOCK_WRONG, node.node_id),
                CLOCK_WRONG,
                ir.IssueSeverity.WARNING,
                {"name": node.name, "node": node.node_id, "offset_s": f"{offset_s:+.0f}"},
            )

    def _report_loss(self, node: Node, event: NodeEvent) -> None:
        """Keep the loss in sight, over restarts, until somebody has taken note of it."""
        loss_id = self._id(DATA_LOSS, node.node_id)
        earlier = ir.async_get(self._hass).async_get_issue(DOMAIN, loss_id)
        losses = int((earlier.data or {}).get("losses") or 0) + 1 if earlier else 1
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            loss_id,
            data={"losses": losses},
            is_fixable=True,
            is_persistent=True,
            learn_more_url=TROUBLESHOOTING_URL,
            severity=ir.IssueSeverity.WARNING,
            translation_key=DATA_LOSS,
            translation_placeholders={
                "name": node.name,
                "node": node.node_id,
                "losses": str(losses),
                "lost": _extent(event),
                "time": event.time.isoformat(timespec="seconds") if event.time else "–",
            },
        )

    def _show(
        self, shown_id: str, kind: str, severity: ir.IssueSeverity, placeholders: dict[str, str]
    ) -> None:
        self._shown.add(shown_id)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            shown_id,
            is_fixable=False,
            learn_more_url=TROUBLESHOOTING_URL,
            severity=severity,
            translation_key=kind,
            translation_placeholders=placeholders,
        )

    def _clear(self, shown_id: str) -> None:
        self._shown.discard(shown_id)
        ir.async_delete_issue(self._hass, DOMAIN, shown_id)

    def _id(self, kind: str, node_id: str = "") -> str:
        return issue_id(self._entry_id, kind, node_id)


def _where(active: Active) -> str:
    """Return what a finding is about."""
    return _named(f"{active.subject} {active.element}")


def _named(name: str) -> str:
    """Return a name from the wire for a description: it has no place in Markdown as it is."""
    return _PLAIN.sub("", name.strip())[:80]


def _when(time_s: float) -> str:
    try:
        return dt_util.as_local(dt_util.utc_from_timestamp(time_s)).isoformat(timespec="seconds")
    except OverflowError, ValueError, OSError:  # a stored time that is none
        return "–"


def _extent(event: NodeEvent) -> str:
    """Return the range or amount that an overflow event names.

    Numbers only: texts of a node have no place in what is shown as Markdown.
    """
    numbers = [
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in event.values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    return ", ".join(numbers) or event.code


def _local(when: datetime) -> str:
    return dt_util.as_local(when).isoformat(timespec="minutes")


def _kilowatts(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _quoted(reasons: Sequence[str]) -> str:
    """Return what a node said as code, where Markdown and HTML mean nothing."""
    return f"`{'; '.join(reasons).replace('`', "'")[:MAX_REASON] or '–'}`"

"""Repairs: what a person has to put right, shown as long as it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_SWARM, DOMAIN
from .core.contract.messages import EventType, NodeEvent
from .core.contract.topics import PROTOCOL
from .core.model.swarm import Change, EventReceived, Node, NodeRemoved, Swarm, ValuesChanged

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry

BROKER_MISSING: Final = "broker_missing"
CLOCK_WRONG: Final = "node_clock_wrong"
DATA_LOSS: Final = "data_loss"
PROTOCOL_TOO_NEW: Final = "node_protocol_too_new"
TOO_MANY_HOUSE_SENSORS: Final = "too_many_house_sensors"
_OF_A_NODE: Final = (CLOCK_WRONG, DATA_LOSS, PROTOCOL_TOO_NEW)

MAX_CLOCK_OFFSET_S: Final = 60.0
WRONG_MESSAGES: Final = 3
"""Live messages in a row with a wrong clock before it is worth a word: one may have been delayed."""
MAX_TOO_NEW: Final = 16
"""Issues shown for nodes of a later protocol; invented node ids must not bury the user."""

TROUBLESHOOTING_URL: Final = (
    "https://github.com/microgrid-home/microgrid/blob/main/docs/home-assistant.md#troubleshooting"
)
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
    """Let the user confirm; what was lost cannot be brought back, only be known."""
    return ConfirmRepairFlow()


class RepairDesk:
    """Raises and clears the issues of one loaded entry."""

    def __init__(self, hass: HomeAssistant, entry: MicrogridConfigEntry, swarm: Swarm) -> None:
        """Follow the swarm."""
        self._hass = hass
        self._entry_id = entry.entry_id
        self._swarm_id = swarm.swarm_id
        self._wrong: dict[str, int] = {}
        """Live messages in a row with a wrong clock, by node."""
        self._judged: dict[str, datetime] = {}
        """When the newest message that was judged came, by node: derived values tell changes without one."""
        self._shown: set[str] = set()
        """Issues that hold as long as this desk sees their cause."""
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

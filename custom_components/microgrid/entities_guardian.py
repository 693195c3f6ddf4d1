"""What the guardian shows of a node: whether something is wrong, what was found, its risk and its ageing."""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime
from typing import Any, Final, override

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.components.event import EventEntity
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .core.contract.messages import EventState, Severity
from .core.contract.reading import format_time
from .core.health.ageing import Slope
from .core.health.engine import Active, Finding
from .core.health.risk import Risk
from .core.health.rule import Rule
from .core.health.summary import date_of
from .core.health.texts import advice_of, name_of
from .core.model.swarm import SITE_ID, Change, Node, NodeRemoved
from .entity import LastingEntity, ToldEntity, add_node_entities
from .guardian import Guardian
from .runtime import MicrogridConfigEntry, MicrogridRuntime

MAX_FINDINGS: Final = 20
"""In the attributes of an entity."""
CLEARED: Final = "cleared"
NO_DAY_YET: Final = "no_day_yet"
NOT_KNOWN: Final = "not_known"
"""Why there is no number: no day was summed up yet, or nothing of the battery is known."""
WITH_BATTERY: Final = ("house", "battery", "victron_gx")
_EARLY: Final = 16
_UNHEALTHY: Final = (Severity.WARNING, Severity.CRITICAL)


def add_binary_sensors(
    entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the problem sensors of all nodes, now and later."""
    add_node_entities(
        entry,
        async_add_entities,
        lambda runtime, node: [] if node.node_id == SITE_ID else [HealthBinarySensor(runtime, node)],
    )


def add_sensors(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add risk and ageing of all nodes with a battery, now and later."""

    def make(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
        if node.kind.kind not in WITH_BATTERY:
            return []
        return [RiskSensor(runtime, node), AgeingSensor(runtime, node), ReplacementSensor(runtime, node)]

    add_node_entities(entry, async_add_entities, make)


def add_events(entry: MicrogridConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback) -> None:
    """Add the event entities of all nodes, now and later, and carry the findings to them."""
    made: dict[str, HealthEvent] = {}

    def make(runtime: MicrogridRuntime, node: Node) -> list[Entity]:
        if node.node_id == SITE_ID:
            return []
        made[node.node_id] = HealthEvent(runtime, node)
        return [made[node.node_id]]

    @callback
    def found(node_id: str, finding: Finding) -> None:
        if (entity := made.get(node_id)) is not None:
            entity.on_finding(finding)

    @callback
    def changed(change: Change) -> None:
        if isinstance(change, NodeRemoved):
            made.pop(change.node.node_id, None)

    add_node_entities(entry, async_add_entities, make)
    entry.async_on_unload(entry.runtime_data.swarm.subscribe(changed))
    entry.async_on_unload(entry.runtime_data.guardian.on_finding(found))


class GuardianEntity(ToldEntity):
    """Shows something that the guardian knows of a node."""

    @property
    @override
    def teller(self) -> Guardian:
        """The guardian."""
        return self.runtime.guardian


class HealthBinarySensor(GuardianEntity, BinarySensorEntity):
    """Whether a rule is broken that matters, and all that are."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_translation_key = "health_problem"
    _unrecorded_attributes = frozenset({"findings"})

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "health_problem")

    @property
    @override
    def is_on(self) -> bool:
        """Whether there is a finding beyond mere information."""
        found = self.runtime.guardian.active(self.node.node_id)
        return any(active.severity in _UNHEALTHY for active in found)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The findings, the worst first; no more than a person can read."""
        found = self.runtime.guardian.active(self.node.node_id)
        return {
            "count": len(found),
            "findings": [told(self.hass, active) for active in found[:MAX_FINDINGS]],
        }


class HealthEvent(LastingEntity, EventEntity):
    """What is found and what is over, as it happens."""

    _attr_translation_key = "health"
    _unrecorded_attributes = frozenset({"advice"})

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "health_finding")
        self._attr_event_types = [*(severity.value for severity in Severity), CLEARED]
        self._added = False
        self._early: deque[Finding] = deque(maxlen=_EARLY)

    @override
    async def async_added_to_hass(self) -> None:
        """Tell what came too early."""
        await super().async_added_to_hass()
        self._added = True
        while self._early:
            self.on_finding(self._early.popleft())

    @callback
    def on_finding(self, finding: Finding) -> None:
        """Show what was found."""
        if not self._added:
            self._early.append(finding)
            return
        over = finding.state is EventState.CLEARED
        self._trigger_event(CLEARED if over else finding.severity.value, told(self.hass, finding))
        self.async_write_ha_state()


class RiskSensor(GuardianEntity, SensorEntity):
    """The risk of the battery, and what it is made of."""

    _attr_translation_key = "risk"
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 0
    _unrecorded_attributes = frozenset({"factors"})

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "risk")

    @property
    def _risk(self) -> Risk | None:
        risk = self.runtime.guardian.risks.get(self.node.node_id)
        return None if risk is None or risk.confidence == 0.0 else risk

    @property
    @override
    def native_value(self) -> int | None:
        """The score; unknown while nothing is known."""
        return None if self._risk is None else self._risk.score

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The summands, and how much of it is known."""
        if (risk := self._risk) is None:
            return {"reason": NOT_KNOWN}
        return told_risk(risk)


class AgeingSensor(GuardianEntity, SensorEntity):
    """Health of the battery as its steps or counted charges tell it, with the loss per year."""

    _attr_translation_key = "estimated_health"
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_native_unit_of_measurement = PERCENTAGE
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 1

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "estimated_health")

    @property
    def _slope(self) -> Slope | None:
        trends = self.runtime.guardian.trends(self.node.node_id)
        return None if trends is None else trends.outlook.slope

    @property
    @override
    def native_value(self) -> float | None:
        """Health now; unknown without a slope."""
        return None if self._slope is None else round(self._slope.health, 2)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The loss in percent per year with its 95 % interval, or why there is none."""
        if (slope := self._slope) is None:
            return {"reason": missing(self.runtime, self.node.node_id)}
        return told_slope(slope)


class ReplacementSensor(GuardianEntity, SensorEntity):
    """When the battery should be replaced, or that nobody can tell."""

    _attr_translation_key = "battery_replacement"
    _attr_device_class = SensorDeviceClass.DATE

    def __init__(self, runtime: MicrogridRuntime, node: Node) -> None:
        """Name the entity."""
        super().__init__(runtime, node, "battery_replacement")

    @property
    @override
    def native_value(self) -> date | None:
        """The likely day; unknown without enough data."""
        trends = self.runtime.guardian.trends(self.node.node_id)
        when = None if trends is None else trends.outlook.replacement
        return None if when is None else date_of(when.likely)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """The early and the late day, or why there is no date."""
        trends = self.runtime.guardian.trends(self.node.node_id)
        if trends is None or (when := trends.outlook.replacement) is None:
            return {"reason": missing(self.runtime, self.node.node_id)}
        return {"low": date_of(when.low).isoformat(), "high": date_of(when.high).isoformat()}


def missing(runtime: MicrogridRuntime, node_id: str) -> str:
    """Return why there is no slope or no date."""
    trends = runtime.guardian.trends(node_id)
    if trends is None or trends.outlook.missing is None:
        return NO_DAY_YET
    return trends.outlook.missing.value


def told(hass: HomeAssistant, found: Active | Finding) -> dict[str, Any]:
    """Return a finding as attributes, in the language of the instance."""
    rule: Rule = found.rule
    language = hass.config.language
    return {
        "rule": rule.id,
        "name": name_of(rule, language),
        "severity": found.severity.value,
        "since": moment(found.since_s),
        "value": None if found.value is None else round(found.value, 4),
        "limit": rule.threshold,
        "unit": rule.quantity.unit,
        "subject": found.subject,
        "element": found.element[:64],
        "advice": advice_of(rule, language),
    }


def told_risk(risk: Risk) -> dict[str, Any]:
    """Return a risk as attributes."""
    return {
        "level": risk.level.value,
        "confidence": round(risk.confidence, 2),
        "factors": {
            factor.name: {
                "value": None if factor.value is None else round(factor.value, 4),
                "points": factor.points,
                "of": factor.most,
            }
            for factor in risk.factors
        },
    }


def told_slope(slope: Slope) -> dict[str, Any]:
    """Return a slope as attributes."""
    return {
        "loss_per_year": round(slope.loss, 3),
        "loss_low": round(slope.loss_low, 3),
        "loss_high": round(slope.loss_high, 3),
        "method": slope.method.value,
        "points": slope.points,
        "days": round(slope.span_d),
    }


def moment(time_s: float) -> str | None:
    """Return a time as text; None for a stored one that is none."""
    try:
        return format_time(datetime.fromtimestamp(time_s, UTC))
    except OverflowError, ValueError, OSError:
        return None

"""Every trouble of a healthy node of ours raises its own rule, in time, and no other; so do trends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from microgrid_core.contract.messages import EventState, Severity
from microgrid_core.health.engine import Engine
from microgrid_core.health.rule import Override, Rule
from microgrid_core.health.rules import all_rules
from microgrid_core.health.rules_swarm import SWARM_RULES
from microgrid_core.health.rules_trend import BATTERY_TRENDS, HEAT_PUMP_TRENDS, TREND_NAMES, TREND_RULES
from microgrid_core.health.trends import TrendSubject
from script.generators.rules import latest_s
from tests.unit.core.health.injected import COMMAND, Injected, rows, severities, values_of
from tests.unit.core.health.worlds import NodeWorld

RULES: Mapping[str, Rule] = {rule.id: rule for rule in all_rules()}
DAY_S = 86_400.0

HEALTHY: Mapping[str, Mapping[str, object]] = {
    "house": {
        "inverter_current": 5.0,
        "mosfet_temperature_1": 34.0,
        "mosfet_temperature_2": 35.0,
        "state_of_charge": 60.0,
        "battery_voltage": 52.6,
        "battery_current": 4.0,
        "battery_stored_energy": 8600.0,
        "battery_state_of_health": 97.0,
        **{f"cell_voltage_{cell}": 3.285 + 0.0005 * cell for cell in range(1, 17)},
        **{f"battery_temperature_{probe}": 20.0 + probe for probe in range(1, 5)},
        "mppt_input_voltage": 250.0,
        "mppt_input_current": 4.0,
        "mppt_output_voltage": 52.6,
        "mppt_output_current": 18.4,
        "clock_error": 0.3,
        "can_frames_received": 1e6,
        "can_errors": 12.0,
        "card_errors": 0.0,
        "restarts": 2.0,
    },
    "gateway": {
        "clock_error": 0.4,
        "can_frames_received": 1e6,
        "can_errors": 12.0,
        "can_bus_off": 0.0,
        "can_bus_load": 13.0,
        "contactor_cycles": 40.0,
        "wifi_signal": -60.0,
        "restarts": 1.0,
    },
    "heat_pump": {
        "compressor_running": True,
        "fan_running": True,
        "defrost_active": False,
        "temp_inlet": 35.0,
        "temp_outlet": 40.0,
    },
    "mpp_inverter": {
        "fault_active": False,
        "inverter_heat_sink_temperature": 36.0,
        "output_load_percent": 12.0,
        "battery_charging_current": 0.0,
        "battery_voltage": 52.0,
        "battery_under_voltage": 47.0,
        "grid_voltage": 231.0,
        "poll_errors": 3.0,
        "outbox_depth": 0.0,
    },
    "battery": {
        "state_of_charge": 60.0,
        "voltage": 52.0,
        "current": 4.0,
        "power": 208.0,
        "requested_power": 200.0,
        "schedule_active": True,
        "temperature": 21.0,
        "stored_energy": 6144.0,
        "clock_valid": True,
        "intervals_failed": 0.0,
        "outbox_depth": 0.0,
    },
}
_CHARGE_AH = {"house": 8600.0 / 51.2 / 0.6, "battery": 6144.0 / 51.2 / 0.6}
_CURRENT = {"house": "battery_current", "battery": "current"}
_VOLTAGE = {"house": "battery_voltage", "battery": "voltage"}
_STORED = {"house": "battery_stored_energy", "battery": "stored_energy"}


@dataclass(frozen=True)
class Anomaly:
    """What happens at a node, and what is to be raised."""

    rule: str
    kind: str
    values: Mapping[str, object] = field(default_factory=dict)
    severity: Severity = Severity.WARNING
    happen: Callable[[NodeWorld], None] | None = None
    within_s: float | None = None
    what: str = ""
    """What happens, in words where the values do not say it."""


class LivingNode(NodeWorld):
    """A node whose charge follows its current, and whose counters count."""

    def __init__(self, kind: str, overrides: Mapping[str, Override] | None = None) -> None:
        super().__init__(kind, HEALTHY[kind], overrides)
        self.kind = kind
        self.conserving = True
        self.every_step.insert(0, self._count)

    def number(self, key: str) -> float:
        value = self.values[key]
        assert isinstance(value, (int, float))
        return float(value)

    def _count(self) -> None:
        if "can_frames_received" in self.values:
            self.values["can_frames_received"] = self.number("can_frames_received") + 1000.0
        if self.kind in _CURRENT and self.conserving:
            charge = self.number("state_of_charge")
            charge -= 100.0 * self.number(_CURRENT[self.kind]) * 10.0 / 3600.0 / _CHARGE_AH[self.kind]
            self.values["state_of_charge"] = charge
            self.values[_STORED[self.kind]] = charge / 100.0 * _CHARGE_AH[self.kind] * 51.2


def _growing(key: str, per_step: float) -> Callable[[NodeWorld], None]:
    def happen(world: NodeWorld) -> None:
        def grow() -> None:
            value = world.values[key]
            assert isinstance(value, (int, float))
            world.values[key] = value + per_step

        world.every_step.insert(0, grow)

    return happen


def _jump(world: NodeWorld) -> None:
    assert isinstance(world, LivingNode)
    world.conserving = False
    charge = world.number("state_of_charge") - 30.0
    world.values |= {
        "state_of_charge": charge,
        _STORED[world.kind]: charge / 100.0 * _CHARGE_AH[world.kind] * 51.2,
        _CURRENT[world.kind]: 0.0,
    }


def _freeze(world: NodeWorld) -> None:
    assert isinstance(world, LivingNode)
    world.conserving = False
    world.values[_CURRENT[world.kind]] = 45.0
    if world.kind == "battery":
        world.values |= {"power": 2340.0, "requested_power": 2340.0}


def _silence(world: NodeWorld) -> None:
    world.alive = False


def _cycle(period_s: float, defrost: bool = False) -> Callable[[NodeWorld], None]:
    def happen(world: NodeWorld) -> None:
        begun = world.monotonic_s

        def switch() -> None:
            into = (world.monotonic_s - begun) % period_s
            running = into < period_s / 2.0
            world.values |= {"compressor_running": running, "fan_running": running}
            world.values["defrost_active"] = defrost and into > period_s - 200.0

        world.every_step.insert(0, switch)

    return happen


_HOT_MOSFET = {"mosfet_temperature_1": 66.0}
ANOMALIES = [
    Anomaly("H1", "house", {"state_of_charge": 9.8, "battery_current": 0.0, "battery_stored_energy": 1405.0}),
    Anomaly("H2", "house", {"cell_voltage_7": 3.16}),
    Anomaly("H2", "house", {"cell_voltage_7": 3.10}, Severity.CRITICAL),
    Anomaly("H3", "house", {"battery_temperature_2": 47.0}),
    Anomaly("H3", "house", {"battery_temperature_2": 57.0}, Severity.CRITICAL),
    Anomaly("H4", "house", {"battery_temperature_1": 3.0}),
    Anomaly("H4", "house", {"battery_temperature_1": -2.0}, Severity.CRITICAL),
    Anomaly("H5", "house", _HOT_MOSFET),
    Anomaly("H5", "house", {"mosfet_temperature_1": 78.0}, Severity.CRITICAL),
    Anomaly("H6", "house", {"clock_error": 14.0}),
    Anomaly(
        "H7",
        "house",
        happen=_growing("can_errors", 20.0),
        within_s=120.0,
        what="twenty CAN errors every 10 s",
    ),
    Anomaly("H8", "house", {"card_errors": 1.0}),
    Anomaly("H9", "house", {"restarts": 5.0}),
    Anomaly("H9", "gateway", {"restarts": 4.0}),
    Anomaly("H10", "house", {"battery_state_of_health": 82.0}),
    Anomaly("H10", "house", {"battery_state_of_health": 68.0}, Severity.CRITICAL),
    Anomaly(
        "H11",
        "house",
        happen=_freeze,
        within_s=1920.0,
        what="charge and voltage stand still while a current flows",
    ),
    Anomaly("H12", "house", happen=_jump, within_s=60.0, what="the charge jumps without a current"),
    Anomaly("H13", "house", {"mppt_output_current": 14.0}),
    Anomaly("H14", "house", happen=_silence, within_s=120.0, what="nothing comes any more"),
    Anomaly("G1", "gateway", {"clock_error": 14.0}),
    Anomaly(
        "G2",
        "gateway",
        happen=_growing("can_errors", 20.0),
        within_s=120.0,
        what="twenty CAN errors every 10 s",
    ),
    Anomaly("G3", "gateway", {"can_bus_off": 1.0}, Severity.CRITICAL),
    Anomaly("G4", "gateway", {"can_bus_load": 70.0}),
    Anomaly("G5", "gateway", {"contactor_cycles": 47.0}),
    Anomaly("G6", "gateway", {"wifi_signal": -90.0}, Severity.INFO),
    Anomaly("G7", "gateway", happen=_silence, within_s=120.0, what="nothing comes any more"),
    Anomaly(
        "P1",
        "heat_pump",
        happen=_cycle(480.0),
        within_s=3.0 * DAY_S,
        what="the compressor starts every 8 min",
    ),
    Anomaly("P2", "heat_pump", {"fan_running": False}, Severity.CRITICAL),
    Anomaly("P3", "heat_pump", {"temp_outlet": 49.0}),
    Anomaly("P4", "heat_pump", happen=_silence, within_s=9000.0 + 180.0, what="nothing comes any more"),
    Anomaly("M1", "mpp_inverter", {"fault_active": True}, Severity.CRITICAL),
    Anomaly("M2", "mpp_inverter", {"inverter_heat_sink_temperature": 64.0}),
    Anomaly("M3", "mpp_inverter", {"inverter_heat_sink_temperature": 78.0, "output_load_percent": 80.0}),
    Anomaly(
        "M3",
        "mpp_inverter",
        {"inverter_heat_sink_temperature": 87.0, "output_load_percent": 80.0},
        Severity.CRITICAL,
    ),
    Anomaly("M4", "mpp_inverter", {"output_load_percent": 104.0}),
    Anomaly("M4", "mpp_inverter", {"output_load_percent": 120.0}, Severity.CRITICAL),
    Anomaly("M5", "mpp_inverter", {"battery_voltage": 46.5}, Severity.CRITICAL),
    Anomaly("M6", "mpp_inverter", {"grid_voltage": 255.0}),
    Anomaly(
        "M7",
        "mpp_inverter",
        happen=_growing("poll_errors", 2.0),
        within_s=120.0,
        what="two failed polls every 10 s",
    ),
    Anomaly("M8", "mpp_inverter", happen=_silence, within_s=400.0, what="nothing comes any more"),
    Anomaly("B1", "battery", {"state_of_charge": 9.9, "current": 0.0, "stored_energy": 1013.0}),
    Anomaly("B2", "battery", {"temperature": 47.0}),
    Anomaly("B2", "battery", {"temperature": 57.0}, Severity.CRITICAL),
    Anomaly("B3", "battery", {"temperature": 3.0}),
    Anomaly("B3", "battery", {"temperature": -2.0}, Severity.CRITICAL),
    Anomaly(
        "B4",
        "battery",
        happen=_freeze,
        within_s=1920.0,
        what="charge and voltage stand still while a current flows",
    ),
    Anomaly("B5", "battery", happen=_jump, within_s=60.0, what="the charge jumps without a current"),
    Anomaly("B6", "battery", {"clock_valid": False}),
    Anomaly("B7", "battery", {"requested_power": 2000.0}),
    Anomaly("B8", "battery", {"intervals_failed": 2.0}),
    Anomaly("B9", "battery", {"outbox_depth": 2000.0}),
    Anomaly("B9", "mpp_inverter", {"outbox_depth": 2000.0}),
    Anomaly("B10", "battery", happen=_silence, within_s=400.0, what="nothing comes any more"),
]
_JUMPS = {"H1", "B1"}
"""A low charge that comes at once does not follow the current: set before anything is judged."""


def test_every_rule_of_our_nodes_has_its_anomaly() -> None:
    assert {(anomaly.rule, anomaly.severity) for anomaly in ANOMALIES} >= severities(SWARM_RULES)
    assert {anomaly.rule for anomaly in ANOMALIES} == {rule.id for rule in SWARM_RULES}


def inject(anomaly: Anomaly) -> Injected:
    """Let it happen to a healthy node: its rule is raised, in time, and no other."""
    world = LivingNode(anomaly.kind)
    if anomaly.rule not in _JUMPS:
        assert world.run(1800.0) == []
    rule = RULES[anomaly.rule]
    within_s = latest_s(rule) if anomaly.within_s is None else anomaly.within_s
    world.values |= dict(anomaly.values)
    if anomaly.happen is not None:
        anomaly.happen(world)
    begun_s = world.utc_s
    found = world.run(within_s)

    assert [(finding.rule.id, finding.state, finding.severity) for finding in found] == [
        (anomaly.rule, EventState.RAISED, anomaly.severity)
    ], found
    took_s = found[0].time_s - begun_s
    assert rule.duration_s <= took_s <= within_s
    what = anomaly.what or values_of(anomaly.values)
    return Injected(rule, anomaly.kind, what, anomaly.severity, took_s, within_s)


@pytest.mark.parametrize(
    "anomaly", ANOMALIES, ids=lambda anomaly: f"{anomaly.rule}-{anomaly.kind}-{anomaly.severity.value}"
)
def test_an_anomaly_raises_its_rule_in_time_and_nothing_else(anomaly: Anomaly) -> None:
    assert inject(anomaly).row() in rows(), f"run {COMMAND}"


@pytest.mark.parametrize(("period_s", "defrost"), [(1200.0, False), (480.0, True)])
def test_three_starts_an_hour_and_starts_after_a_defrost_are_no_short_cycles(
    period_s: float, defrost: bool
) -> None:
    world = LivingNode("heat_pump")
    _cycle(period_s, defrost)(world)
    assert world.run(1.2 * DAY_S) == []
    states = world.engine.save()["watches"]
    (days,) = [row[-1][2] for row in states if row[0] == "P1"]
    assert days == []


def test_a_node_that_comes_back_clears_its_silence() -> None:
    world = LivingNode("house")
    world.alive = False
    world.run(300.0)
    assert world.raised() == {"H14"}
    world.alive = True
    world.run(60.0)
    assert world.raised() == set()


def test_a_counter_that_restarts_and_mains_that_are_off_raise_nothing() -> None:
    world = LivingNode("mpp_inverter")
    world.run(300.0)
    world.values |= {"poll_errors": 0.0, "grid_voltage": 0.0}
    assert world.run(1200.0) == []


TRENDS = [
    ("D1", BATTERY_TRENDS, "health_loss_at_least", 4.5),
    ("D2", BATTERY_TRENDS, "cell_spread_drift", 6.0),
    ("D3", BATTERY_TRENDS, "temperature_drift", 6.0),
    ("D4", BATTERY_TRENDS, "can_error_drift", 6.0),
    ("D5", BATTERY_TRENDS, "efficiency_drift", 6.0),
    ("P5", HEAT_PUMP_TRENDS, "refrigerant_drift", 6.0),
]


def inject_trend(rule_id: str, scope: str, name: str, value: float) -> Injected:
    """Let the assessment of a day tell it: its rule is raised at once, and no other, and cleared with it."""
    engine = Engine(all_rules(), {"P5": Override(enabled=True)})
    quiet = dict.fromkeys(TREND_NAMES[scope], 1.0)
    assert engine.judge([TrendSubject("t", scope, quiet)], 300, monotonic_s=0.0, utc_s=0.0) == []
    told = [TrendSubject("t", scope, quiet | {name: value})]
    found = engine.judge(told, 300, monotonic_s=300.0, utc_s=300.0)
    assert [finding.rule.id for finding in found] == [rule_id]
    (over,) = engine.judge([TrendSubject("t", scope, quiet)], 300, monotonic_s=600.0, utc_s=600.0)
    assert over.state is EventState.CLEARED
    rule = RULES[rule_id]
    kind = "heat_pump" if scope == HEAT_PUMP_TRENDS else "battery of any kind"
    return Injected(rule, kind, values_of({name: value}), found[0].severity, 300.0, latest_s(rule))


@pytest.mark.parametrize(("rule", "scope", "name", "value"), TRENDS)
def test_a_trend_raises_its_rule(rule: str, scope: str, name: str, value: float) -> None:
    assert {row[0] for row in TRENDS} == {each.id for each in TREND_RULES}
    assert inject_trend(rule, scope, name, value).row() in rows(), f"run {COMMAND}"

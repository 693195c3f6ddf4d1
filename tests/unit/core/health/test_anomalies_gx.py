"""Every trouble put into a healthy station raises its own rule, in time, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from microgrid_core.contract.messages import EventState, Severity
from microgrid_core.health.rule import Override, Rule
from microgrid_core.health.rules import all_rules
from microgrid_core.health.rules_gx import GX_RULES
from script.generators.rules import latest_s
from tests.unit.core.health.injected import COMMAND, Injected, rows, severities, values_of
from tests.unit.core.health.worlds import CAN, GxWorld, can_statistics

RULES: Mapping[str, Rule] = {rule.id: rule for rule in all_rules()}
HOUR_S = 3600.0


@dataclass(frozen=True)
class Anomaly:
    """What happens, and what is to be raised."""

    rule: str
    values: Mapping[str, object]
    severity: Severity = Severity.WARNING
    happen: Callable[[GxWorld], None] | None = None
    within_s: float | None = None
    """When the quantity needs time to build up."""
    healed: Mapping[str, object] | None = None
    """What ends it; None for what must be ended otherwise."""
    override: Override | None = None
    what: str = ""
    """What happens, in words where the values do not say it."""


def _leave(world: GxWorld) -> None:
    world.conserving = False
    world.tree.leave("battery", 512)


def _silence(world: GxWorld) -> None:
    world.alive = False


def _freeze(world: GxWorld) -> None:
    world.conserving = False
    world.put({"battery/512/Dc/0/Current": -60.0, "vebus/276/Dc/0/Current": -60.0})


def _jump(world: GxWorld) -> None:
    """As in the field: from 99 to 11 % with 1 Ah."""
    world.conserving = False
    world.put({"battery/512/Soc": 11.0})


def _errors(world: GxWorld) -> None:
    base = world.monotonic_s

    def can() -> str:
        packets = round(world.monotonic_s) * 50
        return can_statistics(packets=7_470_000 + packets, errors=649 + round(world.monotonic_s - base))

    world.can = can


def _stop(world: GxWorld) -> None:
    world.can = lambda: can_statistics(packets=7_470_000 + round(world.monotonic_s) * 50, error_passive=3)


def _state(state: str) -> Callable[[GxWorld], None]:
    def happen(world: GxWorld) -> None:
        world.can = lambda: can_statistics(
            state, packets=7_470_000 + round(world.monotonic_s) * 50, error_passive=1
        )

    return happen


def _no_contact(world: GxWorld) -> None:
    world.contact = lambda: world.utc_s - 3000.0


def _buffer(world: GxWorld) -> None:
    begun = world.monotonic_s
    world.every_step.append(
        lambda: world.put({"logger/0/Buffer/Count": (world.monotonic_s - begun) // 300.0})
    )


def _flicker(world: GxWorld) -> None:
    """Three losses of 20 s, an hour apart."""
    begun = world.monotonic_s

    def happen() -> None:
        into = (world.monotonic_s - begun) % HOUR_S
        world.put({"vebus/276/Ac/ActiveIn/Connected": 0 if 100.0 <= into < 120.0 else 1})

    world.every_step.append(happen)


ANOMALIES = [
    Anomaly(
        "C1", {"system/0/Dc/Battery/Soc": 8.0}, Severity.CRITICAL, healed={"system/0/Dc/Battery/Soc": 30.0}
    ),
    Anomaly("C2a", {"vebus/276/Alarms/GridLost": 1}, healed={"vebus/276/Alarms/GridLost": 0}),
    Anomaly(
        "C2a",
        {"vebus/276/Alarms/GridLost": 2, "vebus/276/Ac/ActiveIn/Connected": 0},
        Severity.CRITICAL,
        healed={"vebus/276/Alarms/GridLost": 0, "vebus/276/Ac/ActiveIn/Connected": 1},
    ),
    Anomaly(
        "C2b",
        {"vebus/276/Ac/ActiveIn/ActiveInput": 240},
        Severity.CRITICAL,
        healed={"vebus/276/Ac/ActiveIn/ActiveInput": 0},
    ),
    Anomaly(
        "C3a",
        {"vebus/276/Alarms/BmsConnectionLost": 2},
        Severity.CRITICAL,
        healed={"vebus/276/Alarms/BmsConnectionLost": 0},
    ),
    Anomaly(
        "C3a", {"vebus/276/Alarms/BmsConnectionLost": 1}, healed={"vebus/276/Alarms/BmsConnectionLost": 0}
    ),
    Anomaly("C3b", {"battery/512/Connected": 0}, Severity.CRITICAL, healed={"battery/512/Connected": 1}),
    Anomaly("C3b", {}, Severity.CRITICAL, _leave, what="the battery leaves the bus"),
    Anomaly(
        "C4a",
        {"battery/512/Alarms/HighCellVoltage": 2},
        Severity.CRITICAL,
        healed={"battery/512/Alarms/HighCellVoltage": 0},
    ),
    Anomaly("C4a", {"vebus/276/Alarms/HighDcVoltage": 1}, healed={"vebus/276/Alarms/HighDcVoltage": 0}),
    Anomaly(
        "C4b",
        {"battery/512/Info/MaxChargeVoltage": 51.7},
        Severity.CRITICAL,
        healed={"battery/512/Info/MaxChargeVoltage": 56.8},
    ),
    Anomaly(
        "C4c",
        {"battery/512/Info/BatteryLowVoltage": 53.0},
        Severity.CRITICAL,
        healed={"battery/512/Info/BatteryLowVoltage": 44.8},
    ),
    Anomaly(
        "C4d",
        {"battery/512/System/NrOfCellsPerBattery": 14},
        Severity.CRITICAL,
        healed={"battery/512/System/NrOfCellsPerBattery": 16},
        override=Override(enabled=True),
    ),
    Anomaly(
        "C5a", {}, Severity.WARNING, _state("ERROR-PASSIVE"), within_s=600.0, what="the controller is passive"
    ),
    Anomaly("C5a", {}, Severity.CRITICAL, _state("BUS-OFF"), within_s=600.0, what="the controller is off"),
    Anomaly(
        "C5b",
        {},
        Severity.CRITICAL,
        _stop,
        within_s=600.0,
        what="the controller has gone passive three times",
    ),
    Anomaly("C5c", {}, Severity.CRITICAL, _errors, within_s=600.0, what="one CAN error a second"),
    Anomaly(
        "C6",
        {"platform/0/Device/DataPartitionFullError": 1},
        Severity.CRITICAL,
        healed={"platform/0/Device/DataPartitionFullError": 0},
    ),
    Anomaly("W1", {"system/0/Dc/Battery/Soc": 18.0}, healed={"system/0/Dc/Battery/Soc": 30.0}),
    Anomaly("W2", {"battery/512/Soh": 84.0}, healed={"battery/512/Soh": 97.0}),
    Anomaly("W2", {"battery/512/Soh": 65.0}, Severity.CRITICAL, healed={"battery/512/Soh": 97.0}),
    Anomaly("W3a", {"battery/512/Alarms/CellImbalance": 1}, healed={"battery/512/Alarms/CellImbalance": 0}),
    Anomaly(
        "W3a",
        {"battery/512/Alarms/CellImbalance": 2},
        Severity.CRITICAL,
        healed={"battery/512/Alarms/CellImbalance": 0},
    ),
    Anomaly(
        "W3b",
        {"battery/512/System/MaxCellVoltage": 3.39},
        healed={"battery/512/System/MaxCellVoltage": 3.281},
    ),
    Anomaly(
        "W3b",
        {"battery/512/System/MaxCellVoltage": 3.47},
        Severity.CRITICAL,
        healed={"battery/512/System/MaxCellVoltage": 3.281},
    ),
    Anomaly(
        "W4a",
        {"battery/512/System/MaxCellTemperature": 47.0},
        healed={"battery/512/System/MaxCellTemperature": 25.0},
    ),
    Anomaly(
        "W4a",
        {"battery/512/System/MaxCellTemperature": 58.0, "battery/512/Dc/0/Temperature": 57.0},
        Severity.CRITICAL,
        healed={"battery/512/System/MaxCellTemperature": 25.0, "battery/512/Dc/0/Temperature": 24.0},
    ),
    Anomaly(
        "W4b",
        {"battery/512/System/MinCellTemperature": 3.0},
        healed={"battery/512/System/MinCellTemperature": 22.0},
    ),
    Anomaly(
        "W4b",
        {"battery/512/System/MinCellTemperature": -1.0},
        Severity.CRITICAL,
        healed={"battery/512/System/MinCellTemperature": 22.0},
    ),
    Anomaly("W4c", {"battery/512/Dc/0/Temperature": 52.0}, healed={"battery/512/Dc/0/Temperature": 24.0}),
    Anomaly(
        "W4c",
        {"battery/512/Dc/0/Temperature": 56.0},
        Severity.CRITICAL,
        healed={"battery/512/Dc/0/Temperature": 24.0},
    ),
    Anomaly("W5", {"vebus/276/Ac/ActiveIn/L1/F": 49.2}, healed={"vebus/276/Ac/ActiveIn/L1/F": 50.0}),
    Anomaly(
        "W5",
        {"vebus/276/Ac/ActiveIn/L1/F": 51.4},
        Severity.CRITICAL,
        healed={"vebus/276/Ac/ActiveIn/L1/F": 50.0},
    ),
    Anomaly("W6a", {}, happen=_no_contact, within_s=600.0, what="the portal was last reached 50 min ago"),
    Anomaly("W6b", {"logger/0/Vrm/ConnectionError": 154}, healed={"logger/0/Vrm/ConnectionError": 0}),
    Anomaly("W6c", {}, happen=_buffer, within_s=2400.0, what="the buffer grows by a record every 5 min"),
    Anomaly(
        "W7",
        {"platform/0/Firmware/Online/AvailableVersion": "v3.70"},
        Severity.INFO,
        healed={"platform/0/Firmware/Online/AvailableVersion": "v3.60"},
    ),
    Anomaly("X1", {}, happen=_jump, within_s=60.0, what="the charge jumps to 11 % without a current"),
    Anomaly(
        "X2",
        {},
        happen=_freeze,
        within_s=1800.0 + 120.0,
        what="charge and voltage stand still while 60 A flow",
    ),
    Anomaly("X3", {"vebus/276/Dc/0/Voltage": 50.9}, healed={"vebus/276/Dc/0/Voltage": 52.3}),
    Anomaly("X4", {}, happen=_flicker, within_s=3 * HOUR_S, what="the grid is away for 20 s each hour"),
    Anomaly(
        "X5a",
        {"battery/512/System/NrOfModulesOffline": 1},
        Severity.CRITICAL,
        healed={"battery/512/System/NrOfModulesOffline": 0},
    ),
    Anomaly(
        "X5b",
        {"battery/512/System/NrOfModulesBlockingDischarge": 1},
        healed={"battery/512/System/NrOfModulesBlockingDischarge": 0},
    ),
    Anomaly(
        "X6a", {"battery/512/Info/MaxChargeCurrent": 0.0}, healed={"battery/512/Info/MaxChargeCurrent": 150.0}
    ),
    Anomaly(
        "X6b",
        {"battery/512/Info/MaxDischargeCurrent": 0.0},
        healed={"battery/512/Info/MaxDischargeCurrent": 200.0},
    ),
    Anomaly("X7a", {"battery/512/Alarms/ChargeBlocked": 1}, healed={"battery/512/Alarms/ChargeBlocked": 0}),
    Anomaly(
        "X7a",
        {"battery/512/Alarms/DischargeBlocked": 2},
        Severity.CRITICAL,
        healed={"battery/512/Alarms/DischargeBlocked": 0},
    ),
    Anomaly(
        "X7b", {"system/0/SystemState/ChargeDisabled": 1}, healed={"system/0/SystemState/ChargeDisabled": 0}
    ),
    Anomaly(
        "X7c",
        {"system/0/SystemState/DischargeDisabled": 1},
        healed={"system/0/SystemState/DischargeDisabled": 0},
    ),
    Anomaly("X8", {}, happen=_silence, within_s=40.0, what="nothing comes any more"),
    Anomaly(
        "X9",
        {"system/0/Control/ActiveSocLimit": 61.0},
        Severity.INFO,
        healed={"system/0/Control/ActiveSocLimit": 15.0},
    ),
    Anomaly(
        "X10a",
        {"battery/512/Alarms/InternalFailure": 2},
        Severity.CRITICAL,
        healed={"battery/512/Alarms/InternalFailure": 0},
    ),
    Anomaly("X10a", {"tank/20/Alarms/High/State": 1}, healed={"tank/20/Alarms/High/State": 0}),
    Anomaly("X10a", {"vebus/276/Alarms/L1/Overload": 1}, healed={"vebus/276/Alarms/L1/Overload": 0}),
    Anomaly("X10b", {"vebus/276/VebusError": 11}, Severity.CRITICAL, healed={"vebus/276/VebusError": 0}),
    Anomaly(
        "X10b", {"solarcharger/279/ErrorCode": 2}, Severity.CRITICAL, healed={"solarcharger/279/ErrorCode": 0}
    ),
    Anomaly(
        "X11",
        {"battery/512/Info/MaxDischargeCurrent": 10.0},
        healed={"battery/512/Info/MaxDischargeCurrent": 200.0},
    ),
    Anomaly(
        "X12",
        {"battery/512/System/MinCellVoltage": 3.06, "battery/512/System/MaxCellVoltage": 3.12},
        healed={"battery/512/System/MinCellVoltage": 3.272, "battery/512/System/MaxCellVoltage": 3.281},
    ),
    Anomaly(
        "X12",
        {"battery/512/System/MinCellVoltage": 2.95, "battery/512/System/MaxCellVoltage": 3.02},
        Severity.CRITICAL,
        healed={"battery/512/System/MinCellVoltage": 3.272, "battery/512/System/MaxCellVoltage": 3.281},
    ),
]


def test_every_rule_of_a_station_has_its_anomaly() -> None:
    assert {(anomaly.rule, anomaly.severity) for anomaly in ANOMALIES} >= severities(GX_RULES)
    assert {anomaly.rule for anomaly in ANOMALIES} == {rule.id for rule in GX_RULES}


def inject(anomaly: Anomaly) -> tuple[GxWorld, Injected]:
    """Let it happen to a healthy station: its rule is raised, in time, and no other."""
    world = GxWorld(None if anomaly.override is None else {anomaly.rule: anomaly.override})
    assert world.run(1800.0) == []
    rule = RULES[anomaly.rule]
    within_s = latest_s(rule) if anomaly.within_s is None else anomaly.within_s

    world.put(anomaly.values)
    if anomaly.happen is not None:
        anomaly.happen(world)
    begun_s = world.utc_s
    found = world.run(max(within_s, 900.0) if anomaly.rule != "X4" else within_s)

    assert [(finding.rule.id, finding.state, finding.severity) for finding in found[:1]] == [
        (anomaly.rule, EventState.RAISED, anomaly.severity)
    ], found
    assert {finding.rule.id for finding in found} == {anomaly.rule}, found
    took_s = found[0].time_s - begun_s
    assert rule.duration_s <= took_s <= within_s
    assert world.raised() == {anomaly.rule}
    return world, Injected(
        rule, "Victron GX", anomaly.what or values_of(anomaly.values), anomaly.severity, took_s, within_s
    )


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: f"{anomaly.rule}-{anomaly.severity.value}")
def test_an_anomaly_raises_its_rule_in_time_and_nothing_else(anomaly: Anomaly) -> None:
    world, injected = inject(anomaly)
    assert injected.row() in rows(), f"run {COMMAND}"
    rule = RULES[anomaly.rule]
    if anomaly.healed is not None:
        world.put(anomaly.healed)
        assert {(finding.rule.id, finding.state) for finding in world.run(2.0 * rule.tier_s)} == {
            (anomaly.rule, EventState.CLEARED)
        }
        assert world.raised() == set()
        assert world.run(1800.0) == []


def test_a_charge_that_falls_raises_the_warning_first_and_then_the_critical_rule() -> None:
    world = GxWorld()
    world.put({"system/0/Dc/Battery/Soc": 18.0})
    world.run(300.0)
    world.put({"system/0/Dc/Battery/Soc": 9.0})
    world.run(300.0)
    assert [finding.rule.id for finding in world.findings] == ["W1", "C1"]
    assert world.raised() == {"W1", "C1"}


def test_a_station_on_its_generator_or_switched_to_inverter_only_has_not_lost_the_grid() -> None:
    for values in (
        {"settings/0/Settings/SystemSetup/AcInput1": 2},
        {"settings/0/Settings/SystemSetup/AcInput1": 3},
        {"vebus/276/Mode": 2},
        {"vebus/276/Ac/State/IgnoreAcIn1": 1},
    ):
        world = GxWorld()
        world.put(values)
        world.put({"vebus/276/Ac/ActiveIn/Connected": 0, "vebus/276/Ac/ActiveIn/ActiveInput": 240})
        assert world.run(HOUR_S) == [], values


def test_off_grid_frequency_is_nobodys_alarm() -> None:
    world = GxWorld()
    world.put({"vebus/276/Ac/ActiveIn/L1/F": 51.4})
    world.run(300.0)
    assert world.raised() == {"W5"}
    world.put({"vebus/276/Mode": 2, "vebus/276/Ac/ActiveIn/Connected": 0})
    (cleared,) = world.run(120.0)
    assert (cleared.state, cleared.value) == (EventState.CLEARED, None)


def test_a_charge_that_is_set_to_full_is_no_jump() -> None:
    world = GxWorld()
    world.run(1800.0)
    world.conserving = False
    world.put({"battery/512/Soc": 100.0})
    assert world.run(HOUR_S) == []


def test_a_few_can_errors_among_millions_of_packets_are_normal() -> None:
    world = GxWorld()
    count = [649]

    def can() -> str:
        count[0] += 150
        return can_statistics(packets=7_470_000 + count[0] * 2000, errors=count[0])

    world.can = can
    assert world.run(2.0 * HOUR_S) == []


@pytest.mark.parametrize(
    "payload", ["", "[]", "{", "[[[", 5, "[1]", '{"linkinfo":{"info_data":{"state":"NEW"}}}']
)
def test_can_statistics_that_are_not_understood_raise_nothing(payload: object) -> None:
    world = GxWorld()
    world.can = lambda: payload
    assert world.run(1800.0) == []
    assert world.get("system/0/Dc/Battery/Soc") == 62.0
    assert CAN

"""A healthy station and healthy nodes, a clock and an engine: what the tests of rules disturb."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from microgrid_core.gx.tree import Tree
from microgrid_core.gx.value import Address, Told
from microgrid_core.health.engine import Engine, Finding
from microgrid_core.health.rule import TIERS_S, Override
from microgrid_core.health.rules import all_rules
from microgrid_core.health.subject import DeviceSubject, NodeSubject, Subject
from microgrid_core.model.swarm import Node, Swarm

START_S = 1_790_000_000.0
CAN = "platform/0/CanBus/Interface/can0/Statistics"


def can_statistics(
    state: str = "ERROR-ACTIVE", packets: int = 7_470_000, errors: int = 649, **stops: int
) -> str:
    """What `ip -json -details -statistics link` says of a CAN interface."""
    counted = {"bus_off": 0, "error_passive": 0, "error_warning": 0, **stops}
    return json.dumps(
        [
            {
                "linkinfo": {
                    "info_data": {"state": state, "berr_counter": {"tx": 0, "rx": 0}},
                    "info_xstats": counted,
                },
                "stats64": {
                    "rx": {"packets": packets, "errors": errors},
                    "tx": {"packets": 500, "errors": 0},
                },
            }
        ]
    )


HEALTHY_STATION: Mapping[str, object] = {
    "system/0/Dc/Battery/Soc": 62.0,
    "system/0/Ac/ActiveIn/Source": 1,
    "system/0/ActiveBatteryService": "com.victronenergy.battery/512",
    "system/0/Control/ActiveSocLimit": 15.0,
    "system/0/SystemState/ChargeDisabled": 0,
    "system/0/SystemState/DischargeDisabled": 0,
    "system/0/Dvcc/Alarms/MultipleBatteries": 0,
    "settings/0/Settings/SystemSetup/AcInput1": 1,
    "settings/0/Settings/SystemSetup/AcInput2": 0,
    "settings/0/Settings/Network/VrmPortal": 2,
    "settings/0/Settings/Vrmlogger/LogInterval": 900,
    "settings/0/Settings/Alarm/System/GridLost": 2,
    "settings/0/Settings/Generator0/Alarms/NoGeneratorAtAcIn": 1,
    "settings/0/Settings/Generator0/Alarms/AutoStartDisabled": 1,
    "vebus/276/Mode": 3,
    "vebus/276/VebusError": 0,
    "vebus/276/Alarms/GridLost": 0,
    "vebus/276/Alarms/BmsConnectionLost": 0,
    "vebus/276/Alarms/HighDcVoltage": 0,
    "vebus/276/Alarms/L1/Overload": 0,
    "vebus/276/Alarms/Ripple": 0,
    "vebus/276/Ac/ActiveIn/Connected": 1,
    "vebus/276/Ac/ActiveIn/ActiveInput": 0,
    "vebus/276/Ac/ActiveIn/L1/F": 50.02,
    "vebus/276/Ac/State/IgnoreAcIn1": 0,
    "vebus/276/Dc/0/Voltage": 52.30,
    "vebus/276/Dc/0/Current": -12.5,
    "battery/512/Connected": 1,
    "battery/512/DeviceInstance": 512,
    "battery/512/Soc": 62.0,
    "battery/512/Soh": 97.0,
    "battery/512/Capacity": 300.0,
    "battery/512/Dc/0/Voltage": 52.38,
    "battery/512/Dc/0/Current": -13.0,
    "battery/512/Dc/0/Temperature": 24.0,
    "battery/512/Info/MaxChargeVoltage": 56.8,
    "battery/512/Info/BatteryLowVoltage": 44.8,
    "battery/512/Info/MaxChargeCurrent": 150.0,
    "battery/512/Info/MaxDischargeCurrent": 200.0,
    "battery/512/System/MaxCellVoltage": 3.281,
    "battery/512/System/MinCellVoltage": 3.272,
    "battery/512/System/MaxCellTemperature": 25.0,
    "battery/512/System/MinCellTemperature": 22.0,
    "battery/512/System/NrOfModulesOffline": 0,
    "battery/512/System/NrOfModulesBlockingCharge": 0,
    "battery/512/System/NrOfModulesBlockingDischarge": 0,
    "battery/512/System/NrOfCellsPerBattery": 16,
    "battery/512/Alarms/CellImbalance": 0,
    "battery/512/Alarms/HighVoltage": 0,
    "battery/512/Alarms/HighCellVoltage": 0,
    "battery/512/Alarms/ChargeBlocked": 0,
    "battery/512/Alarms/DischargeBlocked": 0,
    "battery/512/Alarms/InternalFailure": 0,
    "battery/512/ErrorCode": 0,
    "solarcharger/279/ErrorCode": 0,
    "solarcharger/279/Alarms/HighTemperature": 0,
    "tank/20/Alarms/High/State": 0,
    "tank/20/Alarms/High/Active": 90,
    "platform/0/Device/DataPartitionFullError": 0,
    "platform/0/Device/DataPartitionError": 0,
    "platform/0/Firmware/Installed/Version": "v3.60",
    "platform/0/Firmware/Online/AvailableVersion": "v3.60",
    CAN: can_statistics(),
    "logger/0/Vrm/TimeLastContact": START_S,
    "logger/0/Vrm/ConnectionError": 0,
    "logger/0/Buffer/Count": 0,
}
"""A made-up 48 V system with 300 Ah on the grid, discharging by 13 A."""


class World:
    """A clock, subjects and the engine with all rules."""

    def __init__(self, overrides: Mapping[str, Override] | None = None) -> None:
        self.monotonic_s = 1000.0
        self.utc_s = START_S
        self.engine = Engine(all_rules(), overrides)
        self.findings: list[Finding] = []
        self.every_step: list[Callable[[], None]] = []
        self._steps = 0

    def subjects(self) -> Iterable[Subject]:
        raise NotImplementedError

    def step(self) -> list[Finding]:
        """Ten seconds."""
        self.monotonic_s += 10.0
        self.utc_s += 10.0
        self._steps += 1
        for happen in self.every_step:
            happen()
        found = []
        for tier_s in TIERS_S:
            if self._steps % (tier_s // 10) == 0:
                found += self.engine.judge(
                    list(self.subjects()), tier_s, monotonic_s=self.monotonic_s, utc_s=self.utc_s
                )
        self.findings += found
        return found

    def run(self, seconds: float) -> list[Finding]:
        found = []
        for _ in range(round(seconds / 10.0)):
            found += self.step()
        return found

    def raised(self) -> set[str]:
        return {active.rule.id for active in self.engine.active}


class GxWorld(World):
    """One station in a real tree, as the MQTT transport fills it."""

    def __init__(self, overrides: Mapping[str, Override] | None = None) -> None:
        super().__init__(overrides)
        self.tree = Tree(monotonic=lambda: self.monotonic_s, wall=lambda: self.utc_s)
        self.tree.pushed = True
        self.alive = True
        self.conserving = True
        """Whether the charge of the battery follows its current."""
        self.can: Callable[[], object] = lambda: can_statistics(
            packets=7_470_000 + round(self.monotonic_s) * 50
        )
        self.contact: Callable[[], float] = lambda: self.utc_s
        """What it says of its CAN bus, and when it spoke to the portal."""
        self.put(HEALTHY_STATION)
        self.every_step += [self._live, self._talk]
        self._drawn_ah = 0.0

    def subjects(self) -> Iterable[Subject]:
        return [DeviceSubject("gx-1", self.tree, device) for device in self.tree.devices.values()]

    def put(self, values: Mapping[str, object]) -> None:
        for address, value in values.items():
            service, instance, path = address.split("/", 2)
            self.tree.tell(Address(service, int(instance), f"/{path}"), Told(value))  # type: ignore[arg-type]

    def get(self, address: str) -> float:
        service, instance, path = address.split("/", 2)
        leaf = self.tree.leaf(Address(service, int(instance), f"/{path}"))
        assert leaf is not None
        assert leaf.number is not None
        return leaf.number

    def _live(self) -> None:
        """The charge follows the current, counters count, the heartbeat beats."""
        if not self.alive:
            return
        self.tree.alive()
        if not self.conserving:
            return
        self._drawn_ah -= self.get("battery/512/Dc/0/Current") * 10.0 / 3600.0
        wiggle = 0.01 if round(self.monotonic_s / 10.0) % 2 else 0.0
        charge = round(62.0 - 100.0 * self._drawn_ah / 300.0, 1)
        self.put({"battery/512/Soc": charge, "battery/512/Dc/0/Voltage": 52.38 + wiggle})

    def _talk(self) -> None:
        """What the GX computes when it is asked, and its contact with the portal."""
        if self.alive and round(self.monotonic_s) % 300 == 0:
            self.put({CAN: self.can(), "logger/0/Vrm/TimeLastContact": self.contact()})


class NodeWorld(World):
    """One node in a real swarm."""

    def __init__(
        self, kind: str, values: Mapping[str, object], overrides: Mapping[str, Override] | None = None
    ):
        super().__init__(overrides)
        self.swarm = Swarm(
            "home",
            "Home",
            monotonic=lambda: self.monotonic_s,
            utc_now=lambda: datetime.fromtimestamp(self.utc_s, UTC),
        )
        node = self.swarm.ensure("node-1", kind, "Node", missed_intervals=30.0)
        assert isinstance(node, Node)
        self.node = node
        self.values = dict(values)
        self.alive = True
        self.every_step.append(self._live)
        self._live()

    def subjects(self) -> Iterable[Subject]:
        return [NodeSubject(self.node)]

    def _live(self) -> None:
        if self.alive:
            self.swarm.take(self.node, self.values, datetime.fromtimestamp(self.utc_s, UTC))
        self.swarm.tick()

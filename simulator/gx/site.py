"""A house of the simulated neighbourhood as a Victron ESS: MultiPlus, Pylontech battery, MPPT, meter, GX.

What the physics knows comes from it; the rest is what such a station says on a quiet day. `hold` keeps values
as a fault would have them, whatever the physics says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from microgrid_core.gx.value import Address, Value

from ..physics.battery import MAX_CHARGE_A, MAX_DISCHARGE_A, NOMINAL_CAPACITY_AH
from ..physics.neighbourhood import Neighbourhood
from .station import DEFAULT_PORTAL, Station

VEBUS, BATTERY, CHARGER, GRID = ("vebus", 276), ("battery", 512), ("solarcharger", 278), ("grid", 30)
_SETTINGS = ("settings", 0)
_PHYSICS_STEP_S = 0.1
_HISTORY_DAYS = 31
_CHARGE_VOLTAGE_V = 3.5
"""For each cell; a Pylontech asks for about as much."""
_CAPACITY_WS = NOMINAL_CAPACITY_AH * 51.2 * 3600.0
_STIFFNESS = 20.0
"""So much less than that of a house on its own does the frequency of the mains give way."""
_SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
_CAN_NAME = "com.victronenergy.battery.socketcan_can0"

_QUIET: dict[tuple[str, int], dict[str, Value]] = {
    VEBUS: {
        "/ProductName": "MultiPlus-II 48/5000/70-50",
        "/ProductId": 9763,
        "/FirmwareVersion": 0x552,
        "/Mode": 3,
        "/ModeIsAdjustable": 1,
        "/State": 252,
        "/VebusError": 0,
        "/VebusChargeState": 1,
        "/Ac/NumberOfPhases": 1,
        "/Ac/ActiveIn/ActiveInput": 0,
        "/Ac/ActiveIn/Connected": 1,
        "/Ac/ActiveIn/CurrentLimit": 50.0,
        "/Ac/ActiveIn/L2/V": None,
        "/Ac/Out/L2/V": None,
        "/Alarms/BmsConnectionLost": 0,
        "/Alarms/GridLost": 0,
        "/Alarms/HighDcVoltage": 0,
        "/Alarms/HighTemperature": 0,
        "/Alarms/LowBattery": 0,
        "/Alarms/Overload": 0,
        "/Alarms/Ripple": 0,
        "/Hub4/L1/AcPowerSetpoint": 0.0,
        "/Hub4/Sustain": 0,
        "/Soc": None,
    },
    BATTERY: {
        "/ProductName": "Pylontech battery",
        "/ProductId": 0xB009,
        "/Connected": 1,
        "/Capacity": NOMINAL_CAPACITY_AH,
        "/InstalledCapacity": NOMINAL_CAPACITY_AH,
        "/System/NrOfModulesOnline": 2,
        "/System/NrOfModulesOffline": 0,
        "/System/NrOfModulesBlockingCharge": 0,
        "/System/NrOfModulesBlockingDischarge": 0,
        "/System/MinVoltageCellId": "C1",
        "/System/MaxVoltageCellId": "C2",
        "/Alarms/CellImbalance": 0,
        "/Alarms/HighCellVoltage": 0,
        "/Alarms/HighChargeCurrent": 0,
        "/Alarms/HighDischargeCurrent": 0,
        "/Alarms/HighTemperature": 0,
        "/Alarms/HighVoltage": 0,
        "/Alarms/InternalFailure": 0,
        "/Alarms/LowSoc": 0,
        "/Alarms/LowTemperature": 0,
        "/Alarms/LowVoltage": 0,
        "/Info/MaxChargeCurrent": MAX_CHARGE_A,
        "/Info/MaxDischargeCurrent": MAX_DISCHARGE_A,
        "/Info/ChargeRequest": 0,
        "/Io/AllowToCharge": 1,
        "/Io/AllowToDischarge": 1,
    },
    CHARGER: {
        "/ProductName": "SmartSolar Charger MPPT 150/35",
        "/ProductId": 0xA049,
        "/Mode": 1,
        "/State": 3,
        "/ErrorCode": 0,
        "/MppOperationMode": 2,
        "/Relay/0/State": 0,
        "/NrOfTrackers": 1,
    },
    GRID: {"/ProductName": "Grid meter", "/Role": "grid", "/ErrorCode": 0, "/DeviceType": 345},
    ("platform", 0): {
        "/Device/Model": "Cerbo GX",
        "/Device/UniqueId": DEFAULT_PORTAL,
        "/Device/HQSerialNumber": "HQ2301ABCDE",
        "/Device/DataPartitionError": 0,
        "/Device/DataPartitionFullError": 0,
        "/Device/Reboot": 0,
        "/Firmware/Installed/Version": "v3.72",
        "/Firmware/Online/AvailableVersion": None,
        "/Firmware/State": 1000,
        "/ModificationChecks/FsModifiedState": 0,
        "/Network/Wifi/SignalStrength": 70,
        "/Network/Wifi/State": "online",
        "/Network/Services": json.dumps({"wifi": {"home": {"State": "online", "Strength": 70}}}),
        "/Notifications/NumberOfActiveAlarms": 0,
        "/Notifications/NumberOfActiveNotifications": 0,
        "/Notifications/NumberOfActiveWarnings": 0,
        "/Mqtt/Bridges/GXdbus/Connected": 1,
        "/CanBus/Interfaces": json.dumps([{"interface": "can0", "config": 3}]),
    },
    ("logger", 0): {"/Vrm/ConnectionError": 0, "/Buffer/Count": 0, "/Buffer/ErrorState": 0},
    ("hub4", 0): {
        "/DeviceInstance": 0,
        "/MaxChargePower": 2500.0,
        "/MaxDischargePower": 4000.0,
        "/Overrides/ForceCharge": 0,
        "/Overrides/MaxDischargePower": -1.0,
        "/Overrides/Setpoint": None,
        "/PvPowerLimiterActive": 0,
    },
    _SETTINGS: {
        "/Settings/CGwacs/AcPowerSetPoint": 50.0,
        "/Settings/CGwacs/BatteryLife/MinimumSocLimit": 20.0,
        "/Settings/CGwacs/BatteryLife/SocLimit": 20.0,
        "/Settings/CGwacs/BatteryLife/State": 10,
        "/Settings/CGwacs/Hub4Mode": 1,
        "/Settings/Network/VrmPortal": 1,
        "/Settings/Services/MqttLocal": 1,
        "/Settings/System/SecurityProfile": 0,
        "/Settings/SystemSetup/AcInput1": 1,
        "/Settings/SystemSetup/AcInput2": 0,
        "/Settings/SystemSetup/SystemName": "",
        "/Settings/Vrmlogger/LogInterval": 900,
    },
    ("system", 0): {
        "/ActiveBatteryService": "com.victronenergy.battery/512",
        "/ActiveBmsService": _CAN_NAME,
        "/Ac/ActiveIn/Source": 1,
        "/Control/ActiveSocLimit": 20,
        "/Control/Dvcc": 1,
        "/Relay/0/State": 0,
        "/Relay/1/State": 0,
        "/SystemState/ChargeDisabled": 0,
        "/SystemState/DischargeDisabled": 0,
        "/SystemState/LowSoc": 0,
        "/SystemState/State": 252,
        "/SystemType": "ESS",
    },
}
_SLOT: dict[str, tuple[Value, float, float]] = {
    "Day": (-7, -10, 11),
    "Start": (0, 0, 86_399),
    "Duration": (0, 0, 86_400),
    "Soc": (100, 0, 100),
    "AllowDischarge": (0, 0, 1),
}


class SimulatedSite:
    """A station that the physics moves."""

    def __init__(
        self,
        seed: int = 1,
        *,
        portal: str = DEFAULT_PORTAL,
        chargers: int = 1,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Build it; each charger beyond the first brings some 500 paths of history, as real ones do."""
        self._wall = wall
        self.physics = Neighbourhood(houses=1, clusters=1, seed=seed)
        self.station = Station(portal)
        self._held: dict[Address, Value] = {}
        self._steered_w = self._steered_ws = 0.0
        """What the ESS puts into the battery beyond what the physics does, and did so far."""
        for (service, instance), values in _QUIET.items():
            name = _CAN_NAME if service == "battery" else None
            more: dict[str, Value] = {"/DeviceInstance": instance} if instance else {}
            self.station.add(service, instance, {**values, **more}, name)
        for number in range(chargers):
            instance = CHARGER[1] + number
            self.station.add("solarcharger", instance, _charger_history(number))
            if number:
                self.station.add("solarcharger", instance, {**_QUIET[CHARGER], "/DeviceInstance": instance})
        for slot in range(5):
            path = f"/Settings/CGwacs/BatteryLife/Schedule/Charge/{slot}/"
            self.station.add(*_SETTINGS, {path + key: value for key, (value, _, _) in _SLOT.items()})
            for key, (_, least, most) in _SLOT.items():
                self.station.limit(Address(*_SETTINGS, path + key), least, most)
        self.station.limit(Address(*_SETTINGS, "/Settings/CGwacs/BatteryLife/MinimumSocLimit"), 0.0, 100.0)
        self.station.limit(Address(*_SETTINGS, "/Settings/CGwacs/AcPowerSetPoint"), 0.0, 0.0)
        self.station.limit(Address(*VEBUS, "/Mode"), 1.0, 4.0)
        statistics = Address("platform", 0, "/CanBus/Interface/can0/Statistics")
        self.station.add("platform", 0, {statistics.path: None})
        self.station.items[statistics].computed = self._can_statistics
        self._update()

    def step(self, seconds: float = 1.0, physics_step_s: float = _PHYSICS_STEP_S) -> None:
        """Let time pass; longer steps of the physics make hours cheap and blur what is fast."""
        self.physics.step(seconds, min(physics_step_s, seconds))
        self._steered_ws += self._steered_w * seconds
        self._update()

    def hold(self, service: str, instance: int, path: str, value: Value) -> None:
        """Let a value be this, whatever the physics says."""
        address = Address(service, instance, path)
        self._held[address] = value
        self.station.set(address, value)

    def release(self) -> None:
        """Let the physics have its way again."""
        held, self._held = self._held, {}
        for address in held:
            quiet = _QUIET.get((address.service, address.instance), {})
            if address.path in quiet:
                self.station.set(address, quiet[address.path])
        self._update()

    def _update(self) -> None:
        for key, values in self._values().items():
            for path, value in values.items():
                address = Address(*key, path)
                if address not in self._held:
                    self.station.set(address, value)

    def _values(self) -> dict[tuple[str, int], dict[str, Value]]:
        told = self.physics.values(self.physics.house_names[0])

        def number(key: str, decimals: int = 2) -> float:
            value = told.get(key)
            return round(float(value), decimals) if isinstance(value, int | float) else 0.0

        volts, amperes = number("battery_voltage"), -number("battery_current")  # Victron: + charges
        battery_w, load_w = round(volts * amperes, 1), number("load_power", 0)
        solar_a = number("mppt_output_current")
        solar_w = round(solar_a * volts, 1)
        battery_w = self._obeyed(battery_w, load_w - solar_w)
        amperes = round(battery_w / volts, 2) if volts else 0.0
        grid_w = round(load_w + battery_w - solar_w, 1)
        inverter_w = round(battery_w - solar_w, 1)
        cells = [number(key, 3) for key in told if key.startswith("cell_voltage_")]
        probes = [number(key, 1) for key in told if key.startswith("battery_temperature_")]
        grid_v = number("inverter_voltage", 1)
        grid_hz = round(50.0 + (number("inverter_frequency", 3) - 50.0) / _STIFFNESS, 2)
        charge_v = round(_CHARGE_VOLTAGE_V * len(cells), 1)
        percent = number("state_of_charge", 1) + 100.0 * self._steered_ws / _CAPACITY_WS
        percent = round(min(max(percent, 0.0), 100.0), 1)
        return {
            BATTERY: {
                "/Soc": percent,
                "/Soh": float(round(number("battery_state_of_health", 1))),
                "/Dc/0/Voltage": volts,
                "/Dc/0/Current": amperes,
                "/Dc/0/Power": battery_w,
                "/Dc/0/Temperature": max(probes, default=20.0),
                "/System/MaxCellVoltage": max(cells, default=None),
                "/System/MinCellVoltage": min(cells, default=None),
                "/System/MaxCellTemperature": max(probes, default=None),
                "/System/MinCellTemperature": min(probes, default=None),
                "/System/NrOfCellsPerBattery": len(cells),
                "/Info/MaxChargeVoltage": charge_v,
                "/Info/BatteryLowVoltage": round(2.9 * len(cells), 1),
                "/History/ChargedEnergy": number("battery_energy_charged", 1) / 1000.0,
                "/History/DischargedEnergy": number("battery_energy_discharged", 1) / 1000.0,
            },
            VEBUS: {
                "/Dc/0/Voltage": volts,
                "/Dc/0/Current": round(inverter_w / volts, 2) if volts else 0.0,
                "/Dc/0/Power": inverter_w,
                "/Ac/ActiveIn/L1/V": grid_v,
                "/Ac/ActiveIn/L1/F": grid_hz,
                "/Ac/ActiveIn/L1/P": grid_w,
                "/Ac/ActiveIn/L1/I": round(grid_w / grid_v, 2) if grid_v else 0.0,
                "/Ac/Out/L1/V": grid_v,
                "/Ac/Out/L1/F": grid_hz,
                "/Ac/Out/L1/P": load_w,
                "/Ac/Out/L1/I": round(load_w / grid_v, 2) if grid_v else 0.0,
                "/Energy/InverterToAcOut": number("load_energy", 1) / 1000.0,
                "/BatteryOperationalLimits/MaxChargeVoltage": charge_v,
            },
            CHARGER: {
                "/Dc/0/Voltage": volts,
                "/Dc/0/Current": solar_a,
                "/Pv/V": number("mppt_input_voltage", 1),
                "/Pv/I": number("mppt_input_current"),
                "/Yield/Power": solar_w,
                "/Yield/User": number("mppt_energy", 1) / 1000.0,
            },
            GRID: {
                "/Ac/Power": grid_w,
                "/Ac/Frequency": grid_hz,
                "/Ac/L1/Power": grid_w,
                "/Ac/L1/Voltage": grid_v,
                "/Ac/L1/Current": round(grid_w / grid_v, 2) if grid_v else 0.0,
                "/Ac/Energy/Forward": number("energy_imported", 1) / 1000.0,
                "/Ac/Energy/Reverse": number("energy_exported", 1) / 1000.0,
            },
            ("system", 0): {
                "/Dc/Battery/Soc": percent,
                "/Dc/Battery/Voltage": volts,
                "/Dc/Battery/Current": amperes,
                "/Dc/Battery/Power": battery_w,
                "/Dc/Battery/Temperature": max(probes, default=20.0),
                "/Dc/Battery/State": 0 if abs(amperes) < 0.2 else 1 if amperes > 0 else 2,
                "/Dc/Pv/Power": solar_w,
                "/Dc/Vebus/Power": inverter_w,
                "/Ac/Grid/L1/Power": grid_w,
                "/Ac/Consumption/L1/Power": load_w,
                "/Timers/TimeOnGrid": int(self.physics.time_s),
                "/Timers/TimeOnInverter": 0,
            },
            ("platform", 0): {"/Device/Time": int(self._wall())},
            ("logger", 0): {"/Vrm/TimeLastContact": int(self._wall()) // 60 * 60},
        }

    def _obeyed(self, battery_w: float, rest_w: float) -> float:
        """Return the power into the battery when the ESS holds the grid at an override of its set-point."""
        setpoint = self.station.items[_SETPOINT].value
        if not isinstance(setpoint, int | float):
            self._steered_w = 0.0
            return battery_w
        hub4 = _QUIET["hub4", 0]
        most_in, most_out = hub4["/MaxChargePower"], hub4["/MaxDischargePower"]
        assert isinstance(most_in, float) and isinstance(most_out, float)
        obeyed_w = round(min(max(setpoint - rest_w, -most_out), most_in), 1)
        self._steered_w = obeyed_w - battery_w
        return obeyed_w

    def _can_statistics(self) -> str:
        packets = 1000 + int(100 * self.physics.time_s)
        state = {"state": "ERROR-ACTIVE", "berr_counter": {"tx": 0, "rx": 0}}
        errors = {"bus_off": 0, "error_passive": 0, "error_warning": 0}
        counted = {
            "rx": {"packets": packets, "errors": 0},
            "tx": {"packets": packets // 10, "errors": 0},
        }
        link = {"linkinfo": {"info_data": state, "info_xstats": errors}, "stats64": counted}
        return json.dumps([{"ifname": "can0", **link}])


_HISTORY: tuple[tuple[str, Callable[[int], Value]], ...] = (
    ("Yield", lambda day: round(8.0 + day % 7 * 0.9, 2)),
    ("MaxPower", lambda day: 1500.0 + 11.0 * day),
    ("MaxPvVoltage", lambda day: 118.5 + day % 5),
    ("MaxBatteryVoltage", lambda day: 53.1),
    ("MinBatteryVoltage", lambda day: 48.9),
    ("MaxBatteryCurrent", lambda day: 29.5),
    ("TimeInBulk", lambda day: 300.0 + day),
    ("TimeInAbsorption", lambda day: 45.0),
    ("TimeInFloat", lambda day: 90.0),
    ("LastError1", lambda day: 0),
    ("LastError2", lambda day: 0),
    ("LastError3", lambda day: 0),
    ("LastError4", lambda day: 0),
    ("Consumption", lambda day: None),
    ("Pv/0/Yield", lambda day: round(8.0 + day % 7 * 0.9, 2)),
    ("Pv/0/MaxPower", lambda day: 1500.0 + 11.0 * day),
    ("Nr", lambda day: day),
)


def _charger_history(number: int) -> dict[str, Value]:
    return {
        f"/History/Daily/{day}/{key}": value(day + number)
        for day in range(_HISTORY_DAYS)
        for key, value in _HISTORY
    }

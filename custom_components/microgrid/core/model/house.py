"""The house node: inverter, 16-cell LFP battery and solar charger behind one ESP32.

Signs: battery current and power are positive while discharging, inverter and exchange power are positive
while the house feeds the cluster (the convention of the fault equations and of HA's Energy dashboard).
Log rates are those of the logging design: f 100 Hz; V, I, DC bus and battery current 10 Hz; 26 channels
1 Hz; state of charge 0.1 Hz. Beyond it the powers of inverter and load are logged at 1 Hz and energies once a
minute: without them nobody could tell afterwards what a house gave and took. What changes slowly (voltage of
the battery, its health, error of the clock) follows every ten seconds or once a minute. What is derived is
not logged: the archive computes it from its inputs.
"""

from __future__ import annotations

from . import derive, rows
from .metric import DeviceKind, numbered

INVERTER, BATTERY, MPPT = "inverter", "battery", "mppt"

_INVERTER = (
    rows.frequency(
        key="inverter_frequency",
        component=INVERTER,
        log=rows.logged(10, -3, snapshot=True),
        influx="frequency",
        minimum=40.0,
        maximum=60.0,
    ),
    rows.ac_voltage(
        key="inverter_voltage",
        component=INVERTER,
        log=rows.logged(100, -1, snapshot=True),
        influx="voltage",
    ),
    rows.current(
        key="inverter_current",
        component=INVERTER,
        log=rows.logged(100, -2, snapshot=True),
        influx="current",
    ),
    rows.power(
        key="inverter_power", component=INVERTER, log=rows.logged(1000, 0, snapshot=True), influx="power"
    ),
    rows.apparent_power(
        key="inverter_apparent_power",
        component=INVERTER,
        enabled=False,
        inputs=("inverter_voltage", "inverter_current"),
        derive=derive.apparent_power("inverter_voltage", "inverter_current"),
    ),
    rows.dc_voltage(
        key="dc_bus_voltage",
        component=INVERTER,
        log=rows.logged(100, -2, snapshot=True),
        influx="dc_bus_voltage",
    ),
    *numbered(
        rows.temperature(
            key="mosfet_temperature",
            component=INVERTER,
            log=rows.logged(1000, -1),
            influx="mosfet_temperature",
        ),
        2,
    ),
)

_BATTERY = (
    rows.state_of_charge(key="state_of_charge", component=BATTERY, log=rows.logged(10_000, -1), influx="soc"),
    rows.dc_voltage(key="battery_voltage", component=BATTERY, log=rows.logged(10_000, -2), influx="voltage"),
    rows.current(
        key="battery_current",
        component=BATTERY,
        log=rows.logged(100, -2, snapshot=True),
        influx="current",
    ),
    rows.power(
        key="battery_power",
        component=BATTERY,
        influx="power",
        inputs=("battery_voltage", "battery_current"),
        derive=derive.product("battery_voltage", "battery_current"),
    ),
    rows.flag(
        "battery_charging",
        "battery_charging",
        component=BATTERY,
        log=rows.logged(10_000, 0),
        influx="charging",
    ),
    rows.energy("battery_energy_charged", component=BATTERY, max_power_w=12_000, influx="energy_charged"),
    rows.energy(
        "battery_energy_discharged", component=BATTERY, max_power_w=12_000, influx="energy_discharged"
    ),
    rows.stored_energy(
        key="battery_stored_energy",
        component=BATTERY,
        enabled=False,
        maximum=655_340.0,  # the most that the bus can tell
        log=rows.logged(60_000, 0),
        influx="stored_energy",
    ),
    rows.ratio(
        key="battery_state_of_health",
        component=BATTERY,
        diagnostic=True,
        log=rows.logged(60_000, -1),
        influx="soh",
    ),
    rows.count(
        "battery_cycles", component=BATTERY, per_hour=10, log=rows.logged(60_000, -1), influx="cycles"
    ),
    *numbered(
        rows.cell_voltage(
            key="cell_voltage",
            component=BATTERY,
            enabled=False,
            diagnostic=True,
            log=rows.logged(1000, -3),
            influx="cell_voltage",
        ),
        16,
    ),
    *numbered(
        rows.temperature(
            key="battery_temperature",
            name="temperature_probe",
            component=BATTERY,
            enabled=False,
            diagnostic=True,
            log=rows.logged(1000, -1),
            influx="temperature",
        ),
        4,
    ),
    rows.cell_voltage(
        key="cell_voltage_minimum",
        component=BATTERY,
        enabled=False,
        diagnostic=True,
        inputs=derive.CELLS,
        derive=derive.cell_minimum,
        influx="cell_voltage_min",
    ),
    rows.cell_voltage(
        key="cell_voltage_maximum",
        component=BATTERY,
        enabled=False,
        diagnostic=True,
        inputs=derive.CELLS,
        derive=derive.cell_maximum,
        influx="cell_voltage_max",
    ),
    rows.number(
        key="cell_voltage_spread",
        component=BATTERY,
        unit="mV",
        device_class="voltage",
        dead_band=5.0,
        maximum=5000.0,
        inputs=derive.CELLS,
        derive=derive.cell_spread,
        influx="cell_spread",
    ),
    rows.number(
        key="weakest_cell",
        component=BATTERY,
        minimum=1,
        maximum=16,
        enabled=False,
        diagnostic=True,
        state_class=None,
        inputs=derive.CELLS,
        derive=derive.weakest_cell,
    ),
    rows.flag("battery_balancing", component=BATTERY, enabled=False, diagnostic=True),
)

_MPPT = (
    rows.pv_voltage(
        key="mppt_input_voltage",
        component=MPPT,
        enabled=False,
        log=rows.logged(1000, -1),
        influx="input_voltage",
    ),
    rows.current(
        key="mppt_input_current",
        component=MPPT,
        enabled=False,
        log=rows.logged(1000, -2),
        influx="input_current",
    ),
    rows.power(
        key="mppt_input_power",
        component=MPPT,
        name="solar_power",
        inputs=("mppt_input_voltage", "mppt_input_current"),
        derive=derive.product("mppt_input_voltage", "mppt_input_current"),
        influx="input_power",
    ),
    rows.dc_voltage(
        key="mppt_output_voltage",
        component=MPPT,
        enabled=False,
        log=rows.logged(1000, -2),
        influx="output_voltage",
    ),
    rows.current(
        key="mppt_output_current",
        component=MPPT,
        enabled=False,
        log=rows.logged(1000, -2),
        influx="output_current",
    ),
    rows.power(
        key="mppt_output_power",
        component=MPPT,
        enabled=False,
        inputs=("mppt_output_voltage", "mppt_output_current"),
        derive=derive.product("mppt_output_voltage", "mppt_output_current"),
        influx="output_power",
    ),
    rows.ratio(
        key="mppt_efficiency",
        component=MPPT,
        enabled=False,
        diagnostic=True,
        inputs=("mppt_input_power", "mppt_output_power"),
        derive=derive.efficiency("mppt_input_power", "mppt_output_power"),
        influx="efficiency",
    ),
    rows.energy("mppt_energy", component=MPPT, name="solar_energy", max_power_w=10_000, influx="energy"),
)

_HOUSE = (
    rows.power(key="load_power", log=rows.logged(1000, 0), influx="load_power"),
    rows.energy("load_energy", max_power_w=15_000, influx="load_energy"),
    rows.power(
        key="exchange_power",
        inputs=("inverter_power", "load_power"),
        derive=derive.difference("inverter_power", "load_power"),
        influx="exchange_power",
    ),
    rows.choice(
        "flow_direction",
        *derive.FLOW_DIRECTIONS,
        inputs=("exchange_power",),
        derive=derive.flow_direction("exchange_power"),
    ),
    rows.energy("energy_exported", max_power_w=10_000, influx="energy_exported"),
    rows.energy("energy_imported", max_power_w=15_000, influx="energy_imported"),
    rows.ratio(key="health", precision=0, log=rows.logged(60_000, 0), influx="health"),
    rows.milliseconds(
        key="clock_error", enabled=False, diagnostic=True, log=rows.logged(60_000, -2), influx="clock_error"
    ),
    rows.flag("clock_valid", enabled=False, diagnostic=True),
    rows.ratio(key="card_free", enabled=False, diagnostic=True),
    rows.count("card_errors"),
    rows.count("can_frames_received"),
    rows.count("can_errors"),
    rows.count("restarts", per_hour=3600),
    rows.number(
        key="uptime",
        unit="s",
        device_class="duration",
        dead_band=60.0,
        enabled=False,
        diagnostic=True,
        state_class=None,
    ),
)

HOUSE = DeviceKind(
    kind="house",
    model="House node",
    interval_s=1.0,
    components=(INVERTER, BATTERY, MPPT),
    measurements={"": "house_data", INVERTER: "inverter_data", BATTERY: "bms_data", MPPT: "mppt_data"},
    metrics=_INVERTER + _BATTERY + _MPPT + _HOUSE,
)

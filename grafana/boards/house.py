"""House detail: one house from the sun to the cluster; below, every metric that it logs."""

from __future__ import annotations

from .. import theme
from ..board import Board, clusters, default_variables, house
from ..events import fault_count, fault_list
from ..influxql import HOUSE, kwh_a_day, now, over_time
from ..panels import chart, dial, quantity, value
from ..store import by_quantity, field, fields
from ..units import CELSIUS, COUNT, KILOWATT_HOURS, MILLIVOLTS, PERCENT, WATTS

_SOLAR = field("house", "mppt_input_power")
_LOAD = field("house", "load_power")
_BATTERY = field("house", "battery_power")
_EXCHANGE = field("house", "exchange_power")
_SMALL = (3, 5)

_NOW = (
    dial(
        "State of charge",
        "Normal: above 40 %. Below 20 % the house lives on its neighbours.",
        PERCENT,
        now(field("house", "state_of_charge"), where=HOUSE),
        size=(3, 5),
        zones=theme.STATE_OF_CHARGE,
        scale=(0.0, 100.0),
    ),
    value(
        "Solar",
        "What the solar charger gets from the roof now.",
        WATTS,
        now(_SOLAR, where=HOUSE),
        size=_SMALL,
        zones=((None, theme.SOLAR),),
    ),
    value(
        "Load",
        "What the house uses now.",
        WATTS,
        now(_LOAD, where=HOUSE),
        size=_SMALL,
        zones=((None, theme.LOAD),),
    ),
    value(
        "Battery",
        "Positive while discharging.",
        WATTS,
        now(_BATTERY, where=HOUSE),
        size=_SMALL,
        zones=((None, theme.BATTERY),),
    ),
    value(
        "Exchange",
        "Positive while the house feeds its cluster.",
        WATTS,
        now(_EXCHANGE, where=HOUSE),
        size=_SMALL,
        zones=theme.DIRECTION,
    ),
    value(
        "Cell spread",
        "Highest minus lowest cell. Normal: below 50 mV; the battery reports F015 above 100 mV.",
        MILLIVOLTS,
        now(field("house", "cell_voltage_spread"), where=HOUSE),
        size=_SMALL,
        zones=theme.CELL_SPREAD,
    ),
    value(
        "Inverter",
        "The power stages. Normal: below 80 °C; the inverter trips at 95 °C.",
        CELSIUS,
        now(field("house", "mosfet_temperature_1"), where=HOUSE, legend="1"),
        now(field("house", "mosfet_temperature_2"), where=HOUSE, legend="2"),
        size=_SMALL,
        zones=theme.INVERTER_TEMPERATURE,
    ),
    value(
        "Faults",
        "Faults of this house within the chosen time. Normal: none.",
        COUNT,
        fault_count(HOUSE),
        size=_SMALL,
        zones=theme.COUNT_OF_FAULTS,
        nothing="0",
    ),
)

_ENERGY = (
    chart(
        "Power",
        "Load = solar + battery − exchange, but for the losses of the inverter. Battery is negative while "
        "it is charged.",
        WATTS,
        *(over_time(one, where=HOUSE) for one in (_SOLAR, _BATTERY, _LOAD, _EXCHANGE)),
        size=(16, 9),
    ),
    chart(
        "Energy by day",
        "From the counters of the house, by day of UTC.",
        KILOWATT_HOURS,
        kwh_a_day("house", "mppt_energy", where=HOUSE, name="Solar"),
        kwh_a_day("house", "load_energy", where=HOUSE, name="Load"),
        kwh_a_day("house", "energy_exported", where=HOUSE, name="Exported"),
        kwh_a_day("house", "energy_imported", where=HOUSE, name="Imported"),
        size=(8, 9),
        bars=True,
        every="1d",
        days=14,
    ),
)

_PARTS = (("Battery", "battery"), ("Inverter", "inverter"), ("Solar charger", "mppt"), ("House", ""))

BOARD = Board(
    uid="microgrid-house",
    title="Microgrid: house detail",
    description="One house from the sun to the cluster, with every metric that it logs.",
    variables=default_variables(clusters(), house()),
    rows=(
        ("Now", _NOW),
        ("Energy", _ENERGY),
        *(
            (
                title,
                tuple(
                    quantity(group, where=HOUSE, of=title)
                    for group in by_quantity(fields("house", component))
                ),
            )
            for title, component in _PARTS
        ),
        ("Faults", (fault_list(HOUSE),)),
    ),
)

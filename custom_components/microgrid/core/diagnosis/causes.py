"""The catalogue of causes: what may lie behind each fault code, in plain words, and what to check first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["CAUSES", "CAUSES_OF_CODE", "CODES", "UNDETERMINED", "Cause", "CauseKind"]

UNDETERMINED = "undetermined"
"""What stands instead of a cause when the measurements do not decide."""


class CauseKind(StrEnum):
    """Where the defect is, seen from what the code is about."""

    LOCAL = "local"
    """In the unit that the code is about."""
    PROPAGATED = "propagated"
    """Elsewhere; what tripped only carried the consequence."""
    SENSOR = "sensor"
    """Nothing happened but that a measurement was wrong."""
    NONE = "none"
    """Nothing is defective: a limit was passed by noise or a moment that was over by itself."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that makes a node tell a fault."""

    id: str
    """Code, dot, name in snake case."""
    code: str
    kind: CauseKind
    meaning: str
    """For an operator; one sentence without its full stop."""
    checks: tuple[str, ...]
    """What to look at first, most likely first."""


_L, _P, _S = CauseKind.LOCAL, CauseKind.PROPAGATED, CauseKind.SENSOR

_ROWS: tuple[tuple[str, CauseKind, str, tuple[str, ...]], ...] = (
    # F001: inverter current above 150 % for 20 ms
    (
        "F001.own_load_inrush",
        _L,
        "A load of the house itself drew a large current for a moment, by starting up or by a short circuit",
        (
            "Find out which appliance was switched on at that time.",
            "Let large motors start softly or one after the other.",
            "Test the house's circuits for a short circuit.",
        ),
    ),
    (
        "F001.bridge_fault",
        _L,
        "The inverter's power stage drew the current itself: neither the house nor a neighbour took it",
        ("Keep the inverter off.", "Have the power transistors and their drivers measured."),
    ),
    (
        "F001.current_sensor",
        _S,
        "The inverter's current sensor showed a current that did not flow",
        ("Check the plug of the current transformer.", "Compare the reading with a clamp meter."),
    ),
    (
        "F001.neighbour_trip",
        _P,
        "A neighbour's inverter switched off and its load fell on this one",
        (
            "Find out why the neighbour's inverter switched off; this one is healthy.",
            "See whether the houses that remain can carry the load.",
        ),
    ),
    (
        "F001.droop_mismatch",
        _P,
        "An inverter with a wrong droop setting pushed current round between the houses",
        (
            "Compare no-load frequency and droop gain of the named inverter with its neighbours.",
            "Set both to the values of the cluster.",
        ),
    ),
    # F002: AC voltage above 253 V
    (
        "F002.voltage_regulator",
        _L,
        "The inverter's own voltage regulation ran away",
        ("Keep the inverter off.", "Have voltage feedback and regulator checked."),
    ),
    (
        "F002.own_load_dump",
        _L,
        "A large load of the house switched off and the voltage overshot",
        ("Find out which appliance was switched off.", "Check the settling time of the voltage regulation."),
    ),
    (
        "F002.cluster_load_dump",
        _P,
        "A large load at a neighbour switched off and lifted the voltage of the cluster",
        (
            "Find out what was switched off at the named house.",
            "Check whether the voltage droop of the houses is too small.",
        ),
    ),
    (
        "F002.swarm_load_dump",
        _P,
        "Load was lost beyond the gateway and lifted the voltage of the whole cluster",
        (
            "Ask the neighbouring cluster what was switched off.",
            "Look at the gateway's voltage and power at that time.",
        ),
    ),
    (
        "F002.neighbour_regulator",
        _P,
        "The voltage regulation of a neighbour's inverter ran away and lifted the cluster",
        ("Switch the named inverter off.", "Have its voltage feedback checked."),
    ),
    (
        "F002.voltage_sensor",
        _S,
        "The inverter's voltage measurement was wrong; the neighbours saw nothing",
        ("Measure the output with another meter.", "Check divider and plug of the voltage measurement."),
    ),
    # F003: AC voltage below 207 V
    (
        "F003.dc_sag",
        _L,
        "The DC bus sagged so far that the inverter could not make the full voltage",
        ("Look at the state of charge and the lowest cell.", "Check the battery's connections and fuse."),
    ),
    (
        "F003.own_overload",
        _L,
        "The house took more than its inverter can give at full voltage",
        ("Switch off large loads.", "Find out what was switched on at that time."),
    ),
    (
        "F003.cluster_overload",
        _P,
        "Load at a neighbour pulled the voltage of the cluster down",
        (
            "Find out what was switched on at the named house.",
            "See whether all inverters of the cluster were running.",
        ),
    ),
    (
        "F003.line_short",
        _P,
        "A short circuit on the line near another house pulled the voltage down",
        ("Inspect the line near the named house for damage.", "Measure its insulation before switching on."),
    ),
    (
        "F003.voltage_sensor",
        _S,
        "The inverter's voltage measurement was wrong; the neighbours saw nothing",
        ("Measure the output with another meter.", "Check divider and plug of the voltage measurement."),
    ),
    # F004: MOSFET above 95 °C
    (
        "F004.cooling",
        _L,
        "The power stage is cooled badly: fan, heat sink or air inlet",
        (
            "Check that the fan turns.",
            "Clean heat sink and air inlet.",
            "Renew the thermal paste if it stays hot.",
        ),
    ),
    (
        "F004.export",
        _P,
        "The inverter fed a neighbour that gave too little for too long and got hot by the power alone",
        ("See why the named house gave so little.", "Limit the power given to the cluster."),
    ),
    (
        "F004.sensor",
        _S,
        "The temperature sensor jumped faster than metal can warm up",
        ("Check the sensor's plug and wire.", "Compare with the second sensor."),
    ),
    # F005: DC bus above 58.4 V
    (
        "F005.mppt_regulation",
        _L,
        "The solar charger pushed the bus up although the battery was connected",
        ("Check the charger's voltage settings.", "Keep the charger off until it is checked."),
    ),
    (
        "F005.battery_disconnected",
        _L,
        "The battery management opened its switch while the charger was feeding",
        (
            "Look why the battery management opened: cells, temperature, current.",
            "Switch the charger off before the battery is connected again.",
        ),
    ),
    (
        "F005.backfeed",
        _P,
        "Surplus from the cluster flowed back through the inverter and lifted the bus",
        ("Find the house that fed the surplus.", "Check no-load frequency and charging limit."),
    ),
    (
        "F005.sensor",
        _S,
        "The DC bus measurement was wrong; the cells did not follow",
        ("Measure the bus with another meter.", "Check divider and plug of the measurement."),
    ),
    # F006: DC bus below 44.8 V
    (
        "F006.low_charge",
        _L,
        "The battery is empty: all cells are low alike",
        ("Charge the battery.", "Raise the limit at which the house stops discharging."),
    ),
    (
        "F006.weak_cell",
        _L,
        "One cell gives way under load and takes the bus with it",
        (
            "Have the named cell tested for capacity and resistance.",
            "Reduce the discharge current until then.",
        ),
    ),
    (
        "F006.loose_busbar",
        _L,
        "A poor connection between battery and inverter loses the voltage; the cells are fine",
        (
            "With the system off, retighten the busbars, lugs and fuse.",
            "Look for discoloured or warm connections.",
        ),
    ),
    (
        "F006.export_after_trip",
        _P,
        "A neighbour's inverter switched off and the battery could not bear its load as well",
        (
            "Find out why the neighbour's inverter switched off.",
            "Limit the power given to the cluster at low charge.",
        ),
    ),
    (
        "F006.sensor",
        _S,
        "The DC bus measurement was wrong; the cells did not follow",
        ("Measure the bus with another meter.", "Check divider and plug of the measurement."),
    ),
    # F010: a cell above its limit
    (
        "F010.weak_cell",
        _L,
        "One cell is full before the others: less capacity, or out of balance",
        ("Let the battery balance at low current.", "Have the named cell's capacity tested."),
    ),
    (
        "F010.overcharge",
        _L,
        "The solar charger went on charging a full battery: all cells are high",
        ("Check the charger's end-of-charge voltage and its link to the battery management.",),
    ),
    (
        "F010.backfeed",
        _P,
        "Surplus from the cluster charged a full battery through the inverter",
        ("Find the house that fed the surplus.", "Check the charging limit of the inverter."),
    ),
    (
        "F010.sense_wire",
        _S,
        "The sense wire of a cell has a poor contact: its reading is wrong, and cells and bus do not add up",
        ("Check the sense wire and plug of the named cell and of the one beside it.",),
    ),
    # F011: a cell below its limit
    (
        "F011.weak_cell",
        _L,
        "One cell is empty before the others or gives way under load",
        (
            "Have the named cell tested for capacity and resistance.",
            "Reduce the discharge current until then.",
        ),
    ),
    (
        "F011.deep_discharge",
        _L,
        "The house's own load emptied the whole battery: all cells are low",
        ("Charge the battery.", "Raise the limit at which the house stops discharging."),
    ),
    (
        "F011.export",
        _P,
        "Feeding the neighbours emptied the whole battery: all cells are low",
        (
            "See why the named house took so much.",
            "Raise the state of charge at which the house stops giving.",
        ),
    ),
    (
        "F011.sense_wire",
        _S,
        "The sense wire of a cell has a poor contact: its reading is wrong, and cells and bus do not add up",
        ("Check the sense wire and plug of the named cell and of the one beside it.",),
    ),
    # F012: a cell too hot or too cold
    (
        "F012.cooling",
        _L,
        "The battery does not get rid of its usual heat",
        ("Check ventilation and distance between the cells.",),
    ),
    (
        "F012.cell_short",
        _L,
        "A cell heats itself without current: an inner short circuit",
        (
            "Stop charging and discharging and keep away.",
            "Have the named cell's place looked at with a thermal camera from afar.",
        ),
    ),
    (
        "F012.overcurrent",
        _P,
        "A large current for long, mostly for the neighbours, heated the battery",
        ("Limit the current or the power given to the cluster.",),
    ),
    (
        "F012.ambient",
        _P,
        "The room is too hot or too cold; the battery follows it",
        ("Look at the temperature of the room.", "Insulate, heat or ventilate it."),
    ),
    (
        "F012.sensor",
        _S,
        "A temperature probe jumped or is broken; the others saw nothing",
        ("Check the plug and wire of the named probe.",),
    ),
    # F013: charging current above its limit
    (
        "F013.mppt_overcurrent",
        _L,
        "The solar charger gave more current than the battery may take",
        ("Lower the charger's current limit.", "Check its link to the battery management."),
    ),
    (
        "F013.surplus",
        _P,
        "Surplus from the cluster was taken in by the inverter",
        ("Find the house that fed the surplus or lost its load.", "Lower the inverter's charging limit."),
    ),
    (
        "F013.current_sensor",
        _S,
        "The battery's current sensor is off: charger and inverter do not account for the current",
        ("Set the sensor's zero at rest.", "Compare with a clamp meter."),
    ),
    # F014: discharging current above its limit
    (
        "F014.own_overload",
        _L,
        "The load of the house itself drew too much from the battery",
        ("Switch off large loads.", "Find out what was switched on at that time."),
    ),
    (
        "F014.shortage",
        _P,
        "The cluster was short of power and drew it from this battery",
        ("Find out which house took more or gave less.", "Limit the power given to the cluster."),
    ),
    (
        "F014.current_sensor",
        _S,
        "The battery's current sensor is off: charger and inverter do not account for the current",
        ("Set the sensor's zero at rest.", "Compare with a clamp meter."),
    ),
    # F015: cells more than 100 mV apart
    (
        "F015.weak_cell",
        _L,
        "One cell has less capacity: it runs away at the end of charge or discharge, whatever the current",
        ("Have the named cell's capacity tested.", "Charge fully at low current and let it balance."),
    ),
    (
        "F015.balancer",
        _L,
        "The cells have drifted apart all over: the balancer does not work",
        (
            "Check that balancing is enabled and starts.",
            "Charge fully and watch the difference for some hours.",
        ),
    ),
    (
        "F015.link_resistance",
        _L,
        "One cell or its connector has too much resistance: its deviation follows the current",
        ("With the system off, retighten the connectors of the named cell.", "Have its resistance measured."),
    ),
    (
        "F015.sense_wire",
        _S,
        "The sense wire of a cell has a poor contact: its reading is wrong, and cells and bus do not add up",
        ("Check the sense wire and plug of the named cell and of the one beside it.",),
    ),
    # F020: PV voltage above its limit
    (
        "F020.cold_morning",
        _L,
        "The modules were cold and unloaded: their open voltage is above the limit of the charger",
        (
            "Compare the string's open voltage at the lowest temperature with the charger's limit.",
            "Shorten the string.",
        ),
    ),
    (
        "F020.string_error",
        _L,
        "The string is wired with too many modules: its voltage is too high even under load",
        ("Count the modules in series.", "Do not open plugs in sunlight."),
    ),
    (
        "F020.sensor",
        _S,
        "The charger's input voltage measurement was wrong",
        ("Measure the input with another meter.",),
    ),
    # F021: charger's current above its limit
    (
        "F021.control",
        _L,
        "The charger's control lost its current limit",
        ("Keep the charger off.", "Check its firmware and settings."),
    ),
    (
        "F021.low_battery_voltage",
        _L,
        "The battery voltage was so low that the usual solar power needed too much current",
        ("Charge the battery gently.", "Lower the charger's current limit."),
    ),
    (
        "F021.current_sensor",
        _S,
        "The charger's current measurement was wrong: its power does not match the input",
        ("Compare with a clamp meter.",),
    ),
    # F030: a node went silent on the CAN bus
    (
        "F030.node_reset",
        _L,
        "A node restarted, by a dip of its supply or its watchdog",
        ("Check the supply of the named node.", "Look at its reason of restart."),
    ),
    (
        "F030.open_cable",
        _L,
        "A node, or all behind it, lost the bus cable or their supply and did not come back",
        ("Check plug and cable at the named node.", "See whether it still publishes."),
    ),
    (
        "F030.gateway_reset",
        _P,
        "The gateway restarted and the bus was without it",
        ("Check the supply of the gateway.", "Look at its reason of restart."),
    ),
    (
        "F030.babbling_node",
        _P,
        "A node flooded the bus and the others could not get through",
        (
            "Disconnect the named node and see whether the others return.",
            "Renew its firmware or its transceiver.",
        ),
    ),
    # F031: too many errors on the CAN bus
    (
        "F031.termination",
        _L,
        "The whole bus is damaged all the time: termination or a steady disturbance",
        (
            "Measure 60 Ω between the wires with the supply off.",
            "Check both ends and that there are no stubs.",
        ),
    ),
    (
        "F031.node_clock",
        _L,
        "Frames of one node alone arrive damaged: its clock or transceiver is off",
        ("Exchange the named node's crystal or transceiver.", "Check its bit timing."),
    ),
    (
        "F031.babbling_node",
        _P,
        "A node flooded the bus with frames",
        ("Disconnect the named node and see whether the errors stop.",),
    ),
    (
        "F031.switching_noise",
        _P,
        "Errors come and go with the current of an inverter: its switching noise gets into the cable",
        (
            "Keep the bus cable away from the power cables of the named house.",
            "Check the shield and ground of the cable.",
        ),
    ),
    # F040: no synchronisation after 60 s
    (
        "F040.droop_setting",
        _L,
        "The cluster's frequency stands off the swarm's: droop or set point of the cluster",
        ("Check no-load frequency and droop gain in the cluster.", "Look at load and charge of the cluster."),
    ),
    (
        "F040.phase_lock",
        _L,
        "The frequencies agree, but the phase stays outside its window: the lock does not pull in",
        ("Check the settings of the phase lock.", "Check polarity and phase of the measurement."),
    ),
    (
        "F040.unstable_swarm",
        _P,
        "The swarm's frequency or voltage was restless; the cluster was steady",
        ("Ask what happened beyond the gateway.", "Wait: the gateway tries again."),
    ),
    (
        "F040.unstable_cluster",
        _L,
        "The cluster's own frequency swung; the swarm was steady",
        ("Look for a load or an inverter that hunts in the cluster.", "Check the droop gains."),
    ),
    # F041: contactor and command differ
    (
        "F041.welded",
        _L,
        "The contactor stayed closed: its contacts are welded",
        ("Treat both sides as live.", "Exchange the contactor."),
    ),
    (
        "F041.stuck_open",
        _L,
        "The contactor did not close: coil, drive or mechanics",
        ("Measure the coil and its voltage.", "Exchange the contactor."),
    ),
    (
        "F041.auxiliary_contact",
        _S,
        "The contactor did as told, only its auxiliary contact says otherwise",
        ("Check the auxiliary contact and its wires.",),
    ),
    (
        "F041.command_lost",
        _P,
        "The command did not get to the contactor over the bus",
        ("Check the CAN bus between gateway and contactor.", "Look for other bus errors."),
    ),
)

CODES: tuple[str, ...] = tuple(dict.fromkeys(row[0].partition(".")[0] for row in _ROWS))

_TRANSIENT = tuple(
    (
        f"{code}.transient",
        CauseKind.NONE,
        "The limit was passed for a moment, by noise or by something that was over by itself; nothing "
        "points to a defect",
        (
            "Nothing to do if it stays a single time.",
            "If it comes back, compare limit and delay with the usual values.",
        ),
    )
    for code in CODES
)

CAUSES: Mapping[str, Cause] = MappingProxyType(
    {
        id: Cause(id, id.partition(".")[0], kind, meaning, checks)
        for id, kind, meaning, checks in (*_ROWS, *_TRANSIENT)
    }
)
"""By id, in the order of codes; those that mean that nothing is wrong come last."""

CAUSES_OF_CODE: Mapping[str, tuple[Cause, ...]] = MappingProxyType(
    {code: tuple(cause for cause in CAUSES.values() if cause.code == code) for code in CODES}
)

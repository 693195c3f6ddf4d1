"""What to do about a finding, in English; the key is what other languages translate."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "battery_ages": (
            "Compare with the warranty of the battery. Lower the charge limit and the temperature if you can."
        ),
        "battery_cold": (
            "Do not charge below 0 °C. Warm the room, or let the battery warm itself before charging."
        ),
        "battery_hot": (
            "Check ventilation and reduce the current. If cells differ, look for a loose connection."
        ),
        "battery_worn": "Capacity is low: plan the replacement and compare with the warranty.",
        "blocked": (
            "See the alarms of the battery: it may be too cold, too warm, out of balance, or wait "
            "for a command."
        ),
        "bms_connection": (
            "Check power, cable and terminators of the battery's communication; then restart the BMS."
        ),
        "can_bus": (
            "Check plugs, both terminators (120 Ω) and the bit rate; look for a cable next to an "
            "inverter's leads."
        ),
        "can_load": "Too much on the bus: check the bit rate, or split the cluster.",
        "card": "The memory card fails: replace it by one of the endurance class.",
        "charge_at_limit": (
            "The battery has reached its lower limit and waits for sun or grid. Nothing is broken."
        ),
        "charge_not_conserved": (
            "The state of charge jumps: charge to 100 % once, check capacity and shunt settings."
        ),
        "charge_soon": "Switch off what can wait, or charge from grid or generator.",
        "clock": "Check time source and bus; until then times of this node are not comparable.",
        "contactor": (
            "The contactor opens and closes too often: check synchronisation and the load of the cluster."
        ),
        "cell_spread": (
            "Let the battery balance at full charge for some hours; if it stays, have the cells measured."
        ),
        "data_partition": (
            "Delete logs or disable what writes on the GX; with an error, back up and reinstall it."
        ),
        "dc_wiring": (
            "Measure from battery to inverter under load: look for a loose bolt, a fuse or a thin cable."
        ),
        "device_alarm": "See the device named here and its manual.",
        "device_error": "See the error code in the manual of the device.",
        "efficiency": "Check fans, filters and DC connections of the inverter.",
        "fan": "The fan stands still or is clogged: clean it, check its plug, replace it.",
        "firmware_update": "Read the release notes, then update when somebody is there.",
        "grid_frequency": "The grid is off its frequency. If it is a generator, set its type in the GX.",
        "grid_lost": "Check breakers and the meter; the battery carries the loads meanwhile.",
        "grid_unstable": "Ask the grid operator, and check the loss-of-mains settings.",
        "inverter_hot": "Reduce the load and give the inverter air.",
        "mains_voltage": "Mains is out of ±10 %: ask the grid operator and check the neutral.",
        "modules": "Look at the lamps of the modules, then at their communication cables and switches.",
        "node_silent": "Check its power and network; what it measured is kept on its card.",
        "not_following": (
            "See why in the acknowledgements of the schedule, and check limits and the serial line."
        ),
        "outbox": "Nobody acknowledges what it sends: check broker and Home Assistant.",
        "overcurrent": "Reduce the load or the charge limit of the inverter: the battery allows less.",
        "overload": "Switch off large loads.",
        "overvoltage": "Stop charging. Compare the charge voltage that is set with what the battery allows.",
        "refrigerant": "Have a technician check the refrigerant charge; this is a hint, not a measurement.",
        "restarts": "Check its power supply; if it goes on, send its log.",
        "serial_line": "Check cable and adapter between Pi and inverter.",
        "short_cycles": (
            "Lower the flow temperature or widen the hysteresis; check flow, buffer and closed valves."
        ),
        "solar_charger": "Compare with the neighbours; check plugs and fan of the solar charger.",
        "station_silent": "Check power and network of the GX; it may be restarting after an update.",
        "undervoltage": "Stop discharging and charge with a small current.",
        "values_stand_still": "The battery monitor hangs: restart it, then check its cable.",
        "vrm": "Check the internet connection of the GX; local data are not affected.",
        "water_flow": "Too little water: clean the filter, open valves, check the pump and bleed it.",
        "wifi": "Move the antenna or the access point.",
    }
)

"""Which twins a neighbourhood has, and what each can be told to do."""

from __future__ import annotations

import random
from collections.abc import Mapping

from microgrid_core.contract.messages import CommandCapability, NodeKind, Parameter, ParameterType, Scalar
from microgrid_core.model.mpp_inverter import OUTPUT_PRIORITIES

from ..physics.neighbourhood import MPP, Neighbourhood
from .battery import BatteryTwin
from .node import Ability, CommandHandler, Identity, NodeTwin, Values

_CLEAR_FAULTS = CommandCapability("clear_faults")
_IDENTIFY = CommandCapability("identify")
_SET_CONTACTOR = CommandCapability("set_contactor", (Parameter("closed", ParameterType.BOOLEAN),))
_SET_OUTPUT_PRIORITY = CommandCapability(
    "set_output_source_priority", (Parameter("value", ParameterType.CHOICE, options=OUTPUT_PRIORITIES),)
)
_FIRMWARE = "simulator"


def _clear_faults(site: Neighbourhood, unit: int) -> CommandHandler:
    def run(parameters: Mapping[str, Scalar]) -> Values:
        site.houses.protection.clear(unit)
        return {"faults_active": len(site.houses.protection.codes(unit))}

    return run


def _identify(parameters: Mapping[str, Scalar]) -> Values:
    return {"seconds": 10}


def _set_contactor(site: Neighbourhood, unit: int) -> CommandHandler:
    def run(parameters: Mapping[str, Scalar]) -> Values:
        closed = bool(parameters["closed"])
        site.gateways.command(unit, closed)
        return {"contactor_commanded": closed}

    return run


def _set_output_priority(site: Neighbourhood) -> CommandHandler:
    def run(parameters: Mapping[str, Scalar]) -> Values:
        site.mpp.set_output_priority(str(parameters["value"]))
        return {"requested": parameters["value"], "actual": site.mpp.output_priority}

    return run


def _houses_and_gateways(
    site: Neighbourhood, swarm: str, boot_ids: random.Random, gateways_carry: bool
) -> list[NodeTwin]:
    """Build the twins of the swarm, gateways before their houses."""

    def boot_id() -> int:
        return boot_ids.getrandbits(32)

    houses = [
        NodeTwin(
            site,
            swarm,
            name,
            Identity(
                NodeKind.HOUSE,
                f"House {name.removeprefix('house-')}",
                "OzInverter 6 kW",
                _FIRMWARE,
                site.parent(name),
            ),
            boot_id(),
            abilities=(Ability(_CLEAR_FAULTS, _clear_faults(site, unit)), Ability(_IDENTIFY, _identify)),
        )
        for unit, name in enumerate(site.house_names)
    ]
    for house in houses:
        house.speaks = not gateways_carry
    gateways = [
        NodeTwin(
            site,
            swarm,
            name,
            Identity(
                NodeKind.GATEWAY, f"Gateway {name.removeprefix('gateway-')}", "ESP32 gateway", _FIRMWARE
            ),
            boot_id(),
            abilities=(Ability(_SET_CONTACTOR, _set_contactor(site, unit)),),
            carried=[house for house in houses if gateways_carry and site.parent(house.node) == name],
        )
        for unit, name in enumerate(site.gateway_names)
    ]
    return [*gateways, *houses]


def build(
    site: Neighbourhood,
    swarm: str,
    boot_ids: random.Random,
    gateways_carry: bool,
    *,
    only_devices: bool = False,
) -> list[NodeTwin]:
    """Build the twins of all nodes, gateways before their houses; or of the single devices alone."""
    mpp = NodeTwin(
        site,
        swarm,
        MPP,
        Identity(NodeKind.MPP_INVERTER, "MPP inverter 1", "PIP-5048MK", _FIRMWARE),
        boot_ids.getrandbits(32),
        abilities=(Ability(_SET_OUTPUT_PRIORITY, _set_output_priority(site)),),
    )
    twins = [] if only_devices else _houses_and_gateways(site, swarm, boot_ids, gateways_carry)
    twins += [mpp, BatteryTwin(site, swarm, boot_ids.getrandbits(32))]
    for number, twin in enumerate(twins, 1):
        twin.phase = 0.5 + 0.5 * number / len(twins)
    return twins

"""All boards, in the order in which an operator meets them."""

from __future__ import annotations

from . import batteries, faults, gateways, health, heat_pump, house, snapshot, swarm

BOARDS = (
    swarm.BOARD,
    house.BOARD,
    faults.BOARD,
    snapshot.BOARD,
    heat_pump.BOARD,
    gateways.BOARD,
    batteries.BOARD,
    health.BOARD,
)

"""Nobody is named as the origin by a number that says the opposite, or by none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from microgrid_core.diagnosis.case import Case
from microgrid_core.diagnosis.engine import diagnose
from simulator.scenarios import OUTSIDE, Truth, make


@cache
def made(name: str) -> tuple[Case, Truth]:
    """A made fault without damage."""
    return make(name, 20_001, degraded=False)


def without(case: Case, *nodes: str) -> Case:
    """What is left when some nodes gave no snapshot, and the gateway no traffic of the bus."""
    records = {node: replace(case.nodes[node], channels={}) for node in nodes}
    return replace(case, nodes={**case.nodes, **records}, traffic=None)


@pytest.mark.parametrize("name", ["F005.backfeed", "F010.backfeed", "F013.surplus"])
def test_a_house_that_takes_is_no_source_of_a_surplus(name: str) -> None:
    """All houses take in what comes from the swarm: without the gateway's flow none of them is a giver."""
    case, truth = made(name)
    assert truth.origin == OUTSIDE
    report = diagnose(without(case, "gateway-1"))
    assert report.cause == truth.cause
    assert (report.origin.node, report.origin.evidence) == (OUTSIDE, "")
    assert report.origin.confidence < 0.8  # by exclusion, not by measurement


@pytest.mark.parametrize("name", ["F005.backfeed", "F010.backfeed", "F013.surplus"])
def test_the_swarm_is_not_named_while_neighbours_are_unknown(name: str) -> None:
    case, truth = made(name)
    report = diagnose(without(case, *(node for node in case.nodes if node != case.node)))
    assert report.cause == truth.cause
    assert report.origin.node == case.node and report.origin.confidence < 0.5

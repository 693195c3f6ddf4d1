"""Nobody is named as the origin by a number that says the opposite, or by none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from unittest.mock import patch

import pytest

from microgrid_core.diagnosis import engine
from microgrid_core.diagnosis.case import UNPLACED, Case
from microgrid_core.diagnosis.causes import UNDETERMINED
from microgrid_core.diagnosis.debugging.trip import inverter_trip
from microgrid_core.diagnosis.engine import diagnose
from microgrid_core.diagnosis.evidence import KINDS
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


def misplaced(case: Case, node: str, place: int) -> Case:
    """A node without a snapshot, at a number on the bus that is not its own."""
    return replace(case, nodes={**case.nodes, node: replace(case.nodes[node], channels={}, place=place)})


@pytest.mark.parametrize("name", ["F030.node_reset", "F030.gateway_reset", "F030.transient"])
def test_a_number_that_was_never_heard_did_not_fall_silent(name: str) -> None:
    case, truth = made(name)
    other = next(node for node in ("house-01", "house-02") if node not in (case.node, truth.origin))
    report = diagnose(misplaced(case, other, 9))
    assert (report.cause, report.origin.node) == (truth.cause, truth.origin)


@pytest.mark.parametrize(
    "name",
    ["F030.node_reset", "F030.open_cable", "F030.babbling_node", "F031.babbling_node", "F031.node_clock"],
)
def test_a_node_of_the_bus_without_a_name_is_told_by_its_number(name: str) -> None:
    """Not by the name of who told the fault."""
    case, truth = made(name)
    number = case.nodes[truth.origin].place
    report = diagnose(misplaced(case, truth.origin, UNPLACED))
    assert report.cause == truth.cause
    assert report.origin.node == f"CAN number {number}" and report.path[-1] == case.node
    assert all(link.holds for link in report.links)
    assert f"It began at CAN number {number} " in report.answers.where_did_it_begin


def test_where_it_began_is_not_said_when_nothing_is_known() -> None:
    case, _ = made("F030.open_cable")
    report = diagnose(without(case, *case.nodes))
    assert report.cause == UNDETERMINED
    assert not report.origin.known
    assert report.answers.where_did_it_begin.startswith("Where it began is not known.")
    assert report.answers.how_did_it_spread == "Whether it came from elsewhere is not known."
    trip = inverter_trip(report, {})
    assert not trip.propagated and "beginning" not in trip.summary


def test_the_origin_of_an_unsure_cause_is_unsure() -> None:
    """That of a cause which is as likely as not is not 95 % sure; causes with the same origin add up."""
    case, _ = made("F014.shortage")
    odds = {"F014.shortage": 2.0, "F014.own_overload": 1.8, "F014.current_sensor": -9.0}
    with patch.object(engine, "scores", return_value=odds):
        report = diagnose(case)
    assert report.cause == "F014.shortage" and report.posterior < 0.6
    assert report.origin.node != case.node and not report.origin.known
    assert report.answers.where_did_it_begin.startswith(f"It may have begun at {report.origin.node} ")
    sure = diagnose(case)
    assert sure.posterior > 0.95 and 0.9 < sure.origin.confidence <= 0.95


def test_a_cause_of_a_named_node_is_not_put_on_who_told_it() -> None:
    """The clock of a node is off, but of none in particular."""
    case, _ = made("F031.node_clock")
    with patch.object(engine, "measure", return_value={}), patch.object(engine, "scores", return_value=ODDS):
        report = diagnose(case)
    assert (report.cause, report.origin.node) == ("F031.node_clock", case.node)
    assert not report.origin.known


ODDS = {"F031.node_clock": 9.0, "F031.termination": 0.0}


@pytest.mark.parametrize("name", ["F001.neighbour_trip", "F006.export_after_trip"])
def test_a_neighbour_that_ran_on_is_not_the_one_that_stopped(name: str) -> None:
    """Who stopped took its own recording and word with it; who helped out most did not stop."""
    case, truth = made(name)
    gone = without(case, truth.origin)
    report = diagnose(replace(gone, events=tuple(e for e in case.events if e.node != truth.origin)))
    assert report.cause == truth.cause
    assert report.origin.node == truth.origin and report.origin.confidence <= 0.6
    blind = without(case, *(node for node in case.nodes if node != case.node))
    report = diagnose(replace(blind, events=tuple(e for e in case.events if e.node == case.node)))
    assert not report.origin.known


def test_what_nobody_measured_at_home_is_no_evidence() -> None:
    """Neighbours' power alone does not say how much clearer a load changed at home."""
    case, _ = made("F014.shortage")
    report = diagnose(without(case, case.node))
    assert KINDS["load_step_own"].id not in {each.id for each in report.evidence}

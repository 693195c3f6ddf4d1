"""Events that the log tells late: known once, and nothing flashes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from microgrid_core.contract.messages import Birth, EventState, EventType, Live, NodeEvent, NodeKind, Severity
from microgrid_core.model.swarm import EventReceived, FaultsChanged

from .test_swarm import World

HOUSE = Birth(kind=NodeKind.HOUSE, name="House 1", boot_id=1, metrics=("load_power",))


def event(
    world: World,
    state: EventState,
    *,
    number: int = 1,
    ago_s: float = 3600,
    kind: EventType = EventType.ALARM,
) -> NodeEvent:
    """Return an event of a while ago."""
    time = world.utc_now() - timedelta(seconds=ago_s)
    return NodeEvent(f"h:{number}", kind, state, "CARD_FAILED", Severity.WARNING, 1, number, time, {})


@pytest.fixture
def world() -> World:
    """A swarm with a house."""
    made = World()
    made.swarm.announce("h", HOUSE)
    made.told.clear()
    return made


def flashes(world: World) -> list[FaultsChanged]:
    """Return how often the active codes changed."""
    return [change for change in world.told if isinstance(change, FaultsChanged)]


def test_a_pair_of_the_past_is_told_and_does_not_flash(world: World) -> None:
    raised, cleared = event(world, EventState.RAISED), event(world, EventState.CLEARED, number=2)
    world.swarm.event("h", raised, late=True)
    world.swarm.event("h", cleared, late=True)
    world.swarm.settle("h")
    assert [change for change in world.told if isinstance(change, EventReceived)] == [
        EventReceived(world.swarm.nodes["h"], raised, True),
        EventReceived(world.swarm.nodes["h"], cleared, True),
    ]
    assert flashes(world) == []


def test_an_alarm_that_was_not_cleared_lasts(world: World) -> None:
    raised = event(world, EventState.RAISED)
    world.swarm.event("h", raised, late=True)
    assert world.swarm.nodes["h"].faults == {}
    world.swarm.settle("h")
    world.swarm.settle("h")
    world.swarm.settle("nobody")
    assert world.swarm.nodes["h"].faults == {"CARD_FAILED": raised}
    assert len(flashes(world)) == 1


def test_an_alarm_of_an_earlier_boot_is_over(world: World) -> None:
    world.swarm.event("h", event(world, EventState.RAISED), late=True)
    world.swarm.announce("h", Birth(kind=NodeKind.HOUSE, name="House 1", boot_id=2))
    world.swarm.settle("h")
    assert world.swarm.nodes["h"].faults == {}


def test_live_messages_say_which_faults_are_active(world: World) -> None:
    """The log adds what raised them; a fault that they do not name is over."""
    raised = event(world, EventState.RAISED, kind=EventType.FAULT)
    world.swarm.event("h", raised, late=True)
    world.swarm.settle("h")
    assert world.swarm.nodes["h"].faults == {}
    world.swarm.live("h", Live(1, 1, None, {}, ("CARD_FAILED",)))
    world.swarm.event("h", event(world, EventState.RAISED, kind=EventType.FAULT, number=2), late=True)
    world.swarm.settle("h")
    assert world.swarm.nodes["h"].faults["CARD_FAILED"] is not None


def test_a_card_that_its_gateway_names_fails_at_once_and_its_events_come_later(world: World) -> None:
    """The events of a house wait on the card that they are about."""
    node = world.swarm.nodes["h"]
    world.swarm.live("h", Live(1, 1, None, {}, ("CARD_FAILED",)))
    assert node.faults == {"CARD_FAILED": None}
    world.swarm.live("h", Live(1, 2, None, {}, ()))  # it works again
    assert node.faults == {}
    world.swarm.event("h", event(world, EventState.RAISED), late=True)
    world.swarm.event("h", event(world, EventState.CLEARED, number=2), late=True)
    world.swarm.settle("h")
    world.swarm.live("h", Live(1, 3, None, {}, ()))
    assert node.faults == {}
    assert len(flashes(world)) == 2


@pytest.mark.parametrize(("ago_s", "left"), [(60, 0), (7200, 1)], ids=["after it", "before it"])
def test_what_ended_while_nobody_listened(world: World, ago_s: float, left: int) -> None:
    world.swarm.event("h", event(world, EventState.RAISED))
    world.swarm.event("h", event(world, EventState.CLEARED, number=2, ago_s=ago_s), late=True)
    assert len(world.swarm.nodes["h"].faults) == left


def test_what_was_told_is_remembered(world: World) -> None:
    world.swarm.event("h", event(world, EventState.RAISED), late=True)
    assert world.swarm.was_told("h", "h:1")
    saved = world.swarm.events_told()
    assert saved == ["h/h:1"]
    again = World().start(events=saved)
    assert again.was_told("h", "h:1")
    assert not again.was_told("h", "h:2")

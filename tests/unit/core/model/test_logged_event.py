"""Events of a log in the words of MQTT."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.records import EVENT_STATES, EVENT_TYPES, SEVERITIES, Event, Lost
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.contract.messages import EventState, EventType, NodeEvent, Severity
from microgrid_core.model.logged_event import logged_event, loss_event

SCHEMA = Schema("h1", "c1", (Channel(4, "inverter_voltage", "V", 100_000, exponent=-1, offset=2300),))


NOW_US = 1_700_000_100_000_000
DAY_US = 86_400_000_000


def frame(event: Event | bytes, utc_us: int = 1_700_000_000_500_000) -> Frame:
    """Return a frame with an event."""
    payload = event if isinstance(event, bytes) else event.encode()
    return Frame(Kind.EVENT, 9, 7, SCHEMA.hash, 1000, utc_us, payload)


def test_all_of_it() -> None:
    event = Event(0, 1, 2, "F003", "h1:7:9", ((4, 15), (99, 1)))
    assert logged_event(frame(event), SCHEMA, NOW_US) == NodeEvent(
        event_id="h1:7:9",
        type=EventType.FAULT,
        state=EventState.RAISED,
        code="F003",
        severity=Severity.CRITICAL,
        boot_id=7,
        seq=9,
        time=datetime(2023, 11, 14, 22, 13, 20, 500_000, UTC),
        values={"inverter_voltage": 231.5},
    )


def test_without_schema_and_time() -> None:
    found = logged_event(frame(Event(1, 2, 0, "CARD_FAILED", "x", ((4, 15),)), utc_us=0), None, NOW_US)
    assert found is not None
    assert (found.values, found.time, found.type, found.state) == (
        {},
        None,
        EventType.ALARM,
        EventState.CLEARED,
    )


def test_what_was_lost() -> None:
    found = logged_event(frame(Event(5, 0, 1, "OVERFLOW", "x", lost=Lost(6, 10, 20))), SCHEMA, NOW_US)
    assert found is not None
    assert found.values == {"first_seq": 10, "last_seq": 20}
    assert loss_event("h1", 6, 10, 20).values == found.values


def test_every_name_has_its_like() -> None:
    assert [EventType(name) for name in EVENT_TYPES]
    assert [EventState(name) for name in EVENT_STATES]
    assert [Severity(name) for name in SEVERITIES]


@pytest.mark.parametrize(
    "event",
    [Event(9, 0, 0, "F001", "x"), Event(0, 3, 0, "F001", "x"), Event(0, 0, 3, "F001", "x"), b"\x00"],
    ids=["type", "state", "severity", "cut"],
)
def test_what_a_later_version_may_know(event: Event | bytes) -> None:
    assert logged_event(frame(event), SCHEMA, NOW_US) is None


@pytest.mark.parametrize(
    ("code", "event_id"),
    [
        ("unlock the front door", "x"),
        ("F001\n", "x"),
        ("", "x"),
        ("F" * 17, "x"),
        ("F001", "x y"),
        ("F001", ""),
        ("F001", "e" * 65),
    ],
)
def test_a_code_or_id_that_would_be_refused_over_mqtt(code: str, event_id: str) -> None:
    assert logged_event(frame(Event(0, 1, 2, code, event_id)), SCHEMA, NOW_US) is None


@pytest.mark.parametrize("utc_us", [1, 4_070_908_800_000_000, NOW_US + 2 * DAY_US, 1 << 62, (1 << 63) - 1])
def test_a_time_that_cannot_be_is_none(utc_us: int) -> None:
    found = logged_event(frame(Event(0, 1, 2, "F003", "x"), utc_us), SCHEMA, NOW_US)
    assert found is not None and found.time is None


def test_a_clock_may_be_ahead() -> None:
    found = logged_event(frame(Event(0, 1, 2, "F003", "x"), NOW_US + DAY_US - 1), SCHEMA, NOW_US)
    assert found is not None and found.time is not None

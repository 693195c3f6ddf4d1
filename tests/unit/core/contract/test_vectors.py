"""Every golden message of the contract is read, refused and written as the vectors say."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.contract.reading import Rejection, RejectReason
from microgrid_core.contract.schedule import (
    Schedule,
    check_schedule,
    current_instruction,
    decide,
    digest,
    parse_schedule,
    schedule_state,
)
from microgrid_core.contract.topics import parse_topic
from tests.unit.core.contract.judge import conforms
from tests.unit.core.contract.vectors import (
    JSON_MESSAGES,
    MESSAGES,
    as_json,
    cases,
    load,
    name_of,
    parse,
    payload_of,
    time_of,
)

NOW = "2026-11-21T12:00:00.000Z"


@pytest.mark.parametrize(("message", "case"), cases("accepted"), ids=name_of)
def test_accepted_messages_are_read(message: str, case: dict[str, Any]) -> None:
    value = parse(message, payload_of(case), load(message).get("now", NOW))
    read = as_json(value)
    assert read == case["parsed"]
    assert types_of(read) == types_of(case["parsed"])


def types_of(value: Any) -> Any:
    """Return the shape of a JSON value; `1` and `1.0` are the same number, `1` and `true` are not."""
    if isinstance(value, dict):
        return {key: types_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [types_of(item) for item in value]
    return float if type(value) is int else type(value) if not isinstance(value, str) else str


@pytest.mark.parametrize(("message", "case"), cases("refused"), ids=name_of)
def test_refused_messages_say_why(message: str, case: dict[str, Any]) -> None:
    value = parse(message, payload_of(case), load(message).get("now", NOW))
    assert isinstance(value, Rejection)
    assert value.reason == case["reason"]
    assert value.detail


@pytest.mark.parametrize("message", JSON_MESSAGES)
@pytest.mark.parametrize("case", load("hostile")["refused"], ids=name_of)
def test_hostile_payloads_are_refused_by_every_reader(message: str, case: dict[str, Any]) -> None:
    value = parse(message, payload_of(case))
    assert isinstance(value, Rejection)
    assert value.reason == case["reason"]


@pytest.mark.parametrize(
    ("message", "case"),
    [(message, case) for message, case in cases("accepted") if case.get("round_trip")],
    ids=name_of,
)
def test_writers_give_back_what_was_read(message: str, case: dict[str, Any]) -> None:
    payload = payload_of(case)
    written = MESSAGES[message][1](parse(message, payload, load(message).get("now", NOW)))
    if message == "state":
        assert written == payload
    else:
        assert json.loads(written) == json.loads(payload)


@pytest.mark.parametrize("case", load("schedule")["accepted"], ids=name_of)
def test_schedules_have_one_canonical_form(case: dict[str, Any]) -> None:
    schedule = parse("schedule", payload_of(case))
    assert MESSAGES["schedule"][1](schedule).decode() == case["written"]
    assert digest(schedule) == case["digest"] == sha256(case["written"].encode()).hexdigest()


@pytest.mark.parametrize("case", load("topics")["accepted"], ids=lambda case: case["topic"])
def test_our_topics(case: dict[str, str]) -> None:
    topic = parse_topic(case["topic"])
    assert topic is not None
    assert (topic.swarm, topic.node, topic.suffix) == (case["swarm"], case["node"], case["suffix"])
    assert str(topic) == case["topic"]


@pytest.mark.parametrize("topic", load("topics")["refused"])
def test_topics_of_others(topic: str) -> None:
    assert parse_topic(topic) is None


def schedule_of(document: dict[str, Any] | None) -> Schedule | None:
    """Return a schedule of the vectors."""
    if document is None:
        return None
    schedule = parse_schedule(json.dumps(document).encode(), None)
    assert isinstance(schedule, Schedule), schedule
    return schedule


@pytest.mark.parametrize("case", load("schedule-rules")["cases"], ids=name_of)
def test_schedules_are_judged_with_every_reason(case: dict[str, Any]) -> None:
    schedule = schedule_of(case["schedule"])
    assert schedule is not None
    capability = None
    if (declared := case["capability"]) is not None:
        capability = ScheduleCapability(
            tuple(map(ScheduleMode, declared["modes"])), declared["max_charge_w"], declared["max_discharge_w"]
        )
    assert list(check_schedule(schedule, capability, time_of(case["now"]))) == case["reasons"]


@pytest.mark.parametrize("case", load("schedule-revisions")["cases"], ids=name_of)
def test_revisions_order_schedules(case: dict[str, Any]) -> None:
    new = schedule_of(case["new"])
    assert new is not None
    assert decide(schedule_of(case["current"]), new).value == case["decision"]


@pytest.mark.parametrize("case", load("schedule-instructions")["cases"], ids=name_of)
def test_what_a_node_does_at_a_time(case: dict[str, Any]) -> None:
    schedule = schedule_of(case["schedule"])
    for expected in case["at"]:
        now = time_of(expected["now"])
        found = current_instruction(schedule, now)
        interval_id = found.interval.id if found.interval else None
        assert {
            "now": expected["now"],
            "mode": found.mode,
            "basis": found.basis,
            "interval_id": interval_id,
            "rate_w": found.rate_w,
        } == expected
        state = schedule_state(schedule, now)
        assert (state.mode, state.basis, state.interval_id, state.time) == (
            found.mode,
            found.basis,
            interval_id,
            now,
        )
        assert (state.digest is None) == (schedule is None)


def test_the_vectors_cover_every_reason_of_a_reader() -> None:
    refused = {case["reason"] for _, case in cases("refused")}
    refused |= {case["reason"] for case in load("hostile")["refused"]}
    of_the_receiver = {
        RejectReason.BAD_TOPIC,
        RejectReason.UNKNOWN_NODE,
        RejectReason.DUPLICATE,
        RejectReason.OUTDATED,
    }
    assert refused == set(RejectReason) - of_the_receiver


@pytest.mark.parametrize("message", MESSAGES)
def test_the_schemas_agree_with_the_vectors(message: str) -> None:
    for case in load(message)["accepted"]:
        assert conforms(message, document_of(message, case)), case["name"]
    for case in load(message)["refused"]:
        if case["reason"] not in BEYOND_SCHEMA_REASONS and case["name"] not in BEYOND_SCHEMA_NAMES:
            assert not conforms(message, document_of(message, case)), case["name"]


def document_of(message: str, case: dict[str, Any]) -> Any:
    """Return what a schema judges: the JSON value, or the bare text of the state."""
    payload = payload_of(case)
    return payload.decode() if message == "state" else json.loads(payload)


# A schema knows neither the clock nor the bytes nor the calendar, nor how two fields relate.
BEYOND_SCHEMA_REASONS = ("future_time", "too_large", "not_utf8")
BEYOND_SCHEMA_NAMES = ("minimum above maximum", "February 30", "interval_s beyond doubles")

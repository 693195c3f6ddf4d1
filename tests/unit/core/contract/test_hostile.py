"""Whatever arrives: no reader raises, and it accepts exactly what the schemas accept.

The schemas are written for everybody who implements the contract; jsonschema is a judge that knows nothing of
our readers. Inputs are real messages with a few things broken: random ones would all fail at the first field.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from microgrid_core.contract.reading import Rejection, RejectReason
from microgrid_core.contract.topics import parse_topic
from tests.unit.core.contract.judge import conforms
from tests.unit.core.contract.vectors import JSON_MESSAGES, MESSAGES, load, parse, payload_of

LATE = "2998-01-01T00:00:00.000Z"
"""So that no time of the inputs lies in the future, which a schema cannot judge."""
BEYOND_SCHEMA = re.compile("minimum is above maximum")

SEEDS = {
    message: [
        json.loads(payload_of(case)) for case in load(message)["accepted"] if isinstance(case["payload"], str)
    ]
    for message in JSON_MESSAGES
}

NUMBERS = (
    *(0, 1, -1, 2, 3, 4, 101, 256, 2**16, 2**32 - 1, 2**32, 2**63, 2**63 + 1, 10_000_001),
    *(1.0, 0.1, 1.5, -0.5, 1e7, 1e300),
)
TEXTS = (
    *(
        "",
        " ",
        "\u0000",
        "\u202e",
        "\ud800",
        "\u2003x",
        "x\n",
        "a b",
        "F001\n",
        "PT30M\n",
        "2026-11-21T12:00:00Z\n",
    ),
    *("x" * 32, "x" * 33, "x" * 64, "x" * 65, "x" * 300, "0" * 64, "A" * 64),
    *[
        "x",
        "X",
        "a.b",
        "é",
        "<b>",
        "../x",
        "F001",
        "house",
        "number",
        "boolean",
        "choice",
        "raised",
        "info",
        "follow",
        "charge",
        "failed",
        "gap",
        "PT30M",
        "PT1H",
    ],
    *["2026-11-21T12:00:00.000Z", "2026-11-21T12:00:00Z", "2026-11-21T12:00:00", "2026-11-21T24:00:00Z"],
    "3000-01-01T00:00:00Z",
)
NAMES = ("x", "X", "", "a.b", "x" * 48, "x" * 49, "x" * 32, "x" * 33, "values", "nodes")
CONTAINERS: tuple[Any, ...] = ([], {}, [1], [[1, 2]], ["x"], ["charge"], {"a": 1}, {"A": 1}, {"mode": 3})
ODDITIES: tuple[Any, ...] = (None, True, False, *NUMBERS, *TEXTS, *CONTAINERS)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Return every container of the document with each of its keys."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        found.extend((container, key) for key in keys)
        waiting.extend(container[key] for key in keys if isinstance(container[key], dict | list))
    return found


@st.composite
def nearly_valid(draw: st.DrawFn, message: str) -> Any:
    """Draw a golden message with up to three things broken."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS[message])))
    repeated = False
    for _ in range(draw(st.integers(0, 3))):
        if not (found := places(document)):
            break
        container, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename", "repeat"))):
            case "remove":
                del container[key]
            case "rename" if isinstance(container, dict):
                container[draw(st.sampled_from(NAMES))] = container.pop(key)
            case "repeat" if isinstance(container, list) and not repeated:
                repeated = True  # a second time would multiply
                container.extend([container[key]] * draw(st.sampled_from((1, 16, 32, 64, 256, 336))))
            case _:
                container[key] = copy.deepcopy(draw(st.sampled_from(ODDITIES) | JSON))
    return document


def assert_agreement(message: str, document: Any) -> None:
    """Assert that the reader accepts what the schema accepts, and that its writer can say it again."""
    value = parse(message, json.dumps(document).encode(), LATE)
    if isinstance(value, Rejection):
        assert not conforms(message, document) or BEYOND_SCHEMA.search(value.detail), (value, document)
        return
    assert conforms(message, document), (value, document)
    assert parse(message, MESSAGES[message][1](value), LATE) == value


def kinds_of_places(document: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], tuple[Any, Any]]:
    """Return one place of every kind: all items of a list are of one kind."""
    found: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for key in list(document) if isinstance(document, dict) else range(len(document)):
        value = document[key]
        kind = (*path, key if isinstance(key, str) else "*", type(value).__name__)
        found.setdefault(kind, (document, key))
        if isinstance(value, dict | list):
            found = kinds_of_places(value, kind) | found
    return found


SIZES = (4, 5, 16, 17, 32, 33, 64, 65, 256, 257, 336, 337)


def grown(value: Any) -> Iterator[Any]:
    """Yield a list or an object grown to sizes around every limit of the contract."""
    if isinstance(value, list) and value:
        yield from ([value[0]] * size for size in SIZES)
    elif isinstance(value, dict) and value:
        example = next(iter(value.values()))
        yield from ({**value, **{f"k{n}": example for n in range(size - len(value))}} for size in SIZES)


@pytest.mark.parametrize("message", JSON_MESSAGES)
def test_readers_and_schemas_agree_about_every_single_field(message: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for seed in SEEDS[message]:
        document = copy.deepcopy(seed)
        for kind, (container, key) in kinds_of_places(document).items():
            if kind in seen:
                continue
            seen.add(kind)
            kept = container[key]
            for oddity in (*ODDITIES, *grown(kept)):
                container[key] = oddity
                assert_agreement(message, document)
            container[key] = kept
            if isinstance(container, dict):
                del container[key]
                assert_agreement(message, document)
                for name in NAMES:
                    if name not in container:
                        container[name] = kept
                        assert_agreement(message, document)
                        del container[name]
                container[key] = kept
    assert len(seen) >= len(SEEDS[message][0])


@pytest.mark.parametrize("message", JSON_MESSAGES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_readers_and_schemas_agree_about_several_broken_fields(message: str, data: st.DataObject) -> None:
    assert_agreement(message, data.draw(nearly_valid(message)))


@pytest.mark.parametrize("message", MESSAGES)
@given(payload=st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_reader_raises(message: str, payload: bytes) -> None:
    value = parse(message, payload, LATE)
    if isinstance(value, Rejection):
        assert value.reason in RejectReason
        assert value.detail.isprintable()
        assert len(value.detail) < 200


@pytest.mark.parametrize("message", JSON_MESSAGES)
@given(data=st.data())
def test_no_reader_raises_on_damaged_bytes(message: str, data: st.DataObject) -> None:
    payload = bytearray(json.dumps(data.draw(st.sampled_from(SEEDS[message]))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    for damaged in (bytes(payload), bytes(payload[:cut])):
        value = parse(message, damaged, LATE)
        assert not isinstance(value, Rejection) or value.detail.isprintable()


@given(topic=st.text(max_size=80) | st.lists(st.text(max_size=8), max_size=7).map("/".join))
def test_a_topic_is_ours_or_nothing(topic: str) -> None:
    for candidate in (topic, f"microgrid/v1/{topic}"):
        parsed = parse_topic(candidate)
        assert parsed is None or str(parsed) == candidate

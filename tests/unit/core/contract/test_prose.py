"""The prose of the contract keeps its word: its examples are valid, and no field of a schema is missing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from microgrid_core.contract.reading import Rejection, RejectReason
from tests.unit.core.contract.judge import conforms
from tests.unit.core.contract.vectors import MESSAGES, SCHEMAS, VECTORS, parse

PROSE = (SCHEMAS / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json (\S+)\n(.*?)^```$", PROSE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("message", "text"), EXAMPLES, ids=[message for message, _ in EXAMPLES])
def test_examples_are_accepted(message: str, text: str) -> None:
    value = parse(message, text.encode())
    assert not isinstance(value, Rejection), value
    assert conforms(message, json.loads(text))


def test_there_is_an_example_of_every_json_message() -> None:
    assert {message for message, _ in EXAMPLES} == set(MESSAGES) - {"state"}


def fields_of(schema: Any) -> set[str]:
    """Return every name of a field in a schema, however deep."""
    if isinstance(schema, list):
        return {name for item in schema for name in fields_of(item)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())) | {name for item in schema.values() for name in fields_of(item)}


@pytest.mark.parametrize("message", MESSAGES)
def test_every_field_and_choice_is_explained(message: str) -> None:
    text = (SCHEMAS / f"{message}.schema.json").read_text(encoding="utf-8")
    choices = {
        word
        for words in re.findall(r'"enum": \[(.*?)\]', text, re.DOTALL)
        for word in re.findall(r'"(\w+)"', words)
    }
    missing = [word for word in sorted(fields_of(json.loads(text)) | choices) if f"`{word}`" not in PROSE]
    assert not missing


def test_every_reason_is_listed() -> None:
    assert not [reason for reason in RejectReason if f"`{reason}`" not in PROSE]


def test_every_message_has_a_schema_and_vectors() -> None:
    assert {path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json")} == set(MESSAGES)
    assert {f"{message}.json" for message in MESSAGES} <= {path.name for path in VECTORS.glob("*.json")}

"""The independent judge of payloads: the JSON schemas of the contract, applied by jsonschema."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from tests.unit.core.contract.vectors import SCHEMAS


def _pattern(_validator: Any, pattern: str, instance: object, _schema: Any) -> Any:
    """Match as JSON Schema (ECMA-262) means it: `$` is the end, not the place before a last line feed."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _integer(_checker: Any, instance: object) -> bool:
    """The contract is stricter than JSON Schema: an integer is written without a point (1.0 is none)."""
    return isinstance(instance, int) and not isinstance(instance, bool)


_Validator: Any = cast(Any, extend)(  # jsonschema has no types for it
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _integer),
)


@functools.cache
def validator(message: str) -> Any:
    """Return the judge of a message."""
    schema = json.loads((SCHEMAS / f"{message}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return _Validator(schema)


def conforms(message: str, document: object) -> bool:
    """Whether the schema of the message accepts the JSON value."""
    return bool(validator(message).is_valid(document))

"""Answers as what JSON can say: objects, lists, numbers; times as ISO 8601 under names that end in `utc`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

_TIME = "utc_us"


def plain(answer: Any) -> Any:
    """Return dataclasses as dictionaries, tuples as lists; `start_utc_us` becomes `start_utc`."""
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        told = {}
        for one in dataclasses.fields(answer):
            value = getattr(answer, one.name)
            if one.name.endswith(_TIME):
                told[one.name.removesuffix("_us")] = None if value is None else iso(value)
            else:
                told[one.name] = plain(value)
        return told
    if isinstance(answer, tuple):
        return [plain(part) for part in answer]
    return answer


def iso(utc_us: int) -> str:
    """Return a time with milliseconds."""
    return f"{np.datetime_as_string(np.datetime64(utc_us, 'us'), 'ms')}Z"

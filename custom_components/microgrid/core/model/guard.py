"""Plausibility: one check of a value against its row of the metric table, used on every path."""

from __future__ import annotations

import math

from .metric import Metric, Value, ValueType

_MAX_INTEGER = 2**63  # beyond, nothing is measured and nothing can be stored
_MAX_TEXT = 255  # the longest state that Home Assistant stores


def plausible(metric: Metric, value: object) -> Value | None:
    """Return the value in the metric's type, or None when it can not be true."""
    if metric.value is ValueType.NUMBER:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if (isinstance(value, int) and abs(value) > _MAX_INTEGER) or not math.isfinite(value):
            return None
        if metric.minimum is not None and value < metric.minimum:
            return None
        if metric.maximum is not None and value > metric.maximum:
            return None
        return value
    if metric.value is ValueType.FLAG:
        return value if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if metric.value is ValueType.CHOICE:
        return value if value in metric.options else None
    return value[:_MAX_TEXT]

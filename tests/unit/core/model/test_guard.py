"""Only what can be true gets in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.model.guard import plausible
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.metric import Metric, ValueType

TEMPERATURE = Metric(key="t", unit="°C", minimum=-50.0, maximum=150.0)
FLAG = Metric(key="f", value=ValueType.FLAG)
CHOICE = Metric(key="c", value=ValueType.CHOICE, options=("idle", "charge"))
TEXT = Metric(key="x", value=ValueType.TEXT)
METRICS = [metric for kind in KINDS.values() for metric in kind.metrics]


@pytest.mark.parametrize(
    ("metric", "value", "accepted"),
    [
        (TEMPERATURE, 20, 20),
        (TEMPERATURE, -50.0, -50.0),
        (TEMPERATURE, 150.0, 150.0),
        (TEMPERATURE, 150.1, None),
        (TEMPERATURE, -50.1, None),
        (TEMPERATURE, True, None),
        (TEMPERATURE, "20", None),
        (TEMPERATURE, math.nan, None),
        (TEMPERATURE, math.inf, None),
        (Metric(key="n"), 10**400, None),
        (Metric(key="n"), -(10**400), None),
        (FLAG, False, False),
        (FLAG, 1, None),
        (CHOICE, "idle", "idle"),
        (CHOICE, "off", None),
        (CHOICE, 0, None),
        (TEXT, "x" * 300, "x" * 255),
        (TEXT, 5, None),
    ],
)
def test_values(metric: Metric, value: object, accepted: object) -> None:
    assert plausible(metric, value) == accepted


anything: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)


@given(st.sampled_from(METRICS), anything)
def test_what_gets_in_fits_the_row(metric: Metric, value: Any) -> None:
    accepted = plausible(metric, value)
    if accepted is None:
        return
    if metric.value is ValueType.NUMBER:
        assert isinstance(accepted, (int, float)) and math.isfinite(accepted)
        assert metric.minimum is None or accepted >= metric.minimum
        assert metric.maximum is None or accepted <= metric.maximum
    elif metric.value is ValueType.CHOICE:
        assert accepted in metric.options
    else:
        assert isinstance(accepted, bool if metric.value is ValueType.FLAG else str)

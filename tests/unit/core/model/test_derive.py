"""Formulas of derived values."""

from __future__ import annotations

import pytest

from microgrid_core.model import derive
from microgrid_core.model.metric import Derivation, DeviceKind, Metric, Value, Values, numbered

CELLS = {"cell_voltage_1": 3.30, "cell_voltage_2": 3.35, "cell_voltage_16": 3.28}


@pytest.mark.parametrize(
    ("formula", "values", "result"),
    [
        (derive.product("v", "i"), {"v": 50.0, "i": -10}, -500.0),
        (derive.product("v", "i"), {"v": 50.0}, None),
        (derive.product("v", "i"), {"v": 50.0, "i": True}, None),
        (derive.apparent_power("v", "i"), {"v": 230.0, "i": -10.0}, 2300.0),
        (derive.apparent_power("v", "i"), {"i": -10.0}, None),
        (derive.difference("a", "b"), {"a": 5.0, "b": 7.0}, -2.0),
        (derive.difference("a", "b"), {"a": 5.0}, None),
        (derive.flow_direction("p"), {"p": 50.0}, "exporting"),
        (derive.flow_direction("p"), {"p": -50.0}, "importing"),
        (derive.flow_direction("p"), {"p": 49.9}, "idle"),
        (derive.flow_direction("p"), {"p": "x"}, None),
        (derive.efficiency("a", "b"), {"a": 200.0, "b": 190.0}, 95.0),
        (derive.efficiency("a", "b"), {"a": 200.0, "b": 201.0}, 100.0),
        (derive.efficiency("a", "b"), {"a": 200.0, "b": -1.0}, 0.0),
        (derive.efficiency("a", "b"), {"a": 19.0, "b": 18.0}, None),
        (derive.efficiency("a", "b"), {"a": 200.0}, None),
        (derive.below("a", 5.0), {"a": 4.9}, True),
        (derive.below("a", 5.0), {"a": 5.0}, False),
        (derive.below("a", 5.0), {}, None),
        (derive.cell_minimum, CELLS, 3.28),
        (derive.cell_maximum, CELLS, 3.35),
        (derive.cell_spread, CELLS, pytest.approx(70.0)),
        (derive.weakest_cell, CELLS, 16),
        (derive.cell_spread, {"cell_voltage_1": 3.3}, None),
        (derive.weakest_cell, {"cell_voltage_1": 3.3}, None),
    ],
)
def test_formulas(formula: Derivation, values: Values, result: Value | None) -> None:
    assert formula(values) == result


def test_a_metric_is_named_without_its_component() -> None:
    assert Metric(key="inverter_power", component="inverter").name == "power"
    assert Metric(key="inverter_power").name == "inverter_power"
    assert Metric(key="energy", max_rate=1.0).counter
    cells = numbered(Metric(key="cell_voltage"), 2)
    assert [(row.key, row.name, row.placeholders) for row in cells] == [
        ("cell_voltage_1", "cell_voltage", (("number", "1"),)),
        ("cell_voltage_2", "cell_voltage", (("number", "2"),)),
    ]


@pytest.mark.parametrize(
    ("metrics", "complaint"),
    [
        ((Metric(key="a"), Metric(key="a")), "stands twice"),
        ((Metric(key="a", component="x"),), "unknown component"),
        ((Metric(key="a", inputs=("b",), derive=derive.difference("b", "b")),), "derived from unknown b"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(metrics: tuple[Metric, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        DeviceKind(kind="k", model="K", interval_s=1.0, metrics=metrics)

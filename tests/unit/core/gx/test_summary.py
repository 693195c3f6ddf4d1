"""A station in the words of the model: every metric, signs, sums, and nothing where nothing is told."""

from __future__ import annotations

import pytest

from microgrid_core.gx.enums import ENUMS
from microgrid_core.gx.summary import summary
from microgrid_core.gx.tree import Tree
from microgrid_core.gx.value import Address, Told, Value
from microgrid_core.model.victron_gx import SYSTEM_STATES, VICTRON_GX
from simulator.gx.site import SimulatedSite


def tree(values: dict[str, Value]) -> Tree:
    found = Tree()
    for path, value in values.items():
        found.tell(Address("system", 0, path), Told(value))
    return found


def test_every_metric_of_a_simulated_station() -> None:
    site, found = SimulatedSite(), Tree()
    for address, item in site.station.items.items():
        found.tell(address, Told(item.read()))
    told = summary(found)
    missing = {metric.key for metric in VICTRON_GX.metrics} - set(told)
    assert missing == {f"{name}_power_l{phase}" for name in ("grid", "consumption") for phase in (2, 3)}
    assert told["system_state"] == "external_control"
    assert told["grid_available"] is True
    for key, value in told.items():
        metric = VICTRON_GX.by_key[key]
        if isinstance(value, float) and metric.minimum is not None and metric.maximum is not None:
            assert metric.minimum <= value <= metric.maximum, key


def test_signs_and_sums() -> None:
    told = summary(
        tree(
            {
                "/Dc/Battery/Current": 10.0,
                "/Dc/Battery/Power": 520.0,
                "/Dc/Pv/Power": 1000.0,
                "/Ac/PvOnGrid/L1/Power": 500.0,
                "/Ac/PvOnOutput/L2/Power": -3.0,
                "/Ac/Grid/L1/Power": 100.0,
                "/Ac/Grid/L2/Power": None,
                "/Ac/Grid/L3/Power": -300.0,
            }
        )
    )
    assert told == {
        "battery_current": -10.0,
        "battery_power": -520.0,
        "solar_power": 1497.0,
        "grid_power": -200.0,
        "grid_power_l1": 100.0,
        "grid_power_l3": -300.0,
    }


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("/SystemState/State", 256, {"system_state": "discharging"}),
        ("/SystemState/State", 261, {"system_state": "battery_protect"}),
        ("/SystemState/State", 99, {}),
        ("/SystemState/State", "x", {}),
        ("/Ac/ActiveIn/Source", 240, {"grid_available": False}),
        ("/Ac/ActiveIn/Source", 2, {"grid_available": False}),
        ("/Ac/ActiveIn/Source", 3, {"grid_available": True}),
        ("/Dc/Pv/Power", -2.0, {"solar_power": 0.0}),
        ("/Dc/Battery/Power", 0.0, {"battery_power": 0.0}),
    ],
)
def test_single_values(path: str, value: Value, told: dict[str, object]) -> None:
    assert summary(tree({path: value})) == told
    assert summary(Tree()) == {}


def test_every_state_of_the_system_has_a_name_in_the_model() -> None:
    """What ENUMS can tell is an option of the metric, or the value would be lost."""
    assert set(ENUMS["system_state"].values()) <= set(SYSTEM_STATES)

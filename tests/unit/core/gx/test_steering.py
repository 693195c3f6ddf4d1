"""From a schedule's power to the set-point of an ESS: the balance, the limits, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from microgrid_core.contract.messages import ScheduleCapability, ScheduleMode
from microgrid_core.gx.steering import MODES, Figures, aim, capability, measure
from microgrid_core.gx.tree import Tree
from microgrid_core.gx.value import Address, Told, Value
from simulator.gx.site import SimulatedSite

CALM = Figures(
    grid_w=200.0,
    battery_w=500.0,
    charge_percent=60.0,
    minimum_percent=20.0,
    most_charge_w=2500.0,
    most_discharge_w=4000.0,
)


@pytest.mark.parametrize(
    ("mode", "rate_w", "setpoint_w"),
    [
        (ScheduleMode.CHARGE, 1500.0, 1200.0),  # 1 kW more from the grid for 1 kW more into the battery
        (ScheduleMode.CHARGE, 500.0, 200.0),
        (ScheduleMode.DISCHARGE, 1000.0, -1300.0),
        (ScheduleMode.IDLE, None, -300.0),
        (ScheduleMode.FOLLOW, None, None),
    ],
)
def test_the_balance(mode: ScheduleMode, rate_w: float | None, setpoint_w: float | None) -> None:
    found = aim(mode, rate_w, CALM)
    assert (found.setpoint_w, found.trouble) == (setpoint_w, "")


@pytest.mark.parametrize(
    ("mode", "now", "setpoint_w", "trouble"),
    [
        (ScheduleMode.CHARGE, {"most_charge_w": 800.0}, 500.0, "can take 800 W of 1000 W"),
        (ScheduleMode.CHARGE, {"charge_percent": 99.8}, -300.0, "full"),
        (ScheduleMode.DISCHARGE, {"most_discharge_w": 300.0}, -600.0, "can give 300 W of 1000 W"),
        (ScheduleMode.DISCHARGE, {"charge_percent": 20.0}, -300.0, "minimum is 20 %"),
        (ScheduleMode.DISCHARGE, {"charge_percent": 0.0, "minimum_percent": None}, -300.0, "at 0 %"),
        (ScheduleMode.DISCHARGE, {"charge_percent": None}, -300.0, "state of charge is not known"),
        (ScheduleMode.CHARGE, {"battery_w": None}, None, "not known"),
        (ScheduleMode.CHARGE, {"grid_w": None}, None, "not known"),
        (ScheduleMode.DISCHARGE, {"obstacle": "the grid is not connected"}, None, "grid is not connected"),
    ],
)
def test_what_stands_in_the_way(
    mode: ScheduleMode, now: dict[str, float | str | None], setpoint_w: float | None, trouble: str
) -> None:
    found = aim(mode, 1000.0, replace(CALM, **now))  # type: ignore[arg-type]  # a table of fields
    assert found.setpoint_w == setpoint_w
    assert trouble in found.trouble


def test_it_settles_at_what_was_asked_for() -> None:
    """Load, sun and losses need not be known: each step closes the gap that is left."""
    load_w, loss = 700.0, 0.93
    battery_w = 0.0
    for _ in range(6):
        grid_w = load_w + battery_w / loss
        setpoint_w = aim(
            ScheduleMode.CHARGE, 2000.0, replace(CALM, grid_w=grid_w, battery_w=battery_w)
        ).setpoint_w
        assert setpoint_w is not None
        battery_w = (setpoint_w - load_w) * loss
    assert battery_w == pytest.approx(2000.0, abs=15.0)


def told(values: dict[tuple[str, str], Value]) -> Tree:
    tree = Tree()
    for (service, path), value in values.items():
        tree.tell(Address(service, 0, path), Told(value))
    return tree


def test_figures_of_a_station() -> None:
    site = SimulatedSite()
    for limit in ("/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"):
        site.hold("battery", 512, limit, 50.0)
    tree = Tree()
    for address, item in site.station.items.items():
        tree.tell(address, Told(item.read()))
    found = measure(tree)
    assert found.obstacle == ""
    assert found.most_charge_w == 2500.0, "less than 50 A at 52 V"
    assert found.most_discharge_w == pytest.approx(50.0 * 52.0, rel=0.05), (
        "less than the 4 kW of the inverter"
    )
    assert found.minimum_percent == 20
    assert found.grid_w is not None and found.battery_w is not None and found.charge_percent is not None


@pytest.mark.parametrize(
    ("values", "obstacle"),
    [
        ({("system", "/Ac/ActiveIn/Source"): 240, ("system", "/Ac/Grid/L1/Power"): 0.0}, "not connected"),
        ({("settings", "/Settings/CGwacs/Hub4Mode"): 3, ("system", "/Ac/Grid/L1/Power"): 0.0}, "external"),
        ({("system", "/Ac/ActiveIn/Source"): 1}, "nothing measures"),
        ({("system", "/Ac/ActiveIn/Source"): 1, ("system", "/Ac/Grid/L2/Power"): 5.0}, ""),
    ],
)
def test_where_a_set_point_has_no_effect(values: dict[tuple[str, str], Value], obstacle: str) -> None:
    found = measure(told(values)).obstacle
    assert (obstacle in found) if obstacle else not found


def test_what_a_battery_can_is_the_most_that_it_told() -> None:
    first = capability(CALM, None)
    assert first == ScheduleCapability(MODES, 2500.0, 4000.0)
    full = replace(CALM, most_charge_w=0.0)
    assert capability(full, first) == first, "a full battery takes nothing now, and will again"
    assert capability(full, None) is None

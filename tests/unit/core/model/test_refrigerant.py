"""Saturation temperatures against reference equations of state (CoolProp 8.0.0)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from microgrid_core.model.refrigerant import REFRIGERANTS, Saturation

DEW_POINTS = {
    "R32": {20: -33.19, 40: -21.92, 70: -9.93, 118: 3.74, 280: 32.05, 400: 45.96, 450: 50.86},
    "R410A": {20: -32.84, 40: -21.51, 70: -9.43, 118: 4.36, 280: 32.97, 400: 47.03, 450: 51.97},
    "R290": {20: -20.61, 40: -7.30, 70: 6.98, 118: 23.44, 280: 58.02},
    "R134a": {20: -5.45, 40: 7.19, 70: 20.69, 118: 36.12},
    "R22": {20: -20.65, 40: -8.26, 70: 4.99, 118: 20.19, 280: 51.97},
    "R407C": {20: -17.37, 40: -5.59, 70: 6.97, 118: 21.29, 280: 50.89},
    "R600a": {20: 12.5, 40: 27.51, 70: 43.65, 118: 62.24},
    "R744": {280: -18.99, 400: -7.29, 450: -3.14},
}
CONDENSING_60_C_PSI = {"R32": 556, "R410A": 543, "R290": 292, "R134a": 229, "R22": 337, "R407C": 387}
SIDES = [
    (name, side, curve)
    for name, fluid in REFRIGERANTS.items()
    for side, curve in (("dew", fluid.dew), ("bubble", fluid.bubble))
]


@pytest.mark.parametrize("name", DEW_POINTS)
def test_dew_points(name: str) -> None:
    for psi, celsius in DEW_POINTS[name].items():
        assert REFRIGERANTS[name].dew.temperature_c(psi) == pytest.approx(celsius, abs=0.04)


def test_the_table_has_no_fluid_without_points() -> None:
    assert set(REFRIGERANTS) == set(DEW_POINTS)


def test_bubble_side_of_a_blend_with_glide() -> None:
    assert REFRIGERANTS["R407C"].bubble.temperature_c(280) == pytest.approx(46.3, abs=0.05)


@pytest.mark.parametrize("name", CONDENSING_60_C_PSI)
def test_pressure_at_60_degrees(name: str) -> None:
    assert REFRIGERANTS[name].bubble.gauge_psi(60.0) == pytest.approx(CONDENSING_60_C_PSI[name], abs=0.6)


@pytest.mark.parametrize(
    ("name", "psi"),
    [
        ("R134a", 280),
        ("R290", 400),
        ("R744", 20),
        ("R744", 1100),
        ("R32", -20),
        ("R32", 1e9),
        ("R32", math.nan),
        ("R32", math.inf),
    ],
)
def test_outside_the_range_there_is_no_answer(name: str, psi: float) -> None:
    assert REFRIGERANTS[name].dew.temperature_c(psi) is None


def test_no_pressure_outside_the_range() -> None:
    assert REFRIGERANTS["R744"].bubble.gauge_psi(60.0) is None
    assert REFRIGERANTS["R32"].dew.gauge_psi(-36.0) is None


@given(st.sampled_from(SIDES), st.floats(0.0001, 0.9999))
def test_there_and_back_again(side: tuple[str, str, Saturation], share: float) -> None:
    curve = side[2]
    celsius = -35.0 + share * (curve.highest_c + 35.0)
    psi = curve.gauge_psi(celsius)
    assert psi is not None
    assert curve.temperature_c(psi) == pytest.approx(celsius, abs=1e-6)


@pytest.mark.parametrize(("name", "side", "curve"), SIDES)
def test_more_pressure_is_more_temperature(name: str, side: str, curve: Saturation) -> None:
    """Over the whole range of the gauges, so that no extrapolation folds back into the valid range."""
    answers = [curve.temperature_c(psi / 4.0) for psi in range(-60, 6000)]
    valid = [index for index, answer in enumerate(answers) if answer is not None]
    assert valid == list(range(valid[0], valid[-1] + 1)), f"{name} {side} comes back"
    inside = [answer for answer in answers if answer is not None]
    assert inside == sorted(inside)

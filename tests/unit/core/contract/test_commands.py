"""Commands as their nodes declare them: what a parameter takes, and which metric a setter sets."""

from __future__ import annotations

import pytest

from microgrid_core.contract.messages import CommandCapability, Parameter, ParameterType

VOLTS = Parameter("value", ParameterType.NUMBER, 44.0, 51.0, unit="V", step=0.1)
AMPERES = Parameter("value", ParameterType.NUMBER, 2, 100, unit="A", step=2)
ANY = Parameter("value", ParameterType.NUMBER, -1.0, 1.0)
SWITCH = Parameter("value", ParameterType.BOOLEAN)
CHOICE = Parameter("value", ParameterType.CHOICE, options=("solar", "utility"))


@pytest.mark.parametrize(
    ("parameter", "value", "why"),
    [
        *((VOLTS, volts, None) for volts in (44, 44.0, 44.1, 44.3, 46.7, 50.9, 51.0)),
        (VOLTS, 43.9, "value = 43.9 is below 44 V"),
        (VOLTS, 51.1, "value = 51.1 is above 51 V"),
        (VOLTS, 46.75, "value = 46.75 lies between two steps of 0.1 V"),
        (AMPERES, 10, None),
        (AMPERES, 11, "value = 11 lies between two steps of 2 A"),
        (ANY, 0.123456789, None),
        (ANY, float("nan"), "value must be a finite number"),
        (ANY, float("inf"), "value must be a finite number"),
        (ANY, True, "value must be a number"),
        (ANY, "1", "value must be a number"),
        (ANY, None, "value must be a number"),
        (SWITCH, False, None),
        (SWITCH, 0, "value must be true or false"),
        (CHOICE, "solar", None),
        (CHOICE, "wind", "value must be one of solar, utility"),
        (CHOICE, ["solar"], "value must be one of solar, utility"),
    ],
)
def test_a_parameter_says_what_is_wrong_with_a_value(
    parameter: Parameter, value: object, why: str | None
) -> None:
    assert parameter.refusal(value) == why


@pytest.mark.parametrize(
    ("name", "parameters", "metric"),
    [
        ("set_buzzer", (SWITCH,), "buzzer"),
        ("set_buzzer", (), None),
        ("set_buzzer", (SWITCH, ANY), None),
        ("set_charge_limit", (Parameter("percent", ParameterType.NUMBER, 0, 100),), None),
        ("reset", (SWITCH,), None),
    ],
)
def test_a_setter_names_the_metric_that_reads_it_back(
    name: str, parameters: tuple[Parameter, ...], metric: str | None
) -> None:
    assert CommandCapability(name, parameters).sets == metric

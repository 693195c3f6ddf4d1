"""Decoded replies as metrics of the inverter, and warnings and faults by their bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microgrid_core.model.guard import plausible
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.pi30.decode import Reply, decode, units_of
from microgrid_daemon.pi30.forms import Values
from microgrid_daemon.pi30.metrics import blank, measure
from microgrid_daemon.pi30.models import Family, profile_named
from microgrid_daemon.pi30.table import QUERIES, Layout
from microgrid_daemon.pi30.warnings import BITS, FAULT_CODES, Gravity, fault_name, interpret
from simulator.physics import readings
from simulator.physics.mpp import MppInverter
from simulator.pi30 import wire
from simulator.pi30.unit import Unit

_COMMANDS = ("QPIGS", "QPIGS2", "QPIRI", "QMOD", "QPIWS", "QET", "QLT")
MAX = profile_named(Family.MAX)


def _asked(unit: Unit, *commands: str) -> dict[str, Values]:
    found = {}
    for command in commands:
        answer = decode(command, wire.reply(unit.answer(command)), Layout.MAX)
        assert isinstance(answer, Reply), answer
        found[command] = answer.values
    return found


def test_the_simulated_inverter_is_measured_over_the_wire_as_over_mqtt() -> None:
    inverter = MppInverter(np.random.default_rng(7))
    measured = measure(_asked(Unit.of(inverter), *_COMMANDS), MAX)
    told = readings.mpp_inverter(inverter)
    assert measured.implausible == ()
    # What the daemon itself counts, and a total that the wire has as integers.
    own = {"poll_errors", "outbox_depth", "warnings_active"}
    assert set(measured.values) == set(told) - own | {"warnings_active"}
    for key in set(told) - own:
        value = measured.values[key]
        if isinstance(value, float):
            assert value == pytest.approx(told[key], abs=0.51 if key.endswith("energy") else 0.051), key
        else:
            assert value == told[key], key


def test_the_simulated_inverter_follows_its_setters() -> None:
    inverter = MppInverter(np.random.default_rng(7))
    unit = Unit.of(inverter)
    assert unit.answer("POP00") == "ACK"
    assert inverter.output_priority == "utility"
    assert measure(_asked(unit, "QPIRI"), MAX).values["output_source_priority"] == "utility"
    assert unit.answer("POP05") == "NAK"
    assert unit.answer("PZ") == "NAK"


def test_what_is_absent_stays_absent() -> None:
    assert measure({}).values == {}
    assert measure({"QPIGS": {"battery_voltage": None, "load_on": True}}).values == {"load_on": True}
    assert measure({"QMOD": {"mode": "X", "mode_name": None}}).values == {}


def test_what_cannot_be_true_is_left_out_and_named() -> None:
    # The A/D value that low-frequency units send as temperature, and a voltage of a broken sensor.
    found = measure(
        {"QPIGS": {"inverter_heat_sink_temperature": 561, "battery_voltage": 540.0, "bus_voltage": 400}}
    )
    assert found.values == {"bus_voltage": 400}
    assert found.implausible == ("battery_voltage", "inverter_heat_sink_temperature")


def test_the_sun_of_both_strings_is_one_power() -> None:
    status: Values = {"pv_charging_power": 900}
    assert measure({"QPIGS": status}).values["pv_charging_power"] == 900
    both = measure({"QPIGS": status, "QPIGS2": {"pv2_charging_power": 150}})
    assert both.values["pv_charging_power"] == 1050
    assert measure({"QPIGS": {"pv_power": 707}}).values == {"pv_charging_power": 707}


def test_codes_are_named_as_the_model_means_them() -> None:
    ratings: dict[str, Values] = {
        "QPIRI": {"output_source_priority": 1, "charger_source_priority": 2, "battery_type": 3}
    }
    assert measure(ratings).values == {
        "output_source_priority": "solar",
        "charger_source_priority": "solar_and_utility",
        "battery_type": "pylontech",
    }
    vmii = measure(ratings, profile_named(Family.VMII)).values
    assert (vmii["output_source_priority"], vmii["charger_source_priority"]) == ("sbu", "only_solar")
    assert "output_source_priority" not in measure(ratings, profile_named(Family.KING)).values


@pytest.mark.parametrize(
    ("bits", "mode", "expected"),
    [
        ([], "B", (0, False, "none")),
        ([0], "B", (0, False, "none")),  # every night
        ([0, 5, 9], "B", (2, False, "none")),
        ([1, 9], "F", (0, True, "inverter_fault, over_temperature")),
        ([], "F", (0, True, "unknown")),
        ([22, 31, 32], "B", (0, True, "battery_open")),
    ],
)
def test_alarms(bits: list[int], mode: str, expected: tuple[int, bool, str]) -> None:
    found = measure({"QPIWS": {"length": 36, "bits_set": bits}, "QMOD": {"mode": mode}}).values
    assert (found["warnings_active"], found["fault_active"], found["fault_text"]) == expected


def test_the_fault_code_of_a_parallel_unit_is_named_once() -> None:
    replies: dict[str, Values] = {
        "QPIWS": {"bits_set": [22]},
        "QPGS0": {"parallel_exists": 1, "fault_code": "82"},
    }
    assert measure(replies).values["fault_text"] == "battery_open, synchronization_lost"
    replies["QPGS0"]["parallel_exists"] = 0  # the row of nobody
    assert measure(replies).values["fault_text"] == "battery_open"


def test_bits_and_codes_have_names() -> None:
    assert [bit.place for bit in BITS] == list(range(36))
    assert len({bit.name for bit in BITS}) == 36
    alarms = interpret({"bits_set": list(range(36))})
    named = [bit for bit in BITS if bit.gravity is not Gravity.BY_MODEL]
    assert len(alarms.warnings) + len(alarms.faults) == len(named)
    assert interpret({"bits_set": [9]}).warnings == ("over_temperature",)
    assert interpret({"bits_set": [13]}).faults == ()
    assert interpret({"bits_set": [13, 30]}, Family.PI41).faults == ("battery_overcharge",)
    assert interpret({"bits_set": [6]}, Family.HS).warnings == ("output_short_circuit",)
    assert fault_name("00") is None
    assert fault_name("07") == "overload"
    assert fault_name("99") == "fault_99"
    assert len(set(FAULT_CODES)) == 31


def test_frames_of_zeros_while_a_load_is_fed_are_blank() -> None:
    zeros: Values = dict.fromkeys(
        ("grid_voltage", "ac_output_voltage", "ac_output_apparent_power", "ac_output_active_power"), 0
    )
    assert blank(zeros, "battery")
    assert not blank(zeros, "standby")
    assert not blank(zeros | {"ac_output_voltage": 230.0}, "line")


def test_fields_that_are_metrics_have_their_units() -> None:
    rows = MPP_INVERTER.by_key
    units = {**units_of("QPIGS", Layout.MAX), **units_of("QPIRI")}
    assert units["solar_feed_to_grid_power"] == "W"
    for key, unit in units.items():
        if key in rows:
            assert unit == rows[key].unit, key
    assert units_of("QET") == {"energy_wh": "Wh"}
    assert units_of("QPIGS2")["pv2_charging_power"] == "W"
    assert units_of("QMOD") == units_of("POP02") == {}


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from([*QUERIES, "QPGS0"]),
        st.dictionaries(
            st.sampled_from(
                [*MPP_INVERTER.by_key, "mode_name", "energy_wh", "bits_set", "fault_code", "pv_power"]
            ),
            _VALUES,
        ),
    )
)
def test_whatever_replies_hold_only_plausible_metrics_come_out(replies: dict[str, Values]) -> None:
    for key, value in measure(replies, MAX).values.items():
        assert plausible(MPP_INVERTER.by_key[key], value) is not None

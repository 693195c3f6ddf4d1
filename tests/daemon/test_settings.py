"""Settings: what may be changed on which model, with which values, how often, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.messages import ParameterType
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon.pi30.forms import Values
from microgrid_daemon.pi30.models import (
    GENERAL_MODELS,
    PROFILES,
    Family,
    Profile,
    profile_named,
    profile_of,
)
from microgrid_daemon.pi30.setters import SETTERS, forbidden, setter_of
from microgrid_daemon.pi30.settings import (
    SETTINGS,
    Change,
    Known,
    MemoryKeeper,
    Purpose,
    Refusal,
    RefusalReason,
    SettingValue,
    WriteLedger,
    WriteLimits,
    capability,
    offered,
    plan,
    to_restore,
    value_of,
)

_RATINGS: Values = {
    "battery_rating_voltage": 48.0,
    "battery_recharge_voltage": 46.0,
    "battery_redischarge_voltage": 54.0,
    "battery_under_voltage": 43.0,
    "battery_bulk_voltage": 56.0,
    "battery_float_voltage": 54.0,
    "output_source_priority": 0,
    "charger_source_priority": 2,
    "input_voltage_range": 1,
    "max_charging_current": 60,
    "max_ac_charging_current": 30,
    "max_charging_time_cv": 0,
    "max_discharging_current": 0,
}
_REPLIES: dict[str, Values] = {
    "QPIRI": _RATINGS,
    "QFLAG": {"enabled": ["backlight", "buzzer"], "disabled": ["power_saving"]},
    "QBEQI": {"equalization_enabled": 0, "equalization_time_min": 60, "equalization_voltage": 56.4},
    "QDI": {"recharge_voltage": 46.0, "float_voltage": 54.0, "bulk_voltage": 56.4},
    "QMCHGCR": {"values": [10, 20, 60, 120]},
    "QMUCHGCR": {"values": [2, 10, 30, 100]},
    "QBATCD": {"battery_control": "000"},
}


def _known(family: Family | None, **ratings: Any) -> Known:
    replies = {**_REPLIES, "QPIRI": {**_RATINGS, **ratings}}
    return Known(None if family is None else profile_named(family), replies)


def _plan(
    family: Family | None, key: str, value: SettingValue, purpose: Purpose = Purpose.OPERATOR, **ratings: Any
) -> str | RefusalReason:
    answer = plan(Change(key, value), _known(family, **ratings), {key}, purpose)
    return answer.reason if isinstance(answer, Refusal) else answer


@pytest.mark.parametrize(
    ("family", "key", "value", "command"),
    [
        (Family.MAX, "output_source_priority", "sbu", "POP02"),
        (Family.HS, "charger_source_priority", "utility", "PCP00"),
        (Family.KS, "charger_source_priority", "only_solar", "PCP03"),
        (Family.KS, "input_voltage_range", "appliance", "PGR00"),
        # The same two currents, in the form of each family.
        (Family.HS, "max_charging_current", 60, "MNCHGC0060"),
        (Family.HS, "max_ac_charging_current", 30, "MUCHGC030"),
        (Family.KS, "max_charging_current", 120, "MNCHGC0120"),
        (Family.KS, "max_ac_charging_current", 30, "MUCHGC030"),
        (Family.GK, "max_charging_current", 60, "MNCHGC060"),
        (Family.VMIII, "max_ac_charging_current", 100, "MUCHGC100"),
        (Family.POWMR, "max_charging_current", 10, "MNCHGC010"),
        (Family.MKS2, "max_ac_charging_current", 30, "MUCHGC0030"),
        (Family.KING, "max_charging_current", 60, "MNCHGC0060"),
        (Family.KING, "max_ac_charging_current", 30, "MUCHGC030"),
        (Family.MAX, "max_ac_charging_current", 30, "MUCHGC030"),
        (Family.MAX, "max_ac_charging_current", 100, "MUCHGC0100"),
        (Family.PI41, "max_ac_charging_current", 2, "MUCHGC002"),
        # Voltages have one decimal.
        (Family.KS, "battery_recharge_voltage", 45, "PBCV45.0"),
        (Family.KS, "battery_redischarge_voltage", 0, "PBDV00.0"),
        (Family.GK, "battery_under_voltage", 42.5, "PSDV42.5"),
        (Family.VMIII, "battery_bulk_voltage", 60.9, "PCVV60.9"),
        (Family.KING, "battery_float_voltage", 55.0, "PBFT55.0"),
        (Family.KING, "equalization_voltage", 60.0, "PBEQV60.0"),
        (Family.MAX, "battery_recharge_voltage", 50.0, "PBCV50.0"),
        (Family.MAX, "max_charging_time_cv", 120, "PCVT120"),
        (Family.MAX, "max_discharging_current", 150, "PBATMAXDISC150"),
        (Family.MAX, "max_discharging_current", 0, "PBATMAXDISC000"),
        (Family.MAX, "battery_control", "110", "PBATCD110"),
        (Family.KS, "equalization_enabled", True, "PBEQE1"),
        (Family.KS, "equalization_time_min", 65, "PBEQT065"),
        (Family.KS, "buzzer", False, "PDa"),
        (Family.KS, "power_saving", True, "PEj"),
    ],
)
def test_commands_of_settings(family: Family, key: str, value: SettingValue, command: str) -> None:
    assert _plan(family, key, value, max_charging_current=20, max_ac_charging_current=10) == command
    assert forbidden(command) is None


@pytest.mark.parametrize(
    ("family", "key", "value", "reason"),
    [
        (None, "output_source_priority", "sbu", RefusalReason.UNKNOWN_MODEL),
        # Codes of these models mean something else, or nobody knows.
        (Family.KING, "output_source_priority", "sbu", RefusalReason.NOT_OFFERED),
        (Family.VMII, "output_source_priority", "sbu", RefusalReason.NOT_OFFERED),
        (Family.REVO, "max_charging_current", 60, RefusalReason.NOT_OFFERED),
        (Family.MKS2, "battery_control", "110", RefusalReason.NOT_OFFERED),
        (Family.KS, "max_discharging_current", 60, RefusalReason.NOT_OFFERED),
        (Family.KS, "output_voltage", 230, RefusalReason.NOT_OFFERED),
        (Family.MAX, "charger_source_priority", "utility", RefusalReason.BAD_VALUE),
        (Family.MAX, "output_source_priority", 2, RefusalReason.BAD_VALUE),
        (Family.MAX, "output_source_priority", True, RefusalReason.BAD_VALUE),
        (Family.MAX, "max_charging_current", 70, RefusalReason.BAD_VALUE),  # not in the device's list
        (Family.MAX, "max_charging_current", 20.5, RefusalReason.BAD_VALUE),
        (Family.HS, "max_ac_charging_current", 100, RefusalReason.BAD_VALUE),  # two digits
        (Family.KS, "battery_recharge_voltage", 44.5, RefusalReason.BAD_VALUE),  # whole volts
        (Family.KS, "battery_recharge_voltage", 52, RefusalReason.BAD_VALUE),
        (Family.KS, "battery_recharge_voltage", float("nan"), RefusalReason.BAD_VALUE),
        (Family.KS, "battery_recharge_voltage", "45", RefusalReason.BAD_VALUE),
        (Family.KS, "battery_bulk_voltage", 58.5, RefusalReason.BAD_VALUE),
        (Family.MAX, "battery_recharge_voltage", 50.1, RefusalReason.BAD_VALUE),  # default 46 ± 4
        (Family.MAX, "battery_under_voltage", 44.0, RefusalReason.BAD_VALUE),  # its default is not known
        (Family.MAX, "max_discharging_current", 151, RefusalReason.BAD_VALUE),
        (Family.MAX, "max_discharging_current", 29, RefusalReason.BAD_VALUE),
        (Family.MAX, "max_charging_time_cv", 121, RefusalReason.BAD_VALUE),
        (Family.MAX, "max_charging_time_cv", "120", RefusalReason.BAD_VALUE),
        (Family.MAX, "battery_control", "PF", RefusalReason.BAD_VALUE),
        (Family.KS, "buzzer", 1, RefusalReason.BAD_VALUE),
        # Thresholds must not cross.
        (Family.KS, "battery_under_voltage", 47.0, RefusalReason.BAD_VALUE),
        (Family.KS, "battery_float_voltage", 56.5, RefusalReason.BAD_VALUE),
        (Family.KS, "battery_bulk_voltage", 53.5, RefusalReason.BAD_VALUE),
        # What is not known now could not be brought back.
        (Family.KS, "overload_bypass", True, RefusalReason.NOT_KNOWN_YET),
        (Family.KS, "equalization_period_d", 30, RefusalReason.NOT_KNOWN_YET),
    ],
)
def test_changes_that_are_refused(
    family: Family | None, key: str, value: SettingValue, reason: RefusalReason
) -> None:
    assert _plan(family, key, value) is reason


def test_nothing_is_enabled_by_itself() -> None:
    change = Change("output_source_priority", "sbu")
    answer = plan(change, _known(Family.MAX), (), Purpose.OPERATOR)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NOT_ENABLED
    assert "'output_source_priority' to `writes`" in str(answer)
    assert offered(_known(Family.MAX), ()) == ()
    assert offered(_known(None), SETTINGS) == ()
    assert [
        setting.key for setting in offered(_known(Family.KING), ("buzzer", "output_source_priority"))
    ] == ["buzzer"]


def test_schedules_do_not_touch_what_protects_the_battery() -> None:
    for key, setting in SETTINGS.items():
        if "voltage" in key:
            assert not setting.by_schedule
    assert _plan(Family.KS, "battery_float_voltage", 54.5, Purpose.SCHEDULE) is RefusalReason.NOT_BY_SCHEDULE
    assert _plan(Family.KS, "output_source_priority", "sbu", Purpose.SCHEDULE) == "POP02"


def test_what_could_not_be_brought_back_is_not_changed() -> None:
    # A code that no command of ours writes.
    assert _plan(Family.KS, "output_source_priority", "sbu", output_source_priority=7) is (
        RefusalReason.NOT_RESTORABLE
    )


def test_the_way_back_needs_no_permission_and_no_range() -> None:
    known = _known(Family.KS, output_source_priority=2, battery_recharge_voltage=50.0)
    originals: dict[str, SettingValue] = {
        "output_source_priority": 3,  # a code without a name
        "battery_recharge_voltage": 46.3,
        "max_charging_current": 60,
    }
    wanted = to_restore(originals, known)
    assert wanted == [Change("battery_recharge_voltage", 46.3), Change("output_source_priority", 3)]
    assert [plan(change, known, (), Purpose.RESTORE) for change in wanted] == ["PBCV46.3", "POP03"]


def test_values_are_read_as_the_model_means_them() -> None:
    known = _known(Family.MAX, output_source_priority=7, max_charging_current=None)
    assert value_of("output_source_priority", known) == 7
    assert value_of("charger_source_priority", known) == "solar_and_utility"
    assert value_of("max_charging_current", known) is None
    assert value_of("buzzer", known) is True
    assert value_of("power_saving", known) is False
    assert value_of("overload_bypass", known) is None
    assert value_of("output_source_priority", Known(None, _REPLIES)) is None
    assert value_of("output_source_priority", Known(profile_named(Family.MAX))) is None


def test_lists_of_the_device_are_needed_for_currents() -> None:
    known = Known(profile_named(Family.MAX), {"QPIRI": _RATINGS})
    answer = plan(Change("max_charging_current", 60), known, {"max_charging_current"}, Purpose.OPERATOR)
    assert "QMCHGCR" in str(answer)
    no_range = Known(profile_named(Family.KS), {"QPIRI": {**_RATINGS, "battery_rating_voltage": 36.0}})
    answer = plan(Change("battery_bulk_voltage", 44.0), no_range, {"battery_bulk_voltage"}, Purpose.OPERATOR)
    assert "no range is documented for this model at 36 V" in str(answer)
    no_class = Known(profile_named(Family.KS), {"QPIRI": {**_RATINGS, "battery_rating_voltage": None}})
    answer = plan(Change("battery_bulk_voltage", 54.0), no_class, {"battery_bulk_voltage"}, Purpose.OPERATOR)
    assert "no range is documented" in str(answer)


@pytest.mark.parametrize("key", ["max_charging_current", "max_charging_time_cv", "battery_float_voltage"])
def test_what_was_kept_and_is_no_number_is_not_sent(key: str) -> None:
    for value in ("PF", float("inf"), float("nan"), True):
        answer = plan(Change(key, value), _known(Family.KS), (), Purpose.RESTORE)
        assert isinstance(answer, Refusal)
        assert answer.reason is RefusalReason.BAD_VALUE


def test_lists_of_voltages_for_small_batteries() -> None:
    for value, command in ((12.3, "PBCV12.3"), (11.8, "PBCV11.8"), (12.4, RefusalReason.BAD_VALUE)):
        answer = _plan(
            Family.KS,
            "battery_recharge_voltage",
            value,
            battery_rating_voltage=12.0,
            battery_under_voltage=10.5,
            battery_redischarge_voltage=13.5,
        )
        assert answer == command


@given(
    st.sampled_from([*SETTINGS, "PF", ""]),
    st.one_of(
        st.text(max_size=8), st.booleans(), st.integers(), st.floats(), st.sampled_from(["sbu", "110"])
    ),
    st.sampled_from([*Family, None]),
    st.sampled_from(list(Purpose)),
    st.booleans(),
)
def test_whatever_is_wanted_only_known_commands_come_out(
    key: str, value: SettingValue, family: Family | None, purpose: Purpose, enabled: bool
) -> None:
    answer = plan(Change(key, value), _known(family), {key} if enabled else (), purpose)
    if isinstance(answer, str):
        assert forbidden(answer) is None
        assert enabled or purpose is Purpose.RESTORE
    else:
        assert answer.detail


# ---------------------------------------------------------------------------------------- commands and models


@pytest.mark.parametrize(
    "command", ["PF", "RTEY", "RTDL", "ATE1", "BTA+01", "F60", "V240", "POPV2400", "PBT00"]
)
def test_some_commands_are_never_sent(command: str) -> None:
    assert setter_of(command) is not None
    assert "never sent" in str(forbidden(command))


@pytest.mark.parametrize("command", ["QPIGS", "PF1", "POP2", "POP020", "PCVV58", "nonsense", ""])
def test_what_is_no_setter_is_not_sent(command: str) -> None:
    assert setter_of(command) is None
    assert "no command" in str(forbidden(command))


def test_each_setter_is_there_once() -> None:
    names = [setter.name for setter in SETTERS]
    assert len(names) == len(set(names))


def test_each_general_model_has_at_most_one_profile() -> None:
    numbers = [number for profile in PROFILES for number in profile.general_models]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(GENERAL_MODELS)
    for profile in PROFILES:
        assert profile.settings <= set(SETTINGS)
        assert profile.settings.isdisjoint({"max_charging_current"}) or profile.current_commands


@pytest.mark.parametrize(
    ("told", "family"),
    [
        (("044", "MAX-7200", "PI30"), Family.MAX),
        (("031", None, None), Family.MKS2),
        (("999", "REVO VM II", "PI30"), Family.REVO),
        ((None, "LV5048-PF1", "PI30"), Family.PI41),
        ((None, None, "PI41"), Family.PI41),
        (("042", "MKS3", "PI30"), None),
        ((None, None, None), None),
    ],
)
def test_models_are_known_by_what_they_tell(
    told: tuple[str | None, str | None, str | None], family: Family | None
) -> None:
    profile = profile_of(*told)
    assert (profile.family if profile is not None else None) is family


# ------------------------------------------------------------------------------------------ keeper and ledger


def test_the_first_value_found_is_what_returns() -> None:
    keeper = MemoryKeeper()
    keeper.remember("1", "buzzer", True)
    keeper.remember("1", "backlight", False)
    keeper.remember("1", "buzzer", False)
    assert list(keeper.originals("1").items()) == [("buzzer", True), ("backlight", False)]
    keeper.forget("1", "buzzer")
    keeper.forget("2", "buzzer")
    assert dict(keeper.originals("1")) == {"backlight": False}


def test_writes_are_counted_by_setting() -> None:
    ledger = WriteLedger(WriteLimits(least_interval_s=300.0, most_per_day=3), past=[("a", 0.0)])
    early = ledger.check("a", 200.0)
    assert early is not None
    assert early.reason is RefusalReason.TOO_SOON
    assert "next in 100 s" in early.detail
    assert ledger.check("b", 200.0) is None
    for time_s in (300.0, 600.0):
        assert ledger.check("a", time_s) is None
        ledger.note("a", time_s)
    worn = ledger.check("a", 900.0)
    assert worn is not None
    assert worn.reason is RefusalReason.TOO_MANY
    assert ledger.check("a", 86_400.0) is None  # the first is a day old
    assert ledger.check("a", -10.0) is None  # a clock that was set back blocks nothing


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.title))
@pytest.mark.parametrize("nominal_v", [12.0, 24.0, 48.0])
def test_what_a_command_declares_the_setting_takes(profile: Profile, nominal_v: float) -> None:
    volts = {
        key: round(value * nominal_v / 48.0, 1)
        for key, value in _RATINGS.items()
        if isinstance(value, float) and key.endswith("voltage")
    }
    ratings: Values = {**_RATINGS, **volts, "battery_rating_voltage": nominal_v}
    known = Known(profile, {**_REPLIES, "QPIRI": ratings})
    declared = 0
    for setting in offered(known, SETTINGS):
        found = capability(setting, known)
        if found is None:
            continue
        declared += 1
        assert found.name == f"set_{setting.key}"
        assert found.sets == setting.key
        (parameter,) = found.parameters
        row = MPP_INVERTER.by_key[setting.key]
        assert (parameter.unit, set(parameter.options) <= set(row.options)) == (row.unit, True)
        ends: dict[ParameterType, tuple[SettingValue | None, ...]] = {
            ParameterType.BOOLEAN: (True, False),
            ParameterType.CHOICE: parameter.options,
            ParameterType.NUMBER: (parameter.minimum, parameter.maximum),
        }
        for value in ends[parameter.type]:
            assert value is not None
            assert parameter.refusal(value) is None
            assert setting.kind.check(value, known) is None, (setting.key, value)
            command = setting.kind.command(value, known)
            assert command is not None
            assert forbidden(command) is None
        if parameter.type is ParameterType.NUMBER:
            assert parameter.maximum is not None
            beyond = parameter.maximum + 1.0
            assert parameter.refusal(beyond) is not None
            assert setting.kind.check(beyond, known) is not None
    assert (declared > 0) == bool(profile.settings)


def test_what_nobody_can_read_or_limit_is_no_command() -> None:
    known = _known(Family.MAX)
    assert capability(SETTINGS["battery_control"], known) is None, "its words have no names"
    assert capability(SETTINGS["equalization_period_d"], known) is None, "it was not told"
    assert capability(SETTINGS["max_charging_current"], Known(known.profile, {"QPIRI": _RATINGS})) is None
    assert capability(SETTINGS["output_source_priority"], _known(None)) is None

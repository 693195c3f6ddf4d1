"""The alarms of the catalogue: all that can be raised, with the limits that are judged by, and readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from microgrid_core.contract.fault import Fault, FaultCategory
from microgrid_core.contract.faults import ALARMS, FAULTS, LANGUAGES, condition, fault
from microgrid_core.contract.heat_pump import ALERT_CODES
from microgrid_core.contract.messages import CODE
from microgrid_core.health import heat_pump

RAISED_BY_NODES = frozenset(ALERT_CODES.values())
HEAT_PUMP = sorted(code for code in ALARMS if code.startswith("HP_"))
OF_THE_DAEMON = {"BATTERY_RELEASED", "SETTING_CHANGED"}
LIMITS = {limit.code: (limit.warning, limit.delay_s, limit.critical) for limit in heat_pump._FIXED} | {
    "HP_PRESSURE_HIGH": (heat_pump._CONDENSING_C[0], 10.0, heat_pump._CONDENSING_C[1]),
    "HP_PRESSURE_LOW": (heat_pump._EVAPORATING_C[0], 10.0, heat_pump._EVAPORATING_C[1]),
}


def test_every_alarm_that_can_be_raised_is_in_the_catalogue() -> None:
    raised_here = set(re.findall(r'"(HP_[A-Z_]+)"', Path(heat_pump.__file__).read_text(encoding="utf-8")))
    assert raised_here
    assert set(HEAT_PUMP) == raised_here | RAISED_BY_NODES
    # Those of MPP inverters and of the Pi daemon are held together in tests/daemon/test_codes.py.
    assert all(code in HEAT_PUMP or code.startswith("MPP_") or code in OF_THE_DAEMON for code in ALARMS)
    for code, row in ALARMS.items():
        assert CODE.fullmatch(code)
        assert (row.category is FaultCategory.HEAT_PUMP) == (code in HEAT_PUMP)


def test_alarms_and_faults_do_not_share_codes() -> None:
    assert not ALARMS.keys() & FAULTS.keys()


@pytest.mark.parametrize("code", HEAT_PUMP)
def test_the_catalogue_tells_the_limits_that_are_judged_by(code: str) -> None:
    threshold = ALARMS[code].threshold
    if code in RAISED_BY_NODES:
        assert threshold.endswith("of the node")
        return
    numbers = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", threshold.replace("−", "-"))
    assert tuple(map(float, numbers)) == LIMITS[code]


@pytest.mark.parametrize("code", sorted(ALARMS))
def test_every_alarm_speaks_every_language(code: str) -> None:
    texts = {language: condition(code).text(language) for language in LANGUAGES}
    assert [text.language for text in texts.values()] == ["en", "de", "pl"]
    for part in ("name", "description", "advice"):
        assert len({getattr(text, part) for text in texts.values()}) == len(LANGUAGES)
    for text in texts.values():
        assert text.description.endswith(".")
        # One or two plain sentences.
        assert text.advice.endswith(".")
        assert 1 <= text.advice.count(". ") + 1 <= 2


@pytest.mark.parametrize(
    ("code", "language", "name"),
    [
        ("HP_COMP_HOT", "de-AT", "Verdichter zu heiß"),
        ("HP_COMP_HOT", "pl", "Sprężarka zbyt gorąca"),
        ("HP_COMP_HOT", "fr", "Compressor too hot"),
        ("F001", "en", "Inverter overcurrent"),
        ("MPP_16", "de", "Überlast"),
        ("F999", "en", "Unknown fault"),
    ],
)
def test_one_question_answers_for_alarms_faults_and_unknown_codes(
    code: str, language: str, name: str
) -> None:
    assert condition(code).text(language).name == name


def test_only_faults_have_a_severity_of_their_own() -> None:
    assert condition("F001") is fault("F001")
    assert not any(isinstance(row, Fault) for row in ALARMS.values())
    assert condition("HP_UNHEARD_OF").category is FaultCategory.UNKNOWN

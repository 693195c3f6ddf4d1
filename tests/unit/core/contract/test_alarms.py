"""The names of alarms: complete, short, and for every alarm that this side can raise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from microgrid_core.contract.alarms import ALARM_NAMES, condition_name
from microgrid_core.contract.faults import FAULTS, LANGUAGES
from microgrid_core.contract.heat_pump import ALERT_CODES
from microgrid_core.health import heat_pump


def test_every_alarm_has_a_name_in_every_language() -> None:
    raised_here = set(re.findall(r'"(HP_[A-Z_]+)"', Path(heat_pump.__file__).read_text(encoding="utf-8")))
    assert raised_here
    assert ALARM_NAMES.keys() == raised_here | set(ALERT_CODES.values())
    for names in ALARM_NAMES.values():
        assert set(names) == set(LANGUAGES)
        assert all(0 < len(name) <= 48 for name in names.values())


def test_alarms_and_faults_do_not_share_codes() -> None:
    assert not ALARM_NAMES.keys() & FAULTS.keys()


@pytest.mark.parametrize(
    ("code", "language", "name"),
    [
        ("HP_COMP_HOT", "de-AT", "Verdichter zu heiß"),
        ("HP_COMP_HOT", "pl", "Sprężarka zbyt gorąca"),
        ("HP_COMP_HOT", "fr", "Compressor too hot"),
        ("F001", "en", "Inverter overcurrent"),
        ("F999", "en", "Unknown fault"),
    ],
)
def test_name(code: str, language: str, name: str) -> None:
    assert condition_name(code, language) == name

"""The codes of the daemon's events and the catalogue of faults and alarms: each has the other."""

from __future__ import annotations

import pytest

from microgrid_core.contract.faults import ALARMS, LANGUAGES, condition
from microgrid_core.contract.messages import EventType
from microgrid_daemon import battery
from microgrid_daemon.collector import FOREIGN, alarms_of
from microgrid_daemon.pi30.models import Family
from microgrid_daemon.pi30.warnings import BITS, INVERTER_FAULT_BIT, Bit, Gravity

_WORDS = {
    Gravity.WARNING: ("a warning",),
    Gravity.FAULT: ("a fault",),
    Gravity.WITH_INVERTER: ("a fault while bit 1 is set, else a warning",),
    Gravity.BY_MODEL: ("its meaning differs", "reserved"),
}
CODES = [f"MPP_{bit.place:02d}" for bit in BITS]


def _raised() -> set[str]:
    found: set[str] = set()
    for family in (None, *Family):
        for bit in BITS:
            for with_inverter in ([], [INVERTER_FAULT_BIT]):
                found |= alarms_of({"bits_set": [bit.place, *with_inverter]}, family).keys()
    return found


def test_every_code_that_can_be_raised_is_in_the_catalogue() -> None:
    raised = _raised() | {battery._ALARM, FOREIGN}
    assert raised <= ALARMS.keys()
    never = {code for code, row in ALARMS.items() if "never told" in row.threshold}
    assert never == set(CODES) - raised, "loss of sun, and what means something else in each model"


def test_the_catalogue_has_every_bit_and_no_other() -> None:
    assert len(CODES) == 36
    assert sorted(code for code in ALARMS if code.startswith("MPP_")) == CODES


@pytest.mark.parametrize("bit", BITS, ids=lambda bit: str(bit.name))
def test_the_catalogue_tells_how_grave_a_bit_is(bit: Bit) -> None:
    place, _, rest = ALARMS[f"MPP_{bit.place:02d}"].threshold.partition(": ")
    assert place == f"QPIWS bit {bit.place}"
    assert rest.startswith(_WORDS[bit.gravity])
    for family in Family:
        usual, here = (alarms_of({"bits_set": [bit.place]}, one) for one in (None, family))
        types = [[one.type for one in alarms.values()] for alarms in (usual, here)]
        if types[0] != types[1]:
            assert family.value.upper() in rest, "what differs is said"
            assert ("a fault" if EventType.FAULT in types[1] else "a warning") in rest


@pytest.mark.parametrize("code", [*CODES, "BATTERY_RELEASED", "SETTING_CHANGED"])
def test_people_read_what_to_do_in_their_language(code: str) -> None:
    texts = [condition(code).text(language) for language in LANGUAGES]
    assert [text.language for text in texts] == list(LANGUAGES)
    assert all(text.name and text.description and text.advice for text in texts)

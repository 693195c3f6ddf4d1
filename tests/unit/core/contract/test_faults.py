"""The fault catalogue: whole, generated from its source, and useful for codes that nobody knows."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from microgrid_core.contract.fault import FaultCategory
from microgrid_core.contract.faults import FAULTS, LANGUAGES, category_name, fault
from microgrid_core.contract.messages import CODE, Severity
from script.generators import faults as generator

CODES = (
    *("F001", "F002", "F003", "F004", "F005", "F006"),
    *("F010", "F011", "F012", "F013", "F014", "F015"),
    *("F020", "F021", "F030", "F031", "F040", "F041"),
)
CATEGORY_BY_TENS = {
    "F00": FaultCategory.INVERTER,
    "F01": FaultCategory.BATTERY,
    "F02": FaultCategory.SOLAR,
    "F03": FaultCategory.COMMUNICATION,
    "F04": FaultCategory.SYNCHRONISATION,
}


def source() -> dict[str, Any]:
    """Return the catalogue as it is written."""
    catalogue: dict[str, Any] = yaml.safe_load(generator.SOURCE.read_text(encoding="utf-8"))
    return catalogue


def test_the_table_is_what_the_catalogue_says() -> None:
    assert generator.TARGET.read_text(encoding="utf-8") == generator.render(source())
    assert generator.main(check=True) == 0


def test_the_eighteen_codes_stand_in_their_categories() -> None:
    assert tuple(FAULTS) == CODES
    for code, row in FAULTS.items():
        assert CODE.fullmatch(code)
        assert row.category is CATEGORY_BY_TENS[code[:3]]
        assert row.threshold


@pytest.mark.parametrize("code", CODES)
def test_every_code_speaks_every_language(code: str) -> None:
    texts = {language: fault(code).text(language) for language in LANGUAGES}
    assert [text.language for text in texts.values()] == ["en", "de", "pl"]
    for part in ("name", "description", "advice"):
        assert len({getattr(text, part) for text in texts.values()}) == len(LANGUAGES)
    for text in texts.values():
        assert text.description.endswith(".")
        # One or two plain sentences.
        assert text.advice.endswith(".")
        assert 1 <= text.advice.count(". ") + 1 <= 2


def test_an_unknown_code_is_called_unknown_and_keeps_its_severity() -> None:
    row = fault("F999", Severity.CRITICAL)
    assert (row.code, row.category, row.severity) == ("F999", FaultCategory.UNKNOWN, Severity.CRITICAL)
    assert row.text("de").name == "Unbekannte Störung"
    assert fault("F001", Severity.INFO).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("de", "de"), ("de-AT", "de"), ("pl_PL", "pl"), ("EN-gb", "en"), ("fr", "en"), ("", "en")],
)
def test_a_language_without_texts_falls_back_to_english(asked: str, spoken: str) -> None:
    assert fault("F001").text(asked).language == spoken
    assert (
        category_name(FaultCategory.SOLAR, asked)
        == {"de": "Solar", "pl": "Fotowoltaika", "en": "Solar"}[spoken]
    )


def test_every_category_has_a_name_in_every_language() -> None:
    assert all(category_name(category, language) for category in FaultCategory for language in LANGUAGES)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("faults", "F001", "severity"), "fatal", "F001: severity fatal"),
        (("faults", "F001", "category"), "kitchen", "F001: category kitchen"),
        (("faults", "F001", "threshold"), "", "F001: threshold is missing"),
        (("faults", "F001", "de"), {"name": "x"}, "F001.de: has name"),
        (("faults", "F001", "pl", "name"), "x" * 49, "F001.pl.name: 49 characters"),
        (("unknown", "en", "advice"), "", "unknown.en.advice: 0 characters"),
        (("categories", "solar"), {"en": "Solar"}, "category solar"),
        (("faults", "A001"), {}, "faults: the codes are not in order"),
        (("alarms", "HP_A"), {}, "alarms: the codes are not in order"),
        (("alarms", "F001"), {}, "F001: is both a fault and an alarm"),
        (("alarms", "HP_COMP_HOT", "category"), "unknown", "HP_COMP_HOT: category unknown"),
        (("alarms", "HP_COMP_HOT", "threshold"), None, "HP_COMP_HOT: threshold is missing"),
        (("alarms", "HP_COMP_HOT", "severity"), "warning", "HP_COMP_HOT: severity stands in the events"),
        (("alarms", "HP_COMP_HOT", "pl", "advice"), "x" * 241, "HP_COMP_HOT.pl.advice: 241 characters"),
    ],
)
def test_the_generator_refuses_an_incomplete_catalogue(
    path: tuple[str, ...], value: Any, problem: str
) -> None:
    assert generator.problems(source()) == []
    catalogue = copy.deepcopy(source())
    place = catalogue
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert any(found.startswith(problem) for found in generator.problems(catalogue))


def test_check_notices_a_table_that_is_out_of_date(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "_fault_table.py"
    table.write_text("FAULT_ROWS = ()\n")
    catalogue = yaml.safe_dump(source(), allow_unicode=True, sort_keys=False)
    monkeypatch.setattr(generator, "TARGET", table)
    monkeypatch.setattr(generator, "FIRMWARE_TARGET", tmp_path / "fault_catalogue_table.h")
    monkeypatch.setattr(generator, "SOURCE", tmp_path / "faults.yaml")
    generator.SOURCE.write_text(catalogue)
    assert generator.main(check=True) == 1
    assert "run script/generate faults" in capsys.readouterr().err
    assert table.read_text() == "FAULT_ROWS = ()\n"
    assert generator.main(check=False) == 0
    assert generator.main(check=True) == 0

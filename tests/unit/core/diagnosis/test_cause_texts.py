"""The texts of causes: every cause in every language, and something for what is not in the catalogue."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.faults import LANGUAGES as LANGUAGES_OF_FAULTS
from microgrid_core.diagnosis._causes_de import CAUSES_DE
from microgrid_core.diagnosis._causes_pl import CAUSES_PL
from microgrid_core.diagnosis.answers import summary
from microgrid_core.diagnosis.cause_texts import LANGUAGES, checks, kind, language_of, meaning, not_yet
from microgrid_core.diagnosis.causes import CAUSES, UNDETERMINED, CauseKind
from microgrid_core.diagnosis.debugging.trip import inverter_trip
from microgrid_core.diagnosis.report import from_dict

from .told import report

TRANSLATED = {"de": CAUSES_DE, "pl": CAUSES_PL}


def test_the_languages_are_those_of_the_faults() -> None:
    assert LANGUAGES == LANGUAGES_OF_FAULTS


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_cause_is_there_and_no_other(language: str) -> None:
    assert [*TRANSLATED[language]] == [
        cause.id for cause in CAUSES.values() if cause.kind is not CauseKind.NONE
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cause", [*CAUSES, UNDETERMINED])
def test_every_text_is_whole(cause: str, language: str) -> None:
    said, todo = meaning(cause, language), checks(cause, language)
    english = checks(cause, "en")
    assert len(todo) == len(english) >= 1
    for text in (said, *todo):
        assert text == text.strip() and re.fullmatch(r"[\w ,.:;%Ω-]+", text.replace("'", "")), text
    assert said[0].isupper() and not said.endswith(".")
    assert all(text[0].isupper() and text.endswith(".") for text in todo)
    # Numbers with units are the same in all languages.
    assert [re.findall(r"\d+", text) for text in todo] == [re.findall(r"\d+", text) for text in english]
    if language != "en":
        assert said != meaning(cause, "en") and set(todo).isdisjoint(english)
        assert kind(cause, language) != kind(cause, "en") or cause == UNDETERMINED
        assert not_yet(language) != not_yet("en")


def test_a_cause_of_another_version_is_shown_by_its_id() -> None:
    assert (meaning("F001.later", "de"), checks("F001.later", "de"), kind("F001.later", "pl")) == (
        "F001.later",
        (),
        "",
    )


@given(st.text())
def test_any_language_gives_a_text(language: str) -> None:
    assert language_of(language) in LANGUAGES
    assert meaning("F001.bridge_fault", language)


@pytest.mark.parametrize(
    ("language", "wanted"), [("de-AT", "de"), ("PL", "pl"), ("fr", "en"), ("de_CH", "de")]
)
def test_variants_of_a_language(language: str, wanted: str) -> None:
    assert language_of(language) == wanted


def test_summaries() -> None:
    told = from_dict(report())
    assert summary(told, "en", {"house-3": "The mill"}.__getitem__) == (
        "One cell gives way under load and takes the bus with it (91 %). The defect is local. "
        "Clearest sign: voltage of the DC bus at last, 44.7 V at The mill."
    )
    assert summary(told, "de-DE", str) == (
        "Eine Zelle gibt unter Last nach und nimmt den Bus mit (91 %). Der Defekt liegt hier."
    )
    assert summary(told, "pl", str).startswith("Jedno ogniwo ugina się pod obciążeniem")
    cell = replace(told.evidence[2], channel="cell_voltage_7")
    named = replace(told, evidence=(told.evidence[0], cell))
    assert summary(named, "en", str).startswith(
        "One cell gives way under load and takes the bus with it (91 %). The defect is local. It is cell 7. "
    )
    assert summary(named, "de", str).endswith("Der Defekt liegt hier. Es ist Zelle 7.")
    assert summary(named, "pl", str).endswith("To ogniwo 7.")
    assert " tripped " in (trip := inverter_trip(named, {}).summary) and "sure). It is cell 7. " in trip
    other = replace(named, cause="F006.low_charge", candidates=())
    assert "cell 7" not in summary(other, "en", str)  # there all cells are low, and nobody speaks of one
    unknown = from_dict(report(cause=UNDETERMINED, candidates={UNDETERMINED: 0.995, "F006.sensor": 0.005}))
    assert (
        summary(unknown, "de", str)
        == "Die Messwerte entscheiden nicht, was dies verursacht hat (mehr als 99 %)."
    )

"""What counts of an answer: what the evidence bears out, number by number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from microgrid_core.diagnosis.explanation.answer import (
    MAX_ANSWER,
    MAX_TEXT,
    AnswerRefused,
    read_answer,
    read_json,
)
from microgrid_core.diagnosis.explanation.dossier import QUESTIONS, Dossier, NodeName
from microgrid_core.diagnosis.explanation.explanation import (
    Outcome,
    by_engine,
    by_model,
    from_dict as explanation_from_dict,
    to_dict as explanation_to_dict,
)
from microgrid_core.diagnosis.report import from_dict
from tests.unit.core.diagnosis.told import HOUSE, NEIGHBOUR, answer, id_of, report

NAMES = {HOUSE: NodeName("house", "Farm")}
NEAR = {"F006.weak_cell": 0.45, "F006.export_after_trip": 0.4, "undetermined": 0.1}


def dossier(**changes: Any) -> Dossier:
    """Return the dossier of a report."""
    return Dossier(from_dict(report(**changes)), NAMES)


def test_an_answer_that_holds_counts() -> None:
    found = read_answer(answer(), dossier())
    assert found.cause == "F006.weak_cell"
    assert found.evidence == (id_of("bus_voltage"), id_of("cell_lowest"))
    assert found.texts.keys() == QUESTIONS.keys()


@pytest.mark.parametrize(
    "text",
    [
        "From 52.31 V to 44.71 V.",
        "Auf 44,71 V gefallen, also unter die Grenze.",
        "It lost 612.4 mV, which is 0.6124 V.",
        "H1 had 85.3 % of it (0.853).",
        "With a probability of 91 % it began 3.2 s before, 3200 ms.",
        "It gave 1.834 kW, or 1834 W.",
        f"As {id_of('bus_voltage')} shows, F006 was right: 44.71V.",
        "44.5 V is near enough.",
        "Nothing is known of N1; the swarm outside was quiet.",
        "Die Zelle war müde – „schwach“, łącznie.",
        "z.B. 2.512 V, e.g. at H1.",
        "Between 2.512 V and -2.512 V.",
    ],
)
def test_what_the_evidence_bears_out_may_be_said(text: str) -> None:
    assert read_answer(answer(why=text), dossier()).texts["why"] == text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("It fell to 43.9 V.", "stands in no evidence"),
        ("It fell to 44.71 A.", "stands in no evidence"),
        ("It fell to 44.71 kV.", "stands in no evidence"),
        ("It fell to 44.71 kilovolts.", "stands in no evidence"),
        ("It fell to 44.71.", "stands in no evidence"),
        ("It took 3.2 min.", "stands in no evidence"),
        ("A share of 0.853 MW.", "stands in no evidence"),
        ("A share of 0.853x.", "unit"),
        ("It gave 1834 kW.", "stands in no evidence"),
        ("It had 12 cells.", "stands in no evidence"),
        ("At .853 of it.", "cannot be checked"),
        ("At 4471e-2 V.", "stands in no evidence"),
        ("At 44.71e0 V.", "stands in no evidence"),
        ("Between 2.512-2.512 V.", "stands in no evidence"),
        ("At ٤٤ V.", "plain text"),
        ("It began at 18:04.", "stands in no evidence"),
        ("H7 did it.", "no id that was sent"),
        ("E999 shows it.", "no id that was sent"),
        ("F005 was told.", "no id that was sent"),
        ("See [this](x).", "plain text"),
        ("<b>bad</b>", "plain text"),
        ("**bad**", "plain text"),
        ("See http://evil.example", "address"),
        ("See evil.example for more", "address"),
        ("Two\nlines", "plain text"),
        ("{{ states }}", "plain text"),
        ("Zero \u200b width", "plain text"),
        ("   ", "characters"),
        ("", "characters"),
        ("x" * (MAX_TEXT + 1), "characters"),
        (44.71, "characters"),
        (None, "characters"),
    ],
)
@pytest.mark.parametrize("question", ["why", "how_did_it_spread"])
def test_what_it_does_not_bear_out_is_refused(question: str, text: object, wrong: str) -> None:
    with pytest.raises(AnswerRefused, match=wrong):
        read_answer(answer(**{question: text}), dossier())


@pytest.mark.parametrize(
    "changes",
    [
        {"evidence": []},
        {"evidence": ["E999"]},
        {"evidence": "E1"},
        {"evidence": [id_of("bus_voltage")] * 9},
        {"evidence": [7]},
        {"evidence": [["E1"]]},
        {"evidence": ["T1"]},
        {"cause_id": "F006.export_after_trip"},
        {"cause_id": "F001.bridge_fault"},
        {"cause_id": None},
        {"cause_id": ["F006.weak_cell"]},
        {"what_to_do": "Open the battery."},
    ],
)
def test_strange_fields_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerRefused):
        read_answer(answer(**changes), dossier())


@pytest.mark.parametrize("found", [None, [], "x", 5, {}, {"cause_id": "F006.weak_cell"}])
def test_what_is_no_answer_is_refused(found: object) -> None:
    with pytest.raises(AnswerRefused):
        read_answer(found, dossier())


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", '{"a": 1} tail', "[" * 100_000, "x" * (MAX_ANSWER + 1)]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(AnswerRefused):
        read_json(text)


@given(st.sampled_from(range(5)), st.floats(-0.0095, 0.0095))
def test_a_number_within_a_hundredth_counts(place: int, off: float) -> None:
    each = report()["evidence"][place]
    text = f"It was {abs(each['value']) * (1 + off):.6f} {each['unit']}".strip()
    assert read_answer(answer(why=text), dossier()).texts["why"] == text


@given(st.floats(0.011, 1e6))
def test_no_other_number_counts(value: float) -> None:
    found = dossier()
    known = [abs(one.value) for several in found.quantities.values() for one in several if one.unit == "V"]
    known += [abs(one.value) / 1000 for many in found.quantities.values() for one in many if one.unit == "mV"]
    written = float(f"{value:.6f}")
    assume(all(abs(written - one) > 0.0101 * one for one in known))
    with pytest.raises(AnswerRefused):
        read_answer(answer(why=f"It was {value:.6f} V."), found)


@given(st.text(max_size=80))
def test_any_text_is_either_plain_or_refused(text: str) -> None:
    try:
        found = read_answer(answer(why=text), dossier()).texts["why"]
    except AnswerRefused:
        return
    assert not set(found) & set("<>[]{}*_`#|\\@~$^\n\r\t")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from([*answer(), "x"]), inner, max_size=8)
        ),
        max_leaves=20,
    )
)
def test_no_answer_breaks_the_check(found: object) -> None:
    with pytest.raises(AnswerRefused):
        read_answer(found, dossier())


def test_a_checked_answer_replaces_the_engines_words() -> None:
    found = dossier()
    explanation = by_model(found, read_answer(answer(), found))
    assert explanation.answers.what_happened.startswith("The DC bus of Farm fell")
    assert explanation.answers.how_did_it_spread == f"It stayed in Farm. {NEIGHBOUR} gave no measurements."
    assert explanation.answers.what_to_do == "Have the named cell's capacity tested."
    assert explanation.answers.has_it_happened_before == "Never."
    assert (explanation.cause, explanation.engine_cause) == ("F006.weak_cell", "F006.weak_cell")
    assert explanation.in_models_words


def test_an_unsure_engine_leaves_the_choice_and_both_verdicts_are_kept() -> None:
    found = dossier(candidates=NEAR)
    explanation = by_model(found, read_answer(answer(cause_id="F006.export_after_trip"), found))
    assert explanation.cause == explanation.model_cause == "F006.export_after_trip"
    assert explanation.engine_cause == "F006.weak_cell"
    assert explanation.actions != found.report.actions
    assert explanation.answers.what_to_do == " ".join(explanation.actions)


def test_the_engines_words_stand_alone() -> None:
    found = dossier().report
    explanation = by_engine(found, Outcome.BUDGET, "spent")
    assert explanation.answers == found.answers
    assert (explanation.cause, explanation.model_cause) == (found.cause, None)
    assert not explanation.in_models_words


def test_an_explanation_survives_storing() -> None:
    found = dossier()
    for explanation in (
        by_model(found, read_answer(answer(), found)),
        by_engine(found.report, Outcome.OFF, "x"),
    ):
        assert explanation_from_dict(explanation_to_dict(explanation)) == explanation

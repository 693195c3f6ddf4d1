"""The reports of real diagnoses: what they tell is complete and can be quoted."""

from __future__ import annotations

import json

import pytest

from microgrid_core.diagnosis.engine import diagnose
from microgrid_core.diagnosis.explanation.answer import read_answer
from microgrid_core.diagnosis.explanation.dossier import Dossier, NodeName
from simulator.scenarios import SCENARIOS, make


@pytest.mark.parametrize("name", list(SCENARIOS)[::3])
def test_every_number_of_the_evidence_may_be_quoted_with_its_meaning(name: str) -> None:
    case, _ = make(name, 5)
    names = {node: NodeName(record.kind, f"Name of {node}") for node, record in case.nodes.items()}
    dossier = Dossier(diagnose(case, []), names)
    told = json.loads(dossier.evidence().removeprefix("<evidence>").removesuffix("</evidence>"))
    assert "other" not in {each["node"] for each in told["evidence"]}
    for each in told["evidence"]:
        said = f"The {each['meaning']} was {each['value']} {each['unit']}".strip() + f" at {each['t_s']} s."
        texts = ("what_happened", "where_did_it_begin", "why", "how_did_it_spread")
        answer = {
            "cause_id": told["choose_from"][0],
            "evidence": [each["id"]],
            **dict.fromkeys(texts, said),
        }
        assert read_answer(answer, dossier).texts["why"] == said

"""docs/reference/faults.md: made from the catalogues, with every code, cause and check."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from microgrid_core.contract.faults import ALARMS, FAULTS
from microgrid_core.diagnosis.causes import CAUSES, CAUSES_OF_CODE
from script.generators import fault_pages as generator


def test_the_page_is_what_the_catalogues_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.TARGET.read_text(encoding="utf-8") == generator.render()
    assert generator.main(check=True) == 0
    with patch.object(generator, "render", return_value="something else"):
        assert generator.main(check=True) == 1
    assert "script/generate fault-pages" in capsys.readouterr().err


def test_every_code_cause_and_check_is_on_it() -> None:
    page = generator.render()
    for code, row in {**FAULTS, **ALARMS}.items():
        assert f"### {code}\n" in page
        assert f"[{code}](#{code.lower()})" in page
        assert row.text("en").name in page
        assert row.text("en").description in page
        assert row.text("en").advice in page
    for cause in CAUSES.values():
        assert f"`{cause.id}`" in page
        assert cause.meaning in page
        for check in cause.checks:
            assert check in page


def test_defects_here_come_first_and_nothing_last() -> None:
    for code in CAUSES_OF_CODE:
        kinds = [cause.kind.value for cause in generator.ordered(code)]
        assert kinds == sorted(kinds, key=["local", "propagated", "sensor", "none"].index)
        assert kinds[-1] == "none"
    assert generator.ordered("F999") == []

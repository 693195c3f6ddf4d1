"""The page of the paths is what the table says."""

from __future__ import annotations

from script.generators import gx


def test_the_page_is_up_to_date() -> None:
    assert gx.TARGET.read_text(encoding="utf-8") == gx.render(), "run script/generate gx"
    assert gx.main(check=True) == 0

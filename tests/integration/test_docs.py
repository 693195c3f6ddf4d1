"""The YAML that the documentation shows is valid in Home Assistant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from homeassistant.components.automation.config import async_validate_config_item
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    (f"{page.stem} {number}", text)
    for page in sorted(ROOT.glob("docs/**/*.md"))
    for number, text in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES], ids=[name for name, _ in EXAMPLES])
async def test_example_is_valid(hass: HomeAssistant, text: str) -> None:
    """An automation validates as one; anything else is a list of actions or a single one."""
    assert await async_setup_component(hass, "automation", {})
    example = parse_yaml(text)
    if isinstance(example, dict) and "triggers" in example:
        item = await async_validate_config_item(
            hass, "example", {**example, "alias": "example", "id": "example"}
        )
        assert item is not None
        assert item.validation_status == "ok", item.validation_error
    else:
        assert cv.SCRIPT_SCHEMA(example if isinstance(example, list) else [example])

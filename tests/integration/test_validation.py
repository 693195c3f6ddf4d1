"""The files that Home Assistant and HACS read: manifest, texts, icons, actions, quality scale, brand."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.mqtt.util import valid_subscribe_topic
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, service
from homeassistant.helpers.translation import async_get_translations
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components import microgrid
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.contract.messages import NodeKind
from custom_components.microgrid.core.contract.topics import subscription
from custom_components.microgrid.core.model.kinds import KINDS
from custom_components.microgrid.services import SEND_COMMAND_SCHEMA
from script.generators import brand

from . import hassfest
from .voices import Voice

assert microgrid.__file__
INTEGRATION = Path(microgrid.__file__).parent
REPOSITORY = INTEGRATION.parents[1]
BLUEPRINTS = sorted((REPOSITORY / "blueprints").glob("*/*/*.yaml"))


def test_integration_is_valid() -> None:
    """Nothing is wrong with any file."""
    assert hassfest.problems(INTEGRATION) == []


def test_repository_is_valid_for_hacs() -> None:
    """HACS can install from here."""
    assert hassfest.hacs_problems(REPOSITORY) == []


def test_every_rule_of_the_quality_scale() -> None:
    """The list that answers are compared with is whole."""
    assert len(hassfest.quality_rules()) == 54


def test_brand_images_show_the_drawings() -> None:
    """No image is older than its drawing."""
    assert {image.path.name for image in brand.IMAGES} == {
        f"{prefix}{name}" for prefix in ("", "dark_") for name in hassfest.BRAND_SIZES
    }
    assert [image.path.name for image in brand.IMAGES if not brand.up_to_date(image)] == []


# ---- the checks themselves --------------------------------------

Tree = dict[str, Any]
Breakage = Callable[[Tree], object]
BREAKAGES: tuple[tuple[str, Breakage, str], ...] = (
    ("manifest.json", lambda tree: tree.pop("version"), "manifest: version is missing"),
    ("manifest.json", lambda tree: tree.update(version="one"), "manifest: version:"),
    ("manifest.json", lambda tree: tree.update(domain="macrogrid"), "manifest: domain macrogrid"),
    ("manifest.json", lambda tree: tree.update(colour="red"), "manifest: unknown key colour"),
    ("manifest.json", lambda tree: tree.update(iot_class="psychic"), "manifest: unknown iot_class psychic"),
    (
        "manifest.json",
        lambda tree: tree.update(domain=tree.pop("domain")),
        "manifest: the keys are not in order",
    ),
    ("manifest.json", lambda tree: tree.update(quality_scale="gold"), "manifest: quality_scale is for"),
    ("manifest.json", lambda tree: tree.update(requirements=["numpy"]), "manifest: requirement numpy has no"),
    (
        "manifest.json",
        lambda tree: tree.update(dependencies=["mqqt"]),
        "manifest: dependencies: no integration",
    ),
    ("manifest.json", lambda tree: tree.update(dependencies=[]), "imports: __init__.py imports mqtt"),
    (
        "translations/en.json",
        lambda tree: tree["config"].update(steps={"a": "b"}),
        "texts: config.steps.a: no shipped",
    ),
    (
        "translations/en.json",
        lambda tree: tree.update(title=" Microgrid"),
        "texts: title: empty or with space",
    ),
    (
        "translations/en.json",
        lambda tree: tree.update(title="<b>Microgrid</b>"),
        "texts: title: contains HTML",
    ),
    ("translations/en.json", lambda tree: tree.update(title="[%key:a::b%]"), "texts: title: references"),
    (
        "translations/en.json",
        lambda tree: tree.update(title="https://example.org"),
        "texts: title: an address",
    ),
    ("translations/de.json", lambda tree: tree.pop("title"), "languages: de: title is missing"),
    ("translations/pl.json", lambda tree: tree.update(extra="x"), "languages: pl: extra is not in English"),
    (
        "translations/pl.json",
        lambda tree: tree.update(title="{x}"),
        "languages: pl: title has other placeholders",
    ),
    (
        "translations/de.json",
        lambda tree: tree.update(config=tree.pop("config")),
        "languages: de: keys are not sorted",
    ),
    ("translations/en.json", lambda tree: tree["issues"].pop("data_loss"), "issues.data_loss has no text"),
    (
        "translations/en.json",
        lambda tree: tree["exceptions"].pop("no_target"),
        "exceptions.no_target has no text",
    ),
    (
        "translations/en.json",
        lambda tree: tree["exceptions"]["no_target"].update(message="{why}"),
        "exceptions.no_target is not given why",
    ),
    (
        "icons.json",
        lambda tree: tree["services"]["send_command"].update(service="mdi:nonsense"),
        "there is no icon",
    ),
    (
        "icons.json",
        lambda tree: tree["services"].pop("send_command"),
        "icons: services.send_command has no icon",
    ),
    ("icons.json", lambda tree: tree.update(service={"a": "mdi:send"}), "icons: service.a: no shipped"),
    (
        "icons.json",
        lambda tree: tree["entity"]["sensor"].update(x={"default": "mdi:send"}),
        "icon and no text",
    ),
    ("services.yaml", lambda tree: tree.update(jump=None), "actions: services.jump is not in both"),
    ("services.yaml", lambda tree: tree["send_command"].update(fields=7), "actions: services.yaml:"),
    (
        "services.yaml",
        lambda tree: tree["send_command"]["fields"].pop("node"),
        "send_command.node is not in both",
    ),
    ("services.yaml", lambda tree: tree["send_command"].update(target={"device": {}}), "a target cannot ask"),
    (
        "translations/en.json",
        lambda tree: tree["services"]["send_command"].pop("name"),
        "send_command has no name",
    ),
    ("quality_scale.yaml", lambda tree: tree["rules"].pop("brands"), "quality_scale: brands: not answered"),
    (
        "quality_scale.yaml",
        lambda tree: tree["rules"].update(beauty="done"),
        "quality_scale: beauty: no such rule",
    ),
    ("quality_scale.yaml", lambda tree: tree["rules"].update(brands="soon"), "brands: soon is no answer"),
    (
        "quality_scale.yaml",
        lambda tree: tree["rules"].update(brands="exempt"),
        "brands: exempt without a reason",
    ),
)


@pytest.mark.parametrize(("file", "damage", "told"), BREAKAGES, ids=[row[2] for row in BREAKAGES])
def test_checks_notice(tmp_path: Path, file: str, damage: Breakage, told: str) -> None:
    """Each check finds what it is there for."""
    copy = tmp_path / DOMAIN
    shutil.copytree(INTEGRATION, copy, ignore=shutil.ignore_patterns("__pycache__"))
    target = copy / file
    if target.suffix == ".json":
        tree = json.loads(target.read_text(encoding="utf-8"))
        damage(tree)
        target.write_text(json.dumps(tree), encoding="utf-8")
    else:
        tree = load_yaml_dict(str(target))
        damage(tree)
        target.write_text(yaml.safe_dump(json.loads(json.dumps(tree))), encoding="utf-8")
    found = hassfest.problems(copy)
    assert any(told in problem for problem in found), found


def test_checks_notice_files(tmp_path: Path) -> None:
    """Missing and wrong files are found, too."""
    copy = tmp_path / DOMAIN
    shutil.copytree(INTEGRATION, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "brand/icon.png").unlink()
    shutil.copy(copy / "brand/icon@2x.png", copy / "brand/dark_icon.png")
    (copy / "config_flow.py").unlink()
    source = (copy / "__init__.py").read_text(encoding="utf-8")
    (copy / "__init__.py").write_text(source.replace("CONFIG_SCHEMA", "SCHEMA"), encoding="utf-8")
    found = hassfest.problems(copy)
    for told in (
        "manifest: config_flow without config_flow.py",
        "config_schema: async_setup without CONFIG_SCHEMA",
        "brand: brand/icon.png is missing",
        "brand: brand/dark_icon.png is no PNG of the right size: (512, 512)",
    ):
        assert told in found


def test_hacs_checks_notice(tmp_path: Path) -> None:
    """The rules of HACS find what is missing."""
    (tmp_path / "hacs.json").write_text('{"zip_release": true, "colour": "red"}', encoding="utf-8")
    for name in ("one", "two"):
        (tmp_path / "custom_components" / name).mkdir(parents=True)
        (tmp_path / "custom_components" / name / "manifest.json").write_text(
            '{"name": "x"}', encoding="utf-8"
        )
    found = "\n".join(hassfest.hacs_problems(tmp_path))
    for told in (
        "name is missing",
        "unknown key colour",
        "needs filename",
        "exactly one",
        "domain is missing",
        "icon.png",
        "LICENSE",
    ):
        assert told in found


# ---- as Home Assistant sees it ----------------------------------


async def test_loaded_manifest(hass: HomeAssistant) -> None:
    """Home Assistant takes the manifest; it listens where nodes announce themselves."""
    integration = await async_get_integration(hass, DOMAIN)
    assert integration.version
    assert integration.mqtt == [subscription("+", "birth")]
    assert [valid_subscribe_topic(topic) for topic in integration.mqtt] == integration.mqtt


async def test_action_as_described(hass: HomeAssistant) -> None:
    """The user interface offers exactly the fields that the action takes."""
    assert await async_setup_component(hass, DOMAIN, {})
    described = (await service.async_get_all_descriptions(hass))[DOMAIN]["send_command"]
    schema = SEND_COMMAND_SCHEMA.validators[0].schema
    assert set(described["fields"]) == {str(key) for key in schema}
    assert {name for name, field in described["fields"].items() if field.get("required")} == {
        str(key) for key in schema if type(key).__name__ == "Required"
    }
    assert described["response"] == {"optional": True}


@pytest.mark.parametrize("language", hassfest.LANGUAGES)
async def test_every_entity_has_a_name(hass: HomeAssistant, entry: MockConfigEntry, language: str) -> None:
    """All entities that any node can ever show have a text in every language."""
    for kind in NodeKind:
        metrics = tuple(metric.key for metric in KINDS[kind].metrics)
        await Voice(hass, f"{kind}-1", kind, kind).greet(metrics)
    texts = await async_get_translations(hass, language, "entity", {DOMAIN})
    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, entry.entry_id)
    assert len(entities) > 100
    missing = {
        f"{item.domain}.{item.translation_key}"
        for item in entities
        if f"component.{DOMAIN}.entity.{item.domain}.{item.translation_key}.name" not in texts
        and not item.original_device_class
    }
    assert not missing


def test_german_says_du() -> None:
    """As Home Assistant does; the polite pronouns are those that are capital within a sentence."""
    text = (INTEGRATION / "translations" / "de.json").read_text()
    assert re.findall(r".{0,30}[\w,;] (?:Sie|Ihnen|Ihr|Ihre[mnrs]?)\b", text) == []


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_blueprint(path: Path) -> None:
    """Home Assistant can import the blueprint."""
    assert path.parts[-3] == "automation"
    blueprint = Blueprint(
        load_yaml_dict(str(path)),
        expected_domain="automation",
        path=path.name,
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    assert blueprint.validate() is None


CONFIGURATION = """
script:
  restart_the_cellar:
    sequence:
      - action: microgrid.send_command
        data:
          node: battery-1
          command: {command}
"""


async def check_config(folder: Path) -> str:
    """Return what `hass --script check_config` prints; its exit code says nothing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "homeassistant",
        "--script",
        "check_config",
        "--config",
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    return output.decode()


def configuration(folder: Path, text: str) -> Path:
    """Lay out a configuration folder with the integration in it."""
    (folder / "custom_components").mkdir(parents=True)
    (folder / f"custom_components/{DOMAIN}").symlink_to(INTEGRATION)
    (folder / "configuration.yaml").write_text(text, encoding="utf-8")
    return folder


async def test_check_config(tmp_path: Path) -> None:
    """Home Assistant finds nothing wrong with a configuration that uses us, and says when there is."""
    good, bad = await asyncio.gather(
        check_config(configuration(tmp_path / "good", CONFIGURATION.format(command="restart"))),
        check_config(configuration(tmp_path / "bad", f"{DOMAIN}:\n  swarm: demo\n")),
    )
    assert "Testing configuration" in good
    for word in ("ERROR", "Failed", "Invalid", "does not support YAML"):
        assert word not in good, good
    assert "does not support YAML" in bad, bad

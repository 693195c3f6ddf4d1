"""Checks a custom integration as Home Assistant's hassfest and HACS do, with installed packages only.

hassfest itself lives in Home Assistant's source tree. What is compared here is either validated by Home
Assistant's own schemas or measured against the files of the integrations that it ships. Each check yields
one line for each thing that is wrong.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hass_frontend
import homeassistant
import voluptuous as vol
from awesomeversion import AwesomeVersion, AwesomeVersionException, AwesomeVersionStrategy
from homeassistant.const import Platform
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import _SERVICES_SCHEMA
from homeassistant.util.yaml import load_yaml_dict

COMPONENTS = Path(homeassistant.__file__).parent / "components"
LANGUAGES = ("en", "de", "pl")

MANIFEST_REQUIRED = frozenset(
    {"codeowners", "documentation", "domain", "iot_class", "issue_tracker", "name", "version"}
)
VERSION_STRATEGIES = [
    AwesomeVersionStrategy.CALVER,
    AwesomeVersionStrategy.SEMVER,
    AwesomeVersionStrategy.SIMPLEVER,
    AwesomeVersionStrategy.BUILDVER,
    AwesomeVersionStrategy.PEP440,
]

# Integrations that any other may import without naming them in its manifest.
FREE_IMPORTS = frozenset(
    {
        *(platform.value for platform in Platform),
        *("automation", "blueprint", "device_automation", "diagnostics", "homeassistant", "llm", "logbook"),
        *("repairs", "script", "system_health", "websocket_api"),
    }
)

# Words with a meaning in the formats; every other key of these files is a name of the integration's own.
TRANSLATION_WORDS = frozenset(
    {
        "abort",
        "condition_type",
        "conditions",
        "config",
        "config_panel",
        "config_subentries",
        "create_entry",
        "data",
        "data_description",
        "description",
        "device",
        "device_automation",
        "entity",
        "entity_component",
        "entry_type",
        "error",
        "exceptions",
        "fields",
        "fix_flow",
        "flow_title",
        "info",
        "initiate_flow",
        "issues",
        "menu_option_descriptions",
        "menu_options",
        "message",
        "name",
        "options",
        "preview_features",
        "progress",
        "section",
        "sections",
        "selector",
        "services",
        "state",
        "state_attributes",
        "step",
        "submit",
        "system_health",
        "title",
        "trigger_type",
        "triggers",
        "unit_of_measurement",
    }
)
ICON_WORDS = frozenset(
    {
        "condition",
        "conditions",
        "default",
        "entity",
        "entity_component",
        "issues",
        "range",
        "section",
        "sections",
        "service",
        "services",
        "state",
        "state_attributes",
        "trigger",
        "triggers",
    }
)

BRAND_SIZES: Mapping[str, tuple[int | None, int]] = {
    "icon.png": (256, 256),
    "icon@2x.png": (512, 512),
    "logo.png": (None, 128),
    "logo@2x.png": (None, 256),
}

HACS_KEYS = frozenset(
    {
        "content_in_root",
        "country",
        "filename",
        "hacs",
        "hide_default_branch",
        "homeassistant",
        "name",
        "persistent_directory",
        "render_readme",
        "zip_release",
    }
)

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Integration:
    """The files of one integration."""

    path: Path

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON file, empty when it is not there."""
        file = self.path / name
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def yaml(self, name: str) -> dict[str, Any]:
        """Return a YAML file, empty when it is not there."""
        file = self.path / name
        return load_yaml_dict(str(file)) if file.exists() else {}

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest."""
        return self.json("manifest.json")

    def texts(self, language: str = "en") -> dict[str, Any]:
        """The texts of one language."""
        return self.json(f"translations/{language}.json")

    def modules(self) -> Iterator[tuple[str, ast.Module]]:
        """Yield the Python files by their path inside the integration."""
        for file in sorted(self.path.rglob("*.py")):
            yield str(file.relative_to(self.path)), ast.parse(file.read_text(encoding="utf-8"))


def leaves(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the path and the content of everything that is no object in a JSON tree."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, node


def shape(path: KeyPath, words: frozenset[str]) -> KeyPath:
    """Return the path with the integration's own names left out."""
    return tuple(key if key in words else "*" for key in path)


@cache
def shipped_shapes(file_name: str, words: frozenset[str]) -> frozenset[KeyPath]:
    """Return the shapes of all paths that shipped integrations use in a file."""
    return frozenset(
        shape(path, words)
        for file in COMPONENTS.glob(f"*/{file_name}")
        for path, _ in leaves(json.loads(file.read_text(encoding="utf-8")))
    )


@cache
def shipped_manifests() -> tuple[dict[str, Any], ...]:
    """Return all shipped manifests."""
    return tuple(json.loads(file.read_text(encoding="utf-8")) for file in COMPONENTS.glob("*/manifest.json"))


@cache
def quality_rules() -> frozenset[str]:
    """Return the names of the rules of the quality scale."""
    return frozenset(
        rule
        for file in COMPONENTS.glob("*/quality_scale.yaml")
        for rule in load_yaml_dict(str(file))["rules"]
    )


@cache
def icon_names() -> frozenset[str]:
    """Return the names of all icons that the frontend can draw."""
    folder = Path(hass_frontend.__file__).parent / "static/mdi"
    names: set[str] = set()
    for file in folder.glob("*.json"):
        if isinstance(found := json.loads(file.read_text(encoding="utf-8")), dict):
            names |= found.keys()
    return frozenset(names)


def placeholders(text: str) -> set[str]:
    """Return the names in braces."""
    return set(re.findall(r"{(\w+)}", text))


# ---- the checks ------------------------------------------------


def manifest(integration: Integration) -> Iterator[str]:
    """Keys, their order, and the values that have a fixed set."""
    found = integration.manifest
    if found.get("domain") != integration.path.name:
        yield f"domain {found.get('domain')} is not the name of the folder"
    for key in sorted(MANIFEST_REQUIRED - found.keys()):
        yield f"{key} is missing"
    known = {key for shipped in shipped_manifests() for key in shipped} | MANIFEST_REQUIRED
    for key in sorted(found.keys() - known):
        yield f"unknown key {key}"
    for key in ("iot_class", "integration_type"):
        if found.get(key) not in {shipped.get(key) for shipped in shipped_manifests()}:
            yield f"unknown {key} {found.get(key)}"
    if list(found) != sorted(found, key=lambda key: ({"domain": 0, "name": 1}.get(key, 2), key)):
        yield "the keys are not in order: domain, name, then alphabetical"
    if "quality_scale" in found:
        yield "quality_scale is for integrations that Home Assistant ships"
    try:
        AwesomeVersion(found.get("version"), ensure_strategy=VERSION_STRATEGIES)
    except AwesomeVersionException as error:
        yield f"version: {error}"
    for requirement in found.get("requirements", []):
        # An exact version would fight the one that Home Assistant ships as soon as that moves on.
        if not re.fullmatch(r"[A-Za-z0-9_.-]+(>=|==)[0-9.]+(,<[0-9.]+)?", requirement):
            yield f"requirement {requirement} has no lower bound"
    for key in ("dependencies", "after_dependencies"):
        for name in found.get(key, []):
            if not (COMPONENTS / name).is_dir():
                yield f"{key}: no integration is called {name}"
    for key, file in (("config_flow", "config_flow.py"), ("mqtt", "config_flow.py")):
        if found.get(key) and not (integration.path / file).exists():
            yield f"{key} without {file}"


def imports(integration: Integration) -> Iterator[str]:
    """Integrations that are imported but not named in the manifest."""
    found = integration.manifest
    allowed = FREE_IMPORTS.union(found.get("dependencies", []), found.get("after_dependencies", []))
    for file, module in integration.modules():
        for node in ast.walk(module):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module == "homeassistant.components":
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                other = name.removeprefix("homeassistant.components.").split(".")[0]
                ours = (
                    "homeassistant.components" in name
                    or getattr(node, "module", "") == "homeassistant.components"
                )
                if ours and other not in allowed and (COMPONENTS / other).is_dir():
                    yield f"{file} imports {other}, which the manifest does not name"


def config_schema(integration: Integration) -> Iterator[str]:
    """An integration that is set up without an entry says what YAML it takes."""
    source = (integration.path / "__init__.py").read_text(encoding="utf-8")
    if "async def async_setup(" in source and "CONFIG_SCHEMA" not in source:
        yield "async_setup without CONFIG_SCHEMA"


def texts(integration: Integration) -> Iterator[str]:
    """English texts: only keys that Home Assistant reads, no HTML, no references, no stray space."""
    known = shipped_shapes("strings.json", TRANSLATION_WORDS)
    for path, text in leaves(integration.texts()):
        where = ".".join(path)
        if not any(
            shape(path, TRANSLATION_WORDS - set(own)) in known for own in ((), *((key,) for key in path[1:]))
        ):
            yield f"{where}: no shipped integration has such a key"
        if not isinstance(text, str) or not text or text != text.strip():
            yield f"{where}: empty or with space around it"
            continue
        if "[%key:" in text:
            yield f"{where}: references are not resolved in custom integrations"
        if re.search(r"https?://", text):
            yield f"{where}: an address belongs into a placeholder"
        try:
            cv.string_with_no_html(text)
        except vol.Invalid:
            yield f"{where}: contains HTML"


def languages(integration: Integration) -> Iterator[str]:
    """All languages have the same keys with the same placeholders, sorted."""
    english = dict(leaves(integration.texts()))
    for language in LANGUAGES:
        tree = integration.texts(language)
        found = dict(leaves(tree))
        for path in sorted(english.keys() - found.keys()):
            yield f"{language}: {'.'.join(path)} is missing"
        for path in sorted(found.keys() - english.keys()):
            yield f"{language}: {'.'.join(path)} is not in English"
        for path in english.keys() & found.keys():
            if placeholders(english[path]) != placeholders(found[path]):
                yield f"{language}: {'.'.join(path)} has other placeholders"
        if json.dumps(tree) != json.dumps(tree, sort_keys=True):
            yield f"{language}: keys are not sorted"


def raised_texts(integration: Integration) -> Iterator[str]:
    """Errors and issues raised in the code have a text, and are given all that it names."""
    sections = {"translation_domain": "exceptions", "severity": "issues"}
    found = integration.texts()
    for file, module in integration.modules():
        constants = {
            target.id: value.value
            for node in module.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and isinstance(value := node.value, ast.Constant)
        }
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            key_node = given.get("translation_key")
            section = next((section for mark, section in sections.items() if mark in given), None)
            if key_node is None or section is None:
                continue
            if isinstance(key_node, ast.Name):
                key = constants.get(key_node.id)
            else:
                key = getattr(key_node, "value", None)
            if not isinstance(key, str):
                continue  # a variable; its values are tested where they come from
            if key not in found.get(section, {}):
                yield f"{file}:{node.lineno}: {section}.{key} has no text"
                continue
            names = {name for _, text in leaves(found[section][key]) for name in placeholders(text)}
            filled = given.get("translation_placeholders")
            if filled is None or isinstance(filled, ast.Dict):
                keys = {getattr(item, "value", None) for item in filled.keys} if filled else set()
                if missing := names - keys:
                    yield f"{file}:{node.lineno}: {section}.{key} is not given {', '.join(sorted(missing))}"


def icons(integration: Integration) -> Iterator[str]:
    """Icons that exist, at keys that Home Assistant reads, for names that have a text."""
    tree = integration.json("icons.json")
    known = shipped_shapes("icons.json", ICON_WORDS)
    english = integration.texts()
    for path, icon in leaves(tree):
        where = ".".join(path)
        if not any(
            shape(path, ICON_WORDS - set(own)) in known for own in ((), *((key,) for key in path[1:]))
        ):
            yield f"{where}: no shipped integration has such a key"
        if not str(icon).startswith("mdi:") or str(icon).removeprefix("mdi:") not in icon_names():
            yield f"{where}: there is no icon {icon}"
    for platform, names in tree.get("entity", {}).items():
        for name in names:
            if name not in english.get("entity", {}).get(platform, {}):
                yield f"entity.{platform}.{name} has an icon and no text"
    for action in integration.yaml("services.yaml"):
        if action not in tree.get("services", {}):
            yield f"services.{action} has no icon"


def actions(integration: Integration) -> Iterator[str]:
    """services.yaml obeys Home Assistant's schema, and each action and field has name and description."""
    described = integration.yaml("services.yaml")
    try:
        _SERVICES_SCHEMA(described)
    except (vol.Invalid, HomeAssistantError) as error:
        yield f"services.yaml: {error}"
        return
    named = integration.texts().get("services", {})
    for action in sorted(described.keys() ^ named.keys()):
        yield f"services.{action} is not in both services.yaml and the texts"
    for action in described.keys() & named.keys():
        if "device" in str((described[action] or {}).get("target", "")):
            yield f"services.{action}: a target cannot ask for devices, a field with a device selector can"
        wanted = set((described[action] or {}).get("fields", {}))
        for name in sorted(wanted ^ named[action].get("fields", {}).keys()):
            yield f"services.{action}.{name} is not in both services.yaml and the texts"
        for where, item in ((action, named[action]), *named[action].get("fields", {}).items()):
            if missing := {"name", "description"} - item.keys():
                yield f"services.{action}: {where} has no {' and no '.join(sorted(missing))}"


def quality_scale(integration: Integration) -> Iterator[str]:
    """Every rule is answered, with a reason where it does not apply."""
    rules: Mapping[str, Any] = integration.yaml("quality_scale.yaml").get("rules", {})
    for rule in sorted(quality_rules() ^ rules.keys()):
        yield f"{rule}: {'not answered' if rule in quality_rules() else 'no such rule'}"
    for rule, answer in rules.items():
        status = answer.get("status") if isinstance(answer, dict) else answer
        if status not in ("done", "todo", "exempt"):
            yield f"{rule}: {status} is no answer"
        if status == "exempt" and not (isinstance(answer, dict) and answer.get("comment")):
            yield f"{rule}: exempt without a reason"


def brand(integration: Integration) -> Iterator[str]:
    """Icon and logo, for light and dark, in the sizes that are asked for."""
    for prefix in ("", "dark_"):
        for name, (width, height) in BRAND_SIZES.items():
            file = integration.path / "brand" / f"{prefix}{name}"
            if not file.exists():
                yield f"brand/{file.name} is missing"
                continue
            header = file.read_bytes()[:24]
            size = int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
            if header[1:4] != b"PNG" or size[1] != height or width not in (None, size[0]):
                yield f"brand/{file.name} is no PNG of the right size: {size}"


CHECKS: tuple[Callable[[Integration], Iterator[str]], ...] = (
    manifest,
    imports,
    config_schema,
    texts,
    languages,
    raised_texts,
    icons,
    actions,
    quality_scale,
    brand,
)


def problems(path: Path) -> list[str]:
    """Run all checks on the integration in a folder."""
    integration = Integration(path)
    return [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(integration)]


def hacs_problems(repository: Path) -> list[str]:
    """Check what HACS asks of a repository, as far as it can be seen without GitHub."""
    found: list[str] = []
    settings = json.loads((repository / "hacs.json").read_text(encoding="utf-8"))
    if "name" not in settings:
        found.append("hacs.json: name is missing")
    found += [f"hacs.json: unknown key {key}" for key in sorted(settings.keys() - HACS_KEYS)]
    if settings.get("zip_release") and not settings.get("filename"):
        found.append("hacs.json: zip_release needs filename")
    integrations = [
        path for path in (repository / "custom_components").iterdir() if (path / "manifest.json").exists()
    ]
    if len(integrations) != 1:
        found.append("custom_components: HACS installs exactly one integration")
    for path in integrations:
        needed = MANIFEST_REQUIRED - {"iot_class"}
        missing = sorted(needed - Integration(path).manifest.keys())
        found += [f"manifest.json: {key} is missing" for key in missing]
        if not (path / "brand/icon.png").exists():
            found.append("brand/icon.png is missing")
    for name in ("README.md", "LICENSE"):
        if not (repository / name).exists() or not (repository / name).read_text(encoding="utf-8").strip():
            found.append(f"{name} is missing or empty")
    return found

"""Documentation that can be wrong is checked: links lead somewhere, commands are run by something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from microgrid_core.diagnosis.causes import CAUSES
from microgrid_core.health.rules import GX_RULES, SWARM_RULES, TREND_RULES
from simulator.scenarios.library import SCENARIOS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("contract/**/*.md")])

_DEPLOY = "tests/e2e/test_deploy.py"
_DAEMON_PAGE = "tests/daemon/test_daemon_page.py"
EXECUTED_BY = {
    "script/demo": "tests/e2e/test_demo.py",
    "script/demo --firmware": "tests/e2e/test_demo.py",
    "script/test": ".ci/run",
    "script/test --fast": "script/test",  # the same program with one suite less
    "script/lint": ".ci/run",
    "deploy/setup --swarm home --host broker.lan": _DEPLOY,
    "deploy/setup add-node gateway-1 --houses house-01,house-02": _DEPLOY,
    "deploy/setup add-node heat-pump-1 --heat-pump": _DEPLOY,
    "deploy/setup add-node weather --sensors": _DEPLOY,
    "deploy/setup add-node pi-south --houses mpp-1,battery-1 --sensors": _DEPLOY,
    "deploy/setup add-node pi-south --houses mpp-1,battery-1 --reads zigbee2mqtt/attic": _DEPLOY,
    "sudo env PYTHONPATH=pi_daemon:. python3 -m microgrid_daemon install ./pi_daemon --dry-run": _DAEMON_PAGE,
    "sudo env PYTHONPATH=pi_daemon:. python3 -m microgrid_daemon install ./pi_daemon": _DAEMON_PAGE,
    "microgrid-daemon check": _DAEMON_PAGE,
    "microgrid-daemon status": _DAEMON_PAGE,
    "sudo microgrid-daemon upgrade ./pi_daemon": _DAEMON_PAGE,
    "sudo microgrid-daemon rollback": _DAEMON_PAGE,
    "sudo microgrid-daemon uninstall": _DAEMON_PAGE,
    "esphome config esphome/examples/house.yaml": "tests/firmware/test_esphome_yaml.py",
    "esphome compile --only-generate esphome/examples/house.yaml": "tests/firmware/test_esphome_yaml.py",
    "esphome run esphome/examples/house.yaml": "tests/firmware/test_esphome_yaml.py",  # less the flashing
}
"""Where a documented command is run for real."""


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _commands() -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(ROOT)), line.split("#")[0].strip())
        for page in PAGES
        for block in _blocks(page, "sh")
        for line in block.splitlines()
        if line.split("#")[0].strip()
    ]


def _anchor(heading: str) -> str:
    """The anchor that a forge gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize(("page", "command"), _commands())
def test_every_command_is_executed_by_a_test(page: str, command: str) -> None:
    """A command in the documentation that nothing runs is sooner or later wrong."""
    assert command in EXECUTED_BY, f"{page} shows `{command}`: name the test that runs it in EXECUTED_BY"
    assert command.split(maxsplit=1)[0] in (ROOT / EXECUTED_BY[command]).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files exist, and so do the headings that links point to."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"(?:\]\(|src=\")([^)\"\s]+)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, f"no heading for {target}"


def test_every_page_is_found_from_the_first_one() -> None:
    """Somebody reads README.md and follows links."""
    found, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        found.add(page)
        for target in re.findall(r"\]\(([^)\"\s#]+\.md)", page.read_text()):
            if "://" not in target and (path := (page.parent / target).resolve()) not in found:
                new.add(path)
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in found] == []


def test_numbers_in_the_text_are_those_of_the_code() -> None:
    """What a page counts, the code has."""
    of_a_defect = [name for name in CAUSES if not name.endswith(".transient")]
    rules = len(GX_RULES) + len(SWARM_RULES) + len(TREND_RULES)
    constants = (ROOT / "custom_components/microgrid/const.py").read_text()
    (days,) = re.findall(r"OPT_KEEP_SAMPLES: (\d+)", constants)
    codes = yaml.safe_load((ROOT / "contract/faults.yaml").read_text())["faults"]
    for page, words in (
        ("docs/diagnosis.md", f"{len(of_a_defect)} altogether"),
        ("docs/diagnosis.md", f"{len(SCENARIOS)} scenarios"),
        ("docs/home-assistant.md", f"{len(SCENARIOS)} scenarios"),
        ("docs/debugging.md", f"samples for {days} days"),
        ("docs/operator.md", f"samples for {days} days"),
        ("docs/health.md", f"{rules} rules"),
        ("README.md", f"{rules} rules"),
        ("README.md", f"{len(codes)} codes"),
    ):
        assert words in re.sub(r"\s+", " ", (ROOT / page).read_text()), f"{page}: {words}"


def test_what_the_console_says_is_what_the_firmware_prints() -> None:
    """An installer searches the page for the words on the screen."""
    quoted = re.findall(
        r"^\| `([^`]+)` in the console \|", (ROOT / "docs/installer.md").read_text(), re.MULTILINE
    )
    printed = "".join(source.read_text() for source in ROOT.glob("esphome/components/*/*.cpp"))
    assert len(quoted) >= 2
    assert [words for words in quoted if words not in printed] == []

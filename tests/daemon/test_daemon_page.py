"""The page about the daemon: each command of it is run, into a folder; every TOML is accepted."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from microgrid_daemon.cli.exit_codes import FINE, NOT_RUNNING
from microgrid_daemon.config import parse
from tests.daemon import wheels

_ROOT = Path(__file__).parents[2]
PAGE = (_ROOT / "docs/daemon.md").read_text()
BUILDING = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
_ELSEWHERE = ("install", "upgrade", "rollback", "uninstall")
_WHOLE = 'swarm = "v"\n{more}\n[[inverters]]\nnode = "i"\n'


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def _words(command: str, root: Path, python: str) -> list[str]:
    """What is typed, with a folder as the system: no sudo, and what the launcher would call."""
    words = shlex.split(command)
    if words[0] == "sudo":
        words = words[1:]
    if words[0] == "microgrid-daemon":
        current = root / "opt/microgrid-daemon/current"
        words[:1] = ["env", f"PYTHONPATH={current}", python, "-Ps", "-m", "microgrid_daemon"]
    words = [python if word == "python3" else word for word in words]
    if any(verb in words for verb in _ELSEWHERE):
        by = ["--python", python] if {"install", "upgrade"} & set(words) else []
        return [*words, "--root", str(root), *by]
    return [*words, "--config", str(root / "etc/microgrid/daemon.toml")]


def test_the_commands_do_what_is_said(tmp_path: Path) -> None:
    python = wheels.python_of_a_pi()
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheels.shelf(shelf, *BUILDING)
    root = tmp_path / "root"
    current = root / "opt/microgrid-daemon/current"
    seen = []
    for command in (line for block in _blocks("sh") for line in block.splitlines()):
        done = subprocess.run(
            _words(command, root, python),
            cwd=_ROOT,
            env={**os.environ, **wheels.offline(shelf), "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        expected = NOT_RUNNING if "status" in command else FINE
        assert done.returncode == expected, f"{command}: {done.stdout}{done.stderr}"
        seen.append((command.split("./")[0].split()[-1], current.exists(), (root / "etc").exists()))
    assert [verb for verb, _, _ in seen] == [
        *("install", "install", "check", "status", "upgrade", "rollback", "uninstall")
    ]
    assert seen[0] == ("install", False, False), "the dry run"
    assert seen[1] == ("install", True, True)
    assert seen[-1] == ("uninstall", False, True)


@pytest.mark.parametrize("block", _blocks("toml"))
def test_every_piece_of_configuration_is_accepted(block: str) -> None:
    tomllib.loads(block)
    before, tables = ("", block) if block.startswith("[") else (block, "")
    broker = "" if "[broker]" in block else '[broker]\nhost = "h"\n'
    config = parse(_WHOLE.format(more=before) + broker + tables, Path("daemon.toml"), {})
    assert config.swarm == "v"


def test_the_metrics_of_the_page_exist() -> None:
    source = (_ROOT / "pi_daemon/microgrid_daemon/textfile.py").read_text()
    named = set(re.findall(r"`(microgrid_[a-z_]+)(?:\{|`)", PAGE))
    assert {name for name in named if f'"{name}"' not in source} == set()

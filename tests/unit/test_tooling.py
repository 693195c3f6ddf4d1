"""What the scripts and the files around the code promise: repeatable, quick, bound to no package index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written in halves, or this file would be the first to break its own rule.
PACKAGE_HOSTS = [
    "py" + "pi.org",
    "pythonhosted" + ".org",
    "npm" + "js.org",
    "npm" + "js.com",
    "yarn" + "pkg.com",
    "deb." + "debian.org",
    "archive." + "ubuntu.com",
    "crates" + ".io",
]


def run(
    *command: str, cwd: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished process, with its output."""
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=100)


def repository_files() -> list[Path]:
    """Every file that is committed or about to be."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture
def copy_of_lock(tmp_path: Path) -> Path:
    """A folder with our pyproject.toml, uv.lock and the program that checks one against the other."""
    for name in ("pyproject.toml", "uv.lock", "script/generators/lock.py"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return tmp_path


def uv_environment() -> dict[str, str]:
    """The environment in which script/generators/lock.py runs: with the path of uv."""
    found = run("bash", "-c", 'source script/lib/env.sh && printf %s "$UV"').stdout
    return {**os.environ, "UV": found}


def test_bootstrap_has_nothing_to_do_the_second_time(tmp_path: Path) -> None:
    first = run(str(ROOT / "script/bootstrap"), cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    took_s = []
    for _ in range(3):
        started = time.monotonic()
        again = run(str(ROOT / "script/bootstrap"), cwd=tmp_path)
        took_s.append(time.monotonic() - started)
        assert (again.returncode, again.stdout) == (0, "")
    # The one timed promise of the scripts, with room for a busy machine: measured at 0.1 s.
    assert min(took_s) < 2


def test_bootstrap_refuses_what_it_does_not_know() -> None:
    refused = run("script/bootstrap", "--frobnicate")
    assert refused.returncode == 2
    assert "usage: script/bootstrap" in refused.stderr


def test_failure_names_what_why_and_remedy() -> None:
    failed = run(
        "bash", "-c", "source script/lib/say.sh; quietly 'the box' 'open it' ls /does/not/exist; echo on"
    )
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert re.search(
        r"failed: +the box\nbecause: .*does/not/exist.*\nremedy: +open it\n", failed.stderr, re.DOTALL
    )


def test_a_failed_step_lets_the_others_run_and_fails_the_script() -> None:
    script = "source script/lib/say.sh; step one false; step two echo second ran; report_steps"
    finished = run("bash", "-c", script)
    assert finished.returncode == 1
    assert "second ran" in finished.stdout
    assert finished.stdout.endswith("failed: one\n")


def test_no_file_names_a_package_index() -> None:
    pattern = re.compile("|".join(map(re.escape, PACKAGE_HOSTS)))
    files = repository_files()
    assert ROOT / "uv.lock" in files
    named = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if (match := pattern.search(path.read_bytes().decode("utf-8", "replace")))
    ]
    assert named == []


def test_lock_names_no_address_but_hashes_every_file() -> None:
    text = (ROOT / "uv.lock").read_text()
    assert "://" not in text
    packages = tomllib.loads(text)["package"]
    files = [
        file
        for package in packages
        for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    ]
    assert len(files) > len(packages)
    assert all(file["hash"].startswith("sha256:") for file in files)


def test_lock_fits_the_project() -> None:
    checked = run(sys.executable, "script/generators/lock.py", "--check", env=uv_environment())
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("pyproject.toml", '"psutil",', '"psutil>=99",', id="project asks for more"),
        pytest.param(
            "uv.lock", 'registry = "index"', 'registry = "https://index.example/simple"', id="index named"
        ),
    ],
)
def test_unfit_lock_is_refused(copy_of_lock: Path, name: str, old: str, new: str) -> None:
    changed = copy_of_lock / name
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new))
    checked = run(
        sys.executable, "script/generators/lock.py", "--check", cwd=copy_of_lock, env=uv_environment()
    )
    assert checked.returncode == 1
    assert "script/generate lock" in checked.stderr


def test_installed_packages_are_those_of_the_lock() -> None:
    """The pins that everything hangs on are what this very interpreter has."""
    locked = {
        package["name"]: package["version"]
        for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    }
    for name in ("numpy", "pytest", "hypothesis", "voluptuous", "paho-mqtt"):
        assert version(name) == locked[name]


@pytest.mark.parametrize("script", ["bootstrap", "test", "lint", "generate"])
def test_script_explains_itself_from_any_folder(script: str, tmp_path: Path) -> None:
    explained = run(str(ROOT / "script" / script), "--help", cwd=tmp_path)
    assert explained.returncode == 0
    assert f"usage: script/{script}" in explained.stdout

"""The wheel `microgrid-core` is made without a network and brings the command `microgrid`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    finished = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_wheel(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        tmp_path,
        cwd=ROOT / "packages" / "core",
    )
    (wheel,) = tmp_path.glob("microgrid_core-*.whl")
    uv = run("bash", "-c", 'source script/lib/env.sh && printf %s "$UV"', cwd=ROOT)
    target = tmp_path / "installed"
    run(
        uv,
        *("pip", "install", "--offline", "--no-deps", "--quiet", "--python", sys.executable),
        *("--target", target, wheel),
        cwd=tmp_path,
    )
    log = ROOT / "contract" / "vectors" / "umg1" / "every-kind.umg1"
    told = run(target / "bin" / "microgrid", "log", "info", log, cwd=tmp_path, PYTHONPATH=str(target))
    assert "boot b0070001" in told
    where = run(
        sys.executable,
        "-c",
        "import microgrid_core; print(microgrid_core.__file__)",
        cwd=tmp_path,
        PYTHONPATH=str(target),
    )
    assert Path(where.strip()).is_relative_to(target)
    assert not list(target.rglob("*.md"))

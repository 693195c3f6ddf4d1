"""clang-tidy looks again at what may have another verdict now, and at nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from .tidy import TIDY, check

# As script/lint has it: first the tools of the environment that runs this.
SEARCHED = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
pytestmark = pytest.mark.skipif(
    shutil.which(TIDY, path=SEARCHED) is None, reason="clang-tidy is missing: script/bootstrap"
)


@pytest.fixture(autouse=True)
def searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool is found."""
    monkeypatch.setenv("PATH", SEARCHED)


class Project:
    """A source, its header, and how it is compiled."""

    def __init__(self, folder: Path) -> None:
        """Write files without a mistake."""
        self.folder = folder
        self.source, self.header = folder / "a.cpp", folder / "a.h"
        self.config = folder / ".clang-tidy"
        self.database = folder / "build" / "compile_commands.json"
        self.database.parent.mkdir()
        self.config.write_text("Checks: '-*,bugprone-*'\nWarningsAsErrors: '*'\nHeaderFilterRegex: '.*'\n")
        self.header.write_text("inline int half(int value) { return value / 2; }\n")
        self.source.write_text('#include "a.h"\nint quarter(int value) { return half(half(value)); }\n')
        self.compile_with("-std=c++20")

    def compile_with(self, *flags: str) -> None:
        """Say how."""
        arguments = ["c++", *flags, "-c", str(self.source)]
        entry = {"directory": str(self.folder), "file": str(self.source), "arguments": arguments}
        self.database.write_text(json.dumps([entry]))

    def look(self) -> tuple[int, int]:
        """Return how many files were looked at, and how many were found wrong."""
        looked_at, complaints = check([self.source], self.database, self.folder / "stamps")
        return looked_at, len(complaints)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One that passed."""
    made = Project(tmp_path)
    assert made.look() == (1, 0)
    assert made.look() == (0, 0)
    return made


def test_whatever_the_verdict_depends_on_is_looked_at(project: Project) -> None:
    project.header.write_text("inline int half(int value) { return value / 3; }\n")
    assert project.look() == (1, 0)
    project.source.write_text(project.source.read_text() + "int eighth(int value);\n")
    assert project.look() == (1, 0)
    project.compile_with("-std=c++20", "-DNDEBUG")
    assert project.look() == (1, 0)
    project.config.write_text(project.config.read_text() + "FormatStyle: none\n")
    assert project.look() == (1, 0)
    assert project.look() == (0, 0)


def test_what_fails_is_looked_at_until_it_passes(project: Project) -> None:
    """Also a mistake in a header, and one that does not even compile."""
    good = project.header.read_text()
    project.header.write_text(
        good + "inline void never(int value) { if (value = 1) return; return; }\n"
        "inline int same(int a) { return a == a ? 1 : 1; }\n"
    )
    assert project.look() == (1, 1)
    assert project.look() == (1, 1)
    project.header.unlink()
    assert project.look() == (1, 1)
    project.header.write_text(good)
    assert project.look() == (1, 0)
    assert project.look() == (0, 0)

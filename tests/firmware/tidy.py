"""Runs clang-tidy, but not again over what it passed and what has not changed since.

Unchanged means, by content: clang-tidy, its configuration, how a file is compiled, the file, and every header
that it includes, those of the system too. What passed leaves a stamp in build/tidy that says all of it; what
is wrong leaves none.

    python tests/firmware/tidy.py FILE...    # after compile_database.py
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATABASE = ROOT / "build" / "compile_commands.json"
STAMPS = ROOT / "build" / "tidy"
TIDY = "clang-tidy"


@cache
def _content(path: Path) -> str:
    """Return the digest of a file, or that there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _configurations(source: Path) -> list[Path]:
    """Where clang-tidy looks for its configuration."""
    return [folder / ".clang-tidy" for folder in source.parents]


@dataclass(frozen=True, slots=True)
class Job:
    """A file and how it is compiled."""

    source: Path
    arguments: Sequence[str]
    stamp: Path

    def read_by_compiler(self) -> list[Path] | None:
        """Return the file and all that it includes; None when the compiler cannot tell."""
        kept = [argument for argument in self.arguments if argument not in ("-c", str(self.source))]
        done = subprocess.run(
            [*kept, "-M", str(self.source)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        if done.returncode != 0:
            return None
        _, _, names = done.stdout.replace("\\\n", " ").partition(":")
        return sorted({(ROOT / name).resolve() for name in names.split()})

    def digest(self, tool: str, read: Iterable[Path]) -> str:
        """Return what the verdict depends on, as one number."""
        files = [*_configurations(self.source), *read]
        parts = [tool, *self.arguments, *(f"{path} {_content(path)}" for path in files)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def passed_before(self, tool: str) -> bool:
        """Whether the stamp says so, and all is as it was then."""
        if not self.stamp.is_file():
            return False
        told, *names = self.stamp.read_text(encoding="utf-8").splitlines()
        return told == self.digest(tool, map(Path, names))

    def run(self, tool: str, database: Path) -> str | None:
        """Look through the file; return what is wrong with it, None: nothing."""
        self.stamp.unlink(missing_ok=True)
        read = self.read_by_compiler()
        # Taken before: what changes while clang-tidy reads counts as new.
        digest = None if read is None else self.digest(tool, read)
        done = subprocess.run(
            [TIDY, "--quiet", "-p", database.parent, self.source], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return done.stdout + done.stderr
        if read is not None and digest is not None:
            self.stamp.write_text("\n".join([digest, *map(str, read)]) + "\n", encoding="utf-8")
        return None


def check(sources: Iterable[Path], database: Path = DATABASE, stamps: Path = STAMPS) -> tuple[int, list[str]]:
    """Look through what is new; return how many files that were, and what is wrong with them."""
    _content.cache_clear()
    tool = subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    compiled = {Path(entry["file"]): entry["arguments"] for entry in json.loads(database.read_text())}
    stamps.mkdir(parents=True, exist_ok=True)
    jobs = []
    for source in (source.resolve() for source in sources):
        if source not in compiled:
            raise SystemExit(f"{source}: {database} does not say how it is compiled; see compile_database.py")
        jobs.append(Job(source, compiled[source], stamps / str(source).strip("/").replace("/", "~")))
    todo = [job for job in jobs if not job.passed_before(tool)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda job: job.run(tool, database), todo))
    return len(todo), [text for text in said if text is not None]


def main(names: Sequence[str]) -> int:
    """Print what is wrong."""
    looked_at, complaints = check(map(Path, names))
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"   clang-tidy: {looked_at} of {len(names)} files new or changed, {len(complaints)} found wrong")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

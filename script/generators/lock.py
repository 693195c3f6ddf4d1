"""Generator `lock`: uv.lock brought up to pyproject.toml, without naming the package index it was made from.

A lock file that names an index binds everybody to it, also those behind a mirror or a proxy. The hashes alone
say what is installed. uv accepts the shortened file as current and exports it; script/bootstrap installs the
export from whatever index the machine is configured for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "uv.lock"
UV = os.environ.get("UV") or "uv"

_REGISTRY = re.compile(r'registry = "[a-z+]+://[^"]*"')
_URL = re.compile(r'url = "[a-z+]+://[^"]*/([^"/]+)"')
_SIZE = re.compile(r", size = \d+")
"""Of files: some indexes tell it and others do not."""


def without_hosts(lock: str) -> str:
    """The lock file with the index called `index` and every file by its bare name."""
    return _SIZE.sub("", _URL.sub(r'url = "\1"', _REGISTRY.sub('registry = "index"', lock)))


def is_current() -> bool:
    """Whether uv.lock satisfies pyproject.toml; needs no network."""
    command = [UV, "lock", "--check", "--offline", "--quiet", "--project", str(ROOT)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def fresh_lock() -> str:
    """uv.lock resolved anew where pyproject.toml asks for it; pins that still fit are kept."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pyproject.toml", "uv.lock"):
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, folder)
        subprocess.run([UV, "lock", "--quiet", "--project", folder], check=True)
        return (Path(folder) / "uv.lock").read_text()


def main(arguments: list[str]) -> int:
    """Writes uv.lock; with `--check` only compares."""
    current = LOCK.read_text() if LOCK.exists() else ""
    satisfied = bool(current) and is_current()
    if "--check" in arguments:
        if satisfied and without_hosts(current) == current:
            return 0
        print(
            "uv.lock is older than pyproject.toml or names an index: run script/generate lock",
            file=sys.stderr,
        )
        return 1
    LOCK.write_text(without_hosts(current if satisfied else fresh_lock()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

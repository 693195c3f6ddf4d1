"""What every generator does in the end: write the files that differ, or only say which ones do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def keep(files: Mapping[Path, str | bytes], source: str, name: str, *, check: bool) -> int:
    """Write what is not as wanted, or with `check` only name it; return the exit status.

    `source` is what the files are made of, `name` the generator's in `script/generate`.
    """
    status = 0
    for path, wanted in files.items():
        content = wanted.encode() if isinstance(wanted, str) else wanted
        if path.exists() and path.read_bytes() == content:
            continue
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        if check:
            print(f"{shown} is not what {source} says; run script/generate {name}", file=sys.stderr)
            status = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {shown}")
    return status


def run_generator(description: str | None, main: Callable[[bool], int]) -> int:
    """Read the command line of a generator and run it; return the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    return main(parser.parse_args().check)

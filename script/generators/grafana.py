"""Writes dashboards, alert rules and sketches of them from the package grafana/ and the metric tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    # This program bears the name of the package: the folder it stands in must not be searched.
    sys.path[0] = str(ROOT)

from grafana.render import FOLDERS, files  # noqa: E402 - found only through the line above


def main(check: bool) -> int:
    """Write what differs and remove what is no more, or with `check` only tell; return the exit status."""
    wanted = {ROOT / name: text for name, text in files().items()}
    there = {path for name in FOLDERS for path in (ROOT / name).glob("*") if path.is_file()}
    stale = sorted(there - wanted.keys())
    changed = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if check:
        for path in (*stale, *changed):
            print(
                f"{path.relative_to(ROOT)} is not what grafana/ says; run script/generate grafana",
                file=sys.stderr,
            )
        return 1 if stale or changed else 0
    for path in stale:
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}")
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    sys.exit(main(parser.parse_args().check))

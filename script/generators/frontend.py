"""Generator `frontend`: the dashboard bundle of the integration, built from the sources in frontend/.

The build runs in a copy with exactly the packages of package-lock.json and gives the same bytes everywhere.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "frontend"
TARGET = ROOT / "custom_components/microgrid/frontend/microgrid.js"
OLDEST_NODE = (20, 19)  # what Vite asks for


def missing_program() -> str | None:
    """Say what this machine lacks for the build."""
    wanted = ".".join(map(str, OLDEST_NODE))
    if shutil.which("npm") is None or (node := shutil.which("node")) is None:
        return f"Node.js {wanted} or newer with npm is missing"
    answer = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout.strip()
    found = re.match(r"v(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_NODE:
        return f"Node.js is {answer or 'broken'}, {wanted} or newer is needed"
    return None


def build(folder: Path) -> bytes:
    """Build in `folder`; type errors of the sources fail the build."""
    copy = folder / "frontend"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
    output = folder / "bundle"
    for command in (
        ["npm", "ci", "--no-audit", "--no-fund"],
        ["npm", "run", "build", "--", "--outDir", str(output)],
    ):
        done = subprocess.run(command, check=False, cwd=copy, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command[:3])} failed in frontend/:\n{done.stdout}{done.stderr}")
    return (output / TARGET.name).read_bytes()


def main(check: bool) -> int:
    """Write the bundle, or with `check` only compare; return the exit status."""
    name = TARGET.relative_to(ROOT)
    if (missing := missing_program()) is not None:
        in_ci = os.environ.get("CI") == "true"
        print(f"{'' if in_ci else 'WARNING: '}{missing}: {name} was not built or checked", file=sys.stderr)
        return 1 if in_ci or not check else 0
    with tempfile.TemporaryDirectory() as folder:
        bundle = build(Path(folder))
    if TARGET.exists() and TARGET.read_bytes() == bundle:
        return 0
    if check:
        print(f"{name} is not what frontend/ builds: run script/generate frontend", file=sys.stderr)
        return 1
    TARGET.write_bytes(bundle)
    print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when it is out of date")
    sys.exit(main(parser.parse_args().check))

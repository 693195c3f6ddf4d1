"""The command line `microgrid-daemon`: one verb each.

Exit codes: 0 fine, 1 the device refused or was not found, 2 wrong usage, 3 the daemon does not run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from . import daemon, installation, inverter, status
from .exit_codes import UNUSABLE


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="microgrid-daemon",
        description="Reads and commands MPP/Voltronic inverters and keeps batteries to their schedules.",
        epilog="exit codes: 0 fine, 1 the device refused or was not found, 2 wrong usage",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    inverter.add_commands(verbs)
    daemon.add_commands(verbs)
    status.add_commands(verbs)
    installation.add_commands(verbs)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(asyncio.run(parsed.run(parsed)))
    except KeyboardInterrupt:
        print("microgrid-daemon: interrupted", file=sys.stderr)
        return UNUSABLE

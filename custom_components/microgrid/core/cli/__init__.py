"""The command line `microgrid`: one word for the part, one for the verb, as in `microgrid log verify`.

Exit codes: 0 fine, 1 something was found, 2 wrong usage or nothing that could be read.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import sys
from collections.abc import Sequence

from ..codec.exports.optional import ExportError
from . import debug, energy, log, query

FINE, FINDINGS, UNUSABLE = 0, 1, 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="microgrid",
        description="Tools of the microgrid.",
        epilog="exit codes: 0 fine, 1 something was found, 2 wrong usage or unreadable input",
    )
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    log.add_commands(parts.add_parser("log", help="look at, check, repair, export and plot logs"))
    query.add_commands(parts.add_parser("query", help="ask an archive for patterns"))
    debug.add_commands(parts.add_parser("debug", help="ask why: trips, disconnections, cells, sharing"))
    energy.add_plan(parts.add_parser("plan", help="plan a battery from a CSV file"))
    energy.add_commands(parts.add_parser("energy", help="what policies of a battery would have cost"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except ExportError as error:
        print(f"microgrid: {error}", file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:
        # The reader of our output has seen enough: no fault. Python would complain while it closes stdout.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"microgrid: {name}{error.strerror or error}", file=sys.stderr)
        return UNUSABLE
    except sqlite3.Error as error:
        print(f"microgrid: the index of the archive cannot be read: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("microgrid: interrupted", file=sys.stderr)
        return UNUSABLE

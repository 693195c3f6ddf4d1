"""The verbs that place the daemon on a system, exchange it and remove it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .exit_codes import FAILED, FINE

if TYPE_CHECKING:
    from ..installation.system import System

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_SOURCE = "a folder with the daemon, a wheel, or a requirement as microgrid-daemon==0.2.0"
_PYTHON = "/usr/bin/python3"

# What they work with is imported when one of them runs, as for the other verbs.


def add_commands(verbs: Verbs) -> None:
    """Add the verbs."""
    verb = verbs.add_parser("install", help="install the daemon as a service: user, udev rule, systemd unit")
    _add_source(verb)
    _add_system(verb)
    verb.set_defaults(run=_install)

    verb = verbs.add_parser("upgrade", help="bring another release; the one before comes back if it fails")
    _add_source(verb)
    _add_system(verb)
    verb.set_defaults(run=_upgrade)

    verb = verbs.add_parser("rollback", help="go back to the release before the last upgrade")
    _add_python(verb)
    _add_system(verb)
    verb.set_defaults(run=_rollback)

    verb = verbs.add_parser("uninstall", help="remove the service; configuration and data are kept")
    verb.add_argument("--purge", action="store_true", help="remove configuration, data and user too")
    _add_system(verb)
    verb.set_defaults(run=_uninstall)


def _add_source(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("source", metavar="SOURCE", help=_SOURCE)
    _add_python(verb)


def _add_python(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--python", metavar="PATH", default=_PYTHON, help=f"that runs it; else {_PYTHON}")


def _add_system(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--dry-run", action="store_true", help="only say each step")
    verb.add_argument(
        "--root",
        metavar="DIR",
        type=Path,
        default=Path("/"),
        help="the file system of an image; else this one",
    )


def _system(arguments: argparse.Namespace) -> System:
    from ..installation.system import System, run_command

    root = arguments.root.resolve()
    return System(root, dry_run=arguments.dry_run, run=run_command if root == Path("/") else None)


async def _install(arguments: argparse.Namespace) -> int:
    from ..installation.service import install

    return _done(lambda: install(_system(arguments), arguments.source, arguments.python))


async def _upgrade(arguments: argparse.Namespace) -> int:
    from ..installation.service import upgrade

    return _done(lambda: upgrade(_system(arguments), arguments.source, arguments.python))


async def _rollback(arguments: argparse.Namespace) -> int:
    from ..installation.service import rollback

    return _done(lambda: rollback(_system(arguments), arguments.python))


async def _uninstall(arguments: argparse.Namespace) -> int:
    from ..installation.service import uninstall

    return _done(lambda: uninstall(_system(arguments), purge=arguments.purge))


def _done(work: Callable[[], Sequence[str]]) -> int:
    """Do it and say what is next."""
    from ..installation.system import InstallationError

    try:
        print("\n".join(("", *work())).rstrip())
    except (InstallationError, OSError) as error:
        print(f"microgrid-daemon: {error}", file=sys.stderr)
        return FAILED
    return FINE

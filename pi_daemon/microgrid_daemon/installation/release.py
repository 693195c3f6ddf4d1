"""Releases side by side: each a folder of pure Python; `current` leads to one, `previous` to the one before.

No virtual environment: that would break when the system gets its next Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..version import version_in
from .system import InstallationError, System, run_command

HOME: Final = Path("/opt/microgrid-daemon")
RELEASES: Final = HOME / "releases"
CURRENT: Final = HOME / "current"
PREVIOUS: Final = HOME / "previous"
PYTHON: Final = "/usr/bin/python3"
_PACKAGE = "microgrid_daemon"
_MAKING = RELEASES / ".new"
_VERSIONS = "import sys; print(*sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))"


@dataclass(frozen=True, slots=True)
class Release:
    """One release on the disk."""

    folder: Path
    """As the running system sees it."""
    version: str

    @property
    def name(self) -> str:
        """Return what a link says to lead to it."""
        return f"releases/{self.folder.name}"


def release_at(system: System, link: Path) -> Release | None:
    """Return where `current` or `previous` leads; None when nowhere."""
    try:
        folder = RELEASES / system.at(link).readlink().name
    except OSError:
        return None
    return _known(system, folder)


def _known(system: System, folder: Path) -> Release | None:
    version = version_in(system.at(folder))
    return None if version is None else Release(folder, version)


def make(system: System, source: str, python: str) -> Release | None:
    """Bring a release beside the others: a folder, a wheel or a requirement; None in a dry run."""
    if not system.image:
        _refuse_old(python)
    system.say(f"{'would make' if system.dry_run else 'make   '} a release from {source}")
    if system.dry_run:
        return None
    making = system.at(_MAKING)
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    done = run_command([*_installer(python), "--quiet", "--target", str(making), _whole(source)])
    if done.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        raise InstallationError(
            f"{source} cannot be installed, nothing was changed:\n{(done.stderr or done.stdout).strip()}"
        )
    version = version_in(making)
    if version is None:
        shutil.rmtree(making, ignore_errors=True)
        raise InstallationError(f"{source} is no microgrid-daemon; name its folder or its wheel")
    shutil.rmtree(making / "bin", ignore_errors=True)  # its script would start another Python
    making.chmod(0o755)
    folder = _free(system, version)
    making.rename(system.at(folder))
    return Release(folder, version)


def _whole(source: str) -> str:
    """A path as a path from the root: pip must not take it for the name of a package."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def _free(system: System, version: str) -> Path:
    folder, number = RELEASES / version, 1
    while system.at(folder).exists():
        number += 1
        folder = RELEASES / f"{version}-{number}"
    return folder


def _refuse_old(python: str) -> None:
    said = run_command([python, "-c", _VERSIONS])
    if said.returncode != 0:
        found = said.stdout.strip().replace(" ", ".") or said.stderr.strip()
        raise InstallationError(
            f"{python}: Python 3.11 or newer is needed, found {found}; name another with --python"
        )


def _installer(python: str) -> list[str]:
    """The first of pip and uv that is there; raises InstallationError."""
    pip = ("install", "--no-input", "--disable-pip-version-check", "--root-user-action=ignore")
    for program in dict.fromkeys((python, sys.executable)):
        if run_command([program, "-m", "pip", "--version"]).returncode == 0:
            return [program, "-m", "pip", *pip]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--python", python, "--compile-bytecode"]
    raise InstallationError("neither pip nor uv is there: sudo apt install python3-pip")


def switch(system: System, to: Release) -> None:
    """Make a release the current one, and the current one the previous."""
    now = release_at(system, CURRENT)
    if now is not None and now != to:
        system.link(PREVIOUS, now.name)
    system.link(CURRENT, to.name)


def prune(system: System) -> None:
    """Remove releases that nothing leads to."""
    kept = {found.folder for link in (CURRENT, PREVIOUS) if (found := release_at(system, link)) is not None}
    releases = system.at(RELEASES)
    for folder in sorted(releases.iterdir()) if releases.is_dir() else ():
        if RELEASES / folder.name not in kept:
            system.remove(RELEASES / folder.name)


def ask(system: System, release: Release, python: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of a release, whether it is current or not."""
    path = str(system.at(release.folder))
    return run_command([python, "-Ps", "-m", _PACKAGE, *words], {**os.environ, "PYTHONPATH": path})

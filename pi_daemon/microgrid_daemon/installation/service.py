"""What is done with the service: install, upgrade, roll back, uninstall; each safe to repeat."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..status import RUN_FOLDER, STATUS, Condition, look
from .release import (
    CURRENT,
    HOME,
    PREVIOUS,
    PYTHON,
    Release,
    ask,
    make,
    prune,
    release_at,
    switch,
)
from .system import InstallationError, System

NAME: Final = "microgrid-daemon"
CONFIG: Final = Path("/etc/microgrid/daemon.toml")
PASSWORD: Final = Path("/etc/microgrid/mqtt_password")
SECRETS: Final = (PASSWORD, Path("/etc/microgrid/gx_password"), Path("/etc/microgrid/schedule_token"))
"""What the unit hands over as credentials."""
STATE: Final = Path("/var/lib/microgrid")
STORE: Final = STATE / "daemon.sqlite"
LAUNCHER: Final = Path("/usr/local/bin/microgrid-daemon")
UNIT: Final = Path("/etc/systemd/system/microgrid-daemon.service")
WANTED: Final = Path("/etc/systemd/system/multi-user.target.wants/microgrid-daemon.service")
SYSUSERS: Final = Path("/etc/sysusers.d/microgrid.conf")
RULES: Final = Path("/etc/udev/rules.d/70-microgrid.rules")
FILES: Final = "microgrid_daemon/installation/files"


@dataclass(frozen=True, slots=True)
class Placed:
    """A file of a release, and where the system looks for it."""

    file: str
    path: Path
    mode: int
    owned: bool = False
    """Belongs to whoever edits it: written once, kept by an uninstallation."""


PLACED: Final = (
    Placed("launcher", LAUNCHER, 0o755),
    Placed("microgrid.sysusers", SYSUSERS, 0o644),
    Placed("70-microgrid.rules", RULES, 0o644),
    Placed("microgrid-daemon.service", UNIT, 0o644),
    Placed("daemon.toml", CONFIG, 0o644, owned=True),
)
_SUFFIXES = ("", "-wal", "-shm")
_USERS = ("systemd-sysusers", str(SYSUSERS))
_RULES = (("udevadm", "control", "--reload"), ("udevadm", "trigger", "--subsystem-match=hidraw"))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a release may take to prove itself."""

    start_s: float = 90.0
    settle_s: float = 15.0
    """So long it must stay up."""
    look_s: float = 0.5


def install(system: System, source: str, python: str = PYTHON) -> Sequence[str]:
    """Have the service installed from a source, and return what is to do next; raises InstallationError."""
    system.require_rights()
    first = not system.at(CONFIG).exists()
    if not first and release_at(system, CURRENT) is not None and not system.dry_run:
        return upgrade(system, source, python)
    release = make(system, source, python)
    if release is not None:
        switch(system, release)
    _place(system, release, python)
    system.link(WANTED, f"../{UNIT.name}")
    system.tell("systemctl", "daemon-reload")
    prune(system)
    if not first:
        return (
            f"Check the configuration that was there: {NAME} check",
            f"Start: sudo systemctl start {NAME}",
        )
    return (
        f"1. Say where your broker and your inverters are: sudo nano {CONFIG}",
        f"2. If the broker wants a password: sudo nano {PASSWORD}",
        f"3. Find mistakes: {NAME} check",
        f"4. Start: sudo systemctl start {NAME}" if not system.image else "4. It starts with the image",
        f"5. Look whether all is well: {NAME} status",
    )


def _place(system: System, release: Release | None, python: str) -> None:
    """Write what belongs to a release outside its folder; from our own files in a dry run."""
    here = Path(__file__).parent / "files"
    folder = here if release is None else system.at(release.folder) / FILES
    for one in PLACED:
        text = (folder / one.file).read_text(encoding="utf-8")
        if one.path == LAUNCHER:
            text = text.replace("{python}", python)
        system.write(one.path, text, one.mode, keep=one.owned)
    for secret in SECRETS:  # empty is none; without the file systemd would not start the service
        system.write(secret, "", 0o600, keep=True)
    system.tell(*_USERS)
    for words in _RULES:
        system.tell(*words, needed=False)  # a container has no udev


def upgrade(
    system: System, source: str, python: str = PYTHON, patience: Patience = Patience()
) -> Sequence[str]:
    """Bring a newer release and go back when it does not come up; raises InstallationError."""
    system.require_rights()
    before = release_at(system, CURRENT)
    if before is None:
        raise InstallationError(f"nothing is installed that could be upgraded: {NAME} install {source}")
    release = make(system, source, python)
    if release is None:
        system.say(f"would check {CONFIG} with it, switch, restart, and switch back if it does not come up")
        return ()
    checked = ask(system, release, python, "check", "--config", str(system.at(CONFIG)))
    if checked.returncode != 0:
        system.remove(release.folder)
        raise InstallationError(
            f"{release.version} does not accept the configuration; {before.version} runs on:\n"
            f"{checked.stderr.strip()}"
        )
    try:
        _switch_over(system, before, release, python, patience)
    finally:
        prune(system)
    return (f"{release.version} runs; {before.version} is kept: sudo {NAME} rollback",)


def rollback(system: System, python: str = PYTHON, patience: Patience = Patience()) -> Sequence[str]:
    """Go back to the release before; raises InstallationError."""
    system.require_rights()
    now, before = release_at(system, CURRENT), release_at(system, PREVIOUS)
    if now is None or before is None:
        raise InstallationError("there is no earlier release to go back to")
    if system.dry_run:
        system.say(f"would switch from {now.version} back to {before.version} and restart")
        return ()
    _switch_over(system, now, before, python, patience)
    return (f"{before.version} runs; forward again: sudo {NAME} rollback",)


def uninstall(system: System, *, purge: bool = False) -> Sequence[str]:
    """Remove the service; what is configured and stored goes only with `purge`."""
    system.require_rights()
    # Stopping gives settings back to the inverters.
    system.tell("systemctl", "stop", NAME, needed=False)
    system.remove(WANTED)
    for one in reversed(PLACED):
        if not one.owned:
            system.remove(one.path)
    system.remove(HOME)
    if purge:
        system.remove(CONFIG.parent)
        system.remove(STATE)
        system.tell("userdel", "microgrid", needed=False)
    system.tell("systemctl", "daemon-reload")
    system.tell(*_RULES[0], needed=False)
    return () if purge else (f"{CONFIG.parent} and {STATE} are kept; --purge removes them too",)


# --------------------------------------------------------------------------------------- from one to another


@contextmanager
def _store_kept(path: Path) -> Iterator[Callable[[], None]]:
    """Remember the daemon's file; what is given puts it back when a newer release gave it a newer form."""
    copy = path.with_name(f"{path.name}.before-upgrade")
    version = _form_of(path)
    if version is not None:
        for suffix in _SUFFIXES:
            if path.with_name(path.name + suffix).exists():
                shutil.copy2(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))

    def put_back() -> None:
        if version is None or _form_of(path) == version:
            return
        for suffix in _SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
            kept = copy.with_name(copy.name + suffix)
            if kept.exists():
                kept.replace(path.with_name(path.name + suffix))
                shutil.chown(path.with_name(path.name + suffix), path.parent.owner(), path.parent.group())

    try:
        yield put_back
    finally:
        for suffix in _SUFFIXES:
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _form_of(path: Path) -> int | None:
    """Return the form of the daemon's file; None when there is none that can be read."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return None


def _switch_over(system: System, old: Release, new: Release, python: str, patience: Patience) -> None:
    """Restart with another release; raises InstallationError after the old one runs again."""
    if system.image:
        switch(system, new)
        _place(system, new, python)
        return
    earlier = release_at(system, PREVIOUS)
    if not system.tell("systemctl", "is-active", "--quiet", NAME, needed=False):
        switch(system, new)
        _place(system, new, python)
        system.tell("systemctl", "daemon-reload")
        system.say(f"{NAME} was not running, and is not started")
        return
    system.tell("systemctl", "stop", NAME, needed=False)
    with _store_kept(system.at(STORE)) as put_back:
        switch(system, new)
        trouble = _started(system, new, python, patience)
        if trouble is None:
            return
        system.tell("systemctl", "stop", NAME, needed=False)
        put_back()
        system.link(CURRENT, old.name)
        if earlier is None:
            system.remove(PREVIOUS)
        else:
            system.link(PREVIOUS, earlier.name)
        again = _started(system, old, python, patience)
        state = "runs again" if again is None else f"does not run either ({again})"
        raise InstallationError(
            f"{new.version} did not come up: {trouble}; {old.version} {state}. "
            f"See why: journalctl -u {NAME} --since -5min"
        )


def _started(system: System, release: Release, python: str, patience: Patience) -> str | None:
    """Start a release; what is wrong, None when it stays up."""
    try:
        _place(system, release, python)
        system.tell("systemctl", "daemon-reload")
        system.tell("systemctl", "reset-failed", NAME, needed=False)
        system.tell("systemctl", "start", NAME)
    except InstallationError as error:
        return str(error)
    return stays_up(system.at(RUN_FOLDER / STATUS), release.version, patience)


def stays_up(
    path: Path, version: str, patience: Patience, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """Watch a release start; what is wrong, None when it lives and goes on living."""
    end_s = time.monotonic() + patience.start_s
    while (seen := look(path)).condition is not Condition.RUNS or seen.version != version:
        if time.monotonic() > end_s:
            return f"no sign of life of {version} within {patience.start_s:g} s"
        sleep(patience.look_s)
    end_s = time.monotonic() + patience.settle_s
    while time.monotonic() < end_s:
        sleep(patience.look_s)
        now = look(path)
        if now.condition is not Condition.RUNS or now.pid != seen.pid:
            return f"it stopped within {patience.settle_s:g} s"
    return None

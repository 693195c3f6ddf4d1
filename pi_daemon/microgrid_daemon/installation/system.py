"""What an installation does to a system, or to an image of one, step by step; or only says that it would."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
_COMMAND_S: Final = 600.0


class InstallationError(Exception):
    """A step failed; the text says which, and what to do."""


def run_command(
    words: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever it says."""
    try:
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))


class System:
    """The root of a file system; all paths are those that the running system will have."""

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        dry_run: bool = False,
        say: Callable[[str], None] = print,
        run: Run | None = None,
    ) -> None:
        """`run` talks to the services of the system; None for an image, where none run."""
        self.root = root
        self.dry_run = dry_run
        self.say = say
        self.image = run is None
        self._run = run

    def at(self, path: Path) -> Path:
        """Return where a path of the system is from here."""
        return self.root / path.relative_to("/")

    def require_rights(self) -> None:
        """Raise InstallationError when this would fail half-way."""
        if not self.dry_run and self.root == Path("/") and os.geteuid() != 0:
            raise InstallationError(
                "this changes the system and needs root: put sudo before it, "
                "or add --dry-run to see what it would do"
            )

    # ------------------------------------------------------------------------------------------------- steps

    def write(self, path: Path, content: str, mode: int, *, keep: bool = False) -> bool:
        """Have a file say this; `keep`: whatever it says already. Return whether it changed."""
        there = self.at(path)
        if keep and there.exists():
            self.say(f"keep    {path}")
            return False
        if there.is_file() and there.read_text(errors="replace") == content:
            same_mode = there.stat().st_mode & 0o777 == mode
            if same_mode:
                self.say(f"same    {path}")
                return False
        self._told("write", f"{path} ({mode:04o})")
        if self.dry_run:
            return True
        there.parent.mkdir(parents=True, exist_ok=True)
        beside = there.with_name(f".{there.name}.new")
        beside.unlink(missing_ok=True)
        # Never readable for others in between: it may become a secret.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(there)
        return True

    def link(self, path: Path, target: str) -> bool:
        """Have a symbolic link lead there, replaced at once. Return whether it changed."""
        there = self.at(path)
        if there.is_symlink() and str(there.readlink()) == target:
            self.say(f"same    {path} → {target}")
            return False
        self._told("link", f"{path} → {target}")
        if not self.dry_run:
            there.parent.mkdir(parents=True, exist_ok=True)
            beside = there.with_name(f".{there.name}.new")
            beside.unlink(missing_ok=True)
            beside.symlink_to(target)
            beside.replace(there)
        return True

    def remove(self, path: Path) -> None:
        """Have nothing there."""
        there = self.at(path)
        if not there.is_symlink() and not there.exists():
            return
        self._told("remove", str(path))
        if self.dry_run:
            return
        if there.is_dir() and not there.is_symlink():
            shutil.rmtree(there)
        else:
            there.unlink()

    def tell(self, *words: str, needed: bool = True) -> bool:
        """Have a service of the system do something; raises InstallationError when it is needed and fails."""
        if self._run is None:
            return True
        self._told("run", " ".join(words))
        if self.dry_run:
            return True
        done = self._run(words)
        if done.returncode != 0 and needed:
            said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
            raise InstallationError(f"{' '.join(words)}: {said}")
        return done.returncode == 0

    def _told(self, verb: str, what: str) -> None:
        self.say(f"would {verb} {what}" if self.dry_run else f"{verb:<7} {what}")

"""Runs a command that does not outlive whoever started it: `python leash.py COMMAND ARGUMENT…`.

Linux kills the command when the starter dies, however it dies; elsewhere this is just the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Put on the leash, then become the command."""
    starter = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # it died before the leash was on
            sys.exit(1)
    os.execvp(sys.argv[1], sys.argv[1:])  # execvp keeps both the leash and the process id


if __name__ == "__main__":
    main()

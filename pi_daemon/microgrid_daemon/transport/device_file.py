"""Opening a device file for one program alone: two that ask at once would read each other's answers."""

from __future__ import annotations

import fcntl
import os


def open_alone(path: str, flags: int = 0) -> int:
    """Open for reading and writing without waiting; raises OSError with a remedy."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            "not permitted: the user must be in the group that the udev rule gives the device",
            path,
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OSError(error.errno, "in use by another program, as by the daemon itself", path) from error
    return descriptor

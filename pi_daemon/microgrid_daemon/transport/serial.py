"""RS-232: PI30 at 2400 baud, 8N1, through a terminal that is set to pass every byte as it is."""

from __future__ import annotations

import os
import termios

from .device_file import open_alone
from .line import Line


def open_serial(path: str) -> Line:
    """Open and set a port; raises OSError."""
    descriptor = open_alone(path, os.O_NOCTTY)
    try:
        _set_2400_8n1(descriptor)
    except termios.error as error:
        os.close(descriptor)
        raise OSError(error.args[0], "no serial port", path) from error
    return Line(descriptor)


def _set_2400_8n1(descriptor: int) -> None:
    input_flags = output_flags = local_flags = (
        0  # raw: no echo, no signals, no translation of CR, no XON/XOFF
    )
    control_flags = termios.CS8 | termios.CREAD | termios.CLOCAL
    characters = termios.tcgetattr(descriptor)[6]
    # With VMIN 0 a read of nothing would look like an unplugged device.
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    speed = termios.B2400
    termios.tcsetattr(
        descriptor,
        termios.TCSANOW,
        [input_flags, output_flags, control_flags, local_flags, speed, speed, characters],
    )
    termios.tcflush(descriptor, termios.TCIOFLUSH)

"""Arguments that the command lines of the simulator have in common."""

from __future__ import annotations

import argparse

from microgrid_core.contract.topics import IDENTIFIER

PASSWORD_VARIABLE = "MICROGRID_MQTT_PASSWORD"


def broker(text: str) -> tuple[str, int]:
    """Read HOST:PORT."""
    host, separator, port = text.rpartition(":")
    if not separator:
        host, port = text, "1883"
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT such as 127.0.0.1:1883")
    return host.strip("[]"), int(port)


def identifier(text: str) -> str:
    """Read the name of a swarm or a node."""
    if IDENTIFIER.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} must match {IDENTIFIER.pattern}")
    return text

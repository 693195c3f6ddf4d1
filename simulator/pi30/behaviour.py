"""How a pretended inverter misbehaves on its line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Behaviour:
    """Faults that can be switched on and off while it runs; all off is a healthy device."""

    delay_s: float = 0.0
    """Before the first byte of an answer."""
    byte_s: float = 0.0
    """For each byte of an answer; 1/240 s is a line of 2400 baud."""
    refuses: frozenset[str] = frozenset()
    """Commands answered with NAK."""
    refuses_all: bool = False
    silent_to: frozenset[str] = frozenset()
    """Commands that are not answered at all, as unknown ones of a VMII."""
    silent: bool = False
    echoes: bool = False
    """Sends the request back, and no answer, as a line whose wires are joined."""
    echoes_first: bool = False
    """Sends the request back, then the answer."""
    noise_before: bytes = b""
    noise_after: bytes = b""
    breaks_crc: int = 0
    """So many answers with a wrong checksum from now on."""
    sleeps: bool = False
    """The next command is lost, as after some minutes without one."""
    deaf_to_zero: bool = False
    """Understands no request with 00 in its checksum."""
    accepts_without_effect: bool = False
    """Consents to setters and changes nothing."""
    loses_consent: bool = False
    """Carries setters out and does not answer them."""
    line_feed: bool = False
    """Sends LF after CR."""
    fixed_answer: bytes = b""
    """Answers everything with these bytes, as a device of another protocol."""

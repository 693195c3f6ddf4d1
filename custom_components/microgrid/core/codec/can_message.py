"""What a message of the CAN bus is made of: the form of the rows made from contract/microgrid.dbc."""

from __future__ import annotations

from dataclasses import dataclass

GATEWAY = 0
"""Node of the gateway; houses are 1 … 15."""
HOUSES = 15
MESSAGE_MASK = 0x7F0
NODE_MASK = 0x00F


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Some bits of a message, counted from the least significant of its bytes as one little-endian number.

    value = raw × numerator / denominator + offset
    """

    name: str
    """Key of the metric where it is one."""
    start: int
    length: int
    signed: bool = False
    numerator: int = 1
    denominator: int = 1
    offset: int = 0
    unit: str = ""
    minimum: float
    maximum: float
    group: int | None = None
    """Present only while the message's selector has this value; None: always."""
    unavailable: int | None = None
    """The raw value that says: not known."""
    names: tuple[tuple[int, str], ...] = ()
    """Raw values that have a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message; its identifier is that of node 0, the node is added to it."""

    name: str
    identifier: int
    length: int
    cycle_ms: int
    """0: only when there is something to say."""
    by_gateway: bool
    by_house: bool
    by_master: bool
    """Only the elected master of those sends it."""
    signals: tuple[Signal, ...]
    selector: Signal | None = None
    """Tells which group of signals is present."""

    def senders(self, houses: int) -> int:
        """How many nodes of a bus with a gateway and `houses` houses send it."""
        return 1 if self.by_master else self.by_gateway + self.by_house * houses

    def signal(self, name: str) -> Signal:
        """Return a signal by its name; KeyError when there is none."""
        for one in self.signals:
            if one.name == name:
                return one
        raise KeyError(f"{self.name} has no signal {name}, only {', '.join(s.name for s in self.signals)}")

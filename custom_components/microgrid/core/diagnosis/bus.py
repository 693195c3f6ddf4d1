"""What the traffic of the CAN bus tells: who was silent, who flooded it, whose frames were lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..codec.can_dbc import MESSAGES, Messages, frame_bits, gather, physical, raw
from .case import Case
from .residuals import frame_gaps_s

__all__ = ["Bus", "Silence"]

Floats = NDArray[np.float64]

_REGULAR = ("Sync", "Contactor", "Frequency", "Inverter", "Battery", "GatewayBus", "Heartbeat")
"""Messages by which a node shows that it is alive."""
_MESSAGE_OF = {
    signal.name: message.name
    for message in MESSAGES.values()
    for signal in message.signals
    if message.name not in ("BulkRequest", "BulkResponse", "Sync", "Fault")
}
"""Message that carries a metric."""
_BIT_RATE = 500_000.0
_LATE_S = 0.00033
"""More than the longest frame that another may have on the wire."""


@dataclass(frozen=True, slots=True)
class Silence:
    """The longest silence of a node."""

    place: int
    since_s: float
    until_s: float
    returned: bool
    """Heard again within the recording."""

    @property
    def length_s(self) -> float:
        """How long it was."""
        return self.until_s - self.since_s


@dataclass(slots=True)
class Bus:
    """Decoded traffic; empty when there is none."""

    case: Case
    window_s: tuple[float, float]
    """What lies outside is left out."""
    t_s: Floats = field(default_factory=lambda: np.zeros(0))
    identifier: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    length: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    messages: dict[str, Messages] = field(default_factory=dict)
    _late: dict[int, tuple[Floats, NDArray[np.bool_]]] = field(default_factory=dict)
    _silences: dict[int, Silence] = field(default_factory=dict)
    _busiest: tuple[int, float, float] | None = None
    _places: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Take the frames that are whole and in the window."""
        traffic = self.case.traffic
        if traffic is None:
            return
        t = np.asarray(traffic.t_s, np.float64).reshape(-1)
        identifier = np.asarray(traffic.identifier).reshape(-1).astype(np.uint32)
        length = np.asarray(traffic.length).reshape(-1).astype(np.uint8)
        data = np.asarray(traffic.data, np.uint8)
        size = min(t.size, identifier.size, length.size, len(data) if data.ndim == 2 else 0)
        if size == 0 or data.shape[1] != 8:
            return
        t, identifier, length, data = t[:size], identifier[:size], length[:size], data[:size]
        good = np.isfinite(t) & (t >= self.window_s[0] - 1.0) & (t <= self.window_s[1] + 1.0)
        order = np.flatnonzero(good)
        order = order[np.argsort(t[order], kind="stable")]
        self.t_s, self.identifier, self.length = t[order], identifier[order], length[order]
        found = gather(self.identifier, self.length, np.ascontiguousarray(data[order]))
        self.messages = {each.message.name: each for each in found}

    @property
    def known(self) -> bool:
        """Whether there is enough to say that somebody was silent."""
        return self.t_s.size > 50

    @property
    def since_s(self) -> float:
        """First frame of all."""
        return float(self.t_s[0]) if self.t_s.size else float("nan")

    @property
    def until_s(self) -> float:
        """Last frame of all."""
        return float(self.t_s[-1]) if self.t_s.size else float("nan")

    def times(self, message: str, place: int | None = None) -> Floats:
        """When frames of a message came, of one node or of all."""
        found = self.messages.get(message)
        if found is None:
            return np.zeros(0)
        rows = found.rows if place is None else found.rows[found.nodes == place]
        return self.t_s[rows]

    def signal(self, message: str, signal: str, place: int | None = None) -> tuple[Floats, Floats]:
        """Times and values of a signal, NaN where the sender did not know."""
        found = self.messages.get(message)
        if found is None:
            return np.zeros(0), np.zeros(0)
        row = found.message.signal(signal)
        values = physical(found.message, row, found.words)
        if row.names and row.unavailable is None:
            values = raw(row, found.words).astype(np.float64)
        chosen = np.ones(values.size, np.bool_) if place is None else found.nodes == place
        return self.t_s[found.rows[chosen]], values[chosen]

    def channel(self, key: str, place: int) -> tuple[Floats, Floats]:
        """A metric of a node as it told it on the bus; empty when no message has it."""
        message = _MESSAGE_OF.get(key)
        if message is None:
            return np.zeros(0), np.zeros(0)
        t, values = self.signal(message, key, place)
        if MESSAGES[message].selector is not None:  # frames of another group say nothing of it
            t, values = t[np.isfinite(values)], values[np.isfinite(values)]
        return t, values

    def alive(self, place: int) -> Floats:
        """When a node was heard with any of the messages that all send regularly."""
        # An election moves the beat to another node: a Sync shows life as well, but nobody misses it.
        parts = [self.times(name, place) for name in _REGULAR]
        return np.sort(np.concatenate(parts)) if parts else np.zeros(0)

    def places(self) -> tuple[int, ...]:
        """Nodes that were heard at all: who was silent all the time did not fall silent within it."""
        if self._places is None:
            known = {record.place for record in self.case.nodes.values()}
            heard = {number for number in known if 0 <= number <= 15 and self.alive(number).size}
            beats = self.messages.get("Heartbeat")
            if beats is not None:  # more than once: who babbles may send anything
                heard |= set(np.flatnonzero(np.bincount(beats.nodes) > 1).tolist())
            self._places = tuple(sorted(heard))
        return self._places

    def silence(self, place: int) -> Silence | None:
        """The longest silence of a node within the recording; None without traffic."""
        if not self.known:
            return None
        if place not in self._silences:
            self._silences[place] = self._find_silence(place)
        return self._silences[place]

    def _find_silence(self, place: int) -> Silence:
        heard = self.alive(place)
        gaps = frame_gaps_s(heard, self.since_s, self.until_s)
        at = int(np.argmax(gaps))
        edges = np.concatenate(([self.since_s], heard, [self.until_s]))
        return Silence(place, float(edges[at]), float(edges[at + 1]), at < len(gaps) - 1)

    def boots(self, place: int) -> int:
        """How many different starts a node's heartbeats name."""
        _, values = self.signal("Heartbeat", "boot_id", place)
        return int(np.unique(values[np.isfinite(values)]).size)

    def missing_share(self, place: int, since_s: float, until_s: float) -> float:
        """Part of a node's expected regular frames that did not come; NaN where nothing is expected."""
        names = ("Contactor", "GatewayBus") if place == 0 else ("Frequency", "Inverter", "Battery")
        since_s, until_s = max(since_s, self.since_s), min(until_s, self.until_s)
        expected = sum((until_s - since_s) * 1000.0 / MESSAGES[name].cycle_ms for name in names)
        if not expected > 10.0:
            return float("nan")
        came = 0
        for name in names:
            t = self.times(name, place)
            came += int(np.searchsorted(t, until_s) - np.searchsorted(t, since_s))
        return float(np.clip(1.0 - came / expected, -1.0, 1.0))

    def late(self, place: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Times of a node's most frequent regular frames, and which of them came late.

        A destroyed frame is repeated by its controller, so it comes some tenths of a millisecond behind its
        beat: far more often than it is lost. A frame that only waited for another on the wire is not counted.
        """
        if place not in self._late:
            self._late[place] = self._find_late(place)
        return self._late[place]

    def _find_late(self, place: int) -> tuple[Floats, NDArray[np.bool_]]:
        name = "Frequency" if place else "Sync" if self.times("Sync", 0).size > 200 else "Contactor"
        t = self.times(name, place)
        cycle_s = MESSAGES[name].cycle_ms / 1000.0
        if t.size < 30:
            return np.zeros(0), np.zeros(0, np.bool_)
        phase = np.mod(t, cycle_s)
        late = np.zeros(t.size, np.bool_)
        for first in range(0, t.size, 100):
            block = slice(first, min(first + 100, t.size))
            turn = 2.0 * np.pi * phase[block] / cycle_s
            middle = np.angle(np.mean(np.exp(1j * turn)))
            away = np.angle(np.exp(1j * (turn - middle))) * cycle_s / (2.0 * np.pi)
            late[block] = away - np.percentile(away, 20) > _LATE_S
        return t, late

    def late_share(self, place: int) -> float:
        """Part of a node's frames that came late; NaN when it was hardly heard."""
        _, late = self.late(place)
        return float(np.mean(late)) if late.size else float("nan")

    def counted_errors(self) -> float:
        """Most errors per minute that a node's controller counted; NaN when no two readings are there."""
        rates = []
        for place in self.places():
            t, count = self.signal("Counters", "can_errors", place)
            good = np.isfinite(count)
            t, count = t[good], count[good]
            if t.size >= 2 and count[-1] >= count[0]:
                rates.append(60.0 * float((count[-1] - count[0]) / max(t[-1] - t[0], 1.0)))
        return max(rates) if rates else float("nan")

    def busiest_identifier(self) -> tuple[int, float, float]:
        """Identifier with the most frames/s beyond its usual rate: (identifier, excess, when)."""
        if self._busiest is None:
            self._busiest = self._find_busiest(0.5)
        return self._busiest

    def _find_busiest(self, width_s: float) -> tuple[int, float, float]:
        best = (-1, 0.0, 0.0)
        if not self.known:
            return best
        edges = np.arange(self.since_s, self.until_s + width_s, width_s)
        for identifier in np.unique(self.identifier):
            counts, _ = np.histogram(self.t_s[self.identifier == identifier], edges)
            row = next((m for m in MESSAGES.values() if m.identifier == int(identifier) & 0x7F0), None)
            bulk = row is not None and row.cycle_ms == 0 and row.name != "Fault"
            usual = 1000.0 / row.cycle_ms if row is not None and row.cycle_ms else (900.0 if bulk else 10.0)
            at = int(np.argmax(counts))
            excess = counts[at] / width_s - 1.25 * usual - 12.0
            if excess > best[1]:
                began = int(np.argmax(counts > 0.5 * (counts[at] + usual * width_s)))
                best = (int(identifier), float(excess), float(edges[began]))
        return best

    def load(self, since_s: float, until_s: float) -> float:
        """Part of the bus that was in use at 500 kbit/s."""
        first, last = np.searchsorted(self.t_s, (since_s, until_s))
        if until_s <= since_s or last <= first:
            return 0.0
        counts = np.bincount(np.minimum(self.length[int(first) : int(last)], 8), minlength=9)
        bits = sum(int(count) * frame_bits(size) for size, count in enumerate(counts))
        return float(bits / _BIT_RATE / (until_s - since_s))

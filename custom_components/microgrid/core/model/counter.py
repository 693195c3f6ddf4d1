"""Counters that only grow: hold back glitches, carry on across restarts of the device.

Energy counters of inverters drop to zero at wake-up, come back from an older checkpoint or jump for one
message; each of that becomes a spike of months in an energy dashboard. The guard turns the raw count into
one that never falls and never grows faster than the hardware can deliver.
"""

from __future__ import annotations

from dataclasses import dataclass

_CONFIRMATIONS = 3  # readings in a row that must agree before a new base is believed
_SLACK_H = 5.0 / 60.0  # growth believed beyond what time allows: many counters move in steps of up to 1 kWh


@dataclass(slots=True)
class CounterState:
    """What must survive a restart of the receiver, and nothing else."""

    raw: float
    """Newest raw count that was believed."""
    time_s: float
    """When it was read (seconds since 1970)."""
    offset: float = 0.0
    """Added to raw so that the published count goes on."""
    spare: float = 0.0
    """Growth that was possible so far and did not happen, up to the slack."""
    grown_s: float | None = None
    """When it grew last; None in states of before this was saved."""

    @property
    def published(self) -> float:
        """The count as shown to the user."""
        return self.raw + self.offset


class CounterGuard:
    """Guard of one counter with the given fastest plausible growth in units per hour."""

    __slots__ = ("_candidate", "_confirmed", "_highest", "_max_rate", "held", "state")

    def __init__(self, max_rate: float, state: CounterState | None = None) -> None:
        """Start fresh, or from the state saved by an earlier run."""
        self.state = state
        self.held = 0
        """Readings that were held back since the start."""
        self._max_rate = max_rate
        self._highest = float("-inf") if state is None else state.published
        self._candidate: CounterState | None = None
        self._confirmed = 0

    def accept(self, raw: float, time_s: float) -> float:
        """Take a raw count read at `time_s` and return the count to publish."""
        state = self.state
        if state is None:
            self.state = CounterState(raw, time_s, spare=self._slack, grown_s=time_s)
            self._highest = raw
        elif self._grows(state, raw, time_s):
            self._candidate = None
        else:
            self.held += 1
            self._consider(state, raw, time_s)
        assert self.state is not None
        self._highest = max(self._highest, self.state.published)  # a sum of floats may fall by its last digit
        return self._highest

    @property
    def _slack(self) -> float:
        return self._max_rate * _SLACK_H

    def _possible(self, before: CounterState, time_s: float) -> float:
        """Return how much can have been counted since the reading before."""
        return before.spare + self._max_rate * max(0.0, time_s - before.time_s) / 3600.0

    def _grows(self, before: CounterState, raw: float, time_s: float) -> bool:
        """Carry `before` on to the reading, if that is no less and not too much."""
        possible = self._possible(before, time_s)
        if not before.raw <= raw <= before.raw + possible:
            return False
        before.spare = min(self._slack, possible - (raw - before.raw))
        newest_s = max(before.time_s, time_s)
        if raw > before.raw:
            before.grown_s = newest_s
        elif before.grown_s is None:
            before.grown_s = before.time_s
        before.raw, before.time_s = raw, newest_s
        return True

    def _consider(self, state: CounterState, raw: float, time_s: float) -> None:
        """Take an impossible reading as the first or next of a new base, believed when enough agree."""
        if self._candidate is not None and self._grows(self._candidate, raw, time_s):
            self._confirmed += 1
        else:
            # A device that restarted counts from zero: what it counted since then is real energy. So is what
            # was counted while its replies did not come, as far as the time since its last growth allows.
            # Any other base (an exchanged meter, a checkpoint that is a little older) starts at no gain.
            possible = self._possible(state, time_s)
            grown_s = state.time_s if state.grown_s is None else state.grown_s
            missed = self._max_rate * max(0.0, time_s - grown_s) / 3600.0
            gained = 0.0
            if raw <= min(possible, 0.5 * state.raw):
                gained = raw
            elif 0.0 < raw - state.raw <= missed:
                gained, possible = raw - state.raw, missed
            newest_s = max(state.time_s, time_s)
            self._candidate = CounterState(
                raw,
                newest_s,
                offset=state.published + gained - raw,
                spare=min(self._slack, possible - gained),
                grown_s=newest_s,
            )
            self._confirmed = 1
        if self._confirmed >= _CONFIRMATIONS:
            self.state, self._candidate = self._candidate, None

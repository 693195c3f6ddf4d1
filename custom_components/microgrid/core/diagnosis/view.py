"""A case made convenient: clean series, one time grid for all nodes, baselines; whatever came in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .bus import Bus
from .case import Case, NodeRecord
from .onset import Baseline, baseline

__all__ = ["CELLS", "GRID_S", "View"]

Floats = NDArray[np.float64]

GRID_S = 0.01
"""Sampling of the snapshots' fast channels."""
CELLS = 16
_LONGEST_S = 120.0
"""No snapshot is longer: contract/can.md allows 60 s on top of its own window."""
_HOLD_GRID_S = 0.016
"""A sample stands for the grid's instant when it is not further away."""
_LARGEST = 1e9
"""No quantity here exceeds it; what does is damage, and its squares would overflow."""


class View:
    """Channels of a case by node and key; everything is computed once, when it is first asked for."""

    def __init__(self, case: Case) -> None:
        """Take a case as it is: missing nodes, channels and samples are no error."""
        self.case = case
        self.teller = case.node
        houses = [record for record in case.nodes.values() if record.kind == "house"]
        self.houses = tuple(record.node for record in sorted(houses, key=lambda one: (one.place, one.node)))
        gateways = [record.node for record in case.nodes.values() if record.kind == "gateway"]
        self.gateway = min(gateways) if gateways else None
        before, after = (
            min(max(span, 0.0), _LONGEST_S) if np.isfinite(span) else 10.0
            for span in (case.before_s, case.after_s)
        )
        self.start_s, self.end_s = -max(before, 1.0), max(after, 1.0)
        self.grid_s: Floats = np.round(np.arange(self.start_s, self.end_s, GRID_S), 4)
        self._series: dict[tuple[str, str], tuple[Floats, Floats]] = {}
        self._grids: dict[tuple[str, str], Floats] = {}
        self._baselines: dict[tuple[str, str, float, tuple[float, float]], Baseline | None] = {}

    @cached_property
    def bus(self) -> Bus:
        """Decoded traffic."""
        return Bus(self.case, (self.start_s, self.end_s))

    def record(self, node: str) -> NodeRecord | None:
        """Return what is known of a node."""
        return self.case.nodes.get(node)

    @property
    def others(self) -> tuple[str, ...]:
        """All houses but the one that told the fault."""
        return tuple(house for house in self.houses if house != self.teller)

    def series(self, node: str, channel: str) -> tuple[Floats, Floats]:
        """Times and values of a channel, ascending, NaN where missing; empty when there is none."""
        key = node, channel
        if key not in self._series:
            self._series[key] = self._clean(node, channel)
        return self._series[key]

    def _clean(self, node: str, channel: str) -> tuple[Floats, Floats]:
        record = self.case.nodes.get(node)
        if record is None:
            return np.zeros(0), np.zeros(0)
        found = record.channels.get(channel)
        if found is None:  # what the node told on the bus is slower, but better than nothing
            t, x = self.bus.channel(channel, record.place)
            return t, np.where(np.abs(x) < _LARGEST, x, np.nan)
        t = np.asarray(found.t_s, np.float64).reshape(-1)
        x = np.asarray(found.values, np.float64).reshape(-1)
        size = min(t.size, x.size)
        t, x = t[:size], x[:size].copy()
        x[~(np.abs(x) < _LARGEST)] = np.nan
        good = np.isfinite(t)
        if not good.all():
            t, x = t[good], x[good]
        if t.size > 1 and np.any(np.diff(t) < 0):
            order = np.argsort(t, kind="stable")
            t, x = t[order], x[order]
        return t, x

    def grid(self, node: str, channel: str) -> Floats:
        """The channel at the instants of `grid_s`; slow channels hold their last value for up to 1.5 s."""
        key = node, channel
        if key not in self._grids:
            self._grids[key] = self._on_grid(*self.series(node, channel))
        return self._grids[key]

    def _on_grid(self, t: Floats, x: Floats) -> Floats:
        if t.size == 0:
            return np.full(self.grid_s.size, np.nan)
        period = float(np.median(np.diff(t))) if t.size > 1 else 1.0
        if period <= 2.0 * GRID_S:
            at = (
                np.clip(np.searchsorted(t, self.grid_s), 1, max(t.size - 1, 1))
                if t.size > 1
                else np.zeros(1, int)
            )
            if t.size > 1:
                at = at - (self.grid_s - t[at - 1] < t[at] - self.grid_s)
            at = np.broadcast_to(at, self.grid_s.shape)
            hold, apart = _HOLD_GRID_S, np.abs(self.grid_s - t[at])
        else:
            at = np.maximum(np.searchsorted(t, self.grid_s + GRID_S / 2, side="right") - 1, 0)
            hold, apart = 1.5 * min(max(period, GRID_S), 15.0), np.abs(self.grid_s - t[at])
        values: Floats = np.where(apart <= hold, x[at], np.nan)
        return values

    def matrix(self, nodes: Iterable[str], channel: str) -> Floats:
        """A channel of several nodes on the grid, shape (nodes, instants)."""
        rows = [self.grid(node, channel) for node in nodes]
        return np.array(rows) if rows else np.zeros((0, self.grid_s.size))

    def usual(
        self, node: str, channel: str, floor: float, window_s: tuple[float, float] = (-10.0, -3.0)
    ) -> Baseline | None:
        """Baseline of a channel; see `onset.baseline`."""
        key = node, channel, floor, window_s
        if key not in self._baselines:
            self._baselines[key] = baseline(*self.series(node, channel), floor, window_s)
        return self._baselines[key]

    def span(self, since_s: float, until_s: float) -> slice:
        """Instants of the grid within a window."""
        first, last = np.searchsorted(self.grid_s, (since_s - GRID_S / 4, until_s - GRID_S / 4))
        return slice(int(first), int(last))

    def between(self, node: str, channel: str, since_s: float, until_s: float) -> Floats:
        """Known values of a channel within a window."""
        t, x = self.series(node, channel)
        first, last = np.searchsorted(t, (since_s, until_s))
        inside = x[int(first) : int(last)]
        known: Floats = inside[np.isfinite(inside)]
        return known

    def median(self, node: str, channel: str, since_s: float, until_s: float) -> float:
        """Median within a window, NaN without samples."""
        return _reduced(self.between(node, channel, since_s, until_s), np.median)

    def highest(self, node: str, channel: str, since_s: float, until_s: float) -> float:
        """Maximum within a window, NaN without samples."""
        return _reduced(self.between(node, channel, since_s, until_s), np.max)

    def lowest(self, node: str, channel: str, since_s: float, until_s: float) -> float:
        """Minimum within a window, NaN without samples."""
        return _reduced(self.between(node, channel, since_s, until_s), np.min)

    def numbered(self, node: str, channel: str, count: int) -> tuple[Floats, Floats]:
        """Channels `channel_1` … `channel_n` at the times of the first one known: times, (count, samples)."""
        series = [self.series(node, f"{channel}_{number}") for number in range(1, count + 1)]
        times = max((t for t, _ in series), key=len, default=np.zeros(0))
        rows = np.full((count, times.size), np.nan)
        if times.size == 0:
            return times, rows
        for row, (t, x) in enumerate(series):
            if t.size == times.size and np.array_equal(t, times):
                rows[row] = x
            elif t.size:
                at = (
                    np.clip(np.searchsorted(t, times), 1, max(t.size - 1, 1))
                    if t.size > 1
                    else np.zeros(1, int)
                )
                if t.size > 1:
                    at = at - (times - t[at - 1] < t[at] - times)
                at = np.broadcast_to(at, times.shape)
                rows[row] = np.where(np.abs(t[at] - times) < 0.75, x[at], np.nan)
        return times, rows


def _reduced(values: Floats, reduce: Callable[[Floats], np.floating]) -> float:
    if values.size == 0:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(reduce(values))

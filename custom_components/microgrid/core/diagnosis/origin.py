"""Where an electrical event began: who took part in the change of power first, and who switched off before.

Neighbours react within the same 10 ms and droop levels everything out within 200 ms, so the order of alarms
says nothing; who takes most of the change of power in the first 80 ms does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .view import GRID_S, View

__all__ = ["OUTSIDE", "Disturbance", "Trip", "find_disturbance", "inverter_trips"]

Floats = NDArray[np.float64]

OUTSIDE = "outside"
"""Stands for the swarm beyond the gateway, which is no node of the cluster."""
SHARE_WINDOW_S = 0.08
_SEARCH_S = 3.0
_LEAST_STEP_W = 120.0
"""Steps below cannot be told from usual loads."""
_LEAST_OWN_W = 150.0
_OFF_W = 60.0
_OFF_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Trip:
    """An inverter that stopped giving power."""

    node: str
    t_s: float
    lost_w: float
    """What it gave before, with its sign."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A sudden change of power in the cluster."""

    t_s: float
    change_w: Mapping[str, float]
    """Per house, in the first 80 ms; a source's rise is positive."""
    peak_w: Mapping[str, float]
    """Largest change of each house in the first 60 ms by its own clock: while angles have not moved,
    the network alone decides who carries a new load, and that is who is nearest."""
    noise_w: float
    """Standard deviation of one of these changes while nothing happens."""

    @property
    def total_w(self) -> float:
        """Sum of all amounts."""
        return float(sum(abs(change) for change in self.change_w.values()))

    def share(self, node: str) -> float:
        """Part of a node in all change; NaN when the node's power is not known."""
        if node not in self.change_w or self.total_w <= 0.0:
            return float("nan")
        return abs(self.change_w[node]) / self.total_w

    def peak_share(self, node: str) -> float:
        """Part of a node in the sum of all first peaks; NaN when the node's power is not known."""
        total = sum(abs(peak) for peak in self.peak_w.values())
        return abs(self.peak_w[node]) / total if node in self.peak_w and total > 0.0 else float("nan")


def inverter_trips(view: View) -> tuple[Trip, ...]:
    """Inverters whose power fell to nothing and stayed there for at least 100 ms, in the order of time."""
    found = []
    for node in view.houses:
        power = view.grid(node, "inverter_power")
        known = np.isfinite(power)
        if not known.any():
            continue
        before = np.abs(power[view.span(-9.0, -3.0)])
        before = before[np.isfinite(before)]
        if before.size < 10:
            continue
        off_below = max(_OFF_W, _OFF_SHARE * float(np.median(before)))
        off = (np.abs(power) < off_below) | ~known
        run = 10
        if off.size <= run + 12:
            continue
        # all of the next 100 ms off, and a clear amount on both of the samples 20 and 30 ms before
        summed = np.concatenate(([0], np.cumsum(off)))
        stays = np.zeros(off.size, np.bool_)
        stays[: off.size - run + 1] = (summed[run:] - summed[:-run]) == run
        on_before = np.zeros(off.size, np.bool_)
        level = np.where(known, np.abs(power), 0.0)
        on_before[3:] = (level[1:-2] > max(_LEAST_OWN_W, 2 * off_below)) | (
            level[:-3] > max(_LEAST_OWN_W, 2 * off_below)
        )
        starts = np.flatnonzero(stays & on_before & known)
        if starts.size:
            at = int(starts[0])
            lost = power[max(0, at - 30) : max(1, at - 2)]
            lost = lost[np.isfinite(lost)]
            found.append(Trip(node, float(view.grid_s[at]), float(np.median(lost)) if lost.size else 0.0))
    return tuple(sorted(found, key=lambda trip: (trip.t_s, trip.node)))


def find_disturbance(view: View, until_s: float) -> Disturbance | None:
    """First large change of power before `until_s` (the teller's own trip), None when power was steady."""
    rows = {node: view.grid(node, "inverter_power") for node in view.houses}
    rows = {node: row for node, row in rows.items() if np.isfinite(row[view.span(-3.0, 0.2)]).sum() > 50}
    if not rows:
        return None
    nodes = tuple(rows)
    power = np.array([rows[node] for node in nodes])
    lag = 3
    steps = np.zeros_like(power)
    steps[:, :-lag] = power[:, lag:] - power[:, :-lag]
    steps[~np.isfinite(steps)] = 0.0
    activity = np.abs(steps).sum(axis=0)
    rest = activity[view.span(-9.5, -3.0)]
    usual = float(np.median(rest)) if rest.size else 0.0
    spread = 1.4826 * float(np.median(np.abs(rest - usual))) if rest.size else 0.0
    window = view.span(-_SEARCH_S, until_s - (lag - 1) * GRID_S)  # the own trip is not in any difference
    watched = activity[window]
    if watched.size == 0:
        return None
    limit = max(_LEAST_STEP_W, usual + 10.0 * spread, 0.35 * float(watched.max()))
    over = np.flatnonzero(watched > limit)
    if not over.size:
        return None
    # the step lies within the lag behind the first exceedance: where the single differences are largest
    first = window.start + int(over[0])
    single = np.abs(np.diff(power[:, first : first + lag + 2], axis=1))
    single[~np.isfinite(single)] = 0.0
    at = first + int(np.argmax(single.sum(axis=0))) + 1 if single.size else first
    onset = float(view.grid_s[min(at, view.grid_s.size - 1)])
    end = min(onset + SHARE_WINDOW_S, max(until_s, onset + 2 * GRID_S))
    during, before = power[:, view.span(onset, end)], power[:, view.span(onset - 1.0, onset - 0.02)]
    change = {
        node: float(np.mean(now[np.isfinite(now)]) - np.median(then[np.isfinite(then)]))
        for node, now, then in zip(nodes, during, before, strict=True)
        if np.isfinite(now).any() and np.isfinite(then).any()
    }
    early = power[:, view.span(onset - 0.02, min(onset + 0.06, max(until_s, onset + 2 * GRID_S)))]
    peak: dict[str, float] = {}
    for node, row, then in zip(nodes, early, before, strict=True):
        if node in change:
            moves = row[np.isfinite(row)] - np.median(then[np.isfinite(then)])
            peak[node] = float(moves[np.argmax(np.abs(moves))]) if moves.size else 0.0
    return Disturbance(onset, change, peak, spread) if change else None

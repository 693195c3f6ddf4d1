"""Channels over time as a picture: a panel a channel, drawn from the extremes of every column.

SVG is written here; PNG is matplotlib's, where it is installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec.exports.optional import ExportError, require
from ..codec.exports.tables import SAMPLE_KINDS
from ..codec.umg1.blocks import Ints
from ..codec.umg1.log import Log
from ..codec.umg1.samples import Samples
from ..codec.umg1.schema import Channel

COLUMNS = 1200
_PANEL, _GAP, _LEFT, _RIGHT, _TOP, _BOTTOM = 90, 26, 80, 20, 34, 34
_STEPS = (1, 2, 5)
_TIME_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_TIME_MARKS = 8

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Panel:
    """Envelope of one channel."""

    node: str
    channel: Channel
    low: Floats = field(default_factory=lambda: np.full(COLUMNS, np.inf))
    high: Floats = field(default_factory=lambda: np.full(COLUMNS, -np.inf))

    @property
    def title(self) -> str:
        """Node, channel and unit."""
        return f"{self.node} {self.channel.name}" + (f" [{self.channel.unit}]" if self.channel.unit else "")

    def add(self, column: Ints, values: Floats) -> None:
        """Widen the envelope."""
        there = np.isfinite(values) & (column >= 0) & (column < COLUMNS)
        np.minimum.at(self.low, column[there], values[there])
        np.maximum.at(self.high, column[there], values[there])

    def filled(self) -> NDArray[np.intp]:
        """Columns that have a value."""
        return np.flatnonzero(self.low <= self.high)


@dataclass(frozen=True, slots=True)
class Picture:
    """Panels above one another with a common time."""

    panels: list[Panel]
    start_us: int
    end_us: int
    is_utc: bool


def _times(log: Log, samples: Samples, is_utc: bool) -> Ints:
    """Return the time of every sample on the axis of the picture."""
    mono = samples.mono_us()
    return log.utc_us(np.repeat(samples.boot_ids, samples.counts), mono) if is_utc else mono


def _last_us(log: Log, rows: NDArray[np.void], is_utc: bool) -> int:
    """Return the time of the last sample of the last of these frames."""
    times = [
        _times(log, one, is_utc) for _, found in log.chunks(rows[-1:], SAMPLE_KINDS) for one in found.values()
    ]
    return max((int(each.max()) for each in times if len(each)), default=0)


def envelopes(log: Log, rows: NDArray[np.void], channels: Iterable[str] | None) -> Picture:
    """Return the picture of these rows; times count from the start of the node where the log knew none."""
    wanted = None if channels is None else frozenset(channels)
    mono = np.minimum(rows["mono_us"], 1 << 60).astype(np.int64)
    utc = log.utc_us(rows["boot"], mono)
    is_utc = bool(utc.any())
    starts = utc[utc != 0] if is_utc else mono
    start_us = int(starts.min())
    end_us = max(_last_us(log, rows[rows["kind"] == kind], is_utc) for kind in np.unique(rows["kind"]))
    panels: dict[tuple[str, Channel], Panel] = {}
    for schema, samples in log.chunks(rows, SAMPLE_KINDS):
        for one in samples.values():
            if wanted is not None and one.channel.name not in wanted:
                continue
            panel = panels.setdefault((schema.node, one.channel), Panel(schema.node, one.channel))
            # The last sample belongs to the last column.
            panel.add(
                (_times(log, one, is_utc) - start_us) * COLUMNS // (end_us - start_us + 1), one.scaled()
            )
    found = [panel for panel in panels.values() if len(panel.filled())]
    if not found:
        raise ExportError("nothing to draw: no sample of that channel in the chosen time")
    return Picture(sorted(found, key=lambda panel: (panel.node, panel.channel.id)), start_us, end_us, is_utc)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers within a range."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(span / count))
    step = next((s * power for s in _STEPS if span / (s * power) <= count), 10 * power)
    first = np.ceil(low / step) * step
    return [float(one) + 0.0 for one in np.arange(first, high + step * 1e-9, step)]  # no −0


def time_marks(picture: Picture) -> list[tuple[int, str]]:
    """Return (µs, text) of the marks of the time axis."""
    span_s = (picture.end_us - picture.start_us) / 1e6
    step_s = next((step for step in _TIME_STEPS_S if span_s / step <= _TIME_MARKS), None)
    step = int((step_s or -(-span_s // _TIME_MARKS // 86_400) * 86_400) * 1_000_000)
    marks = []
    for at in range(-(-picture.start_us // step) * step, picture.end_us, step):
        if picture.is_utc:
            stamp = str(np.datetime_as_string(np.datetime64(at, "us"), "s"))
            text = (
                stamp[:10] if step >= 86_400_000_000 else stamp[11:19] if step < 60_000_000 else stamp[11:16]
            )
        else:
            text = f"{at / 1e6:g} s"
        marks.append((at, text))
    return marks


def svg(picture: Picture) -> str:
    """Return the picture as SVG."""
    width = _LEFT + COLUMNS + _RIGHT
    height = _TOP + len(picture.panels) * (_PANEL + _GAP) + _BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="#333">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(_caption(picture))}</text>',
    ]
    bottom = height - _BOTTOM
    span = max(1, picture.end_us - picture.start_us)
    for at, text in time_marks(picture):
        x = _LEFT + (at - picture.start_us) * COLUMNS / span
        out.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#eee"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    for number, panel in enumerate(picture.panels):
        out += _panel(panel, _TOP + number * (_PANEL + _GAP))
    return "\n".join([*out, "</svg>", ""])


def _caption(picture: Picture) -> str:
    if not picture.is_utc:
        return "time since the start of the node"
    ends = [
        str(np.datetime_as_string(np.datetime64(at, "us"), "s")) + "Z"
        for at in (picture.start_us, picture.end_us)
    ]
    return " … ".join(ends)


def _panel(panel: Panel, top: int) -> list[str]:
    """Return title, axis and envelope of one channel."""
    low, high = float(panel.low.min()), float(panel.high.max())
    margin = (high - low) * 0.05 or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin
    base, scale = top + _GAP, _PANEL / (high - low)

    def y(value: float) -> float:
        return base + (high - value) * scale

    out = [f'<text x="{_LEFT}" y="{base - 6}">{escape(panel.title)}</text>']
    for tick in ticks(low, high, 4):
        out.append(f'<path d="M{_LEFT} {y(tick):.1f}h{COLUMNS}" stroke="#ddd"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    # One line through the extremes of each column; a gap of a hundredth of the width lifts the pen.
    path, last = [], None
    for column in panel.filled().tolist():
        pen = "M" if last is None or column - last > COLUMNS // 100 else "L"
        last = column
        x = _LEFT + column + 0.5
        path.append(f"{pen}{x:.1f} {y(panel.low[column]):.1f}V{y(panel.high[column]):.1f}")
    out.append(f'<path d="{"".join(path)}" fill="none" stroke="#0a6ebd" stroke-linejoin="round"/>')
    return out


def _png(picture: Picture, path: Path) -> None:
    require("matplotlib", "matplotlib", "PNG (SVG needs nothing)")
    figures: Any = require("matplotlib.figure", "matplotlib", "PNG")
    figure = figures.Figure(figsize=(13, 1.6 * len(picture.panels) + 0.6), layout="constrained")
    axes = figure.subplots(len(picture.panels), 1, sharex=True, squeeze=False)[:, 0]
    step = (picture.end_us - picture.start_us) / COLUMNS
    for axis, panel in zip(axes, picture.panels, strict=True):
        at = panel.filled()
        times: Any = picture.start_us + (at + 0.5) * step
        times = times.astype("datetime64[us]") if picture.is_utc else times / 1e6
        axis.fill_between(times, panel.low[at], panel.high[at], linewidth=1, color="#0a6ebd")
        axis.set_title(panel.title, loc="left", fontsize=9)
        axis.grid(visible=True, alpha=0.3)
    axes[-1].set_xlabel("UTC" if picture.is_utc else "s since the start of the node")
    figure.savefig(path, format="png", dpi=110)


def plot(log: Log, rows: NDArray[np.void], channels: Iterable[str] | None, path: Path) -> None:
    """Draw to `path`, as SVG or PNG by its ending."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise ExportError(f"{path}: a picture ends in .svg or .png")
    picture = envelopes(log, rows, channels)
    if path.suffix.lower() == ".svg":
        path.write_text(svg(picture), encoding="utf-8")
    else:
        _png(picture, path)

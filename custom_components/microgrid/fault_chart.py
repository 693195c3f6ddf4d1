"""Draws the chart of a fault: words, legend, and curves over the seconds around it, readable on a phone.

What is drawn is decided elsewhere (`fault_story`). The same picture always gives the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final
from unicodedata import category

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Curve", "Key", "Mark", "Panel", "Picture", "draw", "plain"]

Floats = NDArray[np.float64]

WIDTH_PX: Final = 1080
"""As wide as the screen of a phone; letters of 28 px are then as large as small print."""
_FINE: Final = 2
"""Drawn so many times larger and then reduced: Pillow's lines have hard edges."""
_MARGIN: Final = 40
_AXIS: Final = 128
"""Room for the numbers on the left."""
_FONTS: Final = Path(__file__).parent / "fonts"

PAPER, INK, SOFT, GRID, PLOT = "#ffffff", "#1b2530", "#5a6672", "#e3e8ec", "#f7f9fa"
FAULT, ONSET, NEAR = "#c5221f", "#9a5b00", "#fdf1d8"
SEVERITIES: Final = {"critical": FAULT, "warning": "#b35c00", "info": "#0b7fb0"}
_MOST_DOTS: Final = 60
"""A curve of fewer samples shows each of them: nothing is known in between."""
_LATE: Final = 1.9
"""A sample that comes after so many periods has others missing before it."""
_ELLIPSIS: Final = "…"
NO_BREAK: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A channel of a node."""

    colour: str
    t_s: Floats
    """Since the fault, ascending, shape (samples,)."""
    values: Floats
    """NaN where a sample is missing; same shape."""
    strong: bool = True
    """Whether it is what the panel is about; others are drawn thinner and below."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that a piece of evidence is about."""

    label: str
    curve: int | None
    """Place of its curve in the panel; None: it belongs to none, and stands at the edge."""
    t_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Curves of one quantity over time."""

    title: str
    unit: str
    start_s: float
    end_s: float
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    tall: bool = False
    from_zero: bool = False
    """Whether zero is shown even when no value comes near it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A row of the legend."""

    colour: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """All that is to be drawn."""

    code: str
    severity: str
    name: str
    """What the code means."""
    headline: str
    """The cause."""
    facts: tuple[str, ...]
    """Lines below it."""
    keys: tuple[Key, ...]
    panels: tuple[Panel, ...]
    onset_s: float | None
    near: tuple[float, float] | None
    """What of the time the first panel shows larger."""
    notes: tuple[tuple[str, str], ...]
    """Label and meaning of the marks."""


def draw(picture: Picture) -> bytes:
    """Return the picture as PNG."""
    rows = len(picture.keys) + 2 * len(picture.facts) + 2 * len(picture.notes)
    sheet = _Sheet(560 + 50 * rows + sum(_height(panel) + 160 for panel in picture.panels))
    y = _head(sheet, picture)
    y = _legend(sheet, picture.keys, y)
    if not picture.panels:
        sheet.text(_MARGIN, y, "No measurements of the seconds around the fault are stored.", 32, SOFT)
        y += 60
    named = False
    for panel in picture.panels:
        y = _panel(sheet, picture, panel, y, named=named)
        named = not panel.tall
    y = _notes(sheet, picture.notes, y)
    return sheet.png(y + _MARGIN - 12)


# -------------------------------------------------------------------------------------------------- the sheet


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # The basic layout gives the same picture with and without the optional shaping library.
    return ImageFont.truetype(
        _FONTS / f"Roboto-{'Bold' if bold else 'Regular'}.ttf",
        size * _FINE,
        layout_engine=ImageFont.Layout.BASIC,
    )


def _width(text: str, size: int, bold: bool = False) -> float:
    return _font(size, bold).getlength(text) / _FINE


def plain(text: str) -> str:
    """Return a text of a node or a user without what is no sign: line ends, marks of direction, halves."""
    shown = (" " if letter.isspace() and letter != NO_BREAK else letter for letter in text)
    return "".join(letter for letter in shown if category(letter)[0] != "C")


def _clip(text: str, size: int, width: float, bold: bool = False) -> str:
    """Shorten a text to a width."""
    text = plain(text[:400])
    if _width(text, size, bold) <= width:
        return text
    while text and _width(text + _ELLIPSIS, size, bold) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS


def _wrap(text: str, size: int, width: float, most: int, bold: bool = False) -> list[str]:
    """Break a text into at most so many lines; what is left over ends in an ellipsis."""
    lines = [""]
    for word in plain(text[:1000]).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size, bold) > width:
            if len(lines) == most:
                lines[-1] = longer + _ELLIPSIS
                break
            lines.append(word)
        else:
            lines[-1] = longer
    return [_clip(line, size, width, bold) for line in lines if line]


class _Sheet:
    """A canvas in pixels of the finished picture."""

    def __init__(self, height: int) -> None:
        self._image = Image.new("RGB", (WIDTH_PX * _FINE, height * _FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self, x: float, y: float, text: str, size: int, colour: str, *, bold: bool = False, anchor: str = "la"
    ) -> None:
        self._draw.text((x * _FINE, y * _FINE), text, colour, _font(size, bold), anchor)

    def line(self, points: Iterable[tuple[float, float]], colour: str, width: float) -> None:
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(fine, colour, max(1, round(width * _FINE)), "curve" if len(fine) > 2 else None)

    def dashed(self, x: float, top: float, bottom: float, colour: str, width: float) -> None:
        y = top
        while y < bottom:
            self.line([(x, y), (x, min(y + 10, bottom))], colour, width)
            y += 17

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: str, radius: float = 0.0
    ) -> None:
        corners = (left * _FINE, top * _FINE, right * _FINE - 1, bottom * _FINE - 1)
        self._draw.rounded_rectangle(corners, radius * _FINE, fill)

    def dot(self, x: float, y: float, radius: float, fill: str) -> None:
        self._draw.circle((x * _FINE, y * _FINE), radius * _FINE, fill)

    def png(self, height: float) -> bytes:
        """Cut at a height and return the file."""
        whole = self._image.crop((0, 0, WIDTH_PX * _FINE, math.ceil(height) * _FINE)).reduce(_FINE)
        file = io.BytesIO()
        whole.save(file, "PNG", compress_level=6)
        return file.getvalue()


# ------------------------------------------------------------------------------------------------------ words


def _head(sheet: _Sheet, picture: Picture) -> float:
    wide = WIDTH_PX - 2 * _MARGIN
    code = _clip(picture.code, 32, 300, bold=True)
    right = _MARGIN + _width(code, 32, bold=True) + 36
    sheet.box(_MARGIN, 36, right, 86, SEVERITIES.get(picture.severity, SOFT), 12)
    sheet.text((_MARGIN + right) / 2, 61, code, 32, PAPER, bold=True, anchor="mm")
    name = _clip(picture.name, 36, WIDTH_PX - _MARGIN - right - 20)
    sheet.text(right + 20, 61, name, 36, INK, anchor="lm")
    y = 116.0
    for line in _wrap(picture.headline, 46, wide, 4, bold=True):
        sheet.text(_MARGIN, y, line, 46, INK, bold=True)
        y += 58
    y += 8
    for fact in picture.facts:
        for line in _wrap(fact, 32, wide, 2):
            sheet.text(_MARGIN, y, line, 32, SOFT)
            y += 43
    return y + 14


def _legend(sheet: _Sheet, keys: Sequence[Key], y: float) -> float:
    x: float = _MARGIN
    for key in keys:
        name = _clip(key.name, 30, 460, bold=True)
        note = _clip(key.note, 30, 360)
        width = 46 + _width(name, 30, bold=True) + (10 + _width(note, 30) if note else 0)
        if x > _MARGIN and x + width > WIDTH_PX - _MARGIN:
            x, y = _MARGIN, y + 46
        sheet.box(x, y + 15, x + 34, y + 23, key.colour, 4)
        sheet.text(x + 46, y + 19, name, 30, INK, bold=True, anchor="lm")
        sheet.text(x + 56 + _width(name, 30, bold=True), y + 19, note, 30, SOFT, anchor="lm")
        x += width + 36
    return y + 62 if keys else y


def _notes(sheet: _Sheet, notes: Sequence[tuple[str, str]], y: float) -> float:
    for label, meaning in notes:
        _pill(sheet, _MARGIN + _pill_half(label), y + 20, label)
        for line in _wrap(meaning, 30, WIDTH_PX - 2 * _MARGIN - 100, 2):
            sheet.text(_MARGIN + 100, y + 20, line, 30, INK, anchor="lm")
            y += 38
        y += 12
    return y


def _pill(sheet: _Sheet, x: float, y: float, label: str) -> None:
    half = _pill_half(label)
    sheet.box(x - half, y - 18, x + half, y + 18, INK, 18)
    sheet.text(x, y, label, 26, PAPER, bold=True, anchor="mm")


def _pill_half(label: str) -> float:
    return _width(label, 26, bold=True) / 2 + 13


# ----------------------------------------------------------------------------------------------------- panels


@dataclass(frozen=True, slots=True)
class _Frame:
    """A panel's place on the sheet, and how values come there."""

    left: float
    top: float
    right: float
    bottom: float
    start_s: float
    end_s: float
    low: float
    high: float

    def x(self, t_s: float) -> float:
        share = (t_s - self.start_s) / (self.end_s - self.start_s)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def _height(panel: Panel) -> int:
    return 330 if panel.tall else 210


def _panel(sheet: _Sheet, picture: Picture, panel: Panel, y: float, *, named: bool) -> float:
    """Draw a panel and return where the next one begins; `named`: one above says what the instants are."""
    unit = f"  {panel.unit}" if panel.unit else ""
    title = _clip(panel.title, 32, WIDTH_PX - 2 * _MARGIN - _width(unit, 30), bold=True)
    sheet.text(_MARGIN, y, title, 32, INK, bold=True)
    sheet.text(_MARGIN + _width(title, 32, bold=True), y + 2, unit, 30, SOFT)
    low, high, ticks = _range(panel)
    top = y + (56 if named else 86)
    frame = _Frame(
        _AXIS,
        top,
        WIDTH_PX - _MARGIN,
        top + _height(panel),
        panel.start_s,
        panel.end_s,
        low,
        high,
    )
    sheet.box(frame.left, frame.top, frame.right, frame.bottom, PLOT)
    if picture.near is not None and not panel.tall:
        from_s, to_s = (min(max(t_s, panel.start_s), panel.end_s) for t_s in picture.near)
        sheet.box(frame.x(from_s), frame.top, max(frame.x(to_s), frame.x(from_s) + 4), frame.bottom, NEAR)
    for tick, label in ticks:
        if frame.bottom - frame.y(tick) < 14:
            continue  # its name would cover those of the times
        sheet.line([(frame.left, frame.y(tick)), (frame.right, frame.y(tick))], GRID, 2)
        sheet.text(frame.left - 12, frame.y(tick), label, 28, SOFT, anchor="rm")
    for tick, label in _times(panel.start_s, panel.end_s):
        sheet.line([(frame.x(tick), frame.top), (frame.x(tick), frame.bottom)], GRID, 2)
        half = _width(label, 28) / 2
        at = min(max(frame.x(tick), half + 4), WIDTH_PX - half - 4)
        sheet.text(at, frame.bottom + 8, label, 28, SOFT, anchor="ma")
    _instants(sheet, picture.onset_s, frame, named=named)
    for strong in (False, True):
        for curve in panel.curves:
            if curve.strong is strong:
                _curve(sheet, curve, frame)
    _marks(sheet, panel, frame)
    return frame.bottom + 66


def _range(panel: Panel) -> tuple[float, float, list[tuple[float, str]]]:
    """Return the lowest and highest value of a panel, and round values in between with their names."""
    inside = [
        curve.values[np.isfinite(curve.values) & (curve.t_s >= panel.start_s) & (curve.t_s <= panel.end_s)]
        for curve in panel.curves
    ]
    values = np.concatenate(inside) if inside else np.zeros(0)
    if not values.size:
        return 0.0, 1.0, []
    low, high = float(values.min()), float(values.max())
    if panel.from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    least = max(abs(low), abs(high)) * 1e-3 or 1.0
    if high - low < least:  # steady: noise must not look like a mountain
        low, high = (low + high - least) / 2, (low + high + least) / 2
    pad = 0.1 * (high - low)
    low, high = low - pad, high + 1.6 * pad
    step = _round_step((high - low) / (6.0 if panel.tall else 4.0))
    digits = _digits(step)
    count = int((high - low) / step) + 2
    ticks = [(math.ceil(low / step) + number) * step for number in range(count)]
    return low, high, [(tick, _number(tick, digits)) for tick in ticks if low <= tick <= high]


def _number(value: float, digits: int) -> str:
    text = f"{value + 0.0:,.{digits}f}".replace(",", NO_BREAK).replace("-", "\N{MINUS SIGN}")
    return text.lstrip("\N{MINUS SIGN}") if not text.strip("\N{MINUS SIGN}0.") else text


def _digits(step: float) -> int:
    """Return the decimals that multiples of a step need."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _round_step(span: float) -> float:
    """Return the next larger of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(span))
    return next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= span * 0.999)


def _times(start_s: float, end_s: float) -> list[tuple[float, str]]:
    step = _round_step((end_s - start_s) / 6.5)
    found = []
    for number in range(math.ceil(start_s / step - 1e-9), math.floor(end_s / step + 1e-9) + 1):
        at = number * step
        sign = "+" if number > 0 else "\N{MINUS SIGN}"
        size = f"{abs(at) * 1000:.0f} ms" if step < 0.0999 else f"{abs(at):.{_digits(step)}f} s"
        found.append((at, f"{sign}{size}" if number else "0"))
    return found


def _instants(sheet: _Sheet, onset_s: float | None, frame: _Frame, *, named: bool) -> None:
    """Mark the fault, and when what led to it began."""
    over = frame.top - 8
    fault = frame.x(0.0)
    if frame.start_s <= 0.0 <= frame.end_s:
        sheet.line([(fault, over), (fault, frame.bottom)], FAULT, 4)
        if not named:
            _name(sheet, frame, fault, "fault", FAULT, right=onset_s is None or onset_s <= 0.0)
    if onset_s is not None and frame.start_s <= onset_s <= frame.end_s:
        at = frame.x(onset_s)
        sheet.dashed(at, over, frame.bottom, ONSET, 4)
        if not named and abs(at - fault) > 12:
            _name(sheet, frame, at, "begins", ONSET, right=onset_s > 0.0)


def _name(sheet: _Sheet, frame: _Frame, x: float, name: str, colour: str, *, right: bool) -> None:
    """Write a name above an instant, on its right or left side, where there is room."""
    width = _width(name, 28, bold=True) + 8
    right = x - width < frame.left or (right and x + width < frame.right)
    sheet.text(
        x + 8 if right else x - 8,
        frame.top - 8,
        name,
        28,
        colour,
        bold=True,
        anchor="ls" if right else "rs",
    )


def _curve(sheet: _Sheet, curve: Curve, frame: _Frame) -> None:
    """Draw a curve; where samples are missing it is broken."""
    width = 4.0 if curve.strong else 2.2
    inside = (curve.t_s >= frame.start_s) & (curve.t_s <= frame.end_s)
    period_s = float(np.median(np.diff(curve.t_s))) if curve.t_s.size > 1 else 0.0
    t_s, values = curve.t_s[inside], curve.values[inside]
    dots = np.count_nonzero(np.isfinite(values)) <= _MOST_DOTS
    for first, last in _runs(t_s, values, period_s):
        points = [
            (frame.x(t), frame.y(value))
            for t, value in zip(t_s[first:last].tolist(), values[first:last].tolist(), strict=True)
        ]
        if len(points) > 1:
            sheet.line(points, curve.colour, width)
        if dots or len(points) == 1:
            for x, y in points:
                sheet.dot(x, y, width + 0.6, curve.colour)


def _runs(t_s: Floats, values: Floats, period_s: float) -> list[tuple[int, int]]:
    """Return begin and end of the stretches without a missing sample."""
    if not t_s.size:
        return []
    good = np.isfinite(values)
    broken = np.diff(t_s) > _LATE * period_s
    cuts = np.flatnonzero(broken | (good[1:] != good[:-1])) + 1
    limits = [0, *cuts.tolist(), t_s.size]
    return [(first, last) for first, last in pairwise(limits) if good[first]]


def _marks(sheet: _Sheet, panel: Panel, frame: _Frame) -> None:
    """Put each label beside its point, where it covers no other label."""
    taken: list[tuple[float, float, float]] = []
    spots = []
    for mark in panel.marks:
        x = frame.x(min(max(mark.t_s, frame.start_s), frame.end_s))
        point = _point(panel, mark, frame)
        spots.append((mark, x, frame.bottom - 24 if point is None else point, point is not None))
    for _, x, y, known in spots:
        if known:
            sheet.dot(x, y, 11, PAPER)
            sheet.dot(x, y, 8, INK)
    places = []
    for mark, x, y, known in spots:
        half = _pill_half(mark.label)
        if (place := _free(x, y, half, frame, taken)) is not None:
            taken.append((*place, half))
            places.append((place, mark.label))
            if known:
                sheet.line([(x, y), place], INK, 2)
    for place, label in places:
        _pill(sheet, *place, label)


def _point(panel: Panel, mark: Mark, frame: _Frame) -> float | None:
    """Return the height of a mark: that of the sample of its curve that is nearest in time."""
    if mark.curve is None:
        return None
    curve = panel.curves[mark.curve]
    good = np.isfinite(curve.values)
    if not good.any():
        return None
    t_s, values = curve.t_s[good], curve.values[good]
    nearest = int(np.argmin(np.abs(t_s - mark.t_s)))
    reach_s = max(1.5 * float(np.median(np.diff(curve.t_s))) if curve.t_s.size > 1 else 0.0, 0.05)
    if abs(float(t_s[nearest]) - mark.t_s) > reach_s:
        return None
    return min(max(frame.y(float(values[nearest])), frame.top), frame.bottom)


# Where a label may stand, in steps of its size: first the free sides near the point, then further away.
_PLACES: Final = tuple(
    (right, down)
    for distance in (1, 2, 3, 4)
    for right, down in (
        (distance, -distance),
        (-distance, -distance),
        (distance, distance),
        (-distance, distance),
        (0, -distance),
        (0, distance),
        (distance, 0),
        (-distance, 0),
    )
)


def _free(
    x: float, y: float, half: float, frame: _Frame, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float] | None:
    for right, down in _PLACES:
        at_x, at_y = x + right * (half + 14), y + down * 38
        if (
            frame.left + half <= at_x <= frame.right - half
            and frame.top + 20 <= at_y <= frame.bottom - 20
            and all(
                abs(at_x - other_x) > half + other_half + 4 or abs(at_y - other_y) > 40
                for other_x, other_y, other_half in taken
            )
        ):
            return at_x, at_y
    return None

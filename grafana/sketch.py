"""Sketches of the dashboards for the documentation, from their JSON: where each panel lies, and its kind."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from . import theme

_COLUMN, _ROW, _GAP, _HEAD = 40, 12, 3, 34
_WIDTH = 24 * _COLUMN
_INK = "#24292e"
_LETTER = 6.3
"""Mean width of a letter of 11 px."""

_KINDS = {
    "timeseries": ("chart", theme.LOAD),
    "stat": ("number", theme.GOOD),
    "bargauge": ("bars", theme.SOLAR),
    "gauge": ("dial", theme.WATCH),
    "table": ("table", theme.CALM),
    "state-timeline": ("states", theme.EXCHANGE),
}


def draw(board: str) -> str:
    """Return an SVG of a dashboard."""
    found = json.loads(board)
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in found["panels"])
    height = _HEAD + bottom * _ROW + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#f4f5f5"/>',
        f'<text x="10" y="22" font-size="15" font-weight="600" fill="{_INK}">{escape(found["title"])}</text>',
        *_legend(found["panels"]),
        *(line for panel in found["panels"] for line in _panel(panel)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(panels: list[dict[str, Any]]) -> list[str]:
    lines, x = [], _WIDTH - 10
    for kind in reversed([kind for kind in _KINDS if any(panel["type"] == kind for panel in panels)]):
        word, color = _KINDS[kind]
        x -= round(len(word) * _LETTER)
        lines.append(f'<text x="{x}" y="22" fill="#555">{word}</text>')
        lines.append(f'<rect x="{x - 14}" y="13" width="10" height="10" rx="2" fill="{color}"/>')
        x -= 26
    return lines


def _panel(panel: dict[str, Any]) -> list[str]:
    at = panel["gridPos"]
    x, y = at["x"] * _COLUMN + _GAP, _HEAD + at["y"] * _ROW
    title = escape(_shortened(panel["title"], at["w"] * _COLUMN - 24))
    if panel["type"] == "row":
        return [f'<text x="{x + 6}" y="{y + 10}" font-weight="600" fill="{_INK}">{title}</text>']
    width, height = at["w"] * _COLUMN - 2 * _GAP, at["h"] * _ROW - _GAP
    color = _KINDS[panel["type"]][1]
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#fff" stroke="#d8d9da"/>',
        f'<rect x="{x}" y="{y}" width="4" height="{height}" rx="2" fill="{color}"/>',
        f'<text x="{x + 12}" y="{y + 16}" fill="{_INK}">{title}</text>',
    ]


def _shortened(text: str, width: int) -> str:
    most = int(width / _LETTER)
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"

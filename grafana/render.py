"""All generated files: path in the repository and content."""

from __future__ import annotations

from . import alerts, sketch
from .boards import BOARDS

FOLDERS = DASHBOARDS, ALERTING, SKETCHES = "grafana/dashboards", "grafana/alerting", "docs/images/grafana"
"""They hold nothing but generated files."""


def files() -> dict[str, str]:
    """Return the text of each file by its path."""
    boards = {board.name: board.render() for board in BOARDS}
    return (
        {f"{DASHBOARDS}/{name}.json": text for name, text in boards.items()}
        | {f"{SKETCHES}/{name}.svg": sketch.draw(text) for name, text in boards.items()}
        | {
            f"{ALERTING}/rules.yaml": alerts.rules(),
            f"{ALERTING}/contact-points.yaml": alerts.contact_points(),
            f"{ALERTING}/policies.yaml": alerts.policies(),
        }
    )

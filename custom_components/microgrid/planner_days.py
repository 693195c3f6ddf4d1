"""The days that are over: their figures together, the weekly report, and what they mean for the model."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from .planner_money import Review
from .planner_state import PlannerState, mean_of

WINS: Final = 3
"""Days in a row that a version must be cheaper before it takes over."""
_KEPT_SCORES: Final = 60


def rolling(state: PlannerState, days: int, today: date) -> dict[str, float | None]:
    """Return the figures of the last days, as far as they are there; money is their sum."""
    rows = state.last_days(days, today)
    total = {
        name: sum(getattr(row, name) for row in rows) for name in ("actual", "no_battery", "rule", "perfect")
    }
    possible = total["no_battery"] - total["perfect"]
    return {
        **total,
        "days": float(len(rows)),
        "saving": total["rule"] - total["actual"] if rows else None,
        "over_no_battery": total["no_battery"] - total["actual"] if rows else None,
        "missed": total["actual"] - total["perfect"] if rows else None,
        "captured": (total["no_battery"] - total["actual"]) / possible
        if rows and abs(possible) > 1e-6
        else None,
        "nmae": mean_of(row.nmae for row in rows),
        "bias": mean_of(row.bias for row in rows),
        "naive_ratio": mean_of(row.naive_ratio for row in rows),
    }


def report(state: PlannerState, days: int, figures: dict[str, float | None]) -> dict[str, Any]:
    """Return the figures of some days with the scores of all versions on them."""
    return {
        **{name: None if value is None else round(value, 4) for name, value in figures.items()},
        "scores": {version: dict(list(rows.items())[-days:]) for version, rows in state.scores.items()},
        "fallback": state.fallback,
        "solar_errors": dict(state.solar_errors),
    }


def measured(state: PlannerState, begin: datetime, hours: int) -> bool:
    """Return whether most of a day was measured."""
    first = int(begin.timestamp() // 3600)
    rows = [state.ledger.hours.get(number) for number in range(first, first + hours)]
    return sum(row is not None and row.whole for row in rows) >= hours // 2


def judge(state: PlannerState, used: str, found: Review, day: date) -> dict[str, Any] | None:
    """Keep the scores of all versions; return what to tell when another one takes over.

    Out when the plan lost more than chance, back when it is really cheaper: never to and fro about nothing.
    """
    if not found.scores:
        return None
    for version, score in found.scores.items():
        rows = state.scores.setdefault(version, {})
        rows[day.isoformat()] = round(score, 4)
        for old in sorted(rows)[:-_KEPT_SCORES]:
            del rows[old]
    for version, score in found.scores.items():
        better = version != used and score < found.scores[used] - found.margin
        state.wins[version] = state.wins.get(version, 0) + 1 if better else 0
    best = min(state.wins, key=lambda version: (-state.wins[version], found.scores.get(version, 0.0)))
    change = None
    if state.wins[best] >= WINS:
        state.model, state.wins = best, {}
        change = {
            "from": used,
            "to": best,
            "cheaper_by": round(found.scores[used] - found.scores[best], 2),
            "days": found.days,
        }
        used = best
    score = found.scores[used]
    if score > found.margin:
        state.too_dear = True
    elif score <= 0.0:
        state.too_dear = False
    return change

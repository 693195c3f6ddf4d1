"""What was explained within a day: a fault that comes again is not paid for again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from .dossier import Dossier
from .quantities import Quantity

__all__ = ["Recall", "Remembered"]

KEPT: Final = timedelta(hours=24)
MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer as the model gave it."""

    time: datetime
    event_id: str
    answer: Mapping[str, Any]
    asked: Mapping[str, tuple[Quantity, ...]]
    """What the model had asked for; holds for this event alone."""


def key_of(dossier: Dossier, model: str) -> str:
    """Return by what a fault is known again.

    The aliases belong to it, since the answer speaks of them, and so does the model that gave it.
    """
    report = dossier.report
    nodes = ",".join(f"{alias}={node}" for node, alias in sorted(dossier.aliases.items()))
    return f"{report.fingerprint}|{report.origin.node}|{nodes}|{dossier.language}|{model}"


@dataclass(slots=True)
class Recall:
    """Answers of the last day by what their faults are known by."""

    known: dict[str, Remembered] = field(default_factory=dict)

    def find(self, dossier: Dossier, now: datetime, model: str = "") -> Remembered | None:
        """Return what was answered to a fault like this one within a day; check its numbers again."""
        found = self.known.get(key_of(dossier, model))
        return found if found is not None and timedelta() <= now - found.time < KEPT else None

    def keep(self, dossier: Dossier, now: datetime, answer: Mapping[str, Any], model: str = "") -> None:
        """Remember an answer."""
        asked = {name: found for name, found in dossier.quantities.items() if name.startswith("T")}
        self.known[key_of(dossier, model)] = Remembered(now, dossier.report.event_id, answer, asked)
        fresh = sorted(
            (item for item in self.known.items() if now - item[1].time < KEPT), key=lambda item: item[1].time
        )
        self.known = dict(fresh[-MOST:])

    def to_dict(self) -> dict[str, Any]:
        """Return what has to be stored."""
        return {
            key: {
                "time": each.time.isoformat(),
                "event_id": each.event_id,
                "answer": dict(each.answer),
                "asked": {
                    name: [[one.value, one.unit] for one in found] for name, found in each.asked.items()
                },
            }
            for key, each in self.known.items()
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return what was stored."""
        return cls(
            {
                key: Remembered(
                    datetime.fromisoformat(each["time"]),
                    each["event_id"],
                    each["answer"],
                    {
                        name: tuple(Quantity(value, unit) for value, unit in found)
                        for name, found in each["asked"].items()
                    },
                )
                for key, each in stored.items()
            }
        )

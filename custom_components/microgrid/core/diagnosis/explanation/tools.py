"""What a language model may look up while it explains: read-only, few, short, in ids and numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import numpy as np

from ...model.gateway import GATEWAY
from ...model.house import HOUSE
from ..case import Case
from ..causes import CAUSES, UNDETERMINED
from .dossier import OTHER, Dossier, known_channel
from .quantities import Quantity, rounded

__all__ = ["MAX_CALLS", "Earlier", "Lookup"]

MAX_CALLS: Final = 6
MAX_RESULT_BYTES: Final = 4000
"""Less than two thousand tokens, whatever the tokens."""
_MOST_EARLIER: Final = 20


@dataclass(frozen=True, slots=True)
class Earlier:
    """A fault of before."""

    days_ago: float
    node: str
    code: str
    cause: str
    confirmed: bool | None = None
    """The operator's verdict on that cause; None while there is none."""
    found: str | None = None
    """The cause that the operator found."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The tools for one fault, as far as there is something to look up."""

    dossier: Dossier
    case: Case | None = None
    earlier: tuple[Earlier, ...] = ()

    def offered(self) -> list[dict[str, Any]]:
        """Return the tools as the Messages API wants them; none when there is nothing."""
        found = []
        if self.case is not None:
            found.append(
                _tool(
                    "channel_statistics",
                    "Statistics of one measured channel of one node between two times around the fault.",
                    {
                        "node": {"type": "string", "enum": list(self.dossier.aliases.values())},
                        "channel": {"type": "string", "enum": self._channels()},
                        "from_s": {"type": "number"},
                        "to_s": {"type": "number"},
                    },
                )
            )
        if self.earlier:
            found.append(_tool("earlier_faults", "Faults that came before, newest first.", {}))
        return found

    def call(self, name: str, arguments: object) -> str:
        """Return the result of a call as JSON, with an id to cite it by; mistakes are told as such."""
        given = arguments if isinstance(arguments, Mapping) else {}
        if name == "channel_statistics" and self.case is not None:
            result = self._statistics(given)
        elif name == "earlier_faults":
            result = self._earlier()
        else:
            result = {"error": "unknown_tool"}
        text = json.dumps(result, separators=(",", ":"), ensure_ascii=False)
        return text if len(text.encode()) <= MAX_RESULT_BYTES else '{"error":"too_long"}'

    def _channels(self) -> list[str]:
        assert self.case is not None
        names = {name for record in self.case.nodes.values() for name in record.channels}
        return sorted({known_channel(name) for name in names} - {OTHER})

    def _statistics(self, given: Mapping[str, object]) -> dict[str, Any]:
        assert self.case is not None
        node = self.dossier.node(str(given.get("node", "")))
        record = self.case.nodes.get(node or "")
        if record is None:
            return {"error": "unknown_node"}
        channel = str(given.get("channel", ""))
        series = record.channels.get(channel)
        if series is None or known_channel(channel) == OTHER:
            return {"error": "unknown_channel"}
        from_s, to_s = _number(given.get("from_s")), _number(given.get("to_s"))
        if from_s is None or to_s is None:
            return {"error": "times_needed"}
        chosen = series.values[(series.t_s >= from_s) & (series.t_s <= to_s)]
        chosen = chosen[np.isfinite(chosen)]
        if not chosen.size:
            return {"error": "no_samples"}
        told = {
            "minimum": rounded(float(chosen.min())),
            "maximum": rounded(float(chosen.max())),
            "mean": rounded(float(chosen.mean())),
            "median": rounded(float(np.median(chosen))),
            "standard_deviation": rounded(float(chosen.std())),
            "first": rounded(float(chosen[0])),
            "last": rounded(float(chosen[-1])),
        }
        unit = _unit(channel)
        identity = self.dossier.add(tuple(Quantity(value, unit) for value in told.values()))
        return {"id": identity, "samples": int(chosen.size), "unit": unit, **told}

    def _earlier(self) -> dict[str, Any]:
        told = [
            {
                "days_ago": rounded(each.days_ago),
                "node": self.dossier.alias(each.node),
                "code": CAUSES[each.cause].code if each.cause in CAUSES else OTHER,
                "cause": each.cause if each.cause in CAUSES else UNDETERMINED,
                "confirmed": each.confirmed,
                "operator_found": each.found if each.found in CAUSES else None,
            }
            for each in sorted(self.earlier, key=lambda one: one.days_ago)[:_MOST_EARLIER]
        ]
        identity = self.dossier.add(tuple(Quantity(rounded(each.days_ago), "d") for each in self.earlier))
        return {"id": identity, "unit": "d", "faults": told}


def _tool(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _unit(channel: str) -> str:
    metric = HOUSE.by_key.get(channel) or GATEWAY.by_key.get(channel)
    return (metric.unit if metric else None) or ""

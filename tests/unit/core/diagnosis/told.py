"""A report as it is stored, and an answer to it that holds: a weak cell pulled the DC bus down."""

from __future__ import annotations

from typing import Any

from microgrid_core.diagnosis.evidence import KINDS

HOUSE, NEIGHBOUR, GATEWAY = "house-3", "house-2", "gateway-1"
EVIDENCE = {
    "bus_voltage": (44.71, -0.02, 52.31),
    "cell_lowest": (2.512, -0.1, None),
    "cell_apart": (-612.4, -0.1, -8.2),
    "own_share": (0.853, 0.0, None),
    "export": (1834.0, -1.0, None),
}
"""Value, time and usual value, by key."""


def id_of(key: str) -> str:
    """Return the id of evidence."""
    return KINDS[key].id


def report(**changes: Any) -> dict[str, Any]:
    """Return the report; `changes` replace its fields."""
    candidates = changes.pop(
        "candidates", {"F006.weak_cell": 0.91, "undetermined": 0.05, "F006.export_after_trip": 0.02}
    )
    cause = changes.pop("cause", next(iter(candidates)))
    return {
        "engine_version": "1.0",
        "event_id": "house-3:5f2a10c4:17",
        "code": "F006",
        "node": HOUSE,
        "cause": cause,
        "posterior": candidates[cause],
        "candidates": [{"cause": name, "posterior": share} for name, share in candidates.items()],
        "origin": {"node": HOUSE, "confidence": 0.97, "evidence": id_of("own_share")},
        "path": [HOUSE],
        "links": [],
        "onset": {
            "t_s": -3.2,
            "earliest_s": -3.6,
            "latest_s": -2.9,
            "node": HOUSE,
            "channel": "cell_voltage_7",
        },
        "evidence": [
            {
                "id": id_of(key),
                "node": HOUSE,
                "channel": "dc_bus_voltage",
                "t_s": t_s,
                "value": value,
                "unit": KINDS[key].unit,
                "baseline": usual,
                "z": None if usual is None else -41.0,
                "weight": 2.5,
            }
            for key, (value, t_s, usual) in EVIDENCE.items()
        ],
        "actions": ["Have the named cell's capacity tested."],
        "answers": {
            "what_happened": "The engine's what.",
            "where_did_it_begin": "The engine's where.",
            "why": "The engine's why.",
            "how_did_it_spread": "The engine's how.",
            "has_it_happened_before": "Never.",
            "what_to_do": "Have the named cell's capacity tested.",
        },
        "fingerprint": "0123456789abcdef",
        "missing": [NEIGHBOUR],
        "runtime_s": 0.2,
        **changes,
    }


def answer(**changes: Any) -> dict[str, Any]:
    """Return an answer that the evidence bears out; `changes` replace its fields."""
    return {
        "cause_id": "F006.weak_cell",
        "evidence": [id_of("bus_voltage"), id_of("cell_lowest")],
        "what_happened": "The DC bus of H1 fell from 52.31 V to 44.71 V, below the limit of the battery.",
        "where_did_it_begin": "In H1: it had 85.3 % of the change, and it began 3.2 s before.",
        "why": "One cell was 612.4 mV below the others, at 2.512 V: it has less capacity.",
        "how_did_it_spread": "It stayed in H1. N1 gave no measurements.",
        **changes,
    }

"""All scenarios by name, and how one becomes a case: draw, simulate, and draw again when nothing tripped."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from microgrid_core.contract.faults import FAULTS
from microgrid_core.diagnosis.case import Case
from microgrid_core.diagnosis.causes import CAUSES

from ..physics.arrays import Floats
from . import battery, communication, coupling, inverter, solar, transients
from .degrade import degrade
from .network import HOUSES
from .plan import LENGTH_S, NODES, Plan, Surroundings, healthy
from .record import AFTER_S, BEFORE_S, Event, Played, add_bus, cut, first, node_id, play
from .scenario import OUTSIDE, Expect, Scenario, span
from .truth import Split, Truth

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            *inverter.SCENARIOS,
            *battery.SCENARIOS,
            *solar.SCENARIOS,
            *communication.SCENARIOS,
            *coupling.SCENARIOS,
            *transients.SCENARIOS,
        )
    }
)

AROUND = MappingProxyType(
    {
        "load_w": span(400.0, 1300.0, 1300.0, 1800.0),
        "charge": span(0.35, 0.75, 0.75, 0.85),
        "sun": span(0.1, 0.5, 0.5, 0.75),
        "line_ohm": span(0.12, 0.18, 0.18, 0.24),
        "coupling_ohm": span(0.36, 0.46, 0.46, 0.56),
        "room_c": span(16.0, 27.0, 8.0, 16.0),
        "swarm_strength": span(4.0, 8.0, 8.0, 12.0),
        "capacity_ah": span(220.0, 300.0, 160.0, 220.0),
        "noise": span(0.7, 1.2, 1.2, 1.5),
    }
)
"""What the cluster of every scenario is drawn from."""

_ATTEMPTS = 60
_OVERLAPPING = 0.12
"""How often a second fault, of another house, falls into the window of a case that may be damaged."""
_BREAKING = (
    ("mppt_input_voltage", 170.0),
    ("mosfet_temperature_2", 85.0),
    ("battery_temperature_3", 60.0),
    ("cell_voltage_9", 0.6),
)
"""What breaks then, and how far it jumps: F020, F004, F012, F010."""
_BUS_CODES = ("F030", "F031")


@dataclass(frozen=True, slots=True)
class Staged:
    """A window in which a scenario came true."""

    plan: Plan
    played: Played
    trigger: Event
    """The fault that it is about."""
    truth: Truth
    clock_error_s: Floats
    """What each node's clock shows more than the true time."""
    attempt: int
    bad: bool
    """Its records shall have holes, lost frames and the like."""
    rng: np.random.Generator


def stage(name: str, seed: int, split: Split | str = Split.TUNED, *, degraded: bool | None = None) -> Staged:
    """Draw and simulate a scenario until it trips; arguments and errors are those of `make`."""
    scenario, split = SCENARIOS[name], Split(split)
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed, split is Split.APART, attempt])
        around = Surroundings(**{key: each.draw(split, rng) for key, each in AROUND.items()})
        plan = healthy(around, rng)
        values = {key: each.draw(split, rng) for key, each in scenario.ranges.items()}
        expect = scenario.build(plan, values, int(rng.integers(HOUSES)))
        bystander = None
        if degraded is not False and rng.random() < _OVERLAPPING:
            bystander = _overlap(plan, expect, rng)
            expect = replace(expect, also=expect.also | {bystander})
        played = play(plan, around.noise)
        if scenario.code not in _BUS_CODES and not _as_expected(played, expect, scenario.code):
            continue
        played = add_bus(plan, played)
        if not _as_expected(played, expect, scenario.code):
            continue
        trigger = first(played, expect.teller, scenario.code)
        assert trigger is not None
        bad = bool(rng.integers(2)) if degraded is None else degraded
        largest_s = rng.uniform(0.002, 0.01) if bad else 0.0006
        clock_error_s = rng.uniform(-largest_s, largest_s, NODES)
        truth = _truth(scenario, expect, trigger.t_s + float(clock_error_s[expect.teller]))
        return Staged(plan, played, trigger, truth, clock_error_s, attempt, bad, rng)
    raise RuntimeError(
        f"{name}: none of {_ATTEMPTS} draws told {scenario.code}; its ranges do not lead there"
    )


def make(
    name: str, seed: int, split: Split | str = Split.TUNED, *, degraded: bool | None = None
) -> tuple[Case, Truth]:
    """Return a case of a scenario and why it happened; the same for the same arguments.

    `degraded` says whether the record has holes, wrong clocks, lost frames; None: about every second one has.
    Unless it is False, now and then another house has a fault of its own in the same window.
    Raises KeyError for an unknown scenario, RuntimeError when no draw trips: then its ranges are wrong.
    """
    staged = stage(name, seed, split, degraded=degraded)
    event_id = f"made.{staged.trigger.node}:{seed & 0xFFFFFFFF:08x}:{staged.attempt}"
    case = cut(staged.plan, staged.played, staged.trigger, staged.clock_error_s, event_id)
    return degrade(case, staged.rng) if staged.bad else case, staged.truth


def _overlap(plan: Plan, expect: Expect, rng: np.random.Generator) -> int:
    """Let a sensor of an uninvolved house break at about the same time; return its node."""
    uninvolved = [node for node in range(1, NODES) if node not in (expect.teller, expect.origin)]
    node = int(rng.choice(uninvolved))
    key, jump = _BREAKING[int(rng.integers(len(_BREAKING)))]
    plan.offset(node - 1, key, jump, float(rng.uniform(6.0, 26.0)))
    return node


def _as_expected(played: Played, expect: Expect, code: str) -> bool:
    """Whether the right node told the code first, with the whole window around it."""
    trigger = first(played, expect.teller, code)
    if trigger is None or not BEFORE_S + 0.2 < trigger.t_s < LENGTH_S - AFTER_S - 0.2:
        return False
    before = {
        event.node
        for event in played.events
        if event.raised and event.t_s < trigger.t_s and event.code in FAULTS
    }
    return before <= expect.also


def _truth(scenario: Scenario, expect: Expect, told_s: float) -> Truth:
    teller = node_id(expect.teller)
    path: tuple[str, ...]
    if expect.origin is None or expect.origin == expect.teller:
        origin, path = teller, (teller,)
    elif expect.origin == OUTSIDE:
        origin = OUTSIDE
        path = (OUTSIDE, node_id(0)) if expect.teller == 0 else (OUTSIDE, node_id(0), teller)
    else:
        origin = node_id(int(expect.origin))
        path = (origin, teller)
    onset_s = None if expect.onset_s is None else expect.onset_s - told_s
    if onset_s is not None and onset_s < -BEFORE_S:
        onset_s = None
    return Truth(scenario.cause, origin, CAUSES[scenario.cause].kind.value, path, onset_s)

"""Faults of the gateway: no synchronism with the swarm, a contactor that does not do what it is told."""

from __future__ import annotations

import numpy as np

from ..physics.arrays import Floats
from .network import HOUSES, STEP_S, SWARM
from .plan import NODES, SAMPLE_S, STEP_TIMES_S, Plan
from .scenario import OUTSIDE, Expect, Scenario, Values, span

_ONSET = span(12.0, 18.0, 18.0, 22.0)
_LEAD = span(12.0, 18.0, 18.0, 22.0)


def waiting(plan: Plan, lead_s: float) -> None:
    """The gateway has tried for most of its minute."""
    plan.contactor.closed = False
    plan.contactor.waited_s = 60.0 - lead_s
    plan.contactor.first_phase_deg = float(plan.rng.uniform(-180.0, 180.0))
    plan.source_v[SWARM] = plan.source_v[:HOUSES].mean()


def agree(plan: Plan, difference_hz: float = 0.0) -> None:
    """Move the swarm's frequency to the cluster's, which follows from loads and droop."""
    own = float(
        (plan.frequency_shift_hz[0, :HOUSES] + plan.droop_hz_per_w[:HOUSES] * plan.setpoint_w[:HOUSES]).mean()
    )
    own -= float(plan.droop_hz_per_w[0] * plan.load_w[0, :HOUSES].sum() / HOUSES)
    swarm = float(plan.frequency_shift_hz[0, SWARM] - plan.droop_hz_per_w[SWARM] * plan.load_w[0, SWARM])
    plan.frequency_shift_hz[:, SWARM] += own - swarm + difference_hz


def _droop_setting(plan: Plan, v: Values, house: int) -> Expect:
    """The cluster's no-load frequency is set so far off that the steering does not reach the swarm's."""
    waiting(plan, v["lead_s"])
    agree(plan)
    sign = -1.0 if plan.rng.random() < 0.5 else 1.0
    plan.frequency_shift_hz[:, :HOUSES] += sign * v["off_hz"]
    return Expect(0)


def _phase_lock(plan: Plan, v: Values, house: int) -> Expect:
    waiting(plan, v["lead_s"])
    agree(plan, 0.02)
    sign = 1.0 if plan.rng.random() < 0.5 else -1.0
    plan.contactor.phase_error_deg = plan.contactor.first_phase_deg = sign * v["error_deg"]
    return Expect(0)


def _unstable_swarm(plan: Plan, v: Values, house: int) -> Expect:
    waiting(plan, v["lead_s"])
    agree(plan)
    plan.frequency_shift_hz[:, SWARM] += v["swing_hz"] * _restless(plan, v["period_s"])
    return Expect(0, OUTSIDE)


def _restless(plan: Plan, period_s: float) -> Floats:
    """A swing around zero, of about amplitude 1, that never repeats itself."""
    phase = plan.rng.uniform(0.0, 2.0 * np.pi, 2)
    turn = 2.0 * np.pi * STEP_TIMES_S / period_s
    swing: Floats = 0.7 * np.sin(turn + phase[0]) + 0.5 * np.sin(1.618 * turn + phase[1])
    return swing


def _unstable_cluster(plan: Plan, v: Values, house: int) -> Expect:
    """A load at one house hunts, and the cluster's frequency with it."""
    waiting(plan, v["lead_s"])
    swing = v["load_w"] * (1.0 + np.clip(1.5 * _restless(plan, v["period_s"]), -1.0, 1.0))
    agree(plan)
    plan.load_w[:, house] += swing
    plan.load_var[:, house] += 0.1 * swing
    plan.frequency_shift_hz[:, SWARM] -= plan.droop_hz_per_w[0] * v["load_w"] / HOUSES
    return Expect(0, house + 1)


def _command_open(plan: Plan, at_s: float, flow_w: float) -> None:
    """The contactor is closed and carries power; the command to open comes."""
    plan.contactor.closed = True
    plan.contactor.command_s = at_s
    plan.load_w[:, SWARM] += flow_w
    plan.setpoint_w[:HOUSES] += flow_w / HOUSES


def _welded(plan: Plan, v: Values, house: int) -> Expect:
    _command_open(plan, v["onset_s"], v["flow_w"])
    plan.contactor.welded = True
    return Expect(0, onset_s=v["onset_s"])


def _stuck_open(plan: Plan, v: Values, house: int) -> Expect:
    """Both sides are in step, the coil is driven, nothing moves."""
    plan.contactor.closed = False
    plan.contactor.waited_s = v["waited_s"]
    plan.contactor.stuck_open = True
    plan.source_v[SWARM] = plan.source_v[:HOUSES].mean()
    # Until a while before the fault the swarm is out of reach, then it comes near.
    agree(plan)
    row = round(v["onset_s"] / STEP_S)
    plan.frequency_shift_hz[:row, SWARM] += 0.6 * np.clip((row - np.arange(row)) * STEP_S / 2.0, 0.0, 1.0)
    return Expect(0)


def _auxiliary(plan: Plan, v: Values, house: int) -> Expect:
    _command_open(plan, v["onset_s"], v["flow_w"])
    plan.contactor.auxiliary_stuck = True
    return Expect(0, onset_s=v["onset_s"])


def _command_lost(plan: Plan, v: Values, house: int) -> Expect:
    """The contactor's drive sits on the bus and does not hear the gateway: its frames are destroyed."""
    _command_open(plan, v["onset_s"], v["flow_w"])
    plan.contactor.delay_s = v["deaf_s"]
    begin = round((v["onset_s"] - v["before_s"]) / SAMPLE_S)
    end = round((v["onset_s"] + v["deaf_s"]) / SAMPLE_S)
    plan.frame_error[begin:end, 0] = 0.97
    plan.frame_error[begin:end, 1:] = v["others"]
    everybody = frozenset(range(NODES))  # who misses frames and counts errors tells that too
    return Expect(0, onset_s=v["onset_s"] - v["before_s"], also=everybody)


SCENARIOS = (
    Scenario("F040.droop_setting", {"lead_s": _LEAD, "off_hz": span(0.45, 0.8, 0.8, 1.2)}, _droop_setting),
    Scenario("F040.phase_lock", {"lead_s": _LEAD, "error_deg": span(18.0, 35.0, 35.0, 60.0)}, _phase_lock),
    Scenario(
        "F040.unstable_swarm",
        {"lead_s": _LEAD, "swing_hz": span(0.45, 0.7, 0.7, 1.0), "period_s": span(1.2, 2.5, 0.8, 1.2)},
        _unstable_swarm,
    ),
    Scenario(
        "F040.unstable_cluster",
        {
            "lead_s": _LEAD,
            "load_w": span(6000.0, 8000.0, 8000.0, 10000.0),
            "period_s": span(1.2, 2.5, 0.8, 1.2),
        },
        _unstable_cluster,
    ),
    Scenario("F041.welded", {"onset_s": _ONSET, "flow_w": span(500.0, 2000.0, 2000.0, 3500.0)}, _welded),
    Scenario("F041.stuck_open", {"onset_s": _ONSET, "waited_s": span(5.0, 15.0, 15.0, 22.0)}, _stuck_open),
    Scenario(
        "F041.auxiliary_contact",
        {"onset_s": _ONSET, "flow_w": span(500.0, 2000.0, 2000.0, 3500.0)},
        _auxiliary,
    ),
    Scenario(
        "F041.command_lost",
        {
            "onset_s": _ONSET,
            "flow_w": span(500.0, 2000.0, 2000.0, 3500.0),
            "deaf_s": span(2.5, 4.0, 4.0, 6.0),
            "before_s": span(0.05, 0.4, 0.4, 1.0),
            "others": span(0.0, 0.1, 0.1, 0.25),
        },
        _command_lost,
    ),
)

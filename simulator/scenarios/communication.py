"""Faults of the CAN bus: who falls silent, who destroys the frames."""

from __future__ import annotations

import numpy as np

from microgrid_core.codec.can_dbc import MESSAGES

from .inverter import take_power
from .network import HOUSES, STEP_S
from .plan import LENGTH_S, NODES, SAMPLE_S, SAMPLES, Absence, Babble, Plan
from .scenario import Expect, Scenario, Values, span

_ONSET = span(9.0, 14.0, 14.0, 17.0)


def _node_reset(plan: Plan, v: Values, house: int) -> Expect:
    plan.absences.append(Absence(house + 1, v["onset_s"], v["onset_s"] + v["away_s"], reboot=True))
    return Expect(0, house + 1, v["onset_s"])


def _open_cable(plan: Plan, v: Values, house: int) -> Expect:
    """The plug of one house, or the cable before it: then all behind it are gone."""
    everyone_behind = plan.rng.random() < 0.5
    for node in range(house + 1, NODES if everyone_behind else house + 2):
        plan.absences.append(Absence(node, v["onset_s"], LENGTH_S, reboot=False))
    plan.frame_error[round(v["onset_s"] / SAMPLE_S) :] += v["reflection"] * everyone_behind
    return Expect(0, house + 1, v["onset_s"])


def _gateway_reset(plan: Plan, v: Values, house: int) -> Expect:
    plan.absences.append(Absence(0, v["onset_s"], v["onset_s"] + v["away_s"], reboot=True))
    plan.listener = house + 1
    return Expect(house + 1, 0, v["onset_s"])


def _flood(plan: Plan, node: int, v: Values, length_s: float) -> None:
    urgent = ("Sync", "FollowUp", "Master", "Frequency", "Inverter", "Battery")
    message = MESSAGES[urgent[int(plan.rng.integers(len(urgent)))]]
    end_s = min(v["onset_s"] + length_s, LENGTH_S)
    plan.babbles.append(Babble(node, message.identifier + node, v["onset_s"], end_s, v["frames_per_s"]))


def _silencing_babble(plan: Plan, v: Values, house: int) -> Expect:
    _flood(plan, house + 1, v, v["length_s"])
    return Expect(0, house + 1, v["onset_s"], frozenset({0, *range(1, NODES)}))


def _spoil(plan: Plan, nodes: slice, share: float, begin_s: float) -> None:
    """Destroy a share of the frames, now more and now less."""
    row = round(begin_s / SAMPLE_S)
    wander = np.repeat(plan.rng.uniform(0.5, 1.5, -(-SAMPLES // 25)), 25)[:SAMPLES, None]
    plan.frame_error[row:, nodes] += np.clip(share * wander[row:], 0.0, 0.9)


def _termination(plan: Plan, v: Values, house: int) -> Expect:
    """All frames suffer, whoever sends them; those from the far end more."""
    far = plan.rng.random() < 0.5
    for node in range(NODES):
        distance = (node if far else HOUSES - node) / HOUSES
        _spoil(plan, slice(node, node + 1), v["share"] * (0.7 + 0.6 * distance), v["onset_s"])
    return Expect(0, 0, v["onset_s"])


def _node_clock(plan: Plan, v: Values, house: int) -> Expect:
    _spoil(plan, slice(house + 1, house + 2), v["share"], v["onset_s"])
    return Expect(0, house + 1, v["onset_s"])


def _erring_babble(plan: Plan, v: Values, house: int) -> Expect:
    _flood(plan, house + 1, v, LENGTH_S)
    plan.errors_before = v["before"]
    return Expect(0, house + 1, v["onset_s"])


def _switching_noise(plan: Plan, v: Values, house: int) -> Expect:
    """Frames are destroyed while an inverter carries much: its set point comes and goes."""
    take_power(plan, house, 100.0)
    begin = v["onset_s"]
    while begin < LENGTH_S - 1.0:
        on_s = float(plan.rng.uniform(1.0, 2.5))
        rows = slice(round(begin / STEP_S), round((begin + on_s) / STEP_S))
        steps = np.arange(rows.stop - rows.start) * STEP_S
        slope = np.clip(np.minimum(steps, steps[::-1]) / 0.15, 0.0, 1.0)
        shift = plan.droop_hz_per_w[house] * v["power_w"] * slope
        plan.frequency_shift_hz[rows, house] += shift[: len(plan.frequency_shift_hz) - rows.start]
        begin += on_s + float(plan.rng.uniform(1.0, 2.5))
    plan.noisy_house = (house, v["per_ampere"])
    return Expect(0, house + 1, v["onset_s"])


SCENARIOS = (
    Scenario("F030.node_reset", {"onset_s": _ONSET, "away_s": span(3.9, 5.5, 5.5, 8.0)}, _node_reset),
    Scenario("F030.open_cable", {"onset_s": _ONSET, "reflection": span(0.0, 0.02, 0.02, 0.05)}, _open_cable),
    Scenario("F030.gateway_reset", {"onset_s": _ONSET, "away_s": span(3.9, 5.5, 5.5, 8.0)}, _gateway_reset),
    Scenario(
        "F030.babbling_node",
        {
            "onset_s": _ONSET,
            "frames_per_s": span(3600.0, 4200.0, 4200.0, 4800.0),
            "length_s": span(5.0, 10.0, 10.0, 15.0),
        },
        _silencing_babble,
    ),
    Scenario("F031.termination", {"onset_s": _ONSET, "share": span(0.03, 0.08, 0.08, 0.14)}, _termination),
    Scenario("F031.node_clock", {"onset_s": _ONSET, "share": span(0.15, 0.35, 0.35, 0.55)}, _node_clock),
    Scenario(
        "F031.babbling_node",
        {
            "onset_s": _ONSET,
            "frames_per_s": span(1600.0, 2400.0, 2400.0, 2900.0),
            "before": span(0.0, 30.0, 30.0, 60.0),
        },
        _erring_babble,
    ),
    Scenario(
        "F031.switching_noise",
        {
            "onset_s": _ONSET,
            "power_w": span(2800.0, 3800.0, 3800.0, 4600.0),
            "per_ampere": span(0.01, 0.018, 0.018, 0.028),
        },
        _switching_noise,
    ),
)

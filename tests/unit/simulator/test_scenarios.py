"""Made faults: each trips by itself, is the same for the same seed, and its label can be believed."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from microgrid_core.codec.can_dbc import MESSAGES, gather, physical
from microgrid_core.contract.faults import FAULTS
from microgrid_core.diagnosis.case import Case
from microgrid_core.diagnosis.causes import CAUSES, UNDETERMINED
from simulator.scenarios import AROUND, OUTSIDE, SCENARIOS, Split, Truth, baselines, make, score
from simulator.scenarios.network import HOUSES, SOURCES, STEP_S, Lines, Switching, flows
from simulator.scenarios.scenario import span

_SEED = 3
_MADE: dict[tuple[str, str], tuple[Case, Truth]] = {}


def _case(name: str, split: str = "tuned") -> tuple[Case, Truth]:
    """A case without damage; each is made once for all tests."""
    if (name, split) not in _MADE:
        _MADE[name, split] = make(name, _SEED, split, degraded=False)
    return _MADE[name, split]


def _same(one: Case, other: Case) -> bool:
    assert one.traffic is not None and other.traffic is not None
    channels = all(
        np.array_equal(series.values, other.nodes[node].channels[key].values, equal_nan=True)
        and np.array_equal(series.t_s, other.nodes[node].channels[key].t_s)
        for node, record in one.nodes.items()
        for key, series in record.channels.items()
    )
    return channels and one.events == other.events and np.array_equal(one.traffic.data, other.traffic.data)


# ------------------------------------------------------------------------------------------------ the library


def test_every_cause_has_a_scenario_and_every_scenario_a_cause() -> None:
    """Nothing is scored that cannot be said, and nothing can be said that is not scored."""
    assert {scenario.cause for scenario in SCENARIOS.values()} == set(CAUSES) - {UNDETERMINED}
    assert {scenario.code for scenario in SCENARIOS.values()} == set(FAULTS)
    assert len({scenario.cause for scenario in SCENARIOS.values() if "transient" not in scenario.name}) >= 45


@pytest.mark.parametrize("name", SCENARIOS)
def test_parameters_kept_apart_share_no_value_with_the_tuned_ones(name: str) -> None:
    """The split is by ranges: nothing that was tuned on comes again."""
    for key, each in (SCENARIOS[name].ranges | AROUND).items():
        low, high = sorted((each.tuned, each.apart))
        assert low[0] < low[1] <= high[0] < high[1], key


def test_ranges_that_overlap_are_refused() -> None:
    """A scenario with a leak cannot be written."""
    with pytest.raises(ValueError, match="overlap"):
        span(1.0, 2.0, 1.5, 3.0)


# -------------------------------------------------------------------------------------------------- the cases


@pytest.mark.parametrize("split", ["tuned", "apart"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_trips_its_code_and_says_why(name: str, split: str) -> None:
    """The physics reaches the fault, at the node that the label ends with, with the window around it."""
    case, truth = _case(name, split)
    scenario = SCENARIOS[name]
    assert case.code == scenario.code
    assert truth.cause == scenario.cause
    assert truth.kind == CAUSES[truth.cause].kind
    assert truth.path[0] == truth.origin and truth.path[-1] == case.node
    assert set(truth.path) <= {*case.nodes, OUTSIDE}
    told = [
        event for event in case.events if event.node == case.node and event.code == case.code and event.raised
    ]
    assert told[0].t_s == pytest.approx(0.0, abs=1e-5)
    assert truth.onset_s is None or -10.0 <= truth.onset_s <= 0.05


@pytest.mark.parametrize(
    "name", ["F001.neighbour_trip", "F015.balancer", "F031.termination", "F040.transient"]
)
def test_same_seed_gives_the_same_case(name: str) -> None:
    """To the last bit; another seed gives another one."""
    case, truth = _case(name)
    again, same_truth = make(name, _SEED, Split.TUNED, degraded=False)
    other, _ = make(name, _SEED + 1, Split.TUNED, degraded=False)
    assert _same(case, again)
    assert truth == same_truth
    assert not _same(case, other)


def test_channels_come_at_their_rates_and_in_the_steps_of_the_log() -> None:
    """What a snapshot holds: 100 Hz for the fast ones, a second for cells, integers of the log's step."""
    case, _ = _case("F004.cooling")
    house = case.nodes["house-02"]
    assert len(house.channels) == 34
    for key, period_s, decimals in (
        ("inverter_frequency", 0.01, 3),
        ("inverter_power", 0.01, 0),
        ("cell_voltage_7", 1.0, 3),
        ("battery_temperature_2", 1.0, 1),
        ("state_of_charge", 10.0, 1),
    ):
        series = house.channels[key]
        assert np.diff(series.t_s) == pytest.approx(period_s, abs=2e-5), key
        assert np.array_equal(np.round(series.values, decimals), series.values), key
    assert "swarm_frequency" in case.nodes["gateway-1"].channels


def test_power_is_conserved() -> None:
    """What the inverters give is what the houses take and the gateway passes on."""
    case, _ = _case("F004.cooling")
    given = sum(
        case.nodes[f"house-{number:02d}"].channels["inverter_power"].values[:900].mean()
        for number in range(1, 5)
    )
    taken = sum(
        case.nodes[f"house-{number:02d}"].channels["load_power"].values[:9].mean() for number in range(1, 5)
    )
    passed = case.nodes["gateway-1"].channels["power_flow"].values[:90].mean()
    assert given == pytest.approx(taken + passed, abs=60.0)


def test_bus_carries_what_the_contract_says() -> None:
    """Readable by the decoder of the product: rates, senders, and the values of the channels."""
    case, _ = _case("F004.cooling")
    assert case.traffic is not None
    traffic = case.traffic
    found = {
        each.message.name: each
        for each in gather(traffic.identifier.astype(np.uint32), traffic.length, traffic.data)
    }
    assert len(found["Sync"].rows) == pytest.approx(2000, abs=2)
    assert len(found["Frequency"].rows) == pytest.approx(2000 * HOUSES, abs=8)
    assert set(found["Heartbeat"].nodes) == {0, 1, 2, 3, 4}
    frequency = found["Frequency"]
    heard = physical(
        MESSAGES["Frequency"], MESSAGES["Frequency"].signal("inverter_frequency"), frequency.words
    )
    measured = case.nodes["house-03"].channels["inverter_frequency"].values
    assert set(np.round(heard[frequency.nodes == 3], 3)) <= set(np.round(measured, 3)) | {
        heard[frequency.nodes == 3][0]
    }
    fault = found["Fault"]
    assert len(fault.rows) % 3 == 0
    assert 4.0 in physical(MESSAGES["Fault"], MESSAGES["Fault"].signal("fault_code"), fault.words)


def test_a_restarted_node_returns_with_another_boot_id() -> None:
    """And its own record has a hole while it was away."""
    case, truth = _case("F030.node_reset")
    assert case.traffic is not None
    traffic = case.traffic
    place = case.nodes[truth.origin].place
    found = {
        each.message.name: each
        for each in gather(traffic.identifier.astype(np.uint32), traffic.length, traffic.data)
    }
    heartbeat = found["Heartbeat"]
    own = heartbeat.nodes == place
    boots = physical(MESSAGES["Heartbeat"], MESSAGES["Heartbeat"].signal("boot_id"), heartbeat.words[own])
    assert len(np.unique(boots)) == 2
    assert max(later - earlier for earlier, later in pairwise(traffic.t_s[heartbeat.rows[own]])) > 3.0
    assert np.isnan(case.nodes[truth.origin].channels["inverter_power"].values).sum() > 300


def test_clocks_are_wrong_by_at_most_ten_milliseconds() -> None:
    """The trigger is what the teller believes; the others differ from it by their clocks' errors."""
    worst = 0.0
    for seed in range(6):
        case, _ = make("F002.voltage_sensor", seed, degraded=True)
        errors = [record.clock_error_s for record in case.nodes.values()]
        assert all(error is not None for error in errors)
        worst = max(worst, *(error for error in errors if error is not None))
        for record in case.nodes.values():
            for series in record.channels.values():
                assert np.all(np.diff(series.t_s) > 0.0)
    assert 0.003 < worst <= 0.0131


def test_damaged_records_still_hold_who_told_the_fault() -> None:
    """Channels, nodes, frames or samples are missing; the teller's own voltage and the label stay."""
    lost = 0
    for seed in range(8):
        whole, truth = make("F003.voltage_sensor", seed, degraded=False)
        damaged, _ = make("F003.voltage_sensor", seed, degraded=True)
        assert damaged.node == whole.node and truth.path[-1] == damaged.node
        assert damaged.nodes[damaged.node].channels
        before = sum(np.isfinite(s.values).sum() for n in whole.nodes.values() for s in n.channels.values())
        after = sum(np.isfinite(s.values).sum() for n in damaged.nodes.values() for s in n.channels.values())
        lost += after < before or damaged.traffic is None
    assert lost >= 4


def test_now_and_then_another_house_has_a_fault_of_its_own() -> None:
    """In the same window, with its own code; the label stays with the first."""
    strangers = 0
    for seed in range(30):
        case, truth = make("F002.voltage_sensor", seed, degraded=True)
        told = {event.node for event in case.events if event.raised and event.code in FAULTS}
        strangers += bool(told - set(truth.path))
    assert 1 <= strangers <= 12


def test_unknown_scenario_is_refused() -> None:
    """By its name."""
    with pytest.raises(KeyError, match=r"F999\.nothing"):
        make("F999.nothing", 1)


def test_a_thousand_cases_take_minutes_not_hours() -> None:
    """Far faster than the 20 s that each of them lasts."""
    names = list(SCENARIOS)[:: len(SCENARIOS) // 12]
    began = time.process_time()
    for name in names:
        make(name, 77, "tuned")
    assert (time.process_time() - began) / len(names) < 2.0


# ------------------------------------------------------------------------------------------------ the network


def _grid(
    load_w: np.ndarray[tuple[int, ...], np.dtype[np.float64]], switchings: tuple[Switching, ...] = ()
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    shape = load_w.shape
    result = flows(
        Lines(),
        load_w,
        np.zeros(shape),
        np.array([0.25e-3] * HOUSES + [0.05e-3]),
        np.zeros(SOURCES),
        np.ones(SOURCES, dtype=bool),
        False,
        switchings,
    )
    return result.power_w


def test_load_is_shared_by_droop_and_first_felt_where_it_is() -> None:
    """The share of the first 80 ms names the house; a second later all give the same."""
    load = np.full((2000, SOURCES), 1000.0)
    load[1000:, 2] += 2000.0
    power = _grid(load)
    rise = power[1000:1040].mean(axis=0) - power[999]
    assert int(np.argmax(rise[:HOUSES])) == 2
    assert power[-1, :HOUSES] == pytest.approx([1500.0] * HOUSES, abs=1.0)
    assert power.sum(axis=1) == pytest.approx(load.sum(axis=1), rel=1e-6)


def test_who_trips_gives_nothing_and_the_others_take_it_over() -> None:
    """Within one step the power is there."""
    load = np.full((1500, SOURCES), 900.0)
    power = _grid(load, (Switching(500, house=1),))
    assert power[500:, 1] == pytest.approx(np.zeros(1000), abs=1e-6)
    assert power[-1, [0, 2, 3]] == pytest.approx([1200.0] * 3, abs=1.0)
    assert power.sum(axis=1) == pytest.approx(load.sum(axis=1), rel=1e-6)
    assert STEP_S == 0.002


# -------------------------------------------------------------------------------------------------- the score


def test_calibration_error_counts_what_confidence_exceeds() -> None:
    """Always 90 % sure and right every second time is off by 40 %."""
    judged = [_judged(right=number % 2 == 0, posterior=0.9) for number in range(20)]
    assert score.calibration_error(judged) == pytest.approx(0.4)
    assert score.calibration_error([_judged(right=True, posterior=1.0)]) == pytest.approx(0.0)


def test_links_of_a_wrong_path_count_against_it() -> None:
    """Two links said, one true."""
    one = _judged(
        right=True, posterior=1.0, path=("house-02", "house-01", "house-03"), truth=("house-02", "house-01")
    )
    assert score.link_precision([one]) == pytest.approx(0.5)


def test_report_names_every_measure_and_every_baseline() -> None:
    """What the issue asks for is printed."""
    judged = [
        score.judge((name, 5, "tuned")) for name in ("F004.sensor", "F004.transient", "F001.neighbour_trip")
    ]
    text = score.report(judged)
    for word in (
        "top-1",
        "top-2",
        "origin",
        "path precision",
        "onset error",
        "wrong culprit",
        "calibration",
        "runtime",
        "majority per code",
        *baselines.BASELINES,
    ):
        assert word in text


def test_first_alarm_names_the_channel_that_moved_first() -> None:
    """On a sensor that jumps alone it cannot miss the node."""
    case, truth = _case("F002.voltage_sensor")
    assert baselines.robust_z(case).origin == truth.origin
    assert baselines.first_alarm(case).cause in CAUSES


def test_command_line_refuses_nonsense(capsys: pytest.CaptureFixture[str]) -> None:
    """With a remedy, as exit code 2."""
    with pytest.raises(SystemExit) as ended:
        score.main(["--seeds", "0"])
    assert ended.value.code == 2
    assert "at least 1" in capsys.readouterr().err


def _judged(
    *,
    right: bool,
    posterior: float,
    path: tuple[str, ...] = ("house-01",),
    truth: tuple[str, ...] = ("house-01",),
) -> score.Judged:
    said = "F001.bridge_fault" if right else "F001.current_sensor"
    return score.Judged(
        scenario="F001.bridge_fault",
        split=Split.TUNED,
        seed=0,
        code="F001",
        truth=Truth("F001.bridge_fault", truth[0], "local", truth, None),
        cause=said,
        posterior=posterior,
        second="undetermined",
        origin=path[0],
        path=path,
        onset_s=None,
        runtime_s=0.1,
        baselines={},
    )

"""The logs of the twins: what a kill leaves, what is sent when, and hours that are those of the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import HEADER, Frame, Kind, Scan
from microgrid_core.codec.umg1.log import Log, open_log
from microgrid_core.codec.umg1.records import Boot, Event
from microgrid_core.contract.encode import log_ack_payload
from microgrid_core.contract.messages import EventState, EventType, LogAck, Severity
from microgrid_core.model.kinds import KINDS
from simulator.ledger import HOUR_US, Ledger, read_ledger
from simulator.physics.neighbourhood import Neighbourhood
from simulator.physics.occurrence import Occurrence
from simulator.simulation import Settings, Simulation
from simulator.twins.connection import Broker
from simulator.twins.log import (
    LISTENERS_RETURN_S,
    MESSAGE_BYTES,
    REPEAT_AFTER_CONNECT_S,
    REPEAT_S,
    RETAINED_S,
    NodeLog,
)
from simulator.twins.recorder import schema
from tests.cluster.home import Home, wait_until
from tests.mosquitto import Mosquitto, free_port

ROOT = Path(__file__).parents[3]
SECOND_US = 1_000_000
BEGIN_US = 1_794_787_190 * SECOND_US
"""2026-11-15T23:59:50Z: ten seconds before an hour."""
PATIENCE_S = 150.0
"""A message that finds nobody is sent again after a minute."""
SCHEMA = schema("house-01", "gateway-1", KINDS["house"], 10_000)


class Clock:
    """A node's clock that the test turns."""

    def __init__(self) -> None:
        self.now_us = BEGIN_US

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ack(boot_id: int, seq: int) -> bytes:
    return log_ack_payload(LogAck(boot_id, seq))


def frames(payload: bytes | None) -> list[Frame]:
    return [] if payload is None else list(Scan(payload))


def fill(log: NodeLog, clock: Clock, count: int, size: int = 1000) -> None:
    """Write `count` frames whose content does not matter."""
    for _ in range(count):
        clock.now_us += SECOND_US
        log.write(Kind.CAN, bytes(size), clock.now_us)
    log.flush()


# --- the file


def test_a_start_tells_schema_boot_and_clock(tmp_path: Path, clock: Clock) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    log.flush()
    found = frames((tmp_path / "log").read_bytes())
    assert [frame.kind for frame in found] == [Kind.SCHEMA, Kind.BOOT, Kind.TIMESYNC]
    assert [(frame.boot_id, frame.seq, frame.mono_us) for frame in found] == [(0xB1, n, 0) for n in range(3)]
    assert found[2].utc_us == BEGIN_US


def test_a_kill_costs_what_was_not_flushed_and_the_next_boot_names_the_one_before(
    tmp_path: Path, clock: Clock
) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    fill(log, clock, 4)
    log.write(Kind.CAN, b"lost", clock.now_us)
    assert log.last == (0xB1, 6)
    again = NodeLog(tmp_path / "log", SCHEMA, clock)
    again.begin(0xB2)
    again.flush()
    found = frames((tmp_path / "log").read_bytes())
    assert [(f.boot_id, f.seq) for f in found] == [(0xB1, n) for n in range(7)] + [
        (0xB2, n) for n in range(3)
    ]
    boot = content(found[8])
    assert isinstance(boot, Boot)
    assert (boot.previous_boot_id, boot.previous_next_seq) == (0xB1, 7)


@pytest.mark.parametrize("cut", [1, 10, HEADER.size, 1000])
def test_a_frame_that_a_kill_cut_off_is_forgotten(tmp_path: Path, clock: Clock, cut: int) -> None:
    path = tmp_path / "log"
    log = NodeLog(path, SCHEMA, clock)
    log.begin(0xB1)
    fill(log, clock, 2)
    path.write_bytes(path.read_bytes()[:-cut])
    again = NodeLog(path, SCHEMA, clock)
    again.begin(0xB2)
    again.flush()
    log_on_disk = open_log([path])
    assert not log_on_disk.damaged and not log_on_disk.gaps
    assert content(frames(path.read_bytes())[5]) == Boot(1, "simulator", 0xB1, 4)


def test_events_are_in_the_log_with_what_was_measured(tmp_path: Path, clock: Clock) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    values = {"inverter_frequency": 49.5, "limit": 3.0}
    seq, at_us = log.event(
        Occurrence("house-01", EventType.FAULT, EventState.RAISED, "F005", Severity.CRITICAL, values), "id-1"
    )
    log.flush()
    event = content(frames((tmp_path / "log").read_bytes())[seq])
    assert isinstance(event, Event)
    assert (event.type, event.state, event.severity, event.code) == (0, 1, 2, "F005")
    assert (event.event_id, event.values, at_us) == ("id-1", ((1, -500),), BEGIN_US)


def test_a_full_file_forgets_what_is_acknowledged_first(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "log"
    log = NodeLog(path, SCHEMA, clock, file_bytes=40_000)
    log.begin(0xB1)
    fill(log, clock, 30)
    log.acknowledged(ack(0xB1, 25), 0.0)
    fill(log, clock, 20)
    assert frames(path.read_bytes())[0].seq == 26
    sent = frames(log.message(1.0))
    assert [frame.seq for frame in sent] == list(range(26, 26 + len(sent)))
    log.flush()
    assert not any(frame.kind == Kind.EVENT for frame in frames(path.read_bytes()))


def test_what_a_full_file_loses_is_told(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "log"
    log = NodeLog(path, SCHEMA, clock, file_bytes=40_000)
    log.begin(0xB1)
    fill(log, clock, 60)
    log.close()
    found = frames(path.read_bytes())
    told = [event.lost for frame in found if isinstance(event := content(frame), Event) and event.lost]
    first = found[0].seq
    assert first > 0
    assert (told[0].boot_id, told[0].first_seq) == (0xB1, 0)
    assert told[-1].last_seq == first - 1
    for before, after in pairwise(told):
        assert after.first_seq == before.last_seq + 1


# --- what is sent


def test_one_message_is_on_its_way(tmp_path: Path, clock: Clock) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    fill(log, clock, 40)
    payload = log.message(1.0)
    sent = frames(payload)
    assert payload is not None and 0.5 * MESSAGE_BYTES < len(payload) <= MESSAGE_BYTES
    assert log.message(2.0) is None
    log.acknowledged(ack(0xB1, sent[-2].seq), 3.0)
    assert log.message(3.0) is None, "a part of it is not all of it"
    log.acknowledged(ack(0xB1, sent[-1].seq), 4.0)
    assert frames(log.message(4.0))[0].seq == sent[-1].seq + 1


def test_what_is_not_on_disk_is_not_sent(tmp_path: Path, clock: Clock) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    assert log.message(1.0) is None
    log.flush()
    assert len(frames(log.message(1.0))) == 3


def test_it_is_sent_again_when_nobody_answers(tmp_path: Path, clock: Clock) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    log.flush()
    log.connected(0.0)
    assert log.message(0.5 * RETAINED_S) is None, "the retained acknowledgement comes first"
    first = log.message(RETAINED_S)
    assert first is not None
    soon = RETAINED_S + REPEAT_AFTER_CONNECT_S
    assert log.message(soon - 1.0) is None
    assert log.message(soon) == first, "perhaps nobody listened yet"
    late = soon + LISTENERS_RETURN_S
    assert log.message(late) == first
    assert log.message(late + REPEAT_S - 1.0) is None
    assert log.message(late + REPEAT_S) == first
    log.connected(200.0)
    assert log.message(200.0 + REPEAT_AFTER_CONNECT_S - 1.0) is None
    assert log.message(200.0 + REPEAT_AFTER_CONNECT_S) == first


def test_it_goes_on_behind_the_retained_acknowledgement(tmp_path: Path, clock: Clock) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    fill(log, clock, 5)
    again = NodeLog(tmp_path / "log", SCHEMA, clock)
    again.begin(0xB2)
    again.flush()
    again.connected(0.0)
    again.acknowledged(ack(0xB1, 5), 0.1)
    assert [(f.boot_id, f.seq) for f in frames(again.message(RETAINED_S))] == [
        (0xB1, 6),
        (0xB1, 7),
        (0xB2, 0),
        (0xB2, 1),
        (0xB2, 2),
    ]


@pytest.mark.parametrize("payload", [ack(0xBAD, 7), b"", b"{}", b"\xff", ack(0xB0, 99)])
def test_an_acknowledgement_of_something_else_is_ignored(
    tmp_path: Path, clock: Clock, payload: bytes
) -> None:
    log = NodeLog(tmp_path / "log", SCHEMA, clock)
    log.begin(0xB1)
    log.flush()
    log.acknowledged(payload, 0.0)
    assert len(frames(log.message(1.0))) == 3


# --- what is recorded


def run_for(settings: Settings, node_seconds: float) -> Simulation:
    """Let a simulation run without a broker until its nodes' clocks have advanced."""
    simulation = Simulation(settings)
    until_us = simulation.node_time_us() + node_seconds * SECOND_US
    simulation.start()
    try:
        wait_until(lambda: simulation.node_time_us() >= until_us, "simulated time", 60.0)
    finally:
        simulation.stop()
    return simulation


def settings(folder: Path, **more: object) -> Settings:
    (folder / "log").mkdir(exist_ok=True)
    chosen: dict[str, object] = {
        "broker": Broker("127.0.0.1", free_port()),
        "swarm": "test",
        "houses": 4,
        "clusters": 2,
        "log": folder / "log",
        "ledger": folder / "ledger.jsonl",
        "state": folder / "state.json",
    }
    return Settings(**(chosen | more))  # type: ignore[arg-type] # a table of keywords


@pytest.fixture(autouse=True)
def _sockets() -> Iterator[None]:
    try:
        from pytest_socket import enable_socket
    except ImportError:
        yield
        return
    enable_socket()
    yield


def counts(log: Log, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return UTC in µs and values of a channel in all boots."""
    times, values = [], []
    for _, by_channel in log.chunks():
        for samples in by_channel.values():
            if samples.channel.name == name:
                boots = np.repeat(samples.boot_ids, samples.counts)
                times.append(log.utc_us(boots, samples.mono_us()))
                values.append(samples.scaled())
    at, found = np.concatenate(times), np.concatenate(values)
    order = np.argsort(at, kind="stable")
    return at[order], found[order]


def assert_hours(folder: Path, nodes: tuple[str, ...], hours: int) -> None:
    """What the logs say of every whole hour is what the ledger says."""
    truth = read_ledger(folder / "ledger.jsonl")
    compared = 0
    for node in nodes:
        log = open_log([folder / "log" / f"{node}.umg1"])
        assert not log.damaged and not log.malformed and not log.gaps
        for (of, hour), energies in truth.energies.items():
            begin_us = round(np.datetime64(hour.rstrip("Z"), "us").astype(np.int64))
            if of != node or begin_us < BEGIN_US or hour == truth.newest_hour:
                continue
            for key, energy in energies.items():
                at, values = counts(log, key)
                end = values[at < begin_us + HOUR_US][-1]
                start = values[at < begin_us][-1]
                # Rounded by the sensor to a tenth, by the log to one.
                assert abs(end - start - energy) <= 1e-3 * energy + 1.1, f"{node} {hour} {key}"
                compared += 1
    assert compared >= hours * len(nodes) * 2


def test_hours_in_the_log_are_those_of_the_ledger_even_when_the_simulator_is_killed(tmp_path: Path) -> None:
    """A quarter of an hour in a second; it is killed three times and goes on where it was."""
    broker = f"127.0.0.1:{free_port()}"
    (tmp_path / "log").mkdir()
    command = [
        *(sys.executable, "-m", "simulator", f"--broker={broker}", "--houses=4", "--clusters=2"),
        *("--speed=900", "--clock=2026-11-15T23:59:50Z", f"--log={tmp_path / 'log'}"),
        *(f"--ledger={tmp_path / 'ledger.jsonl'}", f"--state={tmp_path / 'state.json'}"),
    ]
    ledger = tmp_path / "ledger.jsonl"
    newest = "2026-11-16T00:00:00Z"
    for rest_s in (0.3, 0.9, 0.6):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: read_ledger(ledger).newest_hour > newest, "an hour", 60.0)  # noqa: B023 - at once
            time.sleep(rest_s)
        finally:
            process.kill()
            process.wait()
        newest = read_ledger(ledger).newest_hour
    logs = [open_log([path]) for path in sorted((tmp_path / "log").glob("*.umg1"))]
    assert [len(log.boots) for log in logs] == [3] * 6
    truth = read_ledger(tmp_path / "ledger.jsonl")
    for log in logs:
        times = [int(boot.clock.utc_us(np.array([boot.start_us]))[0]) for boot in log.boots]  # type: ignore[index]
        assert times == sorted(times), "time went back"
        schema_of = next(iter(log.schemas.values()))
        for boot in log.boots:
            # A kill between both costs the ledger a second, never the log.
            assert boot.last_seq >= truth.last_seq[schema_of.node, boot.boot_id]
    assert_hours(tmp_path, ("gateway-1", "house-01", "house-04"), 3)


def test_a_node_samples_at_the_rates_of_its_table(tmp_path: Path) -> None:
    run_for(settings(tmp_path), 4.0)
    for node, quick, rate_hz in (
        ("house-02", "inverter_frequency", 100),
        ("gateway-1", "cluster_frequency", 10),
    ):
        log = open_log([tmp_path / "log" / f"{node}.umg1"])
        kind = KINDS["house" if node.startswith("house") else "gateway"]
        channels = {channel.name: channel for channel in next(iter(log.schemas.values())).channels}
        assert list(channels) == [metric.key for metric in kind.metrics if metric.log is not None]
        for metric in kind.metrics:
            if metric.log is not None:
                assert channels[metric.key].period_us == metric.log.period_ms * 1000
                assert channels[metric.key].exponent == metric.log.exponent
        at, values = counts(log, quick)
        seconds = (at[-1] - at[0]) / SECOND_US
        assert seconds > 3.0
        assert np.isfinite(values).sum() > 0.8 * rate_hz * seconds, "this machine is too slow for it"
        assert 49.0 < np.nanmean(values) < 51.0


def test_the_schema_declares_the_true_period_of_a_clock_that_runs_fast(tmp_path: Path) -> None:
    run_for(settings(tmp_path, speed=600.0, clock_us=BEGIN_US), 2000.0)
    at, values = counts(open_log([tmp_path / "log" / "house-03.umg1"]), "load_power")
    channel = next(
        c for c in schema("house-03", "", KINDS["house"], 30 * SECOND_US).channels if c.name == "load_power"
    )
    assert channel.period_us == 30 * SECOND_US
    assert np.median(np.diff(at)) == channel.period_us
    assert np.isfinite(values).mean() > 0.9


def test_a_ledger_counts_a_counter_on_that_began_anew(tmp_path: Path) -> None:
    site = Neighbourhood(1, 1)
    ledger = Ledger(tmp_path / "ledger.jsonl", site, (), BEGIN_US - HOUR_US // 2, resumed=False)
    load = site.houses.energy["load"]
    load[0] += 100.0
    ledger.count(BEGIN_US - HOUR_US // 4)
    site.restart("house-01")
    load[0] += 30.0
    ledger.flush(BEGIN_US - HOUR_US // 8)
    ledger.close()
    truth = read_ledger(tmp_path / "ledger.jsonl")
    assert truth.energies["house-01", "2026-11-15T23:00:00Z"]["load_energy"] == pytest.approx(130.0)


def test_a_line_that_a_kill_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    site = Neighbourhood(1, 1)
    ledger = Ledger(path, site, (), BEGIN_US, resumed=False)
    ledger.flush(BEGIN_US)
    ledger.flush(BEGIN_US)
    ledger.close()
    path.write_bytes(path.read_bytes()[:-9])
    site.houses.energy["load"][0] += 5.0
    ledger = Ledger(path, site, (), BEGIN_US, resumed=True)
    ledger.flush(BEGIN_US)
    ledger.close()
    assert read_ledger(path).energies["house-01", "2026-11-15T23:00:00Z"]["load_energy"] == pytest.approx(5.0)


# --- the whole path


def test_every_frame_arrives_whatever_fails(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Home leaves and its disk refuses, the broker dies and forgets, the simulator is killed."""
    home = Home(mosquitto.port, tmp_path / "archive", "test")
    (tmp_path / "log").mkdir()
    command = [
        *(sys.executable, "-m", "simulator", f"--broker=127.0.0.1:{mosquitto.port}", "--houses=2"),
        *("--clusters=1", "--swarm=test", "--speed=300", "--clock=2026-11-15T23:59:50Z"),
        *(f"--log={tmp_path / 'log'}", f"--state={tmp_path / 'state.json'}"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    nodes = ("gateway-1", "house-01", "house-02")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
        )

    def written(node: str) -> list[tuple[int, int]]:
        return [(f.boot_id, f.seq) for f in frames((tmp_path / "log" / f"{node}.umg1").read_bytes())]

    process = start()
    try:
        wait_until(lambda: all(len(home.arrived.get(node, ())) > 5 for node in nodes), "logs", PATIENCE_S)
        home.leave()
        time.sleep(1.0)
        mosquitto.stop()
        time.sleep(0.5)
        process.kill()
        process.wait()
        mosquitto.start()
        home.disk_refuses = True
        home.come_back()
        process = start()
        time.sleep(3.0)
        home.disk_refuses = False
        mosquitto.stop()
        mosquitto.start()
        wait_until(
            lambda: all(len({boot for boot, _ in home.arrived[node]}) == 2 for node in nodes),
            "boots",
            PATIENCE_S,
        )
        process.terminate()
        process.wait(20)
        process = start()  # what it wrote at its end is sent after the next start
        ends = {node: written(node) for node in nodes}
        wait_until(
            lambda: all(set(ends[node]) <= set(home.arrived[node]) for node in nodes), "the rest", PATIENCE_S
        )
    finally:
        process.kill()
        process.wait()
        home.close()
    for node in nodes:
        assert home.arrived[node][: len(ends[node])] == ends[node], "they came in the order of the log"
        assert not home.gaps.get(node)
    assert not home.refused

"""The log of a node on the PC: unit tests, a program killed over and over, snapshots read in Python."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.log import Log, open_log
from microgrid_core.codec.umg1.records import Event, Snapshot
from microgrid_core.codec.umg1.segment import FileScan

from .esphome_runner import COMPONENTS, needs_esphome, run_esphome
from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent
KILLS = int(os.environ.get("MICROGRID_KILLS", "100"))
MIN_LIFE_S, MAX_LIFE_S = 0.05, 0.35
COMPLETE, PARTIAL, EXTENDED = 0, 1, 2
BOOT = 77  # of the program when it makes snapshots
UTC_MINUS_MONO_US = 1_790_000_000_000_000


build = partial(build_suite, "log")


@pytest.fixture(scope="module")
def node() -> Path:
    """The program."""
    return build("log_node") / "log_node"


@needs_gtest
def test_unit_tests_pass() -> None:
    done = subprocess.run([build("log_tests") / "log_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "log_tests") / "log_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
def test_tasks_do_not_race(tmp_path: Path) -> None:
    """Sampler, writer and main loop as threads, under ThreadSanitizer, on a medium that stalls."""
    program = build("--thread", "log_node") / "log_node"
    done = subprocess.run(
        [program, "stall", tmp_path / "card", "15"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "durable" in done.stdout


def test_stalls_of_a_second_cost_nothing(node: Path, tmp_path: Path) -> None:
    done = subprocess.run([node, "stall", tmp_path / "card", "8"], capture_output=True, text=True, check=True)
    told = dict(line.split() for line in done.stdout.splitlines()[-3:])
    assert int(told["slow"]) >= 2, "nothing stalled"
    assert told["refused"] == told["lost"] == "0"


_YAML = """
esphome: {{name: probe}}
host:
external_components:
  - source: {{type: local, path: {components}}}
    components: [microgrid_core, microgrid_log]
microgrid_core: {{node: house-1, number: 1, cluster: north, swarm: meadow}}
microgrid_log: {{{log}}}
"""


@needs_esphome
@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("medium: folder, keep: 3d", "Configuration is valid"),
        (
            "medium: folder, keep: 10h",
            "10h is 10 hours, possible are 24 hours to 90 days; each hour needs 0.5 MB",
        ),
        ("medium: sd, clk_pin: 1, miso_pin: 2, mosi_pin: 3, cs_pin: 4", "only available on [<Platform.ESP32"),
        ("medium: tape", "Unknown value 'tape', valid options are 'sd', 'folder'"),
    ],
)
def test_schema_says_what_is_wrong(tmp_path: Path, log: str, said: str) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text(_YAML.format(components=COMPONENTS, log=log))
    _, text = run_esphome("config", file, data=tmp_path / "data")
    assert said in " ".join(text.split())


@dataclass
class Life:
    """What one run of the program said before it was killed."""

    durable: int = -1
    events: dict[int, str] = field(default_factory=dict)


def _live(node: Path, folder: Path, seconds: float) -> tuple[int, Life]:
    process = subprocess.Popen([node, "run", folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    boot = int(process.stdout.readline().split()[1])
    time.sleep(seconds)
    process.kill()
    life = Life()
    for line in process.stdout.read().splitlines(keepends=True):
        words = line.decode().split()
        if not line.endswith(b"\n"):
            break
        if words[0] == "durable":
            life.durable = int(words[1])
        elif words[0] == "event":
            life.events[int(words[1])] = words[2]
    process.stdout.close()
    process.wait()
    return boot, life


def test_nothing_durable_is_lost_when_the_program_is_killed(node: Path, tmp_path: Path) -> None:
    """MICROGRID_KILLS: how often (default 100). The ring is long enough that nothing is overwritten."""
    dice = random.Random(7)
    folder = tmp_path / "card"
    lives = dict(_live(node, folder, dice.uniform(MIN_LIFE_S, MAX_LIFE_S)) for _ in range(KILLS))
    contents: dict[int, dict[int, bytes]] = defaultdict(dict)
    events: dict[tuple[int, int], str] = {}
    for frame in FileScan(folder / "log.umg"):
        earlier = contents[frame.boot_id].setdefault(frame.seq, frame.encode())
        assert earlier == frame.encode(), f"two frames are number {frame.seq} of boot {frame.boot_id}"
        if frame.kind == Kind.EVENT:
            event = content(frame)
            assert isinstance(event, Event)
            events[frame.boot_id, frame.seq] = event.event_id
    for boot, life in lives.items():
        assert set(range(life.durable + 1)) <= contents[boot].keys()
        assert life.events.items() <= {seq: events[boot, seq] for seq in life.events}.items()
    assert sum(life.durable >= 0 for life in lives.values()) > KILLS / 2, "they were killed before they began"
    assert sum(len(life.events) for life in lives.values()) > KILLS


type Snapshots = tuple[Path, dict[int, int], dict[str, int]]
"""The folder with the objects, when each event was triggered (mono), and the state of each object."""


@pytest.fixture(scope="module")
def snapshots(node: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    """What the program leaves of four triggers and one that a restart interrupts."""
    folder = tmp_path_factory.mktemp("snapshots")
    done = subprocess.run([node, "snapshots", folder], capture_output=True, text=True, check=True)
    triggers, states = {}, {}
    for verb, number, *rest in (line.split() for line in done.stdout.splitlines()):
        if verb == "trigger":
            triggers[int(number)] = int(rest[0])
        else:
            states[f"{number}-{rest[0]}.umg"] = int(rest[1])
    return folder, triggers, states


def _samples(log: Log) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """Name, mono and integer of the samples of every channel of the capture schema."""
    for _, channels in log.chunks(kinds=(Kind.FAST,)):
        for samples in channels.values():
            yield samples.channel.name, samples.mono_us(), samples.values


def _measured(folder: Path, number: int, before_us: int, end_us: int) -> Snapshot:
    """Check the object's frames and samples; the value of each sample says when it was taken."""
    log = open_log([folder / f"{number}-0.umg"])
    assert not log.gaps and not log.damaged and log.duplicates == 0
    assert log.index["seq"].tolist() == list(range(len(log.index)))
    channels = 0
    for _, mono_us, values in _samples(log):
        assert mono_us[0] <= before_us and mono_us[-1] >= end_us - 10_000
        assert (np.diff(mono_us) == 10_000).all()
        assert (values == mono_us // 10_000 % 10_000).all()
        utc_us = log.utc_us(np.full(len(mono_us), BOOT, np.uint32), mono_us)
        assert np.abs(utc_us - mono_us - UTC_MINUS_MONO_US).max() < 1000
        channels += 1
    assert channels == 6
    heads = [content(frame) for frame in log.frames(log.select([Kind.SNAPSHOT]))]
    assert isinstance(heads[0], Snapshot) and len(heads) == 1
    return heads[0]


def test_python_reads_whole_windows_at_the_right_times(snapshots: Snapshots) -> None:
    """Four triggers, 6 s apart: each window goes on until 10 s after the last of them."""
    folder, triggers, states = snapshots
    for number in range(4):
        end_us = triggers[3] + 10_000_000
        head = _measured(folder, number, triggers[number] - 10_000_000, end_us)
        assert head.event_id == f"north.3:0000004d:{number}"
        assert head.trigger_mono_us == triggers[number]
        assert head.after_ms == (end_us - triggers[number]) // 1000
        assert head.state == states[f"{number}-0.umg"] == states[f"{number}-1.umg"]
        assert head.state == (COMPLETE if number == 3 else EXTENDED)


def test_both_objects_of_a_snapshot_make_one_log(snapshots: Snapshots) -> None:
    folder, triggers, _ = snapshots
    log = open_log([folder / "2-0.umg", folder / "2-1.umg"])
    assert not log.gaps and not log.damaged and log.duplicates == 0
    times = [
        entry.mono_us
        for frame in log.frames(log.select([Kind.CAN]))
        if isinstance(entries := content(frame), tuple)
        for entry in entries
    ]
    assert min(times) <= triggers[2] - 10_000_000 and max(times) >= triggers[3] + 10_000_000 - 10_000
    assert max(np.diff(sorted(times))) <= 10_000


def test_a_restart_leaves_a_partial_snapshot(snapshots: Snapshots) -> None:
    folder, triggers, states = snapshots
    assert states["4-0.umg"] == PARTIAL
    head = _measured(folder, 4, triggers[4] - 10_000_000, triggers[4] + 2_000_000)
    assert head.state == PARTIAL

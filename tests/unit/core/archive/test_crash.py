"""kill -9 at any moment: what was acknowledged is there afterwards, once, and the index fits the files."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from microgrid_core.archive.archive import Archive

from .compare import assert_roll_ups, assert_samples
from .logs import DAY_US, START_US, Node

ROOT = Path(__file__).parents[4]
MINUTES = 250

# Appends from where it is acknowledged, in odd portions, and prints every acknowledgement once it has it.
_WRITER = f"""
import random, sys
from pathlib import Path
from microgrid_core.archive.archive import Archive
from tests.unit.core.archive.logs import START_US, DAY_US, Node
rng = random.Random(int(sys.argv[2]))
archive = Archive(Path(sys.argv[1]), reserve_bytes=0, segment_bytes=9000, now_us=lambda: START_US + DAY_US)
node = Node()
frames = [*node.start(), *node.minutes({MINUTES})]
sink = archive.cursor("sink")
position = archive.acknowledged("h1")
at = 0 if position is None else position.seq + 1
print("ready", flush=True)
while at < len(frames):
    count = rng.randrange(1, 25)
    at = archive.append("h1", frames[max(0, at - 3) : at + count]).acknowledged.seq + 1
    print(at - 1, flush=True)
    if rng.random() < 0.2:
        archive.roll_up(max_batches=1)
    if rng.random() < 0.2:
        for delivery in sink.deliveries(5000):
            sink.advance(delivery.node, delivery.place)
    if rng.random() < 0.05:
        archive.enforce_retention()
"""


def crash(folder: Path, seed: int) -> int:
    """Run the writer, kill it, and return the last acknowledgement that it printed."""
    rng = random.Random(seed)
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.08)
        process.kill()
        printed = process.stdout.read().split("\n")
    whole = [line for line in printed[:-1] if line]  # the last line may be cut
    return int(whole[-1]) if whole else -1


def run(folder: Path, kills: int) -> None:
    """Kill the writer so many times and look at the archive each time."""
    node = Node()
    frames = [*node.start(), *node.minutes(MINUTES)]
    known = -1
    for seed in range(kills):
        known = max(known, crash(folder, seed))
        with Archive(
            folder, reserve_bytes=0, segment_bytes=9000, now_us=lambda: START_US + DAY_US
        ) as archive:
            position = archive.acknowledged("h1")
            found = -1 if position is None else position.seq
            assert found >= known
            assert archive.findings == []
            assert archive.verify() == []
            files = sum(path.stat().st_size for path in (folder / "log").rglob("*.umg1"))
            assert files == archive.sizes().log
            if seed % 25 == 9 or seed == kills - 1:
                assert_samples(archive, frames[: found + 1])
                assert_roll_ups(archive, frames[: found + 1])
            if found >= len(frames) - 1:
                return
    assert known > 0


def test_fifty_kills(tmp_path: Path) -> None:
    run(tmp_path / "archive", 50)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_hundred_kills(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "slow" not in request.config.option.markexpr:
        pytest.skip("takes minutes: ask for it with -m slow")
    for part in range(6):
        run(tmp_path / f"archive{part}", 50)

"""Any sequence of appends, repetitions, late ranges, crashes and upkeep leaves what a set would hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from microgrid_core.archive.archive import Archive
from microgrid_core.codec.umg1.frame import Frame

from .compare import assert_roll_ups, assert_samples
from .logs import DAY_US, MINUTE_US, START_US, Node


def make_frames() -> list[Frame]:
    """Two boots of one node."""
    first = Node(drift_ppb=40_000, missing=0.1)
    frames = [*first.start(), *first.minutes(6), first.event(), *first.minutes(2)]
    second = Node(boot_id=0xB002, utc_us=START_US + 58 * MINUTE_US, seed=4)
    return [*frames, *second.start(first), *second.minutes(4)]


FRAMES = make_frames()
NUMBERS = {(frame.boot_id, frame.seq) for frame in FRAMES}


class ArchiveMachine(RuleBasedStateMachine):
    """The model: a set of frames that were acknowledged, and those a sink has read."""

    def __init__(self) -> None:
        """Begin with an empty folder."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="archive"))
        self.stored: dict[tuple[int, int], Frame] = {}
        self.lost: set[tuple[int, int]] = set()
        self.arrived: list[Frame] = []
        self.read = 0

    @initialize()
    def open(self) -> None:
        """Open or reopen."""
        self.archive = Archive(
            self.folder, reserve_bytes=0, segment_bytes=2500, now_us=lambda: START_US + DAY_US
        )
        assert self.archive.findings == []

    @rule(start=st.integers(0, len(FRAMES) - 1), count=st.integers(1, 20), backwards=st.booleans())
    def append(self, start: int, count: int, backwards: bool) -> None:
        """Append a range, in order or not."""
        part = FRAMES[start : start + count][:: -1 if backwards else 1]
        new = [frame for frame in part if (frame.boot_id, frame.seq) not in self.stored]
        done = self.archive.append("h1", part if backwards else [b"".join(frame.encode() for frame in part)])
        assert (done.stored, done.duplicates) == (len(new), len(part) - len(new))
        self.stored |= {(frame.boot_id, frame.seq): frame for frame in new}
        self.arrived += new

    @rule(boot=st.sampled_from([0xB001, 0xB002]), first=st.integers(0, 60), count=st.integers(1, 5))
    def lose(self, boot: int, first: int, count: int) -> None:
        """The node reports an overflow."""
        self.archive.declare_lost("h1", boot, first, first + count - 1)
        self.lost |= {(boot, first + at) for at in range(count)}

    @rule()
    def reopen(self) -> None:
        """End and start again."""
        self.archive.close()
        self.open()

    @rule(cut=st.integers(1, 60), torn=st.booleans())
    def crash(self, cut: int, torn: bool) -> None:
        """A frame was being written when the power failed: a part of it, or zeros, lies behind the end."""
        self.archive.close()
        paths = sorted((self.folder / "log" / "h1").glob("*.umg1")) if self.arrived else []
        if paths:
            with paths[-1].open("ab") as file:
                file.write(FRAMES[5].encode()[:cut] if torn else bytes(cut))
        self.open()

    @rule()
    def rebuild(self) -> None:
        """Lose the index."""
        if (
            self.read == 0
        ):  # what a sink has read is kept, but the order of arrival across files is all it can keep
            assert self.archive.rebuild() == []

    @rule(batches=st.sampled_from([1, None]))
    def roll_up(self, batches: int | None) -> None:
        """Compute a part or all."""
        self.archive.roll_up(max_batches=batches)

    @rule()
    def deliver(self) -> None:
        """The sink reads on."""
        sink = self.archive.cursor("sink")
        if (delivery := sink.read("h1", 2000)) is not None:
            expected = self.arrived[self.read : self.read + len(delivery.frames)]
            assert [(f.boot_id, f.seq) for f in delivery.frames] == [(f.boot_id, f.seq) for f in expected]
            sink.advance("h1", delivery.place)
            self.read += len(delivery.frames)
        else:
            assert self.read == len(self.arrived)

    @invariant()
    def numbers_agree(self) -> None:
        """What the archive says it holds is what was given to it."""
        if not hasattr(self, "archive"):
            return
        held, lost = set(), set()
        for boot in self.archive.coverage("h1").boots:
            held |= {(boot.boot_id, n) for first, last in boot.received for n in range(first, last + 1)}
            lost |= {(boot.boot_id, n) for first, last in boot.lost for n in range(first, last + 1)}
        assert held == set(self.stored)
        assert lost == self.lost - held

    def teardown(self) -> None:
        """Everything is found at the end."""
        if hasattr(self, "archive"):
            schemas = [frame for frame in self.stored.values() if frame.kind == 0]
            if schemas:
                assert_samples(self.archive, self.stored.values())
                assert_roll_ups(self.archive, self.stored.values())
            assert self.archive.verify() == []
            self.archive.close()
        shutil.rmtree(self.folder)


ArchiveMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestArchive = ArchiveMachine.TestCase

"""A medium that refuses: nothing is acknowledged, nothing is lost, and it goes on when it can."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from microgrid_core.archive.append import Position
from microgrid_core.archive.archive import Archive
from microgrid_core.archive.errors import ArchiveFull, ArchiveUnavailable

from .compare import assert_roll_ups, assert_samples
from .conftest import Disk
from .logs import Node

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("call", ["pwrite", "fsync", "open"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_call_stops_the_acknowledgement_and_loses_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    node = Node()
    frames = [*node.start(), *node.minutes(6)]
    archive = disk.open()
    archive.append("h1", frames[:10])
    real = getattr(os, call)
    state = {"left": 2 if call == "pwrite" else 0}

    def refuse(*arguments: Any, **options: Any) -> Any:
        if call == "pwrite" and state["left"]:
            state["left"] -= 1
            descriptor, data, offset = arguments
            return real(descriptor, data[: len(data) // 2], offset)  # a part of it is on the medium
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        kind = ArchiveFull if code == errno.ENOSPC else ArchiveUnavailable
        with pytest.raises(kind, match="nothing was acknowledged"):
            archive.append("h1", frames[10:])
    assert not archive.state.available
    assert "nothing was acknowledged" in archive.state.reason
    assert archive.acknowledged("h1") == Position(node.boot_id, 9)
    assert archive.append("h1", frames[10:]).stored == len(frames) - 10
    assert archive.state.available
    assert_samples(archive, frames)
    assert_roll_ups(archive, frames)
    assert disk.open().append("h1", frames).duplicates == len(frames)


def test_space_is_left_to_the_rest_of_the_machine(disk: Disk) -> None:
    node = Node()
    archive = disk.open(reserve_bytes=1 << 60)
    with pytest.raises(ArchiveFull, match="left to the rest"):
        archive.append("h1", node.start())
    archive.reserve_bytes = 0
    assert archive.append("h1", node.start()).stored == 2


# A limit on the size of files is a full disk that needs no root: log and index meet it like ENOSPC.
_LIMITED = """
import resource, signal, sys
from pathlib import Path
from microgrid_core.archive.archive import Archive
from microgrid_core.archive.errors import ArchiveUnavailable
from tests.unit.core.archive.logs import Node
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
node = Node()
frames = [*node.start(), *node.minutes(120)]
archive = Archive(Path(sys.argv[1]), reserve_bytes=0, now_us=lambda: node.now_us)
last, refusals = archive.append("h1", frames[:20]).acknowledged.seq, 0
limit = (Path(sys.argv[1]) / "index.db-wal").stat().st_size + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
for at in range(20, len(frames), 20):
    try:
        last = archive.append("h1", frames[at : at + 20]).acknowledged.seq
    except ArchiveUnavailable as error:
        refusals += 1
        assert "nothing was acknowledged" in str(error)
        break
assert refusals == 1 and archive.acknowledged("h1").seq == last, (refusals, last)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for at in range(0, len(frames), 20):
    archive.append("h1", frames[at : at + 20])
assert archive.acknowledged("h1").seq == len(frames) - 1
assert archive.verify() == []
print(last)
"""


@pytest.mark.parametrize("limit", [0, 10_000, 300_000])
def test_a_real_limit_of_the_file_size(tmp_path: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "archive"), str(limit)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    node = Node()
    frames = [*node.start(), *node.minutes(120)]
    with Archive(tmp_path / "archive", reserve_bytes=0) as archive:
        assert archive.append("h1", frames).duplicates == len(frames)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_file_system(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"mount: {made.stderr.decode()}")
    try:
        node = Node()
        frames = [*node.start(), *node.minutes(600)]
        with Archive(mount / "archive", reserve_bytes=0, now_us=lambda: node.now_us) as archive:
            ballast = mount / "ballast"
            ballast.write_bytes(bytes(600_000))
            acknowledged = -1
            with pytest.raises(ArchiveUnavailable):
                for at in range(0, len(frames), 50):
                    position = archive.append("h1", frames[at : at + 50]).acknowledged
                    assert position is not None
                    acknowledged = position.seq
            assert archive.acknowledged("h1") == Position(node.boot_id, acknowledged)
            ballast.unlink()
            for at in range(0, acknowledged + 201, 50):
                archive.append("h1", frames[at : at + 50])
            assert archive.verify() == []
        with Archive(mount / "archive", reserve_bytes=0, now_us=lambda: node.now_us) as archive:
            assert archive.append("h1", frames[: acknowledged + 200]).stored == 0
    finally:
        subprocess.run(["umount", str(mount)], check=True)

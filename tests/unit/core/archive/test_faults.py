"""The fault store: what is known of a fault stays known, whatever happens to process and database."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from microgrid_core.archive.errors import ArchiveDamaged, ArchiveFull, NewerArchive
from microgrid_core.archive.faults import database
from microgrid_core.archive.faults.records import (
    Analysis,
    Annotation,
    Member,
    Past,
    Pull,
    RecordedFault,
    Stage,
    best,
)
from microgrid_core.archive.faults.store import MAX_OBJECTS, FaultStore, snapshot_of
from microgrid_core.contract.snapshot import SnapshotAssembly, SnapshotPart, SnapshotState

from .logs import HOUR_US, START_US
from .snapshots import EVENT_ID, HOUSE, chunks, fault, snapshot_file

ROOT = Path(__file__).parents[4]
MEASURED, TRAFFIC = SnapshotPart.MEASURED, SnapshotPart.TRAFFIC
MEMBERS = (Member("gateway-1", "gateway"), Member(HOUSE, "house"))
ANALYSIS = Analysis(
    "1.0", "F001.neighbour_trip", "house-2", 0.93, "House 2 tripped first.", "00ff", "{}", START_US
)


def opened(folder: Path, **more: int) -> FaultStore:
    """Open the store of a test."""
    return FaultStore(folder, **{"reserve_bytes": 0, **more}, now_us=lambda: START_US + HOUR_US)


def known(store: FaultStore, event_id: str = EVENT_ID) -> RecordedFault:
    """Return a fault that is there."""
    found = store.get(event_id)
    assert found is not None
    return found


def test_a_fault_is_recorded_once(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store.record(fault(), MEMBERS)
    assert not store.record(fault(code="F002"), ())
    store.close()
    store = opened(tmp_path)
    assert store.get(EVENT_ID) == fault()
    assert store.members(EVENT_ID) == list(MEMBERS)
    assert store.unfinished() == [EVENT_ID]
    assert store.findings == []
    store.close()


def test_it_goes_from_stage_to_stage_and_never_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    store.advance(EVENT_ID, Stage.PULLED)
    store.advance(EVENT_ID, Stage.PULLING)
    assert known(store).stage is Stage.PULLED
    store.add_analysis(EVENT_ID, ANALYSIS)
    assert store.begin_telling(EVENT_ID) is Stage.DIAGNOSED
    assert store.begin_telling(EVENT_ID) is Stage.TELLING, "after a crash it is seen that it had begun"
    store.told(EVENT_ID)
    assert store.begin_telling(EVENT_ID) is Stage.TOLD
    store.add_analysis(EVENT_ID, ANALYSIS)
    found = known(store)
    assert (found.stage, found.told_us) == (Stage.TOLD, START_US + HOUR_US)
    assert store.unfinished() == []
    assert store.waiting(9) == [EVENT_ID]
    store.set_pull(EVENT_ID, Pull.COMPLETE)
    assert store.waiting(9) == []
    assert len(store.analyses(EVENT_ID)) == 2
    store.close()


def test_an_analysis_that_somebody_asked_for_does_not_end_the_pulling(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    store.add_analysis(EVENT_ID, ANALYSIS, advance=False)
    assert store.get(EVENT_ID) == fault()
    store.close()


def test_the_end_belongs_to_the_newest_fault_before_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number in range(3):
        store.record(fault(f"e{number}", at_us=START_US + number * HOUR_US))
    store.clear([(HOUSE, "F001", START_US + HOUR_US + 5), (HOUSE, "F009", START_US + HOUR_US)])
    cleared = {found.event_id: found.cleared_us for found, _ in store.faults()}
    assert cleared == {"e0": None, "e1": START_US + HOUR_US + 5, "e2": None}
    store.clear([(HOUSE, "F001", START_US + HOUR_US + 9)])
    assert known(store, "e1").cleared_us == START_US + HOUR_US + 5, "the first end counts"
    store.close()


def test_chunks_survive_a_restart_and_become_a_file(tmp_path: Path) -> None:
    data = snapshot_file()
    pieces = list(chunks(data))
    assert len(pieces) > 3
    store = opened(tmp_path)
    store.record(fault())
    store.keep_chunks(HOUSE, pieces[:2])
    store.close()
    store = opened(tmp_path)
    assembly = SnapshotAssembly(EVENT_ID, MEASURED)
    for piece in store.kept_chunks(EVENT_ID, HOUSE, MEASURED):
        assembly.take(piece)
    assert assembly.missing() == 2
    store.keep_chunks(HOUSE, pieces[2:])
    stored = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, data)
    assert store.kept_chunks(EVENT_ID, HOUSE, MEASURED) == []
    assert store.read_part(stored) == data == store.path(stored).read_bytes()
    assert store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, data) == stored, "kept once"
    about = snapshot_of(data)
    assert about is not None and about.event_id == EVENT_ID
    store.close()


def test_an_object_built_anew_displaces_the_chunks_of_the_old_one(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    old, new = list(chunks(snapshot_file())), list(chunks(snapshot_file(seed=2)))
    store.keep_chunks(HOUSE, old[:3])
    store.keep_chunks("house-4", old[:1])
    store.keep_chunks(HOUSE, new[1:2])
    assert store.kept_chunks(EVENT_ID, HOUSE, MEASURED) == new[1:2]
    assert store.kept_chunks(EVENT_ID, "house-4", MEASURED) == old[:1]
    store.set_pull(EVENT_ID, Pull.GIVEN_UP)
    assert store.kept_chunks(EVENT_ID, "house-4", MEASURED) == []
    store.close()


def test_a_whole_object_is_preferred_and_a_partial_one_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    whole, partial = snapshot_file(), snapshot_file(state=1, seed=2)
    first = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.PARTIAL, partial)
    assert best(store.parts(EVENT_ID)) == {(HOUSE, MEASURED): first}
    second = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, whole)
    third = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.PARTIAL, snapshot_file(state=1, seed=3))
    assert store.parts(EVENT_ID) == [first, second, third]
    assert best(store.parts(EVENT_ID)) == {(HOUSE, MEASURED): second}
    store.close()


def test_a_node_cannot_fill_the_disk_with_ever_new_objects(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    for seed in range(MAX_OBJECTS):
        store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, snapshot_file(seed=seed))
    with pytest.raises(ValueError, match="more than 4 different objects"):
        store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, snapshot_file(seed=9))
    store.close()
    store = opened(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(ArchiveFull, match="nothing was stored, free some space"):
        store.keep_chunks("house-4", list(chunks(snapshot_file())))
    with pytest.raises(ArchiveFull):
        store.store_part(EVENT_ID, "house-4", MEASURED, SnapshotState.COMPLETE, snapshot_file())
    assert store.record(fault("another")), "there is room for words"
    store.close()


def test_a_file_that_changed_is_not_taken_for_what_was_stored(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    data = snapshot_file()
    stored = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, data)
    store.path(stored).write_bytes(data[:-1] + b"!")
    with pytest.raises(ArchiveDamaged, match="its CRC is wrong"):
        store.read_part(stored)
    store.path(stored).unlink()
    with pytest.raises(ArchiveDamaged):
        store.read_part(stored)
    store.close()
    store = opened(tmp_path)
    assert [finding.what for finding in store.findings] == ["the file is gone"]
    assert store.parts(EVENT_ID) == []
    store.close()


def test_faults_are_found_by_node_code_and_time(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault("a", "house-1", "F001", START_US))
    store.record(fault("b", "house-2", "F002", START_US + HOUR_US))
    store.record(fault("c", "house-1", "F002", START_US + 2 * HOUR_US))
    store.add_analysis("c", ANALYSIS)

    def ids(**chosen: Any) -> list[str]:
        return [found.event_id for found, _ in store.faults(**chosen)]

    assert ids() == ["c", "b", "a"]
    assert ids(limit=1) == ["c"]
    assert ids(nodes=["house-1"]) == ["c", "a"]
    assert ids(codes=["F002"], start_us=START_US + HOUR_US, end_us=START_US + 2 * HOUR_US) == ["b"]
    assert {found.node: (found.event_id, analysis) for found, analysis in store.latest()} == {
        "house-1": ("c", ANALYSIS),
        "house-2": ("b", None),
    }
    for note in ("Looked at it.", "silenced"):
        store.annotate("a", Annotation(START_US, None, None, note))
    store.annotate("b", Annotation(START_US, None, None, "silenced"))
    assert ids(note="silenced") == ["b", "a"]
    assert ids(note="silenced", nodes=["house-1"], limit=1) == ["a"]
    assert ids(note="silence") == []
    store.annotate("a", Annotation(START_US + 9, None, None, "silenced"))
    assert ids(note="silenced", noted_since_us=START_US + 9) == ["a"]
    assert ids(note="silenced", noted_since_us=START_US + 10) == []
    store.close()


def test_earlier_faults_are_known_by_the_fingerprints_of_their_newest_analyses(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number, code in enumerate(("F001", "F001", "F002", "F001")):
        store.record(fault(f"e{number}", code=code, at_us=START_US + number * HOUR_US))
    for event_id in ("e0", "e2", "e3"):
        store.add_analysis(event_id, ANALYSIS)
    store.add_analysis("e0", replace(ANALYSIS, fingerprint="beef"))
    store.add_analysis("e1", replace(ANALYSIS, fingerprint=""))
    assert store.past(HOUSE, "F001", START_US + 3 * HOUR_US, 9) == [
        Past("e0", HOUSE, "beef", START_US, "F001.neighbour_trip")
    ]
    store.close()


def test_earlier_faults_know_what_operators_found_at_last(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault("e0"))
    store.add_analysis("e0", ANALYSIS)
    for number, cause in enumerate(("F001.bridge_fault", "F001.transient", None)):
        store.annotate("e0", Annotation(START_US + number, None, cause, "seen"))
    (past,) = store.past(HOUSE, "F001", START_US + HOUR_US, 9)
    assert (past.cause, past.confirmed) == (ANALYSIS.cause, "F001.transient")
    store.close()


def test_what_is_open_is_the_newest_of_each_code_that_nobody_knows_of(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number, (event_id, code) in enumerate((("a1", "F001"), ("a2", "F001"), ("b", "F002"), ("c", "F003"))):
        store.record(fault(event_id, code=code, at_us=START_US + number))
    store.record(fault("a3", code="F001", at_us=START_US + 1))  # within the same µs, but told later
    store.record(fault("other", node="house-9"))
    store.record(replace(fault("mild", code="F004"), severity="warning"))
    store.add_analysis("b", ANALYSIS)
    store.annotate("c", Annotation(START_US, None, None, "acknowledged"))

    def opened_ones() -> list[str]:
        return [found.event_id for found, _ in store.open_faults(HOUSE, "critical")]

    assert opened_ones()[1:] == ["b"] and opened_ones()[0] in ("a2", "a3")
    assert [analysis for _, analysis in store.open_faults(HOUSE, "critical")] == [None, ANALYSIS]
    store.clear([(HOUSE, "F002", START_US + 10)])
    assert len(opened_ones()) == 1
    store.record(fault("c2", code="F003", at_us=START_US + 50))
    assert opened_ones()[1:] == ["c2"]
    store.close()


def test_what_the_operator_found_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    said = Annotation(START_US, "user", "F001.bridge_fault", "Replaced the bridge.")
    store.annotate(EVENT_ID, said)
    with pytest.raises(LookupError, match="no fault nothing"):
        store.annotate("nothing", said)
    assert store.annotations(EVENT_ID) == [said]
    store.close()


def test_the_log_of_a_new_store_is_history_and_later_it_is_news(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert not store.adopted
    assert store.adopt([fault("old"), fault("fresh", at_us=START_US + HOUR_US)], START_US + 1) == 2
    assert store.adopted
    assert store.unfinished() == ["fresh"]
    assert store.adopt([fault("old"), fault("missed")], START_US + 1) == 1
    assert sorted(store.unfinished()) == ["fresh", "missed"]
    store.close()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "faults.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerArchive, match="version 99, this release knows 1"):
        opened(tmp_path)


def test_an_older_database_is_brought_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    store.record(fault())
    store.close()
    monkeypatch.setattr(database, "VERSION", 3)
    steps = {
        1: "ALTER TABLE fault ADD COLUMN more TEXT;",
        2: "UPDATE fault SET more = 'x'; CREATE TABLE twice (a);",
    }
    monkeypatch.setattr(database, "MIGRATIONS", MappingProxyType(steps))
    store = opened(tmp_path)
    assert store.get(EVENT_ID) == fault()
    store.close()
    with sqlite3.connect(tmp_path / "faults.db") as connection:
        assert connection.execute("SELECT more FROM fault").fetchall() == [("x",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()


# ----------------------------------------------------------------------------------------- a damaged database


@pytest.mark.parametrize("damage", ["gone", "header", "pages"])
def test_a_damaged_database_is_made_again(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path)
    store.adopt([], START_US)
    store.record(fault(), MEMBERS)
    data = {name: snapshot_file(seed=seed) for seed, name in enumerate((HOUSE, "gateway-1"))}
    for name, whole in data.items():
        store.store_part(EVENT_ID, name, MEASURED, SnapshotState.COMPLETE, whole)
    store.store_part(EVENT_ID, "gateway-1", TRAFFIC, SnapshotState.PARTIAL, snapshot_file(state=1, seed=7))
    store.close()
    path = tmp_path / "faults.db"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "header":
        path.write_bytes(b"no database at all" + content[18:])
    else:
        content[4096:] = random.Random(1).randbytes(len(content) - 4096)
        path.write_bytes(content)

    store = opened(tmp_path)
    assert bool(store.findings) == (damage != "gone")
    assert {key: store.read_part(part) for key, part in best(store.parts(EVENT_ID)).items()} == {
        (HOUSE, MEASURED): data[HOUSE],
        ("gateway-1", MEASURED): data["gateway-1"],
        ("gateway-1", TRAFFIC): snapshot_file(state=1, seed=7),
    }
    assert best(store.parts(EVENT_ID))["gateway-1", TRAFFIC].state is SnapshotState.PARTIAL
    found = known(store)
    assert (found.node, found.code, found.stage) == (HOUSE, "F001", Stage.TOLD)
    assert store.adopt([fault()], START_US + HOUR_US) == 0
    found = known(store)
    assert (found.severity, found.at_us) == ("critical", START_US)
    assert store.unfinished() == [], "nobody is told twice"
    store.store_part(EVENT_ID, HOUSE, TRAFFIC, SnapshotState.COMPLETE, snapshot_file(seed=8))
    assert len(list(store.files.listing())) == 4, "no file is overwritten"
    store.close()


def test_what_can_be_read_of_a_damaged_database_is_saved(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.record(fault())
    store.add_analysis(EVENT_ID, ANALYSIS)
    store.annotate(EVENT_ID, Annotation(START_US, None, None, "Looked at it."))
    store.close()
    with sqlite3.connect(tmp_path / "faults.db") as connection:
        connection.execute("DROP TABLE snapshot")
    connection.close()
    store = opened(tmp_path)
    assert "no such table" in store.findings[0].what
    assert store.analyses(EVENT_ID) == [ANALYSIS]
    assert store.annotations(EVENT_ID)[0].note == "Looked at it."
    assert store.unfinished() == [EVENT_ID], "it goes on where it was"
    store.close()


def test_a_file_that_is_no_snapshot_is_left_where_it_is(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    folder = tmp_path / "snapshots" / HOUSE
    folder.mkdir(parents=True)
    (folder / "2026-11-16-000007-measured.umg1").write_bytes(b"hello")
    (folder / "2026-11-16-000008-measured.umg1.new").write_bytes(b"unfinished")
    (folder / "notes.txt").write_text("mine")
    store = opened(tmp_path)
    assert [finding.what for finding in store.findings] == ["it is no snapshot; it was left where it is"]
    assert sorted(path.name for path in folder.iterdir()) == ["2026-11-16-000007-measured.umg1", "notes.txt"]
    store.record(fault())
    stored = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, snapshot_file())
    assert stored.number == 8
    store.close()


def test_a_file_that_cannot_be_read_keeps_the_store_open(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    folder = tmp_path / "snapshots" / HOUSE
    (folder / "2026-11-16-000007-measured.umg1").mkdir(parents=True)  # the system refuses to read it
    store = opened(tmp_path)
    assert [finding.what[:17] for finding in store.findings] == ["it cannot be read"]
    store.record(fault())
    stored = store.store_part(EVENT_ID, HOUSE, MEASURED, SnapshotState.COMPLETE, snapshot_file())
    assert stored.number == 8
    store.close()


# ---------------------------------------------------------------------------------------------------- kill -9

# Brings faults through all stages in odd steps and prints what it has, once it has it.
_WRITER = """
import random, sys
from pathlib import Path
from microgrid_core.archive.faults.records import Analysis, Stage
from microgrid_core.archive.faults.store import FaultStore
from microgrid_core.contract.snapshot import SnapshotPart, SnapshotState
from tests.unit.core.archive.snapshots import HOUSE, chunks, fault, snapshot_file
rng = random.Random(int(sys.argv[2]))
store = FaultStore(Path(sys.argv[1]), reserve_bytes=0)
assert not store.findings, store.findings
begin = len(store.faults(limit=10_000))
print("ready", flush=True)
for number in range(begin, begin + 500):
    event_id = f"e{number}"
    store.record(fault(event_id))
    print("recorded", event_id, flush=True)
    data = snapshot_file(event_id, seed=number)
    for piece in chunks(data, event_id, size=1024):
        store.keep_chunks(HOUSE, [piece])
    store.store_part(event_id, HOUSE, SnapshotPart.MEASURED, SnapshotState.COMPLETE, data)
    print("stored", event_id, flush=True)
    if rng.random() < 0.8:
        store.add_analysis(event_id, Analysis("1", "c", None, 1.0, "", "", "{}", 1))
        store.begin_telling(event_id)
        store.told(event_id)
        print("told", event_id, flush=True)
"""


def killed(folder: Path, seed: int) -> list[list[str]]:
    """Run the writer, kill it, and return what it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(seed).random() * 0.1)
        process.kill()
        return [line.split() for line in process.stdout.read().split("\n")[:-1]]


def test_twenty_kills(tmp_path: Path) -> None:
    said: list[list[str]] = []
    for seed in range(20):
        said += killed(tmp_path, seed)
        store = opened(tmp_path)
        assert store.findings == []
        known = {found.event_id: found for found, _ in store.faults(limit=10_000)}
        for what, event_id in said:
            assert event_id in known
            if what == "stored":
                (part,) = store.parts(event_id)
                assert store.read_part(part) == snapshot_file(event_id, seed=int(event_id[1:]))
                assert store.kept_chunks(event_id, HOUSE, MEASURED) == []
            if what == "told":
                assert known[event_id].stage is Stage.TOLD
                assert len(store.analyses(event_id)) == 1
        assert len(list(store.files.listing())) == sum(len(store.parts(event_id)) for event_id in known)
        assert not list(tmp_path.rglob("*.new"))
        store.close()
    assert len(said) > 20

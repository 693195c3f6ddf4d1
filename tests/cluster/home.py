"""Home Assistant at the end of the durable path, of its own parts: it hears, archives, acknowledges, asks.

It can be taken away and brought back, and its disk may refuse for a while.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from microgrid_core.archive.append import Gap
from microgrid_core.archive.archive import Archive
from microgrid_core.contract import encode, messages, topics
from microgrid_core.contract.log_batch import LogBatch
from microgrid_core.contract.snapshot import (
    ListedSnapshot,
    SnapshotAssembly,
    SnapshotChunk,
    SnapshotGet,
    SnapshotList,
    SnapshotPart,
)
from tests.listener import Heard, Listener

Position = tuple[int, int]
"""Boot and seq."""
_CHUNKS = 16
_ASK_AGAIN_S = 10.0
_COMMAND_S = 30.0


class Home(Listener):
    """One client and one archive."""

    def __init__(self, port: int, folder: Path, swarm: str) -> None:
        """Open the archive and connect."""
        super().__init__(port, swarm)
        self.archive = Archive(folder)
        self.arrived: dict[str, list[Position]] = {}
        """Every frame by node, in the order of its first arrival."""
        self.repeated: Counter[str] = Counter()
        """Frames that came again, by node."""
        self.gaps: dict[str, list[Gap]] = {}
        """What nodes no longer had, as the archive concluded."""
        self.disk_refuses = False
        """Nothing is stored, and so nothing is acknowledged."""
        self.silent = False
        """What is stored is not acknowledged."""
        self._known: dict[str, set[Position]] = {}
        self._commands = 0
        self._batches: queue.Queue[tuple[str, LogBatch] | None] = queue.Queue()
        self._storing_now = threading.Lock()
        self._storing = threading.Thread(target=self._store, daemon=True)
        self._storing.start()
        self.come_back()

    def close(self) -> None:
        """Leave for good."""
        self.leave()
        self._batches.put(None)
        self._storing.join()
        self.archive.close()

    # --- what was heard

    def events(self, node: str, code: str, since: float = 0.0) -> list[Heard]:
        """Return the events of a node with a code."""
        return [heard for heard in self.of(node, topics.EVENT, since) if heard.message.code == code]

    def acknowledged(self, node: str, boot_id: int) -> int | None:
        """Return the frame up to which the archive has the log of a node's boot."""
        boots = self.archive.coverage(node).boots
        return next((boot.acknowledged for boot in boots if boot.boot_id == boot_id), None)

    # --- what we say

    def command(self, node: str, command: str, **parameters: messages.Scalar) -> messages.CommandResult:
        """Send a command and return how it ended."""
        self._commands += 1
        sent = messages.Command(
            f"home-{self._commands}", command, parameters, datetime.now(UTC) + timedelta(seconds=_COMMAND_S)
        )
        self.say(node, topics.CMD_SET, encode.command_payload(sent))
        found = list[messages.CommandResult]()

        def answered() -> bool:
            found[:] = [
                heard.message for heard in self.of(node, topics.CMD_RESULT) if heard.message.id == sent.id
            ]
            return bool(found)

        wait_until(answered, f"the result of {command} from {node}", _COMMAND_S)
        return found[0]

    def snapshots(self, node: str) -> tuple[ListedSnapshot, ...]:
        """Ask a node which snapshots it has."""
        asked = time.monotonic()
        self.say(node, topics.SNAPSHOT_GET, encode.snapshot_get_payload(SnapshotGet()))
        wait_until(
            lambda: bool(self.of(node, topics.SNAPSHOT_LIST, asked)), f"the snapshots of {node}", _ASK_AGAIN_S
        )
        listed = self.of(node, topics.SNAPSHOT_LIST, asked)[-1].message
        assert isinstance(listed, SnapshotList)
        return listed.snapshots

    def fetch(self, node: str, event_id: str, part: SnapshotPart, timeout_s: float = 30.0) -> bytes:
        """Download an object, asking for what is missing until it is whole."""
        assembly = SnapshotAssembly(event_id, part)
        end = time.monotonic() + timeout_s
        while (first := assembly.missing()) is not None:
            asked = time.monotonic()
            request = SnapshotGet(event_id, part, first, _CHUNKS)
            self.say(node, topics.SNAPSHOT_GET, encode.snapshot_get_payload(request))
            assert asked < end, f"{part} of {event_id} at {node}: chunk {first} did not come"
            quiet_until = asked + _ASK_AGAIN_S
            taken = 0
            while taken < _CHUNKS and assembly.missing() is not None and time.monotonic() < quiet_until:
                time.sleep(0.02)
                taken = 0
                for chunk in self._chunks(node, event_id, asked):
                    assert chunk.count, f"{part} of {event_id} at {node}: {chunk.state}"
                    taken += assembly.take(chunk)
        whole = assembly.result()
        assert whole is not None, f"{part} of {event_id} at {node}: its CRC is wrong"
        return whole

    def _chunks(self, node: str, event_id: str, since: float) -> list[SnapshotChunk]:
        with self._lock:
            return [
                heard.message
                for heard in self.heard
                if heard.node == node
                and heard.at >= since
                and isinstance(heard.message, SnapshotChunk)
                and heard.message.event_id == event_id
            ]

    # --- the log

    def log_came(self, node: str, batch: LogBatch) -> None:
        """Leave it to the worker: the client has to go on listening."""
        self._batches.put((node, batch))

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Store nothing meanwhile: the files of the archive stay as they are."""
        with self._storing_now:
            yield

    def _store(self) -> None:
        """Archive what comes, and say so afterwards: a worker of its own, as in Home Assistant."""
        while (taken := self._batches.get()) is not None:
            node, batch = taken
            if self.disk_refuses:
                continue
            with self._storing_now:
                appended = self.archive.append(node, batch.frames, in_order=True)
            with self._lock:
                self.repeated[node] += appended.duplicates
                self.gaps.setdefault(node, []).extend(appended.gaps)
                known = self._known.setdefault(node, set())
                for frame in batch.frames:
                    if (place := (frame.boot_id, frame.seq)) not in known:
                        known.add(place)
                        self.arrived.setdefault(node, []).append(place)
            if (stored := appended.acknowledged) is not None and not self.silent:
                ack = messages.LogAck(stored.boot_id, stored.seq)
                self.say(node, topics.LOG_ACK, encode.log_ack_payload(ack), retain=True)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float, poll_s: float = 0.05) -> None:
    """Wait until something is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited {timeout_s:g} s for {what}"
        time.sleep(poll_s)

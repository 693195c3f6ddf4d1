"""Retention: how long each resolution is kept. Events, boots, heads of snapshots and days stay for ever."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from ..codec.umg1.clock import LATEST_AHEAD_US
from .index import Index
from .rollup import HOUR, MINUTE, RollUp, Tier
from .store import LogFiles
from .timeline import thin_points

_DAY_S = 86_400
_FLOORS = ("raw_floor_s", "minute_floor_s", "hour_floor_s")  # each at or above the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ages in s and sizes in bytes; what is older or more is deleted. A coarser tier lives no shorter."""

    raw_s: int = _DAY_S
    raw_bytes: int | None = None
    """Of all files; enforced even against sinks that lag behind."""
    minute_s: int = 30 * _DAY_S
    minute_bytes: int | None = None
    hour_s: int = 366 * _DAY_S
    hour_bytes: int | None = None
    undated_s: int = 30 * _DAY_S
    """Files with frames whose time is not known, counted from their reception."""

    def __post_init__(self) -> None:
        """Refuse an order that would take minutes before their samples."""
        if not 0 < self.raw_s <= self.minute_s <= self.hour_s:
            raise ValueError(
                f"retention: samples {self.raw_s} s, minutes {self.minute_s} s, hours {self.hour_s} s: "
                "each must be at least as long as the one before"
            )


@dataclass(slots=True)
class RetentionReport:
    """What was deleted, what was not and why."""

    files: int = 0
    bytes: int = 0
    blocks: int = 0
    waiting: list[str] = field(default_factory=list)
    """Files that are old enough but still needed."""
    forced: list[str] = field(default_factory=list)
    """Files deleted because of their size although they were still needed: something is lost."""


@dataclass(frozen=True, slots=True)
class _File:
    key: int
    node: int
    node_name: str
    number: int
    name: str
    size: int
    state: int
    created_us: int
    utc_first: int | None
    utc_end: int | None
    undated: int


class Keeper:
    """Enforces a retention."""

    def __init__(self, index: Index, files: LogFiles, roll_up: RollUp) -> None:
        """Work on an index and its files."""
        self.index = index
        self.files = files
        self.roll_up = roll_up

    def enforce(self, retention: Retention, now_us: int) -> RetentionReport:
        """Delete what is due."""
        report = RetentionReport()
        self._raw(retention, now_us, report)
        for tier, floor, age_s, limit in (
            (MINUTE, "minute_floor_s", retention.minute_s, retention.minute_bytes),
            (HOUR, "hour_floor_s", retention.hour_s, retention.hour_bytes),
        ):
            self._blocks(tier, floor, now_us // 1_000_000 - age_s, limit, report)
        self.index.shrink()
        return report

    def _raw(self, retention: Retention, now_us: int, report: RetentionReport) -> None:
        files = self._closed_files(now_us)
        with self.index.read() as connection:
            (total,) = connection.execute(
                "SELECT coalesce(sum(size), 0) FROM file WHERE state < 2"
            ).fetchone()
        excess = 0 if retention.raw_bytes is None else total - retention.raw_bytes
        due_us = now_us - retention.raw_s * 1_000_000
        undated_due_us = now_us - retention.undated_s * 1_000_000
        for file in files:
            too_much = excess > 0
            newest = file.created_us if file.utc_end is None else file.utc_end
            old = newest < due_us
            if not (too_much or old):
                continue
            # In batches first, so that appending never waits long; then what came meanwhile.
            self.roll_up.run((file.node, file.node_name))
            with self.index.write() as connection:
                self.roll_up.run((file.node, file.node_name))
                needed = self._needed(connection, file, undated_due_us)
                label = f"{file.node_name}/{file.name}"
                if needed and not too_much:
                    report.waiting.append(f"{label}: {needed}")
                    continue
                if needed:
                    report.forced.append(f"{label}: {needed}")
                self._doom(connection, file)
            self.files.delete(self.files.path(file.node_name, file.name))
            with self.index.write() as connection:
                connection.execute("DELETE FROM file WHERE id = ?", (file.key,))
            report.files += 1
            report.bytes += file.size
            excess -= file.size

    def _closed_files(self, now_us: int) -> list[_File]:
        """Return what may be deleted, oldest first; a time in the future is none."""
        with self.index.read() as connection:
            rows = connection.execute(
                "SELECT file.id, file.node, node.name, number, file.name, file.size, state, created_us, "
                "min(utc_first), max(utc_end) FILTER (WHERE utc_end <= ?1), "
                "coalesce(sum(utc_first IS NULL OR utc_end > ?1), 0) FROM file "
                "JOIN node ON node.id = file.node LEFT JOIN chunk ON chunk.file = file.id WHERE state = 1 "
                "GROUP BY file.id ORDER BY created_us, number",
                (now_us + LATEST_AHEAD_US,),
            ).fetchall()
        return [_File(*row) for row in rows]

    @staticmethod
    def _needed(connection: sqlite3.Connection, file: _File, undated_due_us: int) -> str:
        """Tell what still needs a file, empty when nothing does."""
        reasons = [
            f"sink {name} has not read it"
            for (name,) in connection.execute(
                "SELECT sink.name FROM sink LEFT JOIN cursor ON cursor.sink = sink.name AND cursor.node = ?1 "
                "WHERE EXISTS (SELECT 1 FROM chunk WHERE file = ?2 AND "
                "(coalesce(cursor.number, 0) < ?3 OR (cursor.number = ?3 AND chunk.offset >= "
                "cursor.offset)))",
                (file.node, file.key, file.number),
            )
        ]
        (opaque,) = connection.execute(
            "SELECT count(*) FROM chunk WHERE file = ? AND opaque IS NOT NULL", (file.key,)
        ).fetchone()
        if opaque and file.created_us >= undated_due_us:
            reasons.append("its schema is not known yet")
        if file.undated and file.created_us >= undated_due_us:
            reasons.append("its time is not known yet")
        return ", ".join(reasons)

    @staticmethod
    def _doom(connection: sqlite3.Connection, file: _File) -> None:
        """Take a file out of the index: from here on its minutes are not computed from files again."""
        boots = [
            row[0]
            for row in connection.execute("SELECT DISTINCT boot FROM chunk WHERE file = ?", (file.key,))
        ]
        connection.execute("DELETE FROM chunk WHERE file = ?", (file.key,))
        connection.execute("UPDATE file SET state = 2 WHERE id = ?", (file.key,))
        if file.utc_end is not None:
            floor_s = -(-file.utc_end // 60_000_000) * 60
            connection.execute(
                "UPDATE node SET raw_floor_s = max(raw_floor_s, ?) WHERE id = ?", (floor_s, file.node)
            )
        for boot in boots:
            thin_points(connection, boot)

    def _blocks(self, tier: Tier, floor: str, due_s: int, limit: int | None, report: RetentionReport) -> None:
        """Delete the blocks of a tier that are due, and what is left of finer ones of their time."""
        with self.index.write() as connection:
            if limit is not None:
                due_s = max(due_s, self._due_by_size(connection, tier, limit))
            until_s = tier.block_of(due_s)
            nodes = connection.execute(f"SELECT id, name FROM node WHERE {floor} < ?", (until_s,)).fetchall()
            for node, name in nodes:
                self.roll_up.run((node, name))  # what is still marked belongs into the blocks above first
                report.blocks += connection.execute(
                    "DELETE FROM rollup WHERE node = ? AND tier <= ? AND block_s < ?",
                    (node, tier.number, until_s),
                ).rowcount
                # From here on, late samples of this time are added to the tiers that are left.
                for raised in _FLOORS[: tier.number + 2]:
                    connection.execute(
                        f"UPDATE node SET {raised} = max({raised}, ?) WHERE id = ?", (until_s, node)
                    )
                if tier is HOUR:
                    connection.execute(
                        "DELETE FROM changed WHERE node = ? AND hour_s < ? "
                        "AND revision < (SELECT max(revision) FROM changed)",
                        (node, until_s),
                    )

    @staticmethod
    def _due_by_size(connection: sqlite3.Connection, tier: Tier, limit: int) -> int:
        """Return the time before which blocks must go for the rest to fit."""
        total = 0
        for block_s, size in connection.execute(
            "SELECT block_s, sum(length(data)) FROM rollup WHERE tier = ? GROUP BY block_s "
            "ORDER BY block_s DESC",
            (tier.number,),
        ):
            total += size
            if total > limit:
                return int(block_s) + tier.block_s
        return 0

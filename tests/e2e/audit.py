"""What an audit compares: logs and ledger of the nodes with archive, statistics and InfluxDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from custom_components.microgrid.statistics import statistic_id
from microgrid_core.codec.umg1.frame import Kind, Scan
from microgrid_core.codec.umg1.log import log_files, open_log
from microgrid_core.codec.umg1.segment import FileScan
from microgrid_core.contract.messages import LogAck, parse_log_ack
from microgrid_core.contract.topics import LOG_ACK, Topic
from microgrid_core.influx.layout import layout
from microgrid_core.influx.tiers import DATABASE, HOURS
from script.lab.client import Json
from script.lab.influx import InfluxServer
from script.lab.lab import SWARM, Lab
from simulator.ledger import GATEWAY_COUNTERS, HOUSE_COUNTERS, Truth, read_ledger

TOLERANCE = 1e-3
STEP_WH = 1.1
"""Counts are rounded to a tenth by the sensor and to one by the log: so far off is a difference at most."""

Position = tuple[int, int]
Hours = Mapping[str, float]
"""Wh by hour (`2026-11-21T10:00:00Z`)."""


def kind_of(node: str) -> str:
    """Return the kind of a simulated node."""
    return node.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Books:
    """What is true at one moment, and what was written down of it."""

    frames: Mapping[str, Mapping[Position, bytes]]
    """All frames that nodes have written, in the order of their logs."""
    truth: Truth
    hours: tuple[str, ...]
    """Whole ones whose end is in the log of every node, without the first: nothing is known before it."""

    @classmethod
    def open(cls, log: Path, ledger: Path) -> Books:
        """Read what there is now, which may be written on."""
        truth = read_ledger(ledger)
        frames = {
            path.stem: {
                (frame.boot_id, frame.seq): frame.encode() for frame in Scan(path.read_bytes(), final=False)
            }
            for path in sorted(log.glob("*.umg1"))
        }
        hours = sorted({hour for _, hour in truth.energies})
        return cls(frames, truth, tuple(hours[1:-1]))

    def unwritten(self) -> list[str]:
        """Return which frames the ledger knows that are in no log of their node."""
        return [
            f"{node}: boot {boot_id:08x} has {last_seq}, its log has not"
            for (node, boot_id), last_seq in self.truth.last_seq.items()
            if (boot_id, last_seq) not in self.frames[node]
        ]

    def unacknowledged(self, lab: Lab) -> list[str]:
        """Return which nodes were not told yet that all of this is stored."""
        found = []
        for node, frames in self.frames.items():
            boot_id, seq = list(frames)[-1]
            payload = lab.watcher.newest.get(str(Topic(SWARM, node, LOG_ACK)), b"")
            ack = parse_log_ack(payload)
            if not isinstance(ack, LogAck) or ack.boot_id != boot_id or ack.seq < seq:
                found.append(f"{node}: acknowledged is {payload!r}, written {boot_id} {seq}")
        return found

    def energies(self) -> Iterator[tuple[str, str, Hours]]:
        """Yield node, counter and what flowed in each whole hour."""
        for node in self.frames:
            for key in HOUSE_COUNTERS if kind_of(node) == "house" else GATEWAY_COUNTERS:
                yield node, key, {hour: self.truth.energies[node, hour][key] for hour in self.hours}


def archive_faults(books: Books, archive: Path, copy: Path) -> list[str]:
    """Return what of the nodes' logs is missing in the archive, changed, double, or was never written.

    It is looked at in a copy: Home Assistant writes on.
    """
    found = []
    for node, written in books.frames.items():
        files = []
        for path in log_files([archive / "log" / node]):
            scan = Scan(data := path.read_bytes(), final=False)
            for _ in scan:
                pass
            files.append(copy / node / path.name)
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            files[-1].write_bytes(data[: scan.consumed])
        log = open_log(files)
        if log.damaged or log.malformed or log.gaps:
            found.append(f"{node}: damaged {log.damaged}, malformed {log.malformed}, gaps {log.gaps}")
        # Every file begins with the schemas that were known before it.
        lying = sum(frame.kind != Kind.SCHEMA for path in files for frame in FileScan(path))
        if lying != (once := int(np.sum(log.index["kind"] != Kind.SCHEMA))):
            found.append(f"{node}: {lying} frames for {once} positions: some are double")
        stored = {(frame.boot_id, frame.seq): frame.encode() for frame in log.frames()}
        missing = [place for place in written if place not in stored]
        changed = [place for place, frame in written.items() if stored.get(place, frame) != frame]
        boots = {boot_id for boot_id, _ in written}
        invented = {boot_id for boot_id, _ in stored} - boots
        for name, places in (("missing", missing), ("changed", changed), ("invented boots", invented)):
            if places:
                found.append(f"{node}: {len(places)} {name}: {list(places)[:5]}")
    return found


def deviations(node: str, key: str, wanted: Hours, got: Hours) -> list[str]:
    """Return the hours, and the sum of all, that are further off than a thousandth and a step of the log."""
    found = []
    for hour, energy in (*wanted.items(), ("all", sum(wanted.values()))):
        if hour == "all":
            value: float | None = sum(got.get(one, 0.0) for one in wanted)
        else:
            value = got.get(hour)
        if value is None or abs(value - energy) > TOLERANCE * energy + STEP_WH:
            found.append(f"{node} {key} {hour}: {value} Wh, the ledger has {energy:.2f} Wh")
    return found


async def statistics_faults(books: Books, lab: Lab) -> list[str]:
    """Compare the hour sums of Home Assistant's long-term statistics."""
    names = {(node, key): statistic_id(SWARM, node, key) for node, key, _ in books.energies()}
    rows: Json = await lab.hass.client.ws(
        "recorder/statistics_during_period",
        start_time=_before(books.hours[0]),
        period="hour",
        statistic_ids=sorted(names.values()),
        types=["sum"],
        units={"energy": "Wh"},
    )
    found = []
    for node, key, wanted in books.energies():
        sums = {row["start"] / 1000.0: row["sum"] for row in rows.get(names[node, key], [])}
        found += deviations(node, key, wanted, _growth(sums))
    return found


async def influx_faults(books: Books, lab: Lab, influx: InfluxServer) -> list[str]:
    """Compare what counters read at the end of the hours in the tier of a year."""
    found = []
    for node, key, wanted in books.energies():
        place = layout(kind_of(node)).places[key]
        query = (
            f'SELECT "{place.field}" FROM "{HOURS.name}"."{place.measurement}" '
            f"WHERE \"node\" = '{node}' AND time >= '{_before(books.hours[0])}'"
        )
        async with lab.hass.client.http.get(
            f"{influx.url}/query", params={"db": DATABASE, "q": query, "epoch": "s"}
        ) as response:
            response.raise_for_status()
            answer = await response.json()
        series = answer["results"][0].get("series", [{"values": []}])
        counts = {float(time_s): value for time_s, value in series[0]["values"]}
        if len(counts) != len(series[0]["values"]) or len(series) != 1:
            found.append(f"{node} {key}: points are double: {series}")
        found += deviations(node, key, wanted, _growth(counts))
    return found


def _growth(counts: Mapping[float, float]) -> dict[str, float]:
    """Return by how much each hour's count is above that of the hour before."""
    return {
        datetime.fromtimestamp(after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"): counts[after] - counts[before]
        for before, after in pairwise(sorted(counts))
        if after - before == 3600.0
    }


def _before(hour: str) -> str:
    return (datetime.fromisoformat(hour) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

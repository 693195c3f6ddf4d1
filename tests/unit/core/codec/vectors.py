"""The golden logs of contract/vectors/umg1, and what the codec finds in a log, in their words."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from microgrid_core.codec.umg1.content import content
from microgrid_core.codec.umg1.frame import Frame, Kind
from microgrid_core.codec.umg1.log import Log, open_log
from microgrid_core.codec.umg1.records import Boot, Clock, Event, Snapshot
from microgrid_core.codec.umg1.samples import Samples, summary_node
from microgrid_core.codec.umg1.schema import Schema
from microgrid_core.codec.umg1.wire import Malformed

FOLDER = Path(__file__).resolve().parents[4] / "contract" / "vectors" / "umg1"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
_RECORDS = {Boot: "boot", Clock: "clock", Event: "event", Snapshot: "snapshot"}


def expected(name: str) -> dict[str, Any]:
    """What must be found in a golden log."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def found(path: Path) -> dict[str, Any]:
    """What the codec finds in a file."""
    log = open_log([path])
    result: dict[str, Any] = {"frames": [], "records": [], "samples": []}
    malformed = set()
    for frame in log.frames():
        try:
            record = _record(frame)
        except Malformed:
            malformed.add(frame.seq)
        else:
            if record is not None:
                result["records"].append({"boot_id": frame.boot_id, "seq": frame.seq} | record)
    for row in log.index:
        result["frames"].append(
            {
                "position": int(row["position"]),
                "kind": int(row["kind"]),
                "seq": int(row["seq"]),
                "boot_id": int(row["boot"]),
                "mono_us": int(row["mono_us"]),
                "utc_us": int(row["utc_us"]),
                "schema_hash": int(row["schema"]),
                "size": int(row["size"]),
            }
        )
    for row in log.index[np.isin(log.index["kind"], [Kind.FAST, Kind.SLOW, Kind.SUMMARY])]:
        for _, samples in log.chunks(np.array([row]), [row["kind"]]):
            for each in samples.values():
                result["samples"].append(_run(log, int(row["seq"]), each))
    malformed |= {frame.seq for frame, _ in log.malformed}
    result["malformed"] = sorted(malformed)
    result["damaged"] = [[damage.start, damage.end] for damage in log.damaged]
    result["gaps"] = [dataclasses.asdict(gap) for gap in log.gaps]
    result["duplicates"] = log.duplicates
    if log.parts[0].header is not None:
        result["header"] = dataclasses.asdict(log.parts[0].header)
    return result


def _run(log: Log, seq: int, samples: Samples) -> dict[str, Any]:
    utc = log.utc_us(samples.boot_ids, samples.starts_us)
    valid = np.ones(len(samples.values), np.bool_) if samples.valid is None else samples.valid
    return {
        "boot_id": int(samples.boot_ids[0]),
        "seq": seq,
        "channel": samples.channel.id,
        "mono_us": int(samples.starts_us[0]),
        "utc_us": int(utc[0]) or None,
        "values": [int(one) if there else None for one, there in zip(samples.values, valid, strict=True)],
    }


def _record(frame: Frame) -> dict[str, Any] | None:
    if frame.kind == Kind.SUMMARY:
        return {"summary": summary_node(frame)}
    record = content(frame)
    if record is None:
        return None
    if isinstance(record, Schema):
        return {
            "schema": {
                "node": record.node,
                "cluster": record.cluster,
                "channels": [_channel(c) for c in record.channels],
            }
        }
    if isinstance(record, tuple):
        return {"can": [[one.mono_us, one.identifier, one.data.hex()] for one in record]}
    told: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(record)))
    return {_RECORDS[type(record)]: told}


def _channel(channel: Any) -> dict[str, Any]:
    told = dataclasses.asdict(channel)
    return told | {"group": int(told.pop("fast"))}

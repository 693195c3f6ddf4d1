"""Schedules: what a battery does in every half hour, who may replace it, and how it reports.

`parse_schedule` reads its form, `check_schedule` judges its rules and `decide` orders it by its revision. All
reasons are given at once; a schedule is stored whole or not at all.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, ParamSpec, TypeVar

from .messages import EVENT_ID, MAX_POWER_W, ScheduleCapability, ScheduleMode
from .reading import Fields, Refused, Rejection, RejectReason, decode_object, format_time, parser

SCHEMA = 1
INTERVAL = timedelta(minutes=30)
DURATION = "PT30M"
MAX_REVISION = 2**32 - 1
MAX_INTERVAL_ID = 2**16 - 1
MAX_INTERVALS = 7 * 48
MAX_CURVE_POINTS = 64
MAX_VALUE_PER_WH = 1000.0
MAX_REASONS = 32
DEFAULT_MODES = (ScheduleMode.IDLE, ScheduleMode.FOLLOW)
"""Modes that do no harm however long they last; only they can be the default."""
_POWER_MODES = (ScheduleMode.CHARGE, ScheduleMode.DISCHARGE)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_REASON = 255

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Interval:
    """Half an hour of a schedule."""

    id: int
    start: datetime
    mode: ScheduleMode
    rate_w: float | None = None
    """Power to charge or discharge with; for `follow` the most that may flow, None = what the unit can."""
    prices: tuple[float, float] | None = None
    """What one Wh from the grid costs and one fed into it earns, for `follow` by a value curve."""

    @property
    def end(self) -> datetime:
        """When the interval is over."""
        return self.start + INTERVAL


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a battery does from now until `valid_until`; outside of its intervals the default applies."""

    schedule_id: str
    revision: int
    issued_at: datetime
    valid_until: datetime
    default: ScheduleMode
    intervals: tuple[Interval, ...]
    value_curve: tuple[tuple[float, float], ...] = ()
    """Pairs of state of charge in % (rising) and the worth of one Wh stored there; used in mode `follow`."""


@dataclass(frozen=True, slots=True)
class RefusedSchedule(Rejection):
    """A schedule that could not be read: `reason` and `detail` of the first fault, `reasons` of all."""

    reasons: tuple[str, ...]
    schedule_id: str | None = None
    revision: int | None = None


class Decision(Enum):
    """What becomes of a schedule that arrives while another is held."""

    NEWER = "newer"
    """Check it, store it, then acknowledge."""
    SAME = "same"
    """Held already: acknowledge again, run nothing twice."""
    SUPERSEDED = "superseded"
    """Older than what is held: acknowledge as superseded."""
    CONFLICT = "conflict"
    """Same revision, other content: reject."""


class Basis(StrEnum):
    """Why a battery does what it does."""

    INTERVAL = "interval"
    GAP = "gap"
    EXPIRED = "expired"
    NO_CLOCK = "no_clock"
    NO_SCHEDULE = "no_schedule"


@dataclass(frozen=True, slots=True)
class Instruction:
    """What to do now, and why."""

    mode: ScheduleMode
    basis: Basis
    rate_w: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What a node holds and does (retained)."""

    mode: ScheduleMode
    basis: Basis
    schedule_id: str | None = None
    revision: int | None = None
    digest: str | None = None
    interval_id: int | None = None
    rate_w: float | None = None
    time: datetime | None = None


class AckStatus(StrEnum):
    """What became of a schedule or of one of its intervals."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A node's answer to a schedule (without interval) or its report on one interval."""

    ack_id: str
    status: AckStatus
    schedule_id: str | None
    """None when the schedule was so broken that its id could not be read; so is the revision."""
    revision: int | None
    interval_id: int | None = None
    reasons: tuple[str, ...] = ()
    requested_rate_w: float | None = None
    actual_rate_w: float | None = None
    late: bool = False
    """The interval was joined after its start."""
    time: datetime | None = None


def _default(fields: Fields) -> ScheduleMode:
    if (mode := fields.object("default").numbered_choice("mode", ScheduleMode)) not in DEFAULT_MODES:
        raise Refused(RejectReason.BAD_VALUE, f"default.mode {mode} is none of {', '.join(DEFAULT_MODES)}")
    return mode


def _rate(fields: Fields, key: str) -> float | None:
    # Adding 0.0 turns -0.0 into 0.0, so that equal schedules have equal digests.
    return fields.number(key, 0.0, MAX_POWER_W) + 0.0 if fields.has(key) else None


def _prices(fields: Fields) -> tuple[float, float] | None:
    if not (fields.has("import_price") or fields.has("export_price")):
        return None
    # Only together do they say anything, so a single one is missing the other.
    bought, sold = (
        fields.number(key, -MAX_VALUE_PER_WH, MAX_VALUE_PER_WH) + 0.0
        for key in ("import_price", "export_price")
    )
    return bought, sold


def _interval(fields: Fields) -> Interval:
    mode = fields.numbered_choice("mode", ScheduleMode)
    if fields.has("duration"):
        fields.text("duration", pattern=re.compile(DURATION))
    if mode in _POWER_MODES:
        fields.number("rate_w", 0.0, MAX_POWER_W)
    return Interval(
        id=fields.integer("id", 0, MAX_INTERVAL_ID),
        start=fields.time("start"),
        mode=mode,
        rate_w=_rate(fields, "rate_w"),
        prices=_prices(fields),
    )


def _value_curve(fields: Fields) -> tuple[tuple[float, float], ...]:
    if not fields.has("value_curve"):
        return ()
    return tuple(
        (pair.number("0", 0.0, 100.0) + 0.0, pair.number("1", -MAX_VALUE_PER_WH, MAX_VALUE_PER_WH) + 0.0)
        for pair in fields.pairs("value_curve", MAX_CURVE_POINTS)
    )


def _schema(fields: Fields) -> None:
    if (schema := fields.integer("schema", 1, 2**16)) > SCHEMA:
        raise Refused(RejectReason.PROTOCOL_TOO_NEW, f"schema {schema}, this side reads up to {SCHEMA}")


def parse_schedule(payload: bytes, now: datetime | None) -> Schedule | RefusedSchedule:
    """Read a schedule; `now` is None while the clock is not set. Intervals come back in the order of time."""
    faults: list[Rejection] = []

    def collect(read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        try:
            return read(*args, **kwargs)
        except Refused as refused:
            faults.append(refused.rejection)
            return None

    if (fields := collect(decode_object, payload)) is None:
        return RefusedSchedule(faults[0].reason, faults[0].detail, (faults[0].detail,))
    collect(_schema, fields)
    schedule_id = collect(fields.text, "schedule_id", pattern=EVENT_ID)
    revision = collect(fields.integer, "revision", 1, MAX_REVISION)
    issued_at = collect(fields.time, "issued_at", now)
    valid_until = collect(fields.time, "valid_until")
    default = collect(_default, fields)
    items = collect(fields.objects, "intervals", MAX_INTERVALS) or ()
    intervals = [collect(_interval, item) for item in items]
    value_curve = collect(_value_curve, fields)
    if faults:
        return RefusedSchedule(
            faults[0].reason, faults[0].detail, tuple(fault.detail for fault in faults), schedule_id, revision
        )
    assert schedule_id and revision and issued_at and valid_until and default  # nothing failed: all are there
    return Schedule(
        schedule_id=schedule_id,
        revision=revision,
        issued_at=issued_at,
        valid_until=valid_until,
        default=default,
        intervals=tuple(sorted(filter(None, intervals), key=lambda interval: (interval.start, interval.id))),
        value_curve=value_curve or (),
    )


def _clock(start: datetime, end: datetime) -> str:
    return f"{start:%H:%M}–{end:%H:%M}"


def _grid_faults(schedule: Schedule) -> list[str]:
    """Faults of the intervals among each other: ids, the half-hour grid, overlaps, the end of validity."""
    faults = []
    uses = Counter(interval.id for interval in schedule.intervals)
    faults += [f"interval id {number} is used {times} times" for number, times in uses.items() if times > 1]
    before: Interval | None = None
    for interval in sorted(schedule.intervals, key=lambda interval: interval.start):
        name = f"interval {interval.id}"
        start = interval.start
        if start.minute % 30 or start.second or start.microsecond:
            faults.append(f"{name} starts at {format_time(start)}, not on a half hour")
        if before is not None and start < before.end:
            faults.append(f"{name} overlaps {before.id} ({_clock(start, before.end)})")
        if interval.end > schedule.valid_until:
            faults.append(f"{name} ends after valid_until {format_time(schedule.valid_until)}")
        before = interval
    return faults


def _ability_faults(schedule: Schedule, capability: ScheduleCapability) -> list[str]:
    """Asked for, but beyond what the node declared."""
    limits_w = {
        ScheduleMode.CHARGE: capability.max_charge_w,
        ScheduleMode.DISCHARGE: capability.max_discharge_w,
    }
    faults = []
    if schedule.default is not ScheduleMode.IDLE and schedule.default not in capability.modes:
        faults.append(f"default: this node cannot {schedule.default}")
    for interval in schedule.intervals:
        name, rate_w = f"interval {interval.id}", interval.rate_w
        if interval.mode is ScheduleMode.IDLE:
            if rate_w:
                faults.append(f"{name} is idle and asks for {rate_w:g} W")
        elif interval.mode not in capability.modes:
            faults.append(f"{name}: this node cannot {interval.mode}")
        elif interval.mode in limits_w:
            limit_w = limits_w[interval.mode]
            if rate_w is None:
                faults.append(f"{name}: rate_w is missing")
            elif not 0 <= rate_w <= limit_w:
                faults.append(f"{name}: {interval.mode} with {rate_w:g} W is not within 0 … {limit_w:g} W")
    return faults


def check_schedule(
    schedule: Schedule, capability: ScheduleCapability | None, now: datetime | None
) -> tuple[str, ...]:
    """Return every reason to reject the schedule, none when it can be stored; `now` is None without clock."""
    if capability is None:
        return ("this node takes no schedules",)
    faults = []
    if now is not None and schedule.valid_until <= now:
        faults.append(f"valid_until {format_time(schedule.valid_until)} is over")
    faults += _grid_faults(schedule)
    faults += _ability_faults(schedule, capability)
    rising = [percent for percent, _ in schedule.value_curve]
    if any(after <= before for before, after in itertools.pairwise(rising)):
        faults.append("value_curve: the state of charge does not rise from point to point")
    return tuple(faults)


def describe_refusal(schedule_id: str | None, reasons: Sequence[str]) -> str:
    """Return the reasons as one line for a log or a notification."""
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"schedule {schedule_id or 'without id'}: {reasons[0]}{more}; nothing was stored"


def decide(current: Schedule | None, new: Schedule) -> Decision:
    """Order an arriving schedule by its revision, which rises per node whatever the schedule's id is."""
    if current is None or new.revision > current.revision:
        return Decision.NEWER
    if new.revision < current.revision:
        return Decision.SUPERSEDED
    return Decision.SAME if digest(new) == digest(current) else Decision.CONFLICT


def current_instruction(schedule: Schedule | None, now: datetime | None) -> Instruction:
    """Return what to do at `now`; `now` is None while the clock is not synchronised."""
    if schedule is None:
        return Instruction(ScheduleMode.IDLE, Basis.NO_SCHEDULE)
    if now is None:
        return Instruction(schedule.default, Basis.NO_CLOCK)
    if now >= schedule.valid_until:
        return Instruction(schedule.default, Basis.EXPIRED)
    for interval in schedule.intervals:
        if interval.start <= now < interval.end:
            return Instruction(interval.mode, Basis.INTERVAL, interval.rate_w, interval)
    return Instruction(schedule.default, Basis.GAP)


def schedule_state(schedule: Schedule | None, now: datetime | None) -> ScheduleState:
    """Return the state that a node publishes at `now` (None without a clock)."""
    instruction = current_instruction(schedule, now)
    return ScheduleState(
        mode=instruction.mode,
        basis=instruction.basis,
        schedule_id=schedule.schedule_id if schedule else None,
        revision=schedule.revision if schedule else None,
        digest=digest(schedule) if schedule else None,
        interval_id=instruction.interval.id if instruction.interval else None,
        rate_w=instruction.rate_w,
        time=now,
    )


def _canonical_json(value: Any) -> str:
    """Write JSON in the one form that digests are taken of (see contract/mqtt/README.md, digest)."""
    if isinstance(value, dict):
        items = (f"{json.dumps(key)}:{_canonical_json(item)}" for key, item in sorted(value.items()))
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical_json, value)) + "]"
    if isinstance(value, float):
        # The fewest digits that read back to the same double, without exponent.
        return format(Decimal(repr(value + 0.0)), "f").removesuffix(".0")
    return json.dumps(value)


def _interval_document(interval: Interval) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": interval.id,
        "start": format_time(interval.start),
        "duration": DURATION,
        "mode": interval.mode,
    }
    if interval.rate_w is not None:
        document["rate_w"] = float(interval.rate_w)
    if interval.prices is not None:
        document["import_price"], document["export_price"] = map(float, interval.prices)
    return document


def canonical(schedule: Schedule) -> bytes:
    """Write a schedule as it is published; equal schedules give equal bytes."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "schedule_id": schedule.schedule_id,
        "revision": schedule.revision,
        "issued_at": format_time(schedule.issued_at),
        "valid_until": format_time(schedule.valid_until),
        "default": {"mode": schedule.default},
        "intervals": [
            _interval_document(interval)
            for interval in sorted(schedule.intervals, key=lambda interval: (interval.start, interval.id))
        ],
    }
    if schedule.value_curve:
        document["value_curve"] = [[float(percent), float(worth)] for percent, worth in schedule.value_curve]
    return _canonical_json(document).encode()


def digest(schedule: Schedule) -> str:
    """Return the SHA-256 of the canonical form in hexadecimal."""
    return hashlib.sha256(canonical(schedule)).hexdigest()


def _time(fields: Fields, now: datetime) -> datetime | None:
    return fields.time("time", now) if fields.has("time") else None


def _held(fields: Fields) -> tuple[str | None, int | None, int | None]:
    """Read which schedule, revision and interval a report is about."""
    return (
        fields.text("schedule_id", pattern=EVENT_ID) if fields.has("schedule_id") else None,
        fields.integer("revision", 1, MAX_REVISION) if fields.has("revision") else None,
        fields.integer("interval_id", 0, MAX_INTERVAL_ID) if fields.has("interval_id") else None,
    )


@parser
def parse_schedule_state(payload: bytes, now: datetime) -> ScheduleState:
    """Read what a node holds and does."""
    fields = decode_object(payload)
    schedule_id, revision, interval_id = _held(fields)
    return ScheduleState(
        mode=fields.numbered_choice("mode", ScheduleMode),
        basis=fields.choice("basis", Basis),
        schedule_id=schedule_id,
        revision=revision,
        digest=fields.text("digest", pattern=_SHA256) if fields.has("digest") else None,
        interval_id=interval_id,
        rate_w=_rate(fields, "rate_w"),
        time=_time(fields, now),
    )


@parser
def parse_acknowledgement(payload: bytes, now: datetime) -> Acknowledgement:
    """Read what became of a schedule or of one of its intervals."""
    fields = decode_object(payload)
    schedule_id, revision, interval_id = _held(fields)
    return Acknowledgement(
        ack_id=fields.text("ack_id", pattern=EVENT_ID),
        status=fields.choice("status", AckStatus),
        schedule_id=schedule_id,
        revision=revision,
        interval_id=interval_id,
        reasons=fields.free_texts("reasons", MAX_REASONS, _MAX_REASON) if fields.has("reasons") else (),
        requested_rate_w=_rate(fields, "requested_rate_w"),
        actual_rate_w=_rate(fields, "actual_rate_w"),
        late=fields.flag("late") if fields.has("late") else False,
        time=_time(fields, now),
    )

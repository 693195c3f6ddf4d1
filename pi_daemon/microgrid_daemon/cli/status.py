"""The verb that says how the daemon is: for people, for scripts and for monitoring."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..status import RUN_FOLDER, STATUS, Condition, Seen, look
from .daemon import add_config
from .exit_codes import FAILED, FINE, NOT_RUNNING

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "status",
        help="say how the running daemon is",
        epilog="exit codes: 0 all is well, 1 it runs and something is wrong, 3 it does not run or hangs",
    )
    verb.add_argument("--json", action="store_true", help="print everything as JSON")
    add_config(verb)
    verb.set_defaults(run=_status)


async def _status(arguments: argparse.Namespace) -> int:
    seen = min((look(path) for path in _paths(arguments.config)), key=_worth)
    if arguments.json:
        print(json.dumps({"condition": seen.condition, **seen.document}, ensure_ascii=False, indent=1))
    else:
        print("\n".join(_lines(seen)))
    if seen.condition is not Condition.RUNS:
        return NOT_RUNNING
    return FAILED if seen.document.get("troubles") else FINE


def _paths(config: Path) -> Iterator[Path]:
    """Where the daemon writes as a service, and where when somebody started it by hand."""
    from ..config import DEFAULT_DATA, ConfigError, load

    yield RUN_FOLDER / STATUS
    try:
        yield load(config).data / STATUS
    except ConfigError:
        yield DEFAULT_DATA / STATUS


def _worth(seen: Seen) -> tuple[int, float]:
    return list(Condition).index(seen.condition), seen.age_s


def _lines(seen: Seen) -> Iterator[str]:
    document = seen.document
    if seen.condition is Condition.STOPPED:
        yield "microgrid-daemon does not run. Start it: sudo systemctl start microgrid-daemon"
        yield "Why it stopped: journalctl -u microgrid-daemon -n 20"
        return
    yield f"microgrid-daemon {seen.version} runs (process {seen.pid}, since {document.get('started')})"
    if seen.condition is Condition.HANGS:
        yield f"It has said nothing for {seen.age_s:.0f} s: sudo systemctl restart microgrid-daemon"
    broker, outbox = _part(document, "broker"), _part(document, "outbox")
    state = "connected" if broker.get("connected") else "NOT CONNECTED"
    yield f"broker    {broker.get('address')}, {'TLS' if broker.get('tls') else 'no TLS'}: {state}"
    yield f"outbox    {outbox.get('waiting')} wait for the broker, {outbox.get('dropped')} dropped"
    for one in _parts(document, "inverters"):
        yield f"inverter  {_inverter(one)}"
    for one in _parts(document, "batteries"):
        yield f"battery   {_battery(one)}"
    for one in _parts(document, "sensors"):
        yield f"sensor    {one.get('topic')}: {_value(one)}"
    for trouble in document.get("troubles", ()):
        yield f"WRONG     {trouble}"
    for one in _parts(document, "errors"):
        yield f"log       {one.get('time')} {one.get('node', '')} {one.get('message')}"


def _inverter(one: Mapping[str, Any]) -> str:
    if one.get("serial_number") is None:
        return f"{one.get('node')}: {one.get('trouble')}"
    return (
        f"{one.get('node')}: {one['serial_number']}, {one.get('model')} at {one.get('place')},"
        f" read {_ago(one.get('age_s'))}, {one.get('poll_errors')} errors"
    )


def _battery(one: Mapping[str, Any]) -> str:
    rate = "" if one.get("rate_w") is None else f" {one['rate_w']:g} W"
    held = (
        "no schedule"
        if one.get("revision") is None
        else f"schedule {one.get('schedule_id')} revision {one['revision']} until {one.get('valid_until')}"
    )
    return f"{one.get('node')}: {one.get('mode')}{rate} ({one.get('basis')}), {held}"


def _value(one: Mapping[str, Any]) -> str:
    if one.get("value") is None:
        return "nothing yet"
    return f"{one['value']} {one.get('unit') or ''}".rstrip() + f", {_ago(one.get('age_s'))}"


def _ago(age_s: object) -> str:
    return f"{age_s:.0f} s ago" if isinstance(age_s, (int, float)) else "never"


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = document.get(key)
    return part if isinstance(part, dict) else {}


def _parts(document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    parts = document.get(key)
    return [one for one in parts if isinstance(one, dict)] if isinstance(parts, list) else []

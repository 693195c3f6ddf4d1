"""Verbs for whoever stands beside an inverter: find it, ask it, look at its settings and change them.

They open the device themselves; while the daemon runs it holds the device, and they say so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..identity import TRIES, Identity, identify
from ..inverter import Inverter, Status
from ..pi30 import setters, warnings
from ..pi30.decode import Reply, query_of, units_of
from ..pi30.models import Family
from ..pi30.rejection import Rejection
from ..pi30.settings import (
    SETTINGS,
    Change,
    ChargingCurrent,
    Count,
    SettingValue,
    Switch,
    Voltage,
    offered,
    value_of,
)
from ..pi30.table import QUERIES
from ..transport.link import Link
from ..transport.place import Place, place_of, usb_places
from .exit_codes import FAILED, FINE, UNUSABLE

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_ON, _OFF = ("on", "true", "yes", "1"), ("off", "false", "no", "0")


class _Unreachable(Exception):
    """No inverter can be talked to; the text says why."""


def add_commands(verbs: Verbs) -> None:
    """Add the verbs."""
    verb = verbs.add_parser("list", help="find inverters")
    verb.add_argument(
        "--serial", metavar="PATH", action="append", default=[], help="also ask at a serial port"
    )
    verb.set_defaults(run=_list)

    verb = verbs.add_parser(
        "command", help="ask an inverter, as with QPIGS", epilog=f"commands: {' '.join(QUERIES)}"
    )
    verb.add_argument("command", metavar="COMMAND", help="a command that asks")
    verb.add_argument("--json", action="store_true", help="print the values as JSON")
    _add_device(verb)
    verb.set_defaults(run=_command)

    verb = verbs.add_parser("settings", help="show the settings that an inverter has and what they are")
    _add_device(verb)
    verb.set_defaults(run=_settings)

    verb = verbs.add_parser("set", help="change a setting, and prove it by reading back")
    verb.add_argument("key", choices=sorted(SETTINGS), metavar="SETTING", help="see `settings`")
    verb.add_argument("value", metavar="VALUE")
    verb.add_argument("--yes", action="store_true", help="do not ask")
    _add_device(verb)
    verb.set_defaults(run=_set)


def _add_device(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", metavar="PATH", help="as /dev/hidraw0 or /dev/ttyUSB0; else the one on USB")
    verb.add_argument(
        "--family", choices=[family.value for family in Family], help="where the model does not tell it"
    )


@asynccontextmanager
async def _opened(arguments: argparse.Namespace) -> AsyncIterator[Link]:
    """A link to the inverter that is meant; raises _Unreachable."""
    places = [place_of(arguments.device)] if arguments.device else usb_places()
    if not places:
        raise _Unreachable("no inverter is on USB: name a serial port with --device")
    if len(places) > 1:
        raise _Unreachable(f"several are on USB: choose with --device from {_names(places)}")
    link = Link(lambda: places)
    try:
        yield link
    finally:
        await link.close()


def _names(places: list[Place]) -> str:
    return ", ".join(place.name for place in places)


@asynccontextmanager
async def _identified(arguments: argparse.Namespace) -> AsyncIterator[tuple[Link, Identity]]:
    """A link and who is there; raises _Unreachable."""
    async with _opened(arguments) as link:
        found = await identify(link, Family(arguments.family) if arguments.family else None, tries=TRIES)
        if isinstance(found, Rejection):
            raise _Unreachable(found.detail)
        yield link, found


async def _identify_at(place: Place) -> Identity | Rejection:
    link = Link(lambda: [place])
    try:
        return await identify(link, tries=TRIES)
    finally:
        await link.close()


async def _list(arguments: argparse.Namespace) -> int:
    found = False
    for place in [*usb_places(), *map(place_of, arguments.serial)]:
        identity = await _identify_at(place)
        if isinstance(identity, Rejection):
            print(f"{place.name}: {identity.detail}")
            continue
        found = True
        family = identity.profile.title if identity.profile is not None else "unknown family, read only"
        print(
            f"{place.name}: {identity.serial_number}, {identity.model} ({family}),"
            f" firmware {identity.firmware or 'unknown'}, {identity.protocol}"
        )
    if not found:
        return _fail("no inverter answered; for one on a serial port give --serial PATH")
    return FINE


async def _command(arguments: argparse.Namespace) -> int:
    command = arguments.command
    if query_of(command) is None:
        if setters.setter_of(command) is not None:
            return _misused(f"{command} changes a setting: use `microgrid-daemon set`")
        return _misused(f"{command} is no command that asks; there are {' '.join(QUERIES)}")
    try:
        # Only the family tells what some places of a reply mean.
        async with _identified(arguments) as (link, identity):
            answer = await link.request(command)
            layout = link.layout
    except _Unreachable as error:
        return _fail(str(error))
    if isinstance(answer, Rejection):
        return _fail(answer.detail)
    if arguments.json:
        print(json.dumps(answer.values, ensure_ascii=False))
        return FINE
    units = units_of(command, layout)
    width = max(map(len, answer.values), default=0)
    for name, value in answer.values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else value
        print(f"{name:<{width}}  {shown} {units.get(name, '')}".rstrip())
    if command == "QPIWS":
        _print_alarms(answer, identity)
    return FINE


def _print_alarms(answer: Reply, identity: Identity) -> None:
    alarms = warnings.interpret(answer.values, identity.profile.family if identity.profile else None)
    print(f"warnings: {', '.join(alarms.warnings) or 'none'}")
    print(f"faults: {', '.join(alarms.faults) or 'none'}")


async def _settings(arguments: argparse.Namespace) -> int:
    try:
        async with _identified(arguments) as (link, identity):
            inverter = Inverter(link, identity)
            for query in sorted({setting.kind.query for setting in SETTINGS.values()}):
                await inverter.ask(query)
            known = inverter.known
    except _Unreachable as error:
        return _fail(str(error))
    possible = offered(known, SETTINGS)
    if not possible:
        return _fail(f"nothing can be set: {identity.model} is of no family whose commands are known")
    for setting in possible:
        value = value_of(setting.key, known)
        print(f"{setting.key:<32}  {'–' if value is None else value!s:<18}  {setting.title}")
    return FINE


def _read(key: str, text: str) -> SettingValue | None:
    """Read a value as the setting wants it; None for what is none."""
    kind = SETTINGS[key].kind
    if isinstance(kind, Switch):
        return True if text.lower() in _ON else False if text.lower() in _OFF else None
    if isinstance(kind, (Voltage, Count, ChargingCurrent)):
        try:
            return float(text) if isinstance(kind, Voltage) else int(text)
        except ValueError:
            return None
    return text


async def _set(arguments: argparse.Namespace) -> int:
    value = _read(arguments.key, arguments.value)
    if value is None:
        return _misused(f"{arguments.key}: {arguments.value!r} is no value for it")
    change = Change(arguments.key, value)
    if not arguments.yes:
        if not sys.stdin.isatty():
            return _misused("nobody can be asked here: say --yes if it shall be written")
        question = f"write {change.key} = {change.value} to the inverter? Type yes: "
        if await asyncio.to_thread(input, question) != "yes":
            return _fail("nothing was written")
    try:
        async with _identified(arguments) as (link, identity):
            outcome = await Inverter(link, identity, enabled=[change.key]).change(change)
    except _Unreachable as error:
        return _fail(str(error))
    if not outcome.good:
        return _fail(outcome.detail)
    was = "was so already" if outcome.status is Status.UNCHANGED else f"was {outcome.before}, read back"
    print(f"{change.key} = {outcome.after} ({was})")
    return FINE


def _fail(text: str) -> int:
    print(f"microgrid-daemon: {text}", file=sys.stderr)
    return FAILED


def _misused(text: str) -> int:
    print(f"microgrid-daemon: {text}", file=sys.stderr)
    return UNUSABLE

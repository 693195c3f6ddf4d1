"""`microgrid plan` and `microgrid energy replay`: batteries planned and judged on CSV files."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from ..contract.encode import schedule_payload
from ..contract.messages import ScheduleCapability, ScheduleMode
from ..energy.advice import expect_from
from ..energy.battery import Battery
from ..energy.dispatch import schedule_of
from ..energy.explain import explain
from ..energy.history import History
from ..energy.planning import DEFAULT_TIE, Outlook, Plan, filled_by_day, plan
from ..energy.policies import all_policies
from ..energy.replay import Comparison, compare
from ..energy.stochastic import plan_under_uncertainty
from ..energy.tariff import Fixed, Period, PriceSource, TimeOfUse
from .energy_csv import Columns, Table, UnusableFile, read_table

FINE, UNUSABLE = 0, 2


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Declare `microgrid plan`."""
    parser.description = (
        "Plan a battery for the rows of a file. When the last rows have no load, the rows before them are "
        "the past, from which the load to come is forecast by the hour; else the loads are taken as expected."
    )
    _add_file(parser)
    _add_battery(parser)
    parser.add_argument("--soc", type=float, default=50.0, metavar="PERCENT", help="state of charge now (50)")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="the plan, for programs")
    shown.add_argument(
        "--schedule",
        action="store_true",
        help="the schedule document that a battery executes, see contract/mqtt",
    )
    parser.set_defaults(run=_plan)


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs of `microgrid energy`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    text = "what each policy would have cost on measured load, solar yield and prices"
    replay = verbs.add_parser("replay", help=text, description=f"{text[0].upper()}{text[1:]}.")
    _add_file(replay)
    _add_battery(replay)
    replay.add_argument(
        "--skip-days",
        type=float,
        default=28.0,
        metavar="DAYS",
        help="that forecasts learn from, not billed (28)",
    )
    replay.add_argument(
        "--day-ahead", action="store_true", help="prices of tomorrow are known from 13:00 on; else always"
    )
    replay.add_argument("--json", action="store_true", help="for programs")
    replay.set_defaults(run=_replay)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="CSV, or .csv.gz: time, load_kwh, solar_kwh, import_price, export_price",
    )
    for name, title in (("load", "load_kwh"), ("solar", "solar_kwh")):
        parser.add_argument(f"--{name}", default=title, metavar="COLUMN", help=f"default {title}")
    parser.add_argument(
        "--import-column", default="import_price", metavar="COLUMN", help="default import_price"
    )
    parser.add_argument(
        "--export-column", default="export_price", metavar="COLUMN", help="default export_price"
    )
    parser.add_argument(
        "--solar-factor",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="of the column, e.g. kWp of a yield per kWp",
    )
    parser.add_argument(
        "--price",
        type=float,
        metavar="PRICE",
        help="import price per kWh without a column, outside of --period",
    )
    parser.add_argument(
        "--period",
        type=_period,
        action="append",
        default=[],
        metavar="HH:MM-HH:MM=PRICE",
        help="time of use; repeatable",
    )
    parser.add_argument(
        "--feed-in", type=float, default=0.0, metavar="PRICE", help="export price without a column (0)"
    )
    parser.add_argument(
        "--timezone", type=_zone, default=UTC, metavar="NAME", help="of the wall clock, default UTC"
    )


def _add_battery(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--capacity", type=float, required=True, metavar="KWH")
    parser.add_argument(
        "--power", type=float, required=True, metavar="KW", help="to charge and to discharge with"
    )
    parser.add_argument("--efficiency", type=float, default=0.95, metavar="SHARE", help="one way (0.95)")
    parser.add_argument("--wear", type=float, default=0.0, metavar="PRICE", help="for each kWh taken out (0)")
    parser.add_argument("--reserve", type=float, default=0.0, metavar="PERCENT", help="kept for outages (0)")


def _period(text: str) -> Period:
    times, _, price = text.partition("=")
    start, _, end = times.partition("-")
    try:
        return Period(float(price), start, end)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; such as 16:00-21:00=0.54 is needed") from None


def _zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time zone such as Europe/Berlin") from None


def _battery(arguments: argparse.Namespace) -> Battery:
    return Battery(
        arguments.capacity,
        arguments.power,
        arguments.power,
        arguments.efficiency,
        arguments.efficiency,
        arguments.wear,
        arguments.reserve / 100.0,
    )


def _table(arguments: argparse.Namespace) -> Table:
    columns = Columns(arguments.load, arguments.solar, arguments.import_column, arguments.export_column)
    table = read_table(arguments.file, columns, arguments.timezone)
    bought, sold = table.import_price, table.export_price
    if bought is None:
        if arguments.price is None:
            raise UnusableFile(
                f"{arguments.file}: no column {arguments.import_column}; "
                "name it with --import-column, or give --price"
            )
        source: PriceSource = Fixed(arguments.price)
        if arguments.period:
            source = TimeOfUse(arguments.timezone, arguments.price, tuple(arguments.period))
        bought = [_known(source.at(start)) for start in table.starts]
    if sold is None:
        sold = [arguments.feed_in] * len(bought)
    solar = [kwh * arguments.solar_factor for kwh in table.solar_kwh]
    return dataclasses.replace(table, solar_kwh=solar, import_price=bought, export_price=sold)


def _known(price: float | None) -> float:
    return math.nan if price is None else price


# ------------------------------------------------------------------------------------------------------- plan


def _plan(arguments: argparse.Namespace) -> int:
    try:
        table = _table(arguments)
    except UnusableFile as error:
        print(f"microgrid: {error}", file=sys.stderr)
        return UNUSABLE
    battery = _battery(arguments)
    stored = battery.stored_kwh(arguments.soc)
    start, found = _planned(table, battery, stored, arguments.timezone)
    for remark in found.remarks:
        print(f"microgrid: {remark}", file=sys.stderr)
    if arguments.schedule:
        power_w = 1000.0 * arguments.power
        schedule = schedule_of(
            found,
            start,
            battery,
            ScheduleCapability(tuple(ScheduleMode), power_w, power_w),
            schedule_id=f"plan-{start:%Y-%m-%dT%H:%M}",
            revision=1,
            issued_at=start,
        )
        print(schedule_payload(schedule).decode())
        return FINE
    rows = list(_rows(found, start, battery))
    if arguments.json:
        print(json.dumps({"cost": found.cost, "worth_per_kwh": found.worth(), "steps": rows}, indent=2))
        return FINE
    print(
        f"{'time':16} {'net kW':>8} {'battery kW':>10} {'grid kW':>8} {'charge %':>8} "
        f"{'price':>8} {'worth':>8}"
    )
    for row in rows:
        when = datetime.fromisoformat(row["start"]).astimezone(arguments.timezone)
        print(
            f"{when:%Y-%m-%d %H:%M} {row['net_kw']:8.2f} {row['battery_kw']:10.2f} {row['grid_kw']:8.2f} "
            f"{row['state_of_charge']:8.1f} {row['import_price']:8.4f} {row['worth']:8.4f}"
        )
    print(f"expected bill {found.cost:.2f}; a stored kWh is worth {found.worth():.4f} now")
    print(explain(found, start, arguments.timezone))
    return FINE


def _planned(table: Table, battery: Battery, stored_kwh: float, zone: tzinfo) -> tuple[datetime, Plan]:
    """Return the plan of a file and when it begins."""
    assert table.import_price is not None and table.export_price is not None
    step_h = table.step / timedelta(hours=1)
    now = next((at for at, kwh in enumerate(table.load_kwh) if math.isnan(kwh) and _empty(table, at)), None)
    if not now:
        net = [load - solar for load, solar in zip(table.load_kwh, table.solar_kwh, strict=True)]
        outlook = Outlook(step_h, net, table.import_price, table.export_price)
        return table.start, plan(outlook, battery, stored_kwh, tie=DEFAULT_TIE)
    an_hour = round(1.0 / step_h)
    hours = (len(table.load_kwh) - now) // an_hour
    expectation, first_hour = expect_from(
        table.starts[:now], table.load_kwh[:now], table.solar_kwh[:now], table.starts[now], zone, hours
    )
    bought, sold = (
        [math.fsum(column[at : at + an_hour]) / an_hour for at in range(now, now + hours * an_hour, an_hour)]
        for column in (table.import_price, table.export_price)
    )
    found = plan_under_uncertainty(expectation, bought, sold, battery, stored_kwh, first_hour=first_hour)
    return table.starts[now], found


def _empty(table: Table, start: int) -> bool:
    """Whether no load is known from a row on."""
    return all(map(math.isnan, table.load_kwh[start:]))


def _clean(power_kw: float) -> float:
    return round(power_kw, 6) + 0.0  # no -0.0


def _rows(found: Plan, start: datetime, battery: Battery) -> Any:
    outlook = found.outlook
    for step, (given, grid) in enumerate(zip(found.battery_kwh, found.grid_kwh, strict=True)):
        yield {
            "start": (start + step * timedelta(hours=outlook.step_h)).isoformat(),
            "net_kw": _clean(outlook.net_kwh[step] / outlook.step_h),
            "battery_kw": _clean(given / outlook.step_h),
            "grid_kw": _clean(grid / outlook.step_h),
            "state_of_charge": battery.state_of_charge_percent(found.stored_kwh[step + 1]),
            "import_price": outlook.import_price[step],
            "export_price": outlook.export_price[step],
            "worth": found.worth(step + 1),
        }


# ----------------------------------------------------------------------------------------------------- replay


def _replay(arguments: argparse.Namespace) -> int:
    try:
        table = _table(arguments)
    except UnusableFile as error:
        print(f"microgrid: {error}", file=sys.stderr)
        return UNUSABLE
    history = _history(table, arguments.timezone)
    skip = round(arguments.skip_days * 24.0 / history.step_h)
    if skip >= len(history):
        print(
            f"microgrid: {arguments.file} has {history.days:.1f} days, of which {arguments.skip_days:g} "
            "are not billed; lower --skip-days",
            file=sys.stderr,
        )
        return UNUSABLE
    found = compare(history, _battery(arguments), all_policies(arguments.day_ahead), skip=skip)
    if arguments.json:
        print(json.dumps([_numbers(one) for one in found], indent=2))
        return FINE
    print(f"{history.days - skip * history.step_h / 24.0:.1f} days billed")
    print(f"{'policy':28} {'bill':>10} {'saved':>8} {'over rule':>10} {'of possible':>12}")
    for one in found:
        shares = (
            f"{_percent(share):>{width}}" for share, width in zip(_shares(one), (8, 10, 12), strict=True)
        )
        print(f"{one.policy:28} {one.bill:10.2f} {' '.join(shares)}")
    return FINE


def _history(table: Table, zone: tzinfo) -> History:
    assert table.import_price is not None and table.export_price is not None
    a_day = round(timedelta(days=1) / table.step)
    load, solar, bought, sold = (
        np.array(filled_by_day(column, len(column), a_day)[0])
        for column in (table.load_kwh, table.solar_kwh, table.import_price, table.export_price)
    )
    return History(table.start, table.step / timedelta(hours=1), load, solar, bought, sold, zone)


def _shares(one: Comparison) -> tuple[float, float, float]:
    return one.saving, one.saving_over_rule, one.captured


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100.0 * share:.1f} %"


def _numbers(one: Comparison) -> dict[str, Any]:
    saving, over_rule, captured = (None if math.isnan(share) else share for share in _shares(one))
    shares = {"saving": saving, "saving_over_rule": over_rule, "captured": captured}
    return dataclasses.asdict(one) | shares

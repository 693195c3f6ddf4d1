"""How fast batteries are planned, beside HiGHS on the same cases, and what each policy costs on houses.

    .venv/bin/python -m tests.bench.bench_energy [--part speed|policies] [--write docs/energy.md]

Recorded houses are read from the folder that MICROGRID_RECORDINGS names; without it only those of the
simulator are replayed. Times are CPU times of one thread, beside those of HiGHS in the same run; gaps are
differences of the cost.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from microgrid_core.energy.battery import Battery
from microgrid_core.energy.forecast import QUANTILES
from microgrid_core.energy.history import History
from microgrid_core.energy.joint import House, Network, plan_jointly
from microgrid_core.energy.planning import plan, usual_worth
from microgrid_core.energy.policies import (
    CheapestHours,
    FixedSetPoints,
    NoBattery,
    PerfectForesight,
    Policy,
    SelfConsumption,
    Stochastic,
    ValueCurve,
)
from microgrid_core.energy.replay import Comparison, compare
from microgrid_core.energy.stochastic import Grid

from .energy_cases import Case, draw, with_negative_prices
from .energy_houses import day_ahead, flat, recorded, simulated, time_of_use
from .energy_oracle import Wanted, highspy, optimum

SPEED, POLICIES, END = "<!-- speed -->", "<!-- policies -->", "<!-- end of {} -->"
BATTERY = Battery(9.0, 5.0, 5.0)
SKIP_DAYS = 28
GRIDS = (
    ("24 h × 30 min", 48, 0.5),
    ("48 h × 30 min", 96, 0.5),
    ("48 h × 15 min", 192, 0.25),
    ("48 h × 5 min", 576, 1 / 12),
)
FLEET, FLEET_ORACLE = 10_000, 200


def say(text: str) -> None:
    """Tell the progress without spoiling the table."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine() -> str:
    """Describe the machine and the versions."""
    return (
        f"{os.cpu_count()}-core {platform.machine().replace('_', '-')}, {platform.system()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, HiGHS {highspy.Highs().version()}"
    )


def timed(run: Callable[[], object], times: int) -> float:
    """Return the CPU time of the middle of some runs in ms."""
    run()
    found = []
    for _ in range(times):
        start = time.thread_time()
        run()
        found.append(time.thread_time() - start)
    return 1e3 * median(found)


# ------------------------------------------------------------------------------------------------------ speed


def planned_cost(case: Case) -> float:
    """Return what the optimum counts: the bill less what stays stored."""
    found = plan(case.outlook, case.battery, case.stored_kwh, terminal_worth=case.terminal_worth)
    return found.cost - case.terminal_worth * found.stored_kwh[-1]


def plan_of(case: Case) -> None:
    """Plan and forget."""
    plan(case.outlook, case.battery, case.stored_kwh, terminal_worth=case.terminal_worth)


def plans_of(cases: Sequence[Case]) -> None:
    """Plan them all, one after the other."""
    for case in cases:
        plan_of(case)


def speed() -> str:
    """Return the table of times as Markdown."""
    load = os.getloadavg()[0]
    rows, budgets = [], []
    dice = np.random.default_rng(1)
    for name, steps, step_h in GRIDS:
        say(name)
        cases = [draw(dice, steps, step_h) for _ in range(9)]
        gap = max(abs(planned_cost(case) - optimum(case)) for case in cases)
        ours = median([timed(partial(plan_of, case), 5) for case in cases])
        theirs = median([timed(partial(optimum, case), 3) for case in cases[:5]])
        rows.append((f"one battery, {name}", ours, theirs, f"{gap:.0e}"))
        if name == GRIDS[-1][0]:
            budgets.append(f"one battery, {name}: {ours:.1f} ms, at most 10: {kept(ours <= 10.0)}")
    say("negative prices")
    negative = [with_negative_prices(draw(dice, 48, 0.5), dice) for _ in range(20)]
    gap = max(abs(planned_cost(case) - optimum(case, Wanted(exclusive=True))) for case in negative)
    ours = median([timed(partial(plan_of, case), 3) for case in negative])
    theirs = median([timed(partial(optimum, case, Wanted(exclusive=True)), 1) for case in negative])
    rows.append(("one battery, 24 h × 30 min, negative prices (HiGHS: integers)", ours, theirs, f"{gap:.0e}"))
    say(f"{FLEET} batteries")
    fleet = [draw(dice, 48, 0.5) for _ in range(FLEET)]
    start = time.thread_time()
    plans_of(fleet)
    ours = 1e3 * (time.thread_time() - start)
    start = time.thread_time()
    for case in fleet[:FLEET_ORACLE]:
        optimum(case)
    theirs = 1e3 * (time.thread_time() - start) * FLEET / FLEET_ORACLE
    name = f"{FLEET} batteries, 24 h × 30 min, one core (HiGHS: {FLEET_ORACLE}, scaled up)"
    rows.append((name, ours, theirs, ""))
    budgets.append(f"{FLEET} batteries: {ours / 1e3:.1f} s, at most 5: {kept(ours <= 5000.0)}")
    text = [
        f"CPU time of one thread. {machine()}; load of the machine before the run {load:.1f}.",
        "",
        "| | ours, ms | HiGHS, ms | HiGHS : ours | largest gap |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {what} | {one:.2f} | {other:.1f} | {other / one:.1f} | {gap} |"
            for what, one, other, gap in rows
        ),
        "",
        *(f"- {budget}." for budget in budgets),
        f"- The default's program over {QUANTILES} quantiles, 36 h: {stochastic_ms():.1f} ms.",
        "",
        "| 12 houses in 3 clusters | joint program, ms | each alone, ms | joint : alone | cheaper together |",
        "|---|---:|---:|---:|---:|",
        *map(joint_row, GRIDS),
    ]
    return "\n".join(text)


def kept(fine: bool) -> str:
    """Say whether a budget was kept."""
    return "kept" if fine else "MISSED"


def stochastic_ms() -> float:
    """Return the time of one default plan."""
    dice = np.random.default_rng(2)
    case = draw(dice, 36, 1.0)
    grid = Grid(BATTERY.limits(1.0))
    errors = dice.normal(0.0, 0.5, (36, QUANTILES))
    net = np.array(case.outlook.net_kwh)
    prices = case.outlook.import_price, case.outlook.export_price
    return timed(lambda: [grid.curve(value) for value in grid.values(net, *prices, errors, 0.2)], 50)


def joint_row(grid: tuple[str, int, float]) -> str:
    """Measure a neighbourhood."""
    name, steps, step_h = grid
    say(f"12 houses, {name}")
    dice = np.random.default_rng(3)
    cases = [draw(dice, steps, step_h) for _ in range(12)]
    prices = cases[0].outlook.import_price, cases[0].outlook.export_price
    houses = [
        House(case.outlook.net_kwh, case.battery, case.stored_kwh, n // 4) for n, case in enumerate(cases)
    ]
    own = [
        replace(case, outlook=replace(case.outlook, import_price=prices[0], export_price=prices[1]))
        for case in cases
    ]
    network = Network(tie_kw=8.0, loss=0.03)
    found = plan_jointly(houses, step_h, *prices, network)
    together = timed(lambda: plan_jointly(houses, step_h, *prices, network), 3)
    alone = timed(partial(plans_of, own), 5)
    worth = [usual_worth(prices[0], case.battery.discharge_efficiency) for case in own]
    left = sum(value * float(levels[-1]) for value, levels in zip(worth, found.stored_kwh, strict=True))
    apart = 0.0
    for case, value in zip(own, worth, strict=True):
        one = plan(case.outlook, case.battery, case.stored_kwh)
        apart += one.cost - value * one.stored_kwh[-1]
    saved = f"{100.0 * (1.0 - (found.cost - left) / apart):.0f} %"
    return f"| {name} | {together:.0f} | {alone:.1f} | {together / alone:.1f} | {saved} |"


# --------------------------------------------------------------------------------------------------- policies


@dataclass(frozen=True, slots=True)
class Study:
    """Houses on a tariff."""

    title: str
    houses: dict[str, History]
    day_ahead: bool
    full: bool = True
    """Every policy; else only those that matter."""

    def policies(self) -> tuple[Policy, ...]:
        """Return what is compared."""
        most = (NoBattery(), SelfConsumption(), Stochastic(day_ahead=self.day_ahead), PerfectForesight())
        if not self.full:
            return most
        middle = (CheapestHours(), FixedSetPoints(self.day_ahead), ValueCurve(day_ahead=self.day_ahead))
        return (*most[:2], *middle, *most[2:])


def studies(houses: int, days: int, recordings: Path | None) -> Iterable[Study]:
    """Return what is replayed."""
    real = recorded(recordings) if recordings is not None else {}
    if real:
        yield Study("Five recorded houses, time of use 0.21–0.54, export 0.08 (USD)", real, False)
    made = simulated(houses, days)
    yield Study(
        f"{houses} simulated houses, time of use 0.18–0.50, export 0.08", priced(made, time_of_use), False
    )
    yield Study(f"{houses} simulated houses, day-ahead prices of a generator", priced(made, day_ahead), True)
    if real:
        yield Study("Five recorded houses, flat 0.30, export 0.08", priced(real, flat), False, False)
        yield Study(
            "Five recorded houses, day-ahead prices of a generator", priced(real, day_ahead), True, False
        )


def priced(
    houses: dict[str, History], tariff: Callable[[History], tuple[np.ndarray, np.ndarray]]
) -> dict[str, History]:
    """Return the houses on another tariff."""
    result = {}
    for name, house in houses.items():
        bought, sold = tariff(house)
        result[name] = replace(house, import_price=bought, export_price=sold)
    return result


def table(study: Study) -> str:
    """Replay and return the table of policies and that of houses."""
    found: dict[str, list[Comparison]] = {}
    for name, house in study.houses.items():
        say(f"{study.title}: {name}")
        skip = round(SKIP_DAYS * 24 / house.step_h)
        for one in compare(house, BATTERY, study.policies(), skip=skip):
            found.setdefault(one.policy, []).append(one)
    any_house = next(iter(study.houses.values()))
    year = 365.0 / (any_house.days - SKIP_DAYS) / len(study.houses)
    text = [
        f"**{study.title}** ({any_house.days - SKIP_DAYS:g} days billed)",
        "",
        "| policy | bill, house and year | against no battery | against the rule | of what is possible "
        "| of what is possible over the rule | worst … best house against the rule |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(row(policy, houses, year) for policy, houses in found.items()),
    ]
    if study.full:
        text += ["", *per_house(study, found)]
    told = "\n".join(text)
    say(told)
    return told


def row(policy: str, houses: Sequence[Comparison], year: float) -> str:
    """Return the line of a policy: all houses together."""
    bill, none, rule, best = (
        sum(getattr(house, name) for house in houses) for name in ("bill", "no_battery", "rule", "perfect")
    )
    shares = [house.saving_over_rule for house in houses]
    return (
        f"| {policy} | {bill * year:.0f} | {percent(none - bill, none)} | {percent(rule - bill, rule)} "
        f"| {percent(none - bill, none - best)} | {percent(rule - bill, rule - best, 0.002 * abs(rule))} "
        f"| {rounded(min(shares))} … {rounded(max(shares))} % |"
    )


def per_house(study: Study, found: dict[str, list[Comparison]]) -> list[str]:
    """Return the default house by house."""
    default = found[Stochastic().name]
    return [
        "| house | " + " | ".join(study.houses) + " |",
        "|---|" + "---:|" * len(study.houses),
        "| default against the rule | "
        + " | ".join(f"{rounded(house.saving_over_rule)} %" for house in default)
        + " |",
        "| of what is possible over the rule | "
        + " | ".join(percent(house.rule - house.bill, house.rule - house.perfect) for house in default)
        + " |",
    ]


def percent(part: float, whole: float, least: float = 1e-9) -> str:
    """Return a share; nothing where there is nothing to share."""
    return f"{rounded(part / abs(whole))} %" if abs(whole) > least else "–"


def rounded(share: float) -> float:
    """Return percents with one digit, and no -0.0."""
    return round(100.0 * share, 1) + 0.0


def policies(houses: int, days: int, recordings: Path | None) -> str:
    """Return all tables as Markdown."""
    told = "" if recordings else " MICROGRID_RECORDINGS is not set: the recorded houses are missing."
    head = (
        f"Battery of {BATTERY.capacity_kwh:g} kWh and {BATTERY.charge_kw:g} kW, "
        f"{BATTERY.charge_efficiency:.0%} each way; planned every hour, nothing from the future; the first "
        f"{SKIP_DAYS} days are learned from and not billed; stored energy counted at both ends.{told}"
    )
    return "\n\n".join([head, *map(table, studies(houses, days, recordings))])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="tests.bench.bench_energy", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--part", choices=("speed", "policies"), help="only this one")
    parser.add_argument("--houses", type=int, default=4, help="of the simulator (default: 4)")
    parser.add_argument("--days", type=int, default=90, help="of the simulator (default: 90)")
    parser.add_argument("--write", type=Path, help="also replace what stands between the marks in a file")
    chosen = parser.parse_args()
    folder = os.environ.get("MICROGRID_RECORDINGS")
    parts: dict[str, tuple[str, Callable[[], str]]] = {
        "speed": (SPEED, speed),
        "policies": (
            POLICIES,
            lambda: policies(chosen.houses, chosen.days, Path(folder) if folder else None),
        ),
    }
    for name, (mark, measure) in parts.items():
        if chosen.part not in (None, name):
            continue
        found = measure()
        print(found)
        if chosen.write is not None:
            before, _, rest = chosen.write.read_text().partition(mark)
            _, _, after = rest.partition(END.format(name))
            chosen.write.write_text(f"{before}{mark}\n{found}\n{END.format(name)}{after}")


if __name__ == "__main__":
    main()

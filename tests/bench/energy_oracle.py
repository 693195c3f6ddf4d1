"""The same plan as a linear or mixed-integer program for HiGHS: the judge of ours, and its peer in speed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .energy_cases import Case

highspy: Any = importlib.import_module("highspy")  # its types are those of some parts only

Floats = NDArray[np.float64]
_BIG_KWH = 60.0  # more than any case moves in a step


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a case has beyond its prices."""

    end_kwh: float | None = None
    export_limit_kw: float | None = None
    import_limit_kw: float | None = None
    over_limit_price: float = 0.0
    demand_charge_per_kw: float = 0.0
    exclusive: bool = False
    """Neither charge while discharging nor import while exporting: integers, for negative prices."""


def optimum(case: Case, wanted: Wanted | None = None) -> float:
    """Return the least cost, with wear, less the worth of what stays stored."""
    wanted = wanted or Wanted()
    outlook, limits = case.outlook, case.battery.limits(case.outlook.step_h)
    steps = len(outlook.net_kwh)
    at = np.arange(steps)
    names = ("charge", "discharge", "bought", "sold", "level", "curtailed", "over", "charging", "buying")
    charge, discharge, bought, sold, level, curtailed, over, charging, buying = (
        number * steps + at for number in range(len(names))
    )
    peak = len(names) * steps
    columns = peak + 1
    cost, lower, upper = np.zeros(columns), np.zeros(columns), np.zeros(columns)
    cost[discharge] = limits.wear / limits.discharge_efficiency
    cost[bought], cost[sold] = outlook.import_price, -np.asarray(outlook.export_price)
    cost[over] = np.asarray(outlook.import_price) + wanted.over_limit_price
    cost[level[-1]] -= case.terminal_worth
    cost[peak] = wanted.demand_charge_per_kw
    most = _BIG_KWH if wanted.import_limit_kw is None else wanted.import_limit_kw * outlook.step_h
    upper[charge] = limits.up / limits.charge_efficiency
    upper[discharge] = limits.down * limits.discharge_efficiency
    upper[bought], upper[sold], upper[level] = most, _BIG_KWH, limits.usable
    upper[peak] = np.inf
    if wanted.export_limit_kw is not None:
        upper[sold], upper[curtailed] = wanted.export_limit_kw * outlook.step_h, np.inf
    if wanted.import_limit_kw is not None:
        upper[over] = np.inf
    if wanted.exclusive:
        upper[charging] = upper[buying] = 1.0
    if wanted.end_kwh is not None:
        lower[level[-1]] = upper[level[-1]] = wanted.end_kwh
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], float]] = [
        *((at, column, 1.0) for column in (bought, over, discharge)),
        *((at, column, -1.0) for column in (sold, curtailed, charge)),
        (steps + at, level, 1.0),
        (steps + at[1:], level[:-1], -1.0),
        (steps + at, charge, -limits.charge_efficiency),
        (steps + at, discharge, 1.0 / limits.discharge_efficiency),
    ]
    low = np.concatenate([outlook.net_kwh, [case.stored_kwh], np.zeros(steps - 1)])
    high = low.copy()

    def at_most(left: tuple[tuple[NDArray[np.int64], float], ...], right: float) -> None:
        nonlocal low, high
        rows = len(low) + at
        parts.extend((rows, column, factor) for column, factor in left)
        low, high = np.append(low, np.full(steps, -np.inf)), np.append(high, np.full(steps, right))

    if wanted.exclusive:
        at_most(((charge, 1.0), (charging, -limits.up / limits.charge_efficiency)), 0.0)
        most_out = limits.down * limits.discharge_efficiency
        at_most(((discharge, 1.0), (charging, most_out)), most_out)
        at_most(((bought, 1.0), (buying, -_BIG_KWH)), 0.0)
        at_most(((sold, 1.0), (buying, _BIG_KWH)), _BIG_KWH)
    if wanted.demand_charge_per_kw:
        at_most(((bought, 1.0), (np.full(steps, peak), -outlook.step_h)), 0.0)
    rows, columns_of, values = (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([np.full(len(part[0]), part[2]) for part in parts]),
    )
    order = np.lexsort((rows, columns_of))
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = columns, len(low)
    program.col_cost_, program.col_lower_, program.col_upper_ = cost, lower, upper
    program.row_lower_, program.row_upper_ = low, high
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = np.append(0, np.cumsum(np.bincount(columns_of, minlength=columns)))
    program.a_matrix_.index_, program.a_matrix_.value_ = rows[order], values[order]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    if wanted.exclusive:
        whole = np.isin(np.arange(columns), np.concatenate([charging, buying]))
        kind = highspy.HighsVarType
        program.integrality_ = [kind.kInteger if one else kind.kContinuous for one in whole]
        solver.setOptionValue("mip_rel_gap", 1e-9)
        solver.setOptionValue("mip_abs_gap", 1e-9)
    solver.passModel(program)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"HiGHS ended with {solver.getModelStatus()}: the case has no optimum")
    return float(solver.getInfo().objective_function_value)

"""One plan for a whole neighbourhood as a linear program: all batteries, tie lines and the common connection.

Needs the package highspy. Without it every house is planned by itself, which is always possible and costs the
neighbourhood what its houses could have given each other.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .battery import Battery
from .planning import Outlook, plan, repaired, usual_worth

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SHED_PRICE = 2.0
"""Currency per kWh of load that is not served: dear enough to be the last resort, and always feasible."""


@dataclass(frozen=True, slots=True)
class House:
    """A house of the neighbourhood."""

    net_kwh: Sequence[float]
    battery: Battery
    stored_kwh: float
    cluster: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between the houses and the grid; an island has no connection."""

    tie_kw: float = np.inf
    """Largest flow between a cluster and the others."""
    loss: float = 0.0
    """Share lost on each crossing of a tie."""
    connection_kw: float = np.inf
    main: int | None = None
    """The cluster at the connection itself: nothing limits it, nothing is lost."""


@dataclass(frozen=True, slots=True, eq=False)
class JointPlan:
    """What all batteries shall do; rows are houses."""

    stored_kwh: Floats
    """After each step, above the reserve."""
    net_kwh: Floats
    """What each house takes (+) or gives, battery included."""
    price_of_house: Floats
    """Marginal price of the bus of each house; of the connection where houses are planned alone."""
    cost: float
    """Of energy and wear, less nothing for what stays stored."""
    shed_kwh: float
    joint: bool
    """False: every house was planned by itself."""


def plan_jointly(
    houses: Sequence[House],
    step_h: float,
    import_price: Sequence[float],
    export_price: Sequence[float],
    network: Network | None = None,
) -> JointPlan:
    """Return the plan that is cheapest for all together, or that of each house alone without a solver."""
    network = network or Network()
    steps = max((len(house.net_kwh) for house in houses), default=0)
    outlooks = [
        repaired(
            Outlook(
                step_h, [*house.net_kwh, *[np.nan] * (steps - len(house.net_kwh))], import_price, export_price
            )
        )[0]
        for house in houses
    ]
    if houses and steps and _linear(outlooks[0]) and (highspy := _solver()) is not None:
        found = _Program(houses, outlooks, network).solve(highspy)
        if found is not None:
            return found
    return _alone(houses, outlooks)


def _linear(outlook: Outlook) -> bool:
    """Whether no program would charge while discharging, or import while exporting, to gain by it."""
    prices = zip(outlook.import_price, outlook.export_price, strict=True)
    return all(bought >= sold >= 0.0 for bought, sold in prices)


def _solver() -> Any:
    try:
        return importlib.import_module("highspy")
    except ImportError:
        return None


def _alone(houses: Sequence[House], outlooks: Sequence[Outlook]) -> JointPlan:
    plans = [
        plan(outlook, house.battery, house.stored_kwh)
        for house, outlook in zip(houses, outlooks, strict=True)
    ]
    steps = len(outlooks[0].net_kwh) if outlooks else 0
    shape = (len(houses), steps)
    net = np.array([found.grid_kwh for found in plans]).reshape(shape)
    stored = np.array([found.stored_kwh[1:] for found in plans]).reshape(shape)
    if outlooks:
        together = net.sum(axis=0)
        bought, sold = np.array(outlooks[0].import_price), np.array(outlooks[0].export_price)
        price = np.broadcast_to(np.where(together >= 0.0, bought, sold), shape)
    else:
        price = np.zeros(shape)
    return JointPlan(stored, net, price, sum(found.cost for found in plans), 0.0, False)


class _Program:
    """The linear program; per house charge, discharge and level, per cluster out, in, shed and curtailed."""

    def __init__(self, houses: Sequence[House], outlooks: Sequence[Outlook], network: Network) -> None:
        """Number the variables and write the rows."""
        self.houses, self.outlooks = houses, outlooks
        self.limits = [house.battery.limits(outlooks[0].step_h) for house in houses]
        steps = len(outlooks[0].net_kwh)
        self.at = np.arange(steps)
        names = {name: number for number, name in enumerate(sorted({house.cluster for house in houses}))}
        self.cluster = [names[house.cluster] for house in houses]
        clusters = len(names)
        self.main = None if network.main is None else names.get(network.main)
        blocks = 3 * len(houses) + 4 * clusters + 2
        self.charge = [self._block(3 * house) for house in range(len(houses))]
        self.discharge = [self._block(3 * house + 1) for house in range(len(houses))]
        self.level = [self._block(3 * house + 2) for house in range(len(houses))]
        first = 3 * len(houses)
        self.out, self.into, self.shed, self.curtailed = (
            [self._block(first + 4 * cluster + kind) for cluster in range(clusters)] for kind in range(4)
        )
        self.bought, self.sold = self._block(blocks - 2), self._block(blocks - 1)
        self.cost = np.zeros(blocks * steps)
        self.lower, self.upper = np.zeros(blocks * steps), np.full(blocks * steps, np.inf)
        self.rows: list[tuple[Indices, Indices, Floats]] = []
        self.right: list[Floats] = []
        self._houses()
        self._clusters(network)
        self._swarm(network)

    def _block(self, number: int) -> Indices:
        return number * len(self.at) + self.at

    def _add(self, row: int, columns: Indices, factor: float, skip: int = 0) -> None:
        rows = row * len(self.at) + self.at[skip:]
        self.rows.append((rows, columns, np.full(len(rows), factor)))

    def _houses(self) -> None:
        for number, (house, limits) in enumerate(zip(self.houses, self.limits, strict=True)):
            charge, discharge, level = self.charge[number], self.discharge[number], self.level[number]
            self.upper[charge] = limits.up / limits.charge_efficiency
            self.upper[discharge] = limits.down * limits.discharge_efficiency
            self.upper[level] = limits.usable
            self.cost[discharge] = limits.wear / limits.discharge_efficiency
            worth = usual_worth(self.outlooks[number].import_price, limits.discharge_efficiency)
            self.cost[level[-1]] -= worth
            self._add(number, level, 1.0)
            self._add(number, level[:-1], -1.0, skip=1)
            self._add(number, charge, -limits.charge_efficiency)
            self._add(number, discharge, 1.0 / limits.discharge_efficiency)
            right = np.zeros(len(self.at))
            right[0] = (
                min(max(house.stored_kwh, 0.0), limits.usable) if np.isfinite(house.stored_kwh) else 0.0
            )
            self.right.append(right)

    def _clusters(self, network: Network) -> None:
        for cluster in range(len(self.out)):
            row = len(self.houses) + cluster
            self._add(row, self.into[cluster], self._passed(cluster, network))
            self._add(row, self.out[cluster], -1.0)
            self._add(row, self.shed[cluster], 1.0)
            self._add(row, self.curtailed[cluster], -1.0)
            own = [number for number, one in enumerate(self.cluster) if one == cluster]
            for number in own:
                self._add(row, self.discharge[number], 1.0)
                self._add(row, self.charge[number], -1.0)
            self.right.append(np.sum([self.outlooks[number].net_kwh for number in own], axis=0))
            flow = np.inf if cluster == self.main else network.tie_kw * self.outlooks[0].step_h
            self.upper[self.out[cluster]] = self.upper[self.into[cluster]] = flow
            self.cost[self.shed[cluster]] = SHED_PRICE + max(self.outlooks[0].import_price)

    def _passed(self, cluster: int, network: Network) -> float:
        """Return what of an energy comes through the tie of a cluster."""
        return 1.0 if cluster == self.main else 1.0 - network.loss

    def _swarm(self, network: Network) -> None:
        row = len(self.houses) + len(self.out)
        for cluster, (out, into) in enumerate(zip(self.out, self.into, strict=True)):
            self._add(row, out, self._passed(cluster, network))
            self._add(row, into, -1.0)
        self._add(row, self.bought, 1.0)
        self._add(row, self.sold, -1.0)
        self.right.append(np.zeros(len(self.at)))
        self.cost[self.bought] = self.outlooks[0].import_price
        self.cost[self.sold] = -np.asarray(self.outlooks[0].export_price)
        self.upper[self.bought] = self.upper[self.sold] = network.connection_kw * self.outlooks[0].step_h

    def solve(self, highspy: Any) -> JointPlan | None:
        """Return the optimum; None when the solver found none."""
        rows, columns, values = (np.concatenate(parts) for parts in zip(*self.rows, strict=True))
        order = np.lexsort((rows, columns))
        right = np.concatenate(self.right)
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self.cost), len(right)
        program.col_cost_, program.col_lower_, program.col_upper_ = self.cost, self.lower, self.upper
        program.row_lower_ = program.row_upper_ = right
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = np.append(0, np.cumsum(np.bincount(columns, minlength=len(self.cost))))
        program.a_matrix_.index_, program.a_matrix_.value_ = rows[order], values[order]
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.passModel(program)
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = solver.getSolution()
        return self._read(np.asarray(solution.col_value), np.asarray(solution.row_dual))

    def _read(self, value: Floats, dual: Floats) -> JointPlan:
        net = np.array(
            [
                np.asarray(outlook.net_kwh) + value[charge] - value[discharge]
                for outlook, charge, discharge in zip(self.outlooks, self.charge, self.discharge, strict=True)
            ]
        )
        first = len(self.houses)
        prices = np.array([dual[(first + cluster) * len(self.at) + self.at] for cluster in self.cluster])
        wear = sum(
            limits.wear / limits.discharge_efficiency * value[discharge].sum()
            for limits, discharge in zip(self.limits, self.discharge, strict=True)
        )
        shed = np.concatenate(self.shed)
        energy = self.cost[self.bought] @ value[self.bought] + self.cost[self.sold] @ value[self.sold]
        cost = float(energy + wear + self.cost[shed] @ value[shed])
        levels = np.array([value[level] for level in self.level])
        return JointPlan(levels, net, prices, cost, float(value[shed].sum()), True)

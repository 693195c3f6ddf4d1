"""The neighbourhood in the plan: houses with loads and batteries of their own, and the lines between them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from .core.energy.advice import expect_from
from .core.energy.battery import Battery
from .core.energy.forecast import Expectation
from .core.energy.joint import House, Network, plan_jointly
from .core.energy.planning import Outlook, Plan, backward, costs_of, usual_worth
from .core.energy.tariff import Prices
from .core.energy.value_curve import terminal_curve
from .planner_state import MOST_HOURS, Hour, Ledger

NO_HOUSES: Final = "no house has measured yet what it uses: all are planned as one behind one meter"
NO_SOLVER: Final = (
    "lines between clusters are not in the plan: it needs the Python package highspy and prices that are not "
    "negative; all houses are planned as one behind one meter"
)

_SMALL_KWH: Final = 0.05
_AGAIN: Final = timedelta(hours=6)
"""So far back hours are asked for again: logs come late."""


@dataclass(frozen=True, slots=True)
class StreetHouse:
    """What measures a load, what has a battery, or both."""

    node_id: str
    cluster: str
    """Its gateway; empty: at the connection itself."""
    starts: Sequence[datetime]
    load_kwh: Sequence[float]
    solar_kwh: Sequence[float]
    battery: Battery | None = None
    stored_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class Street:
    """All houses, and what the lines between their clusters carry."""

    houses: tuple[StreetHouse, ...]
    tie_kw: float | None
    loss: float


type ByNode = Callable[[datetime, datetime], Awaitable[Mapping[str, Mapping[int, Hour]]]]
"""Returns what is known of the hours of a range, of each node that measures a load."""


class StreetDesk:
    """Knows what each house used, from the archive: all at first, then what came."""

    def __init__(self, clusters: Callable[[], Mapping[str, str]], by_node: ByNode) -> None:
        """Know whom to ask; `clusters` tells that of every node, empty for those at the connection."""
        self._clusters, self._by_node = clusters, by_node
        self._hours: dict[str, dict[int, Hour]] = {}

    async def look(
        self, now: datetime, batteries: Mapping[str, tuple[Battery, float]], tie_kw: float | None, loss: float
    ) -> Street:
        """Return the houses, and the batteries with their stored energy, by node."""
        since = now - (_AGAIN if self._hours else timedelta(hours=MOST_HOURS))
        for node_id, hours in (await self._by_node(since, now)).items():
            held = self._hours.setdefault(node_id, {})
            held |= hours
            for number in sorted(held)[:-MOST_HOURS]:
                del held[number]
        clusters, houses = self._clusters(), []
        for node_id in sorted({*self._hours, *batteries}):
            starts, load, solar, _ = Ledger(self._hours.get(node_id)).measured(now)
            battery, stored = batteries.get(node_id, (None, 0.0))
            cluster = clusters.get(node_id, "")
            houses.append(StreetHouse(node_id, cluster, starts, load, solar, battery, stored))
        return Street(tuple(houses), tie_kw, loss)


@dataclass(frozen=True, slots=True)
class StreetPlan:
    """What each battery shall do so that all together pay least."""

    plans: Mapping[str, Plan]
    """By node; each knows the load of its own house and the worth of energy at its line."""
    line_prices: Mapping[str, tuple[float, ...]]
    """What one kWh more costs all of them, at each node's line in each hour."""
    stored_kwh: tuple[float, ...]
    """Of all batteries together, above their reserves."""
    shed_kwh: float
    """Load that no line can serve."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong with the lines as they were told."""
        if self.shed_kwh < _SMALL_KWH:
            return ()
        return (f"{self.shed_kwh:.1f} kWh cannot be served: a line carries less than what its houses use",)


def plan_street(
    street: Street, site: Expectation, prices: Prices, now: datetime, zone: tzinfo
) -> StreetPlan | str:
    """Return the joint plan by the hour, or why there is none.

    `site` is what is expected of all together; what the houses do not explain is used at the connection.
    """
    if not any(house.starts for house in street.houses):
        return NO_HOUSES
    steps = len(site.net_kwh)
    rest = np.array(site.net_kwh)
    clusters = {"": 0} | {
        name: number
        for number, name in enumerate(sorted({house.cluster for house in street.houses} - {""}), 1)
    }
    houses = []
    for house in street.houses:
        net = np.zeros(steps)
        if house.starts:
            net = expect_from(house.starts, house.load_kwh, house.solar_kwh, now, zone, steps)[0].net_kwh
        rest -= net
        battery = house.battery or Battery(0.0, 0.0, 0.0)
        houses.append(House(net.tolist(), battery, house.stored_kwh, clusters[house.cluster]))
    houses.append(House(rest.tolist(), Battery(0.0, 0.0, 0.0), 0.0, 0))
    tie_kw = math.inf if street.tie_kw is None else street.tie_kw
    found = plan_jointly(
        houses, 1.0, prices.import_price, prices.export_price, Network(tie_kw, street.loss, main=0)
    )
    if not found.joint:
        return NO_SOLVER
    plans = {
        house.node_id: _plan_of(
            asked, found.stored_kwh[at].tolist(), found.price_of_house[at].tolist(), prices
        )
        for at, (house, asked) in enumerate(zip(street.houses, houses, strict=False))
        if house.battery is not None
    }
    lines = {
        house.node_id: tuple(found.price_of_house[at].tolist()) for at, house in enumerate(street.houses)
    }
    together = [sum(levels) for levels in zip(*(one.stored_kwh for one in plans.values()), strict=True)]
    return StreetPlan(plans, lines, tuple(together), found.shed_kwh)


def _plan_of(house: House, levels: list[float], line: list[float], prices: Prices) -> Plan:
    """Return the plan of one battery: the joint levels, and what its energy is worth at its line."""
    limits = house.battery.limits(1.0)
    stored = min(max(house.stored_kwh, 0.0), limits.usable)
    inside = Outlook(1.0, house.net_kwh, line, line)
    worth = usual_worth(prices.import_price, limits.discharge_efficiency)
    curves = backward(costs_of(inside, limits), terminal_curve(limits.usable, worth), limits)
    outlook = Outlook(1.0, house.net_kwh, prices.import_price, prices.export_price)
    return Plan(outlook, limits, (stored, *levels), tuple(curves))

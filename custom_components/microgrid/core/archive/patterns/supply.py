"""Pattern: who supplied whom in a cluster, hour by hour.

Electricity carries no names, so energy is shared out in proportion: in every hour all that was given makes
one pool, and everybody who takes gets the same mixture. What the meters do not explain is named as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ...model.gateway import GATEWAY
from ...model.house import HOUSE
from ..growth import growth
from ..query import History
from ..rollup import HOUR
from .source import DAY_S, HOUR_S, SECOND_US, Member, Role, Source, members

SWARM = "swarm"
"""Beyond the gateway."""
LOSSES = "losses"
"""As a taker: more was given than anybody took."""
UNMETERED = "unmetered"
"""As a giver: more was taken than anybody gave."""
MAX_HOURS = 31 * 24
"""Of a range that is longer only the totals are returned; memory stays that of a day."""

COUNTERS = "counters"
_ENERGIES = ("energy_exported", "energy_imported")
_EXCHANGE = "exchange_power"
_RATES = {
    role: {name: kind.by_key[name].max_rate or 0.0 for name in _ENERGIES}
    for role, kind in ((Role.HOUSE, HOUSE), (Role.GATEWAY, GATEWAY))
}


@dataclass(frozen=True, slots=True)
class Flow:
    """Energy from one to another."""

    giver: str
    taker: str
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one node gave and took in an hour at its connection to the cluster, Wh."""

    node: str
    """A house, or `swarm` for all beyond the gateway."""
    given_wh: float
    taken_wh: float
    basis: str
    """`counters`: growth of the energy counters; `exchange_power` (of a gateway `power_flow`): integral of
    that power, both directions apart."""


@dataclass(frozen=True, slots=True)
class SupplyHour:
    """One hour of one cluster."""

    cluster: str
    start_utc_us: int
    exchanges: tuple[Exchange, ...]
    missing: tuple[str, ...]
    """Houses (and `swarm`) of which the archive has nothing in that hour: their energy is in the balance."""
    balance_wh: float
    """Given minus taken: positive are losses, negative is energy that no meter saw come."""
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class ClusterTotal:
    """The sum of the hours of one cluster."""

    cluster: str
    hours: int
    incomplete_hours: int
    """In which somebody is missing."""
    given_wh: float
    taken_wh: float
    balance_wh: float
    flows: tuple[Flow, ...]
    """The largest first."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Who supplied whom in a time range."""

    start_utc_us: int
    end_utc_us: int
    clusters: tuple[ClusterTotal, ...]
    hours: tuple[SupplyHour, ...]
    """In the order of time; empty for ranges of more than 31 days."""


def supply(source: Source, start_us: int, end_us: int, *, clusters: Collection[str] | None = None) -> Supply:
    """Return flows of the hours that begin within start ≤ UTC < end, and their sums."""
    sums: dict[str, _Sum] = {}
    keep = end_us - start_us <= MAX_HOURS * HOUR_S * SECOND_US
    hours: list[SupplyHour] = []
    for hour in supply_hours(source, start_us, end_us, clusters=clusters):
        sums.setdefault(hour.cluster, _Sum()).add(hour)
        if keep:
            hours.append(hour)
    totals = tuple(sums[cluster].total(cluster) for cluster in sorted(sums))
    return Supply(start_us, end_us, totals, tuple(hours))


def supply_hours(
    source: Source, start_us: int, end_us: int, *, clusters: Collection[str] | None = None
) -> Iterator[SupplyHour]:
    """Yield the hours one by one; reads a day at a time. Hours of which nothing is known are left out."""
    groups: dict[str, list[Member]] = {}
    for member in members(source).values():
        if member.cluster and member.role is not Role.OTHER:
            groups.setdefault(member.cluster, []).append(member)
    if clusters is not None:
        if unknown := sorted(set(clusters) - set(groups)):
            known = ", ".join(sorted(groups)) or "none"
            raise ValueError(f"no cluster {', '.join(unknown)} in the archive; it has {known}")
        groups = {name: groups[name] for name in groups if name in clusters}
    start_s, end_s = -(-start_us // (HOUR_S * SECOND_US)) * HOUR_S, -(-end_us // SECOND_US)
    for day_s in range(start_s, end_s, DAY_S):
        stop_s = min(day_s + DAY_S, end_s)
        days = {name: _day(source, group, day_s, stop_s) for name, group in sorted(groups.items())}
        for hour_s in range(day_s, stop_s, HOUR_S):
            for name, group in sorted(groups.items()):
                exchanges = tuple(days[name].get(hour_s, ()))
                if exchanges:
                    yield _hour(name, hour_s, exchanges, _expected(group))


def share(given: Mapping[str, float], taken: Mapping[str, float]) -> tuple[tuple[Flow, ...], float]:
    """Share energies out in proportion; return flows, ordered by giver and taker, and given minus taken.

    The smaller side is filled up by `losses` or `unmetered`; then the flows of a giver add up to what it
    gave and those of a taker to what it took. Who gave and took within the hour supplies itself, too.
    """
    balance = sum(given.values()) - sum(taken.values())
    givers = {**given, UNMETERED: max(0.0, -balance)}
    takers = {**taken, LOSSES: max(0.0, balance)}
    pool = sum(givers.values())
    flows = tuple(
        Flow(giver, taker, gave * took / pool)
        for giver, gave in givers.items()
        for taker, took in takers.items()
        if gave > 0 and took > 0
    )
    return flows, balance


def _hour(cluster: str, hour_s: int, exchanges: tuple[Exchange, ...], expected: list[str]) -> SupplyHour:
    flows, balance = share(
        {one.node: one.given_wh for one in exchanges}, {one.node: one.taken_wh for one in exchanges}
    )
    told = {one.node for one in exchanges}
    missing = tuple(node for node in expected if node not in told)
    return SupplyHour(cluster, hour_s * SECOND_US, exchanges, missing, balance, flows)


class _Sum:
    """Adds hours up."""

    def __init__(self) -> None:
        self.hours = self.incomplete = 0
        self.given = self.taken = self.balance = 0.0
        self.flows: dict[tuple[str, str], float] = {}

    def add(self, hour: SupplyHour) -> None:
        self.hours += 1
        self.incomplete += bool(hour.missing)
        self.given += sum(one.given_wh for one in hour.exchanges)
        self.taken += sum(one.taken_wh for one in hour.exchanges)
        self.balance += hour.balance_wh
        for flow in hour.flows:
            key = flow.giver, flow.taker
            self.flows[key] = self.flows.get(key, 0.0) + flow.energy_wh

    def total(self, cluster: str) -> ClusterTotal:
        flows = [Flow(giver, taker, energy) for (giver, taker), energy in self.flows.items()]
        flows.sort(key=lambda one: (-one.energy_wh, one.giver, one.taker))
        return ClusterTotal(
            cluster, self.hours, self.incomplete, self.given, self.taken, self.balance, tuple(flows)
        )


# ----------------------------------------------------------------------------------------- exchanges of a day


def _expected(group: list[Member]) -> list[str]:
    houses = [member.node for member in group if member.role is Role.HOUSE]
    return houses + [SWARM] * any(member.role is Role.GATEWAY for member in group)


def _day(source: Source, group: list[Member], start_s: int, end_s: int) -> dict[int, list[Exchange]]:
    """Return what the members of a cluster exchanged, by hour."""
    result: dict[int, list[Exchange]] = {}
    gateways = [member.node for member in group if member.role is Role.GATEWAY]
    for member in group:
        if member.role is Role.GATEWAY:
            # What the cluster gives to the swarm, the swarm takes from the cluster.
            told = _metered(source, member, "power_flow", start_s, end_s)
            hours = {hour: (SWARM, taken, given, basis) for hour, (given, taken, basis) in told.items()}
        else:
            told = _house(source, member, gateways, start_s, end_s)
            hours = {hour: (member.node, given, taken, basis) for hour, (given, taken, basis) in told.items()}
        for hour, exchange in hours.items():
            result.setdefault(hour, []).append(Exchange(*exchange))
    return result


_Told = dict[int, tuple[float, float, str]]
"""Given, taken (Wh) and basis by hour."""


def _house(source: Source, house: Member, gateways: list[str], start_s: int, end_s: int) -> _Told:
    told = _metered(source, house, _EXCHANGE, start_s, end_s)
    hours = range(start_s, end_s, HOUR_S)
    for gateway in gateways:  # what it heard of a house whose own log is missing
        if all(hour in told for hour in hours):
            break
        name = f"{house.node}/{_EXCHANGE}"
        told = _integral(source.history(gateway, (name,), start_s, end_s, HOUR).get(name), _EXCHANGE) | told
    return told


def _metered(source: Source, member: Member, power: str, start_s: int, end_s: int) -> _Told:
    """Return what counters tell, and the power in hours of which they tell nothing."""
    told = _integral(source.history(member.node, (power,), start_s, end_s, HOUR).get(power), power)
    found = growth(source, member.node, _RATES[member.role], start_s, end_s)
    exported, imported = (found.get(name) for name in _ENERGIES)
    if exported is not None and imported is not None:
        gains = [
            dict(zip(one.times_s.tolist(), one.total.tolist(), strict=True)) for one in (exported, imported)
        ]
        told |= {hour: (gains[0][hour], gains[1][hour], COUNTERS) for hour in gains[0] if hour in gains[1]}
    return told


def _integral(history: History | None, basis: str) -> _Told:
    if history is None:
        return {}
    rows = zip(history.times_s.tolist(), history.positive.tolist(), history.negative.tolist(), strict=True)
    return {hour: (given, taken, basis) for hour, given, taken in rows}

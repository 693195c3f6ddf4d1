"""What pattern queries ask, and which nodes stand in which cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ...codec.umg1.schema import Schema
from ..query import ArchivedEvent, History, Series
from ..rollup import Tier

SECOND_US = 1_000_000
HOUR_S = 3600
DAY_S = 86_400


class Source(Protocol):
    """An archive that is open for writing (its roll-ups are up to date) or for reading."""

    def nodes(self) -> list[str]:
        """Return the ids of all nodes."""

    def schemas(self, node: str) -> dict[int, Schema]:
        """Return the schemas of a node by hash, in the order in which they came."""

    def stream(
        self, node: str, names: Collection[str] | None, start_us: int, end_us: int
    ) -> Iterator[dict[str, Series]]:
        """Yield samples with start ≤ UTC < end, an hour at a time."""

    def history(
        self, node: str, names: Collection[str] | None, start_s: int, end_s: int, tier: Tier
    ) -> dict[str, History]:
        """Return the buckets that begin within start ≤ UTC < end."""

    def events(
        self,
        node: str | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        *,
        codes: Collection[str] | None = None,
        types: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[ArchivedEvent]:
        """Return events in the order of time; a limit keeps the newest."""


class Role(StrEnum):
    """What a node is in its cluster, told by what it logs."""

    GATEWAY = "gateway"
    HOUSE = "house"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Member:
    """A node in its cluster."""

    node: str
    cluster: str
    """As the node's newest schema names it; empty when it names none."""
    role: Role


_GATEWAY_CHANNELS = frozenset({"cluster_frequency", "swarm_frequency", "power_flow"})
_HOUSE_CHANNELS = frozenset({"inverter_frequency", "inverter_power", "load_power", "exchange_power"})


def members(source: Source) -> Mapping[str, Member]:
    """Return all nodes by id: gateways first, then houses, each in the order of their ids."""
    found = [_member(node, list(source.schemas(node).values())) for node in source.nodes()]
    order = list(Role)
    return {one.node: one for one in sorted(found, key=lambda one: (order.index(one.role), one.node))}


def _member(node: str, schemas: list[Schema]) -> Member:
    own = [schema for schema in schemas if schema.node == node] or schemas
    channels = {channel.name for schema in own for channel in schema.channels}
    role = (
        Role.GATEWAY
        if channels & _GATEWAY_CHANNELS
        else Role.HOUSE
        if channels & _HOUSE_CHANNELS
        else Role.OTHER
    )
    return Member(node, own[-1].cluster if own else "", role)


def chosen(found: Mapping[str, Member], nodes: Collection[str] | None) -> list[Member]:
    """Return the nodes that were asked for, or all; raises ValueError for one that nobody heard of."""
    if nodes is None:
        return list(found.values())
    if unknown := sorted(set(nodes) - set(found)):
        raise ValueError(
            f"no node {', '.join(unknown)} in the archive; it has {', '.join(sorted(found)) or 'none'}"
        )
    return [member for member in found.values() if member.node in nodes]

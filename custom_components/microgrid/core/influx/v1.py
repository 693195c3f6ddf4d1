"""InfluxDB 1.x: retention policies through InfluxQL, lines through /write."""

from __future__ import annotations

import json
import re

import aiohttp

from .answers import Answer, interpret
from .influxql import Result, ask, quoted
from .server import Access, Made, Step, request
from .tiers import DATABASE, POLICIES, Policy

_GENERATION = 1
_DURATION = re.compile(r"(\d+)(h|m|s)")
_UNIT_S = {"h": 3600, "m": 60, "s": 1}


class Influx1:
    """A server of generation 1."""

    def __init__(self, session: aiohttp.ClientSession, access: Access) -> None:
        """Use a session that somebody else closes."""
        self._session = session
        self._access = access

    async def ask(self, statement: str) -> list[Result]:
        """Run one statement."""
        return await ask(self._session, self._access, _GENERATION, statement)

    async def provision(self) -> list[Step]:
        """Make database and policies; what keeps less than ours is changed, what keeps more is not."""
        databases = await self.ask("SHOW DATABASES")
        name = quoted(DATABASE)
        steps = []
        if any(DATABASE in result.column("name") for result in databases):
            steps.append(Step(DATABASE, Made.EXISTS))
        else:
            first = POLICIES[0]
            await self.ask(f"CREATE DATABASE {name} WITH {_terms(first)} NAME {quoted(first.name)}")
            steps.append(Step(DATABASE, Made.CREATED))
        found = {
            row["name"]: row
            for result in await self.ask(f"SHOW RETENTION POLICIES ON {name}")
            for row in (dict(zip(result.columns, values, strict=True)) for values in result.rows)
        }
        for policy in POLICIES:
            policy_name, default = f"{quoted(policy.name)} ON {name}", policy is POLICIES[0]
            have = found.get(policy.name)
            made = Made.EXISTS
            if have is None:
                await self.ask(
                    f"CREATE RETENTION POLICY {policy_name} {_terms(policy)}{' DEFAULT' if default else ''}"
                )
                made = Made.CREATED
            else:
                terms = "" if policy.lasts(seconds(have["duration"])) else _terms(policy)
                terms = terms.replace("REPLICATION 1 ", "")
                if default and not have["default"]:
                    terms += " DEFAULT"
                if terms:
                    await self.ask(f"ALTER RETENTION POLICY {policy_name} {terms}")
                    made = Made.CHANGED
            steps.append(Step(policy.name, made))
        return steps

    async def write(self, policy: Policy, body: bytes) -> Answer:
        """Write lines."""
        query = {"db": DATABASE, "rp": policy.name}
        if policy.precision != "ns":  # what it takes when nothing is said
            query["precision"] = policy.precision
        status, _, told = await request(
            self._session,
            self._access,
            "POST",
            "/write",
            headers=self._access.headers(_GENERATION),
            query=query,
            data=body,
        )
        return interpret(_GENERATION, status, told if isinstance(told, str) else json.dumps(told))

    async def close(self) -> None:
        """Nothing is held."""


def seconds(duration: str) -> int:
    """Return the length of a duration as the server writes it, such as 24h0m0s."""
    return sum(int(number) * _UNIT_S[unit] for number, unit in _DURATION.findall(duration))


def _terms(policy: Policy) -> str:
    duration = f"{policy.keep_s}s" if policy.keep_s else "INF"
    return f"DURATION {duration} REPLICATION 1 SHARD DURATION {policy.shard_s}s"

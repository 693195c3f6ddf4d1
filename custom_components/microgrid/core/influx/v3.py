"""InfluxDB 3.x: a database for each tier."""

from __future__ import annotations

from typing import Any

from .client import Client
from .server import Made, Step
from .tiers import POLICIES, Policy

_DATABASES = "/api/v3/configure/database"
_DAY_S = 86_400


class Influx3(Client):
    """A server of generation 3."""

    async def provision(self) -> list[Step]:
        """Make the databases that are missing; how long they keep is theirs once they are there."""
        told = await self.call("GET", _DATABASES, query={"format": "json"}, shape=list)
        present = {row.get("iox::database") for row in told if isinstance(row, dict)}
        steps = []
        for policy in POLICIES:
            if policy.bucket in present:
                steps.append(Step(policy.bucket, Made.EXISTS))
                continue
            await self.call("POST", _DATABASES, body=_terms(policy))
            steps.append(Step(policy.bucket, Made.CREATED))
        return steps


def _terms(policy: Policy) -> dict[str, Any]:
    terms: dict[str, Any] = {"db": policy.bucket}
    if policy.keep_s:
        terms["retention_period"] = f"{policy.keep_s // _DAY_S}d"
    return terms

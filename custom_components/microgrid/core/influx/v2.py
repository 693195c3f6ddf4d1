"""InfluxDB 2.x: buckets, and the mappings through which InfluxQL finds them."""

from __future__ import annotations

from typing import Any

from .client import Client
from .server import Failed, Made, Step
from .tiers import DATABASE, POLICIES, Policy


class Influx2(Client):
    """A server of generation 2."""

    async def provision(self) -> list[Step]:
        """Make buckets and mappings; what keeps less than ours is changed, what keeps more is not."""
        organisation = await self._organisation()
        steps = []
        for policy in POLICIES:
            bucket, made = await self._bucket(policy, organisation)
            steps.append(Step(policy.bucket, made))
            made = await self._mapping(policy, organisation, bucket)
            steps.append(Step(f"InfluxQL {policy.bucket}", made))
        return steps

    async def _organisation(self) -> str:
        told = await self.call("GET", "/api/v2/orgs", query={"org": self.access.organisation})
        for found in self._rows(told, "orgs", "id", "name"):
            if found["name"] == self.access.organisation:
                return str(found["id"])
        raise Failed(
            f"{self.access.url}: there is no organisation {self.access.organisation!r} for this token"
        )

    def _rows(self, told: dict[str, Any], name: str, *keys: str) -> list[dict[str, Any]]:
        rows = told.get(name) or []
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and row.keys() >= {*keys} for row in rows
        ):
            raise Failed(f"{self.access.url}: the list of {name} is none of InfluxDB")
        return rows

    async def _bucket(self, policy: Policy, organisation: str) -> tuple[str, Made]:
        rules: list[dict[str, Any]] = [
            {"type": "expire", "everySeconds": policy.keep_s, "shardGroupDurationSeconds": policy.shard_s}
        ]
        told = await self.call("GET", "/api/v2/buckets", query={"orgID": organisation, "name": policy.bucket})
        for found in self._rows(told, "buckets", "id", "name"):
            if found["name"] != policy.bucket:
                continue
            rules_found = self._rows(found, "retentionRules")
            kept = next((rule["everySeconds"] for rule in rules_found if "everySeconds" in rule), 0)
            if policy.lasts(int(kept)):
                return str(found["id"]), Made.EXISTS
            await self.call("PATCH", f"/api/v2/buckets/{found['id']}", body={"retentionRules": rules})
            return str(found["id"]), Made.CHANGED
        made = await self.call(
            "POST",
            "/api/v2/buckets",
            body={"orgID": organisation, "name": policy.bucket, "retentionRules": rules},
        )
        (bucket,) = self._rows({"made": [made]}, "made", "id")
        return str(bucket["id"]), Made.CREATED

    async def _mapping(self, policy: Policy, organisation: str, bucket: str) -> Made:
        told = await self.call("GET", "/api/v2/dbrps", query={"orgID": organisation, "db": DATABASE})
        for found in self._rows(told, "content"):
            # One without id or marked virtual is the server's own guess, and goes when it guesses otherwise.
            if found.get("retention_policy") == policy.name and not found.get("virtual"):
                if found.get("bucketID") == bucket:
                    return Made.EXISTS
                raise Failed(
                    f"{self.access.url}: {DATABASE}/{policy.name} is mapped to another bucket "
                    f"({found.get('bucketID')}); remove that mapping"
                )
        await self.call(
            "POST",
            "/api/v2/dbrps",
            body={
                "orgID": organisation,
                "bucketID": bucket,
                "database": DATABASE,
                "retention_policy": policy.name,
                "default": policy is POLICIES[0],
            },
        )
        return Made.CREATED

"""InfluxQL over HTTP: queries on every generation, and management of 1.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp

from .server import Access, Failed, Unauthorised, request


@dataclass(frozen=True, slots=True)
class Result:
    """One series of an answer."""

    name: str
    tags: dict[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> list[Any]:
        """Return one column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


def quoted(identifier: str) -> str:
    """Return an identifier as InfluxQL wants it."""
    escaped = identifier.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


async def ask(
    session: aiohttp.ClientSession,
    access: Access,
    generation: int,
    statement: str,
    *,
    database: str = "",
    epoch: str = "ms",
) -> list[Result]:
    """Run one statement; raises Unreachable, Unauthorised and Failed.

    A SELECT names database, policy and measurement in its FROM: only so all generations take it alike.
    """
    query = {"epoch": epoch}
    if database:
        query["db"] = database
    status, _, told = await request(
        session,
        access,
        "POST",
        "/query",
        headers=access.headers(generation),
        query=query,
        data={"q": statement},
    )
    error = told.get("error") if isinstance(told, dict) else None
    if status in {401, 403}:
        raise Unauthorised(f"{access.url}: {status} to {statement!r}: {error or 'no explanation'}")
    if status != 200 or not isinstance(told, dict):
        raise Failed(f"{access.url}: {status} to {statement!r}: {error or told}")
    (answer,) = told.get("results") or [{}]
    if "error" in answer:
        raise Failed(f"{access.url}: {statement!r}: {answer['error']}")
    return [
        Result(
            found.get("name", ""),
            found.get("tags") or {},
            tuple(found["columns"]),
            tuple(tuple(row) for row in found.get("values") or ()),
        )
        for found in answer.get("series") or ()
    ]

"""Delivering batches to servers that complain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from microgrid_core.influx.answers import STORED, Answer, Verdict, interpret
from microgrid_core.influx.delivery import SAME_REFUSALS, Postponed, deliver

if TYPE_CHECKING:
    from microgrid_core.influx.server import Step
from microgrid_core.influx.tiers import SECONDS, Policy


class Picky:
    """A server that judges batches."""

    def __init__(self, judge: Callable[[list[bytes]], Answer]) -> None:
        self.judge = judge
        self.stored: list[bytes] = []
        self.requests = 0

    async def write(self, policy: Policy, body: bytes) -> Answer:
        assert policy is SECONDS
        self.requests += 1
        batch = body.split(b"\n")
        answer = self.judge(batch)
        if answer.verdict is Verdict.STORED:
            self.stored += batch
        elif answer.verdict is Verdict.PARTIAL:
            self.stored += [line for line in batch if not bad(line)]
        return answer

    async def provision(self) -> list[Step]:
        return []

    async def close(self) -> None: ...


def bad(line: bytes) -> bool:
    """Return whether a line is meant to be refused."""
    return b"bad" in line


LINES = [b"m,n=1 v=%d %d" % (number, number) for number in range(100)]
SPOILT = [*LINES[:40], b"m,n=1 bad 1", *LINES[40:90], b"m,n=1 bad 2", *LINES[90:]]


def first_bad(batch: list[bytes]) -> int | None:
    """Return the number of the first bad line, from 1."""
    return next((number for number, line in enumerate(batch, 1) if bad(line)), None)


async def test_a_partial_write_is_never_repeated() -> None:
    server = Picky(lambda batch: interpret(1, 400, '{"error":"partial write: … dropped=2"}'))
    outcome = await deliver(server, SECONDS, SPOILT)
    assert (server.requests, outcome.stored, outcome.dropped) == (1, 100, 2)
    assert server.stored == LINES


async def test_bad_lines_are_found_by_halving() -> None:
    """2.x stores nothing of a batch with a syntax error."""
    server = Picky(lambda batch: interpret(2, 400, "{}") if any(map(bad, batch)) else STORED)
    outcome = await deliver(server, SECONDS, SPOILT)
    assert (outcome.stored, outcome.dropped) == (100, 2)
    assert server.stored == LINES
    assert server.requests < 40


async def test_a_line_that_is_named_is_left_out() -> None:
    """3.x names it."""

    def judge(batch: list[bytes]) -> Answer:
        number = first_bad(batch)
        return STORED if number is None else Answer(Verdict.REFUSED, "400: bad", bad_line=number)

    server = Picky(judge)
    outcome = await deliver(server, SECONDS, SPOILT)
    assert (server.requests, outcome.stored, outcome.dropped) == (3, 100, 2)
    assert server.stored == LINES


@pytest.mark.parametrize("named", [True, False])
async def test_a_measurement_that_is_refused_whole_costs_few_requests_and_no_other_one(named: bool) -> None:
    """A field whose type is another on the server spoils every line of its measurement."""
    spoilt = [b"bad,n=1 v=%d.0 1" % number for number in range(2000)]

    def judge(batch: list[bytes]) -> Answer:
        number = first_bad(batch)
        return (
            STORED
            if number is None
            else Answer(Verdict.REFUSED, "400: type", bad_line=number if named else None)
        )

    server = Picky(judge)
    outcome = await deliver(server, SECONDS, [*LINES[:50], *spoilt, *LINES[50:]])
    assert (outcome.stored, outcome.dropped) == (100, 2000)
    assert sorted(server.stored) == sorted(LINES)
    assert server.requests <= 4 * SAME_REFUSALS


async def test_what_is_too_large_is_halved() -> None:
    server = Picky(lambda batch: interpret(3, 413, "") if len(batch) > 7 else STORED)
    outcome = await deliver(server, SECONDS, LINES)
    assert (outcome.stored, outcome.dropped) == (100, 0)
    assert server.stored == LINES


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_the_rest_is_sent_again_later(status: int) -> None:
    server = Picky(lambda batch: interpret(1, status, ""))
    with pytest.raises(Postponed, match=str(status)) as caught:
        await deliver(server, SECONDS, LINES)
    assert caught.value.answer.verdict is not Verdict.STORED
    assert server.requests == 1

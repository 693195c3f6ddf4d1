"""One running laboratory for each module of tests, with every node shown alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from script.lab.lab import Lab
from script.lab.neighbourhood import Plan
from script.lab.summary import wait_until_shown
from tests.e2e.nodes import registered


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """The full swarm in a fresh Home Assistant."""
    async with Lab(tmp_path_factory.mktemp("lab"), Plan()) as running:
        _, problems = await wait_until_shown(running, 90)
        assert not problems
        await until_settled(running)
        yield running


async def until_settled(lab: Lab) -> None:
    """Wait until no more entities come: derived ones appear with the first values that they need."""
    before: object = None
    while before != (now := await registered(lab)):
        before = now
        await asyncio.sleep(5)

"""The full swarm as its operator sees it: values that move, the dashboard, nodes that come and go."""

from __future__ import annotations

import asyncio
import json
import re
import time

import pytest

from microgrid_core.model.battery import BATTERY
from microgrid_core.model.kinds import KINDS
from script.lab.browser import View, chromium, view
from script.lab.lab import DASHBOARD, Lab
from script.lab.summary import shown
from tests.e2e.nodes import forget, lone_node, registered, states_of

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FAST_S = 10.0  # nodes with a longer interval may have nothing new while we watch
VALUE = re.compile(r"[−-]?[\d,]+(\.\d+)? ?(W|kW|VA|kVA|%|°C|Hz|V|A)")
NOT_A_VALUE = re.compile(
    r"NaN|undefined|null|Infinity|\[object|entity not (found|available)|unavailable", re.IGNORECASE
)


async def test_live_values_of_every_node_change(lab: Lab) -> None:
    kinds = {name: kind for name, kind in lab.watcher.kinds().items() if KINDS[kind].interval_s <= FAST_S}
    assert len(kinds) >= 16
    before = {name: await states_of(lab, name) for name in kinds}
    still, deadline = set(kinds), time.monotonic() + 60
    while still and time.monotonic() < deadline:
        await asyncio.sleep(2)
        still = {name for name in still if await states_of(lab, name) == before[name]}

    still -= {name for name in still if kinds[name] == "battery" and await is_steady(lab, name)}
    assert still == set(), "nodes whose states did not change in a minute"


async def is_steady(lab: Lab, battery: str) -> bool:
    """Whether the power that it says is the one that is shown, but for changes too small to tell."""
    said = json.loads(lab.watcher.newest[live_topic(lab, battery)])["values"]["power"]
    (power,) = [metric for metric in BATTERY.metrics if metric.key == "power"]
    state = (await states_of(lab, battery))["power"]
    return bool(abs(float(state) - said) <= power.dead_band)


async def test_what_is_shown_is_what_was_said(lab: Lab) -> None:
    node, metric = "house-01", "state_of_charge"  # it moves slowly, so the two looks see the same
    live = json.loads(lab.watcher.newest[live_topic(lab, node)])
    states = await states_of(lab, node)

    assert float(states[metric]) == pytest.approx(live["values"][metric], abs=1.0)


def live_topic(lab: Lab, node: str) -> str:
    """Return the topic on which a node sends its values."""
    return f"microgrid/v1/{lab.watcher.swarm_id}/{node}/live"


async def test_dashboard_is_the_first_page_after_login_and_shows_every_device_alive(lab: Lab) -> None:
    login = lab.hass.login
    assert login is not None
    names = [birth.name for birth in lab.watcher.births.values()]
    async with chromium() as browser, view(browser, lab.hass, logged_in=False) as window:
        await window.page.goto(lab.hass.url)
        await window.page.locator("input[name=username]").fill(login.username)
        await window.page.locator("input[name=password]").fill(login.password)
        await window.page.locator("input[name=password]").press("Enter")
        await window.page.wait_for_url(f"**/{DASHBOARD}/**", timeout=60_000)
        first = await values_beside(window, [*names, "Heat pump hp-1"])

        assert [name for name, value in first.items() if value is None] == []
        await asyncio.sleep(20)
        later = await values_beside(window, list(first))
        assert sum(first[name] != later[name] for name in first) >= len(first) // 3
        assert window.errors == []


async def test_every_page_of_the_dashboard_is_whole_on_desktop_and_phone(lab: Lab) -> None:
    async with chromium() as browser:
        for size in ((1280, 900), (412, 915)):
            async with view(browser, lab.hass, size=size, scheme="dark") as window:
                for page in ("overview", "gateway-1", "gateway-2", "gateway-3", "devices", "health"):
                    await window.open(f"/{DASHBOARD}/{page}")
                    texts = await window.texts()
                    assert [text for text in texts if NOT_A_VALUE.search(text)] == [], page
                    assert any(VALUE.fullmatch(text) for text in texts) or page == "health", page
                assert window.errors == [], size


async def values_beside(window: View, names: list[str]) -> dict[str, str | None]:
    """Return for each device the first value that the page shows after its name; waits for the page."""
    await window.page.wait_for_selector("microgrid-swarm-card", state="attached", timeout=30_000)
    await window.page.wait_for_timeout(3000)
    texts = await window.texts()
    found: dict[str, str | None] = {}
    for name in names:
        place = texts.index(name, texts.index("Edit dashboard")) if name in texts else len(texts)
        found[name] = next((text for text in texts[place : place + 5] if VALUE.match(text)), None)
    return found


async def test_a_node_appears_and_disappears_without_restart(lab: Lab) -> None:
    before = await registered(lab)
    with lone_node(lab, "newcomer"):
        await until_shown(lab, "newcomer", True)
        deadline = time.monotonic() + 20
        while (power := (await states_of(lab, "newcomer"))["load_power"]) in ("unknown", "unavailable"):
            assert time.monotonic() < deadline, power
            await asyncio.sleep(0.5)
        assert 500 <= float(power) <= 900
    forget(lab, "newcomer")
    await until_shown(lab, "newcomer", False)

    assert await registered(lab) == before
    assert [record.text for record in lab.hass.log_errors() if record.ours] == []


async def until_shown(lab: Lab, node_id: str, wanted: bool) -> None:
    """Wait until a node is shown alive, or shown no more."""
    deadline = time.monotonic() + 30
    while True:
        now = await shown(lab)
        alive = node_id in now.nodes and node_id not in now.offline
        if alive if wanted else node_id not in now.nodes:
            return
        assert time.monotonic() < deadline, now
        await asyncio.sleep(0.5)

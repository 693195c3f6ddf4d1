"""A fault that the demo plays on demand is on the operator's phone a minute later, without internet.

With `MICROGRID_ANTHROPIC` set to a folder with another generation of the package `anthropic` the explanations
are made with that one; the last test runs this file so.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from microgrid_core.diagnosis.causes import CAUSES
from script.lab.client import HassError
from script.lab.hass import ROOT
from script.lab.lab import DOMAIN, Lab
from script.lab.neighbourhood import Plan
from script.lab.summary import shown, wait_until_shown
from tests.integration.fake_messages import KEY, FakeMessages

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

OTHER = "MICROGRID_ANTHROPIC"
ACTION = "microgrid/simulate_fault"
PLAN = Plan(houses=8, clusters=2)
NODES = sum(PLAN.expected.values())
WINDOW_S = 10.0
"""Nodes record for so long after a fault."""
BUDGET_S = 60.0
"""From then on until the operator knows."""
PNG = b"\x89PNG\r\n\x1a\n"
FLOWS = "/api/config/config_entries/subentries/flow"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """Two clusters, and all that the demo has."""
    packages = Path(os.environ[OTHER]) if OTHER in os.environ else None
    async with Lab(tmp_path_factory.mktemp("lab"), PLAN, packages=packages, demo=True) as running:
        _, problems = await wait_until_shown(running, 90)
        assert not problems
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def claude() -> AsyncIterator[FakeMessages]:
    """The service of Claude, on this machine."""
    fake = FakeMessages()
    await fake.server.start_server()
    yield fake
    await fake.server.close()


async def simulate(lab: Lab, **wanted: Any) -> dict[str, Any]:
    """Call the action as a user does; returns what is true."""
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = await lab.hass.client.post(f"/api/services/{ACTION}?return_response", wanted)
        except HassError as error:
            # It is registered when the simulator has said what it offers.
            assert "400" in str(error) and time.monotonic() < deadline, error
            await asyncio.sleep(1)
        else:
            response: dict[str, Any] = answer["service_response"]
            return response


async def told(lab: Lab, event_id: str) -> tuple[dict[str, Any], float]:
    """Wait for the phone; returns its notification, and how long after the window it came."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for notification in await lab.hass.client.ws("persistent_notification/get"):
            if event_id in notification["notification_id"]:
                return notification, time.time()
        await asyncio.sleep(0.25)
    raise AssertionError(f"nobody was told of {event_id}: {lab.hass.log_records('ERROR', 'WARNING')}")


async def fault(lab: Lab, event_id: str) -> dict[str, Any]:
    """What Home Assistant has of it."""
    entry = (await lab.hass.client.ws("config_entries/get", domain=DOMAIN))[0]["entry_id"]
    answer = await lab.hass.client.post(
        "/api/services/microgrid/get_fault?return_response", {"config_entry_id": entry, "event_id": event_id}
    )
    found: dict[str, Any] = answer["service_response"]
    return found


async def picture(lab: Lab, notification: dict[str, Any]) -> bytes:
    """Load the chart from where the notification says, with nothing but its link."""
    found = re.search(r"!\[[^]]*\]\((/[^)]+)\)", notification["message"])
    assert found, notification
    async with lab.hass.client.http.get(lab.hass.url + found[1]) as response:
        assert (response.status, response.content_type) == (200, "image/png")
        return await response.read()


def named(node_id: str) -> str:
    """Return what the simulator's nodes call themselves."""
    return node_id.replace("-", " ").capitalize()


def seconds_late(truth: dict[str, Any], at: float) -> float:
    """Seconds from the end of the recordings to the notification."""
    return at - datetime.fromisoformat(truth["time"]).astimezone(UTC).timestamp() - WINDOW_S


async def test_the_phone_says_what_happened_and_shows_it(lab: Lab) -> None:
    truth = await simulate(lab, scenario="F001.neighbour_trip", gateway="gateway-2", seed=7)
    assert truth["gateway"] == "gateway-2" and truth["path"][-1] == truth["node"]

    notification, at = await told(lab, truth["event_id"])
    late_s = seconds_late(truth, at)
    print(f"the phone knew {late_s:.1f} s after the recordings ended: {notification}")

    assert late_s <= BUDGET_S
    found = await fault(lab, truth["event_id"])
    assert (found["cause"], found["origin"]) == (truth["cause"], truth["origin"])
    assert (found["snapshots"], found["missing"]) == ("complete", [])
    assert named(truth["node"]) in notification["title"]
    assert truth["code"] in notification["title"]
    text = notification["message"]
    assert CAUSES[truth["cause"]].meaning in text
    assert f"It began at {named(truth['origin'])}." in text
    assert re.search(r"Clearest sign: [^.]+ \N{MINUS SIGN}?\d+(\.\d+)? \w+ (at|beyond)", text), text
    assert (await picture(lab, notification)).startswith(PNG)

    await acknowledge(lab, truth["event_id"])


async def acknowledge(lab: Lab, event_id: str) -> None:
    """Tap the button after the automation forgot everything, as it does in a restart."""
    client = lab.hass.client
    entry = (await client.ws("config_entries/get", domain=DOMAIN))[0]["entry_id"]
    await client.post("/api/services/automation/reload", {})
    button = f"MICROGRID_SEEN/{entry}/{event_id}"
    await client.post("/api/events/mobile_app_notification_action", {"action": button})
    deadline = time.monotonic() + 60
    while not (await told(lab, event_id))[0]["message"].startswith("Somebody has seen it. "):
        assert time.monotonic() < deadline, await told(lab, event_id)
        await asyncio.sleep(0.25)
    assert [one["note"] for one in (await fault(lab, event_id))["annotations"]] == ["acknowledged"]


async def test_the_fault_is_live_while_it_lasts(lab: Lab) -> None:
    """Also: nothing is played twice at a place, and what does not exist is refused with a reason."""
    truth = await simulate(lab, scenario="F010.sense_wire", gateway="gateway-1", seed=1)
    for wrong, reason in (
        ({"scenario": "F010.sense_wire", "gateway": "gateway-1"}, "is still being played"),
        ({"scenario": "F010.sense_wires"}, "did you mean F010.sense_wire"),
        ({"scenario": "F010.sense_wire", "gateway": "gateway-9"}, "gateway-1, gateway-2"),
    ):
        with pytest.raises(HassError) as refused:
            await lab.hass.client.post(f"/api/services/{ACTION}?return_response", wrong)
        assert reason in str(refused.value)

    raised = f"/api/states/event.{truth['node'].replace('-', '_')}_fault"
    deadline = time.monotonic() + 30
    while True:
        state = await lab.hass.client.get(raised)
        if state["attributes"].get("code") == "F010":
            break
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.5)
    notification, at = await told(lab, truth["event_id"])
    assert seconds_late(truth, at) <= BUDGET_S
    assert (await fault(lab, truth["event_id"]))["cause"] == truth["cause"], notification


async def test_claude_explains_it(lab: Lab, claude: FakeMessages) -> None:
    client = lab.hass.client
    entry = (await client.ws("config_entries/get", domain=DOMAIN))[0]["entry_id"]
    form = await client.flow(
        FLOWS,
        {"handler": [entry, "explainer"]},
        {"next_step_id": "anthropic"},
        {
            "api_key": KEY,
            "model": "claude-sonnet-5-5",
            "effort": "auto",
            "budget_day": 1.0,
            "budget_month": 10.0,
            "base_url": claude.url,
        },
    )
    assert form["type"] == "create_entry", form
    deadline = time.monotonic() + 60
    while (now := await shown(lab)).offline or len(now.nodes) < NODES:
        assert time.monotonic() < deadline, now.offline  # it was reloaded
        await asyncio.sleep(0.5)
    claude.requests.clear()
    claude.headers.clear()

    truth = await simulate(lab, scenario="F004.cooling", gateway="gateway-2", seed=3)
    notification, at = await told(lab, truth["event_id"])
    late_s = seconds_late(truth, at)
    print(f"with an explanation the phone knew after {late_s:.1f} s: {notification['message']}")

    assert late_s <= BUDGET_S
    found = await fault(lab, truth["event_id"])
    assert found["cause"] == truth["cause"]
    (asked,) = [request for request in claude.requests if "<evidence>" in str(request["messages"])]
    assert named(truth["node"]) not in str(asked)
    said = re.search(r"The [^.]+ was -?[\d.]+ ?[^ ]*\.", notification["message"])
    assert said, "these are not the model's words"
    assert (await picture(lab, notification)).startswith(PNG)
    spoken = "2026-10-21" if OTHER in os.environ else "2023-06-01"
    assert {headers["anthropic-version"] for headers in claude.headers} == {spoken}
    assert not [record for record in lab.hass.log_errors() if record.ours]


@pytest.mark.slow
@pytest.mark.skipif(OTHER in os.environ, reason="this is the run with the other generation")
async def test_all_this_holds_with_the_present_package(tmp_path: Path) -> None:
    """Home Assistant ships 0.125; without its own integration the newest is installed."""
    uv = ROOT / ".tools" / "uv" / "bin" / "uv"
    command = [str(uv if uv.exists() else "uv"), "pip", "install", "--quiet", "--target", str(tmp_path)]
    command += ["--python", sys.executable, "anthropic>=2"]
    installed = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    environment = {**os.environ, OTHER: str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:homeassistant", "-p", "no:cacheprovider"]
    command += ["-k", "claude", __file__]
    run = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]

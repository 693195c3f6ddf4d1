"""A demo whose clock runs fast plans, sends, is acknowledged, settles and shows its saving, unattended."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.energy.settlement import Settlement, mid_market
from script.lab.browser import chromium, view
from script.lab.lab import DASHBOARD, Lab
from script.lab.microgrid_demo.prices import prices_of
from script.lab.neighbourhood import Plan
from script.lab.planning import EXPORT_PRICE, LEVY, TAX_PERCENT
from script.lab.processes import LOOPBACK
from script.lab.summary import wait_until_shown
from script.lab.swift import ZONE
from simulator.ledger import read_ledger

pytestmark = pytest.mark.e2e

HOUR = timedelta(hours=1)
HOUSES = 4


class Post:
    """What goes to the battery and comes back."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.schedules: dict[int, str] = {}
        """Ids by revision."""
        self.answers: dict[int, set[str]] = {}
        """Statuses of whole schedules by revision."""
        self.intervals: Counter[str] = Counter()
        """Statuses of their intervals."""

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a schedule, or what a node says to one."""
        said = json.loads(payload) if payload else {}
        if topic.endswith("/schedule/set") and said:
            self.schedules[said["revision"]] = said["schedule_id"]
        elif topic.endswith("/ack") and "status" in said:
            if said.get("interval_id") is None:
                self.answers.setdefault(said["revision"], set()).add(said["status"])
            else:
                self.intervals[said["status"]] += 1


@contextmanager
def listening(port: int) -> Iterator[Post]:
    """Listen to schedules and acknowledgements."""
    post = Post()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe(
        [("microgrid/v1/+/+/schedule/set", 1), ("microgrid/v1/+/+/ack", 1)]
    )
    client.on_message = lambda client, userdata, message: post.hear(message.topic, message.payload)
    client.connect(LOOPBACK, port)
    client.loop_start()
    try:
        yield post
    finally:
        client.loop_stop()
        client.disconnect()


async def states(lab: Lab) -> dict[str, Any]:
    """Return the states of the planner by the rest of their ids."""
    return {
        state["entity_id"].partition(".energy_planner_")[2]: state
        for state in await lab.hass.client.get("/api/states")
        if ".energy_planner_" in state["entity_id"]
    }


async def settled(lab: Lab, start: datetime, end: datetime) -> dict[str, Any]:
    """Settle a range as a user would; what the logs bring late is waited for."""
    deadline = time.monotonic() + 60.0
    while True:
        answer = await lab.hass.client.post(
            "/api/services/microgrid/settle?return_response",
            {"start": start.isoformat(), "end": end.isoformat()},
        )
        found: dict[str, Any] = answer["service_response"]
        if found["hours"] == (end - start) / HOUR or time.monotonic() > deadline:
            return found
        await asyncio.sleep(1.0)


def true_settlement(ledger: Path, houses: list[str], start: datetime, end: datetime) -> Settlement:
    """Settle by what really flowed and what the market really asked."""
    truth = read_ledger(ledger)
    hours = [start + number * HOUR for number in range(round((end - start) / HOUR))]
    net_kwh = np.zeros((len(houses), len(hours)))
    for at, hour in enumerate(hours):
        for row, house in enumerate(houses):
            energies = truth.energies[house, hour.strftime("%Y-%m-%dT%H:%M:%SZ")]
            net_kwh[row, at] = (energies["energy_imported"] - energies["energy_exported"]) / 1000.0
    spot = dict(row for hour in hours for row in prices_of(hour.astimezone(ZONE).date(), ZONE))
    bought = np.array([spot[hour] * (1.0 + TAX_PERCENT / 100.0) + LEVY for hour in hours])
    return mid_market(net_kwh, bought, np.full(len(hours), EXPORT_PRICE))


async def live_for(lab: Lab, hours: float) -> None:
    """Let time pass by the clock of the lab; nobody does anything."""
    assert lab.swift is not None
    until = lab.swift.now + hours * HOUR
    while lab.swift.now < until and not lab.swift.caught_up:
        for child in lab.children:
            if not child.running:
                raise child.died()
        await asyncio.sleep(0.5)


async def texts_of_dashboard(lab: Lab) -> str:
    """Return what the first page and the page of energy say, and see that our program does not complain."""
    found = []
    async with chromium() as browser, view(browser, lab.hass) as window:
        for page in ("overview", "energy"):
            await window.open(f"/{DASHBOARD}/{page}", settle_s=3.0)
            found += await window.texts()
        assert window.errors_of("microgrid") == []
    return " ".join(found)


@pytest.mark.parametrize(
    ("speed", "hours"),
    [
        pytest.param(150.0, 2.5, id="some-hours"),
        pytest.param(300.0, 24.0 * 7, id="whole-week", marks=pytest.mark.slow),
    ],
)
async def test_a_week_passes_unattended(tmp_path: Path, speed: float, hours: float) -> None:
    ledger = tmp_path / "ledger.jsonl"
    start = "16:30" if hours < 24.0 else None
    plan = Plan(houses=HOUSES, clusters=1, speed=speed, start=start)
    async with Lab(tmp_path, plan, demo=True, ledger=ledger) as lab:
        assert lab.swift is not None
        _, problems = await wait_until_shown(lab, 90.0)
        assert problems == []
        with listening(lab.broker.port) as post:
            lab.swift.go()
            begin = lab.swift.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
            await live_for(lab, hours)
            end = lab.swift.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            await live_for(lab, 0.25)  # the logs of the last hour arrive
        shown = await states(lab)
        bill = await settled(lab, begin, end)
        said = await texts_of_dashboard(lab)
        broken = [record.text for record in lab.hass.log_errors() if record.ours]

    # A plan each half hour, the battery takes each schedule, and does what it says.
    planned = [revision for revision, name in post.schedules.items() if name.startswith("plan-")]
    assert len(planned) >= 1.8 * hours - 2
    unanswered = [revision for revision in planned[:-1] if not post.answers.get(revision, set())]
    assert unanswered == []
    assert all("rejected" not in post.answers.get(revision, set()) for revision in planned)
    assert sum("accepted" in post.answers.get(revision, set()) for revision in planned) >= len(planned) - 1
    assert post.intervals["started"] >= hours
    assert post.intervals["succeeded"] + post.intervals["superseded"] >= hours

    # Who pays whom adds up to the bill, and is what really flowed at the prices of the market. (The simulated
    # swarm has no line to outside, so what some pay is what others get, and the bill is next to nothing.)
    assert len(bill["houses"]) == HOUSES
    assert bill["hours"] == (end - begin) / HOUR >= hours - 2
    assert round(sum(house["payment"] for house in bill["houses"]), 2) == bill["bill"]
    truth = true_settlement(ledger, [house["node"] for house in bill["houses"]], begin, end)
    assert bill["bill"] == pytest.approx(truth.bill_cents / 100.0, abs=0.0101)
    assert (
        bill["inside_kwh"] == pytest.approx(truth.inside_kwh, rel=0.01, abs=0.02) and truth.inside_kwh > 0.1
    )
    for house, payment in zip(bill["houses"], truth.payments, strict=True):
        assert house["payment"] == pytest.approx(payment, abs=0.0101), house
    for span in ("today", "this_month"):
        payments = [
            float(state["state"])
            for name, state in shown.items()
            if name.startswith("payment_of_") and name.endswith(span)
        ]
        assert len(payments) == HOUSES
        assert round(sum(payments), 2) == float(shown[f"bill_of_the_connection_{span}"]["state"])

    # The dashboard says what is done, why, and what it saved.
    assert shown["reason_of_fallback"]["state"] == "none"
    assert re.search(r"a stored kWh|kWh", said), said
    assert re.search(r"Saved today\s+[-−]?€[\d.]+", said), said
    assert "The next 36 hours" in said and "Who pays whom" in said
    assert broken == []
    if hours >= 72.0:  # by then it knows the load
        saving = float(shown["saving"]["state"])
        assert saving > 0.0, saving

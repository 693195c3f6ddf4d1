"""The energy planner of the demo: set up as a user would, with the demo's day-ahead prices."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from simulator.past import meter_hours

from .client import HassClient
from .errors import LabError
from .neighbourhood import Plan

KIND = "energy_planner"
# microgrid_demo/sensor.py
PRICE_ENTITY = "sensor.day_ahead_price"
LOAD_ENTITY = "sensor.pi_house_consumption"
SOLAR_ENTITY = "sensor.pi_house_solar"
FLOWS = "/api/config/config_entries/subentries/flow"
TAX_PERCENT = 19.0
LEVY = 0.12
"""EUR/kWh, after tax: network and levies."""
EXPORT_PRICE = 0.06
_PATIENCE_S = 60.0
_PAST_DAYS = 8


async def set_up(client: HassClient, domain: str, plan: Plan, now: datetime) -> None:
    """Add the planner to the swarm where there is none yet; Home Assistant has known the meter for days."""
    (entry,) = await client.ws("config_entries/get", domain=domain)
    entry_id = entry["entry_id"]
    there = await client.ws("config_entries/subentries/list", entry_id=entry_id)
    if any(subentry["subentry_type"] == KIND for subentry in there):
        return
    await _told(client)
    await _remember(client, plan, now)
    result = await client.flow(
        FLOWS,
        {"handler": [entry_id, KIND]},
        {"next_step_id": "price_entity"},
        {
            "entity_id": PRICE_ENTITY,
            "unit": "auto",
            "fee": 0.0,
            "tax": TAX_PERCENT,
            "levy": LEVY,
            "export_price": EXPORT_PRICE,
            "export_at_market": False,
        },
        {
            "strategy": "save_money",
            "automatic": True,
            "reserve": 10,
            "wear": 0.0,
            "demand_charge": 0.0,
            "interval": 30,
            "load_entity": LOAD_ENTITY,
            "solar_entity": SOLAR_ENTITY,
        },
        {},
    )
    if result["type"] != "create_entry":
        raise LabError("energy planner", f"the dialogue answered {result}", "read the log of Home Assistant")


async def _told(client: HassClient) -> None:
    """Wait until price and meter are there."""
    deadline = time.monotonic() + _PATIENCE_S
    missing = {PRICE_ENTITY, LOAD_ENTITY, SOLAR_ENTITY}
    while missing:
        if time.monotonic() > deadline:
            raise LabError("energy planner", f"there is no {min(missing)}", "read the log of Home Assistant")
        states = await client.get("/api/states")
        missing -= {one["entity_id"] for one in states if one["state"] not in ("unknown", "unavailable")}
        await asyncio.sleep(0.2)


async def _remember(client: HassClient, plan: Plan, now: datetime) -> None:
    """Give the meter's sensors the statistics that they would have if the demo had run for days."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    shown = await asyncio.to_thread(
        meter_hours, _PAST_DAYS, (now - end).total_seconds(), seed=plan.seed, **_begin(plan, now)
    )
    begins = [end - timedelta(hours=back) for back in range(len(shown), 0, -1)]
    for at, entity_id in enumerate((LOAD_ENTITY, SOLAR_ENTITY)):
        await client.ws(
            "recorder/import_statistics",
            metadata={
                "statistic_id": entity_id,
                "source": "recorder",
                "name": None,
                "unit_of_measurement": "W",
                "unit_class": "power",
                "mean_type": 1,  # arithmetic
                "has_sum": False,
            },
            stats=[
                {"start": begin.isoformat(), "mean": round(hour[at], 1)}
                for begin, hour in zip(begins, shown, strict=True)
            ],
        )
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        known = await client.ws(
            "recorder/statistics_during_period",
            start_time=begins[0].isoformat(),
            statistic_ids=[LOAD_ENTITY, SOLAR_ENTITY],
            period="hour",
            types=["mean"],
        )
        if min(len(known.get(entity_id, ())) for entity_id in (LOAD_ENTITY, SOLAR_ENTITY)) >= len(shown):
            return
        await asyncio.sleep(0.2)
    raise LabError(
        "statistics of the meter", "the recorder did not take them", "read the log of Home Assistant"
    )


def _begin(plan: Plan, now: datetime) -> dict[str, float]:
    """Return when the simulation begins, as its neighbourhood is told; nothing where the usual time holds."""
    if plan.start is None:
        return {}
    hours, minutes = (f"{now:%H:%M}" if plan.start == "now" else plan.start).split(":")
    return {"start_s": 3600.0 * int(hours) + 60.0 * int(minutes)}

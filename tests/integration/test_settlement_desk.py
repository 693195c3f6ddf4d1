"""Who owes what, kept up to date: sensors that add up to the bill of the connection."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import backup
from custom_components.microgrid.planner_state import Hour
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.records import Clock
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from tests.unit.core.archive.logs import MINUTE_US, Node

from .planning import START, Home, planner_of, set_up
from .voices import Voice

HOUR = timedelta(hours=1)
COUNTERS = ("energy_imported", "energy_exported")


@pytest.fixture
async def home(hass: HomeAssistant, mqtt_mock: MqttMockHAClient, freezer: FrozenDateTimeFactory) -> Home:
    """A house whose clock stands a little past three on the first of a month."""
    freezer.move_to(START + 3 * HOUR + timedelta(minutes=2))
    return Home(hass, freezer, mqtt_mock)


async def log(
    entry: MockConfigEntry,
    house: str,
    begin: datetime,
    imported: int,
    exported: int,
    first: int = 1000,
    roll_up: bool = True,
) -> None:
    """Put an hour's log of a house into the archive: Wh that each counter gains in a minute."""
    channels = tuple(Channel(at, key, "Wh", MINUTE_US, width=4) for at, key in enumerate(COUNTERS, 1))
    node = Node(
        boot_id=int(begin.timestamp()) % 2**31,
        utc_us=round(begin.timestamp() * 1e6),
        schema=Schema(house, "c", channels),
    )
    gains = dict(zip(COUNTERS, (imported, exported), strict=True))
    frames = node.start()
    for minute in range(61):
        counts = {name: (first if gain else 1000) + minute * gain for name, gain in gains.items()}
        samples = {one.id: (np.array([counts[one.name]], np.int64), None) for one in channels}
        payload, flags, blocks = encode_samples(node.schema, Kind.SLOW, 60_000, samples, Clock(0, 500, 3, 1))
        frames.append(node.frame(Kind.SLOW, payload, flags, blocks))
        node.mono_us += MINUTE_US
    historian = entry.runtime_data.historian
    await historian.write(historian.archive.append, house, [frame.encode() for frame in frames])
    if roll_up:
        await historian.write(historian.archive.roll_up)


def money(hass: HomeAssistant, key: str) -> dict[str, Any]:
    """Return the states of one kind of sensor by the house in their unique id ("" for the connection)."""
    found = {}
    for one in er.async_get(hass).entities.values():
        _, mark, rest = one.unique_id.partition("/energy_planner/")
        name, _, house = rest.partition("/")
        if mark and name == key:
            found[house] = hass.states.get(one.entity_id)
    return found


async def settled(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Settle now."""
    desk = entry.runtime_data.settlement
    assert desk is not None
    await desk.refresh()
    await hass.async_block_till_done()


async def test_payments_add_up_to_the_bill(hass: HomeAssistant, home: Home) -> None:
    """One house gives what the other takes: the middle of the market between them, the rest from outside."""
    entry = await set_up(hass)
    for house in ("house-1", "house-2"):
        await Voice(hass, house, "house", house.replace("-", " ").capitalize()).greet(("load_power",))
    begin = START + HOUR
    await log(entry, "house-1", begin, imported=20, exported=0)  # 1.2 kWh
    await log(entry, "house-2", begin, imported=0, exported=10)  # 0.6 kWh
    planner_of(entry).state.ledger.hours[int(begin.timestamp()) // 3600] = Hour(bought=0.3, sold=0.1)

    await settled(hass, entry)

    for span in ("today", "month"):
        bill, payments = money(hass, f"planner_bill_{span}"), money(hass, f"planner_payment_{span}")
        assert set(payments) == {"house-1", "house-2"}
        # 0.6 kWh from outside; 0.6 kWh between them at 0.2.
        assert float(bill[""].state) == pytest.approx(0.18, abs=0.01)
        assert float(payments["house-1"].state) == pytest.approx(0.30, abs=0.01)
        assert float(payments["house-2"].state) == pytest.approx(-0.12, abs=0.01)
        total = sum(float(state.state) for state in payments.values())
        assert round(total, 2) == float(bill[""].state)
        assert bill[""].attributes["hours"] == 1
        assert bill[""].attributes["device_class"] == "monetary"
        assert bill[""].attributes["state_class"] == "total"
        assert bill[""].attributes["unit_of_measurement"] == "EUR"
        assert payments["house-1"].attributes["imported_kwh"] == pytest.approx(1.2, abs=0.03)
        assert payments["house-2"].attributes["friendly_name"].startswith("Energy planner Payment of House 2")
        assert bill[""].attributes["last_reset"] == START.isoformat()


async def test_settling_changes_nothing_that_a_backup_copies(hass: HomeAssistant, home: Home) -> None:
    """What waits to be rolled up waits until the files of the archive are copied."""
    entry = await set_up(hass)
    await Voice(hass, "house-1", "house", "House 1").greet(("load_power",))
    historian = entry.runtime_data.historian
    await log(entry, "house-1", START + HOUR, imported=20, exported=0, roll_up=False)
    await backup.async_pre_backup(hass)
    copied = ("index.db", "index.db-wal")
    before = [(historian.archive.folder / name).read_bytes() for name in copied]

    await settled(hass, entry)
    await planner_of(entry).replan()
    await hass.async_block_till_done()

    after = [(historian.archive.folder / name).read_bytes() for name in copied]
    await backup.async_post_backup(hass)
    assert after == before


async def test_nobody_pays_for_a_power_cut(hass: HomeAssistant, home: Home) -> None:
    """A house comes back with the counts that it saved minutes before: that is no import of years."""
    entry = await set_up(hass)
    await Voice(hass, "house-1", "house", "House 1").greet(("load_power",))
    begin = START + HOUR
    await log(entry, "house-1", begin, imported=20, exported=0, first=5_000_000)
    await log(entry, "house-1", begin + HOUR + timedelta(minutes=5), 20, 0, first=4_999_000)
    hours = planner_of(entry).state.ledger.hours
    for at in (begin, begin + HOUR):
        hours[int(at.timestamp()) // 3600] = Hour(bought=0.3, sold=0.1)

    await settled(hass, entry)

    (payment,) = money(hass, "planner_payment_today").values()
    assert payment.attributes["imported_kwh"] == pytest.approx(1.2 + 1.08, abs=0.05)
    assert float(payment.state) == pytest.approx(0.3 * (1.2 + 1.08), abs=0.02)


async def test_late_hours_and_late_houses(hass: HomeAssistant, home: Home) -> None:
    """What a log brings later is in the next settlement; a house that joins gets its sensors."""
    entry = await set_up(hass)
    await Voice(hass, "house-1", "house", "House 1").greet(("load_power",))
    hours = planner_of(entry).state.ledger.hours
    for back in (1, 2):
        hours[int((START + back * HOUR).timestamp()) // 3600] = Hour(bought=0.3, sold=0.1)
    await log(entry, "house-1", START + HOUR, imported=20, exported=0)
    await settled(hass, entry)
    before = float(money(hass, "planner_bill_today")[""].state)

    await Voice(hass, "house-3", "house", "House 3").greet(("load_power",))
    await log(entry, "house-3", START + 2 * HOUR, imported=10, exported=0)
    await planner_of(entry).replan()  # tells that there may be something new
    await hass.async_block_till_done()

    after = float(money(hass, "planner_bill_today")[""].state)
    assert after - before == pytest.approx(0.18, abs=0.01)
    payments = money(hass, "planner_payment_today")
    assert float(payments["house-3"].state) == pytest.approx(0.18, abs=0.01)
    home.freezer.move_to(START + timedelta(days=1, minutes=1))
    await settled(hass, entry)
    assert float(money(hass, "planner_bill_today")[""].state) == 0.0
    assert float(money(hass, "planner_bill_month")[""].state) == after
    assert (
        money(hass, "planner_bill_today")[""].attributes["last_reset"]
        == (START + timedelta(days=1)).isoformat()
    )


async def test_the_planner_stands_below_the_site(hass: HomeAssistant, home: Home) -> None:
    """Its device hangs under that of the site, and goes with its subentry."""
    entry = await set_up(hass)
    await settled(hass, entry)
    registry = dr.async_get(hass)
    by_id = {
        next(iter(device.identifiers))[1].partition("/")[2]: device
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
    }
    assert by_id["energy_planner"].via_device_id == by_id["site"].id
    assert money(hass, "planner_bill_today")
    (subentry,) = entry.get_subentries_of_type("energy_planner")
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()
    assert money(hass, "planner_bill_today") == {}
    assert entry.runtime_data.settlement is None

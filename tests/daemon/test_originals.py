"""What was found at an inverter, and how often it was written, are known after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from microgrid_daemon.identity import Identity, identify
from microgrid_daemon.inverter import ForeignChange, Inverter, Status
from microgrid_daemon.originals import StoredKeeper, StoredLedger
from microgrid_daemon.pi30.settings import Change, Purpose, RefusalReason, SettingValue
from microgrid_daemon.store import Store
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.stage import link_to, wired

NOON_S = 1.8e9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The daemon's file."""
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """The file, open."""
    found = Store(path)
    yield found
    found.close()


def test_the_first_value_is_kept_in_the_order_of_changes(store: Store, path: Path) -> None:
    keeper = StoredKeeper(store)
    found: dict[str, SettingValue] = {
        "output_priority": "sbu",
        "buzzer": True,
        "charge_current": 60,
        "float": 54.0,
    }
    for key, value in found.items():
        keeper.remember("A", key, value)
    keeper.remember("A", "buzzer", False)
    keeper.remember("B", "buzzer", False)
    store.close()

    again = Store(path)
    kept = StoredKeeper(again).originals("A")
    assert list(kept.items()) == list(found.items())
    assert [type(value) for value in kept.values()] == [str, bool, int, float]
    StoredKeeper(again).forget("A", "buzzer")
    assert "buzzer" not in StoredKeeper(again).originals("A")
    assert StoredKeeper(again).originals("B") == {"buzzer": False}
    again.close()


def test_writes_are_counted_over_restarts(store: Store, path: Path) -> None:
    StoredLedger(store, "A").note("buzzer", NOON_S)
    store.close()
    again = Store(path)
    ledger = StoredLedger(again, "A")
    refusal = ledger.check("buzzer", NOON_S + 10.0)
    assert refusal is not None and refusal.reason is RefusalReason.TOO_SOON
    assert ledger.check("buzzer", NOON_S + 301.0) is None
    assert StoredLedger(again, "B").check("buzzer", NOON_S + 10.0) is None
    again.close()


def test_old_writes_and_those_of_the_future_are_forgotten(store: Store) -> None:
    ledger = StoredLedger(store, "A")
    for time_s in (NOON_S + 1e8, NOON_S - 1e6, NOON_S):
        ledger.note("buzzer", time_s)
    assert store.ask("SELECT time_s FROM written") == [(NOON_S,)]


async def test_a_crash_between_the_disk_and_the_device_is_no_second_master(store: Store) -> None:
    """The next process finds what the schedule had written before, and brings the first value back."""
    device = Device(Unit())
    with wired(device, "usb") as places:
        link = link_to(places)
        found = await identify(link)
        assert isinstance(found, Identity)
        keeper, key = StoredKeeper(store), "output_source_priority"
        inverter = Inverter(link, found, enabled=[key], keeper=keeper)
        device.unit.settings.output_source_priority = 1
        assert (await inverter.change(Change(key, "sbu"), Purpose.SCHEDULE)).good
        keeper.remember(found.serial_number, key, "sbu", "utility")  # and then the power goes
        told: list[ForeignChange] = []
        later = Inverter(link, found, enabled=[key], keeper=StoredKeeper(store), on_foreign=told.append)
        assert [outcome.status for outcome in await later.restore()] == [Status.DONE]
        assert device.unit.settings.output_source_priority == 1
        assert told == []
        await link.close()


async def test_on_a_disk_that_takes_nothing_only_the_way_back_is_open(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device(Unit())
    with wired(device, "usb") as places:
        link = link_to(places)
        found = await identify(link)
        assert isinstance(found, Identity)
        key, serial = "output_source_priority", found.serial_number
        ledger = StoredLedger(store, serial)
        inverter = Inverter(
            link,
            found,
            enabled=[key, "buzzer"],
            keeper=StoredKeeper(store),
            ledger=ledger,
            now=lambda: NOON_S,
        )
        assert (await inverter.change(Change(key, "utility"), Purpose.SCHEDULE)).good
        store.ask("PRAGMA query_only = 1")
        for change, purpose in (
            (Change("max_charging_current", 20), Purpose.SCHEDULE),
            (Change("buzzer", False), Purpose.OPERATOR),
        ):
            inverter.enabled = frozenset({key, change.key})
            refused = await inverter.change(change, purpose)
            assert refused.status is Status.FAILED
            assert "could not be noted before: attempt to write a readonly database" in refused.detail
        assert device.unit.written == ["POP00"]
        assert [outcome.status for outcome in await inverter.restore()] == [Status.DONE]
        assert device.unit.written == ["POP00", "POP02"]
        assert "output_source_priority goes back to sbu, which could not be noted" in caplog.text
        assert f"output_source_priority of {serial} stays noted as changed" in caplog.text
        assert await inverter.restore() == [], "it is back, as often as one looks"
        assert not inverter.stopped
        store.ask("PRAGMA query_only = 0")
        assert await inverter.restore() == []
        assert StoredKeeper(store).originals(serial) == {}
        assert ledger.check(key, NOON_S + 10.0) is not None
        await link.close()

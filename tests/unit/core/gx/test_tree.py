"""The tree of a station: values, devices that come and go, listeners, ages, bounds, and what is hidden."""

from __future__ import annotations

import logging

import pytest

from microgrid_core.gx import tree as module
from microgrid_core.gx.redact import HIDDEN, redacted
from microgrid_core.gx.tree import Change, Happening, Tree
from microgrid_core.gx.value import Address, Reason, Told, Value

SOC = Address("battery", 512, "/Soc")


class Clock:
    """A time that only tests move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None) -> tuple[Tree, list[Change]]:
    tree = Tree(monotonic=clock or Clock(), wall=lambda: 1.7e9)
    changes: list[Change] = []
    tree.subscribe(changes.append)
    return tree, changes


def tell(tree: Tree, path: str, value: Value, service: str = "battery", instance: int = 512) -> None:
    tree.tell(Address(service, instance, path), Told(value))


def test_a_value_appears_changes_and_is_lost() -> None:
    tree, changes = make()
    for value in (None, 81.0, 81, 82.0, None, None, 83.0):
        tell(tree, "/Soc", value)
    assert [(change.happening, change.leaf.value, change.previous) for change in changes] == [
        (Happening.APPEARED, 83.0, None),
        (Happening.CHANGED, 83.0, 81.0),
        (Happening.LOST, 83.0, 82.0),
        (Happening.APPEARED, 83.0, None),
    ]
    assert tree.accepted == 7
    leaf = tree.leaf(SOC)
    assert leaf is not None
    assert leaf.address == SOC
    assert leaf.number == 83.0
    assert leaf.valid
    assert leaf.changed_at == 1.7e9
    assert leaf.known is not None
    assert leaf.known.fact.unit == "%"
    assert len(tree) == 1


def test_paths_that_nobody_knows_are_kept() -> None:
    tree, _ = make()
    tell(tree, "/Something/New", "x")
    leaf = tree.leaf(Address("battery", 512, "/Something/New"))
    assert leaf is not None
    assert leaf.known is None
    assert leaf.number is None
    assert list(tree.leaves()) == [leaf]
    assert list(tree.leaves(60)) == []


def test_a_device_leaves_and_comes_back() -> None:
    tree, changes = make()
    tell(tree, "/Soc", 50.0)
    tell(tree, "/Connected", None)
    tree.leave("battery", 512)
    tree.leave("battery", 512)
    tree.leave("nobody", 1)
    assert [change.happening for change in changes] == [Happening.APPEARED, Happening.LOST]
    assert list(tree.of("battery")) == []
    assert tree.value("battery", "/Soc") is None
    tell(tree, "/Soc", 49.0)
    assert [device.instance for device in tree.of("battery")] == [512]
    assert tree.value("battery", "/Soc") == 49.0


def test_sweep_finds_who_left_unheard() -> None:
    clock = Clock()
    tree, changes = make(clock)
    tell(tree, "/Soc", 50.0)
    tell(tree, "/Soc", 60.0, instance=513)
    clock.now += 10
    began = tree.now()
    tell(tree, "/Soc", 50.0)
    tree.sweep(began)
    assert [device.instance for device in tree.of("battery")] == [512]
    assert changes[-1].happening is Happening.LOST
    assert changes[-1].leaf.device.instance == 513


def test_the_first_valid_value_of_several_devices() -> None:
    tree, _ = make()
    tell(tree, "/Soc", None, instance=2)
    tell(tree, "/Soc", 40.0, instance=7)
    tell(tree, "/Soc", 41.0, instance=9)
    assert tree.value("battery", "/Soc") == 40.0
    assert tree.value("battery", "/Soh") is None


def test_titles_and_roles() -> None:
    tree, _ = make()
    tell(tree, "/ProductName", "CG EM24", "acload", 30)
    device = tree.devices["acload", 30]
    assert (device.title, device.role, device.key) == ("CG EM24", "acload", ("acload", 30))
    tell(tree, "/CustomName", " Meter at the door ", "acload", 30)
    tell(tree, "/Role", "grid", "acload", 30)
    assert (device.title, device.role) == ("Meter at the door", "grid")
    tell(tree, "/Soc", 1.0)
    assert tree.devices["battery", 512].title == "battery 512"


def test_limits() -> None:
    tree, _ = make()
    tree.tell(SOC, Told(50.0, 0.0, 100.0))
    leaf = tree.leaf(SOC)
    assert leaf is not None
    assert leaf.limits == (0.0, 100.0)
    tree.tell(SOC, Told(51.0))
    assert leaf.limits == (0.0, 100.0), "a message without limits does not take them away"
    tree.tell(SOC, Told(51.0, 0.0, 0.0))
    assert leaf.limits is None, "settings without limits say 0 and 0"


def test_a_silent_station_grows_old_and_a_quiet_value_does_not() -> None:
    clock = Clock()
    tree, _ = make(clock)
    assert tree.silent_s() is None
    tree.pushed = True
    tell(tree, "/Soc", 50.0)
    leaf = tree.leaf(SOC)
    assert leaf is not None
    assert leaf.known is not None
    assert leaf.known.fact.tier_s == 10
    clock.now += 100
    assert tree.stale(leaf)
    tree.alive()
    assert not tree.stale(leaf), "no change was told, so it still holds"
    assert tree.silent_s() == 0.0
    clock.now += 31
    assert tree.stale(leaf)
    assert tree.silent_s() == 31.0


def test_what_is_read_again_and_again_is_stale_when_it_is_not() -> None:
    clock = Clock()
    tree, _ = make(clock)
    tree.cycle_s = 20.0
    tell(tree, "/Soc", 50.0)
    tell(tree, "/Unknown", 50.0)
    leaf, unknown = tree.leaf(SOC), tree.leaf(Address("battery", 512, "/Unknown"))
    assert leaf is not None
    assert unknown is not None
    clock.now += 59
    tree.alive()
    assert not tree.stale(leaf), "three rounds of reading"
    clock.now += 2
    assert tree.stale(leaf)
    assert not tree.stale(unknown)
    clock.now += 120
    assert tree.stale(unknown)


def test_statistics_of_a_can_bus_are_as_old_as_their_reading() -> None:
    clock = Clock()
    tree, _ = make(clock)
    tree.pushed = True
    tell(tree, "/CanBus/Interface/can0/Statistics", "[]", "platform", 0)
    (leaf,) = tree.leaves(300)
    clock.now += 901
    tree.alive()
    assert tree.stale(leaf)


def test_a_listener_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    tree, changes = make()

    def fail(change: Change) -> None:
        raise ValueError("mine")

    stop = tree.subscribe(fail)
    later: list[Change] = []
    tree.subscribe(later.append)
    with caplog.at_level(logging.ERROR):
        tell(tree, "/Soc", 1.0)
    assert "battery/512/Soc" in caplog.text
    assert len(changes) == len(later) == 1
    stop()
    stop()
    caplog.clear()
    tell(tree, "/Soc", 2.0)
    assert not caplog.text


def test_a_tree_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DEVICES", 2)
    monkeypatch.setattr(module, "MAX_PATHS", 3)
    tree, _ = make()
    for instance in range(4):
        tell(tree, "/Soc", 1.0, instance=instance)
    assert len(tree.devices) == 2
    tell(tree, "/Soh", 1.0, instance=0)
    tell(tree, "/Capacity", 1.0, instance=0)
    assert len(tree) == 3
    assert tree.rejected[Reason.TREE_FULL] == 3
    tell(tree, "/Soc", 5.0, instance=1)
    assert tree.devices["battery", 1].value("/Soc") == 5.0, "what is known goes on"


def test_diagnostics_hide_who_and_where() -> None:
    tree, _ = make()
    portal = "c0619ab00001"
    told: dict[str, Value] = {
        "/Serial": "HQ2301ABCDE",
        "/Device/UniqueId": portal,
        "/Position/Latitude": 52.1,
        "/VIN": "WVW1234",
        "/Mgmt/Connection": "Modbus TCP 192.168.1.20",
        "/Settings/Ble/Service/Pincode": "123456",
        "/Settings/Services/AccessPointPassword": "secret",
        "/Network/Services": "{}",
        "/CustomName": "House of Smith",
        "/ProductName": f"at 10.0.0.7 with {portal} and HQ2301ABCDE",
        "/Batteries": [{"id": "com.x.HQ2301ABCDE", "soc": 50.0, "serial": "HQ1"}],
        "/Soc": 50.0,
        "/Charging": True,
        "/Nothing": None,
    }
    for path, value in told.items():
        tell(tree, path, value)
    shown = redacted(tree, portal)["battery/512"]
    assert shown["present"] is True
    paths = shown["paths"]
    assert set(paths) == set(told)
    assert paths["/Soc"] == 50.0
    assert paths["/Charging"] is True
    assert paths["/Nothing"] is None
    assert paths["/ProductName"] == f"at {HIDDEN} with {HIDDEN} and {HIDDEN}"
    assert paths["/Batteries"] == [{"id": f"com.x.{HIDDEN}", "soc": 50.0, "serial": HIDDEN}]
    for path in list(told)[:9]:
        assert paths[path] == HIDDEN, path
    assert "Smith" not in str(redacted(tree))

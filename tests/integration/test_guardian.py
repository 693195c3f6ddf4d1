"""The guardian in Home Assistant: what nodes tell breaks rules, people are told of it, and it ends again."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.microgrid import guardian
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.gx.tree import Tree
from custom_components.microgrid.core.gx.value import Address, Told
from custom_components.microgrid.fault_desk import FaultDesk
from custom_components.microgrid.guardian import GRACE_S, MAX_WATCHES
from simulator.physics.neighbourhood import BATTERY, HEAT_PUMP, MPP, Neighbourhood

from .guardian_world import World

KIND_OF = {MPP: "mpp_inverter", BATTERY: "battery", HEAT_PUMP: "heat_pump"}


@pytest.fixture
async def world(freezer: FrozenDateTimeFactory, hass: HomeAssistant, entry: MockConfigEntry) -> World:
    """A swarm without nodes, and a clock."""
    return World(hass, entry, freezer)


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return the repairs of health by rule."""
    return {
        (issue.translation_placeholders or {})["rule"]: issue
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.translation_key in ("health_critical", "health_warning")
    }


# ---- rules, through live messages ----------------------------------------


@pytest.mark.parametrize(
    ("kind", "rule", "severity", "bad", "good", "within_s"),
    [
        ("gateway", "G3", "critical", {"can_bus_off": 3}, {"can_bus_off": 3}, 70),
        ("mpp_inverter", "M1", "critical", {"fault_active": True}, {"fault_active": False}, 10),
        ("mpp_inverter", "M4", "warning", {"output_load_percent": 104.0}, {"output_load_percent": 20.0}, 50),
        ("mpp_inverter", "M6", "warning", {"grid_voltage": 199.0}, {"grid_voltage": 230.0}, 120),
        ("house", "H6", "warning", {"clock_error": 20.0}, {"clock_error": 0.3}, 120),
        ("house", "H3", "warning", {"battery_temperature_2": 47.0}, {"battery_temperature_2": 22.0}, 120),
        (
            "house",
            "H10",
            "warning",
            {"battery_state_of_health": 80.0},
            {"battery_state_of_health": 97.0},
            3900,
        ),
        ("battery", "B6", "warning", {"clock_valid": False}, {"clock_valid": True}, 400),
        ("battery", "B7", "warning", {"power": -900.0}, {"power": 205.0}, 700),
    ],
)
async def test_a_trouble_breaks_its_rule_in_time_and_ends(
    world: World,
    kind: str,
    rule: str,
    severity: str,
    bad: dict[str, Any],
    good: dict[str, Any],
    within_s: int,
) -> None:
    """From the message on the wire to the entity: in the time of the table, with advice, and over again."""
    await world.add("node-1", kind)
    await world.run(310)
    assert world.problem("node-1").state == "off"
    assert world.found("node-1") == []
    world.values["node-1"] |= bad
    await world.run(within_s)
    problem = world.problem("node-1")
    assert (problem.state, world.found("node-1")) == ("on", [rule])
    finding = problem.attributes["findings"][0]
    assert finding["severity"] == severity
    assert finding["name"]
    assert finding["advice"]
    assert finding["since"].startswith("20")
    event = world.state("event", "node-1", "health_finding")
    assert (event.attributes["event_type"], event.attributes["rule"]) == (severity, rule)
    assert (rule in issues(world.hass)) == (severity == "critical")
    world.values["node-1"] |= good
    await world.run(1500)
    assert (world.problem("node-1").state, world.found("node-1")) == ("off", [])
    assert [told[1:] for told in world.told] == [(severity, rule), ("cleared", rule)]
    assert issues(world.hass) == {}


async def test_a_node_that_falls_silent(world: World) -> None:
    """Silence is a finding, and the entity that tells it stays available."""
    await world.add("house-1", "house")
    await world.run(60)
    world.silent.add("house-1")
    await world.run(60)
    assert world.found("house-1") == []
    await world.run(40)
    assert world.found("house-1") == ["H14"]
    world.silent.clear()
    await world.run(20)
    assert world.found("house-1") == []


async def test_a_lasting_warning_becomes_a_repair(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning of a minute is for the eye, one of a day is for the hand; it goes away with its cause."""
    await world.add("house-1", "house")
    world.voices["house-1"].name = "[House-1](http://x)"
    await world.voices["house-1"].birth()
    world.values["house-1"]["battery_temperature_2"] = 47.0
    await world.run(320)
    assert world.found("house-1") == ["H3"]
    assert issues(world.hass) == {}
    monkeypatch.setattr(guardian, "PERSISTS_S", 600.0)  # and not a day
    await world.run(600)
    shown = issues(world.hass)["H3"]
    assert shown.severity is ir.IssueSeverity.WARNING
    assert shown.translation_placeholders
    assert shown.translation_placeholders["name"] == "House-1http://x", "it formats nothing"
    assert shown.translation_placeholders["finding"] == "House battery hot"
    assert shown.translation_placeholders["limit"] == "> 45 °C"
    assert shown.learn_more_url is not None
    world.values["house-1"]["battery_temperature_2"] = 22.0
    await world.run(320)
    assert issues(world.hass) == {}


async def test_a_node_that_leaves_is_forgotten(world: World) -> None:
    """Its findings end without a word, and so do its repairs."""
    await world.add("mpp-1", "mpp_inverter")
    world.values["mpp-1"]["fault_active"] = True
    await world.run(60)
    assert "M1" in issues(world.hass)
    world.silent.add("mpp-1")
    await world.voices["mpp-1"].leave()
    assert issues(world.hass) == {}
    assert world.guardian.active("mpp-1") == []


async def test_a_start_that_fails_before_it_was_read_forgets_nothing(
    world: World, hass_storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = world.entry
    await world.add("mpp-1", "mpp_inverter")
    world.values["mpp-1"]["fault_active"] = True
    await world.run(60)
    assert await world.hass.config_entries.async_unload(entry.entry_id)
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}.guardian"]["data"]
    assert "M1" in {row[0] for row in stored["engine"]["watches"]}

    async def fail(self: FaultDesk) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FaultDesk, "async_start", fail)
        assert not await world.hass.config_entries.async_setup(entry.entry_id)
    assert hass_storage[f"{DOMAIN}.{entry.entry_id}.guardian"]["data"] == stored


async def test_findings_are_told_in_the_language_of_the_instance(world: World) -> None:
    world.hass.config.language = "de"
    await world.add("mpp-1", "mpp_inverter")
    world.values["mpp-1"]["fault_active"] = True
    await world.run(20)
    finding = world.problem("mpp-1").attributes["findings"][0]
    assert finding["name"] == "Störung des Wechselrichters"
    assert finding["advice"].startswith("Den Fehlercode")


# ---- health ----------------------------------------


async def test_a_healthy_neighbourhood_is_left_in_peace(world: World) -> None:
    """An hour of the simulated neighbourhood over MQTT: nothing is raised, and it costs next to nothing."""
    site = Neighbourhood(houses=4, clusters=2, seed=2, day_of_year=20, start_s=6.0 * 3600.0)

    def live() -> None:
        site.step(10.0, 10.0)
        for name in site.nodes:
            world.values[name] = {
                key: value for key, value in site.values(name).items() if not isinstance(value, bytes)
            }

    live()
    for name in site.nodes:
        kind = KIND_OF.get(name, "house" if name.startswith("house") else "gateway")
        if kind != "heat_pump":  # its messages are of another kind
            await world.add(name, kind, world.values[name])
    world.every_step.append(live)
    begun_s, judged = world.guardian.cpu_s, world.guardian.judged
    await world.run(3600)
    assert [(name, world.found(name)) for name in world.voices if world.found(name)] == []
    assert world.told == []
    assert issues(world.hass) == {}
    rounds = world.guardian.judged - judged
    each_ms = 1e3 * (world.guardian.cpu_s - begun_s) / rounds / len(world.voices)
    print(f"{len(world.voices)} nodes, {rounds} rounds: {each_ms:.3f} ms per node and round")
    assert rounds == 360
    risk = world.state("sensor", "house-01", "risk")
    assert 0 <= int(risk.state) < 20
    assert 0.0 < risk.attributes["confidence"] <= 1.0


async def test_nothing_is_raised_for_data_that_is_still_to_come(world: World) -> None:
    """After a start a node that has not spoken yet is given time; then its silence is told."""
    await world.add("house-1", "house")
    world.silent.add("house-1")
    await world.run(GRACE_S - 30)
    assert world.found("house-1") == []
    await world.run(120)
    assert world.found("house-1") == ["H14"]


async def test_the_timer_judges(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    watching = entry.runtime_data.guardian
    for _ in range(3):
        freezer.tick(timedelta(seconds=10.1))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    assert watching.judged == 3


# ---- over restarts ----------------------------------------


async def test_a_restart_tells_nothing_twice(
    world: World, hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    """What was raised stays raised, with its time; nobody hears of it again."""
    await world.add("mpp-1", "mpp_inverter")
    world.values["mpp-1"]["fault_active"] = True
    await world.run(30)
    before = world.problem("mpp-1").attributes["findings"]
    assert [told[2] for told in world.told] == ["M1"]
    assert await hass.config_entries.async_reload(world.entry.entry_id)
    await hass.async_block_till_done()
    assert f"microgrid.{world.entry.entry_id}.guardian" in hass_storage
    world.freezer.tick(timedelta(minutes=5))
    await world.voices["mpp-1"].greet(tuple(world.values["mpp-1"]))
    await world.run(30)
    after = world.problem("mpp-1").attributes["findings"]
    assert [(one["rule"], one["since"]) for one in after] == [(one["rule"], one["since"]) for one in before]
    assert [told[2] for told in world.told] == ["M1"]
    assert "M1" in issues(hass)
    world.values["mpp-1"]["fault_active"] = False
    await world.run(10)
    assert [told[1:] for told in world.told] == [("critical", "M1"), ("cleared", "M1")]


@pytest.mark.parametrize(
    "stored",
    [
        {"engine": "nonsense", "counters": 7},
        {"engine": {"version": 99}},
        {"engine": {"version": 1, "steady_s": 1.0, "utc_s": 1.0, "watches": [[None] * 9, 5, "x", {}]}},
        {
            "engine": {
                "version": 1,
                "steady_s": 1e300,
                "utc_s": -1e300,
                "watches": [["M1", "mpp-1", "", "critical", [0.0, None], 1e300, None, 1e308, None]],
            }
        },
        {
            "engine": {
                "version": 1,
                "steady_s": 1.0,
                "utc_s": 1.0,
                "watches": [
                    ["M1", f"n{at}", "", "critical", [0.0, None], 1.0, None, 1.0, None] for at in range(99)
                ],
            }
        },
    ],
)
async def test_a_hostile_stored_state(
    world: World,
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    stored: dict[str, Any],
) -> None:
    """Whatever stands in the store: the swarm is loaded, judged, and what is not there is forgotten."""
    monkeypatch.setattr(guardian, "STRANGERS_S", GRACE_S)  # and not a day
    key = f"microgrid.{world.entry.entry_id}.guardian"
    assert await hass.config_entries.async_unload(world.entry.entry_id)
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": stored}
    assert await hass.config_entries.async_setup(world.entry.entry_id)
    await hass.async_block_till_done()
    await world.add("mpp-1", "mpp_inverter")
    await world.run(60)
    assert world.problem("mpp-1").state == "off"
    world.values["mpp-1"]["fault_active"] = True
    await world.run(20)
    assert world.found("mpp-1") == ["M1"]
    await world.run(GRACE_S)
    assert {active.subject for active in world.guardian._engine.active} == {"mpp-1"}
    assert MAX_WATCHES > 10_000


# ---- what the user wants otherwise ----------------------------------------


async def test_overrides_hold_without_a_reload(
    world: World, hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    await world.add("house-1", "house")
    await world.add("house-2", "house")
    runtime = world.entry.runtime_data
    for name in ("house-1", "house-2"):
        world.values[name]["state_of_charge"] = 12.0
    await world.run(130)
    assert world.found("house-1") == []
    rules = {"H1": {"threshold": 15.0, "severity": "critical"}, "H1@house-2": {"enabled": False}}
    hass.config_entries.async_update_entry(
        world.entry,
        options={**world.entry.options, "health_rules": rules | {"H99": {}, "H2": {"threshold": "x"}}},
    )
    await hass.async_block_till_done()
    assert world.entry.runtime_data is runtime
    assert "H99" in caplog.text
    assert "H2" in caplog.text
    await world.run(130)
    assert world.found("house-1") == ["H1"]
    assert world.problem("house-1").attributes["findings"][0]["limit"] == 15.0
    assert issues(hass).keys() == {"H1"}
    assert world.found("house-2") == []
    hass.config_entries.async_update_entry(world.entry, options={})
    await hass.async_block_till_done()
    await world.run(70)
    assert world.found("house-1") == []


# ---- a Victron GX ----------------------------------------


def station_in(world: World) -> Tree:
    """Put a station without devices into the swarm."""
    swarm = world.entry.runtime_data.swarm
    if "gx-1" not in swarm.nodes:
        swarm.ensure("gx-1", "victron_gx", "GX 1", missed_intervals=1e6)
    swarm.take(swarm.nodes["gx-1"], {"state_of_charge": 60.0}, world.freezer())
    tree = Tree(monotonic=swarm.monotonic, wall=lambda: world.freezer().timestamp())
    tree.pushed = True
    world.guardian._stations = lambda: [("gx-1", tree)]
    world.every_step[:] = [tree.alive]
    return tree


async def broken_parts_that_left(world: World) -> Tree:
    """Let a battery and a charger break and leave, so that what they raised stays."""
    tree = station_in(world)
    tree.tell(Address("battery", 512, "/Connected"), Told(1))
    tree.tell(Address("solarcharger", 288, "/ErrorCode"), Told(67))
    tree.tell(Address("vebus", 276, "/VebusError"), Told(11))
    await world.run(130)
    tree.leave("battery", 512)
    tree.leave("solarcharger", 288)
    await world.run(130)
    assert sorted(world.found("gx-1")) == ["C3b", "X10b", "X10b"]
    return tree


async def test_what_left_a_station_for_good_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart, once the station was there for a day; what it still has is not."""
    monkeypatch.setattr(guardian, "STRANGERS_S", GRACE_S)  # and not a day
    entry = world.entry
    await broken_parts_that_left(world)
    assert await world.hass.config_entries.async_unload(entry.entry_id)
    assert await world.hass.config_entries.async_setup(entry.entry_id)
    await world.hass.async_block_till_done()
    tree = station_in(world)
    world.every_step.clear()  # the station is away for long
    await world.run(GRACE_S + 300)
    assert len(world.guardian.active("gx-1")) == 3, "who knows what it has now"
    world.every_step.append(tree.alive)
    tree.tell(Address("vebus", 276, "/VebusError"), Told(11))
    tree.tell(Address("solarcharger", 289, "/ErrorCode"), Told(0))
    await world.run(GRACE_S)
    assert len(world.guardian.active("gx-1")) == 3, "not yet"
    await world.run(600)
    assert [active.subject for active in world.guardian.active("gx-1")] == ["gx-1/vebus/276"]
    assert set(issues(world.hass)) == {"X10b"}
    assert [told[1:] for told in world.told][-2:] == [("cleared", "C3b"), ("cleared", "X10b")]


async def test_a_part_that_the_user_deletes_is_forgotten_until_it_comes_back(world: World) -> None:
    tree = await broken_parts_that_left(world)
    world.guardian.forget_part("gx-1", "battery/512")
    world.guardian.forget_part("gx-1", "solarcharger/288")
    await world.run(400)
    assert [active.subject for active in world.guardian.active("gx-1")] == ["gx-1/vebus/276"]
    tree.tell(Address("battery", 512, "/Connected"), Told(1))
    await world.run(60)
    tree.leave("battery", 512)
    await world.run(130)
    assert sorted(world.found("gx-1")) == ["C3b", "X10b"]


async def test_a_station_is_judged_by_its_tree(
    world: World, hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    """Devices of a station count for its node; the risk sees modules that are gone at once."""
    caplog.set_level(logging.INFO)
    swarm = world.entry.runtime_data.swarm
    swarm.ensure("gx-1", "victron_gx", "GX 1", missed_intervals=1e6)
    swarm.take(swarm.nodes["gx-1"], {"state_of_charge": 60.0}, world.freezer())
    tree = Tree(monotonic=swarm.monotonic, wall=lambda: world.freezer().timestamp())
    tree.pushed = True
    world.guardian._stations = lambda: [("gx-1", tree)]
    await hass.async_block_till_done()

    def put(path: str, value: float) -> None:
        tree.tell(Address("battery", 512, path), Told(value))

    for path, value in {
        "/Soc": 60.0,
        "/Soh": 97.0,
        "/Connected": 1,
        "/System/NrOfModulesOffline": 0,
        "/History/ChargeCycles": 3200,
        "/Alarms/HighTemperature": 0,
    }.items():
        put(path, value)
    world.every_step.append(tree.alive)
    await world.run(300)
    assert world.found("gx-1") == []
    assert world.state("sensor", "gx-1", "risk").state == "1"
    put("/System/NrOfModulesOffline", 1)
    put("/Alarms/HighTemperature", 2)
    await world.run(130)
    assert set(world.found("gx-1")) == {"X5a", "X10a"}
    assert {one["element"] for one in world.problem("gx-1").attributes["findings"]} == {
        "",
        "/Alarms/HighTemperature",
    }
    risk = world.state("sensor", "gx-1", "risk")
    assert risk.state == "21"
    assert risk.attributes["level"] == "medium"
    assert risk.attributes["factors"]["modules_offline"] == {"value": 1.0, "points": 20, "of": 20}
    assert "X5a" in issues(hass)
    report: Any = await hass.services.async_call(
        DOMAIN, "health_report", {"node": "gx-1"}, blocking=True, return_response=True
    )
    (row,) = report["nodes"]
    assert {finding["rule"] for finding in row["findings"]} == {"X5a", "X10a"}
    assert (row["kind"], row["risk"]["score"], row["risk"]["level"]) == ("victron_gx", 21, "medium")
    assert row["trends"]["gx-1/battery/512"]["reason"] == "too_few_steps"
    with pytest.raises(ServiceValidationError, match="nobody"):
        await hass.services.async_call(
            DOMAIN, "health_report", {"node": "nobody"}, blocking=True, return_response=True
        )
    replacement = world.state("sensor", "gx-1", "battery_replacement")
    assert replacement.state == "unknown"
    assert replacement.attributes["reason"] in ("too_few_steps", "no_day_yet")

"""Guarded control of a GX: a real broker, a fake GX behind it, and everything that goes wrong in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from homeassistant.core import Context, Event, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockUser,
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.microgrid.const import DOMAIN, EVENT_GX_WRITE
from custom_components.microgrid.core.gx.control import GROUPS
from custom_components.microgrid.core.gx.http import HttpStation, Rhythm
from custom_components.microgrid.core.gx.mqtt import MqttStation
from custom_components.microgrid.core.gx.transport import LinkState
from custom_components.microgrid.gx_control import GxControl, Outcome
from microgrid_core.gx.value import Address, Value
from simulator.gx.broker_side import BrokerSide
from simulator.gx.http_side import Dialect, HttpSide
from simulator.gx.site import SimulatedSite
from tests import gx_side
from tests.mosquitto import Mosquitto

from . import gx_link as fixtures
from .gx_link import until

broker, site, gx, link = fixtures.broker, fixtures.site, fixtures.gx, fixtures.link

MODE = Address("vebus", 276, "/Mode")
SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
FORCE = Address("hub4", 0, "/Overrides/ForceCharge")
MOST_DISCHARGE = Address("hub4", 0, "/Overrides/MaxDischargePower")
MINIMUM = Address("settings", 0, "/Settings/CGwacs/BatteryLife/MinimumSocLimit")
RELAY = Address("system", 0, "/Relay/0/State")


@dataclass
class Clock:
    """The time of a GX, moved by hand."""

    seconds: float = 0.0


@dataclass
class Reached:
    """What GxControl needs of a station."""

    access: MqttStation | HttpStation
    node_id: str = "gx_test"
    name: str = "Barn"


@pytest.fixture
async def control(hass: HomeAssistant, link: MqttStation) -> AsyncIterator[GxControl]:
    """Control of the station, everything allowed."""
    made = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await made.async_start()
    yield made
    await made.async_stop()


def at_gx(gx: BrokerSide, address: Address) -> Value:
    return gx.station.items[address].value


def kept(hass_storage: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = hass_storage[f"{DOMAIN}.entry.gx_control.station"]["data"]
    return found


async def test_what_is_not_allowed_is_not_written(
    hass: HomeAssistant, gx: BrokerSide, link: MqttStation
) -> None:
    control = GxControl(hass, "entry", "station", Reached(link), ["relays"])
    await control.async_start()
    assert control.keys() == ["relay_0", "relay_1"]
    assert await control.set("relay_0", 1) == 1
    for key in ("mode", "setpoint_override", "no_such_control", "relay_x"):
        with pytest.raises(ServiceValidationError) as refused:
            await control.set(key, 1)
        assert refused.value.translation_key == "gx_control_not_allowed"
    assert [address for address, _ in gx.writes] == [RELAY]
    await control.async_stop()
    assert at_gx(gx, RELAY) == 1, "a relay is switched, not overridden: it stays"


async def test_what_is_set_anew_while_the_old_is_given_back_stays(control: GxControl, gx: BrokerSide) -> None:
    """Right after a restart: a person is a moment quicker than we with what an earlier run held."""
    await control.set("setpoint_override", -500.0)
    control._left.add("setpoint_override")
    async with control._lock:
        setting = asyncio.create_task(control.set("setpoint_override", -900.0))
        await asyncio.sleep(0.05)  # it waits for the lock; we come behind it
        back = asyncio.create_task(control._catch_up())
        await asyncio.sleep(0.05)
    await asyncio.gather(setting, back)
    assert at_gx(gx, SETPOINT) == -900
    assert control.overrides["setpoint_override"].value == -900


async def test_limits_of_the_payload(control: GxControl, gx: BrokerSide, site: SimulatedSite) -> None:
    site.station.limit(MINIMUM, 10.0, 90.0)
    site.station.set(MINIMUM, 25.0)
    await until(
        lambda: (limits := control.limits("minimum_state_of_charge")) and limits.maximum == 90.0, "told"
    )
    assert await control.set("minimum_state_of_charge", 40.0) == 40
    for value in (95.0, 5.0, -1):
        with pytest.raises(ServiceValidationError) as refused:
            await control.set("minimum_state_of_charge", value)
        assert refused.value.translation_key == "gx_out_of_range"
        assert refused.value.translation_placeholders is not None
        assert refused.value.translation_placeholders["minimum"] == "10"
        assert refused.value.translation_placeholders["maximum"] == "90"
    assert gx.writes == [(MINIMUM, 40)]
    with pytest.raises(ServiceValidationError) as missing:
        await control.set("relay_7", 1)
    assert missing.value.translation_key == "gx_not_there"


async def test_a_gx_that_takes_nothing(control: GxControl, gx: BrokerSide, site: SimulatedSite) -> None:
    site.station.ignored.add(FORCE)
    with pytest.raises(HomeAssistantError) as failed:
        await control.set("force_charge", 1)
    assert failed.value.translation_key == "gx_not_confirmed"
    assert failed.value.translation_placeholders is not None
    assert failed.value.translation_placeholders["told"] == "0"
    assert not control.overrides, "what the GX did not take need not be given back"
    assert [line.outcome for line in control.audit] == [Outcome.FAILED]


async def test_a_second_value_that_a_gx_does_not_take(
    control: GxControl, gx: BrokerSide, site: SimulatedSite
) -> None:
    await control.set("setpoint_override", 1000)
    before = control.overrides["setpoint_override"]
    site.station.ignored.add(SETPOINT)
    with pytest.raises(HomeAssistantError) as failed:
        await control.set("setpoint_override", 3000)
    assert failed.value.translation_key == "gx_not_confirmed"
    assert control.overrides["setpoint_override"] == before, "the device said that it still has the first"
    site.station.ignored.clear()
    await control.release()
    assert at_gx(gx, SETPOINT) is None
    assert control.audit[-1].outcome is Outcome.RELEASED


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_second_value_of_which_the_gx_says_nothing(
    control: GxControl, gx: BrokerSide, link: MqttStation, hass_storage: dict[str, Any], arrives: bool
) -> None:
    """The first or the second stands at the device: both are ours to give back."""
    await control.set("setpoint_override", 1000)
    with stalled(link) as line:
        with pytest.raises(HomeAssistantError):
            await control.set("setpoint_override", 3000)
        if not arrives:
            line.clear()
    if arrives:
        await until(lambda: (leaf := control.leaf("setpoint_override")) and leaf.value == 3000, "arrived")
    held = kept(hass_storage)["held"]["setpoint_override"]
    assert (held["low"], held["high"]) == (1000, 3000)
    await control.release()
    assert at_gx(gx, SETPOINT) is None
    assert not control.overrides
    assert control.audit[-1].outcome is Outcome.RELEASED


@pytest.mark.parametrize("arrives_before", [False, True])
async def test_a_first_value_of_which_the_gx_says_nothing(
    control: GxControl, gx: BrokerSide, link: MqttStation, arrives_before: bool
) -> None:
    """It may arrive late, before the release or with it: it must not stay."""
    with stalled(link):
        with pytest.raises(HomeAssistantError) as failed:
            await control.set("maximum_discharge_power", 0)
        assert failed.value.translation_key == "gx_not_confirmed"
        assert "maximum_discharge_power" in control.overrides
        releasing = None if arrives_before else asyncio.create_task(control.release())
        await asyncio.sleep(0.1)
    if releasing is None:
        await until(lambda: at_gx(gx, MOST_DISCHARGE) == 0, "arrived")
    await (releasing or control.release())
    assert gx.writes[-1] == (MOST_DISCHARGE, -1)
    assert at_gx(gx, MOST_DISCHARGE) == -1
    assert not control.overrides


async def test_a_kill_between_two_values_leaves_both_on_the_disk(
    control: GxControl, link: MqttStation, hass_storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await control.set("setpoint_override", 1000)
    on_disk: list[Mapping[str, Any]] = []

    async def write(address: Any, value: Any) -> None:
        on_disk.append(dict(kept(hass_storage)["held"]["setpoint_override"]))
        await send(address, value)

    send = link.write
    monkeypatch.setattr(link, "write", write)
    await control.set("setpoint_override", -500)
    (during,) = on_disk
    assert (during["low"], during["high"]) == (-500, 1000)
    after = kept(hass_storage)["held"]["setpoint_override"]
    assert (after["low"], after["high"]) == (-500, -500)


async def test_over_the_http_api_only_what_can_be_given_back(
    hass: HomeAssistant, site: SimulatedSite, socket_enabled: None
) -> None:
    """It cannot send the null that ends an override of the set-point."""
    side = HttpSide(site.station, Dialect.NEWER, port=0)
    side.start()
    async with aiohttp.ClientSession() as session:
        quick = Rhythm(round_s=0.2, slow_s=0.2, pause_s=0.0)
        station = HttpStation(session, side.url, allow_writes=True, rhythm=quick)
        running = asyncio.create_task(station.run())
        control = GxControl(hass, "entry", "station", Reached(station), GROUPS)
        await control.async_start()
        await until(lambda: station.state is LinkState.ONLINE, "it is read")
        assert not control.allows("setpoint_override")
        assert "setpoint_override" not in control.keys()  # noqa: SIM118
        with pytest.raises(ServiceValidationError) as refused:
            await control.set("force_charge", 1)
        assert refused.value.translation_key == "gx_write_refused"
        assert "AI_write" in str((refused.value.translation_placeholders or {})["reason"])
        side.writing = True
        with pytest.raises(ServiceValidationError) as refused:
            await control.set("setpoint_override", 3000)
        assert refused.value.translation_key == "gx_write_refused"
        assert await control.set("force_charge", 1) == 1
        await control.async_stop()
        assert site.station.items[FORCE].value == 0
        assert site.station.items[SETPOINT].value is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    side.stop()


async def test_who_wrote_what(
    hass: HomeAssistant, control: GxControl, gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    user = MockUser(name="Installer").add_to_hass(hass)
    events: list[Event[dict[str, Any]]] = async_capture_events(hass, EVENT_GX_WRITE)
    context = Context(user_id=user.id)
    await control.set("mode", 1, context=context)
    with pytest.raises(ServiceValidationError):
        await control.set("mode", 7, context=context)
    await control.set("relay_1", 1, context=Context(parent_id="automation"))
    await hass.async_block_till_done()
    assert [
        (
            event.data["control"],
            event.data["by"],
            event.data["before"],
            event.data["after"],
            event.data["outcome"],
        )
        for event in events
    ] == [
        ("mode", "Installer", 3, 1, "confirmed"),
        ("mode", "Installer", 1, 7, "refused"),
        ("relay_1", "automation", 0, 1, "confirmed"),
    ]
    assert events[0].context.user_id == user.id
    await control.async_stop()
    assert [line["control"] for line in kept(hass_storage)["audit"]] == ["mode", "mode", "relay_1"]


async def test_overrides_are_released_and_settings_restored(
    control: GxControl, gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    await control.set("setpoint_override", 1500)
    await control.set("force_charge", 1)
    await control.set("minimum_state_of_charge", 60, hold=True)
    await control.set("minimum_state_of_charge", 70)
    assert control.overrides["minimum_state_of_charge"].original == 20
    assert set(kept(hass_storage)["held"]) == {"setpoint_override", "force_charge", "minimum_state_of_charge"}
    assert (at_gx(gx, SETPOINT), at_gx(gx, FORCE), at_gx(gx, MINIMUM)) == (1500, 1, 70)
    await control.release()
    assert (at_gx(gx, SETPOINT), at_gx(gx, FORCE), at_gx(gx, MINIMUM)) == (None, 0, 20)
    assert not control.overrides
    assert kept(hass_storage)["held"] == {}
    await control.set("setpoint_override", 300)
    await control.set("setpoint_override", None)
    assert not control.overrides, "giving an override up by hand leaves nothing to release"


async def test_a_set_point_that_moves_is_saved_as_a_band(
    control: GxControl, gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    saved = []
    for value in (1000, 1100, 950, 2000):
        await control.set("setpoint_override", value, by="schedule", band=500.0)
        saved.append(kept(hass_storage)["held"]["setpoint_override"])
    assert saved[0] == saved[1] == saved[2], "the disk is spared"
    assert (saved[0]["low"], saved[0]["high"]) == (500, 1500)
    assert (saved[3]["low"], saved[3]["high"]) == (1500, 2500)
    (line,) = control.audit
    assert (line.before, line.after, line.times) == (None, 2000, 4)


async def test_a_stop_of_home_assistant_releases(
    hass: HomeAssistant, link: MqttStation, gx: BrokerSide
) -> None:
    control = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await control.async_start()
    await control.set("setpoint_override", -800)
    # The connection of a station runs in the background, which ends before the event of the stop.
    hass.async_create_background_task(asyncio.sleep(60), "as a connection does")
    await hass.async_stop(force=True)
    assert at_gx(gx, SETPOINT) is None


async def test_a_killed_home_assistant_releases_at_its_next_start(
    hass: HomeAssistant, link: MqttStation, gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    killed = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await killed.async_start()
    await killed.set("setpoint_override", 2000)
    await killed.set("force_charge", 1)
    await killed.set("minimum_state_of_charge", 80, hold=True)
    left = dict(kept(hass_storage)["held"])
    await silence(killed)
    gx.station.set(FORCE, 0)  # somebody has given it up meanwhile
    gx.station.set(MINIMUM, 35.0)  # and somebody chose another minimum
    await until(lambda: link.tree.value("settings", MINIMUM.path) == 35.0, "told")
    hass_storage[f"{DOMAIN}.entry.gx_control.station"]["data"]["held"] = left
    gx.writes.clear()
    again = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await again.async_start()
    await until(lambda: not again.overrides, "released")
    assert gx.writes == [(SETPOINT, None)]
    assert (at_gx(gx, SETPOINT), at_gx(gx, FORCE), at_gx(gx, MINIMUM)) == (None, 0, 35.0)
    assert (again.audit[-1].control, again.audit[-1].outcome) == (
        "minimum_state_of_charge",
        Outcome.TAKEN_OVER,
    )
    released = next(line for line in again.audit if line.outcome is Outcome.RELEASED)
    assert (released.control, released.by, released.before) == ("setpoint_override", "restart", 2000)
    await again.async_stop()


async def test_a_start_that_fails_before_it_was_read_forgets_nothing(
    hass: HomeAssistant, link: MqttStation, gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    killed = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await killed.async_start()
    await killed.set("setpoint_override", 2000)
    await silence(killed)
    never_begun = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await never_begun.async_stop()
    assert set(kept(hass_storage)["held"]) == {"setpoint_override"}
    assert kept(hass_storage)["audit"]
    again = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await again.async_start()
    await until(lambda: at_gx(gx, SETPOINT) is None, "the next start gives it back")
    await again.async_stop()


async def test_what_a_later_version_held_is_given_back_after_a_downgrade(
    hass: HomeAssistant, link: MqttStation, gx: BrokerSide, hass_storage: dict[str, Any]
) -> None:
    later = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await later.async_start()
    await later.set("setpoint_override", 2000)
    await later.set("mode", 3)
    await silence(later)
    kept(hass_storage)["held"]["setpoint_override"]["why"] = "unknown here"
    first, second = kept(hass_storage)["audit"]
    first["place"], second["outcome"] = "?", "foreseen"
    again = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await again.async_start()
    await until(lambda: at_gx(gx, SETPOINT) is None, "it is given back")
    assert [line.outcome for line in again.audit] == [Outcome.CONFIRMED, Outcome.RELEASED]
    await again.async_stop()


async def test_a_reboot_of_the_gx_in_the_middle(control: GxControl, gx: BrokerSide) -> None:
    await control.set("setpoint_override", 1200)
    await asyncio.to_thread(gx.reboot, 3.0)
    await until(lambda: not control.overrides, "what the GX forgot is not held any more")
    assert control.audit[-1].outcome is Outcome.LOST
    assert at_gx(gx, SETPOINT) is None
    await until(lambda: control.leaf("setpoint_override") is not None, "it is back")
    assert await until_set(control, "setpoint_override", 900) == 900


async def test_two_writers(control: GxControl, gx: BrokerSide) -> None:
    """The last one wins; we neither fight nor take back what is not ours."""
    await control.set("setpoint_override", 1000)
    gx.station.write(SETPOINT, -300)
    await until(lambda: not control.overrides, "it is theirs now")
    line = control.audit[-1]
    assert (line.outcome, line.before, line.after) == (Outcome.TAKEN_OVER, 1000, -300)
    await control.async_stop()
    assert at_gx(gx, SETPOINT) == -300


async def test_a_release_that_cannot_be_said_waits_for_the_gx(
    hass: HomeAssistant, link: MqttStation, gx: BrokerSide, broker: Mosquitto
) -> None:
    control = GxControl(hass, "entry", "station", Reached(link), GROUPS)
    await control.async_start()
    await control.set("setpoint_override", 700)
    broker.stop()
    await until(lambda: link.state.value in ("lost", "connecting"), "the line is gone")
    with pytest.raises(HomeAssistantError) as failed:
        await control.release()
    assert failed.value.translation_key == "gx_unreachable"
    with pytest.raises(HomeAssistantError) as failed:
        await control.set("mode", 1)
    assert failed.value.translation_key == "gx_unreachable"
    assert "setpoint_override" in control.overrides
    broker.start()
    await until(lambda: not control.overrides, "released when it is back")
    assert at_gx(gx, SETPOINT) is None
    await control.async_stop()


async def test_an_override_ends_when_its_time_is_over(
    hass: HomeAssistant, control: GxControl, gx: BrokerSide
) -> None:
    await control.set("force_charge", 1, until=dt_util.utcnow() + timedelta(milliseconds=10))
    await asyncio.sleep(0.02)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=21))
    await until(lambda: not control.overrides, "released")
    assert at_gx(gx, FORCE) == 0
    assert control.audit[-1].by == "expiry"


async def test_a_gx_that_forgets_what_is_not_said_again(
    hass: HomeAssistant, broker: Mosquitto, site: SimulatedSite, link: MqttStation, gx: BrokerSide
) -> None:
    """The dead man's switch: while we live it never falls, and it falls when we do not."""
    gx.stop()
    clock = Clock()
    habits = replace(fixtures.HABITS, override_s=60.0)
    with gx_side.published(site, broker, habits, clock=lambda: clock.seconds) as forgetful:
        control = GxControl(hass, "entry", "station", Reached(link), GROUPS)
        await control.async_start()
        await until_set(control, "setpoint_override", 400)
        for beat in range(1, 8):
            clock.seconds += 21.0
            said = len(forgetful.writes)
            async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=21 * beat))
            await until(lambda said=said: len(forgetful.writes) > said, "said again")  # type: ignore[misc]
            assert at_gx(forgetful, SETPOINT) == 400
        await silence(control)
        clock.seconds += 59.0
        await asyncio.sleep(0.2)
        assert at_gx(forgetful, SETPOINT) == 400
        clock.seconds += 2.0
        await until(lambda: at_gx(forgetful, SETPOINT) is None, "nobody says it any more")


async def until_set(control: GxControl, key: str, value: float) -> Value:
    """Write as soon as the station is there."""
    for _ in range(200):
        try:
            return await control.set(key, value)
        except HomeAssistantError:
            await asyncio.sleep(0.05)
    raise AssertionError(f"{key} was never taken")


@contextlib.contextmanager
def stalled(link: MqttStation) -> Iterator[list[tuple[str, bytes]]]:
    """A line on which nothing of ours gets through until the end; what is taken off the list never does."""
    waiting: list[tuple[str, bytes]] = []
    send = link._publish
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "_publish", lambda topic, payload: waiting.append((topic, payload)))
        yield waiting
    for topic, payload in waiting:
        send(topic, payload)


async def silence(control: GxControl) -> None:
    """Leave it as a killed process does: nothing is released, saved, or heard any more."""
    await control._save()
    for cancel in control._cancel:
        cancel()
    control._cancel.clear()
    control._stopped = True

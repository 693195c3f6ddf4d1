"""Adding, changing and renewing the access of a Victron GX, as a person does it, with one that answers."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from homeassistant import config_entries
from homeassistant.config_entries import SOURCE_SSDP, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.ssdp import SsdpServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.microgrid import gx_flow
from custom_components.microgrid.const import SUBENTRY_GX
from microgrid_core.gx.value import Address
from simulator.gx.broker_side import BrokerSide
from simulator.gx.doorman import Doorman, certificate
from simulator.gx.http_side import Dialect, HttpSide
from simulator.gx.security import Security
from simulator.gx.site import SimulatedSite
from simulator.gx.station import DEFAULT_PORTAL
from tests.integration import gx as world
from tests.integration.gx import station_of, until
from tests.mosquitto import Mosquitto

broker, site, gx, quick = world.broker, world.site, world.gx, world.quick
pytestmark = pytest.mark.usefixtures("quick")

PASSWORD = "venus-password"


@pytest.fixture
async def swarm(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> AsyncIterator[MockConfigEntry]:
    """A swarm without stations."""
    made = world.joined()
    await world.set_up(hass, made)
    yield made
    await world.unload(hass, made)


Doors = Callable[..., Doorman]


@pytest.fixture
async def doors(broker: Mosquitto) -> AsyncIterator[Doors]:
    """Makes doors in front of the broker; at the end they are closed."""
    made: list[Doorman] = []

    def make(security: Security, tls: ssl.SSLContext | None = None, port: int = 0) -> Doorman:
        made.append(Doorman(broker.port, security, tls, port))
        return made[-1]

    yield make
    for door in made:
        await door.down()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The certificate of one GX."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: script/bootstrap installs what the tests need")
    return certificate(tmp_path_factory.mktemp("tls"))


async def begin(hass: HomeAssistant, entry: MockConfigEntry, way: str) -> str:
    """Open the dialogue of a subentry and choose a way; returns the flow."""
    result = await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_GX), context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.MENU
    result = await hass.config_entries.subentries.async_configure(result["flow_id"], {"next_step_id": way})
    assert result["type"] is FlowResultType.FORM and result["step_id"] == way
    return str(result["flow_id"])


async def fill(hass: HomeAssistant, flow_id: str, **data: Any) -> dict[str, Any]:
    return dict(await hass.config_entries.subentries.async_configure(flow_id, data))


def mqtt_form(port: int, **more: Any) -> dict[str, Any]:
    return {"name": "Barn", "host": "127.0.0.1", "tls": False, "port": port, **more}


async def test_add_over_mqtt_without_encryption(
    hass: HomeAssistant, swarm: MockConfigEntry, gx: BrokerSide, broker: Mosquitto
) -> None:
    flow_id = await begin(hass, swarm, "gx_mqtt")
    result = await fill(hass, flow_id, **mqtt_form(broker.port))
    assert result["step_id"] == "gx_report"
    assert result["description_placeholders"]["portal"] == DEFAULT_PORTAL
    result = await fill(hass, flow_id)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (subentry,) = swarm.get_subentries_of_type(SUBENTRY_GX)
    assert subentry.title == "Barn"
    assert subentry.unique_id == DEFAULT_PORTAL
    station = station_of(swarm)
    await until(hass, lambda: station.connected, "the new station is connected without more ado")

    again = await begin(hass, swarm, "gx_mqtt")
    result = await fill(hass, again, **mqtt_form(broker.port))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "gx_already_configured")


async def test_add_with_a_password_and_a_certificate(
    hass: HomeAssistant, swarm: MockConfigEntry, gx: BrokerSide, doors: Doors, tls: ssl.SSLContext
) -> None:
    security = Security(refusal_s=0.1)
    door = doors(security, tls)
    await door.up()
    flow_id = await begin(hass, swarm, "gx_mqtt")
    result = await fill(hass, flow_id, **mqtt_form(door.port, tls=True, password="wrong"))
    assert result["errors"] == {"base": "gx_refused"}
    assert security.attempts == 1, "tried once: a GX locks out who tries too often"
    schema = result["data_schema"].schema
    assert not any(key == "password" and key.description for key in schema), "no password is shown again"
    result = await fill(hass, flow_id, **mqtt_form(door.port, tls=True, password=PASSWORD))
    assert result["step_id"] == "gx_report"
    shown = result["description_placeholders"]["certificate"].replace(" ", "")
    await fill(hass, flow_id)
    await hass.async_block_till_done()
    (subentry,) = swarm.get_subentries_of_type(SUBENTRY_GX)
    assert subentry.data["fingerprint"] == shown
    await until(hass, lambda: station_of(swarm).connected, "connected")


async def test_nobody_answers_and_wrong_words(
    hass: HomeAssistant, swarm: MockConfigEntry, broker: Mosquitto
) -> None:
    flow_id = await begin(hass, swarm, "gx_mqtt")
    result = await fill(hass, flow_id, **mqtt_form(broker.port))
    assert result["errors"] == {"base": "gx_unreachable"}, "a broker without a GX"
    assert "portal" in result["description_placeholders"]["reason"]
    result = await fill(hass, flow_id, **mqtt_form(9))
    assert result["errors"] == {"base": "gx_unreachable"}
    result = await fill(hass, flow_id, **mqtt_form(broker.port, host="http://venus.local"))
    assert result["errors"] == {"base": "gx_invalid"}


async def test_pairing(
    hass: HomeAssistant,
    swarm: MockConfigEntry,
    gx: BrokerSide,
    doors: Doors,
    tls: ssl.SSLContext,
    aioclient_mock: AiohttpClientMocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = "token/homeassistant/microgrid0a1b2c"
    door = doors(Security(tokens={token: "secret"}), tls)
    await door.up()
    monkeypatch.setattr(gx_flow, "TLS_PORT", door.port)
    url = "https://127.0.0.1/auth/generate-token/"
    aioclient_mock.post(url, status=403)
    flow_id = await begin(hass, swarm, "gx_pair")
    result = await fill(hass, flow_id, name="Barn", host="127.0.0.1")
    assert result["errors"] == {"base": "gx_bad_answer"}
    assert "pairing mode" in result["description_placeholders"]["reason"]
    aioclient_mock.clear_requests()
    aioclient_mock.post(url, json={"token_name": token, "password": "secret"})
    result = await fill(hass, flow_id, name="Barn", host="127.0.0.1")
    assert result["step_id"] == "gx_report", result
    form = aioclient_mock.mock_calls[0][2]
    assert form["device_id"] != DEFAULT_PORTAL, "that is the name of Home Assistant's own integration"
    await fill(hass, flow_id)
    await hass.async_block_till_done()
    (subentry,) = swarm.get_subentries_of_type(SUBENTRY_GX)
    assert (subentry.data["username"], subentry.data["password"]) == (token, "secret")
    await until(hass, lambda: station_of(swarm).connected, "connected")


async def test_the_http_api(
    hass: HomeAssistant, swarm: MockConfigEntry, site: SimulatedSite, socket_enabled: None
) -> None:
    web = HttpSide(site.station, Dialect.NEWER, port=0)
    web.start()
    try:
        flow_id = await begin(hass, swarm, "gx_http")
        result = await fill(hass, flow_id, name="Barn", url="venus")
        assert result["errors"] == {"base": "gx_invalid"}
        serial = Address("system", 0, "/Serial")
        site.station.set(serial, None)
        result = await fill(hass, flow_id, name="Barn", url=web.url)
        assert result["errors"] == {"base": "gx_bad_answer"}, "a GX that does not say who it is"
        site.station.set(serial, DEFAULT_PORTAL)
        result = await fill(hass, flow_id, name="Barn", url=web.url)
        assert result["step_id"] == "gx_report", result
        assert result["description_placeholders"]["portal"] == DEFAULT_PORTAL
        await fill(hass, flow_id)
        await hass.async_block_till_done()
        station = station_of(swarm)
        await until(hass, lambda: station.connected, "connected")
        assert not station.access.writable
        await world.unload(hass, swarm)
    finally:
        web.stop()


async def reconfigure(hass: HomeAssistant, entry: MockConfigEntry, way: str, **data: Any) -> dict[str, Any]:
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    result = await entry.start_subentry_reconfigure_flow(hass, subentry.subentry_id)
    assert result["type"] is FlowResultType.MENU
    await hass.config_entries.subentries.async_configure(result["flow_id"], {"next_step_id": way})
    return await fill(hass, str(result["flow_id"]), **data)


async def test_reconfigure_keeps_the_password_and_the_station(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    gx: BrokerSide,
    doors: Doors,
    tls: ssl.SSLContext,
    tmp_path: Path,
    broker: Mosquitto,
) -> None:
    door = doors(Security(refusal_s=0.1), tls)
    await door.up()
    entry = world.joined(
        world.subentry(
            broker.port, DEFAULT_PORTAL, password=PASSWORD, fingerprint="0" * 64, controls=["mode"]
        )
    )
    await world.set_up(hass, entry)
    result = await reconfigure(hass, entry, "gx_mqtt", **mqtt_form(door.port, tls=True, name="Stable"))
    assert result["step_id"] == "gx_new_certificate", "it showed another one than was kept"
    result = await fill(hass, result["flow_id"])
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    assert subentry.title == "Stable"
    assert subentry.data["password"] == PASSWORD
    assert subentry.data["fingerprint"] != "0" * 64
    assert subentry.data["controls"] == ["mode"], "what others keep there stays"
    await until(hass, lambda: station_of(entry).connected, "connected")

    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "portal": "c0619ab99999"}, unique_id="c0619ab99999"
    )
    await hass.async_block_till_done()
    result = await reconfigure(hass, entry, "gx_mqtt", **mqtt_form(door.port, tls=True))
    assert result["errors"] == {"base": "gx_another"}
    await world.unload(hass, entry)


async def test_who_chooses_no_encryption_is_not_warned_of_a_stranger(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, gx: BrokerSide, broker: Mosquitto
) -> None:
    entry = world.joined(world.subentry(9, DEFAULT_PORTAL, tls=True, fingerprint="0" * 64))
    await world.set_up(hass, entry)
    result = await reconfigure(hass, entry, "gx_mqtt", **mqtt_form(broker.port))
    assert result["step_id"] == "gx_report"
    result = await fill(hass, result["flow_id"])
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    assert "fingerprint" not in subentry.data
    await until(hass, lambda: station_of(entry).connected, "connected")
    await world.unload(hass, entry)


async def test_who_shows_another_certificate_hears_a_password_only_when_a_person_agreed(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, gx: BrokerSide, doors: Doors, tls: ssl.SSLContext
) -> None:
    stranger = Security()
    door = doors(stranger, tls)
    await door.up()
    entry = world.joined(
        world.subentry(
            door.port, DEFAULT_PORTAL, host="127.0.0.1", tls=True, password=PASSWORD, fingerprint="0" * 64
        )
    )
    await world.set_up(hass, entry)
    await until(hass, hass.config_entries.flow.async_progress, "the question")
    (flow,) = hass.config_entries.flow.async_progress()
    configure = hass.config_entries.flow.async_configure
    await configure(flow["flow_id"], {"next_step_id": "gx_mqtt"})
    result: dict[str, Any] = dict(await configure(flow["flow_id"], mqtt_form(door.port, tls=True)))
    assert result["step_id"] == "gx_new_certificate"
    assert stranger.attempts == 0
    shown: dict[str, str] = result["description_placeholders"]
    assert (shown["portal"], shown["before"]) == (DEFAULT_PORTAL, " ".join(["0000"] * 16))
    assert len(shown["certificate"]) == len(shown["before"]) and shown["certificate"] != shown["before"]
    result = dict(await configure(flow["flow_id"], {}))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "gx_reauth_successful")
    await hass.async_block_till_done()
    await until(hass, lambda: station_of(entry).connected, "connected")
    (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
    assert subentry.data["fingerprint"] == shown["certificate"].replace(" ", "")
    await world.unload(hass, entry)


async def test_a_wrong_password_asks_a_person_once(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, gx: BrokerSide, doors: Doors
) -> None:
    security = Security(refusal_s=0.1)
    door = doors(security)
    await door.up()
    entry = world.joined(world.subentry(door.port, DEFAULT_PORTAL, password="old"))
    await world.set_up(hass, entry)
    await until(hass, hass.config_entries.flow.async_progress, "the question")
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == config_entries.SOURCE_REAUTH
    assert flow["step_id"] == "reauth_gx_way"
    assert security.attempts == 1
    flow_id = flow["flow_id"]
    configure = hass.config_entries.flow.async_configure
    await configure(flow_id, {"next_step_id": "gx_mqtt"})
    result = await configure(flow_id, mqtt_form(door.port, password="wrong"))
    assert result["errors"] == {"base": "gx_refused"}
    result = await configure(flow_id, mqtt_form(door.port, password=PASSWORD))
    assert result["step_id"] == "gx_report"
    result = await configure(flow_id, {})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "gx_reauth_successful")
    await hass.async_block_till_done()
    await until(hass, lambda: station_of(entry).connected, "connected")
    await world.unload(hass, entry)


def announcement(host: str = "127.0.0.1", portal: str | None = DEFAULT_PORTAL) -> SsdpServiceInfo:
    upnp = {"manufacturer": "Victron Energy", "X_MqttOnLan": "1"}
    if portal is not None:
        upnp["X_VrmPortalId"] = portal
    return SsdpServiceInfo(
        ssdp_usn="uuid:1",
        ssdp_st="upnp:rootdevice",
        ssdp_location=f"http://{host}:80/gx.xml",
        upnp=upnp,
    )


async def found(hass: HomeAssistant, info: SsdpServiceInfo) -> dict[str, Any]:
    return dict(
        await hass.config_entries.flow.async_init("microgrid", context={"source": SOURCE_SSDP}, data=info)
    )


async def test_a_discovered_station_joins_the_swarm(
    hass: HomeAssistant, swarm: MockConfigEntry, gx: BrokerSide, broker: Mosquitto
) -> None:
    result = await found(hass, announcement())
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "gx_way")
    assert result["description_placeholders"] == {"host": "127.0.0.1", "swarm": "Demo"}
    configure = hass.config_entries.flow.async_configure
    result = dict(await configure(result["flow_id"], {"next_step_id": "gx_mqtt"}))
    suggested = {
        str(key): (key.description or {}).get("suggested_value") for key in result["data_schema"].schema
    }
    assert suggested["host"] == "127.0.0.1"
    result = dict(await configure(result["flow_id"], mqtt_form(broker.port)))
    assert result["step_id"] == "gx_report"
    result = dict(await configure(result["flow_id"], {}))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "gx_added")
    await hass.async_block_till_done()
    await until(hass, lambda: station_of(swarm).connected, "connected")
    result = await found(hass, announcement())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "gx_already_configured")


async def test_of_two_swarms_one_is_chosen(hass: HomeAssistant, swarm: MockConfigEntry) -> None:
    other = MockConfigEntry(
        domain="microgrid", title="Other", unique_id="other", data={"swarm": "other", "name": "Other"}
    )
    other.add_to_hass(hass)
    result = await found(hass, announcement())
    assert result["step_id"] == "gx_found"
    result = dict(
        await hass.config_entries.flow.async_configure(result["flow_id"], {"swarm_entry": other.entry_id})
    )
    assert result["description_placeholders"]["swarm"] == "Other"


async def test_a_station_that_moved_is_followed_if_its_certificate_proves_it(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, broker: Mosquitto
) -> None:
    address = ip_address("192.0.2.7")
    for fingerprint, host in (("a" * 64, str(address)), (None, "127.0.0.1")):
        entry = world.joined(
            world.subentry(
                broker.port, DEFAULT_PORTAL, **({"fingerprint": fingerprint} if fingerprint else {})
            )
        )
        entry.add_to_hass(hass)
        result = await found(hass, announcement(str(address)))
        assert result["reason"] == "gx_already_configured"
        (subentry,) = entry.get_subentries_of_type(SUBENTRY_GX)
        assert subentry.data["host"] == host
        await hass.config_entries.async_remove(entry.entry_id)


async def test_what_is_no_station_or_has_no_swarm(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    for info in (announcement(portal=None), announcement(portal="../../x")):
        assert (await found(hass, info))["reason"] == "gx_not_recognised"
    assert (await found(hass, announcement()))["reason"] == "gx_no_swarm"

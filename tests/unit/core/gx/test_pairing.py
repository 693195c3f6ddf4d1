"""Pairing with a GX over HTTPS: a token while its pairing mode lasts, clear words otherwise."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from microgrid_core.gx.access import Login, MqttAccess, PairingRequest, pairing_request, parse_pairing
from microgrid_core.gx.errors import AccessRefused, BadAnswer
from microgrid_core.gx.mqtt import MqttStation, probe
from simulator.gx.broker_side import BrokerSide
from simulator.gx.doorman import Doorman, certificate
from simulator.gx.pairing_side import PairingSide
from simulator.gx.security import Access, Security
from tests.mosquitto import Mosquitto
from tests.unit.core.gx.conftest import QUICK, online


@pytest.fixture
def now() -> list[float]:
    """The clock of the GX."""
    return [0.0]


@pytest.fixture
async def gx_door(
    broker: Mosquitto, tmp_path: Path, now: list[float]
) -> AsyncIterator[tuple[Security, PairingSide, Doorman]]:
    """A GX with MQTT off: its pairing page and its broker behind one certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install it")
    security = Security(Access.OFF, refusal_s=0.05, clock=lambda: now[0])
    tls = certificate(tmp_path)
    page, door = PairingSide(security, tls), Doorman(broker.port, security, tls)
    await page.up()
    await door.up()
    yield security, page, door
    await page.down()
    await door.down()


async def ask(request: PairingRequest) -> tuple[int, bytes]:
    """Send the form, as whoever pairs does."""

    def post() -> tuple[int, bytes]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        data = urllib.parse.urlencode(request.form).encode()
        try:
            with urllib.request.urlopen(request.url, data, timeout=10, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return await asyncio.to_thread(post)


async def test_a_token_for_120_seconds_after_the_button(
    gx: BrokerSide,
    gx_door: tuple[Security, PairingSide, Doorman],
    now: list[float],
    stations: Callable[[MqttAccess], MqttStation],
) -> None:
    security, page, door = gx_door
    request = pairing_request(page.host)
    assert request.url == f"https://{page.host}/auth/generate-token/"
    with pytest.raises(BadAnswer, match="switch on its pairing mode"):
        parse_pairing(*await ask(request))
    assert not security.encrypted
    security.begin_pairing()
    now[0] += 121.0
    with pytest.raises(BadAnswer, match="within 120 seconds"):
        parse_pairing(*await ask(request))
    security.begin_pairing()
    now[0] += 119.0
    login = parse_pairing(*await ask(request))
    assert login.username == f"token/homeassistant/{request.form['device_id']}"
    assert (security.plain, security.encrypted) == (False, True), "pairing switches MQTT on for tokens only"
    found = await probe(MqttAccess("127.0.0.1", door.port, login=login), QUICK)
    await online(stations(found))
    with pytest.raises(AccessRefused):
        await probe(MqttAccess("127.0.0.1", door.port, login=Login.with_password("venus-password")), QUICK)


async def test_the_same_name_locks_the_first_one_out(
    gx: BrokerSide, gx_door: tuple[Security, PairingSide, Doorman]
) -> None:
    """Why the name is ours alone: Home Assistant's own integration pairs with the portal id."""
    security, page, door = gx_door
    security.begin_pairing()
    portal = gx.station.portal
    theirs = parse_pairing(*await ask(pairing_request(page.host, portal)))
    parse_pairing(*await ask(pairing_request(page.host)))
    await probe(MqttAccess("127.0.0.1", door.port, login=theirs), QUICK)
    parse_pairing(*await ask(pairing_request(page.host, portal)))
    with pytest.raises(AccessRefused):
        await probe(MqttAccess("127.0.0.1", door.port, login=theirs), QUICK)


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/auth/", {"role": "homeassistant", "device_id": "a1"}, 404),
        ("/auth/generate-token/", {"role": "admin", "device_id": "a1"}, 403),
        ("/auth/generate-token/", {"role": "homeassistant", "device_id": "a/1"}, 403),
        ("/auth/generate-token/", {}, 403),
    ],
)
async def test_what_the_page_refuses(
    gx_door: tuple[Security, PairingSide, Doorman], path: str, form: dict[str, str], status: int
) -> None:
    security, page, _ = gx_door
    security.begin_pairing()
    found, body = await ask(PairingRequest(f"https://{page.host}{path}", form))
    assert found == status
    assert "error" in json.loads(body)
    assert not security.tokens


async def test_noise_at_the_page(tmp_path: Path) -> None:
    page = PairingSide(Security())
    await page.up()
    for noise in (
        b"\x16\x03\x01\r\n\r\n",
        b"POST\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        writer.write(noise)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 60)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        writer.close()
    assert page.asked == 0
    await page.down()

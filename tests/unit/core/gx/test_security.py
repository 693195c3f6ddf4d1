"""Logins at the door of a GX: profiles, wrong passwords, lock-out, pairing, certificates, and dead lines."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from microgrid_core.gx.access import Login, MqttAccess, pairing_request, parse_pairing
from microgrid_core.gx.errors import AccessRefused, BadAnswer, Unreachable, WrongCertificate
from microgrid_core.gx.mqtt import MqttStation, probe
from microgrid_core.gx.transport import LinkState
from simulator.gx.broker_side import BrokerSide
from simulator.gx.doorman import Doorman, certificate, read_greeting
from simulator.gx.security import Access, Profile, Security
from tests.mosquitto import Mosquitto
from tests.unit.core.gx.conftest import QUICK, online, until

Stations = Callable[[MqttAccess], MqttStation]
PASSWORD = Login.with_password("venus-password")


@pytest.fixture
async def doors(broker: Mosquitto) -> AsyncIterator[Callable[[Security, ssl.SSLContext | None], Doorman]]:
    """Makes doors in front of the broker; at the end they are closed."""
    made: list[Doorman] = []

    def make(security: Security, tls: ssl.SSLContext | None = None) -> Doorman:
        made.append(Doorman(broker.port, security, tls))
        return made[-1]

    yield make
    for door in made:
        await door.down()


def access(door: Doorman, login: Login | None = PASSWORD) -> MqttAccess:
    return MqttAccess("127.0.0.1", door.port, tls=False, login=login)


async def test_the_right_password(
    gx: BrokerSide, doors: Callable[[Security], Doorman], stations: Stations
) -> None:
    door = doors(Security())
    await door.up()
    await online(stations(access(door)))


async def test_a_wrong_password_stops_everything_until_a_person_comes(
    gx: BrokerSide, doors: Callable[[Security], Doorman]
) -> None:
    security = Security(refusal_s=0.1)
    door = doors(security)
    await door.up()
    station = MqttStation(access(door, Login.with_password("wrong")), timing=QUICK)
    with pytest.raises(AccessRefused, match="refuses the login"):
        await station.run()
    assert station.state is LinkState.REFUSED
    assert "refuses" in station.detail
    await asyncio.sleep(0.5)
    assert security.attempts == 1, "no retry loop: each wrong password uses up the patience of the GX"


async def test_a_slow_refusal_is_waited_for(gx: BrokerSide, doors: Callable[[Security], Doorman]) -> None:
    door = doors(Security(refusal_s=6.0))
    await door.up()
    with pytest.raises(AccessRefused):
        await probe(access(door, Login.with_password("wrong")), QUICK)


async def test_the_login_changes_while_it_is_online(
    gx: BrokerSide, doors: Callable[[Security], Doorman]
) -> None:
    security = Security(refusal_s=0.1)
    door = doors(security)
    await door.up()
    station = MqttStation(access(door), timing=QUICK)
    task = asyncio.create_task(station.run())
    await online(station)
    security.password = "new"
    await door.hang_up()
    with pytest.raises(AccessRefused):
        await task


async def test_too_many_wrong_passwords_lock_out_the_right_one() -> None:
    now = 0.0
    security = Security(clock=lambda: now)
    for number in range(20):
        assert not security.admits("remoteconsole", f"wrong {number}")
    assert not security.admits("remoteconsole", "venus-password")
    now += 1.0
    assert security.admits("remoteconsole", "venus-password"), "one token each second"
    for _ in range(50):
        assert not security.admits("remoteconsole", "wrong 1")
    assert security.admits("anybody", "venus-password"), "the same wrong one again uses up nothing"
    for number in range(200):
        now += 2.0
        security.admits("remoteconsole", f"also wrong {number}")
    assert not security.admits("remoteconsole", "venus-password"), "150 in a day"
    security.begin_pairing()
    token = security.pair("homeassistant", "microgrid1")
    assert token is not None
    assert security.admits(token["token_name"], token["password"]), "tokens are not limited"
    now += 86_400.0
    assert security.admits("remoteconsole", "venus-password")


@pytest.mark.parametrize(
    ("mode", "profile", "tokens", "plain", "encrypted", "nobody", "password", "token"),
    [
        (Access.OFF, Profile.UNSECURED, True, False, False, False, False, False),
        (Access.ON, Profile.SECURED, True, False, True, False, True, True),
        (Access.ON, Profile.WEAK, True, True, True, False, True, True),
        (Access.ON, Profile.UNSECURED, True, True, True, True, True, True),
        (Access.TOKENS, Profile.WEAK, True, False, True, False, False, True),
        (Access.TOKENS, Profile.WEAK, False, False, False, False, False, False),
    ],
)
def test_profiles(
    mode: Access,
    profile: Profile,
    tokens: bool,
    plain: bool,
    encrypted: bool,
    nobody: bool,
    password: bool,
    token: bool,
) -> None:
    name = "token/homeassistant/x"
    security = Security(mode, profile, tokens={name: "t"} if tokens else {})
    assert (security.plain, security.encrypted) == (plain, encrypted)
    assert security.admits(None, None) is nobody
    assert security.admits("remoteconsole", "venus-password") is password
    assert security.admits(name, "t") is token
    assert not security.admits(name, None)
    assert not security.admits(name, "wrong")


async def test_pairing_makes_a_login(
    gx: BrokerSide, doors: Callable[[Security], Doorman], stations: Stations
) -> None:
    security = Security(Access.OFF)
    request = pairing_request("venus.local")
    assert request.url == "https://venus.local/auth/generate-token/"
    assert request.form["device_id"].startswith("microgrid"), (
        "not the portal id: that is Home Assistant's own"
    )
    assert request.form["device_id"] != pairing_request("venus.local").form["device_id"]
    assert security.pair(**request.form) is None, "not in pairing mode"
    security.begin_pairing()
    made = security.pair(**request.form)
    login = parse_pairing(200, json.dumps(made).encode())
    assert login.token
    assert security.access is Access.TOKENS
    door = doors(security)
    await door.up()
    await online(stations(access(door, login)))
    assert "password" not in repr(login)
    assert not PASSWORD.token


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (403, b"", "pairing mode"),
        (404, b"{}", "pairing mode"),
        (500, b"{}", "firmware"),
        (200, b"<html>", "firmware"),
        (200, b'"x"', "firmware"),
        (200, b"{}", "no token"),
        (200, b'{"token_name":"admin","password":"x"}', "no token"),
        (200, b'{"token_name":"token/a/b","password":""}', "no token"),
        (200, b'{"token_name":"token/a/b","password":7}', "no token"),
        (200, b'{"token_name":"token/a/b/../c","password":"x"}', "no token"),
    ],
)
def test_answers_to_pairing(status: int, body: bytes, text: str) -> None:
    with pytest.raises(BadAnswer, match=text):
        parse_pairing(status, body)


def test_a_device_id_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="device id"):
        pairing_request("venus.local", "a/b")
    assert pairing_request("venus.local", "abc1").form == {"role": "homeassistant", "device_id": "abc1"}


@pytest.mark.parametrize(
    "wrong",
    [
        MqttAccess(""),
        MqttAccess("http://venus.local"),
        MqttAccess("a b"),
        MqttAccess("venus.local", 0),
        MqttAccess("venus.local", 70_000),
        MqttAccess("venus.local", fingerprint="ab:cd"),
        MqttAccess("venus.local", portal="+"),
    ],
)
async def test_access_that_cannot_be(wrong: MqttAccess) -> None:
    with pytest.raises(ValueError, match=r" is no | 8883 "):
        MqttStation(wrong)


def test_the_ways_to_try() -> None:
    first, second = MqttAccess("venus.local", 1, fingerprint="0" * 64).candidates()
    assert (first.port, first.tls, first.fingerprint) == (8883, True, "0" * 64)
    assert (second.port, second.tls, second.fingerprint) == (1883, False, None)
    assert second.context() is None


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The certificate of one GX."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install it")
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_the_certificate_is_pinned(
    gx: BrokerSide, doors: Callable[..., Doorman], tls: ssl.SSLContext, tmp_path: Path, stations: Stations
) -> None:
    security = Security(refusal_s=0.1)
    door = doors(security, tls)
    await door.up()
    first = MqttAccess("127.0.0.1", door.port, login=PASSWORD)
    found = await probe(first, QUICK)
    assert found.fingerprint is not None
    assert len(found.fingerprint) == 64
    station = stations(found)
    await online(station)
    assert station.fingerprint == found.fingerprint
    # Somebody else in its place never hears the password.
    other = doors(security, certificate(tmp_path))
    await other.up()
    before = security.attempts
    station = MqttStation(MqttAccess("127.0.0.1", other.port, login=PASSWORD, fingerprint=found.fingerprint))
    with pytest.raises(WrongCertificate, match="confirm the new one"):
        await station.run()
    assert station.state is LinkState.REFUSED
    assert security.attempts == before


async def test_a_full_publish_over_tls(
    gx: BrokerSide, doors: Callable[..., Doorman], tls: ssl.SSLContext, stations: Stations
) -> None:
    """TLS holds several packets at once: none of them may be left lying."""
    door = doors(Security(), tls)
    await door.up()
    station = stations(MqttAccess("127.0.0.1", door.port, login=PASSWORD))
    await online(station)
    assert len(station.tree) == len(gx.station.items)


async def test_plain_speech_at_an_encrypted_port(
    gx: BrokerSide, doors: Callable[..., Doorman], tls: ssl.SSLContext
) -> None:
    door = doors(Security(), tls)
    await door.up()
    with pytest.raises(Unreachable):
        await probe(access(door), QUICK)


async def test_encryption_at_a_plain_port(gx: BrokerSide, doors: Callable[..., Doorman]) -> None:
    door = doors(Security())
    await door.up()
    with pytest.raises(Unreachable):
        await probe(MqttAccess("127.0.0.1", door.port, login=PASSWORD), QUICK)


async def test_a_half_open_line_is_found_and_replaced(
    gx: BrokerSide, doors: Callable[[Security], Doorman], stations: Stations
) -> None:
    door = doors(Security())
    await door.up()
    station = stations(access(door))
    await online(station)
    states: list[LinkState] = []
    station.watch(states.append)
    door.freeze()
    await until(lambda: LinkState.SILENT in states, "silence is noticed")
    await until(lambda: LinkState.LOST in states, "the line is given up")
    door.thaw()
    await online(station)
    assert station.connects == 2


async def test_a_gx_that_reboots_with_its_broker(
    gx: BrokerSide, doors: Callable[[Security], Doorman], stations: Stations
) -> None:
    door = doors(Security())
    await door.up()
    station = stations(access(door))
    await online(station)
    await door.down()
    await until(lambda: station.state is LinkState.LOST, "the loss is noticed")
    await asyncio.sleep(1.0)
    await door.up()
    await online(station)
    assert station.connects == 2


async def test_stopping_while_it_connects(doors: Callable[[Security], Doorman]) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    station = MqttStation(MqttAccess("127.0.0.1", server.sockets[0].getsockname()[1], tls=False))
    for wait_s in (0.0, 0.2):
        task = asyncio.create_task(station.run())
        await asyncio.sleep(wait_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.1)
    assert station.state is LinkState.STOPPED
    server.close()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\xff", b"\x10\x02ab"])
async def test_the_door_knows_a_greeting(sent: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    reader.feed_eof()
    with pytest.raises((ValueError, asyncio.IncompleteReadError)):
        await read_greeting(reader)

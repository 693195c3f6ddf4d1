"""A station over the D-Bus HTTP API: both dialects, failing servers, guarded writes, any answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from microgrid_core.gx import http_answers as answers
from microgrid_core.gx.control import write
from microgrid_core.gx.errors import BadAnswer, NotSupported, NotThere, Unreachable, WriteRefused
from microgrid_core.gx.http_answers import Health
from microgrid_core.gx.transport import LinkState
from microgrid_core.gx.value import Address, Reason
from simulator.gx.http_side import Dialect, HttpSide
from simulator.gx.site import BATTERY, SimulatedSite
from tests.mosquitto import free_port
from tests.unit.core.gx.conftest import online, until
from tests.unit.simulator.conftest import enable_socket

aiohttp = pytest.importorskip("aiohttp", reason="aiohttp comes with Home Assistant")
from microgrid_core.gx.http import HttpStation, Rhythm  # noqa: E402 - needs aiohttp

QUICK = Rhythm(round_s=0.2, slow_s=0.4, pause_s=0.0, first_retry_s=0.1, last_retry_s=0.2)
SOC = Address(*BATTERY, "/Soc")
SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
MODE = Address("vebus", 276, "/Mode")


@pytest.fixture(params=list(Dialect), ids=lambda dialect: dialect.name.lower())
def api(request: pytest.FixtureRequest, site: SimulatedSite) -> Iterator[HttpSide]:
    """The server of the site in one of its dialects."""
    enable_socket()
    side = HttpSide(site.station, request.param)
    side.start()
    yield side
    side.stop()


@pytest.fixture
async def station(api: HttpSide) -> AsyncIterator[HttpStation]:
    """A running station that may write."""
    async with aiohttp.ClientSession() as session:
        found = HttpStation(session, f"{api.url}/", allow_writes=True, rhythm=QUICK)
        task = asyncio.create_task(found.run())
        yield found
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert found.state is LinkState.STOPPED


def value(station: HttpStation, address: Address) -> object:
    leaf = station.tree.leaf(address)
    return None if leaf is None else leaf.value


async def test_everything_is_read_round_by_round(
    api: HttpSide, station: HttpStation, site: SimulatedSite
) -> None:
    await online(station)
    for address, item in site.station.items.items():
        if not address.path.endswith("/Statistics"):
            assert value(station, address) == item.value, address
    assert station.health == Health(
        api.dialect is Dialect.NEWER, "3.2.0" if api.dialect is Dialect.NEWER else ""
    )
    assert station.tree.devices[BATTERY].name == "com.victronenergy.battery.socketcan_can0"
    site.station.set(SOC, 11.5)
    await until(lambda: value(station, SOC) == 11.5, "a change")
    assert not station.tree.rejected
    roots = [request for request in api.requests if "path=%2F" in request or "path=/" in request]
    assert len(roots) > 5, "services are read as a whole"
    assert not any("settings" in request for request in roots), "settings have a request of their own"
    leaf = station.tree.leaf(SOC)
    assert leaf is not None
    assert not station.tree.stale(leaf)


async def test_services_come_and_go(api: HttpSide, station: HttpStation, site: SimulatedSite) -> None:
    await online(station)
    site.station.leave(*BATTERY)
    site.station.add("battery", 0, {"/Soc": 1.0}, "com.victronenergy.battery.virtual_1")
    site.station.add("tank", 3, {"/DeviceInstance": 3, "/Level": 40.0})
    await until(lambda: not list(station.tree.of("battery")), "the battery is gone")
    await until(lambda: value(station, Address("tank", 3, "/Level")) == 40.0, "a new tank")
    assert not list(station.tree.of("battery")), "virtual batteries only on request"


async def test_an_instance_that_changes(api: HttpSide, station: HttpStation, site: SimulatedSite) -> None:
    await online(station)
    site.station.set(Address(*BATTERY, "/DeviceInstance"), 600)
    await until(lambda: value(station, Address("battery", 600, "/Soc")) is not None, "the new instance")
    assert [device.instance for device in station.tree.of("battery")] == [600]


async def test_a_failing_dbus_is_waited_out(api: HttpSide, station: HttpStation, site: SimulatedSite) -> None:
    await online(station)
    before = value(station, SOC)
    api.failing = True
    await until(lambda: station.state is LinkState.LOST, "noticed")
    assert value(station, SOC) == before, "an empty list is a failure, not an empty system"
    assert station.tree.rejected[Reason.BAD_ANSWER] > 0
    api.failing = False
    await online(station)


async def test_reads(api: HttpSide, station: HttpStation, site: SimulatedSite) -> None:
    await online(station)
    site.station.set(SOC, 49.79999923706055)
    assert (await station.read(SOC)).value == 49.8
    site.station.set(SOC, None)
    assert (await station.read(SOC)).value is None
    with pytest.raises(Unreachable, match="Failed to read"):
        await station.read(Address(*BATTERY, "/Nothing"))
    with pytest.raises(NotThere):
        await station.read(Address("battery", 9, "/Soc"))


async def test_one_request_at_a_time(api: HttpSide, station: HttpStation) -> None:
    await online(station)
    api.delay_s = 0.05
    found = await asyncio.gather(*(station.read(SOC) for _ in range(5)))
    assert len(set(found)) == 1
    api.delay_s = 0.5
    with pytest.raises(Unreachable, match=r"within 0\.2 s"):
        await station.read(SOC, timeout_s=0.2)


async def test_writes(api: HttpSide, station: HttpStation, site: SimulatedSite) -> None:
    await online(station)
    if api.dialect is Dialect.OLDER:
        assert not station.writable
        with pytest.raises(NotSupported):
            await write(station, MODE, 1)
        with pytest.raises(NotSupported):
            await station.write(MODE, 1)
        return
    with pytest.raises(WriteRefused, match="AI_write"):
        await write(station, MODE, 1)
    api.writing = True
    assert await write(station, MODE, 1) == 1
    assert site.station.items[MODE].value == 1
    with pytest.raises(WriteRefused, match="SetValue failed"):
        await station.write(MODE, 99)
    with pytest.raises(WriteRefused, match="Missing field"):
        await station.write(MODE, None)
    with pytest.raises(WriteRefused, match="null"):
        await write(station, SETPOINT, 3000)
    assert site.station.items[SETPOINT].value is None, "over this API it could never be given up"


async def test_an_older_server_refuses_by_itself(api: HttpSide, station: HttpStation) -> None:
    await online(station)
    if api.dialect is Dialect.OLDER:
        station.health = Health(True, "")
        with pytest.raises(WriteRefused, match="disabled"):
            await station.write(MODE, 1)


async def test_a_service_that_hangs_does_not_cost_the_others(
    api: HttpSide, station: HttpStation, site: SimulatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await online(station)
    take = station._take

    async def hang(name: str, service: str) -> None:
        if service == "grid":
            raise Unreachable("no answer within 10 s")
        await take(name, service)

    monkeypatch.setattr(station, "_take", hang)
    site.station.set(MODE, 2)
    await until(lambda: value(station, MODE) == 2, "others are read")
    assert station.state is LinkState.ONLINE


async def test_nobody_there() -> None:
    enable_socket()
    async with aiohttp.ClientSession() as session:
        station = HttpStation(session, f"http://127.0.0.1:{free_port()}", rhythm=QUICK)
        assert not station.writable
        with pytest.raises(Unreachable):
            await station.introduce()


@pytest.mark.parametrize(
    "url", ["", "venus.local", "ftp://venus.local", "http://", "http://venus.local/?a=1"]
)
async def test_addresses_that_cannot_be(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="no address"):
            HttpStation(session, url)


async def serve(answer: bytes) -> asyncio.Server:
    """A server that says the same to everybody."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    return await asyncio.start_server(speak, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nhello", BadAnswer),
        (b'HTTP/1.0 200 OK\r\n\r\n{"status":"starting","success":true}', BadAnswer),
        (b"HTTP/1.0 302 Found\r\nLocation: http://example.org/\r\n\r\n", BadAnswer),
        (b"nonsense\r\n\r\n", Unreachable),
        (b"", Unreachable),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b" " * (answers.MAX_ANSWER_BYTES + 100_000), Unreachable),
    ],
)
async def test_who_is_no_such_server(answer: bytes, error: type[Exception]) -> None:
    enable_socket()
    server = await serve(answer)
    async with aiohttp.ClientSession() as session:
        station = HttpStation(session, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(error):
            await station.introduce()
    server.close()


@pytest.mark.parametrize("payload", [b'{"success":true}', b"[]", b'{"success":true,"value":NaN}'])
async def test_values_that_are_none(payload: bytes, station: HttpStation, api: HttpSide) -> None:
    await online(station)
    server = await serve(b"HTTP/1.0 200 OK\r\n\r\n" + payload)
    station.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(Unreachable, match="not readable"):
        await station.read(SOC)
    server.close()

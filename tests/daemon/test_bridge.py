"""Bare numbers of house and weather: what arrives where Home Assistant listens, and what is never said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.contract.bare_number import parse_bare_number
from microgrid_core.model.bare_sensors import WEATHER_METRICS, house_metric
from microgrid_daemon.bridge import bridge as module, house, weather
from microgrid_daemon.bridge.bridge import Bridge
from microgrid_daemon.bridge.house import HouseSensor, NoNumber, content_of, number_in
from microgrid_daemon.bridge.line import BareLine
from microgrid_daemon.bridge.weather import Weather
from microgrid_daemon.clock import Clock
from microgrid_daemon.config import BrokerConfig, ConfigError, SensorConfig, WeatherConfig, parse
from tests.daemon.stage import until
from tests.mosquitto import Mosquitto


class Ear:
    """Who listens to bare numbers, and says what other programs say."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe([("house/#", 0), ("weather/#", 0)])
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        self.ready = False
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _subscribed(self, *_: Any) -> None:
        self.ready = True

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload, message.retain))

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, retain=retain).wait_for_publish(5)

    def numbers(self) -> dict[str, object]:
        return {topic: parse_bare_number(payload) for topic, payload, _ in self.heard}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest_asyncio.fixture
async def ear(mosquitto: Mosquitto) -> AsyncIterator[Ear]:
    """Home Assistant's side."""
    listening = Ear(mosquitto.port)

    async def ready() -> bool:
        return listening.ready

    await until(ready)
    yield listening
    listening.close()


@pytest_asyncio.fixture
async def line(mosquitto: Mosquitto) -> AsyncIterator[BareLine]:
    """A connection that whoever wants may still be heard on."""
    made = BareLine(BrokerConfig("127.0.0.1", mosquitto.port), "village")
    yield made
    await made.stop()


async def _connected(line: BareLine) -> None:
    line.start()

    async def there() -> bool:
        return line.connected

    await until(there)


async def _heard(ear: Ear, count: int) -> None:
    async def done() -> bool:
        return len(ear.heard) >= count

    await until(done)


# ------------------------------------------------------------------------------------------------- weather

UNITS = {
    "time": "unixtime",
    "temperature_2m": "°C",
    "relative_humidity_2m": "%",
    "wind_speed_10m": "km/h",
    "rain": "mm",
    "pressure_msl": "hPa",
}


def _document(**current: object) -> dict[str, Any]:
    values = {
        "time": int(time.time()) // 900 * 900,
        "interval": 900,
        "temperature_2m": -3.4,
        "relative_humidity_2m": 87,
        "wind_speed_10m": 12.6,
        "rain": 0.0,
        "pressure_msl": 1013.2,
    }
    return {"latitude": 54.35, "current_units": dict(UNITS), "current": values | current}


def _answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.0 {status}", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _good(**current: object) -> bytes:
    return _answer(json.dumps(_document(**current)).encode(), Content_Type="application/json")


class Server:
    """Open-Meteo as the test wants it to be."""

    def __init__(self) -> None:
        self.answer = _good()
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(request.split(b"\r\n")[0].decode())
        with contextlib.suppress(ConnectionError):
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def _serving() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/forecast"
    try:
        yield server
    finally:
        listening.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A local Open-Meteo."""
    async with _serving() as made:
        yield made


def _weather(server: Server, line: BareLine, clock: Clock | None = None) -> Weather:
    return Weather(WeatherConfig(54.35, 18.65, server.url), line, clock or Clock(None))


async def test_the_weather_arrives_in_the_units_that_are_expected(
    ear: Ear, line: BareLine, server: Server
) -> None:
    await _connected(line)
    made = _weather(server, line)
    assert await made.step() == weather.EVERY_S
    await _heard(ear, 5)
    assert ear.numbers() == {
        "weather/temperature": -3.4,
        "weather/humidity": 87.0,
        "weather/wind": 12.6,
        "weather/rain": 0.0,
        "weather/pressure": 1013.2,
    }
    assert {topic.split("/")[1] for topic in ear.numbers()} == set(WEATHER_METRICS)
    assert not any(retained for _, _, retained in ear.heard)
    assert server.asked[0].startswith(
        "GET /v1/forecast?latitude=54.3500&longitude=18.6500&current=temperature_2m,"
    )
    assert "pressure_msl&timeformat=unixtime&timezone=GMT" in server.asked[0]
    surface = Weather(WeatherConfig(0, 0, server.url, "surface"), line, Clock(None))
    assert "surface_pressure" in surface.url


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "an error": (lambda: _answer(b"{}", "400 Bad Request"), "check `url`, `latitude`"),
    "a redirect": (lambda: _answer(b"", "302 Found", Location="http://evil.example/"), "status 302"),
    "a page": (lambda: _answer(b"<html>"), "no JSON"),
    "a list": (lambda: _answer(b"[1]"), "no `current`"),
    "a deep hole": (lambda: _answer(b"[" * 15_000), "no JSON"),
    "a flood": (lambda: _answer(b" " * 300_000), "bytes"),
    "a promised flood": (lambda: _answer(b"", Content_Length="999999999"), "bytes"),
    "half an answer": (lambda: _answer(b"{}", Content_Length="99"), "breaks off"),
    "no HTTP": (lambda: b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
    "nothing": (lambda: b"", "no HTTP"),
    "yesterday": (lambda: _good(time=int(time.time()) - 86_400), "min old"),
    "tomorrow": (lambda: _good(time=int(time.time()) + 86_400), "min old"),
    "no time": (lambda: _good(time="2026-11-22T04:45"), "of when"),
    "no numbers": (lambda: _good(**{name: "-3.4" for name in UNITS if name != "time"}), "no value"),
    "truths": (lambda: _good(**{name: True for name in UNITS if name != "time"}), "no value"),
    "fahrenheit": (
        lambda: _answer(json.dumps(_document() | {"current_units": dict.fromkeys(UNITS, "°F")}).encode()),
        "in the units",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_weather_of_now_is_not_said(
    name: str, ear: Ear, line: BareLine, server: Server
) -> None:
    make, why = HOSTILE[name]
    await _connected(line)
    made = _weather(server, line)
    server.answer = make()
    assert weather.FIRST_RETRY_S <= await made.step() <= 1.2 * weather.FIRST_RETRY_S
    assert why in (made.trouble or "")
    server.answer = _good()
    assert await made.step() == weather.EVERY_S, "and nothing is broken by it"
    assert made.trouble is None
    await _heard(ear, 5)
    assert len(ear.heard) == 5


async def test_values_that_cannot_be_are_left_out(ear: Ear, line: BareLine, server: Server) -> None:
    await _connected(line)
    made = _weather(server, line)
    # JSON as Python writes it knows NaN and Infinity, and numbers that no float holds.
    server.answer = _good(
        temperature_2m=float("nan"), wind_speed_10m=float("inf"), relative_humidity_2m=10**400, rain=-5
    )
    assert await made.step() == weather.EVERY_S
    await _heard(ear, 1)
    assert ear.numbers() == {"weather/pressure": 1013.2}
    troubles = {one.topic: one.trouble for one in made.readings if one.trouble is not None}
    assert set(troubles) == {"weather/temperature", "weather/wind", "weather/humidity", "weather/rain"}


async def test_what_was_right_once_is_not_repeated(
    ear: Ear, line: BareLine, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await _connected(line)
    made = _weather(server, line)
    await made.step()
    await _heard(ear, 5)
    server.answer = _answer(b"", "503 Service Unavailable")
    pauses = [await made.step() for _ in range(7)]
    assert pauses[0] < pauses[1] < pauses[2] and max(pauses) <= 1.2 * weather.EVERY_S
    server.answer = _answer(b"", "429 Too Many Requests")
    assert await made.step() == weather.TOO_MANY_S
    ear.say("house/end_temp", "1")
    await _heard(ear, 6)
    assert len(ear.heard) == 6, "the five of the good answer, and the mark"
    assert caplog.text.count("status 503") == 1, "told once"


async def test_nobody_is_asked_for_what_nobody_hears(line: BareLine, server: Server, tmp_path: Path) -> None:
    made = _weather(server, line)
    assert await made.step() == 5.0, "there is no connection"
    await _connected(line)
    made = _weather(server, line, Clock(tmp_path / "synchronized"))
    assert await made.step() == 5.0, "nobody knows what now is"
    assert server.asked == []
    (tmp_path / "synchronized").touch()
    assert await made.step() == weather.EVERY_S


# --------------------------------------------------------------------------------------------------- house


async def test_files_and_topics_become_sensors_of_the_house(ear: Ear, line: BareLine, tmp_path: Path) -> None:
    file = tmp_path / "temperature"
    file.write_text("21562\n")
    by_file = HouseSensor(SensorConfig("cellar_temp", file, scale=0.001), line)
    by_topic = HouseSensor(
        SensorConfig("attic_hum", topic="zigbee2mqtt/attic", field="air.humidity", offset=-1.5), line
    )
    ear.say("zigbee2mqtt/attic", '{"air":{"humidity":40}}', retain=True)
    await _connected(line)
    reading = asyncio.create_task(by_file.run())
    await _heard(ear, 1)
    reading.cancel()

    async def said() -> bool:
        ear.say("zigbee2mqtt/attic", '{"air":{"humidity":55.5}}')
        return "house/attic_hum" in ear.numbers()

    await until(said)
    assert ear.numbers() == {"house/cellar_temp": 21.562, "house/attic_hum": 54.0}
    assert all(payload != b"38.5" for _, payload, _ in ear.heard), "what was kept has no time"
    assert by_topic.reading.report()["unit"] == "%"
    metric = house_metric("cellar_temp")
    assert metric is not None and metric.unit == by_file.reading.report()["unit"]


async def test_what_is_no_number_of_now_is_told_and_not_said(
    ear: Ear, line: BareLine, caplog: pytest.LogCaptureFixture
) -> None:
    await _connected(line)
    sensor = HouseSensor(SensorConfig("cellar_temp", topic="t"), line)
    for payload in (b"", b"nan", b"23,5", b"23.5 C", b"\xff", b'{"a":1}', b"300", b"300"):
        sensor.take(payload)
        assert sensor.reading.trouble is not None
    assert caplog.text.count("300 °C cannot be: -60 … 85") == 1
    sensor.take(b"23.5")
    await _heard(ear, 1)
    assert ear.numbers() == {"house/cellar_temp": 23.5}
    assert sensor.reading.trouble is None


def test_a_number_that_grew_too_large_is_none(line: BareLine) -> None:
    sensor = HouseSensor(SensorConfig("counter", topic="t", scale=1e6), line)
    sensor.take(b"1e305")
    assert sensor.reading.trouble == "inf cannot be"
    sensor.take(b"1")
    assert sensor.reading.trouble is None


@pytest.mark.parametrize(
    ("payload", "field", "why"),
    [
        (b"{", "a", "no JSON"),
        (b"[" * 50_000, "a", "no JSON"),
        (b'{"a":1}', "a.b", "there is no `a.b`"),
        (b'{"a":null}', "a", "is no number"),
        (b'{"a":true}', "a", "is no number"),
        (b'{"a":[1]}', "a", "is no number"),
        (b'{"a":NaN}', "a", "is no number"),
        (b'{"a":1}', None, "name its `field`"),
    ],
)
def test_a_payload_without_a_number_says_so(payload: bytes, field: str | None, why: str) -> None:
    with pytest.raises(NoNumber, match=why):
        number_in(payload, field)


def test_a_number_in_quotes_is_one() -> None:
    assert number_in(b'{"a":{"b":"21.5"}}', "a.b") == 21.5
    assert number_in(b" 21.5\n", None) == 21.5


def test_a_file_that_nobody_writes_any_more_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t"
    with pytest.raises(NoNumber, match="is the sensor connected"):
        content_of(file)
    file.write_text("20")
    assert content_of(file) == b"20"
    old = time.time() - house.MOST_AGE_S - 60
    os.utime(file, (old, old))
    with pytest.raises(NoNumber, match="does its program run"):
        content_of(file)
    # The kernel measures when it is asked: its files have no age. And 85 °C is no temperature of a DS18B20.
    monkeypatch.setattr(house, "_MEASURED_WHEN_READ", (str(tmp_path),))
    assert content_of(file) == b"20"
    monkeypatch.setattr(house, "_ONE_WIRE", str(tmp_path))
    file.write_text("85000\n")
    with pytest.raises(NoNumber, match="look at its wires"):
        content_of(file)


# ------------------------------------------------------------------------------------- both, as configured

CONFIG = """\
swarm = "village"
clock_marker = ""
[broker]
host = "127.0.0.1"
port = {port}
[[inverters]]
node = "mpp-1"
[weather]
latitude = 54.35
longitude = 18.65
url = "{url}"
[[house]]
sensor = "cellar_temp"
file = "{file}"
interval_s = 10
[[house]]
sensor = "attic_temp"
topic = "zigbee2mqtt/attic"
field = "temperature"
"""


async def test_the_bridge_runs_what_is_configured(
    ear: Ear, mosquitto: Mosquitto, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "cellar"
    file.write_text("11.5")
    text = CONFIG.format(port=mosquitto.port, url=server.url, file=file)
    bridge = Bridge(parse(text, Path("daemon.toml"), {}), Clock(None))
    running = asyncio.create_task(bridge.run())

    def rows() -> dict[str, Any]:
        return {row["topic"]: row["value"] for row in bridge.report()}

    async def weather_there() -> bool:
        return bool(rows()["weather/rain"] == 0.0)

    await until(weather_there)
    assert rows()["weather/temperature"] == -3.4
    assert rows()["house/attic_temp"] is None
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_fault_of_our_own_harms_nobody_else(
    ear: Ear, mosquitto: Mosquitto, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cellar"
    file.write_text("11.5")
    text = CONFIG.format(port=mosquitto.port, url=server.url, file=file)

    async def breaks(_: Weather) -> float:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(Weather, "step", breaks)
    bridge = Bridge(parse(text, Path("daemon.toml"), {}), Clock(None))
    monkeypatch.setattr(module, "AFTER_A_FAULT_S", 0.01)
    running = asyncio.create_task(bridge.run())

    async def others_go_on() -> bool:
        assert not running.done()
        ear.say("zigbee2mqtt/attic", '{"temperature":21}')
        return ear.numbers().get("house/attic_temp") == 21.0

    await until(others_go_on)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_what_cannot_be_bridged_is_named() -> None:
    def said(more: str) -> str:
        text = 'swarm="v"\n[broker]\nhost="h"\n[[inverters]]\nnode="i"\n' + more
        with pytest.raises(ConfigError) as caught:
            parse(text, Path("daemon.toml"), {})
        return str(caught.value)

    assert "latitude = 91" in said("[weather]\nlatitude=91\nlongitude=1\n")
    assert "weather.longitude: is missing" in said("[weather]\nlatitude=1\n")
    assert "must be a table [weather]" in said("[[weather]]\nlatitude=1\n")
    assert "one of sea_level, surface" in said('[weather]\nlatitude=1\nlongitude=1\npressure="qnh"\n')
    assert "must be an address" in said('[weather]\nlatitude=1\nlongitude=1\nurl="file:///etc/passwd"\n')
    assert "either a file or a topic" in said('[[house]]\nsensor="a"\n')
    assert "either a file or a topic" in said('[[house]]\nsensor="a"\nfile="/a"\ntopic="b"\n')
    assert "the unit comes from its end" in said('[[house]]\nsensor="a/b"\nfile="/a"\n')
    assert "not its own" in said('[[house]]\nsensor="a"\ntopic="house/a"\n')
    assert "not its own" in said('[[house]]\nsensor="a"\ntopic="b/#"\n')
    assert "a is taken" in said('[[house]]\nsensor="a"\nfile="/a"\n' * 2)
    many = "".join(f'[[house]]\nsensor="s{number}"\nfile="/a"\n' for number in range(60))
    assert "no more than 59" in said(many)

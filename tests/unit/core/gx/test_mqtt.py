"""A station over MQTT, with a fake GX at a real broker: what happens to such a line, and how it mends."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable

import pytest
from paho.mqtt.publish import single

from microgrid_core.gx.access import MqttAccess
from microgrid_core.gx.control import write
from microgrid_core.gx.errors import AccessRefused, NotConfirmed, Unreachable
from microgrid_core.gx.mqtt import MqttStation, can_interfaces, probe
from microgrid_core.gx.transport import LinkState
from microgrid_core.gx.tree import Change, Happening
from microgrid_core.gx.value import Address, Reason
from simulator.gx.broker_side import BrokerSide, Habits
from simulator.gx.site import BATTERY, SimulatedSite
from simulator.gx.station import DEFAULT_PORTAL, Station
from tests.mosquitto import Mosquitto, free_port
from tests.unit.core.gx.conftest import HABITS, QUICK, in_thread, online, plain, until

Stations = Callable[[MqttAccess], MqttStation]
SOC = Address(*BATTERY, "/Soc")
MODE = Address("vebus", 276, "/Mode")


def value(station: MqttStation, address: Address) -> object:
    leaf = station.tree.leaf(address)
    return None if leaf is None else leaf.value


async def test_the_whole_tree_arrives_and_changes_follow(
    broker: Mosquitto, gx: BrokerSide, site: SimulatedSite, stations: Stations
) -> None:
    station = stations(plain(broker.port))
    states: list[LinkState] = []
    stop = station.watch(states.append)
    await online(station)
    assert station.portal == DEFAULT_PORTAL
    assert states == [LinkState.CONNECTING, LinkState.LOADING, LinkState.ONLINE]
    for address, item in site.station.items.items():
        if not address.path.endswith("/Statistics"):
            assert value(station, address) == item.value, address
    assert len(station.tree) == len(site.station.items)
    assert not station.tree.rejected
    leaf = station.tree.leaf(MODE)
    assert leaf is not None
    assert leaf.limits == (1.0, 4.0)
    changes: list[Change] = []
    station.tree.subscribe(changes.append)
    site.station.set(SOC, 12.5)
    await until(lambda: value(station, SOC) == 12.5, "a change")
    assert [change.leaf.address for change in changes if change.leaf.address == SOC] == [SOC]
    stop()
    stop()


async def test_what_never_notifies_is_read(broker: Mosquitto, gx: BrokerSide, stations: Stations) -> None:
    station = stations(plain(broker.port))
    await online(station)
    path = "platform/0/CanBus/Interface/can0/Statistics"
    await until(lambda: gx.reads.count(path) >= 2, "statistics are read again and again")
    leaf = station.tree.leaf(Address("platform", 0, "/CanBus/Interface/can0/Statistics"))
    assert leaf is not None
    assert isinstance(leaf.value, str)
    assert json.loads(leaf.value)[0]["linkinfo"]["info_data"]["state"] == "ERROR-ACTIVE"


async def test_it_is_kept_awake(broker: Mosquitto, gx: BrokerSide, stations: Stations) -> None:
    station = stations(plain(broker.port))
    await online(station)
    await asyncio.sleep(3 * HABITS.keepalive_s)
    await until(lambda: gx.awake, "kept awake", 1.0)
    assert gx.full_publishes == 1, "kept awake without telling everything again"
    assert station.state is LinkState.ONLINE


async def test_an_expired_keepalive_wakes_it_up_again(
    broker: Mosquitto,
    gx: BrokerSide,
    site: SimulatedSite,
    stations: Stations,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    station = stations(plain(broker.port))
    await online(station)
    states: list[LinkState] = []
    station.watch(states.append)
    monkeypatch.setattr(gx, "_keep_awake", lambda payload: None)  # as if they were lost on the way
    gx.fall_asleep()
    site.station.set(SOC, 33.0)
    await until(lambda: LinkState.SILENT in states, "silence is noticed")
    assert "no sign of life" in station.detail
    monkeypatch.undo()
    await until(lambda: station.state is LinkState.ONLINE, "it speaks again")
    await until(lambda: value(station, SOC) == 33.0, "what changed meanwhile is there")
    assert station.connects == 1


async def test_standing_still_ourselves_is_no_silence_of_the_gx(
    broker: Mosquitto, gx: BrokerSide, stations: Stations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the machine is paused: nothing gets through meanwhile, and some of it comes later."""
    station = stations(plain(broker.port))
    await online(station)
    states: list[LinkState] = []
    station.watch(states.append)
    monkeypatch.setattr(gx, "_publish", lambda *_, **__: None)
    time.sleep(QUICK.dead_s + 1.0)  # noqa: ASYNC251 - that is the point
    monkeypatch.undo()
    await asyncio.sleep(2.0 * HABITS.heartbeat_s)
    assert states == [] and station.connects == 1
    gx.stop()
    await until(lambda: LinkState.LOST in states, "and then it is noticed as ever")


async def test_a_reboot_is_waited_out(
    broker: Mosquitto, gx: BrokerSide, site: SimulatedSite, stations: Stations
) -> None:
    station = stations(plain(broker.port))
    await online(station)
    energy = Address("vebus", 276, "/Energy/InverterToAcOut")
    site.station.set(energy, 99.0)
    await until(lambda: value(station, energy) == 99.0, "a counter")
    lost: list[Change] = []
    station.tree.subscribe(lambda change: lost.append(change) if change.happening is Happening.LOST else None)

    def reboot() -> None:
        gx.stop()
        site.station.leave("grid", 30)  # the meter does not come back
        gx.reboot(1.5)

    await in_thread(reboot)
    await until(lambda: value(station, energy) == 0.0, "the counter begins again")
    await until(lambda: not list(station.tree.of("grid")), "the meter is gone")
    assert {change.leaf.device.service for change in lost} == {"grid"}
    await online(station)


async def test_a_broker_restart_is_waited_out(
    broker: Mosquitto, gx: BrokerSide, site: SimulatedSite, stations: Stations
) -> None:
    station = stations(plain(broker.port))
    await online(station)
    await in_thread(broker.stop)
    await until(lambda: station.state is LinkState.LOST, "the loss is noticed")
    with pytest.raises(Unreachable):
        await station.write(MODE, 1)
    site.station.set(SOC, 7.0)
    await in_thread(broker.start)
    await online(station)
    await until(lambda: value(station, SOC) == 7.0, "what changed meanwhile is there")
    assert station.connects == 2


async def test_a_device_leaves_the_bus(broker: Mosquitto, gx: BrokerSide, stations: Stations) -> None:
    station = stations(plain(broker.port))
    await online(station)
    await in_thread(lambda: gx.drop(*BATTERY))
    await until(lambda: not list(station.tree.of("battery")), "the battery is gone")
    assert value(station, SOC) is None


async def test_reads(broker: Mosquitto, gx: BrokerSide, site: SimulatedSite, stations: Stations) -> None:
    station = stations(plain(broker.port))
    await online(station)
    one, other = await asyncio.gather(station.read(SOC), station.read(SOC))
    assert one == other
    assert one.value == site.station.items[SOC].value
    with pytest.raises(Unreachable, match="battery/512/Nothing"):
        await station.read(Address(*BATTERY, "/Nothing"), timeout_s=0.2)
    assert not station._readers


async def test_writes_are_confirmed(
    broker: Mosquitto, gx: BrokerSide, site: SimulatedSite, stations: Stations
) -> None:
    station = stations(plain(broker.port))
    await online(station)
    assert await write(station, MODE, 1) == 1
    assert site.station.items[MODE].value == 1
    # The same again: nothing is told, so it is asked for.
    assert await write(station, MODE, 1) == 1
    assert await write(station, Address("hub4", 0, "/Overrides/Setpoint"), -1500) == -1500
    assert await write(station, Address("hub4", 0, "/Overrides/Setpoint"), None) is None
    site.station.items[MODE].writable = False
    with pytest.raises(NotConfirmed, match="still says 1"):
        await write(station, MODE, 3, confirm_s=1.0)
    gx.stop()
    with pytest.raises(NotConfirmed, match="does not say"):
        await write(station, MODE, 3, confirm_s=0.5)


async def test_garbage_is_counted_and_harms_nothing(
    broker: Mosquitto, gx: BrokerSide, site: SimulatedSite, stations: Stations
) -> None:
    station = stations(plain(broker.port))
    await online(station)
    garbage = [
        ("battery/512/Soc", b"\xff\x00", Reason.NOT_UTF8),
        ("battery/512/Soc", b"{", Reason.NOT_JSON),
        ("battery/512/Soc", b"[]", Reason.NO_VALUE),
        ("battery/512/Soc", b'{"value":NaN}', Reason.BAD_VALUE),
        ("battery/512/Soc", b'{"value":"' + b"x" * 70_000 + b'"}', Reason.TOO_LARGE),
        ("battery", b'{"value":1}', Reason.BAD_TOPIC),
        ("../0/Soc", b'{"value":1}', Reason.BAD_TOPIC),
        ("full_publish_completed", b"nonsense", Reason.NOT_JSON),
    ]

    def send() -> None:
        for topic, payload, _ in garbage:
            single(f"N/{DEFAULT_PORTAL}/{topic}", payload, hostname="127.0.0.1", port=broker.port)

    await in_thread(send)
    await until(
        lambda: station.tree.rejected.total() == len(garbage), f"all counted: {station.tree.rejected}"
    )
    for _, _, reason in garbage:
        assert station.tree.rejected[reason] >= 1
    site.station.set(SOC, 44.0)
    await until(lambda: value(station, SOC) == 44.0, "it goes on")
    assert station.connects == 1


async def test_other_clients_full_publishes_are_not_ours(
    broker: Mosquitto, gx: BrokerSide, stations: Stations
) -> None:
    station = stations(plain(broker.port))
    await online(station)
    station._receive(
        f"N/{DEFAULT_PORTAL}/full_publish_completed", b'{"full-publish-completed-echo":"x","value":1}'
    )
    assert station.full_publishes == 1
    station._receive("N/another/system/0/Serial", b"{}")
    assert station.tree.rejected[Reason.BAD_TOPIC] == 1


async def test_older_firmware_echoes_nothing(
    broker: Mosquitto, site: SimulatedSite, stations: Stations
) -> None:
    side = BrokerSide(site.station, broker.port, habits=Habits(echoes=False, heartbeat_s=0.2))
    side.start()
    try:
        station = stations(plain(broker.port))
        await online(station)
        assert station.full_publishes == 1
        site.station.leave("grid", 30)
        station.ask_again()
        await station.wait_complete()
        assert list(station.tree.of("grid")), "it might be the end of somebody else's"
        await until(lambda: not list(station.tree.of("grid")), "gone once ours is surely over")
    finally:
        side.stop()


async def test_a_full_publish_that_does_not_end_is_asked_for_again(
    broker: Mosquitto, gx: BrokerSide, stations: Stations, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = gx._publish
    monkeypatch.setattr(
        gx,
        "_publish",
        lambda path, payload, retain=False: (
            None
            if path.startswith("full") and gx.full_publishes < 2
            else publish(path, payload, retain=retain)
        ),
    )
    station = stations(plain(broker.port))
    await online(station)
    assert gx.full_publishes == 2


async def test_many_stations_at_once(broker: Mosquitto, stations: Stations) -> None:
    sides = []
    for number in range(3):
        other = Station(f"c0619ab0000{number}")
        other.add("battery", 1, {"/Soc": 10.0 * number})
        sides.append(BrokerSide(other, broker.port, habits=HABITS))
        sides[-1].start()
    try:
        found = [
            stations(MqttAccess("127.0.0.1", broker.port, tls=False, portal=f"c0619ab0000{number}"))
            for number in range(3)
        ]
        for number, station in enumerate(found):
            await online(station)
            assert station.tree.value("battery", "/Soc") == 10.0 * number
    finally:
        for side in sides:
            side.stop()


async def test_a_recording_behind_the_broker(broker: Mosquitto, stations: Stations) -> None:
    from microgrid_core.gx.recording import Recording

    recording = Recording()
    recording.add(
        [
            '{"service": "com.victronenergy.battery.ttyO1"}',
            '{"t": 0, "path": "/DeviceInstance", "value": 3}',
            '{"t": 0, "path": "/Soc", "value": 50.0}',
            '{"t": 60, "path": "/Soc", "value": 49.0}',
            '{"t": 120, "path": "/Soc", "value": 48.0}',
        ]
    )
    side = BrokerSide(
        Station.from_recording(recording),
        broker.port,
        events=recording.events,
        speed=100.0,
        repeat=True,
        habits=HABITS,
    )
    side.start()
    try:
        station = stations(plain(broker.port))
        await online(station)
        seen: set[object] = set()
        station.tree.subscribe(lambda change: seen.add(change.leaf.value))
        await until(lambda: {48.0, 49.0} <= seen, "the recording plays")
    finally:
        side.stop()


async def test_nobody_there(stations: Stations) -> None:
    station = stations(plain(free_port()))
    await until(lambda: station.state is LinkState.LOST, "noticed")
    assert "127.0.0.1" in station.detail
    with pytest.raises(Unreachable, match="not connected"):
        await station.read(SOC, timeout_s=0.2)


async def test_a_broker_that_is_no_gx(broker: Mosquitto, stations: Stations) -> None:
    with pytest.raises(Unreachable, match="no GX told its portal id"):
        await probe(plain(broker.port), QUICK)
    station = stations(plain(broker.port))
    await until(lambda: "no GX" in station.detail, "said so")


async def test_portal_ids_that_cannot_be_are_not_believed(broker: Mosquitto) -> None:
    single("N/x-y/system/0/Serial", b'{"value":"x-y"}', hostname="127.0.0.1", port=broker.port, retain=True)
    single("N/abc/system/0/Serial", b'{"value":"other"}', hostname="127.0.0.1", port=broker.port, retain=True)
    single("N/abd/system/0/Serial", b"{", hostname="127.0.0.1", port=broker.port, retain=True)
    station = MqttStation(plain(broker.port), timing=QUICK)
    with pytest.raises(Unreachable):
        await station.introduce()
    assert station.tree.rejected.total() == 3


async def test_introduction(broker: Mosquitto, gx: BrokerSide) -> None:
    found = await probe(plain(broker.port), QUICK)
    assert found.portal == DEFAULT_PORTAL
    assert found.fingerprint is None


async def test_what_answers_is_no_broker(stations: Stations) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable):
        await probe(plain(port), QUICK)
    server.close()


@pytest.mark.parametrize(
    "packets",
    [
        b"\x20\x02\x00\x00" + b"\x30\x01\x00",  # a message too short for a topic
        b"\x20\x02\x00\x00" + b"\x30\x04\x00\x02\xff\xfe",  # a topic that is no UTF-8
        b"\x20\x02\x00\x00" + b"\x30\xff\xff\xff\xff\xff",  # a length without end
        b"\x20\x02\x00\x00" + b"\xf0\x00\x00\x00",
        b"\x20\x02\x00\x03",  # no service now
        b"\x20\x01\x00",
    ],
)
async def test_packets_that_no_broker_sends(packets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(packets)
        await asyncio.sleep(0.3)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    with caplog.at_level(logging.ERROR), pytest.raises(Unreachable):
        await probe(plain(server.sockets[0].getsockname()[1]), QUICK)
    assert not [record for record in caplog.records if record.name == "asyncio"]
    server.close()


async def test_a_refused_subscription_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(200)
        writer.write(b"\x20\x02\x00\x00")
        asked = await reader.read(200)
        writer.write(b"\x90\x03" + asked[2:4] + b"\x80")
        await asyncio.sleep(0.3)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    with pytest.raises(AccessRefused, match="subscribe"):
        await probe(plain(server.sockets[0].getsockname()[1]), QUICK)
    server.close()


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (["can0", "vecan0"], ["can0", "vecan0"]),
        ('["can0"]', ["can0"]),
        ('[{"interface":"can1","config":3}]', ["can1"]),
        ([{"interface": 5}, None, "../x", "x" * 20], []),
        ("nonsense", []),
        ({"a": 1}, []),
        (None, []),
    ],
)
def test_names_of_can_interfaces(told: object, names: list[str]) -> None:
    assert list(can_interfaces(told)) == names

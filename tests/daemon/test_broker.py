"""The connection to a real broker: who is there, what arrives, and what survives a crash of either side."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from paho.mqtt import publish

from microgrid_core.contract import topics
from microgrid_core.contract.encode import acknowledgement_payload, birth_payload, event_payload
from microgrid_core.contract.messages import Birth, Live, LiveMessage, NodeKind
from microgrid_core.contract.schedule import Acknowledgement, AckStatus
from microgrid_daemon import broker as module
from microgrid_daemon.broker import Connection
from microgrid_daemon.config import BrokerConfig
from microgrid_daemon.store import Store, Weight
from tests.daemon.home import Home
from tests.daemon.publisher import NODE, event
from tests.daemon.stage import until
from tests.listener import Listener
from tests.mosquitto import Mosquitto

_ROOT = Path(__file__).parents[2]
BIRTH = birth_payload(Birth(NodeKind.MPP_INVERTER, "Inverter", 1))


@pytest.fixture
def listener(home: Home) -> Home:
    """Home Assistant's side."""
    return home


@pytest_asyncio.fixture
async def connection(mosquitto: Mosquitto, store: Store, listener: Listener) -> AsyncIterator[Connection]:
    """A connection that was made."""
    made = Connection(BrokerConfig("127.0.0.1", mosquitto.port), "village", NODE, store)
    yield made
    await made.stop()


async def _heard(listener: Listener, suffix: str, count: int = 1, timeout_s: float = 60.0) -> list[object]:
    async def done() -> bool:
        return len(listener.said(NODE, suffix)) >= count

    await until(done, timeout_s)
    return listener.said(NODE, suffix)


async def _connected(connection: Connection, timeout_s: float = 60.0) -> None:
    async def done() -> bool:
        return connection.connected

    await until(done, timeout_s)


async def test_a_node_is_born_lives_and_says_goodbye(connection: Connection, listener: Listener) -> None:
    connection.start()
    connection.announce(BIRTH)
    await _connected(connection)
    (birth,) = await _heard(listener, topics.BIRTH)
    assert isinstance(birth, Birth)
    assert await _heard(listener, topics.STATE) == [True]
    connection.withdraw()
    connection.announce(BIRTH)
    assert await _heard(listener, topics.STATE, 3) == [True, False, True]
    connection.live(b'{"boot_id":1,"seq":1,"values":{"grid_voltage":230.1}}')
    (live,) = await _heard(listener, topics.LIVE)
    assert live == LiveMessage(Live(1, 1, None, {"grid_voltage": 230.1}))
    await connection.stop()
    assert (await _heard(listener, topics.STATE, 4))[-1] is False
    assert not listener.refused


async def test_what_is_told_reaches_the_node(connection: Connection, listener: Listener) -> None:
    heard: list[bytes] = []
    connection.listen(topics.SCHEDULE_SET, heard.append)
    connection.start()
    await _connected(connection)
    listener.say(NODE, topics.SCHEDULE_SET, b"{}", retain=True)

    async def done() -> bool:
        return heard == [b"{}"]

    await until(done)


async def test_of_a_sensor_only_what_it_says_now_is_heard(mosquitto: Mosquitto, store: Store) -> None:
    """Else the last word of a dead one would be new at every connection."""
    topic, heard = "house/battery_temp", list[bytes]()

    async def says(payload: bytes, *, retain: bool) -> None:
        port = mosquitto.port
        await asyncio.to_thread(publish.single, topic, payload, 1, retain, hostname="127.0.0.1", port=port)

    for number in range(2):
        await says(b"21.5", retain=True)
        await says(b"21.6", retain=False)  # which the broker would keep for who is away
        connection = Connection(BrokerConfig("127.0.0.1", mosquitto.port), "village", NODE, store)
        connection.overhear(topic, heard.append)
        connection.start()
        await _connected(connection)
        live = [f"{number}.{retain}".encode() for retain in (0, 1)]

        async def said(live: list[bytes] = live) -> bool:
            await says(live[0], retain=False)
            await says(live[1], retain=True)
            return set(live) <= set(heard)

        await until(said)
        await connection.stop()
    assert set(heard) == {b"0.0", b"0.1", b"1.0", b"1.1"}


async def test_the_outbox_waits_for_the_broker_and_keeps_its_order(
    connection: Connection, listener: Listener, mosquitto: Mosquitto, store: Store
) -> None:
    other = (str(topics.Topic("village", "another", topics.EVENT)), event(99))
    store.post([other], Weight.PROMISE)
    connection.live(b"nobody hears this")
    for number in range(1, 51):
        connection.promise(topics.EVENT, event(number))
    assert store.depth() == 51
    connection.start()
    await _heard(listener, topics.EVENT, 50)
    assert [event_payload(one) for one in listener.said(NODE, topics.EVENT)] == [
        event(number) for number in range(1, 51)
    ]

    async def left() -> bool:
        return store.depth() == 1

    await until(left)
    assert [waiting.topic for waiting in store.waiting(0, 9)] == [other[0]], "it is another connection's"


async def test_a_lost_broker_is_waited_for(
    connection: Connection, listener: Listener, mosquitto: Mosquitto, store: Store
) -> None:
    connection.start()
    connection.announce(BIRTH)
    connection.retain(topics.SCHEDULE_STATE, b'{"mode":"idle","basis":"no_schedule"}')
    await _heard(listener, topics.SCHEDULE_STATE)
    mosquitto.stop()

    async def lost() -> bool:
        return not connection.connected

    await until(lost)
    connection.promise(topics.EVENT, event(1))
    listener.forget()
    mosquitto.start()

    async def delivered() -> bool:
        return store.depth() == 0

    # The broker has forgotten everything, also that the listener wants to hear events.
    await until(delivered)
    assert (await _heard(listener, topics.STATE, timeout_s=20))[-1] is True, "it says anew who it is"
    await _heard(listener, topics.BIRTH)
    await _heard(listener, topics.SCHEDULE_STATE)


def _ack(number: int) -> bytes:
    return acknowledgement_payload(
        Acknowledgement(f"{NODE}:1:{number}", AckStatus.STARTED, schedule_id="plan", revision=1)
    )


async def test_answers_are_said_again_to_a_home_assistant_that_was_away(
    connection: Connection, listener: Home, store: Store
) -> None:
    """It keeps no session: what the broker confirmed meanwhile, nobody heard."""
    connection.start()
    await _connected(connection)
    for number in range(1, 61):
        connection.promise(topics.ACK, _ack(number))
    connection.promise(topics.EVENT, event(1))

    async def confirmed() -> bool:
        return store.depth() == 0

    await until(confirmed)
    await _heard(listener, topics.ACK, 60)
    listener.forget()
    listener.announce()
    again = await _heard(listener, topics.ACK, 60)
    assert [getattr(one, "ack_id", None) for one in again] == [
        f"{NODE}:1:{number}" for number in range(1, 61)
    ]
    assert listener.said(NODE, topics.EVENT) == [], "those come with the log"
    assert store.depth() == 0


async def test_answers_are_said_again_after_a_broker_was_away(
    connection: Connection, listener: Home, mosquitto: Mosquitto, store: Store
) -> None:
    """Who connects first speaks to nobody."""
    connection.start()
    await _connected(connection)
    connection.promise(topics.ACK, _ack(1))
    await _heard(listener, topics.ACK)
    mosquitto.stop()

    async def lost() -> bool:
        return not connection.connected

    await until(lost)
    listener.forget()
    connection.promise(topics.ACK, _ack(2))
    mosquitto.start()
    await _connected(connection)

    async def heard() -> bool:
        listener.announce()  # it may have been the last to come back
        await asyncio.sleep(0.2)
        return {one.ack_id for one in listener.said(NODE, topics.ACK)} == {f"{NODE}:1:1", f"{NODE}:1:2"}

    await until(heard)
    assert store.depth() == 0


async def test_nobody_there_is_said_once(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LAST_RETRY_S", 1)
    lonely = Connection(BrokerConfig("127.0.0.1", 1, "user", "geheim"), "village", NODE, store)
    await lonely.stop()
    lonely.start()
    await asyncio.sleep(1.6)
    await lonely.stop()
    told = [record.message for record in caplog.records if "no connection to 127.0.0.1:1" in record.message]
    assert len(told) == 1
    assert "geheim" not in caplog.text


def test_tls_looks_at_certificates(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        Connection(BrokerConfig("h", 8883, tls=True, ca_file=Path("/none.pem")), "village", NODE, store)
    Connection(BrokerConfig("h", 8883, tls=True), "village", NODE, store)


async def test_nothing_is_lost_when_publisher_and_broker_are_killed(
    mosquitto: Mosquitto, listener: Listener, tmp_path: Path
) -> None:
    last = 1200
    await asyncio.sleep(0.5)  # the listener's subscription is in place, and kept by the broker

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.daemon.publisher",
                tmp_path / "box",
                str(mosquitto.port),
                str(last),
            ],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'pi_daemon'}"},
        )

    def distinct() -> set[str]:
        return {one.event_id for one in listener.said(NODE, topics.EVENT)}

    async def reached(count: int) -> None:
        async def done() -> bool:
            return len(distinct()) >= count

        await until(done, 60)

    async def back() -> bool:
        listener.say("probe", topics.STATE, b"online")
        await asyncio.sleep(0.2)
        return bool(listener.said("probe", topics.STATE))

    publisher = started()
    try:
        for killed_at in (200, 500):
            await reached(killed_at)
            publisher.send_signal(signal.SIGKILL)
            publisher.wait()
            publisher = started()
        await reached(800)
        # This Mosquitto forgets its subscribers: the listener takes what it has before, and is back after.
        publisher.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.0)
        mosquitto.stop()
        mosquitto.start()
        await until(back)
        publisher.send_signal(signal.SIGCONT)
        assert await asyncio.to_thread(publisher.wait, 60) == 0
        await reached(last)
    finally:
        publisher.kill()
        publisher.wait()
    assert distinct() == {f"{NODE}:1:{number}" for number in range(1, last + 1)}
    assert (await _heard(listener, topics.STATE))[-1] is False
    repeated = len(listener.said(NODE, topics.EVENT)) - last
    print(f"{last} distinct, 0 lost, {repeated} repeated")

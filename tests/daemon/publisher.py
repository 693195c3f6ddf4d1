"""A process that makes messages for the outbox and sends them, to be killed: FILE PORT LAST."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from microgrid_core.contract import topics
from microgrid_core.contract.encode import event_payload
from microgrid_core.contract.messages import EventState, EventType, NodeEvent, Severity
from microgrid_daemon.broker import Connection
from microgrid_daemon.config import BrokerConfig
from microgrid_daemon.store import Store, Weight
from tests.daemon.stage import until

NODE = "mpp-1"


def event(number: int) -> bytes:
    """One of many events."""
    return event_payload(
        NodeEvent(
            f"{NODE}:1:{number}",
            EventType.BOOT,
            EventState.MOMENT,
            "BOOT",
            Severity.INFO,
            1,
            number,
            None,
            {},
        )
    )


async def run(path: Path, port: int, last: int) -> None:
    """Make what is missing up to `last`, and go on until everything has left."""
    store = Store(path)
    connection = Connection(BrokerConfig("127.0.0.1", port), "village", NODE, store)
    connection.start()
    while (made := store.counted("made")) < last:
        with store.transaction():
            number = made + 1
            store.post([(connection.topic(topics.EVENT), event(number))], Weight.PROMISE)
            store.count("made")
        connection.pump()
        await asyncio.sleep(0.001)

    async def empty() -> bool:
        return store.depth() == 0

    await until(empty, 60)
    await connection.stop()
    store.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))

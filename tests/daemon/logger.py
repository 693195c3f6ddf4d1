"""A process that logs readings and sends them, to be killed: FILE PORT LAST."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from unittest.mock import patch

from microgrid_core.contract.messages import Birth, NodeKind
from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon import log_sender
from microgrid_daemon.broker import Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.config import BrokerConfig
from microgrid_daemon.log_sender import MESSAGE_BYTES
from microgrid_daemon.node import Node
from microgrid_daemon.store import Store
from tests.daemon.stage import until

NODE = "mpp-1"


async def run(path: Path, port: int, last: int) -> None:
    """Measure 1, 2, 3 … W up to `last`, and go on until all of it was acknowledged."""
    store = Store(path)
    connection = Connection(BrokerConfig("127.0.0.1", port), "village", NODE, store)
    node = Node(connection, store, Clock(None), secrets.randbits(32), MPP_INVERTER)
    node.announce(Birth(NodeKind.MPP_INVERTER, "Inverter", node.boot_id))
    connection.start()
    while (made := store.counted("made")) < last:
        with store.transaction(durable=False):
            node.live({"ac_output_active_power": made + 1}, None)
            store.count("made")
        node.pump()
        await asyncio.sleep(0.002)

    async def empty() -> bool:
        node.pump()
        return node._frames.page(MESSAGE_BYTES) is None

    await until(empty, 60)
    await connection.stop()
    store.close()


if __name__ == "__main__":
    with patch.multiple(log_sender, RETAINED_S=0.05, SEND_EVERY_S=0.05, REPEAT_SOON_S=1.0):
        asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))

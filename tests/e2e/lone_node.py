"""A house node in a process of its own, to be killed: `python -m tests.e2e.lone_node PORT SWARM NODE`."""

from __future__ import annotations

import itertools
import random
import sys
import time
from datetime import UTC, datetime

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.contract import encode, topics
from microgrid_core.contract.messages import Birth, Live, LiveMessage, NodeKind

VALUES = {"load_power": 500.0, "state_of_charge": 55.0}


def main() -> None:
    """Announce the node and send live values until the end."""
    port, swarm, node = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    boot_id = random.getrandbits(32)

    def topic(suffix: str) -> str:
        return str(topics.Topic(swarm, node, suffix))

    def announce(client: paho.Client, *_: object) -> None:
        birth = Birth(kind=NodeKind.HOUSE, name=f"Lone {node}", boot_id=boot_id, metrics=tuple(VALUES))
        client.publish(topic(topics.BIRTH), encode.birth_payload(birth), 1, retain=True)
        client.publish(topic(topics.STATE), encode.state_payload(True), 1, retain=True)

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"lone-{node}")
    client.will_set(topic(topics.STATE), encode.state_payload(False), 1, retain=True)
    client.on_connect = announce
    client.reconnect_delay_set(1, 2)
    client.connect_async("127.0.0.1", port, keepalive=10)
    client.loop_start()
    for seq in itertools.count(1):
        live = Live(boot_id, seq, datetime.now(UTC), VALUES | {"load_power": 500.0 + 100 * (seq % 5)}, ())
        client.publish(topic(topics.LIVE), encode.live_payload(LiveMessage(live)))
        time.sleep(1.0)


if __name__ == "__main__":
    main()

"""MQTT topics: `microgrid/v1/<swarm>/<node>/<suffix>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

ROOT = "microgrid"
PROTOCOL = 1
PREFIX = f"{ROOT}/v{PROTOCOL}"
IDENTIFIER = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)

# Suffixes that nodes publish on; in the order of the contract.
BIRTH = "birth"
STATE = "state"
LIVE = "live"
LOG = "log"
EVENT = "event"
SNAPSHOT_LIST = "snapshot/list"
SCHEDULE_STATE = "schedule/state"
ACK = "ack"
CMD_RESULT = "cmd/result"
# Suffixes that Home Assistant publishes on.
LOG_ACK = "log/ack"
SNAPSHOT_GET = "snapshot/get"
SCHEDULE_SET = "schedule/set"
CMD_SET = "cmd/set"


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic of our own."""

    swarm: str
    node: str
    suffix: str

    def __str__(self) -> str:
        """Return the topic as on the wire."""
        return f"{PREFIX}/{self.swarm}/{self.node}/{self.suffix}"


def parse_topic(topic: str) -> Topic | None:
    """Read a topic; None when it is not one of ours or an id breaks the pattern."""
    parts = topic.split("/", 4)
    if len(parts) != 5 or parts[0] != ROOT or parts[1] != f"v{PROTOCOL}":
        return None
    if not IDENTIFIER.fullmatch(parts[2]) or not IDENTIFIER.fullmatch(parts[3]):
        return None
    return Topic(parts[2], parts[3], parts[4])


def snapshot_chunk(event_id: str, number: int) -> str:
    """Return the suffix on which a node publishes a chunk of a snapshot."""
    return f"snapshot/{event_id}/{number}"


def subscription(swarm: str, suffix: str) -> str:
    """Return the filter for one suffix of all nodes of a swarm."""
    return f"{PREFIX}/{swarm}/+/{suffix}"

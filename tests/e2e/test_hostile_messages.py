"""Ten thousand malformed messages on every topic: counted and refused, and nothing else changes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from script.lab.lab import DOMAIN, Lab
from script.lab.summary import complaints, shown, wait_until_shown
from tests.e2e.nodes import diagnostics, registered

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

MESSAGES = 10_000
BOUND_S = 5.0  # for one request of the REST interface while the storm rages on two cores
LIVE = {"boot_id": 1, "seq": 1}

# No JSON, or none that anybody should believe. All are refused wherever they arrive.
BROKEN = [
    b"{",
    b"[1,2,3]",
    b'"text"',
    b"null",
    b"\xff\xfe\x00\x00",
    b"\x00" * 64,
    b"{" * 5000,
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 200 + b"1" + b"}" * 200,
    b'{"kind":"house","kind":',
    b"<script>alert(1)</script>",
    b"{{ states.sensor | list }}",
    b"../../../../etc/passwd",
    b"'; DROP TABLE states; --",
    "\u202eonlin\u202de\u0000".encode(),
    b"online\n",
    b"ONLINE",
    b"1e999",
    b"NaN",
]


def document(**fields: object) -> bytes:
    """Write JSON that Python's own reader takes, also what JSON does not know."""
    return json.dumps(fields).encode()


# Well-formed JSON that breaks the contract of its topic.
WRONG: dict[str, list[bytes]] = {
    "birth": [
        document(protocol=1),
        document(protocol=999, kind="house", name="x", boot_id=1),
        document(protocol="1", kind="house", name="x", boot_id=1),
        document(protocol=1, kind="spaceship", name="x", boot_id=1),
        document(protocol=1, kind="house", name="", boot_id=1),
        document(protocol=1, kind="house", name="x", boot_id=-1),
        document(protocol=1, kind="house", name="x", boot_id=2**64),
        document(protocol=1, kind="house", name="x", boot_id=1, parent="../.."),
        document(protocol=1, kind="house", name="x", boot_id=1, interval_s=float("nan")),
        document(protocol=1, kind="house", name="x", boot_id=1, capabilities={"metrics": ["a"] * 10_000}),
        document(protocol=1, kind=["house"], name={"x": 1}, boot_id=True),
    ],
    "state": [b"offlin", b"true", b"0", document(state="offline")],
    "live": [
        b"",
        document(**LIVE),
        document(**LIVE, values=[]),
        document(**LIVE, values={"a" * 100: 1}),
        document(**LIVE, values={"__class__": 1}),
        document(**LIVE, values={"inverter_power": {"deep": 1}}),
        document(**LIVE, values={"inverter_power": float("inf")}),
        document(**LIVE, values={f"k{n}": n for n in range(2000)}),
        document(**LIVE, values={}, time="2999-01-01T00:00:00.000Z"),
        document(**LIVE, values={}, time=12345),
        document(boot_id="1", seq=1, values={}),
        document(boot_id=1, seq=-1, values={}),
        document(nodes={"../..": {**LIVE, "values": {}}}),
        document(nodes={f"n{n}": {**LIVE, "values": {}} for n in range(500)}),
    ],
    "event": [
        b"",
        document(event_id="e", type="fault"),
        document(event_id="../x y", type="fault", code="F001", severity="critical", **LIVE),
        document(event_id="e", type="party", code="F001", severity="critical", **LIVE),
        document(event_id="e", type="fault", code="{{ 1 }}", severity="critical", **LIVE),
        document(event_id="e", type="fault", code="F001", severity="apocalyptic", **LIVE),
        document(event_id="e", type="fault", code="F001", severity="critical", boot_id=1),
    ],
    "cmd/result": [
        b"",
        document(id="x"),
        document(id="x", status="maybe"),
        document(id=["x"], status="succeeded"),
        document(id="x", status="succeeded", values=3),
    ],
}
HEAT_PUMP = [b"", b"{}", b"[]", document(device=1, timestamp="now"), document(device="hp-1", timestamp=-1)]
BARE = [b"", b"twenty", b"1,5", b"1e400", b"--1", b"0x10", b"1 2", b"Infinity", document(value=1)]


def topics(lab: Lab) -> dict[str, list[bytes]]:
    """Return what arrives on which topic: known nodes, unknown nodes, and names that are no ids."""
    swarm = f"microgrid/v1/{lab.watcher.swarm_id}"
    found = {}
    for suffix, wrong in WRONG.items():
        for node in ("house-01", "gateway-1", "nobody", "UPPER CASE", "x" * 100):
            found[f"{swarm}/{node}/{suffix}"] = BROKEN + wrong
    for device in ("hp-1", "nobody", "a b$c"):
        found[f"heatpump/{device}/data"] = BROKEN + HEAT_PUMP
    for sensor in ("outdoor_temp", "new_sensor", "{{ x }}"):
        found[f"house/{sensor}"] = BROKEN + BARE
    for quantity in ("temperature", "nonsense"):
        found[f"weather/{quantity}"] = BROKEN + BARE
    return found


def storm(lab: Lab) -> Iterator[tuple[str, bytes]]:
    """Yield ten thousand messages for every kind of topic, mixed."""
    for _, group in itertools.groupby(sorted(topics(lab).items(), key=kind_of), key=kind_of):
        pairs = [(topic, payload) for topic, payloads in group for payload in payloads]
        yield from itertools.islice(itertools.cycle(pairs), MESSAGES)


def kind_of(item: tuple[str, list[bytes]]) -> str:
    """Return the kind of a topic: its suffix, or its root where it has none."""
    parts = item[0].split("/")
    return "/".join(parts[4:]) if parts[0] == DOMAIN else parts[0]


def send(port: int, messages: list[tuple[str, bytes]]) -> None:
    """Send everything as fast as the broker takes it."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="hostile")
    client.connect("127.0.0.1", port)
    client.loop_start()
    last = None
    for number, (topic, payload) in enumerate(messages):
        last = client.publish(topic, payload)
        if number % 500 == 499:
            last.wait_for_publish(60)  # or the messages pile up in our own memory
    if last is not None:
        last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


async def rejected(lab: Lab) -> int:
    """Return how many messages the integration has refused, as its diagnostics tell."""
    return sum((await diagnostics(lab))["swarm"]["rejected"].values())


async def test_malformed_messages_are_counted_and_change_nothing(lab: Lab) -> None:
    messages = list(storm(lab))
    assert len(messages) == MESSAGES * len({kind_of((topic, [])) for topic in topics(lab)})
    before, refused_before = await registered(lab), await rejected(lab)

    sending = asyncio.create_task(asyncio.to_thread(send, lab.broker.port, messages))
    latencies = []
    deadline = time.monotonic() + 180
    while not sending.done() or await rejected(lab) - refused_before < 0.9 * len(messages):
        began = time.monotonic()
        await lab.hass.client.get("/api/config")
        latencies.append(time.monotonic() - began)
        assert time.monotonic() < deadline, f"{await rejected(lab)} of {len(messages)} refused"
        await asyncio.sleep(0.1)
    await sending
    await asyncio.sleep(5)  # the rest
    refused = await rejected(lab) - refused_before
    print(
        f"{len(messages)} sent, {refused} refused, slowest request {max(latencies):.2f} s of {len(latencies)}"
    )

    assert max(latencies) < BOUND_S
    assert refused >= len(messages), "some were believed"
    # Live values waited in the queue behind the storm, so nodes may have been silent for a moment.
    _, problems = await wait_until_shown(lab, 30)
    assert problems == []
    assert await registered(lab) == before
    assert [
        record.text for record in lab.hass.log_errors() if record.ours or "Traceback" in record.text
    ] == []
    warnings = [record for record in lab.hass.log_records("WARNING") if record.ours]
    assert len(warnings) < 100, "the log must not be flooded"


async def test_huge_payloads_are_refused(lab: Lab) -> None:
    before, refused = await registered(lab), await rejected(lab)
    swarm = f"microgrid/v1/{lab.watcher.swarm_id}"
    huge = document(**LIVE, values={"load_power": 1}, padding="x" * 300_000)

    await asyncio.to_thread(send, lab.broker.port, [(f"{swarm}/house-01/live", huge)] * 20)
    await asyncio.sleep(3)

    assert await rejected(lab) >= refused + 20
    assert await registered(lab) == before
    assert complaints(lab, await shown(lab)) == []

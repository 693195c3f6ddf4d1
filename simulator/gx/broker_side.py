"""The MQTT side of a fake GX: what dbus-flashmq does, as a client of a real broker.

It speaks while somebody keeps it awake, publishes everything when it is asked to (at most three times a
second for all together), tells changes, answers reads of paths and of what lies under them, and takes writes
in silence.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.gx.recording import Event
from microgrid_core.gx.value import Address, Value, parse_address

from .station import Station

_LOGGER = logging.getLogger(__name__)
_ECHO = "full-publish-completed-echo"
_SERIAL = Address("system", 0, "/Serial")
_OVERRIDES: dict[str, Value] = {"Setpoint": None, "ForceCharge": 0, "MaxDischargePower": -1.0}
"""What a GX forgets when it restarts, and how it stands without."""
_TICK_S = 0.05
_FAREWELL_S = 2.0


@dataclass(frozen=True, slots=True)
class Habits:
    """What the firmware does, in seconds."""

    keepalive_s: float = 60.0
    heartbeat_s: float = 3.0
    publishes_per_s: int = 3
    echoes: bool = True
    """Firmware before 3.50 says that a full publish is complete, and not whose."""
    step_s: float = 1.0
    """How often a simulated site is asked for its values."""
    override_s: float | None = None
    """So long an override of the ESS lasts that nobody says again; None for ever, until a reboot."""


class BrokerSide:
    """One fake GX at a broker; it works in threads of its own."""

    def __init__(
        self,
        station: Station,
        port: int,
        host: str = "127.0.0.1",
        *,
        events: Sequence[Event] = (),
        speed: float = 1.0,
        repeat: bool = False,
        step: Callable[[], None] | None = None,
        habits: Habits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `step` is called now and then to let a simulated site go on.

        `clock`, in seconds, is what overrides last by.
        """
        self.station = station
        self.reads: list[str] = []
        """Paths that were asked for, in order; for tests."""
        self.writes: list[tuple[Address, Value]] = []
        """What was sent to us, taken or not."""
        self.full_publishes = 0
        self._where = (host, port)
        self._events, self._speed, self._repeat, self._step = list(events), speed, repeat, step
        self._habits, self._clock = habits or Habits(), clock
        self._awake_until = 0.0
        self._tokens, self._tokens_at = self._habits.publishes_per_s, 0.0
        self._overridden: dict[Address, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._client: Client | None = None
        self._ready = threading.Event()
        station.listen(self._changed)

    @property
    def awake(self) -> bool:
        """Whether somebody keeps it alive."""
        return time.monotonic() < self._awake_until

    def start(self, timeout_s: float = 10.0) -> None:
        """Go to the broker and work; raises TimeoutError without one."""
        self._stop.clear()
        self._ready.clear()
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"GX-{self.station.portal}")
        client.max_queued_messages_set(0)
        client.on_connect = self._connected
        client.on_message = self._message
        client.connect_async(*self._where, keepalive=30)
        client.reconnect_delay_set(1, 1)
        self._client = client
        client.loop_start()
        self._thread = threading.Thread(target=self._work, name="fake GX", daemon=True)
        self._thread.start()
        if not self._ready.wait(timeout_s):
            self.stop()
            raise TimeoutError(f"no broker at {self._where[0]}:{self._where[1]}")

    def stop(self) -> None:
        """Go away, as a GX does that loses its power."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
        self._awake_until = 0.0

    def reboot(self, down_s: float = 0.5) -> None:
        """Go away and come back: nobody keeps it awake any more, and volatile counters begin again."""
        self.stop()
        for address, item in self.station.items.items():
            if address.service == "vebus" and address.path.startswith("/Energy/"):
                item.value = 0.0
        for address, value in _overrides(self.station):
            self.station.items[address].value = value
        time.sleep(down_s)
        self.start()

    def fall_asleep(self) -> None:
        """Forget that somebody keeps it awake, as after lost keepalives."""
        self._awake_until = 0.0

    def drop(self, service: str, instance: int) -> None:
        """A device leaves the bus: all that it told is taken back by empty payloads."""
        for address in self.station.leave(service, instance):
            self._publish(str(address), b"")

    # ---- in the threads ------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Heartbeats, events of a recording, steps of a simulation."""
        began = time.monotonic()
        next_beat = next_step = began
        position = 0
        while not self._stop.wait(_TICK_S):
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + self._habits.heartbeat_s
                if self.awake:
                    self._publish("heartbeat", json.dumps({"value": int(time.time())}).encode())
            while position < len(self._events):
                event = self._events[position]
                if event.time_s > (now - began) * self._speed:
                    break
                position += 1
                self.station.set(event.address, event.value)
            if position == len(self._events) and position and self._repeat:
                began, position = now, 0
            for address, value in _overrides(self.station) if self._habits.override_s is not None else ():
                if address in self._overridden and self._clock() > self._overridden[address]:
                    del self._overridden[address]
                    self.station.set(address, value)
            if self._step is not None and now >= next_step:
                next_step = now + self._habits.step_s
                with contextlib.suppress(Exception):
                    self._step()

    def _connected(self, client: Client, *_: Any) -> None:
        portal = self.station.portal
        client.subscribe([(f"R/{portal}/#", 0), (f"W/{portal}/#", 0)])
        client.publish(f"N/{portal}/system/0/Serial", _payload(portal), retain=True)
        self._ready.set()

    def _message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        action, _, rest = message.topic.partition("/")
        path = rest.partition("/")[2]
        if action == "R":
            self._read(path, message.payload)
        elif action == "W":
            self._written(path, message.payload)

    def _read(self, path: str, payload: bytes) -> None:
        if path in ("keepalive", "system/0/Serial"):
            self._keep_awake(payload)
            if path == "keepalive":
                return
        self.reads.append(path)
        for address in self.station.below(path):
            self._tell(address)

    def _keep_awake(self, payload: bytes) -> None:
        self._awake_until = time.monotonic() + self._habits.keepalive_s
        options: Any = []
        with contextlib.suppress(ValueError, AttributeError):
            options = json.loads(payload or b"{}").get("keepalive-options", [])
        if not isinstance(options, list) or "suppress-republish" in options:
            return
        echo = next(
            (option[_ECHO] for option in options if isinstance(option, dict) and _ECHO in option), None
        )
        now = time.monotonic()
        if now - self._tokens_at >= 1.0:
            self._tokens, self._tokens_at = self._habits.publishes_per_s, now
        if self._tokens <= 0:
            return
        self._tokens -= 1
        self.full_publishes += 1
        with self.station.lock:
            addresses = list(self.station.items)
        for address in addresses:
            self._tell(address)
        done: dict[str, Any] = {"value": int(time.time())}
        if echo is not None and self._habits.echoes:
            done[_ECHO] = echo
        self._publish("full_publish_completed", json.dumps(done).encode())

    def _written(self, path: str, payload: bytes) -> None:
        address = parse_address(path)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            value = json.loads(payload)["value"]
            if address is not None:
                try:
                    self.station.write(address, value)
                    if self._habits.override_s is not None:
                        self._overridden[address] = self._clock() + self._habits.override_s
                finally:
                    self.writes.append((address, value))

    def _changed(self, address: Address) -> None:
        if self.awake:
            self._tell(address)

    def _tell(self, address: Address) -> None:
        item = self.station.items.get(address)
        if item is None:
            return
        limits = {"min": item.minimum, "max": item.maximum} if item.minimum is not None else {}
        self._publish(str(address), _payload(item.read(), **limits), retain=address == _SERIAL)

    def _publish(self, path: str, payload: bytes, *, retain: bool = False) -> None:
        if self._client is not None:
            self._client.publish(f"N/{self.station.portal}/{path}", payload, retain=retain)


def _overrides(station: Station) -> Iterator[tuple[Address, Value]]:
    """Yield the overrides that this GX has, with what they are when nobody overrides anything."""
    for name, value in _OVERRIDES.items():
        address = Address("hub4", 0, f"/Overrides/{name}")
        if address in station.items:
            yield address, value


def _payload(value: Value, **more: float | None) -> bytes:
    return json.dumps({"value": value, **more}, separators=(",", ":")).encode()

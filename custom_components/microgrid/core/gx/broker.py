"""One connection to an MQTT broker inside an event loop: paho-mqtt without threads, but for connecting.

Looking up a name, connecting and shaking hands block, so they run in the executor; then the loop reads and
writes. One object is one connection: whoever wants another makes another.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from .access import MqttAccess, fingerprint_of
from .errors import AccessRefused, Unreachable, WrongCertificate

KEEPALIVE_S: Final = 20
"""The broker and we find out within 1.5 times this that the other one is gone."""
CONNECT_TIMEOUT_S: Final = 8.0
ANSWER_TIMEOUT_S: Final = 20.0
"""A GX takes 1 to 6 s to refuse a login, and more when it is busy."""
_BUFFER_BYTES: Final = 1 << 20
"""A full publish is some 300 kB at once; Mosquitto drops what does not fit."""
_PACKETS_AT_ONCE: Final = 256
"""Then the loop may do something else."""
_REFUSED: Final = frozenset({"Bad user name or password", "Not authorized", "Banned"})

OnMessage = Callable[[str, bytes], None]


class Broker:
    """One connection."""

    def __init__(self, access: MqttAccess, client_id: str, on_message: OnMessage) -> None:
        """Prepare; nothing is sent."""
        self._access = access
        self._client_id = client_id
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        """Done, with the reason, when the connection is over."""
        self._subscribed: dict[int, asyncio.Future[None]] = {}
        self._client: Client | None = None
        self._socket: socket.socket | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._packets = 0
        self.fingerprint: str | None = None
        """Of the certificate that the broker showed."""

    async def connect(self) -> None:
        """Connect and log in; raises Unreachable, AccessRefused and WrongCertificate."""
        where = f"{self._access.host}:{self._access.port}"
        work = self._loop.run_in_executor(None, self._connect)
        try:
            client = await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(_abandon)
            raise
        except WrongCertificate:
            raise
        except (OSError, ValueError) as error:
            raise Unreachable(f"{where}: {str(error) or type(error).__name__}") from error
        self._serve(client)
        try:
            await asyncio.wait_for(asyncio.shield(self._accepted), ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            self.close("no answer")
            raise Unreachable(f"{where} does not answer as an MQTT broker") from error
        except BaseException:
            self.close("not connected")
            raise

    async def subscribe(self, *topics: str) -> None:
        """Subscribe and wait until the broker says so; raises Unreachable."""
        assert self._client is not None
        result, number = self._client.subscribe([(topic, 0) for topic in topics])
        if result is not MQTTErrorCode.MQTT_ERR_SUCCESS or number is None:
            raise Unreachable("the connection is lost")
        done = self._subscribed[number] = self._loop.create_future()
        await asyncio.wait({done, self.closed}, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        self._subscribed.pop(number, None)
        if not done.done():
            done.cancel()
            raise Unreachable(f"the broker does not confirm the subscription to {', '.join(topics)}")
        done.result()

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe."""
        if self._client is not None:
            self._client.unsubscribe(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0, never retained; raises Unreachable without a connection."""
        if self._client is None or self.closed.done():
            raise Unreachable("there is no connection")
        self._client.publish(topic, payload)

    def close(self, reason: str = "closed by us") -> None:
        """Hang up."""
        if self._client is not None and not self.closed.done():
            connection = self._socket
            self._client.disconnect()
            self._client.loop_write()
            if connection is not None:
                connection.close()  # nothing more may go out, and a line that is dead takes no farewell
        self._end(reason)

    # ---- in the executor -----------------------------------------------------------------------------------

    def _connect(self) -> Client:
        access = self._access
        # Without reconnect_on_failure=False paho would try again by itself, and block the loop meanwhile.
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, reconnect_on_failure=False)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if access.login is not None:
            client.username_pw_set(access.login.username, access.login.password)
        if (context := access.context()) is not None:
            client.tls_set_context(context)
            client.tls_insecure_set(True)  # the fingerprint tells who it is
        client.connect(access.host, access.port, KEEPALIVE_S)
        if isinstance(tls := client.socket(), ssl.SSLSocket):
            self.fingerprint = fingerprint_of(tls.getpeercert(binary_form=True))
        return client

    # ---- in the loop ---------------------------------------------------------------------------------------

    def _serve(self, client: Client) -> None:
        self._client = client
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_subscribe = self._confirmed
        found = client.socket()
        if not isinstance(found, socket.socket):
            self._end("the broker hung up at once")
            return
        self._socket = found
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        client.on_socket_close = self._socket_closed
        client.on_socket_register_write = self._want_write
        client.on_socket_unregister_write = self._wrote
        self._loop.add_reader(found, self._readable)
        if client.want_write():
            self._loop.add_writer(found, self._writable)
        self._keep_alive()
        self._readable()

    def _readable(self) -> None:
        """Take what has arrived.

        paho reads one packet at a time, and TLS may hold several that nobody announces.
        """
        client = self._client
        assert client is not None
        for _ in range(_PACKETS_AT_ONCE):
            before = self._packets
            try:
                result = client.loop_read()
            except Exception as error:  # paho raises what its parsers happen to stumble over
                self.close(f"this is no MQTT: {type(error).__name__}")
                return
            if result is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("the connection is lost")
                return
            if self._packets == before and not self._pending():
                return
        if self._socket is not None and not self.closed.done():
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        """Go on where the last round ended, if there is still somebody to read from."""
        if not self.closed.done():
            self._readable()

    def _pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _writable(self) -> None:
        if self._client is not None and self._client.loop_write() is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("the connection is lost")

    def _keep_alive(self) -> None:
        if self._client is None or self.closed.done():
            return
        if self._client.loop_misc() is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end("the broker does not answer any more")
            return
        self._beat = self._loop.call_later(1.0, self._keep_alive)

    def _want_write(self, client: Client, userdata: Any, connection: Any) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket, self._writable)

    def _wrote(self, client: Client, userdata: Any, connection: Any) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)

    def _socket_closed(self, client: Client, userdata: Any, connection: Any) -> None:
        self._release()

    def _release(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = None

    def _end(self, reason: str) -> None:
        self._release()
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        if not self.closed.done():
            self.closed.set_result(reason)
        if not self._accepted.done():
            self._accepted.set_exception(Unreachable(f"{self._access.host}:{self._access.port}: {reason}"))
            self._accepted.exception()  # whoever waits gets it; nobody waiting is no mistake

    def _connected(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._packets += 1
        if self._accepted.done():
            return
        where = f"{self._access.host}:{self._access.port}"
        if not code.is_failure:
            self._accepted.set_result(None)
        elif str(code) in _REFUSED:
            self._accepted.set_exception(AccessRefused(f"{where} refuses the login: {code}"))
        else:
            self._accepted.set_exception(Unreachable(f"{where}: {code}"))

    def _disconnected(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._end("the connection is lost" if code.is_failure else "closed by us")

    def _message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self._packets += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._on_message(topic, message.payload)

    def _confirmed(
        self,
        client: Client,
        userdata: Any,
        number: int,
        codes: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        self._packets += 1
        done = self._subscribed.get(number)
        if done is None or done.done():
            return
        if any(code.is_failure for code in codes):
            done.set_exception(AccessRefused(f"{self._access.host} does not let us subscribe"))
        else:
            done.set_result(None)


def _abandon(work: asyncio.Future[Client]) -> None:
    """Hang up a connection that nobody waits for any more."""
    if not work.cancelled() and work.exception() is None:
        work.result().disconnect()

"""A small time server (RFC 5905, server mode only) for gateways that ask for the time of this machine."""

from __future__ import annotations

import selectors
import socket
import struct
import time

_PACKET = struct.Struct("!BBbb11I")
_UNIX_EPOCH_S = 2_208_988_800  # 1970 in seconds since 1900
_CLIENT, _SERVER = 3, 4
_VERSIONS = range(1, 5)
_PRECISION = -20  # 2^-20 s: about a microsecond
_REFERENCE = int.from_bytes(b"SIM\0", "big")
_ROOT_DISPERSION = 7  # in 2^-16 s: 0.1 ms
_STAMP = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35  # linux/socket.h; the stamp comes with the same number


def short_time(unix_ns: int) -> tuple[int, int]:
    """Seconds since 1900 and 2^-32 s, as packets have them."""
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    return (seconds + _UNIX_EPOCH_S) & 0xFFFF_FFFF, (ns << 32) // 1_000_000_000


def reply(request: bytes, received_ns: int, now_ns: int) -> bytes | None:
    """Answer a client's packet; None for what is none."""
    if len(request) < _PACKET.size:
        return None
    head, _, poll, *words = _PACKET.unpack_from(request)
    version, mode = head >> 3 & 7, head & 7
    if mode != _CLIENT or version not in _VERSIONS:
        return None
    transmitted = words[-2:]
    return _PACKET.pack(
        version << 3 | _SERVER,
        1,
        poll,
        _PRECISION,
        0,
        _ROOT_DISPERSION,
        _REFERENCE,
        *short_time(now_ns),
        *transmitted,
        *short_time(received_ns),
        *short_time(now_ns),
    )


class TimeServer:
    """Answers on a loopback port, served by the simulation's loop."""

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        """Listen; OSError when that cannot be."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the port may be reserved for us
        self._socket.bind(address)
        self._socket.setblocking(False)
        # The kernel says when a question came: how long it waited for us does not count.
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        selector.register(self._socket, selectors.EVENT_READ, self)
        self.ahead_ns = 0
        """How far its time is ahead of this machine's: for tests of servers that are wrong."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()
        return host, port

    def read(self) -> None:
        """Answer one question."""
        try:
            request, remarks, _, sender = self._socket.recvmsg(1024, 256)
        except (BlockingIOError, ConnectionRefusedError):
            return
        received_ns = time.time_ns()
        for level, kind, stamp in remarks:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(stamp) == _STAMP.size:
                seconds, ns = _STAMP.unpack(stamp)
                received_ns = seconds * 1_000_000_000 + ns
        answer = reply(request, received_ns + self.ahead_ns, time.time_ns() + self.ahead_ns)
        if answer is not None:
            try:
                self._socket.sendto(answer, sender)
            except OSError:
                return  # nobody is left to hear it

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

"""Bulk transfer between houses and gateway: unit tests, a simulated cluster, and a peer that is not ours.

The peer speaks section 7 of contract/can.md through can-isotp, over the CAN bus of the PC.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Protocol

import can
import pytest

from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent
GROUP = "239.74.163.2"
TO_HOUSE, FROM_HOUSE = 0x601, 0x701
CHUNK_BYTES = 1000
CHUNK_HEADER = struct.Struct("<B6I")
EVENT = struct.Struct("<BII")
KEY = (3, 7, 17)
MEASURED = 0
SNAPSHOT = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(9000))


build = partial(build_suite, "bulk")


@needs_gtest
def test_unit_tests_pass() -> None:
    """With -s, prints how long transfers take and their share of the bus."""
    done = subprocess.run([build("bulk_tests") / "bulk_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    print(
        *(line for line in done.stdout.splitlines() if " bytes over the bus" in line or "loss:" in line),
        sep="\n",
    )


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "bulk_tests") / "bulk_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@needs_gtest
@pytest.mark.slow
def test_threads_do_not_race() -> None:
    program = build("--thread", "bulk_tests") / "bulk_tests"
    done = subprocess.run([program, "--gtest_filter=LogRelay.*"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "two_threads" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
def test_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s)."""
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [
        build("--fuzz") / "bulk_fuzz",
        f"-max_total_time={seconds}",
        "-max_len=2000",
        "-timeout=5",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


class Stack(Protocol):
    """What is used of can-isotp, which has no types."""

    def send(self, data: bytes) -> None:
        """Send a message."""

    def recv(self, block: bool, timeout: float) -> bytes | None:
        """Wait for a message."""


class Program:
    """A running bulk_peer."""

    def __init__(self, role: str, port: int) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(
            [build("bulk_peer") / "bulk_peer", role, str(port)], stdout=subprocess.PIPE, text=True
        )
        self.lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            assert self.lines.get(timeout=10) == "ready"
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


def _bus(port: int) -> can.BusABC:
    """python-can on the loopback interface, which it cannot be told itself."""
    try:
        bus = can.Bus(GROUP, interface="udp_multicast", port=port)
    except can.CanInitializationError as error:
        pytest.skip(f"no multicast on this machine: {error}")
    loopback = socket.inet_aton("127.0.0.1")
    with socket.socket(fileno=os.dup(bus.fileno())) as same:
        same.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
        same.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + loopback)
    return bus


@contextmanager
def _peer(port: int, sends: int, receives: int) -> Iterator[Stack]:
    isotp = pytest.importorskip("isotp", reason="the foreign peer is missing: can-isotp")
    bus = _bus(port)
    address = isotp.Address(isotp.AddressingMode.Normal_11bits, txid=sends, rxid=receives)
    parameters = {"blocksize": 16, "stmin": 0, "tx_padding": 0xCC}
    stack = isotp.CanStack(bus, address=address, params=parameters)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()
        bus.shutdown()


@contextmanager
def _program(role: str, port: int) -> Iterator[Program]:
    program = Program(role, port)
    try:
        yield program
    finally:
        program.close()


def _text(message: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + message[at]
    return message[at + 1 : end].decode(), end


def _chunk(object_number: int, number: int, data: bytes) -> bytes:
    part = data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
    header = (2, object_number, number, CHUNK_BYTES, len(data), zlib.crc32(data), zlib.crc32(part))
    return CHUNK_HEADER.pack(*header) + part


def _log_frame(seq: int, payload: bytes) -> bytes:
    """Return a UMG1 frame of boot 9; see contract/log.md."""
    head = struct.pack("<IBBHHHIII", 0x31474D55, 1, 2, 0, len(payload), 0, seq, 9, 0) + bytes(16)
    crc = zlib.crc32(head + bytes(4) + payload)
    return head + struct.pack("<I", crc) + payload


def _pull(stack: Stack, object_number: int) -> bytes:
    data = b""
    while True:
        number = len(data) // CHUNK_BYTES
        answer = _ask(stack, struct.pack("<B3I", 1, object_number, number, CHUNK_BYTES))
        kind, of, got, chunk_bytes, object_bytes, crc, data_crc = CHUNK_HEADER.unpack_from(answer)
        assert (kind, of, got, chunk_bytes) == (2, object_number, number, CHUNK_BYTES)
        part = answer[CHUNK_HEADER.size :]
        assert zlib.crc32(part) == data_crc
        data += part
        if len(data) == object_bytes:
            assert zlib.crc32(data) == crc
            return data


def _ask(stack: Stack, request: bytes) -> bytes:
    stack.send(request)
    answer = stack.recv(block=True, timeout=5)
    assert answer is not None, f"no answer to {request.hex()}"
    return answer


def test_house_serves_a_foreign_gateway() -> None:
    port = _free_port()
    with _program("house", port) as house, _peer(port, sends=TO_HOUSE, receives=FROM_HOUSE) as gateway:
        identity = _ask(gateway, bytes([16]))
        node, at = _text(identity, 1)
        cluster, at = _text(identity, at)
        firmware, at = _text(identity, at)
        (boot_id,) = struct.unpack_from("<I", identity, at)
        assert (identity[0], node, cluster, firmware, boot_id) == (17, "house-1", "north", "1.2.3", 0x1001)

        listed = _ask(gateway, bytes([18]))
        assert listed[:2] == bytes([19, 1])
        assert EVENT.unpack_from(listed, 2) == KEY
        object_number, state, part, size, crc = struct.unpack_from("<IBBII", listed, 2 + EVENT.size)
        assert (state, part, size, crc) == (0, MEASURED, len(SNAPSHOT), zlib.crc32(SNAPSHOT))
        assert _pull(gateway, object_number) == SNAPSHOT
        assert _ask(gateway, bytes([24]) + EVENT.pack(*KEY)) == bytes([25]) + EVENT.pack(*KEY)
        assert house.lines.get(timeout=5) == "snapshot 3 7 17"
        assert _ask(gateway, bytes([18])) == bytes([19, 0])
        refusal = _ask(gateway, struct.pack("<B3I", 1, object_number, 0, CHUNK_BYTES))
        assert refusal == struct.pack("<BIB", 3, object_number, 1)

        frames = []
        position = (0, 0)
        while True:
            _, log, boot, first, last_boot, last = struct.unpack(
                "<B5I", _ask(gateway, struct.pack("<B3I", 20, *position, 4070))
            )
            if log == 0:
                break
            data = _pull(gateway, log)
            assert boot == last_boot == 0x1001
            while data:
                size = 44 + struct.unpack_from("<H", data, 8)[0]
                frames.append(struct.unpack_from("<I", data, 12)[0])
                assert (
                    zlib.crc32(data[:40] + bytes(4) + data[44:size]) == struct.unpack_from("<I", data, 40)[0]
                )
                data = data[size:]
            assert frames[-1] == last
            assert first in frames
            position = (boot, last)
        assert frames == list(range(20))
        assert _ask(gateway, struct.pack("<B2I", 22, *position)) == struct.pack("<B2I", 23, *position)
        assert house.lines.get(timeout=5) == f"log {0x1001} 19"
        assert _ask(gateway, bytes([99])) == struct.pack("<BIB", 3, 0, 2)


class ForeignHouse:
    """Answers the gateway's requests until both the snapshot and the log are noted."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is asked yet."""
        self.stack = stack
        self.frames = [_log_frame(seq, bytes([seq]) * 700) for seq in range(12)]
        self.acknowledged = -1
        self.forgotten = False
        self._log = b""

    def serve(self, seconds: float) -> None:
        """Answer whatever is asked."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self.forgotten and self.acknowledged == len(self.frames) - 1):
            request = self.stack.recv(block=True, timeout=0.2)
            if request is not None:
                self.stack.send(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        match request[0]:
            case 1:
                _, wanted, number, chunk_bytes = struct.unpack("<B3I", request)
                data = SNAPSHOT if wanted == 5 else self._log
                if number > 0 and chunk_bytes != CHUNK_BYTES:
                    return struct.pack("<BIB", 3, wanted, 2)
                return _chunk(wanted, number, data)
            case 16:
                return bytes([17, 1]) + b"h" + bytes([1]) + b"c" + bytes([0]) + struct.pack("<I", 9)
            case 18:
                if self.forgotten:
                    return bytes([19, 0])
                about = struct.pack("<IBBII", 5, 0, MEASURED, len(SNAPSHOT), zlib.crc32(SNAPSHOT))
                return bytes([19, 1]) + EVENT.pack(*KEY) + about + bytes([4]) + b"F005"
            case 20:
                _, boot, seq, most = struct.unpack("<B3I", request)
                begin = seq + 1 if boot else self.acknowledged + 1
                end = begin
                while end < len(self.frames) and sum(map(len, self.frames[begin : end + 1])) <= most:
                    end += 1
                if end == begin:
                    return struct.pack("<B5I", 21, 0, 0, 0, 0, 0)
                self._log = b"".join(self.frames[begin:end])
                return struct.pack("<B5I", 21, 2**31 + begin, 9, begin, 9, end - 1)
            case 22:
                self.acknowledged = struct.unpack("<B2I", request)[2]
                return b"\x17" + request[1:]
            case 24:
                self.forgotten = True
                return b"\x19" + request[1:]
        raise AssertionError(f"the gateway asks what no house knows: {request.hex()}")


def test_gateway_pulls_from_a_foreign_house() -> None:
    """It makes smaller chunks than the gateway asks for."""
    port = _free_port()
    with _peer(port, sends=FROM_HOUSE, receives=TO_HOUSE) as stack, _program("gateway", port) as gateway:
        house = ForeignHouse(stack)
        house.serve(30)
        assert house.forgotten
        assert house.acknowledged == len(house.frames) - 1
        got = b""
        snapshots: list[bytes] = []
        while len(got) < sum(map(len, house.frames)) or not snapshots:
            kind, number, data = gateway.lines.get(timeout=5).split()
            assert number == "1"
            if kind == "log":
                got += bytes.fromhex(data)
            else:
                snapshots.append(bytes.fromhex(data))
        assert got == b"".join(house.frames)
        assert snapshots == [SNAPSHOT]

"""The parts of the firmware that know no board: unit tests, JSON for the contract, ISO-TP with a peer."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Protocol

import can
import pytest

from microgrid_core.contract import messages

from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent
TO_FIRMWARE, FROM_FIRMWARE = 0x701, 0x700
RECEIVER_OVERFLOW, TOO_LONG = 5, 6  # of IsoTpError


build = partial(build_suite, "core")


@needs_gtest
def test_unit_tests_pass() -> None:
    """With -s, prints the table of clock errors."""
    done = subprocess.run([build("core_tests") / "core_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    print(*(line for line in done.stdout.splitlines() if " rms " in line), sep="\n")


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "core_tests") / "core_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@needs_gtest
@pytest.mark.slow
def test_threads_do_not_race() -> None:
    program = build("--thread", "core_tests") / "core_tests"
    done = subprocess.run(
        [program, "--gtest_filter=*Ring.*:Published.*"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "two_threads" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
def test_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s)."""
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [
        build("--fuzz") / "isotp_fuzz",
        f"-max_total_time={seconds}",
        "-max_len=4000",
        "-timeout=5",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def test_messages_are_what_the_contract_wants() -> None:
    """What JsonWriter writes, read by the parsers of Home Assistant's side."""
    program = build("json_messages") / "json_messages"
    birth_line, live_line, event_line = subprocess.run(
        [program], capture_output=True, check=True
    ).stdout.splitlines()
    time = datetime(2026, 11, 21, 16, 34, 56, 789_000, UTC)

    birth = messages.parse_birth(birth_line, time)
    assert birth == messages.Birth(
        kind=messages.NodeKind.HOUSE,
        name='Haus "Süd" № 3',
        boot_id=2**32 - 1,
        parent="gateway_1",
        firmware="0.1.0",
        interval_s=1.0,
        time=time,
        metrics=("frequency", "voltage", "battery_power"),
        log_channels=("frequency",),
        commands=(
            messages.CommandCapability(
                "droop_gain", (messages.Parameter("gain", messages.ParameterType.NUMBER, 0.5, 5.0, unit="%"),)
            ),
        ),
    )
    live = messages.parse_live(live_line, time)
    assert isinstance(live, messages.LiveMessage)
    assert live.own == messages.Live(
        boot_id=2**32 - 1,
        seq=17,
        time=time,
        values={
            "frequency": 49.988,
            "voltage": None,
            "battery_power": -1234.6,
            "contactor": True,
            "mode": "follow",
        },
        faults=("F012",),
    )
    event = messages.parse_event(event_line, time)
    assert event == messages.NodeEvent(
        event_id="house_3-4294967295-18",
        type=messages.EventType.FAULT,
        state=messages.EventState.RAISED,
        code="F001",
        severity=messages.Severity.CRITICAL,
        boot_id=2**32 - 1,
        seq=18,
        time=None,
        values={"current": 61.25},
    )


class Peer(Protocol):
    """What is used of can-isotp, which has no types."""

    def send(self, data: bytes) -> None:
        """Send a message."""

    def recv(self, block: bool, timeout: float) -> bytes | None:
        """Wait for a message."""


class Firmware:
    """The firmware's end of ISO-TP: a process on a virtual CAN bus."""

    def __init__(self, process: subprocess.Popen[str], bus: can.BusABC) -> None:
        """Carry frames between the process and the bus until either ends."""
        self.received: Queue[bytes] = Queue()
        self.errors: Queue[int] = Queue()
        self._process = process
        self._bus = bus
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._threads = [threading.Thread(target=run) for run in (self._from_process, self._from_bus)]
        for thread in self._threads:
            thread.start()

    def send(self, message: bytes) -> None:
        """Let the firmware send a message."""
        self._write(f"={message.hex()}\n")

    def close(self) -> None:
        """End the process."""
        self._over.set()
        assert self._process.stdin is not None
        self._process.stdin.close()
        for thread in self._threads:
            thread.join()
        self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _from_process(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line[0] == ":":
                data = bytes.fromhex(line[1:])
                self._bus.send(can.Message(arbitration_id=FROM_FIRMWARE, data=data, is_extended_id=False))
            elif line[0] == "=":
                self.received.put(bytes.fromhex(line[1:]))
            else:
                self.errors.put(int(line[1:]))

    def _from_bus(self) -> None:
        while not self._over.is_set():
            frame = self._bus.recv(0.05)
            if frame is not None and frame.arbitration_id == TO_FIRMWARE:
                self._write(f":{frame.data.hex()}\n")


@contextmanager
def _firmware(channel: str, block_size: int, st_min: int, room: int) -> Iterator[Firmware]:
    command: list[str | Path] = [build("isotp_peer") / "isotp_peer", str(block_size), str(st_min), str(room)]
    bus = can.Bus(channel, interface="virtual")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    firmware = Firmware(process, bus)
    try:
        yield firmware
    finally:
        firmware.close()
        bus.shutdown()


@contextmanager
def _peer(channel: str, block_size: int, st_min: int) -> Iterator[Peer]:
    """can-isotp, an implementation that is not ours, on the same bus."""
    isotp = pytest.importorskip("isotp", reason="the foreign peer is missing: can-isotp")
    bus = can.Bus(channel, interface="virtual")
    address = isotp.Address(isotp.AddressingMode.Normal_11bits, txid=TO_FIRMWARE, rxid=FROM_FIRMWARE)
    parameters = {"blocksize": block_size, "stmin": st_min, "max_frame_size": 1_000_000, "tx_padding": 0xAA}
    stack = isotp.CanStack(bus, address=address, params=parameters)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()
        bus.shutdown()


@pytest.mark.parametrize(("block_size", "st_min"), [(0, 0), (1, 0), (16, 0), (8, 0xF5), (0, 1)])
def test_isotp_with_a_foreign_peer(block_size: int, st_min: int) -> None:
    """Both directions, lengths around every limit, with and without flow control after each block."""
    channel = f"isotp-{block_size}-{st_min}"
    dice = random.Random(3)
    with (
        _firmware(channel, block_size, st_min, 200_000) as firmware,
        _peer(channel, block_size, st_min) as peer,
    ):
        for length in (1, 6, 7, 8, 13, 14, 62, 63, 1000, 4095, 4096, 10_000):
            message = dice.randbytes(length)
            peer.send(message)
            assert firmware.received.get(timeout=60) == message
            firmware.send(message)
            assert peer.recv(block=True, timeout=60) == message
        assert firmware.errors.empty()


def test_isotp_refuses_what_has_no_room() -> None:
    with _firmware("isotp-room", 8, 0, 100) as firmware, _peer("isotp-room", 8, 0) as peer:
        peer.send(bytes(101))
        assert firmware.errors.get(timeout=10) == TOO_LONG
        peer.send(bytes(100))
        assert firmware.received.get(timeout=10) == bytes(100)
        firmware.send(bytes(1_000_001))
        assert firmware.errors.get(timeout=10) == RECEIVER_OVERFLOW

"""What joins a node to the world: unit tests of the drivers, and a time server that is asked for real."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent
SECONDS_1900_TO_1970 = 2_208_988_800


build = partial(build_suite, "drivers")


@needs_gtest
@pytest.mark.parametrize(
    "mode",
    [
        "",
        pytest.param("--sanitize", marks=pytest.mark.slow),
        pytest.param("--thread", marks=pytest.mark.slow),
    ],
)
def test_unit_tests_pass(mode: str) -> None:
    program = build(*([mode] if mode else []), "drivers_tests") / "drivers_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("clang++") is None, reason="libFuzzer is missing: apt-get install clang")
def test_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """MICROGRID_FUZZ_S: how long (default 60 s)."""
    seconds = os.environ.get("MICROGRID_FUZZ_S", "60")
    command: list[str | Path] = [
        build("--fuzz") / "udp_frame_fuzz",
        f"-max_total_time={seconds}",
        "-max_len=600",
        "-timeout=5",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def _stamp(unix_s: float) -> bytes:
    return struct.pack(">II", int(unix_s) + SECONDS_1900_TO_1970, int(unix_s % 1 * 2**32))


def _answer(question: bytes, ahead_s: float, stratum: int = 2) -> bytes:
    """What a server of RFC 5905 whose clock is `ahead_s` ahead sends back."""
    received = time.time() + ahead_s
    head = struct.pack(">BBbbII4s", 4 << 3 | 4, stratum, 6, -20, 0x100, 0x80, b"TEST")
    return head + _stamp(received - 16) + question[40:48] + _stamp(received) + _stamp(time.time() + ahead_s)


@contextmanager
def _server(answers: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """A time server on a free port that gives these answers to each question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        ours.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    question, asker = ours.recvfrom(2048)
                except TimeoutError:
                    continue
                for answer in answers(question):
                    ours.sendto(answer, asker)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(ours.getsockname()[1])
        finally:
            over.set()
            thread.join()


def _ask(port: int, seconds: float) -> tuple[list[dict[str, int]], list[str]]:
    """Let the firmware ask; its observations, and the words of its last line."""
    command: list[str | Path] = [build("time_asker") / "time_asker", "127.0.0.1", str(port), str(seconds)]
    *lines, last = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    observations = []
    for line in lines:
        words = line.split()
        observations.append(dict(zip(words[::2], map(int, words[1::2]), strict=True)))
    return observations, last.split()


def _right(observation: dict[str, int], ahead_us: int) -> bool:
    """Whether it is wrong by no more than half the way there and back, whatever held the server up."""
    return abs(observation["ahead_us"] - ahead_us) <= observation["round_trip_us"] / 2 + 200


def test_the_time_of_a_server_is_observed() -> None:
    """As exact as four stamps can be, although the main loop looks only every 16 ms."""
    with _server(lambda question: [_answer(question, ahead_s=3600.25)]) as port:
        observations, last = _ask(port, 1)
    assert len(observations) == 1
    assert last[:6] == ["asked", "1", "taken", "1", "unanswered", "0"]
    assert _right(observations[0], 3_600_250_000)
    assert observations[0]["error_us"] == 1953 + 3906 // 2


def test_bogus_answers_are_refused_and_the_true_one_is_found_among_them() -> None:
    def answers(question: bytes) -> list[bytes]:
        forged = bytearray(_answer(question, ahead_s=86_400))
        forged[31] ^= 1
        return [b"", b"\xff" * 700, question, bytes(forged), _answer(question, ahead_s=-2)]

    with _server(answers) as port:
        observations, last = _ask(port, 1)
    assert len(observations) == 1
    assert _right(observations[0], -2_000_000)
    # none, short, mode, origin, kiss of death, unsynchronised, times
    assert last[7:] == ["0", "1", "2", "1", "0", "0", "0"]


def test_a_server_that_wants_to_be_left_alone_is_not_believed() -> None:
    with _server(lambda question: [_answer(question, ahead_s=0, stratum=0)]) as port:
        observations, last = _ask(port, 1)
    assert observations == []
    assert last[7:] == ["0", "0", "0", "0", "1", "0", "0"]


def test_a_silent_server_is_given_up() -> None:
    with _server(lambda question: []) as port:
        observations, last = _ask(port, 3)
    assert observations == []
    assert last[:6] == ["asked", "1", "taken", "0", "unanswered", "1"]

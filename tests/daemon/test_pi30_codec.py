"""PI30: frames to values, and what is refused, by vectors of our own, recordings, and noise."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.model.mpp_inverter import MODES as METRIC_MODES
from microgrid_daemon.pi30 import crc, framing
from microgrid_daemon.pi30.decode import Reply, decode, query_of
from microgrid_daemon.pi30.rejection import Reason, Rejection
from microgrid_daemon.pi30.table import MODES, QUERIES, Layout
from simulator.pi30 import wire

_VECTORS = json.loads((Path(__file__).parent / "vectors" / "pi30.json").read_text(encoding="utf-8"))
_COMMANDS = [
    *(name for name, query in QUERIES.items() if not query.parameter),
    "QPGS0",
    "QP2GS1",
    "QEY2026",
    "QEM202611",
    "QED20261122",
    "QLD20261122",
    "POP02",
    "NONSENSE",
]


def _recordings() -> dict[str, Any]:
    folder = os.environ.get("MICROGRID_RECORDINGS")
    if not folder:
        return {}
    found: dict[str, Any] = json.loads((Path(folder) / "pi30" / "samples.json").read_text(encoding="utf-8"))
    return found


_RECORDED = _recordings()
needs_recordings = pytest.mark.skipif(
    not _RECORDED, reason="MICROGRID_RECORDINGS names no folder: frames of real inverters are not tried"
)


@pytest.mark.parametrize("vector", _VECTORS["accepted"], ids=lambda vector: vector["id"])
def test_frames_have_their_meaning(vector: dict[str, Any]) -> None:
    answer = decode(vector["command"], bytes.fromhex(vector["frame"]), Layout(vector["layout"]))
    assert isinstance(answer, Reply), answer
    assert answer.values == vector["values"]
    assert [type(value) for value in answer.values.values()] == [
        type(vector["values"][name]) for name in answer.values
    ]


@pytest.mark.parametrize("vector", _VECTORS["refused"], ids=lambda vector: vector["id"])
def test_other_frames_are_refused_with_their_reason(vector: dict[str, Any]) -> None:
    answer = decode(vector["command"], bytes.fromhex(vector["frame"]))
    assert isinstance(answer, Rejection)
    assert answer.reason == vector["reason"]
    assert answer.detail


def test_every_query_has_a_vector() -> None:
    tried = {query.name for vector in _VECTORS["accepted"] if (query := query_of(vector["command"]))}
    assert tried == set(QUERIES)


@needs_recordings
@pytest.mark.parametrize(
    "sample", _RECORDED.get("samples", [None]), ids=lambda sample: sample and sample["id"]
)
def test_recorded_frames_have_their_meaning(sample: dict[str, Any]) -> None:
    layout = Layout(sample["variant"]) if sample["variant"] in list(Layout) else Layout.BASE
    answer = decode(sample["command"], bytes.fromhex(sample["raw_hex"]), layout)
    assert isinstance(answer, Reply), answer
    assert answer.values == sample["expected"]
    assert "(" + answer.payload == sample["payload"]


@needs_recordings
@pytest.mark.parametrize("bad", _RECORDED.get("bad_frames", [None]), ids=lambda bad: bad and bad["kind"])
def test_recorded_bad_frames_are_refused(bad: dict[str, Any]) -> None:
    answer = decode(bad["command"], bytes.fromhex(bad["raw_hex"]))
    assert isinstance(answer, Rejection)
    expected = {
        "crc_error": Reason.BAD_CRC,
        "short": Reason.TOO_SHORT,
        "echo": Reason.ECHO,
        "stale_reply": Reason.WRONG_SHAPE,
    }
    assert answer.reason is expected[bad["kind"]]


@needs_recordings
def test_recorded_reports_join_to_their_frame() -> None:
    samples = {sample["id"]: sample for sample in _RECORDED["samples"]}
    for trace in _RECORDED["hid_report_traces"]:
        reader = framing.FrameReader()
        frames = [frame for report in trace["reports_hex"] for frame in reader.feed(bytes.fromhex(report))]
        whole = [
            bytes.fromhex(sample["raw_hex"])[:-1]
            for sample in samples.values()
            if sample["command"] == trace["command"] and len(sample["raw_hex"]) == 220
        ]
        assert len(frames) == 1
        assert frames[0] in whole


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("QPIGS", "b7a9"),
        ("QPIRI", "f854"),
        ("QMOD", "49c1"),
        ("QPIWS", "b4da"),
        ("QFLAG", "9874"),
        ("QPI", "beac"),
        ("QID", "d6ea"),
        ("QVFW", "6299"),
        ("(ACK", "3920"),
        ("(NAK", "7373"),
        ("POP02", "e20b"),
        ("QGMN", "4929"),
        ("QBOOT", "0b88"),
        ("POPM01", "0e25"),
        ("QED20260119", "000f"),
        ("QED20260407", "3900"),
        ("PBFT48.8", "1500"),
        ("PCVV45.3", "005c"),
    ],
)
def test_checksums_of_the_documents(text: str, check: str) -> None:
    assert crc.checksum(text.encode()).hex() == check


@given(st.binary(max_size=300))
def test_the_checksum_agrees_with_one_made_bit_by_bit(message: bytes) -> None:
    assert crc.checksum(message) == wire.checksum(message)
    assert not set(crc.checksum(message)) & set(b"(\r\n")
    assert crc.fits(message, crc.checksum(message))
    assert crc.fits(message, crc.without_zero(crc.checksum(message)))


def test_a_zero_in_a_checksum_is_legal_in_both_forms() -> None:
    payload = next(
        f"{number:08d}" for number in range(10_000) if 0 in crc.checksum(f"({number:08d}".encode())
    )
    message = f"({payload}".encode()
    for check in (crc.checksum(message), crc.without_zero(crc.checksum(message))):
        answer = decode("QET", message + check + b"\r")
        assert isinstance(answer, Reply)
        assert answer.values == {"energy_wh": int(payload)}
    assert framing.has_zero_crc("QED20260119")
    assert framing.request("QED20260119").endswith(b"\x00\x0f\r")
    assert framing.request("QED20260119", zero_as_one=True).endswith(b"\x01\x0f\r")
    assert not framing.has_zero_crc("QPIGS")


@pytest.mark.parametrize("command", ["", "Q MOD", "QMOD\r", "QMÖD", "(QMOD"])
def test_what_is_no_command_is_not_framed(command: str) -> None:
    with pytest.raises(ValueError, match="must be printable"):
        framing.request(command)


def test_noise_around_a_frame_is_left() -> None:
    frame = wire.reply("B")
    for before in (b"\xff\x00\x13", b"(230.0 5", b"\x00\x00", b"\n"):
        reader = framing.FrameReader()
        found = [piece for byte in before + frame + b"\n\x00\x00" for piece in reader.feed(bytes([byte]))]
        assert len(found) == 1
        assert isinstance(found[0], bytes)
        answer = decode("QMOD", found[0])
        assert isinstance(answer, Reply), (before, answer)
        assert answer.values["mode_name"] == "battery"
        assert reader.held == b""


def test_noise_without_an_end_is_dropped_once() -> None:
    reader = framing.FrameReader()
    found = reader.feed(b"x" * 3000)
    assert [piece.reason for piece in found if isinstance(piece, Rejection)] == [Reason.TOO_LONG]
    assert reader.feed(b"y\r" + wire.reply("L")) == [wire.reply("L")[:-1]]


@given(st.sampled_from(_COMMANDS), st.binary(max_size=200), st.sampled_from(list(Layout)))
def test_no_bytes_raise(command: str, data: bytes, layout: Layout) -> None:
    for frame in (data, b"(" + data, b"(" + data + wire.checksum(b"(" + data) + b"\r"):
        assert isinstance(decode(command, frame, layout), (Reply, Rejection))


@given(
    st.sampled_from(_COMMANDS),
    st.lists(st.text("0123456789.-EDabz: ()", max_size=9), max_size=40),
    st.sampled_from(list(Layout)),
)
def test_no_tokens_raise(command: str, words: list[str], layout: Layout) -> None:
    payload = " ".join(words).replace("(", "").encode("ascii")
    message = b"(" + payload
    answer = decode(command, message + wire.checksum(message) + b"\r", layout)
    assert isinstance(answer, (Reply, Rejection))
    if isinstance(answer, Rejection):
        assert answer.reason in (Reason.WRONG_SHAPE, Reason.REFUSED, Reason.FOREIGN_PROTOCOL)


def test_flipped_bits_never_pass() -> None:
    chance = random.Random(1)
    frames = [bytes.fromhex(vector["frame"]) for vector in _VECTORS["accepted"]]
    for _ in range(5000):
        frame = bytearray(chance.choice(frames)[:-1])
        place = chance.randrange(1, len(frame))
        frame[place] ^= 1 << chance.randrange(8)
        answer = decode("QLED", bytes(frame))
        # A flipped bit may make a new start or an end, never a value.
        assert isinstance(answer, Rejection), frame.hex()


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_a_stream_gives_the_same_frames_however_it_is_cut(pieces: list[bytes]) -> None:
    whole = framing.FrameReader().feed(b"".join(pieces))
    reader = framing.FrameReader()
    assert [frame for piece in pieces for frame in reader.feed(piece)] == whole


def test_modes_are_those_of_the_metric() -> None:
    assert tuple(MODES.values()) == METRIC_MODES


def test_rejections_say_what_and_why() -> None:
    answer = decode("QPI", wire.reply("PI34"))
    assert str(answer) == "unsupported protocol PI34: only PI30 and PI41 are spoken (foreign_protocol)"

"""Batches of the log: golden vectors, and whatever else may come on `log`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from microgrid_core.contract.log_batch import LogBatch, log_payload, parse_log_batch
from microgrid_core.contract.reading import Rejection
from tests.unit.core.contract.vectors import load, name_of, payload_of


@pytest.mark.parametrize("case", load("log")["accepted"], ids=name_of)
def test_golden_batches_are_read(case: dict[str, Any]) -> None:
    payload = payload_of(case)
    batch = parse_log_batch(payload)
    assert isinstance(batch, LogBatch), batch
    found = [
        {"kind": frame.kind, "boot_id": frame.boot_id, "seq": frame.seq, "bytes": frame.size}
        for frame in batch.frames
    ]
    assert found == case["frames"]
    assert batch.damaged == case["damaged"]
    if case.get("round_trip"):
        assert log_payload(batch.frames) == payload


@pytest.mark.parametrize("case", load("log")["refused"], ids=name_of)
def test_what_is_no_batch_is_refused(case: dict[str, Any]) -> None:
    refusal = parse_log_batch(payload_of(case))
    assert isinstance(refusal, Rejection)
    assert refusal.reason == case["reason"]


@given(st.binary(max_size=200).map(lambda tail: b"UMG1" + tail))
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(parse_log_batch(payload), (Rejection, LogBatch))

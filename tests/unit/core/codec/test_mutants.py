"""The bulk decoder and the plain one agree on every frame, however broken its payload is."""

from __future__ import annotations

import random

from hypothesis import given, strategies as st

from .mutants import differences, golden, mutant

GROUPS = golden()


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 64]))
def test_two_decoders_agree(seed: int, count: int) -> None:
    rng = random.Random(seed)
    schema, frames = rng.choice(GROUPS)
    assert differences([mutant(rng.choice(frames), frames, rng) for _ in range(count)], schema) == []


def test_the_golden_frames_themselves() -> None:
    for schema, frames in GROUPS:
        assert differences(frames, schema) == []

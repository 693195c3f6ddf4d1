"""Frames with one sample a channel: the same bytes as the general encoder's, without numpy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given, strategies as st

from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.records import Clock, ClockSource, ClockState
from microgrid_core.codec.umg1.samples import encode_samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.single import encode_single

_CLOCK = Clock(-5, 1000, ClockSource.NETWORK, ClockState.SYNCHRONISED)
_SCHEMA = Schema(
    "n", "", tuple(Channel(number, f"c{number}", "", 10_000_000, width=4) for number in range(1, 256))
)


@given(
    st.dictionaries(st.integers(1, 255), st.integers(-(1 << 31), (1 << 31) - 1), max_size=40),
    st.sampled_from((None, _CLOCK)),
)
def test_the_bytes_are_those_of_the_general_encoder(integers: dict[int, int], clock: Clock | None) -> None:
    series = {number: (np.array([value], np.int64), None) for number, value in integers.items()}
    assert encode_single(10_000, integers, clock) == encode_samples(_SCHEMA, Kind.SLOW, 10_000, series, clock)


def test_a_node_that_only_writes_needs_no_numpy() -> None:
    modules = ("frame", "records", "schema", "single", "wire")
    text = "; ".join(
        (
            "import sys",
            "sys.modules['numpy'] = None",
            *(f"import microgrid_core.codec.umg1.{name}" for name in modules),
            "import microgrid_core.model.log_channels",
        )
    )
    subprocess.run([sys.executable, "-c", text], check=True)

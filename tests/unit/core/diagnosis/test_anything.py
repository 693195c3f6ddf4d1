"""Whatever a case holds, the engine ends with a whole report."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from microgrid_core.diagnosis.case import CanTraffic, Case, CaseEvent, NodeRecord, Series
from microgrid_core.diagnosis.causes import CODES
from microgrid_core.diagnosis.engine import diagnose
from microgrid_core.diagnosis.report import from_dict, to_dict
from microgrid_core.model.gateway import GATEWAY
from microgrid_core.model.house import HOUSE

CHANNELS = tuple(metric.key for metric in (*HOUSE.metrics, *GATEWAY.metrics) if metric.log is not None)
NODES = ("house-01", "house-02", "house-03", "gateway-1")
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 1e-300)


@st.composite
def series(draw: st.DrawFn) -> Series:
    """Noise about some level, with holes, odd values, odd times; or nothing at all."""
    size = draw(st.sampled_from((0, 1, 2, 3, 7, 20, 200, 2000)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    t = np.sort(rng.uniform(-10.0, 10.0, size)) if draw(st.booleans()) else np.linspace(-10.0, 10.0, size)
    values = draw(st.sampled_from((0.0, 3.3, 50.0, 230.0, -4000.0))) + rng.normal(
        0.0, draw(st.sampled_from((0.0, 0.1, 50.0))), size
    )
    values[rng.random(size) < draw(st.sampled_from((0.0, 0.3, 1.0)))] = np.nan
    odd = draw(st.sampled_from(ODD))
    values[rng.random(size) < draw(st.sampled_from((0.0, 0.05, 1.0)))] = odd
    if draw(st.integers(0, 9)) == 0:
        t = rng.permutation(t)
    if size and draw(st.integers(0, 9)) == 0:
        t[rng.integers(size)] = odd
    if draw(st.integers(0, 9)) == 0:
        values = values[: size // 2]
    return Series(t, values)


@st.composite
def traffic(draw: st.DrawFn) -> CanTraffic | None:
    """Frames of random identifiers and data."""
    size = draw(st.sampled_from((-1, 0, 1, 60, 800)))
    if size < 0:
        return None
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    kinds = rng.choice(np.array([0x000, 0x110, 0x200, 0x300, 0x320, 0x400, 0x500, 0x520, 0x7FF]), size)
    return CanTraffic(
        np.sort(rng.uniform(-10.0, 10.0, size)),
        (kinds | rng.integers(0, 5, size)).astype(np.uint16),
        rng.integers(0, 256, (size, 8), np.uint8),
        rng.integers(0, 16, size).astype(np.uint8),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any case."""
    nodes = {}
    for place, node in enumerate(draw(st.lists(st.sampled_from(NODES), unique=True))):
        keys = draw(st.lists(st.sampled_from(CHANNELS), max_size=40, unique=True))
        kind = "gateway" if node.startswith("gateway") else "house"
        nodes[node] = NodeRecord(
            node, kind, draw(st.sampled_from((place, 0, -3, 900))), {key: draw(series()) for key in keys}
        )
    events = tuple(
        CaseEvent(node, draw(st.sampled_from((*CODES, "?"))), draw(st.floats(-10, 10)), draw(st.booleans()))
        for node in draw(st.lists(st.sampled_from(NODES), max_size=3))
    )
    return Case(
        "e",
        draw(st.sampled_from((*CODES, "F099", ""))),
        draw(st.sampled_from((*NODES, "nobody"))),
        draw(st.sampled_from((None, 0, -5, 1_795_000_000_000_000, 2**62))),
        draw(st.sampled_from((0.0, 10.0, -1.0, 1e9, float("nan")))),
        draw(st.sampled_from((0.0, 10.0, 30.0))),
        nodes,
        events,
        draw(traffic()),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_any_case_gets_a_report(case: Case) -> None:
    report = diagnose(case)
    assert report.code == case.code and report.path[-1] == case.node
    assert abs(sum(each.posterior for each in report.candidates) - 1.0) < 1e-9
    assert from_dict(json.loads(json.dumps(to_dict(report), allow_nan=False))) == report

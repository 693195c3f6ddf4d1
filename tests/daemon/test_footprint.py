"""What the daemon takes, measured briefly: the bound on its memory holds in every run of the tests."""

from __future__ import annotations

import re

import pytest

from tests.bench import bench_daemon


@pytest.mark.e2e
def test_the_daemon_stays_small() -> None:
    figures = bench_daemon.measure(seconds=4.0, settle_s=2.0)
    print(bench_daemon.report(figures, 0.0))
    assert figures.peak_rss_mb <= bench_daemon.RSS_BUDGET_MB
    assert figures.rss_mb > 5.0, "something was measured"
    assert figures.rounds_failed == 0


def test_the_table_says_what_was_not_kept() -> None:
    figures = bench_daemon.Figures("Python 3.11", 150.0, 41.0, 40.5, None, 4, 0.5, 0)
    text = bench_daemon.report(figures, 0.0)
    assert re.search(r"peak of RSS, MB \| 41.0 \| 40 \| 1.0\d \| NOT KEPT", text)
    assert "CPU, % of a core | 0.50 | 1 | 0.50 | kept" in text

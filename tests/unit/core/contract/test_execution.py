"""When an interval counts as done."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from microgrid_core.contract.execution import judge, mean_power
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Interval

START = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mode", "mean_w", "seconds", "joined_s", "trouble", "status", "reason"),
    [
        ("charge", -1700.0, 1800.0, 0.0, "", "succeeded", ""),
        ("charge", -1700.0, 1800.0, 0.0, "no grid", "succeeded", ""),
        ("charge", -900.0, 1800.0, 0.0, "", "failed", "mean 900 W of 2000 W"),
        ("charge", 1700.0, 1800.0, 0.0, "", "failed", "mean -1700 W of 2000 W"),
        ("discharge", 2000.0, 300.0, 0.0, "", "failed", "measured for 300 s of 1800 s"),
        ("discharge", 2000.0, 300.0, None, "", "succeeded", ""),
        ("discharge", 2000.0, 300.0, 1500.0, "", "succeeded", ""),
        ("discharge", 2000.0, 300.0, 600.0, "", "failed", "measured for 300 s of 1200 s"),
        ("idle", 0.0, 1800.0, 0.0, "", "succeeded", ""),
        ("idle", 0.0, 1800.0, 0.0, "no grid", "failed", "no grid"),
        ("follow", 0.0, 0.0, 0.0, "", "failed", "measured for 0 s of 1800 s"),
        ("follow", 300.0, 1800.0, 0.0, "no grid", "succeeded", ""),
    ],
)
def test_what_counts_as_done(
    mode: str, mean_w: float, seconds: float, joined_s: float | None, trouble: str, status: str, reason: str
) -> None:
    interval = Interval(1, START, ScheduleMode(mode), 2000.0)
    found, reasons = judge(interval, mean_w * seconds, seconds, joined_s=joined_s, trouble=trouble)
    assert found == status
    assert reason in " ".join(reasons)
    assert bool(reasons) == (status == "failed")


def test_the_mean_power_has_the_sign_of_its_mode() -> None:
    assert mean_power(ScheduleMode.CHARGE, -3600.0, 3.6) == 1000.0
    assert mean_power(ScheduleMode.DISCHARGE, -3600.0, 3.6) == -1000.0
    assert mean_power(ScheduleMode.FOLLOW, -3600.0, 3.6) == 1000.0
    assert mean_power(ScheduleMode.IDLE, 0.0, 0.0) is None

"""A week that passes quickly: the clock that simulator and Home Assistant share in a demo with --speed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from simulator.clock import Clock

from .neighbourhood import Plan

ZONE = ZoneInfo("Europe/Berlin")  # that of the configuration in hass.py
WEEK = timedelta(days=7)
_NOTICE_S = 1.0
"""Everybody reads the file more often than that."""


class Swift:
    """Begins a week ago, waits until everything is set up, then runs until it has caught up with now."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Set the clock; a kept demo goes on where it ended, at most a week ago."""
        self.path = folder / "clock.json"
        now = datetime.now(ZONE)
        begin = now - WEEK
        if plan.start != "now":
            hours, minutes = (plan.start or "00:00").split(":")
            begin = begin.replace(hour=int(hours), minute=int(minutes), second=0, microsecond=0)
        if (ended := _ended(folder)) is not None:
            begin = max(begin, ended)
        self._clock = Clock.beginning(begin.timestamp(), plan.speed)
        self._clock.write(self.path)
        # What the sun says is what the wall says: plans are made by the hours of the wall.
        self.plan = replace(plan, start=f"{begin:%H:%M}")

    @property
    def of_simulator(self) -> tuple[str, ...]:
        """Arguments of the simulator."""
        return (f"--shared-clock={self.path}",)

    def go(self) -> None:
        """Run."""
        self._clock = replace(self._clock, faster_from_s=time.monotonic() + _NOTICE_S)
        self._clock.write(self.path)

    @property
    def now(self) -> datetime:
        """What it shows."""
        return datetime.fromtimestamp(self._clock.utc_at_s(time.monotonic()), ZONE)

    @property
    def caught_up(self) -> bool:
        """Whether it shows the present."""
        return self._clock.caught_up_at(time.monotonic())


def _ended(folder: Path) -> datetime | None:
    """Return when the simulation of an earlier run ended."""
    try:
        clock_us = json.loads((folder / "simulator.json").read_text()).get("clock_us")
    except OSError, ValueError:
        return None
    return datetime.fromtimestamp(clock_us / 1e6, ZONE) if isinstance(clock_us, int) else None

"""The newest number of a sensor: judged before it is said, remembered for whoever asks how things are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from microgrid_core.model.guard import plausible
from microgrid_core.model.metric import Metric

from .line import BareLine

_LOGGER = logging.getLogger(__name__)


class Reading:
    """What one topic says."""

    def __init__(
        self, topic: str, metric: Metric, line: BareLine, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`metric` is what Home Assistant takes it for: unit and what can be true."""
        self.topic = topic
        self.metric = metric
        self.value: float | None = None
        """What was said last."""
        self.trouble: str | None = None
        """Why nothing new was said; None after a number that could be true."""
        self._line = line
        self._now_s = now_s
        self._at_s = 0.0

    def take(self, number: float) -> None:
        """Say a number, unless it cannot be true."""
        if plausible(self.metric, number) is None:
            low, high = self.metric.minimum, self.metric.maximum
            unit = "" if self.metric.unit is None else f" {self.metric.unit}"
            span = "" if low is None or high is None else f": {low:g} … {high:g}"
            self.fail(f"{number:g}{unit} cannot be{span}")
            return
        self.trouble = None
        if self._line.say(self.topic, number):
            self.value, self._at_s = number, self._now_s()

    def fail(self, why: str) -> None:
        """Say nothing, and tell once why."""
        if self.trouble != why:
            _LOGGER.warning("%s: %s", self.topic, why)
        self.trouble = why

    def report(self) -> Mapping[str, Any]:
        """Return what is known, for the status."""
        return {
            "topic": self.topic,
            "value": self.value,
            "unit": self.metric.unit,
            "age_s": None if self.value is None else round(self._now_s() - self._at_s, 1),
            "trouble": self.trouble,
        }

"""Readings as integers of a log, for nodes whose metrics have no log channel of their own in the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..codec.umg1.records import UNKNOWN_ERROR, Clock, ClockSource, ClockState
from ..codec.umg1.schema import Channel
from .guard import plausible
from .metric import Metric, ValueType

CLOCK = Clock(0, 1_000_000, ClockSource.NETWORK, ClockState.SYNCHRONISED)
"""Of who asks a device now and then: right to a second."""
ARRIVAL = Clock(0, UNKNOWN_ERROR, ClockSource.NONE, ClockState.HOLDOVER)
"""Of readings that came without a time: it is that of their arrival."""
_BOUND = 1 << 31


class LogChannels:
    """Channels of one schema, numbered in the order of the metrics."""

    def __init__(self, metrics: Iterable[Metric], period_us: int) -> None:
        """Log these metrics, which must be numbers or flags, each `period_us`."""
        self._metrics = dict(enumerate(metrics, 1))
        self.channels = tuple(
            Channel(number, metric.key, metric.unit or "", period_us, _exponent(metric), width=4)
            for number, metric in self._metrics.items()
        )

    def integers(self, values: Mapping[str, object]) -> dict[int, int]:
        """Return what is logged of some values, by channel; what is implausible or unknown is left out."""
        return {
            number: integer
            for number, metric in self._metrics.items()
            if (integer := _integer(metric, values.get(metric.key))) is not None
        }


def can_be_logged(metric: Metric) -> bool:
    """Whether a log has room for it: numbers and flags that do not follow from others."""
    return metric.derive is None and metric.value in (ValueType.NUMBER, ValueType.FLAG)


def _exponent(metric: Metric) -> int:
    """Return the power of ten of one count: a digit finer than what is shown."""
    return 0 if metric.precision is None else -(metric.precision + 1)


def _integer(metric: Metric, raw: object) -> int | None:
    if raw is None or (value := plausible(metric, raw)) is None or isinstance(value, str):
        return None
    integer = round(float(value) * 10.0 ** -_exponent(metric))
    return integer if -_BOUND <= integer < _BOUND else None

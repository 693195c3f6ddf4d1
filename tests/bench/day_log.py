"""A day of log of a house and of a gateway at the real rates: every channel of their metric tables.

The samples are those of the reference load (`signals`). Encoding a day takes seconds, so it is done once and
kept on disk; whoever needs it at another time of the calendar has the heads of its frames dated anew.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from microgrid_core.codec.umg1.frame import Frame
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.codec.umg1.segment import FileScan
from microgrid_core.model.kinds import KINDS
from microgrid_core.model.metric import Metric

from . import house_log, signals
from .house_log import START_UTC_US, write_log
from .signals import Floats, Signals

DAY_S = 86_400
FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"

# Channels that the reference load has under another name.
_NAMES = {
    "inverter_frequency": "frequency",
    "inverter_voltage": "voltage",
    "inverter_current": "current",
    "dc_bus_voltage": "dc_voltage",
    "mppt_input_voltage": "pv_voltage",
    "mppt_input_current": "pv_current",
    "mppt_output_voltage": "mppt_voltage",
    "mppt_output_current": "mppt_current",
    "cluster_voltage": "voltage",
    "swarm_voltage": "voltage",
}
_BY_UNIT = {"Hz": "frequency", "V": "dc_voltage", "A": "battery_current", "°C": "mosfet_temperature_1"}


class ReferenceLoad:
    """The reference load, by the second or finer."""

    def __init__(self, duration_s: int) -> None:
        self.duration_s = duration_s
        found = signals.house(duration_s)
        self._values = {
            channel.name: (channel.period_us, channel.scaled(found.samples[channel.id]))
            for channel in found.schema.channels
        }

    def of(self, name: str, period_us: int) -> Floats:
        """Return a quantity with another sampling period."""
        given_us, values = self._values[name]
        count = self.duration_s * 1_000_000 // period_us
        if given_us >= period_us:
            return np.repeat(values, given_us // period_us)[:count]
        return values[:: period_us // given_us][:count]

    def metric(self, metric: Metric, period_us: int) -> Floats:
        """Return the samples of a metric of a house or gateway."""
        key = metric.key
        for long, short in (("cell_voltage", "cell"), ("battery_temperature", "cell_temperature")):
            if key.startswith(long):
                return self.of(key.replace(long, short), period_us)
        name = _NAMES.get(key, key if key in self._values else _BY_UNIT.get(metric.unit or ""))
        if name is not None:
            return self.of(name, period_us)
        seconds = np.arange(0, self.duration_s, period_us // 1_000_000)
        power = self.of("voltage", 1_000_000) * self.of("current", 1_000_000)
        if metric.counter:
            counted: Floats = np.cumsum(np.abs(power))[seconds] / 3600
            return counted
        return power[seconds] if metric.unit == "W" else np.sin(seconds / 97.0) * 20


def signals_of(kind: str, duration_s: int) -> Signals:
    """Return a schema with every channel that a kind of node logs, and its samples."""
    load = ReferenceLoad(duration_s)
    channels, samples = [], {}
    for number, metric in enumerate((row for row in KINDS[kind].metrics if row.log is not None), 1):
        assert metric.log is not None
        offset = 50_000 if metric.unit == "Hz" else 0
        channel = Channel(
            number,
            metric.key,
            metric.unit or "",
            metric.log.period_ms * 1000,
            metric.log.exponent,
            offset=offset,
            fast=metric.log.fast,
            width=4 if metric.counter or metric.unit in ("W", "Wh") else 2,
        )
        values = load.metric(metric, channel.period_us) / channel.scale - offset
        channels.append(channel)
        samples[number] = np.round(values).astype(np.int32)
    return Signals(Schema(kind, "north", tuple(channels)), samples)


def day_log(kind: str, duration_s: int = DAY_S, folder: Path = FOLDER) -> Path:
    """Return the file with the log of a node; it is written when there is none of this program yet."""
    rows = repr([(metric.key, metric.unit, metric.log) for metric in KINDS[kind].metrics if metric.log])
    parts: tuple[Any, ...] = (signals, house_log, ReferenceLoad, signals_of)
    sources = "".join(map(inspect.getsource, parts))
    made_of = hashlib.sha256((rows + sources).encode()).hexdigest()[:12]
    path = folder / f"{kind}-{duration_s}-{made_of}.umg1"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        write_log(unfinished, signals_of(kind, duration_s))
        unfinished.rename(path)
    return path


def frames(path: Path, boot_id: int, begin_utc_us: int) -> Iterator[Frame]:
    """Yield the frames of a day's log as if the node had started at another time."""
    shift_us = begin_utc_us - START_UTC_US
    for frame in FileScan(path):
        yield replace(
            frame, boot_id=boot_id, utc_us=frame.utc_us + shift_us, payload=bytes(frame.payload), position=0
        )

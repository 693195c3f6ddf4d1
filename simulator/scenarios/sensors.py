"""What the sensors of a window show: noise, offsets of broken ones, the steps of the log's channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..physics.arrays import Floats
from ..physics.battery import CELLS
from .network import HOUSES
from .plan import PROBES, SAMPLES, Plan
from .window import Window

_FAST, _SECOND, _TEN_SECONDS = 1, 100, 1000
_SLOW = 10


@dataclass(frozen=True, slots=True)
class Channel:
    """A measured quantity."""

    key: str
    every: int
    """Samples of 10 ms from one value to the next."""
    decimals: int
    noise: float
    """Standard deviation."""
    value: Callable[[Window, int], Floats]
    """Of a house, over all samples (the gateway takes no number)."""


def _held(slow: Floats) -> Floats:
    return np.repeat(slow, _SLOW)


def _cell(number: int) -> Channel:
    return Channel(
        f"cell_voltage_{number + 1}", _SECOND, 3, 0.0008, lambda w, i: _held(w.cell_v[:, i, number])
    )


def _probe(number: int) -> Channel:
    return Channel(
        f"battery_temperature_{number + 1}", _SECOND, 1, 0.02, lambda w, i: _held(w.probe_c[:, i, number])
    )


HOUSE_CHANNELS = (
    Channel("inverter_frequency", _FAST, 3, 0.003, lambda w, i: w.frequency_hz[:, i]),
    Channel("inverter_voltage", _FAST, 1, 0.2, lambda w, i: w.voltage_v[:, i]),
    Channel("inverter_current", _FAST, 2, 0.06, lambda w, i: w.current_a[:, i]),
    Channel("inverter_power", _FAST, 0, 14.0, lambda w, i: w.power_w[:, i] * w.running[:, i]),
    Channel("dc_bus_voltage", _FAST, 2, 0.02, lambda w, i: w.bus_v[:, i]),
    Channel("battery_current", _FAST, 2, 0.15, lambda w, i: w.battery_a[:, i] * w.battery_connected[:, i]),
    Channel("mosfet_temperature_1", _SECOND, 1, 0.06, lambda w, i: _held(w.mosfet_c[:, i])),
    Channel("mosfet_temperature_2", _SECOND, 1, 0.06, lambda w, i: _held(w.mosfet_c[:, i]) - 1.5),
    *(_cell(number) for number in range(CELLS)),
    *(_probe(number) for number in range(PROBES)),
    Channel("mppt_input_voltage", _SECOND, 1, 0.15, lambda w, i: w.pv_v[:, i]),
    Channel("mppt_input_current", _SECOND, 2, 0.03, lambda w, i: w.pv_a[:, i]),
    Channel("mppt_output_voltage", _SECOND, 2, 0.02, lambda w, i: w.bus_v[:, i] + 0.001 * w.charger_a[:, i]),
    Channel("mppt_output_current", _SECOND, 2, 0.05, lambda w, i: w.charger_a[:, i]),
    Channel("load_power", _SECOND, 0, 8.0, lambda w, i: w.load_w[:, i]),
    Channel("state_of_charge", _TEN_SECONDS, 1, 0.0, lambda w, i: 100.0 * _held(w.charge[:, i])),
)
GATEWAY_CHANNELS = (
    Channel("cluster_frequency", _FAST, 3, 0.003, lambda w, _: w.frequency_hz[:, 0]),
    Channel("swarm_frequency", _FAST, 3, 0.003, lambda w, _: w.frequency_hz[:, HOUSES]),
    Channel("cluster_voltage", _SECOND, 1, 0.2, lambda w, _: w.gateway_v[:, 0]),
    Channel("swarm_voltage", _SECOND, 1, 0.2, lambda w, _: w.gateway_v[:, 1]),
    Channel("phase_difference", _SECOND, 1, 0.1, lambda w, _: w.phase_deg),
    Channel("power_flow", _SECOND, 0, 20.0, lambda w, _: w.gateway_flow_w),
)
# In a snapshot the gateway's slower channels are as fast as its traffic tells them.
_SNAPSHOT_EVERY = {"cluster_voltage": 10, "swarm_voltage": 10, "phase_difference": 10, "power_flow": 10}

Readings = dict[tuple[int, str], Floats]
"""By CAN number and metric: values at every `every` samples."""
EVERY: dict[str, int] = {channel.key: channel.every for channel in HOUSE_CHANNELS} | {
    channel.key: _SNAPSHOT_EVERY.get(channel.key, channel.every) for channel in GATEWAY_CHANNELS
}


class Sensors:
    """All sensors of a cluster; their noise stays the same however often a window is simulated."""

    def __init__(self, plan: Plan, noise: float) -> None:
        """Draw the noise, `noise` times the usual."""
        self._plan = plan
        self._noise: Readings = {}
        for node in range(HOUSES + 1):
            for channel in GATEWAY_CHANNELS if node == 0 else HOUSE_CHANNELS:
                size = -(-SAMPLES // EVERY[channel.key])
                deviation = noise * channel.noise
                self._noise[node, channel.key] = plan.rng.normal(0.0, 1.0, size) * deviation

    def read(self, window: Window) -> Readings:
        """Measure a window."""
        readings: Readings = {}
        for (node, key), noise in self._noise.items():
            channel = _BY_KEY[key]
            every = EVERY[key]
            values = channel.value(window, node - 1)[::every] + noise
            wrong = self._plan.offsets.get((node - 1, key))
            if wrong is not None:
                values = values + wrong[::every]
            readings[node, key] = np.round(values, channel.decimals)
        return readings


_BY_KEY = {channel.key: channel for channel in (*HOUSE_CHANNELS, *GATEWAY_CHANNELS)}

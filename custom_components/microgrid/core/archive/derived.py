"""Channels that nobody logs but everybody asks for: computed from channels sampled at the same instants.

Exact, because all of them are integers. What is no sum over time has no place here: the efficiency of an hour
is that of its energies, and follows from the means of its powers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec.umg1.blocks import Bools, Ints
from ..codec.umg1.samples import Samples
from ..codec.umg1.schema import Channel, Schema
from ..model.derive import CELLS

_LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Operation:
    """How the samples of one instant become one."""

    combine: Callable[[Ints, Bools], Ints]
    """From values and presence, a row an input."""
    least: int
    """So many inputs must be present."""
    multiplies: bool = False
    """Whether the steps of the inputs are multiplied; otherwise all inputs must have the same."""


def _minimum(values: Ints, present: Bools) -> Ints:
    least: Ints = np.where(present, values, _LARGEST).min(axis=0)
    return least


def _maximum(values: Ints, present: Bools) -> Ints:
    most: Ints = np.where(present, values, -_LARGEST).max(axis=0)
    return most


PRODUCT = Operation(lambda values, _: values[0] * values[1], least=2, multiplies=True)
DIFFERENCE = Operation(lambda values, _: values[0] - values[1], least=2)
MINIMUM = Operation(_minimum, least=2)
MAXIMUM = Operation(_maximum, least=2)
SPREAD = Operation(lambda values, present: _maximum(values, present) - _minimum(values, present), least=2)


@dataclass(frozen=True, slots=True)
class Derived:
    """One such channel."""

    name: str
    unit: str
    operation: Operation
    inputs: tuple[str, ...]
    shift: int = 0
    """Power of ten from the unit of the inputs to its own: 3 from V to mV."""


# Of a house: the battery lies on the DC bus, its power is positive while it discharges; exchange is positive
# while the house feeds its cluster.
DERIVED = (
    Derived("battery_power", "W", PRODUCT, ("dc_bus_voltage", "battery_current")),
    Derived("inverter_apparent_power", "VA", PRODUCT, ("inverter_voltage", "inverter_current")),
    Derived("mppt_input_power", "W", PRODUCT, ("mppt_input_voltage", "mppt_input_current")),
    Derived("mppt_output_power", "W", PRODUCT, ("mppt_output_voltage", "mppt_output_current")),
    Derived("exchange_power", "W", DIFFERENCE, ("inverter_power", "load_power")),
    Derived("cell_voltage_minimum", "V", MINIMUM, CELLS),
    Derived("cell_voltage_maximum", "V", MAXIMUM, CELLS),
    Derived("cell_voltage_spread", "mV", SPREAD, CELLS, shift=3),
    Derived("frequency_difference", "Hz", DIFFERENCE, ("cluster_frequency", "swarm_frequency")),
)


def derive(derived: Iterable[Derived], schema: Schema, samples: Mapping[int, Samples]) -> list[Samples]:
    """Return what the samples of one schema allow; a channel of the log itself goes first."""
    by_name = {schema.by_id[number].name: found for number, found in samples.items()}
    logged = {channel.name for channel in schema.channels}
    together: dict[tuple[str, ...], tuple[Ints, Bools, Samples]] = {}
    result = []
    for one in derived:
        inputs = tuple(name for name in one.inputs if name in by_name)
        if one.name in logged or len(inputs) < one.operation.least:
            continue
        channels = [by_name[name].channel for name in inputs]
        if (channel := _channel(one, channels)) is None:
            continue
        if inputs not in together:
            together[inputs] = _side_by_side([by_name[name] for name in inputs])
        values, present, frames = together[inputs]
        valid = np.count_nonzero(present, axis=0) >= one.operation.least
        if not valid.any():
            continue
        combined = np.where(valid, one.operation.combine(values, present), 0)
        result.append(
            Samples(
                channel,
                frames.boot_ids,
                frames.starts_us,
                frames.counts,
                combined,
                None if valid.all() else valid,
            )
        )
    return result


def _channel(derived: Derived, inputs: Sequence[Channel]) -> Channel | None:
    """Return what the result means; None where the inputs do not fit together."""
    first = inputs[0]
    if any(one.period_us != first.period_us for one in inputs):
        return None
    if derived.operation.multiplies:
        exponent, numerator = sum(one.exponent for one in inputs), 1
        for one in inputs:
            numerator *= one.numerator
    elif all((one.exponent, one.numerator) == (first.exponent, first.numerator) for one in inputs):
        exponent, numerator = first.exponent, first.numerator
    else:
        return None
    return Channel(
        0,
        derived.name,
        derived.unit,
        first.period_us,
        exponent=exponent + derived.shift,
        numerator=numerator,
        width=4,
    )


def _side_by_side(inputs: Sequence[Samples]) -> tuple[Ints, Bools, Samples]:
    """Return values without offset and presence, a row an input, and one whose frames they have."""
    first = inputs[0]
    if all(_same_frames(first, other) for other in inputs[1:]):
        values = np.stack([one.values.astype(np.int64) + one.channel.offset for one in inputs])
        present = np.stack(
            [np.ones(len(one.values), np.bool_) if one.valid is None else one.valid for one in inputs]
        )
        return values, present, first
    # A frame lacks the channels of which not a single sample came: lay all out over the frames of any.
    frames, which = np.unique(np.concatenate([_frames(one) for one in inputs]), return_inverse=True)
    counts = frames["count"].astype(np.int64)
    begins = np.cumsum(counts) - counts
    values = np.zeros((len(inputs), int(counts.sum())), np.int64)
    present = np.zeros(values.shape, np.bool_)
    at = 0
    for row, one in enumerate(inputs):
        own = which[at : at + len(one.counts)]
        at += len(one.counts)
        within = np.arange(len(one.values)) - np.repeat(np.cumsum(one.counts) - one.counts, one.counts)
        places = np.repeat(begins[own], one.counts) + within
        values[row, places] = one.values.astype(np.int64) + one.channel.offset
        present[row, places] = True if one.valid is None else one.valid
    return (
        values,
        present,
        Samples(
            first.channel,
            frames["boot"].astype(np.uint32),
            frames["start"].astype(np.int64),
            counts,
            values[0],
            None,
        ),
    )


def _frames(samples: Samples) -> NDArray[Any]:
    found = np.empty(len(samples.counts), [("boot", "i8"), ("start", "i8"), ("count", "i8")])
    found["boot"], found["start"], found["count"] = samples.boot_ids, samples.starts_us, samples.counts
    return found


def _same_frames(left: Samples, right: Samples) -> bool:
    return (
        np.array_equal(left.starts_us, right.starts_us)
        and np.array_equal(left.counts, right.counts)
        and np.array_equal(left.boot_ids, right.boot_ids)
    )

"""Channels that nobody logs but everybody asks for: products of two channels sampled at the same instants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..codec.umg1.samples import Samples
from ..codec.umg1.schema import Channel, Schema


@dataclass(frozen=True, slots=True)
class Product:
    """`left` times `right`, sample by sample; exact, because both are integers."""

    name: str
    unit: str
    left: str
    right: str


# A house logs voltages and currents. The battery lies on the DC bus; power is positive while it discharges.
PRODUCTS = (
    Product("battery_power", "W", "dc_bus_voltage", "battery_current"),
    Product("inverter_apparent_power", "VA", "inverter_voltage", "inverter_current"),
    Product("mppt_input_power", "W", "mppt_input_voltage", "mppt_input_current"),
    Product("mppt_output_power", "W", "mppt_output_voltage", "mppt_output_current"),
)


def multiply(products: Iterable[Product], schema: Schema, samples: Mapping[int, Samples]) -> list[Samples]:
    """Return the products that the samples of one schema allow; a channel of the log itself goes first."""
    by_name = {schema.by_id[number].name: found for number, found in samples.items()}
    logged = {channel.name for channel in schema.channels}
    result = []
    for product in products:
        left, right = by_name.get(product.left), by_name.get(product.right)
        if product.name in logged or left is None or right is None or not _aligned(left, right):
            continue
        a, b = left.channel, right.channel
        channel = Channel(
            0,
            product.name,
            product.unit,
            a.period_us,
            exponent=a.exponent + b.exponent,
            numerator=a.numerator * b.numerator,
            width=4,
        )
        values = (left.values.astype(np.int64) + a.offset) * (right.values.astype(np.int64) + b.offset)
        valid = (
            left.valid
            if right.valid is None
            else right.valid
            if left.valid is None
            else left.valid & right.valid
        )
        result.append(Samples(channel, left.boot_ids, left.starts_us, left.counts, values, valid))
    return result


def _aligned(left: Samples, right: Samples) -> bool:
    return (
        left.channel.period_us == right.channel.period_us
        and np.array_equal(left.starts_us, right.starts_us)
        and np.array_equal(left.counts, right.counts)
        and np.array_equal(left.boot_ids, right.boot_ids)
    )

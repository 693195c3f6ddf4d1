"""What nobody logs is computed from what is logged: sample by sample, wherever its inputs are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from microgrid_core.archive.derived import DERIVED, derive
from microgrid_core.archive.rollup import MINUTE
from microgrid_core.codec.umg1.samples import Samples
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.influx.layout import layout
from microgrid_core.model.derive import CELLS
from microgrid_core.model.kinds import KINDS

from .compare import EVER_S, EVER_US
from .conftest import Disk
from .logs import SECOND_US, Node

POWERS = [
    Channel(number, name, "W", SECOND_US, width=4)
    for number, name in enumerate(("inverter_power", "load_power"), 1)
]
CELL_CHANNELS = [
    Channel(number, name, "V", SECOND_US, exponent=-3, offset=3_300) for number, name in enumerate(CELLS, 11)
]


def _samples(
    channel: Channel, frames: list[int], values: list[int], missing: tuple[int, ...] = ()
) -> Samples:
    """Two samples a frame; frames by the second in which they begin."""
    valid = np.array([at not in missing for at in range(len(values))])
    return Samples(
        channel,
        np.full(len(frames), 7, np.uint32),
        np.array(frames, np.int64) * SECOND_US,
        np.full(len(frames), 2, np.int64),
        np.array(values, np.int64),
        None if valid.all() else valid,
    )


def _derived(*found: Samples) -> dict[str, dict[float, float]]:
    """Values by time for each derived channel."""
    schema = Schema("h1", "c1", tuple(one.channel for one in found))
    result = {}
    for one in derive(DERIVED, schema, {samples.channel.id: samples for samples in found}):
        times = (one.mono_us() / SECOND_US).tolist()
        values = one.scaled().tolist()
        result[one.channel.name] = {t: v for t, v in zip(times, values, strict=True) if not np.isnan(v)}
    return result


def test_exchange_is_what_the_load_leaves() -> None:
    inverter, load = POWERS
    found = _derived(_samples(inverter, [0, 2], [5, 6, 7, 8]), _samples(load, [0, 2], [9, 1, 1, 1], (3,)))
    assert found == {"exchange_power": {0: -4, 1: 5, 2: 6}}


def test_a_frame_that_lacks_a_channel_costs_its_own_samples_only() -> None:
    inverter, load = POWERS
    found = _derived(
        _samples(inverter, [0, 2, 4], [5, 6, 7, 8, 9, 10]), _samples(load, [2, 4, 6], [1, 1, 2, 2, 3, 3])
    )
    assert found == {"exchange_power": {2: 6, 3: 7, 4: 7, 5: 8}}


def test_cells_are_compared_as_far_as_they_are_known() -> None:
    first, second, third = CELL_CHANNELS[:3]
    found = _derived(
        _samples(first, [0, 2], [10, 20, 30, 40]),
        _samples(second, [0, 2], [15, 15, 15, 15], (1,)),
        _samples(third, [2], [-5, 50]),
    )
    assert found["cell_voltage_minimum"] == pytest.approx({0: 3.310, 2: 3.295, 3: 3.315})
    assert found["cell_voltage_maximum"] == pytest.approx({0: 3.315, 2: 3.330, 3: 3.350})
    assert found["cell_voltage_spread"] == pytest.approx({0: 5, 2: 35, 3: 35})


def test_what_is_logged_goes_before_what_could_be_computed() -> None:
    inverter, load = POWERS
    logged = Channel(3, "exchange_power", "W", SECOND_US, width=4)
    assert _derived(*(_samples(one, [0], [1, 2]) for one in (inverter, load, logged))) == {}


def test_different_steps_have_no_difference() -> None:
    inverter, load = POWERS
    finer = Channel(load.id, load.name, "W", SECOND_US, exponent=-1, width=4)
    slower = Channel(load.id, load.name, "W", 10 * SECOND_US, width=4)
    for other in (finer, slower):
        assert _derived(_samples(inverter, [0], [1, 2]), _samples(other, [0], [1, 2])) == {}


def test_the_archive_keeps_it_in_all_resolutions(disk: Disk) -> None:
    node = Node(schema=Schema("h1", "c1", (*POWERS, *CELL_CHANNELS)), missing=0.2)
    archive = disk.open()
    archive.append("h1", [*node.start(), *node.minutes(3)])
    series = archive.series("h1", None, *EVER_US)
    cells: dict[int, list[float]] = {}
    for name in CELLS:
        for time_us, value in zip(series[name].times_us.tolist(), series[name].values.tolist(), strict=True):
            cells.setdefault(time_us, []).append(value)
    spread = series["cell_voltage_spread"]
    expected = {time: 1000 * (max(found) - min(found)) for time, found in cells.items() if len(found) > 1}
    assert spread.unit == "mV"
    assert spread.times_us.tolist() == sorted(expected)
    assert spread.values.tolist() == pytest.approx([expected[time] for time in sorted(expected)])
    history = archive.history("h1", ["cell_voltage_spread", "exchange_power"], *EVER_S, MINUTE)
    assert history["cell_voltage_spread"].maximum.max() == spread.values.max()
    assert history["exchange_power"].count.sum() == len(series["exchange_power"].times_us)


def test_it_is_what_the_live_values_say() -> None:
    """The same names, units and inputs as in the metric tables."""
    rows = {key: metric for kind in KINDS.values() for key, metric in kind.by_key.items() if metric.derive}
    for one in DERIVED:
        assert (rows[one.name].unit, set(rows[one.name].inputs) - {"battery_voltage"}) == (
            one.unit,
            set(one.inputs) - {"dc_bus_voltage"},
        )


@pytest.mark.parametrize("kind", ["house", "gateway"])
def test_every_field_of_influxdb_can_be_filled(kind: str) -> None:
    """By a channel of the log, by the archive, or by what InfluxDB's feed computes from those."""
    there = {metric.key for metric in KINDS[kind].metrics if metric.log} | {one.name for one in DERIVED}
    for key, place in layout(kind).places.items():
        assert key in there or (place.metric.inputs and there.issuperset(place.metric.inputs)), key
    derived_from = list(itertools.chain.from_iterable(one.inputs for one in DERIVED))
    assert set(derived_from) <= {metric.key for one in KINDS.values() for metric in one.metrics if metric.log}

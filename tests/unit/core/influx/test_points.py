"""From readings to lines: which measurement, which field, which value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from microgrid_core.archive.query import History, Series
from microgrid_core.codec.umg1.records import Event, Lost
from microgrid_core.codec.umg1.schema import Channel, Schema
from microgrid_core.influx.layout import infer_kind, layout
from microgrid_core.influx.line import Column
from microgrid_core.influx.points import (
    Subject,
    bucket_lines,
    day_lines,
    event_line,
    second_lines,
    seconds,
)
from microgrid_core.influx.tiers import POLICIES, SECONDS
from microgrid_core.model.kinds import KINDS

from .homes import schema_of

HOUSE = Subject("street", "g1", "h1", layout("house"))


def series(*samples: tuple[float, float]) -> Series:
    """Return samples at times in s."""
    return Series(
        "",
        "",
        np.array([round(time * 1e6) for time, _ in samples], np.int64),
        np.array([value for _, value in samples], np.float64),
    )


@dataclass
class Bucket:
    """Aggregates of one bucket."""

    time_s: int
    mean: float
    low: float
    high: float
    last: float = 0.0
    gain: float = 0.0
    others: dict[str, float] = field(default_factory=dict)

    @property
    def history(self) -> History:
        """As the archive returns it."""
        one = np.array([1.0])
        return History(
            "", "", 60, np.array([self.time_s]), np.array([1]), one * self.low, one * self.high,
            one * self.mean, one, one * self.last, one, one, one * self.gain,
        )  # fmt: skip


def test_a_second_holds_the_mean_of_its_samples() -> None:
    found = seconds(
        HOUSE,
        {
            "inverter_frequency": series((10.0, 50.0), (10.5, 50.5), (11.0, 49.0), (13.99, 51.0)),
            "load_energy": series((10.1, 7.0), (10.9, 9.0)),
            "nobody_knows": series((10.0, 1.0)),
        },
    )
    assert list(second_lines(HOUSE, found)) == [
        b"inverter_data,cluster=g1,node=h1,swarm=street frequency=50.25 10000",
        b"inverter_data,cluster=g1,node=h1,swarm=street frequency=49.0 11000",
        b"inverter_data,cluster=g1,node=h1,swarm=street frequency=51.0 13000",
        b"house_data,cluster=g1,node=h1,swarm=street load_energy=9.0 10000",
    ]


def test_derived_metrics_are_there_when_their_inputs_are() -> None:
    cells = {f"cell_voltage_{number}": series((5, 3.3 + number / 1000)) for number in range(1, 17)}
    found = seconds(
        HOUSE, {"inverter_power": series((5, 1000.0), (6, 10.0)), "load_power": series((5, 400.0)), **cells}
    )
    assert found["exchange_power"].times.tolist() == [5]
    assert found["exchange_power"].values.tolist() == [600.0]
    assert found["cell_voltage_spread"].values.tolist() == pytest.approx([15.0])
    assert found["cell_voltage_minimum"].values.tolist() == pytest.approx([3.301])
    assert "mppt_efficiency" not in found


def test_a_product_of_the_archive_is_not_derived_again() -> None:
    found = seconds(
        HOUSE,
        {
            "battery_power": series((5, 7.0)),
            "battery_voltage": series((5, 50.0)),
            "battery_current": series((5, 2.0)),
        },
    )
    assert found["battery_power"].values.tolist() == [7.0]


def test_buckets_hold_mean_or_last_and_extremes() -> None:
    buckets = {
        "load_power": Bucket(60, 400.0, 100.0, 900.0).history,
        "load_energy": Bucket(60, 5.0, 1.0, 9.0, last=9.0).history,
    }
    assert list(bucket_lines(HOUSE, buckets, 60, {})) == [
        b"house_data,cluster=g1,node=h1,swarm=street "
        b"load_power=400.0,load_power_min=100.0,load_power_max=900.0,"
        b"load_energy=9.0,load_energy_min=1.0,load_energy_max=9.0 60000"
    ]


def test_extremes_of_derived_metrics_come_from_the_finer_resolution() -> None:
    buckets = {
        "inverter_power": Bucket(60, 500.0, 0.0, 0.0).history,
        "load_power": Bucket(60, 200.0, 0.0, 0.0).history,
    }
    finer = {"exchange_power": Column(np.array([59, 60, 61, 120]), np.array([-1e9, 250.0, 350.0, 1e9]))}
    found = list(bucket_lines(HOUSE, buckets, 60, finer))[-1]
    assert b"exchange_power=300.0,exchange_power_min=250.0,exchange_power_max=350.0" in found
    found = list(bucket_lines(HOUSE, buckets, 60, {}))[-1]
    assert b"exchange_power=300.0,exchange_power_min=300.0,exchange_power_max=300.0" in found


def test_a_day_tells_gains_and_ranges() -> None:
    days = {
        "load_energy": Bucket(86_400, 0.0, 0.0, 0.0, gain=12.5).history,
        "state_of_charge": Bucket(86_400, 50.0, 20.0, 90.0).history,
    }
    (found,) = day_lines(HOUSE, days)
    assert found == (
        b"daily_summary,cluster=g1,node=h1,swarm=street state_of_charge_mean=50.0,state_of_charge_min=20.0,"
        b"state_of_charge_max=90.0,load_energy=12.5 86400000000000"
    )


SCHEMA = Schema("h1", "g1", (Channel(7, "inverter_frequency", "Hz", 10_000, exponent=-3, offset=50_000),))


def test_an_event() -> None:
    event = Event(0, 1, 2, "F005", "e-1", ((7, -1500), (9, 3)))
    assert event_line(HOUSE, event, SCHEMA, 1_000_000, 1042) == (
        b"faults,cluster=g1,code=F005,node=h1,severity=critical,swarm=street,type=fault "
        b'inverter_frequency=48.5,channel_9=3.0,state="raised",event_id="e-1" 1000000042'
    )


def test_events_at_one_instant_stay_apart() -> None:
    event = Event(0, 1, 2, "F005", "e-1")
    stamps = {event_line(HOUSE, event, None, 1_000_000, seq).split()[-1] for seq in range(1000)}
    assert len(stamps) == 1000


def test_an_overflow_names_what_is_lost_and_a_later_type_its_number() -> None:
    event = Event(5, 0, 1, "", "e-2", lost=Lost(1, 10, 20))
    assert event_line(HOUSE, event, None, 5, 0) == (
        b"faults,cluster=g1,node=h1,severity=warning,swarm=street,type=overflow "
        b'lost_first=10.0,lost_last=20.0,state="moment",event_id="e-2" 5000'
    )
    assert b"severity=9,swarm=street,type=17 " in event_line(HOUSE, Event(17, 8, 9, "X", "e"), None, 5, 0)


def test_a_heat_pump_gives_alerts_and_a_node_without_gateway_has_no_cluster() -> None:
    subject = Subject("street", "", "hp1", layout("heat_pump"))
    assert event_line(subject, Event(1, 1, 1, "HP1", "e"), None, 5, 0).startswith(
        b"alert,code=HP1,node=hp1,severity=warning,swarm=street,type=alarm "
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_metrics_share_a_field(kind: str) -> None:
    """Not even with the extremes of another."""
    found = layout(kind)
    names = [
        (place.measurement, f"{place.field}{ending}")
        for place in found.places.values()
        for ending in ("", "_min", "_max")
    ]
    assert all(measurement for measurement, _ in names)
    if kind != "site":  # its numbers are not in the archive
        assert len(set(names)) == len(names)
    wanted = {metric.key for metric in KINDS[kind].metrics if metric.influx is not None}
    assert found.places.keys() == wanted


@pytest.mark.parametrize("kind", ["house", "gateway"])
def test_a_node_is_known_by_what_it_logs(kind: str) -> None:
    assert infer_kind([channel.name for channel in schema_of(kind, "n").channels]) == kind
    assert infer_kind(["nonsense"]) is None


def test_tiers_take_nothing_that_the_server_would_refuse() -> None:
    assert POLICIES[0].begins_s(10_000_000.0) == 10_000_000.0 - 86_400 + 600
    assert POLICIES[-1].begins_s(1e9) == 0.0
    assert SECONDS.bucket == "microgrid/rp_1s"

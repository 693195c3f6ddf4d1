"""The days of batteries and heat pumps: kept once, made up after an outage, and what they add up to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.microgrid.core.archive.archive import Archive
from custom_components.microgrid.core.gx.tree import Tree
from custom_components.microgrid.core.gx.value import Address, Told
from custom_components.microgrid.core.health.capacity import Capacity
from custom_components.microgrid.core.health.drift import DriftState
from custom_components.microgrid.core.health.rules_trend import SPREAD_DRIFT
from custom_components.microgrid.core.health.summary import BatteryDay, HeatPumpDay
from custom_components.microgrid.core.model.heat_pump import HEAT_PUMP
from custom_components.microgrid.core.model.house import HOUSE
from custom_components.microgrid.core.model.metric import DeviceKind
from custom_components.microgrid.core.model.reading_log import ReadingLog
from custom_components.microgrid.guardian_days import CATCH_UP_DAYS, DayKeeper, DaySubject, Now
from custom_components.microgrid.guardian_records import Records

from .guardian_world import World

DAY = 20_541  # 2026-03-29: the clocks of Europe go forward
HOUSE_SUBJECT = DaySubject("house-1", "house", "board 3")
PUMP_SUBJECT = DaySubject("pump-1", "heat_pump", "", "R32")


def write(
    archive: Archive, node: str, kind: DeviceKind, day: int, values: Mapping[str, object], hours: float = 24.0
) -> None:
    """Let the archive know readings of a day, one every five minutes."""
    boots = iter(range(day * 1000, day * 1000 + 999))
    log = ReadingLog(node, kind, lambda: next(boots))
    readings = [
        (datetime.fromtimestamp(day * 86_400 + 300 * at, UTC), values) for at in range(round(hours * 12))
    ]
    archive.append(node, log.frames(readings))
    archive.roll_up(node)


def house_values(spread_v: float = 0.01) -> dict[str, object]:
    """Readings of a house at rest."""
    return {
        "state_of_charge": 55.0,
        "battery_current": 1.0,
        "battery_stored_energy": 7884.8,
        "battery_state_of_health": 97.0,
        **{f"cell_voltage_{cell}": 3.28 + (spread_v if cell == 7 else 0.0) for cell in range(1, 17)},
        **{f"battery_temperature_{probe}": 20.0 + probe for probe in range(1, 5)},
    }


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An empty archive."""
    with closing(Archive(tmp_path / "archive")) as empty:
        yield empty


def keeper(hass: HomeAssistant, tmp_path: Path, archive: Archive | None) -> DayKeeper:
    """One that keeps its records beside the archive."""
    return DayKeeper(hass, tmp_path / "health", lambda: archive)


def now(day: int) -> Now:
    """The time just after a day."""
    return Now(day + 1.0, 80.0)


async def test_days_are_made_up_once(hass: HomeAssistant, tmp_path: Path, archive: Archive) -> None:
    """After an outage all days are made that the archive knows; one with a clock change has 24 h too."""
    for day in (DAY - 3, DAY - 1, DAY):
        await hass.async_add_executor_job(write, archive, "house-1", HOUSE, day, house_values())
    days = keeper(hass, tmp_path, archive)
    await days.assess([HOUSE_SUBJECT], now(DAY))
    kept = Records(tmp_path / "health").read("house-1")
    assert sorted(kept.batteries) == [DAY - 3, DAY - 1, DAY]
    for record in kept.battery_days:
        assert record.coverage == pytest.approx(1.0, abs=0.01)
        assert (record.health_percent, record.identity) == (97.0, "board 3")
        assert record.temperature_mean_c == pytest.approx(24.0)
        assert record.throughput_ah == pytest.approx(24.0, abs=0.2)
        assert record.cell_spread_v == pytest.approx(0.010)
        assert record.efficiency_percent is None
    written = (tmp_path / "health" / "house-1.jsonl").read_bytes()
    await keeper(hass, tmp_path, archive).assess([HOUSE_SUBJECT], now(DAY))
    assert (tmp_path / "health" / "house-1.jsonl").read_bytes() == written
    assert days.assessed_day == DAY


async def test_what_comes_late_completes_a_day(hass: HomeAssistant, tmp_path: Path, archive: Archive) -> None:
    """A house that was away sends its log later: the day is kept again, and the later record counts."""
    days = keeper(hass, tmp_path, archive)
    await hass.async_add_executor_job(write, archive, "house-1", HOUSE, DAY, house_values(), 6.0)
    await days.assess([HOUSE_SUBJECT], now(DAY))
    records = Records(tmp_path / "health")
    assert records.read("house-1").batteries[DAY].coverage == pytest.approx(0.25, abs=0.01)
    await hass.async_add_executor_job(write, archive, "house-1", HOUSE, DAY, house_values())
    await days.assess([HOUSE_SUBJECT], now(DAY + 1))
    assert records.read("house-1").batteries[DAY].coverage == pytest.approx(1.0, abs=0.01)


async def test_a_drift_of_the_cells_is_found(hass: HomeAssistant, tmp_path: Path, archive: Archive) -> None:
    """Five weeks of calm days, then cells that part: the trend alerts, and so will its rule."""
    records = Records(tmp_path / "health")
    records.add_days(
        "house-1",
        [
            BatteryDay(
                day=DAY - 60 + at, identity="board 3", coverage=1.0, cell_spread_v=0.010 + 0.001 * (at % 3)
            )
            for at in range(40)
        ]
        + [
            BatteryDay(day=DAY - 20 + at, identity="board 3", coverage=1.0, cell_spread_v=0.010 + 0.002 * at)
            for at in range(20)
        ],
    )
    days = keeper(hass, tmp_path, archive)
    await days.assess([HOUSE_SUBJECT], now(DAY))
    assert days.trends.batteries["house-1"].drifts[SPREAD_DRIFT].state is DriftState.ALERT


async def test_a_date_needs_enough_data(hass: HomeAssistant, tmp_path: Path) -> None:
    """Months say nothing; years of steps say when, with an early and a late date. The archive may be away."""
    records = Records(tmp_path / "health")

    def history(key: str, span: int) -> None:
        records.add_days(
            key,
            [
                BatteryDay(
                    day=DAY - span + at,
                    coverage=1.0,
                    health_percent=float(math.floor(100.9 - 2.5 * at / 365.25)),
                )
                for at in range(span)
            ],
        )

    history("young", 250)
    history("old", 1100)
    days = keeper(hass, tmp_path, None)
    await days.assess([DaySubject("young", "house"), DaySubject("old", "house")], now(DAY))
    young, old = (days.trends.batteries[key].outlook for key in ("young", "old"))
    assert (young.replacement, young.missing) == (None, "too_few_steps")
    assert old.slope is not None
    assert old.slope.loss == pytest.approx(2.5, abs=0.1)
    assert old.replacement is not None
    left_d = 365.25 * (100.4 - 2.5 * 1100 / 365.25 - 80.0) / 2.5
    assert old.replacement.low < DAY + left_d < old.replacement.high


async def test_a_heat_pump_is_summed_up_with_its_refrigerant(
    hass: HomeAssistant, tmp_path: Path, archive: Archive
) -> None:
    values = {
        "temp_inlet": 30.0,
        "temp_outlet": 35.0,
        "temp_ambient": 5.0,
        "temp_compressor": 65.0,
        "pressure_high": 300.0,
        "pressure_low": 100.0,
        "compressor_running": True,
        "defrost_active": False,
    }
    await hass.async_add_executor_job(write, archive, "pump-1", HEAT_PUMP, DAY, values)
    days = keeper(hass, tmp_path, archive)
    await days.assess([PUMP_SUBJECT], now(DAY))
    kept = Records(tmp_path / "health").read("pump-1").heat_pumps[DAY]
    assert kept.steady_hours == pytest.approx(23.8, abs=0.3)
    assert kept.superheat_k is not None
    assert 10.0 < kept.superheat_k < 60.0
    assert kept.lift_k is not None
    assert 10.0 < kept.lift_k < 80.0
    assert days.trends.heat_pumps["pump-1"].state is DriftState.LEARNING


async def test_a_battery_at_a_gx_is_sampled(hass: HomeAssistant, tmp_path: Path) -> None:
    """Samples outlive a restart until their day is summed up, and are dropped then."""
    clock = [DAY * 86_400.0]
    tree = Tree(monotonic=lambda: clock[0], wall=lambda: clock[0])
    tree.pushed = True
    values: dict[tuple[str, int], dict[str, float | str]] = {
        ("battery", 512): {
            "/Soc": 62.0,
            "/Soh": 96.0,
            "/Capacity": 300.0,
            "/Dc/0/Current": -3.0,
            "/Dc/0/Temperature": 24.0,
            "/System/MaxCellVoltage": 3.300,
            "/System/MinCellVoltage": 3.280,
            "/ProductId": 7,
            "/FirmwareVersion": "1.4",
        },
        ("vebus", 276): {
            "/State": 9,
            "/Ac/ActiveIn/Connected": 0,
            "/Ac/Out/P": 930.0,
            "/Ac/Out/NominalInverterPower": 4000.0,
            "/Dc/0/Voltage": 50.0,
            "/Dc/0/Current": -20.0,
        },
    }
    for (service, instance), paths in values.items():
        for path, value in paths.items():
            tree.tell(Address(service, instance, path), Told(value))
    device = tree.devices["battery", 512]
    subject = DaySubject("gx-1/battery/512", "gx", "7//1.4")
    for _ in range(2):
        days = keeper(hass, tmp_path, None)
        for _ in range(720):
            clock[0] += 60.0
            tree.alive()
            days.sample(subject.key, tree, device, clock[0])
        await days.flush()
    days = keeper(hass, tmp_path, None)
    await days.assess([subject], now(DAY))
    kept = Records(tmp_path / "health").read(subject.key).batteries[DAY]
    assert kept.coverage == pytest.approx(1.0, abs=0.01)
    assert kept.efficiency_percent == pytest.approx(93.0, abs=0.1)
    assert kept.off_grid_hours == pytest.approx(24.0, abs=0.1)
    assert kept.cell_spread_v == pytest.approx(0.020)
    assert kept.throughput_ah == pytest.approx(72.0, abs=0.5)
    assert kept.can_errors_per_million is None
    assert len(Records(tmp_path / "health").samples(subject.key, 13)) <= 1
    await days.keep_capacity(subject.key, Capacity(clock[0], 285.0, 80.0), 300.0)
    assert [round(percent, 1) for _, percent in Records(tmp_path / "health").read(subject.key).counted] == [
        95.0
    ]


def test_a_torn_line_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A crash in the middle of a line, foreign lines, numbers that are none: the rest is read and goes on."""
    records = Records(tmp_path)
    records.add_days("house-1", [BatteryDay(day=DAY, coverage=1.0), HeatPumpDay(day=DAY)])
    path = tmp_path / "house-1.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"battery","day":205')
    records.add_days("house-1", [BatteryDay(day=DAY + 1, coverage=0.5)])
    with path.open("ab") as file:
        for line in (b"[]", b"null", b"7", b"\xff\xfe", b"[" * 3000, b'{"kind":"battery","day":1e300}'):
            file.write(line + b"\n")
        file.write(json.dumps({"kind": "battery", "day": DAY + 2, "coverage": float("nan")}).encode() + b"\n")
    kept = records.read("house-1")
    assert sorted(kept.batteries) == [DAY, DAY + 1]
    assert sorted(kept.heat_pumps) == [DAY]
    assert "8 lines were not understood" in caplog.text
    assert records.read("nobody").battery_days == []
    (tmp_path / "house-1.samples").write_text("1,2,3\nx,y,z\n0,1,2\n5,nan,2\n3")
    left = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [5.0, np.nan, 2.0]])
    assert np.array_equal(records.samples("house-1", 3), left, equal_nan=True)


def test_samples_of_a_clock_that_was_wrong_cost_none_of_the_others(tmp_path: Path) -> None:
    """One minute in 2099, and one in 1970: the clock was set right afterwards."""
    records = Records(tmp_path)
    right = [(DAY * 86_400.0 + 60.0 * minute, 50.0) for minute in range(1440)]
    for rows in (right[:700], [(4.1e9, 50.0)], right[700:720], [(30.0, 50.0)], right[710:]):
        records.add_samples("gx-1/battery/1", rows)
    found = records.samples("gx-1/battery/1", 2)
    assert [tuple(row) for row in found.tolist()] == [(30.0, 50.0), *right, (4.1e9, 50.0)]
    records.forget_samples("gx-1/battery/1", DAY + 1, 2)
    records.add_samples("gx-1/battery/1", [((DAY + 1) * 86_400.0, 60.0)])
    assert records.samples("gx-1/battery/1", 2)[0].tolist() == [(DAY + 1) * 86_400.0, 60.0]


async def test_a_disk_that_refuses_costs_no_assessment(
    hass: HomeAssistant, tmp_path: Path, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be kept today is kept tomorrow."""
    await hass.async_add_executor_job(write, archive, "house-1", HOUSE, DAY, house_values())
    (tmp_path / "health").write_text("a file where the folder should be")
    days = keeper(hass, tmp_path, archive)
    await days.assess([HOUSE_SUBJECT], now(DAY))
    assert "cannot be kept" in caplog.text
    (tmp_path / "health").unlink()
    await days.assess([HOUSE_SUBJECT], now(DAY + 1))
    assert DAY in Records(tmp_path / "health").read("house-1").batteries
    assert CATCH_UP_DAYS < 30


async def test_trends_are_entities_and_findings(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Three years of days beside the archive: a date with its bounds, a drift as a finding, more risk."""
    freezer.move_to("2026-03-30 02:30:00+00:00")  # the night in which the clocks went forward is over
    records = Records(Path(hass.config.path("microgrid", "demo", "health")))
    records.add_days(
        "house-1",
        [
            BatteryDay(
                day=DAY - 1100 + at,
                coverage=1.0,
                health_percent=float(math.floor(100.9 - 4.0 * at / 365.25)),
                cell_spread_v=0.010 + 0.001 * (at % 3) + max(0.0, 0.004 * (at - 1070)),
                temperature_mean_c=36.0,
            )
            for at in range(1100)
        ],
    )
    world = World(hass, entry, freezer)
    await world.add("house-1", "house")
    await world.run(50)
    assert world.state("sensor", "house-1", "battery_replacement").attributes["reason"] == "no_day_yet"
    before = int(world.state("sensor", "house-1", "risk").state)
    await world.run(620)
    assert set(world.found("house-1")) == {"D2"}
    health = world.state("sensor", "house-1", "estimated_health")
    assert float(health.state) == pytest.approx(88.4, abs=0.5)
    assert health.attributes["loss_low"] < 4.0 < health.attributes["loss_high"]
    assert health.attributes["method"] == "steps"
    replacement = world.state("sensor", "house-1", "battery_replacement")
    assert replacement.attributes["low"] < replacement.state < replacement.attributes["high"]
    assert replacement.state.startswith("2028")
    risk = world.state("sensor", "house-1", "risk")
    assert int(risk.state) > before
    assert risk.attributes["factors"]["cell_spread"]["points"] == 15
    assert risk.attributes["factors"]["temperature"]["points"] == 2

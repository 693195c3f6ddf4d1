"""`microgrid plan` and `microgrid energy replay` as a user types them."""

from __future__ import annotations

import gzip
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from microgrid_core.cli import main
from microgrid_core.contract.schedule import Schedule, parse_schedule

START = datetime(2026, 11, 2, tzinfo=UTC)
BATTERY = ["--capacity", "10", "--power", "5"]


def write(
    path: Path, hours: int, future: int = 0, step: timedelta = timedelta(hours=1), prices: bool = True
) -> Path:
    """A file of a house that eats in the evening; without loads at its end."""
    lines = ["time,load_kwh,solar_kwh" + ",import_price" * prices]
    count = round(timedelta(hours=hours) / step)
    for number in range(count):
        at = START + number * step
        load, solar = (2.0 if at.hour in (18, 19) else 0.3), max(0.0, 2.0 - abs(at.hour - 12))
        past = at < START + timedelta(hours=hours - future)
        share = step / timedelta(hours=1)
        measured = f"{load * share:.4f},{solar * share:.4f}" if past else ","
        lines.append(f"{at.isoformat()},{measured}" + f",{0.5 if 17 <= at.hour < 21 else 0.2}" * prices)
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def run(*arguments: str | Path) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


@pytest.mark.parametrize("minutes", [60, 30, 15, 5])
def test_a_plan_of_expected_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str], minutes: int) -> None:
    file = write(tmp_path / "day.csv", 24, step=timedelta(minutes=minutes))
    assert run("plan", file, *BATTERY, "--soc", "20", "--feed-in", "0.05") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 24 * 60 // minutes + 3
    assert shown[-2].startswith("expected bill ")
    assert run("plan", file, *BATTERY, "--soc", "20", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    steps = told["steps"]
    evening = [row for row in steps if datetime.fromisoformat(row["start"]).hour in (17, 18, 19, 20)]
    assert all(row["grid_kw"] == pytest.approx(0.0, abs=1e-6) for row in evening)
    assert steps[-1]["state_of_charge"] >= 0.0


def test_a_plan_from_a_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "weeks.csv.gz", 24 * 30 + 36, future=36, step=timedelta(minutes=30))
    assert run("plan", file, *BATTERY, "--json") == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert len(steps) == 36
    assert steps[0]["start"] == "2026-12-02T00:00:00+00:00"
    for row in steps:
        hour = datetime.fromisoformat(row["start"]).hour
        assert row["net_kw"] == pytest.approx(
            (2.0 if hour in (18, 19) else 0.3) - max(0.0, 2.0 - abs(hour - 12)), abs=0.05
        )


def test_the_schedule_is_one_that_a_battery_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.csv", 24)
    assert run("plan", file, *BATTERY, "--schedule") == 0
    found = parse_schedule(capsys.readouterr().out.strip().encode(), START)
    assert isinstance(found, Schedule)
    assert len(found.intervals) == 48


def test_prices_from_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "day.csv", 24, prices=False)
    assert run("plan", file, *BATTERY) == 2
    assert "give --price" in capsys.readouterr().err
    options = ["--price", "0.2", "--period", "17:00-21:00=0.5", "--timezone", "Europe/Berlin"]
    assert run("plan", file, *BATTERY, *options, "--json") == 0
    prices = [row["import_price"] for row in json.loads(capsys.readouterr().out)["steps"]]
    assert [hour for hour, price in enumerate(prices) if price == 0.5] == [16, 17, 18, 19]
    assert run("plan", file, *BATTERY, "--price", "0.2", "--json") == 0
    capsys.readouterr()
    assert run("plan", file, *BATTERY, "--period", "nonsense") == 2
    assert "16:00-21:00=0.54" in capsys.readouterr().err
    assert run("plan", file, *BATTERY, "--timezone", "Nowhere/Land") == 2
    assert "no time zone" in capsys.readouterr().err


def test_holes_are_filled_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "days.csv", 48)
    lines = file.read_text().splitlines()
    lines[30] = lines[30].split(",")[0] + ",,,0.2"
    file.write_text("\n".join(lines))
    assert run("plan", file, *BATTERY) == 0
    assert "net load: 1 of 48 steps missing" in capsys.readouterr().err


def test_a_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "weeks.csv", 24 * 20, step=timedelta(minutes=30))
    assert run("energy", "replay", file, *BATTERY, "--skip-days", "10", "--feed-in", "0.05") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("10.0 days billed")
    assert "stochastic plan (default)" in shown
    arguments = ["--skip-days", "10", "--feed-in", "0.05", "--day-ahead", "--json"]
    assert run("energy", "replay", file, *BATTERY, *arguments) == 0
    told = {row["policy"]: row for row in json.loads(capsys.readouterr().out)}
    best, rule = told["perfect foresight"], told["self-consumption rule"]
    assert best["bill"] <= told["stochastic plan (default)"]["bill"] < rule["bill"]
    assert best["captured"] == 1.0


def test_a_battery_that_can_nothing_saves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "days.csv", 24 * 9)
    assert run("energy", "replay", file, "--capacity", "0", "--power", "0", "--skip-days", "8") == 0
    assert "–" in capsys.readouterr().out
    assert run("energy", "replay", file, "--capacity", "0", "--power", "0", "--skip-days", "8", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["captured"] is None


def test_too_few_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "days.csv", 24 * 9)
    assert run("energy", "replay", file, *BATTERY) == 2
    assert "lower --skip-days" in capsys.readouterr().err


BROKEN = {
    "empty": ("", "0 rows"),
    "one row": ("time,load_kwh\n2026-11-01T00:00,1\n", "1 rows"),
    "no time": ("when,load_kwh\n1,1\n2,2\n", "no column with times"),
    "no load": ("time,load\n2026-11-01T00:00,1\n2026-11-01T01:00,2\n", "no column load_kwh"),
    "bad time": ("time,load_kwh\nyesterday,1\n2026-11-01T01:00,2\n", "row 2: 'yesterday' is no time"),
    "bad number": (
        "time,load_kwh\n2026-11-01T00:00,1\n2026-11-01T01:00,x\n",
        "row 3: load_kwh 'x' is no number",
    ),
    "mixed zones": (
        "time,load_kwh\n2026-11-01T00:00,1\n2026-11-01T01:00Z,1\n",
        "row 3: some times have a zone",
    ),
    "odd step": ("time,load_kwh\n2026-11-01T00:00,1\n2026-11-01T00:07,2\n", "0:07:00 apart"),
    "backwards": ("time,load_kwh\n2026-11-01T01:00,1\n2026-11-01T00:00,2\n", "apart"),
    "a jump": (
        "time,load_kwh\n2026-11-01T00:00,1\n2026-11-01T01:00,2\n2026-11-01T05:00,2\n",
        "row 4 comes 4:00:00 after",
    ),
    "not text": ("\udcff\udcfe", "UTF-8"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", [["plan"], ["energy", "replay"]], ids=" ".join)
def test_a_file_that_is_none_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, command: list[str]
) -> None:
    text, reason = BROKEN[name]
    file = tmp_path / "broken.csv"
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert run(*command, file, *BATTERY, "--price", "0.3") == 2
    told = capsys.readouterr().err
    assert reason in told
    assert str(file) in told


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", tmp_path / "none.csv", *BATTERY) == 2
    assert "none.csv" in capsys.readouterr().err
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"time,load_kwh\n" * 999)[:40])
    assert run("plan", tmp_path / "cut.csv.gz", *BATTERY) == 2


def test_the_clocks_change_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wall times: the hour that comes twice, and the one that is skipped."""
    for day, hours in (("2026-10-25", [0, 1, 2, 2, 3, 4]), ("2026-03-29", [0, 1, 3, 4])):
        rows = "".join(f"{day}T{hour:02}:00,1\n" for hour in hours)
        file = tmp_path / "wall.csv"
        file.write_text(f"local_hour,load_kwh\n{rows}")
        assert run("plan", file, *BATTERY, "--price", "0.3", "--timezone", "Europe/Berlin", "--json") == 0
        starts = [row["start"] for row in json.loads(capsys.readouterr().out)["steps"]]
        gaps = {
            datetime.fromisoformat(after) - datetime.fromisoformat(before)
            for before, after in itertools.pairwise(starts)
        }
        assert gaps == {timedelta(hours=1)}

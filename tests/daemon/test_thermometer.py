"""The temperature of a battery from a topic or a file, and that its silence is no licence."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from microgrid_daemon.thermometer import MAX_AGE_S, FileThermometer, Thermometer
from tests.daemon.test_collector import Time


def test_a_topic_holds_for_a_while() -> None:
    clock = Time()
    thermometer = Thermometer("house/battery", now_s=clock)
    assert thermometer.trouble == "the temperature of the battery is not known: house/battery says none"
    thermometer.hear(b"23.5")
    assert thermometer.celsius == 23.5
    assert not thermometer.trouble
    clock.now_s += MAX_AGE_S
    assert thermometer.celsius == 23.5
    clock.now_s += 1.0
    assert thermometer.celsius is None


@pytest.mark.parametrize("payload", [b"", b"warm", b"85,0", b"nan", b"1e9", b"-127", b'{"t": 20}', b"\xff"])
def test_what_is_no_temperature_says_nothing(payload: bytes) -> None:
    thermometer = Thermometer("house/battery")
    thermometer.hear(b"20")
    thermometer.hear(payload)
    assert thermometer.celsius == 20.0


@pytest.mark.parametrize(
    ("content", "celsius"),
    [
        ("23.125\n", 23.125),
        ("23125\n", 23.125),
        ("-1062", -1.062),
        ("85", 85.0),
        ("", None),
        ("x" * 9, None),
    ],
)
async def test_a_file_has_degrees_or_thousandths(tmp_path: Path, content: str, celsius: float | None) -> None:
    path = tmp_path / "temperature"
    path.write_text(content)
    thermometer = FileThermometer(path)
    await thermometer.read()
    assert thermometer.celsius == celsius


async def test_a_file_that_nobody_writes_any_more_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "temperature"
    path.write_text("20.0")
    old_s = time.time() - MAX_AGE_S - 10.0
    os.utime(path, (old_s, old_s))
    thermometer = FileThermometer(path)
    await thermometer.read()
    assert thermometer.celsius is None
    path.unlink()
    await thermometer.read()
    assert thermometer.celsius is None

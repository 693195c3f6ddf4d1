"""The fake GX: its simulated site adds up, its D-Bus takes what a device would, and its command line runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from microgrid_core.gx.access import MqttAccess
from microgrid_core.gx.mqtt import MqttStation
from microgrid_core.gx.table import table
from microgrid_core.gx.value import Address, Value
from simulator.gx.site import BATTERY, CHARGER, GRID, VEBUS, SimulatedSite
from tests.mosquitto import Mosquitto, free_port

ROOT = Path(__file__).parents[3]


def value(site: SimulatedSite, key: tuple[str, int], path: str) -> float:
    found = site.station.items[Address(*key, path)].read()
    assert isinstance(found, int | float)
    return float(found)


def test_power_adds_up() -> None:
    site = SimulatedSite()
    for _ in range(5):
        site.step(60.0)
        battery_w = value(site, BATTERY, "/Dc/0/Power")
        solar_w = value(site, CHARGER, "/Yield/Power")
        load_w = value(site, VEBUS, "/Ac/Out/L1/P")
        assert value(site, GRID, "/Ac/Power") == pytest.approx(load_w + battery_w - solar_w, abs=0.2)
        assert value(site, ("system", 0), "/Ac/Grid/L1/Power") == value(site, GRID, "/Ac/Power")
        volts = value(site, BATTERY, "/Dc/0/Voltage")
        assert volts * value(site, BATTERY, "/Dc/0/Current") == pytest.approx(battery_w, abs=1.0)
        cells = value(site, BATTERY, "/System/NrOfCellsPerBattery")
        assert value(site, BATTERY, "/System/MinCellVoltage") * cells <= volts + 0.1
        assert volts < value(site, BATTERY, "/Info/MaxChargeVoltage")


def test_a_healthy_site_alarms_nobody() -> None:
    site = SimulatedSite(chargers=2)
    site.step(10.0)
    unknown = 0
    for address, item in site.station.items.items():
        known = table().find(address.service, address.path)
        if known is None:
            unknown += 1
            continue
        if known.fact.kind == "alarm":
            assert item.value == 0, address
        if known.fact.options and item.value is not None:
            number = item.value
            assert isinstance(number, int | float), address
            if known.fact.kind not in ("code", "bits"):
                negative_day = address.path.endswith("/Day") and number < 0
                assert known.fact.text(number) is not None or negative_day, (address, number)
    assert unknown < len(site.station.items) * 0.9


def test_faults_are_held_and_released() -> None:
    site = SimulatedSite()
    before = value(site, BATTERY, "/Soc")
    site.hold(*BATTERY, "/Soc", 5.0)
    site.hold(*VEBUS, "/Alarms/GridLost", 2)
    site.step(1.0)
    assert value(site, BATTERY, "/Soc") == 5.0
    assert value(site, VEBUS, "/Alarms/GridLost") == 2
    site.release()
    assert value(site, BATTERY, "/Soc") == pytest.approx(before, abs=1.0)
    assert value(site, VEBUS, "/Alarms/GridLost") == 0


@pytest.mark.parametrize(
    ("address", "wanted", "taken"),
    [
        (Address(*VEBUS, "/Mode"), 1, True),
        (Address(*VEBUS, "/Mode"), 9, False),
        (Address(*VEBUS, "/Mode"), "on", False),
        (Address(*VEBUS, "/State"), 1, False),
        (Address(*VEBUS, "/Nothing"), 1, False),
        (Address("settings", 0, "/Settings/CGwacs/AcPowerSetPoint"), -3000, True),
        (Address("hub4", 0, "/Overrides/Setpoint"), 100, True),
        (Address("hub4", 0, "/Overrides/Setpoint"), None, True),
    ],
)
def test_what_a_device_takes(address: Address, wanted: Value, taken: bool) -> None:
    site = SimulatedSite()
    assert site.station.write(address, wanted) is taken
    if taken:
        assert site.station.items[address].value == wanted


async def meet(port: int) -> None:
    """Get the full picture of the fake GX."""
    station = MqttStation(MqttAccess("127.0.0.1", port, tls=False))
    task = asyncio.create_task(station.run())
    await asyncio.wait_for(station.wait_complete(), 20)
    assert station.portal == "c0619ab00001"
    assert isinstance(station.tree.value("battery", "/Soc"), float)
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize("recorded", [False, True])
def test_the_command_line(mosquitto: Mosquitto, tmp_path: Path, recorded: bool) -> None:
    options = ["--chargers", "1"]
    if recorded:
        lines = [
            '{"service": "com.victronenergy.battery.ttyO1"}',
            '{"t": 0, "path": "/DeviceInstance", "value": 512}',
            '{"t": 0, "path": "/Soc", "value": 50.0}',
        ]
        (tmp_path / "battery.jsonl").write_text("\n".join(lines))
        options = ["--recording", str(tmp_path)]
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "simulator.gx", "--broker", f"127.0.0.1:{mosquitto.port}"),
            *("--http", str(port), "--dialect", "newer", *options),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("fake GX ready: c0619ab00001, ")
        asyncio.run(meet(mosquitto.port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/services") as answer:
            assert any("battery" in name for name in json.load(answer)["services"])
    finally:
        process.terminate()
        assert process.wait(20) == 0
        if process.stdout is not None:
            process.stdout.close()

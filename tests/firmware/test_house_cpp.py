"""The firmware of a house: unit tests, and what its configuration accepts and refuses."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from .esphome_runner import needs_esphome, run_esphome
from .suites import build_suite, needs_gtest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMPONENT = ROOT / "esphome" / "components" / "microgrid_house"

HOST = """\
esphome: {name: house-1}
host:
microgrid_log: {medium: folder}
microgrid_can: {driver: udp}
"""
ESP32 = """\
esphome: {name: house-1}
esp32: {variant: esp32, framework: {type: esp-idf}}
microgrid_log: {medium: sd, clk_pin: GPIO18, miso_pin: GPIO19, mosi_pin: GPIO23, cs_pin: GPIO22}
microgrid_can: {driver: twai, tx_pin: GPIO5, rx_pin: GPIO4}
"""
COMMON = """\
logger:
external_components:
  - source: {{type: local, path: {components}}}
microgrid_core: {{node: house-1, number: 1, cluster: north, swarm: test}}
sensor:
  - {{platform: template, id: a, name: a}}
  - {{platform: template, id: b, name: b}}
binary_sensor:
  - {{platform: template, id: contact, name: contact}}
microgrid_house:
"""


build = partial(build_suite, "house")


@needs_gtest
def test_unit_tests_pass() -> None:
    """With -s, prints how exact the measurements are."""
    done = subprocess.run([build("house_tests") / "house_tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    tables = ("zero crossing", "ac meter")
    print(*(line for line in done.stdout.splitlines() if line.startswith(tables)), sep="\n")


@needs_gtest
@pytest.mark.slow
def test_unit_tests_pass_under_sanitizers() -> None:
    program = build("--sanitize", "house_tests") / "house_tests"
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_the_schema_knows_the_table_of_protections() -> None:
    """Both tables say the same, so that a limit given alone gets the right release and delay."""
    number = r"(-?[\d.]+)F?"
    rows = re.findall(
        rf"FaultCode::F(\d+), Watch::(\w+), [\w:]+, \d+, \w+, (true|false), {number}, {number}, (\d+)",
        " ".join((COMPONENT / "protections.h").read_text().replace("'", "").split()),
    )
    in_code = {
        (int(code), watch == "BELOW"): (trips == "true", float(limit), float(release), int(delay))
        for code, watch, trips, limit, release, delay in rows
    }
    entries = re.findall(
        rf"Protection\((\d+), (True|False), \"[^\"]+\", (True|False), {number}, {number}, ([\d_]+), ",
        (COMPONENT / "__init__.py").read_text(),
    )
    in_schema = {
        (int(code), lower == "True"): (trips == "True", float(limit), float(release), int(delay))
        for code, lower, trips, limit, release, delay in entries
    }
    assert len(in_code) == 15
    assert in_schema == in_code


def test_the_schema_knows_only_metrics_that_there_are() -> None:
    table = (COMPONENT.parent / "microgrid_core" / "metric_tables.h").read_text()
    houses = set(re.findall(r'\{"(\w+)", ', table.partition("GATEWAY_METRICS")[0]))
    schema = (COMPONENT / "__init__.py").read_text()
    named = re.search(r"SENSOR_METRICS = \((.*?)\n\)", schema, re.DOTALL)
    assert named is not None
    metrics = set(re.findall(r'^    "(\w+)",$', named.group(1), re.MULTILINE))
    assert len(metrics) > 20
    assert metrics <= houses


def configure(tmp_path: Path, platform: str, house: str) -> tuple[int, str]:
    """Let ESPHome validate a house with these settings."""
    file = tmp_path / "house.yaml"
    settings = "".join(f"  {line}\n" for line in house.splitlines())
    file.write_text(platform + COMMON.format(components=COMPONENT.parent) + settings)
    return run_esphome("config", file, data=tmp_path / "data")


@needs_esphome
@pytest.mark.parametrize(
    ("platform", "house"),
    [
        (HOST, "rated_current: 20 A"),
        (
            HOST,
            "bms:\n  cell_voltages: [a, b]\n  current: {sensor: a, timeout: 5min}\n  balancing: contact\n"
            "load: exchange\nexchange: b\ninverter_on: contact\n"
            "battery: {capacity: 280 Ah, energy: 15000 Wh}",
        ),
        (
            HOST,
            "protections:\n  F005: {limit: 57 V}\n  F012_low: {enabled: false}\n"
            "  F015: {trip: true, delay: 10s}",
        ),
        (
            ESP32,
            "measure:\n  frequency: {pin: GPIO27}\n  ac_voltage: {pin: GPIO34, per_volt: 311 V}\n"
            "  ac_current: {pin: GPIO35, per_volt: -30 A, lag: 20us}\n"
            "  battery_current: {pin: GPIO33, per_volt: 100, zero: 1.65 V}\n"
            "sensors: {state_of_charge: a}\ntrip_pin: GPIO25\nidentify_pin: GPIO26\nrestart_after: 5min",
        ),
    ],
)
def test_accepts(tmp_path: Path, platform: str, house: str) -> None:
    code, said = configure(tmp_path, platform, house)
    assert code == 0, said[-4000:]


@needs_esphome
def test_limits_and_releases_follow_from_what_is_given(tmp_path: Path) -> None:
    """The rated current gives F001 also beside its other options; no fault is left that cannot end."""
    given = """\
rated_current: 20 A
protections:
  F001: {delay: 50ms, trip: false}
  F004: {limit: 85}
  F006: {limit: 40}
  F013: {limit: 25 A}
  F014: {limit: 15 A}
  F015: {limit: 0.02 V}
  F021: {limit: 4 A}"""
    code, said = configure(tmp_path, HOST, given)
    assert code == 0, said[-4000:]
    found = {
        name: tuple(float(value) for value in re.findall(r"(?:limit|release): ([-\d.]+)", row))
        for name, row in re.findall(r"^ {4}(F\w+):\n((?: {6}.*\n)+)", said, re.MULTILINE)
    }
    assert found == {
        "F001": pytest.approx((30.0, 30.0 * 35.0 / 39.15)),
        "F004": pytest.approx((85.0, 70.0)),
        "F006": pytest.approx((40.0, 41.6)),
        "F013": pytest.approx((25.0, 25.0 * 150 / 180)),
        "F014": pytest.approx((15.0, 15.0 * 200 / 220)),
        "F015": pytest.approx((0.02, 0.016)),
        "F021": pytest.approx((4.0, 4.0 * 40 / 45)),
    }


@needs_esphome
def test_a_limit_of_its_own_counts_more_than_the_rated_current(tmp_path: Path) -> None:
    code, said = configure(tmp_path, HOST, "rated_current: 20 A\nprotections:\n  F001: {limit: 24 A}")
    assert code == 0, said[-4000:]
    assert "limit: 24.0" in said


REFUSED = [
    (HOST, "measure:\n  frequency: {pin: GPIO27}", "only available on"),
    (HOST, "protections:\n  F005: {limit: 999 V}", "F005: limit is 999 V, but must be between 10 and 160 V"),
    (HOST, "protections:\n  F005: {limit: 57, release: 58}", "release 58 V is above its limit of 57 V"),
    (HOST, "protections:\n  F006: {limit: 45, release: 44}", "release 44 V is below its limit of 45 V"),
    (
        HOST,
        "rated_current: 10 A\nprotections:\n  F001: {release: 30 A}",
        "F001: release 30 A is above its limit of 15 A",
    ),
    *(
        (
            HOST,
            f"protections:\n  {name}: {{release: {release}}}",
            f"{name}: release {release:g} {unit} is not above 0 {unit}",
        )
        for name, release, unit in (
            ("F001", 0, "A"),
            ("F013", -5, "A"),
            ("F014", -5, "A"),
            ("F015", 0, "V"),
            ("F021", -1, "A"),
        )
    ),
    (HOST, "protections:\n  F030: {enabled: true}", "F030"),
    (
        HOST,
        "sensors: {cell_voltage_17: a}",
        "[cell_voltage_17] is an invalid option for [sensors]. Did you mean",
    ),
    (HOST, f"bms:\n  cell_voltages: [{', '.join(['a'] * 17)}]", "17 cell voltages, but a house has 1 to 16"),
    (
        HOST,
        "bms: {current: a}\nsensors: {battery_current: b}",
        "battery_current comes from bms and from sensors",
    ),
    (HOST, "load: exchange", "belong together"),
    (HOST, "load: meter", "no sensor gives load_power"),
    (HOST, "sensors: {load_power: a}", "must be 'meter'"),
    (ESP32, "measure:\n  ac_voltage: {pin: GPIO25, per_volt: 311}", "GPIO25 belongs to ADC2"),
    (ESP32, "measure:\n  ac_voltage: {pin: GPIO21, per_volt: 311}", "GPIO21 is no input of the ADC"),
    (ESP32, "measure:\n  ac_voltage: {pin: GPIO34, per_volt: 0}", "0 would make every measurement 0"),
    (ESP32, "measure:\n  ac_current: {pin: GPIO34, per_volt: 30}", "ac_current needs ac_voltage"),
    (
        ESP32,
        "measure:\n  ac_voltage: {pin: GPIO34, per_volt: 311}\n  dc_bus_voltage: {pin: GPIO34, per_volt: 21}",
        "GPIO34 is the pin of ac_voltage already",
    ),
]


@needs_esphome
@pytest.mark.parametrize(("platform", "house", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED])
def test_refuses(tmp_path: Path, platform: str, house: str, reason: str) -> None:
    """And says what is wrong, with the value and the remedy."""
    code, said = configure(tmp_path, platform, house)
    assert code != 0
    # Long messages are wrapped.
    assert reason in " ".join(said.split()), said[-4000:]

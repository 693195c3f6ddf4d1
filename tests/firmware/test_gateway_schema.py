"""What an installer may write about a gateway, and what he is told when he may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from .esphome_runner import COMPONENTS, needs_esphome, run_esphome

_HOST = "host:\n"
_ESP32 = "esp32:\n  variant: esp32\n  framework:\n    type: esp-idf\n"
_PARTS = {
    _HOST: "microgrid_can:\n  driver: udp\nmicrogrid_log:\n  medium: folder\nmicrogrid_uplink:\n",
    _ESP32: (
        "microgrid_can:\n  driver: twai\n  tx_pin: 21\n  rx_pin: 22\n"
        "microgrid_log:\n  medium: sd\n  clk_pin: 18\n  miso_pin: 19\n  mosi_pin: 23\n  cs_pin: 5\n"
        "wifi:\n  ssid: a\n  password: abcdefgh\n"
        "mqtt:\n  broker: 192.0.2.1\n  reboot_timeout: 0s\nmicrogrid_uplink:\n"
    ),
}
_MEASURE = """
  measure:
    cluster_crossings: {pin: 25}
    swarm_crossings: {pin: 26}
    cluster_voltage: {pin: 32, per_volt: 354.5 V}
    swarm_voltage: {pin: 33, per_volt: 354.5 V}
    flow_current: {pin: 34, per_volt: -30 A, lag: 50us}
"""

pytestmark = needs_esphome


def config(folder: Path, gateway: str, target: str = _HOST) -> tuple[int, str]:
    """Let ESPHome judge a gateway: exit code and what it says."""
    path = folder / "gateway.yaml"
    path.write_text(
        f"esphome:\n  name: gateway-1\n{target}logger:\n"
        f"external_components:\n  - source: {COMPONENTS}\n"
        "microgrid_core:\n  node: gateway-1\n  number: 0\n  cluster: north\n  swarm: village\n"
        f"{_PARTS[target]}"
        "output:\n  - platform: gpio\n    id: relay\n    pin: 4\n"
        f"microgrid_gateway:\n{gateway}"
    )
    return run_esphome("config", path, data=folder / "data")


@pytest.mark.parametrize(
    ("gateway", "target"),
    [
        ("", _HOST),
        ("  max_houses: 4\n  houses:\n    - {number: 4}\n", _HOST),
        ("  houses:\n    - {number: 1, node: house-01, name: Müller}\n    - {number: 2}\n", _HOST),
        (
            "  synchronism: {frequency_difference: 0.3 Hz, voltage_difference: 10 %, phase_difference: 20}\n",
            _HOST,
        ),
        ("  contactor: {output: relay, closing_delay: 40ms, closing_spread: 20ms}\n", _ESP32),
        (f"  contactor: {{pin: 13, auxiliary_pin: 35}}\n{_MEASURE}", _ESP32),
    ],
)
def test_what_is_possible(tmp_path: Path, gateway: str, target: str) -> None:
    code, said = config(tmp_path, gateway, target)
    assert code == 0, said


@pytest.mark.parametrize(
    ("gateway", "target", "complaint"),
    [
        (
            "  houses:\n    - {number: 1}\n    - {number: 1}\n",
            _HOST,
            "number 1 belongs to house 1 of this list already",
        ),
        (
            "  houses:\n    - {number: 1, node: a}\n    - {number: 2, node: a}\n",
            _HOST,
            "node a belongs to house 1 of this list already",
        ),
        ("  houses:\n    - {number: 16}\n", _HOST, "at most 15"),
        (
            "  synchronism: {frequency_difference: 0.5 Hz}\n",
            _HOST,
            "frequency_difference is 0.5 Hz, but must be between 0.01 and 0.3 Hz: IEEE 1547-2018",
        ),
        ("  synchronism: {phase_difference: 30}\n", _HOST, "phase_difference is 30 °"),
        ("  synchronism: {voltage_difference: 12 %}\n", _HOST, "voltage_difference is 12 %"),
        (
            "  synchronism: {frequency_difference: 0.3, phase_difference: 1}\n",
            _HOST,
            "turns further within closing_spread than phase_difference allows",
        ),
        ("  limits: {under_frequency: 49.9}\n", _HOST, "under_frequency is 49.9 Hz"),
        ("  limits: {over_voltage: 150 %}\n", _HOST, "over_voltage is 150 %"),
        (
            "  contactor: {closing_delay: 10ms, closing_spread: 20ms}\n",
            _HOST,
            "no contactor closes before it is told",
        ),
        (
            "  contactor: {closing_delay: 200ms, confirmation: 100ms}\n",
            _HOST,
            "each closing is given up",
        ),
        (
            "  contactor: {output: relay}\n",
            _HOST,
            "output is driven in the main loop, up to 20 ms late",
        ),
        (
            _MEASURE.replace("pin: 33", "pin: 32"),
            _ESP32,
            "GPIO32 is the pin of cluster_voltage already",
        ),
        (_MEASURE.replace("pin: 33", "pin: 27"), _ESP32, "GPIO27 belongs to ADC2"),
        (_MEASURE.replace("pin: 33", "pin: 21"), _ESP32, "GPIO21 is no input of the ADC"),
        (
            "  max_houses: 3\n  houses:\n    - {number: 4}\n",
            _HOST,
            "number is 4, but max_houses is 3: the gateway has memory for houses 1 to 3",
        ),
        (_MEASURE.replace("-30 A", "0 A"), _ESP32, "0 would make every measurement 0"),
    ],
)
def test_what_is_refused_and_why(tmp_path: Path, gateway: str, target: str, complaint: str) -> None:
    code, said = config(tmp_path, gateway, target)
    assert code != 0
    assert complaint in " ".join(said.split())

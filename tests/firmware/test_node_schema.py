"""What an installer may write about a node, its bus and its time, and what he is told when he may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.esphome_runner import COMPONENTS, needs_esphome, run_esphome

HOST = "host:\nmicrogrid_log:\n  medium: folder\n"
ESP32 = (
    "esp32:\n  variant: esp32\n  framework:\n    type: esp-idf\n"
    "microgrid_log:\n  medium: sd\n  clk_pin: 18\n  miso_pin: 19\n  mosi_pin: 23\n  cs_pin: 5\n"
)
NODE = "microgrid_core:\n  node: house-01\n  number: 1\n  cluster: north\n  swarm: village\n"
UDP = "microgrid_can:\n  driver: udp\n"
TWAI = "microgrid_can:\n  driver: twai\n  tx_pin: 21\n  rx_pin: 22\n"
MCP2515 = (
    "microgrid_can:\n  driver: mcp2515\n  clk_pin: 14\n  miso_pin: 25\n  mosi_pin: 13\n  cs_pin: 26\n"
    "  interrupt_pin: 27\n  crystal: 8MHz\n"
)

pytestmark = needs_esphome


def judge(folder: Path, *parts: str) -> tuple[int, str]:
    """Let ESPHome judge a configuration: exit code and what it says."""
    path = folder / "node.yaml"
    head = f"esphome:\n  name: node\nlogger:\nexternal_components:\n  - source: {COMPONENTS}\n"
    path.write_text(head + "".join(parts))
    return run_esphome("config", path, data=folder / "data")


@pytest.mark.parametrize(
    "parts",
    [
        (HOST, NODE, UDP),
        (HOST, NODE, "microgrid_can:\n  driver: none\n"),
        (HOST, NODE, UDP, "microgrid_time:\n  server: 127.0.0.1\nmicrogrid_sim:\n"),
        (ESP32, NODE, TWAI),
        (ESP32, NODE, MCP2515),
        (ESP32, NODE, TWAI + "  bit_rate: 125KBPS\n"),
        (ESP32, NODE, TWAI, "i2c:\n  sda: 32\n  scl: 33\nmicrogrid_rtc:\n  edge_pin: 4\n"),
    ],
)
def test_what_can_be_is_accepted(tmp_path: Path, parts: tuple[str, ...]) -> None:
    code, said = judge(tmp_path, *parts)
    assert code == 0, said


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((HOST, NODE.replace("house-01", "House 1"), UDP), "it becomes part of MQTT topics"),
        ((HOST, NODE.replace("number: 1", "number: 0"), UDP), "give each house of a cluster its own"),
        ((HOST, NODE.replace("number: 1", "number: 16"), UDP), "value must be at most 15"),
        ((HOST, NODE + f"  name: {'x' * 65}\n", UDP), "has 65 characters, allowed are 1 to 64"),
        (
            (HOST, NODE, UDP, "microgrid_uplink:\nmicrogrid_gateway:\n"),
            "number is 1, but a gateway has number 0",
        ),
        ((HOST, NODE, UDP, "microgrid_uplink:\nmicrogrid_gateway:\nmicrogrid_house:\n"), "not both"),
        ((HOST, NODE, UDP + "  group: 10.0.0.1\n"), "is no multicast group"),
        ((HOST, NODE, TWAI), "only available on"),
        ((ESP32, NODE, UDP), "only available on"),
        ((ESP32, NODE, TWAI + "  bit_rate: 50KBPS\n"), "Unknown value '50KBPS'"),
        ((ESP32, NODE, TWAI, "microgrid_sim:\n"), "requires component host"),
    ],
)
def test_what_cannot_be_is_explained(tmp_path: Path, parts: tuple[str, ...], told: str) -> None:
    code, said = judge(tmp_path, *parts)
    assert code != 0 and told in said, said

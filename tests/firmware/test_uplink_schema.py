"""What an installer may write about the uplink, and what he is told when he may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.esphome_runner import COMPONENTS, needs_esphome, run_esphome

_HOST = "host:\nmicrogrid_can:\n  driver: none\nmicrogrid_log:\n  medium: folder\n"
_ESP32 = (
    "esp32:\n  variant: esp32\n  framework:\n    type: esp-idf\n"
    "microgrid_can:\n  driver: twai\n  tx_pin: 21\n  rx_pin: 22\n"
    "microgrid_log:\n  medium: sd\n  clk_pin: 18\n  miso_pin: 19\n  mosi_pin: 23\n  cs_pin: 5\n"
    "wifi:\n  ssid: a\n  password: abcdefgh\n"
)
_MQTT = "mqtt:\n  broker: 192.0.2.1\n  reboot_timeout: 0s\n"

pytestmark = needs_esphome


def config(folder: Path, target: str, uplink: str, number: int = 1, more: str = "") -> tuple[int, str]:
    """Let ESPHome judge a node."""
    path = folder / "node.yaml"
    path.write_text(
        f"esphome:\n  name: node-1\n{target}logger:\n"
        f"external_components:\n  - source: {COMPONENTS}\n"
        f"microgrid_core:\n  node: node-1\n  number: {number}\n  cluster: north\n  swarm: village\n"
        f"{more}microgrid_uplink:\n{uplink}"
    )
    return run_esphome("config", path, data=folder / "data")


@pytest.mark.parametrize(
    ("target", "uplink"),
    [
        (_HOST, ""),
        (_HOST, "  parent: gateway-1\n  broker: 192.0.2.1\n  port: 8883\n  username: me\n  password: pw\n"),
        (_ESP32 + _MQTT, "  parent: gateway-1\n"),
    ],
)
def test_what_is_possible(tmp_path: Path, target: str, uplink: str) -> None:
    code, said = config(tmp_path, target, uplink)
    assert code == 0, said


@pytest.mark.parametrize(
    ("target", "uplink", "number", "more", "complaint"),
    [
        (_ESP32, "", 1, "", "add a block `mqtt:` with broker"),
        (_ESP32 + "mqtt:\n  broker: 192.0.2.1\n", "", 1, "", "set `reboot_timeout: 0s`"),
        (_ESP32 + _MQTT, "  broker: 192.0.2.1\n", 1, "", "broker belongs into the block `mqtt:`"),
        (_HOST, "  parent: Gateway 1\n", 1, "", "'Gateway 1' must be 1 to 32 of the characters"),
        (_HOST, "  parent: gateway-1\n", 0, "microgrid_gateway:\n", "nothing is above a gateway"),
    ],
)
def test_what_is_not(
    tmp_path: Path, target: str, uplink: str, number: int, more: str, complaint: str
) -> None:
    code, said = config(tmp_path, target, uplink, number, more)
    assert code != 0
    assert complaint in " ".join(said.split())

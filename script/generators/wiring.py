"""Writes the table of pins in docs/installer.md from the boards in esphome/boards; no pin may serve twice."""

from __future__ import annotations

import re
import sys
from typing import Any

import yaml

from .kept import ROOT, keep, run_generator

BOARDS = ROOT / "esphome" / "boards"
TARGET = ROOT / "docs" / "installer.md"

COLUMNS = (
    ("ESP32 DevKit", "esp32-devkit.yaml"),
    ("ESP32-S3 DevKit", "esp32-s3-devkit.yaml"),
    ("ESP32 DevKit with MCP2515", "esp32-devkit-mcp2515.yaml"),
)
BOTH, HOUSE, GATEWAY = ("house", "gateway"), ("house",), ("gateway",)
SIGNALS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("card: clock", "card_clk_pin", BOTH),
    ("card: MISO", "card_miso_pin", BOTH),
    ("card: MOSI", "card_mosi_pin", BOTH),
    ("card: select", "card_cs_pin", BOTH),
    ("CAN transceiver: transmit (D)", "can_tx_pin", BOTH),
    ("CAN transceiver: receive (R)", "can_rx_pin", BOTH),
    ("MCP2515: clock", "can_clk_pin", BOTH),
    ("MCP2515: MISO", "can_miso_pin", BOTH),
    ("MCP2515: MOSI", "can_mosi_pin", BOTH),
    ("MCP2515: select", "can_cs_pin", BOTH),
    ("MCP2515: INT", "can_interrupt_pin", BOTH),
    ("DS3231: data", "sda_pin", BOTH),
    ("DS3231: clock", "scl_pin", BOTH),
    ("DS3231: SQW", "rtc_edge_pin", BOTH),
    ("house: zero crossing", "frequency_pin", HOUSE),
    ("house: AC voltage", "ac_voltage_pin", HOUSE),
    ("house: AC current", "ac_current_pin", HOUSE),
    ("house: DC voltage", "dc_voltage_pin", HOUSE),
    ("house: battery current", "battery_current_pin", HOUSE),
    ("house: DS18B20", "one_wire_pin", HOUSE),
    ("house: trip", "switch_pin", HOUSE),
    ("house: BMS, to its TX", "bms_rx_pin", HOUSE),
    ("house: BMS, to its RX", "bms_tx_pin", HOUSE),
    ("gateway: zero crossing of the cluster", "frequency_pin", GATEWAY),
    ("gateway: zero crossing of the swarm", "second_frequency_pin", GATEWAY),
    ("gateway: voltage of the cluster", "ac_voltage_pin", GATEWAY),
    ("gateway: voltage of the swarm", "second_ac_voltage_pin", GATEWAY),
    ("gateway: current", "flow_current_pin", GATEWAY),
    ("gateway: contactor", "switch_pin", GATEWAY),
    ("gateway: auxiliary contact", "feedback_pin", GATEWAY),
)
TRANSCEIVER = ("can_tx_pin", "can_rx_pin")
_BLOCK = re.compile(r"(<!-- pins -->\n).*?(<!-- end -->)", re.DOTALL)


class _Loader(yaml.SafeLoader):
    """YAML with !include."""


def _include(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    return _load(str(loader.construct_scalar(node)))


_Loader.add_constructor("!include", _include)


def _load(name: str) -> dict[str, Any]:
    with (BOARDS / name).open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, _Loader)
    return loaded


def pins(name: str) -> dict[str, str]:
    """Return the pins of a board by what they are for; what is not connected there is left out."""
    board = _load(name)
    found: dict[str, str] = {}
    for package in board.get("packages", {}).values():
        found |= package.get("substitutions", {})
    own = board.get("substitutions", {})
    if any(key.startswith("can_") for key in own):  # another controller takes the place of the built-in one
        found = {key: pin for key, pin in found.items() if key not in TRANSCEIVER}
    found |= own
    pin = re.compile(r"GPIO\d+")
    return {key: value for key, value in found.items() if pin.fullmatch(str(value))}


def conflicts(name: str) -> list[str]:
    """Return pins that two signals of a house, or of a gateway, share."""
    board = pins(name)
    problems = []
    for role in BOTH:
        taken: dict[str, str] = {}
        for label, key, roles in SIGNALS:
            if role not in roles or key not in board:
                continue
            if board[key] in taken:
                problems.append(f"{name}: {board[key]} is {taken[board[key]]} and {label}")
            taken[board[key]] = label
    return problems


def render() -> str:
    """Return the table."""
    boards = [pins(file) for _, file in COLUMNS]
    lines = [
        "| signal | " + " | ".join(name for name, _ in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for label, key, _ in SIGNALS:
        cells = [board.get(key, "–").removeprefix("GPIO") for board in boards]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def main(check: bool) -> int:
    """Write the table, or with `check` only compare; return the exit status."""
    if problems := [problem for _, file in COLUMNS for problem in conflicts(file)]:
        print(*problems, sep="\n", file=sys.stderr)
        return 1
    table = render()
    page = _BLOCK.sub(lambda match: match[1] + table + match[2], TARGET.read_text(encoding="utf-8"))
    return keep({TARGET: page}, "esphome/boards", "wiring", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))

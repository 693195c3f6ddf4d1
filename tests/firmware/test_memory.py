"""What firmware takes of a node's memory stays within what an ESP32 has, and is what the README says."""

from __future__ import annotations

import platform
import shutil

import pytest

from .memory import estimate

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or platform.machine() != "x86_64",
    reason="sizes of the ESP32 come from g++ -m32 of an x86-64 PC",
)

HOUSE_BUDGET = 110_000
"""Without Wi-Fi traffic ESP-IDF and ESPHome leave about 150 kB of an ESP32 without PSRAM."""
GATEWAY_BUDGET = 157_000
"""With Wi-Fi and MQTT they leave 120 to 150 kB, TLS 45 kB less: a gateway wants a board with PSRAM."""
FALLBACK_BUDGET = 38_000
SHARE_FOR_OTHERS = 0.3
"""Of a stack: frames of ESP-IDF and the C library, and windows of registers, are not in the estimate."""


@pytest.fixture(scope="module")
def esp32() -> dict[str, dict[str, int]]:
    return estimate.sizes(esp32=True)


def test_nodes_fit(esp32: dict[str, dict[str, int]]) -> None:
    house, gateway = sum(esp32["house"].values()), sum(esp32["gateway"].values())
    assert house <= HOUSE_BUDGET
    assert gateway <= GATEWAY_BUDGET
    assert sum(esp32["house with fallback"].values()) - house <= FALLBACK_BUDGET


@pytest.mark.slow
def test_stacks_suffice(esp32: dict[str, dict[str, int]]) -> None:
    graph = estimate.call_graph()
    given = estimate.given_stacks(esp32)
    for name, task in (("bus", estimate.BUS_TASK), ("log", estimate.LOG_TASK)):
        needed = graph.depth(task)
        assert needed > 1000, f"the call graph of the {name} task is torn"
        assert needed <= given[name] * (1 - SHARE_FOR_OTHERS), name
    readme = (estimate.ROOT / "esphome" / "README.md").read_text()
    assert estimate.stack_table(graph, given) in readme, "python tests/firmware/memory/estimate.py prints it"


def test_readme_says_what_is_taken(esp32: dict[str, dict[str, int]]) -> None:
    readme = (estimate.ROOT / "esphome" / "README.md").read_text()
    table = estimate.memory_table(esp32, estimate.sizes(esp32=False))
    assert table in readme, f"the table is now (tests/firmware/memory/estimate.py prints it):\n{table}"

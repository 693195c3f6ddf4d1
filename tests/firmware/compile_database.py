"""Writes build/compile_commands.json, so that clang-tidy knows how each C++ file is compiled.

Logic and tests are compiled as for the PC; what is all inside `#ifdef USE_ESP32`, and the classes of ESPHome,
as check_esp32.sh does. The tests of the latter stand in esp32/, with what stands in for ESP-IDF and ESPHome.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMPONENTS = ROOT / "esphome" / "components"
BENCH = ROOT / "tests" / "bench"
LOGIC = ["-std=c++20", f"-I{ROOT}", "-fno-exceptions", "-fno-rtti"]
TESTS = ["-std=c++20", f"-I{ROOT}"]
ESP32_TESTS = [*TESTS, "-DUSE_ESP32", f"-I{HERE / 'esp32'}", f"-I{HERE / 'stubs'}"]


def _esp32_flags(source: Path) -> list[str]:
    command: list[str | Path] = [HERE / "check_esp32.sh", "--flags", source]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def _flags(source: Path, component: list[str], esp32: list[str]) -> list[str]:
    if not source.is_relative_to(COMPONENTS):
        return ESP32_TESTS if source.parent == HERE / "esp32" else TESTS
    if source.stem.endswith("_component"):
        return component
    return esp32 if source.read_text().startswith("#ifdef USE_ESP32") else LOGIC


def main() -> None:
    """One entry for each file."""
    sources = sorted([*COMPONENTS.glob("microgrid_*/*.cpp"), *HERE.glob("*/*.cpp"), *BENCH.glob("*.cpp")])
    component, esp32 = (_esp32_flags(HERE / name) for name in ("any_component.cpp", "any.cpp"))
    entries = [
        {
            "directory": str(ROOT),
            "file": str(source),
            "arguments": ["c++", *_flags(source, component, esp32), "-c", str(source)],
        }
        for source in sources
    ]
    database = ROOT / "build" / "compile_commands.json"
    database.parent.mkdir(exist_ok=True)
    database.write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()

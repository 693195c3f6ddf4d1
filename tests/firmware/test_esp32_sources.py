"""What goes to the ESP32 compiles against the declarations of ESP-IDF and the sources of ESPHome."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = sorted((ROOT / "esphome" / "components").glob("microgrid_*/*.cpp"))


def check(source: Path) -> subprocess.CompletedProcess[str]:
    """Check one source."""
    return subprocess.run([HERE / "check_esp32.sh", source], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.parent.name}/{source.stem}")
def test_source_compiles_for_the_esp32(source: Path) -> None:
    done = check(source)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize(
    ("name", "code", "complaint"),
    [
        ("call", "#include <esp_twai.h>\nvoid f() { twai_node_transmit(nullptr); }\n", "too few arguments"),
        ("warning", "int f(unsigned a, int b) { return a < b; }\n", "sign-compare"),
        (
            "format_component",
            '#include "esphome/core/log.h"\nvoid f(long a) { ESP_LOGV("tag", "%d", a); }\n',
            "-Werror=format",
        ),
    ],
)
def test_mistakes_are_found(tmp_path: Path, name: str, code: str, complaint: str) -> None:
    """The check is worth something: it refuses wrong calls, warnings and formats."""
    source = tmp_path / f"{name}.cpp"
    source.write_text(code)
    done = check(source)
    assert done.returncode == 1
    assert complaint in done.stderr

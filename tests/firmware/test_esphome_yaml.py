"""What installers edit: ESPHome takes it with every board, bus and battery, and makes sources of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .esphome_runner import COMPONENTS, ROOT, needs_esphome, run_esphome

ESPHOME_FILES = ROOT / "esphome"
EXAMPLES = sorted(
    path for path in (ESPHOME_FILES / "examples").glob("*.yaml") if not path.name.startswith("secrets")
)
STAND_IN = Path(__file__).parent / "stand_in"
BOARDS = {"esp32-devkit": "can-twai", "esp32-s3-devkit": "can-twai", "esp32-devkit-mcp2515": "can-mcp2515"}
BATTERIES = ("daly", "jk", "pylontech", "none")
MOST_LINES = 40

pytestmark = needs_esphome


def edited(
    name: str, folder: Path, *, board: str = "esp32-devkit", bms: str = "daly", more: str = ""
) -> Path:
    """Return an example as an installer has edited it, with the secrets that it asks for."""
    text = (ESPHOME_FILES / "examples" / name).read_text()
    text, boards = re.subn(r"\.\./boards/[\w-]+\.yaml", f"../boards/{board}.yaml", text)
    assert boards == 1
    text = text.replace("../packages/can-twai.yaml", f"../packages/{BOARDS[board]}.yaml")
    text = text.replace("../packages/bms/daly.yaml", f"../packages/bms/{bms}.yaml")
    text = text.replace("../components #", f"{COMPONENTS}\n  jk_bms: {STAND_IN} #")
    text = text.replace("!include ../", f"!include {ESPHOME_FILES}/")
    file = folder / name
    file.write_text(text + more)
    shutil.copy(ESPHOME_FILES / "examples" / "secrets.yaml.example", folder / "secrets.yaml")
    return file


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_the_board_of_the_gateway_has_the_memory_that_a_gateway_needs() -> None:
    """By the table of esphome/README.md it does not fit beside Wi-Fi and MQTT without PSRAM."""
    example = (ESPHOME_FILES / "examples" / "gateway.yaml").read_text()
    (board,) = re.findall(r"\.\./boards/([\w-]+\.yaml)", example)
    assert "\npsram:\n" in (ESPHOME_FILES / "boards" / board).read_text()


def test_three_edits_make_a_house(tmp_path: Path) -> None:
    """The first comment of the example says what to edit; nothing else must be touched."""
    file = edited("house.yaml", tmp_path, bms="none")
    text = file.read_text().replace("house-01", "house-07").replace('number: "1"', 'number: "7"')
    file.write_text(text.replace("House 1", "House 7"))
    code, said = run_esphome("compile", "--only-generate", file, data=tmp_path / "data")
    assert code == 0, said
    main = (tmp_path / "data" / "build" / "house-07" / "src" / "main.cpp").read_text()
    assert '"house-07"' in main and '"House 7"' in main
    assert re.search(r"NodeComponent\(.*\b7\b", main)


def test_the_inverter_may_run_while_the_trip_pin_is_high(tmp_path: Path) -> None:
    """A wire that breaks, or a node without power, leaves the enable input low: the inverter stops."""
    file = edited("house.yaml", tmp_path, bms="none")
    code, said = run_esphome("compile", "--only-generate", file, data=tmp_path / "data")
    assert code == 0, said
    main = (tmp_path / "data" / "build" / "house-01" / "src" / "main.cpp").read_text()
    pin = re.search(r"->set_trip_pin\((\w+)\)", main)
    assert pin is not None
    assert f"{pin[1]}->set_pin(::GPIO_NUM_13)" in main
    assert f"{pin[1]}->set_inverted(true)" in main


@pytest.mark.parametrize("bms", BATTERIES)
@pytest.mark.parametrize("board", BOARDS)
def test_every_house_is_valid(tmp_path: Path, board: str, bms: str) -> None:
    code, said = run_esphome(
        "config", edited("house.yaml", tmp_path, board=board, bms=bms), data=tmp_path / "data"
    )
    assert code == 0, said


@pytest.mark.parametrize("board", BOARDS)
def test_every_gateway_is_valid(tmp_path: Path, board: str) -> None:
    code, said = run_esphome("config", edited("gateway.yaml", tmp_path, board=board), data=tmp_path / "data")
    assert code == 0, said


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", ["house.yaml", "gateway.yaml"])
def test_sources_are_generated(tmp_path: Path, name: str, board: str) -> None:
    """Of the packages with every driver and sensor that is compiled in, for each chip."""
    file = edited(name, tmp_path, board=board, bms="pylontech")
    code, said = run_esphome("compile", "--only-generate", file, data=tmp_path / "data")
    assert code == 0, said


def test_a_house_can_speak_for_itself(tmp_path: Path) -> None:
    """A single house with Wi-Fi needs no gateway."""
    more = f"  uplink: !include {ESPHOME_FILES}/packages/uplink.yaml\n"
    file = edited("house.yaml", tmp_path)
    text = file.read_text().replace("packages:\n", "packages:\n" + more)
    broker = '  mqtt_broker: "192.0.2.1"\n  mqtt_username: house\n  mqtt_password: secret\n'
    file.write_text(text.replace("substitutions:\n", "substitutions:\n" + broker))
    code, said = run_esphome("config", file, data=tmp_path / "data")
    assert code == 0, said


@pytest.mark.parametrize("package", ["improv", "rtc"])
def test_optional_packages_are_valid(tmp_path: Path, package: str) -> None:
    file = edited("house.yaml", tmp_path)
    more = f"packages:\n  {package}: !include {ESPHOME_FILES}/packages/{package}.yaml\n"
    file.write_text(file.read_text().replace("packages:\n", more))
    code, said = run_esphome("config", file, data=tmp_path / "data")
    assert code == 0, said


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (('number: "1"', 'number: "16"'), "16"),
        (('number: "1"', 'number: "0"'), "gateway"),
        (("node: house-01", "node: House 1"), "invalid character"),
        (("cluster: north", "cluster: ''"), "1 to 32"),
        (("bms/daly", "bms/dally"), "dally"),
    ],
)
def test_a_wrong_edit_is_told_in_words(tmp_path: Path, edit: tuple[str, str], told: str) -> None:
    file = edited("house.yaml", tmp_path)
    assert edit[0] in file.read_text()
    file.write_text(file.read_text().replace(*edit))
    code, said = run_esphome("config", file, data=tmp_path / "data")
    assert code != 0
    assert told in said


def test_overrides_of_the_installer_page_are_valid(tmp_path: Path) -> None:
    """The YAML that docs/installer.md shows can be appended to an example."""
    page = (ROOT / "docs" / "installer.md").read_text()
    blocks = re.findall(r"^```yaml esphome\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        code, said = run_esphome("config", edited("house.yaml", tmp_path, more=block), data=tmp_path / "data")
        assert code == 0, said

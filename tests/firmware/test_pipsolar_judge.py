"""ESPHome's own pipsolar, run as a program of this PC, reads the pretended inverter as the daemon does."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from microgrid_daemon.pi30.decode import Reply
from microgrid_daemon.pi30.forms import Values
from microgrid_daemon.transport.link import Link
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.stage import link_to, serial_place
from tests.firmware.esphome_runner import ROOT, needs_esphome, run_esphome

BUILD = ROOT / "build" / "esphome-pipsolar"
NAME = "microgrid-pipsolar"
_STATE = re.compile(r"'(\w+)' >> ([^\s\x1b]+)")

# What ESPHome calls our fields; a name alone is the same for both.
_NUMBERS = {
    "QPIGS": """
        grid_voltage grid_frequency ac_output_voltage ac_output_frequency ac_output_apparent_power
        ac_output_active_power output_load_percent bus_voltage battery_voltage battery_charging_current
        battery_capacity_percent inverter_heat_sink_temperature
        pv_input_current_for_battery=pv_input_current pv_input_voltage battery_voltage_scc
        battery_discharge_current pv_charging_power
        """,
    "QPIRI": """
        grid_rating_voltage grid_rating_current ac_output_rating_voltage ac_output_rating_frequency
        ac_output_rating_current ac_output_rating_apparent_power ac_output_rating_active_power
        battery_rating_voltage battery_recharge_voltage battery_under_voltage battery_bulk_voltage
        battery_float_voltage battery_type current_max_ac_charging_current=max_ac_charging_current
        current_max_charging_current=max_charging_current input_voltage_range output_source_priority
        charger_source_priority parallel_max_num topology output_mode battery_redischarge_voltage
        pv_ok_condition_for_parallel=pv_ok_condition pv_power_balance
        """,
}
_STATUS = """
    add_sbu_priority_version configuration_status=configuration_changed
    scc_firmware_version=scc_firmware_updated load_status=load_on
    battery_voltage_to_steady_while_charging=battery_voltage_steady_while_charging charging_status=charging
    scc_charging_status=scc_charging ac_charging_status=ac_charging
    charging_to_floating_mode=charging_to_floating switch_on dustproof_installed
    """
_FLAGS = """
    silence_buzzer_open_buzzer=buzzer overload_bypass_function=overload_bypass
    lcd_escape_to_default=lcd_escape overload_restart_function=overload_restart
    over_temperature_restart_function=over_temperature_restart backlight_on=backlight
    alarm_on_when_primary_source_interrupt=alarm_primary_source_interrupt fault_code_record power_saving
    """
# Names in the order of the bits; 31 and 32 are digits of a fault code for it, 33 is a bit of some models.
_WARNINGS = """
    warning_power_loss=0 fault_inverter_fault=1 fault_bus_over=2 fault_bus_under=3 fault_bus_soft_fail=4
    warning_line_fail=5 fault_opvshort=6 fault_inverter_voltage_too_low=7 fault_inverter_voltage_too_high=8
    warning_over_temperature=9 warning_fan_lock=10 warning_battery_voltage_high=11
    warning_battery_low_alarm=12 warning_battery_under_shutdown=14 warning_battery_derating=15
    warning_over_load=16 warning_eeprom_failed=17 fault_inverter_over_current=18
    fault_inverter_soft_failed=19 fault_self_test_failed=20 fault_op_dc_voltage_over=21
    fault_battery_open=22 fault_current_sensor_failed=23 fault_battery_short=24 warning_power_limit=25
    warning_pv_voltage_high=26 fault_mppt_overload=27 warning_mppt_overload=28
    warning_battery_too_low_to_charge=29 fault_dc_dc_over_current=30
    warning_high_ac_input_during_bus_soft_start=34 warning_battery_equalization=35
    """


def _pairs(words: str) -> dict[str, str]:
    """Its names and ours."""
    found = {}
    for word in words.split():
        theirs, _, ours = word.partition("=")
        found[theirs] = ours or theirs
    return found


def _yaml() -> str:
    """Its configuration: every sensor under its own name, on whatever stdin is."""
    lines = [
        *("esphome:", f"  name: {NAME}", "host:", "logger:", "  level: VERBOSE"),
        # ESPHome takes a device path of two parts: the terminal comes as standard input.
        *("uart:", "  port: /dev/stdin", "  baud_rate: 2400"),
        *("pipsolar:", "  id: inverter", "  update_interval: 500ms"),
    ]
    platforms = {
        "sensor": [name for words in _NUMBERS.values() for name in _pairs(words)],
        "binary_sensor": [name for words in (_STATUS, _FLAGS, _WARNINGS) for name in _pairs(words)],
        "text_sensor": ["device_mode"],
    }
    for platform, names in platforms.items():
        lines += [f"{platform}:", "  - platform: pipsolar", "    pipsolar_id: inverter"]
        lines += [line for name in names for line in (f"    {name}:", f"      name: {name}")]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def program() -> Path:
    """ESPHome's component with nothing around it, compiled for this PC."""
    BUILD.mkdir(parents=True, exist_ok=True)
    source = BUILD / "pipsolar.yaml"
    text = _yaml()
    if not source.exists() or source.read_text(encoding="utf-8") != text:
        source.write_text(text, encoding="utf-8")
    code, said = run_esphome("compile", source, data=BUILD, timeout_s=1100.0)
    assert code == 0, said[-2000:]
    return BUILD / "build" / NAME / ".pioenvs" / NAME / "program"


def _start(program: Path, path: str, folder: Path) -> subprocess.Popen[bytes]:
    """Run it with a terminal as its standard input."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    with _log(folder).open("wb") as output:
        child = subprocess.Popen(
            [program],
            stdin=descriptor,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ESPHOME_PREFDIR": str(folder)},
        )
    os.close(descriptor)
    return child


def _log(folder: Path) -> Path:
    return folder / "program.log"


async def _states(program: Path, device: Device, folder: Path, wanted: int) -> dict[str, str]:
    """Let it read the device until it has told the states of so many sensors."""
    child = _start(program, device.plug_into_terminal(), folder)
    try:
        states: dict[str, str] = {}
        for _ in range(300):
            await asyncio.sleep(0.1)
            states = dict(_STATE.findall(_log(folder).read_text(encoding="utf-8", errors="replace")))
            if len(states) >= wanted:
                break
        return states
    finally:
        child.kill()
        child.wait()
        device.unplug()


async def _asked(link: Link, command: str) -> Values:
    answer = await link.request(command)
    assert isinstance(answer, Reply), answer
    return answer.values


def _disagreements(states: dict[str, str], ours: dict[str, Values]) -> Iterator[str]:
    for command, words in _NUMBERS.items():
        for their_name, name in _pairs(words).items():
            value = ours[command][name]
            assert isinstance(value, (int, float))
            with suppress(ValueError):
                # It prints as many decimals as it thinks the quantity has.
                resolution = 0.1 if "." in states[their_name] else 1.0
                if abs(float(states[their_name]) - value) <= 0.51 * resolution:
                    continue
            yield f"{their_name}: {states[their_name]}, {name}: {value}"
    bits = ours["QPIWS"]["bits_set"]
    enabled = ours["QFLAG"]["enabled"]
    assert isinstance(bits, list)
    assert isinstance(enabled, list)
    flags = {name: ours["QPIGS"][ours_name] for name, ours_name in _pairs(_STATUS).items()}
    flags |= {name: letter in enabled for name, letter in _pairs(_FLAGS).items()}
    flags |= {name: int(place) in bits for name, place in _pairs(_WARNINGS).items()}
    for name, flag in flags.items():
        if states[name] != ("ON" if flag else "OFF"):
            yield f"{name}: {states[name]}, ours: {flag}"
    if states["device_mode"].strip("'") != ours["QMOD"]["mode"]:
        yield f"device_mode: {states['device_mode']}, ours: {ours['QMOD']['mode']}"


@needs_esphome
@pytest.mark.timeout(1200)
async def test_pipsolar_and_the_daemon_read_the_same(program: Path, tmp_path: Path) -> None:
    unit = Unit()
    unit.warnings = "010001000100000010000000010000000011"
    unit.settings.max_charging_current = 110
    device = Device(unit)
    words = (*_NUMBERS.values(), _STATUS, _FLAGS, _WARNINGS)
    wanted = sum(len(_pairs(each)) for each in words) + 1
    states = await _states(program, device, tmp_path, wanted)
    assert len(states) == wanted
    link = link_to([serial_place(device.plug_into_terminal())])
    ours = {command: await _asked(link, command) for command in ("QPIGS", "QPIRI", "QPIWS", "QFLAG", "QMOD")}
    await link.close()
    device.unplug()
    assert list(_disagreements(states, ours)) == []
    # Nor did it hear of a setter or of a command that the device does not know.
    assert unit.written == []

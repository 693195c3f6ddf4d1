"""Measuring: what the schemas of houses and gateways have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import esphome.config_validation as cv
from esphome import pins
from esphome.const import CONF_PIN
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]

CONF_LAG = "lag"
CONF_PER_VOLT = "per_volt"


def with_unit(unit: str) -> Callable[[object], float]:
    """A number that may carry its unit: '58.4 V', '58.4V' or 58.4."""

    def validate(value: object) -> float:
        if isinstance(value, str) and value.strip().endswith(unit):
            value = value.strip().removesuffix(unit).strip()
        return float(cv.float_(value))

    return validate


def between(name: str, unit: str, least: float, most: float, why: str = "") -> Callable[[object], float]:
    """Such a number within limits."""
    number = with_unit(unit)

    def validate(value: object) -> float:
        checked = number(value)
        if not least <= checked <= most:
            raise cv.Invalid(
                f"{name} is {checked:g} {unit}, but must be between {least:g} and {most:g} {unit}"
                + (f": {why}" if why else "")
            )
        return checked

    return validate


def adc1_pin(value: object) -> int:
    """A pin of ADC1; the numbers are those of ESPHome's own adc component."""
    from esphome.components.adc import ESP32_VARIANT_ADC1_PIN_TO_CHANNEL, ESP32_VARIANT_ADC2_PIN_TO_CHANNEL
    from esphome.components.esp32 import get_esp32_variant

    number = int(pins.internal_gpio_input_pin_number(value))
    variant = get_esp32_variant()
    usable = ESP32_VARIANT_ADC1_PIN_TO_CHANNEL[variant]
    if number in usable:
        return number
    names = ", ".join(f"GPIO{pin}" for pin in sorted(usable))
    if number in ESP32_VARIANT_ADC2_PIN_TO_CHANNEL.get(variant, {}):
        raise cv.Invalid(
            f"GPIO{number} belongs to ADC2, which cannot sample continuously, and not at all while Wi-Fi "
            f"runs; use one of {names}"
        )
    raise cv.Invalid(f"GPIO{number} is no input of the ADC; use one of {names}")


def adc1_channel(pin: int) -> object:
    """The channel of such a pin, as ESP-IDF calls it."""
    from esphome.components.adc import ESP32_VARIANT_ADC1_PIN_TO_CHANNEL
    from esphome.components.esp32 import get_esp32_variant

    return ESP32_VARIANT_ADC1_PIN_TO_CHANNEL[get_esp32_variant()][pin]


def _not_zero(value: float) -> float:
    if value == 0:
        raise cv.Invalid("0 would make every measurement 0; give what one volt at the pin stands for")
    return value


def adc_input(unit: str, extra: Mapping[cv.Optional, object] | None = None) -> cv.Schema:
    """An input of the ADC: its pin, and what one volt there stands for. The pin bears 3.3 V at most."""
    return cv.Schema(
        {
            cv.Required(CONF_PIN): adc1_pin,
            cv.Required(CONF_PER_VOLT): cv.All(with_unit(unit), _not_zero),
            **(extra or {}),
        }
    )


LAG = {cv.Optional(CONF_LAG, default="0us"): cv.positive_time_period_microseconds}
"""How much later than its voltage a current transformer shows a current."""


def distinct_pins(config: ConfigType) -> ConfigType:
    """Inputs by name: none shares its pin with another one."""
    used: dict[int, str] = {}
    for name, part in config.items():
        pin = part[CONF_PIN]
        if pin in used:
            raise cv.Invalid(f"GPIO{pin} is the pin of {used[pin]} already", path=[name, CONF_PIN])
        used[pin] = name
    return config


def include_drivers() -> None:
    """Of ESP-IDF; also without inputs, because their headers are included."""
    from esphome.components.esp32 import include_builtin_idf_component

    include_builtin_idf_component("esp_driver_mcpwm")
    include_builtin_idf_component("esp_adc")

"""The log of the node: where it lies, how much is kept, and the task that writes it."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome import pins
from esphome.components.microgrid_core import (
    CONF_MICROGRID_ID,
    NODE_SCHEMA,
    is_gateway,
    microgrid_ns,
)
from esphome.const import (
    CONF_CLK_PIN,
    CONF_CS_PIN,
    CONF_FREQUENCY,
    CONF_ID,
    CONF_MISO_PIN,
    CONF_MOSI_PIN,
)
from esphome.core import CORE, TimePeriod
from esphome.cpp_generator import MockObj
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["microgrid_core"]

CONF_CAPTURE_MB = "capture_mb"
CONF_FOLDER = "folder"
CONF_KEEP = "keep"
CONF_MEDIUM = "medium"
CONF_MEDIUM_ID = "medium_id"
CONF_MICROGRID_LOG_ID = "microgrid_log_id"
CONF_RAM_FALLBACK = "ram_fallback"
CONF_SNAPSHOTS = "snapshots"
CONF_SPI_HOST = "spi_host"

LogComponent = microgrid_ns.class_("LogComponent", cg.Component)
LogSize = microgrid_ns.struct("LogSize")
Medium = microgrid_ns.class_("Medium")
SdMedium = microgrid_ns.class_("SdMedium", Medium)
SdSettings = microgrid_ns.struct("SdSettings")
FolderMedium = microgrid_ns.class_("FolderMedium", Medium)
gpio_num_t = cg.global_ns.enum("gpio_num_t")

# What parts that log have in their schemas; log_store() is what their classes want.
LOG_SCHEMA = cv.Schema({cv.GenerateID(CONF_MICROGRID_LOG_ID): cv.use_id(LogComponent)})

_SPI_HOSTS = {"SPI2": "SPI2_HOST", "SPI3": "SPI3_HOST"}
# By whether it is a gateway; a PC keeps less, because a demo has fifteen nodes on one disk.
_HOURS = {False: 7 * 24, True: 30 * 24}
_HOURS_ON_PC = {False: 24, True: 72}
_SNAPSHOTS = {False: 16, True: 32}
_MIN_HOURS, _MAX_HOURS = 24, 90 * 24
_MIN_KHZ, _MAX_KHZ = 400, 40_000


def hours(value: object) -> int:
    """How long is kept, as whole hours: each has a place of 512 kB of its own."""
    period: TimePeriod = cv.positive_time_period(value)
    count = int(period.total_seconds // 3600)
    if not _MIN_HOURS <= count <= _MAX_HOURS:
        raise cv.Invalid(
            f"{value} is {count} hours, possible are {_MIN_HOURS} hours to {_MAX_HOURS // 24} days; "
            f"each hour needs 0.5 MB of the medium"
        )
    return count


def frequency_khz(value: object) -> int:
    """The clock of the card."""
    khz = int(cv.frequency(value) / 1000)
    if not _MIN_KHZ <= khz <= _MAX_KHZ:
        raise cv.Invalid(
            f"{value} is {khz} kHz, cards take {_MIN_KHZ} kHz to {_MAX_KHZ // 1000} MHz; "
            f"long wires want 10 MHz"
        )
    return khz


_BASE = NODE_SCHEMA.extend(
    {
        cv.GenerateID(): cv.declare_id(LogComponent),
        cv.Optional(CONF_KEEP): hours,
        cv.Optional(CONF_CAPTURE_MB, default=8): cv.int_range(min=4, max=64),
        cv.Optional(CONF_SNAPSHOTS): cv.int_range(min=4, max=256),
        cv.Optional(CONF_RAM_FALLBACK): cv.boolean,
    }
).extend(cv.COMPONENT_SCHEMA)

CONFIG_SCHEMA = cv.typed_schema(
    {
        "sd": cv.All(
            _BASE.extend(
                {
                    cv.GenerateID(CONF_MEDIUM_ID): cv.declare_id(SdMedium),
                    cv.Optional(CONF_SPI_HOST, default="SPI2"): cv.one_of(*_SPI_HOSTS, upper=True),
                    cv.Required(CONF_CLK_PIN): pins.internal_gpio_output_pin_number,
                    cv.Required(CONF_MISO_PIN): pins.internal_gpio_input_pin_number,
                    cv.Required(CONF_MOSI_PIN): pins.internal_gpio_output_pin_number,
                    cv.Required(CONF_CS_PIN): pins.internal_gpio_output_pin_number,
                    cv.Optional(CONF_FREQUENCY, default="20MHz"): frequency_khz,
                }
            ),
            cv.only_on_esp32,
        ),
        "folder": cv.All(
            _BASE.extend(
                {
                    cv.GenerateID(CONF_MEDIUM_ID): cv.declare_id(FolderMedium),
                    cv.Optional(CONF_FOLDER, default="microgrid-log"): cv.string_strict,
                }
            ),
            cv.only_on("host"),
        ),
    },
    key=CONF_MEDIUM,
    lower=True,
)


async def log_store(config: ConfigType) -> MockObj:
    """The LogStore & of a configuration that has LOG_SCHEMA."""
    component = await cg.get_variable(config[CONF_MICROGRID_LOG_ID])
    return component.store()


def _pin(number: int) -> MockObj:
    return cg.RawExpression(f"static_cast<{gpio_num_t}>({number})")


def _sd(config: ConfigType) -> MockObj:
    from esphome.components.esp32 import include_builtin_idf_component, require_fatfs

    for component in ("fatfs", "sdmmc", "esp_driver_sdspi", "esp_driver_spi"):
        include_builtin_idf_component(component)
    require_fatfs()
    settings = cg.StructInitializer(
        SdSettings,
        ("host", cg.RawExpression(_SPI_HOSTS[config[CONF_SPI_HOST]])),
        ("clock_pin", _pin(config[CONF_CLK_PIN])),
        ("miso_pin", _pin(config[CONF_MISO_PIN])),
        ("mosi_pin", _pin(config[CONF_MOSI_PIN])),
        ("select_pin", _pin(config[CONF_CS_PIN])),
        ("frequency_khz", config[CONF_FREQUENCY]),
    )
    return cg.new_Pvariable(config[CONF_MEDIUM_ID], settings)


def _folder(config: ConfigType) -> MockObj:
    return cg.new_Pvariable(config[CONF_MEDIUM_ID], microgrid_ns.log_folder(config[CONF_FOLDER]))


_MEDIA = {"sd": _sd, "folder": _folder}


async def to_code(config: ConfigType) -> None:
    """The medium, and the log on it; only PSRAM has room for snapshots without a card."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    gateway = is_gateway(CORE.config)
    medium = _MEDIA[config[CONF_MEDIUM]](config)
    size = cg.StructInitializer(
        LogSize,
        ("hours", config.get(CONF_KEEP, (_HOURS_ON_PC if CORE.is_host else _HOURS)[gateway])),
        ("capture_mb", config[CONF_CAPTURE_MB]),
        ("snapshots", config.get(CONF_SNAPSHOTS, _SNAPSHOTS[gateway])),
        ("ram_fallback", config.get(CONF_RAM_FALLBACK, CORE.is_host or "psram" in CORE.config)),
    )
    var = cg.new_Pvariable(config[CONF_ID], core, medium, size)
    await cg.register_component(var, config)

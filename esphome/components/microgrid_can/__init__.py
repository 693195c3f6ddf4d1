"""The CAN bus of the cluster: which controller drives it, and the task in which the node lives on it."""

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
    CONF_ID,
    CONF_INTERRUPT_PIN,
    CONF_MISO_PIN,
    CONF_MOSI_PIN,
    CONF_PORT,
    CONF_RX_PIN,
    CONF_TX_PIN,
)
from esphome.core import CORE
from esphome.cpp_generator import MockObj
from esphome.types import ConfigType

CODEOWNERS = ["@microgrid"]
DEPENDENCIES = ["microgrid_core", "microgrid_log"]

CONF_BIT_RATE = "bit_rate"
CONF_BUS_ID = "bus_id"
CONF_CRYSTAL = "crystal"
CONF_DRIVER = "driver"
CONF_GROUP = "group"
CONF_MICROGRID_CAN_ID = "microgrid_can_id"
CONF_SPI_HOST = "spi_host"

CanComponent = microgrid_ns.class_("CanComponent", cg.Component)
CanBus = microgrid_ns.class_("CanBus")
TwaiBus = microgrid_ns.class_("TwaiBus", CanBus)
Mcp2515Bus = microgrid_ns.class_("Mcp2515Bus", CanBus)
UdpBus = microgrid_ns.class_("UdpBus", CanBus)
TwaiBusSettings = microgrid_ns.struct("TwaiBusSettings")
Mcp2515BusSettings = microgrid_ns.struct("Mcp2515BusSettings")
gpio_num_t = cg.global_ns.enum("gpio_num_t")
spi_host_device_t = cg.global_ns.enum("spi_host_device_t")

# What parts that live on the bus have in their schemas.
CAN_SCHEMA = cv.Schema({cv.GenerateID(CONF_MICROGRID_CAN_ID): cv.use_id(CanComponent)})

# The best rank as master of the time (contract/can.md): a gateway asks the network, a house only remembers.
RANK_HOLDOVER, RANK_NETWORK = 2, 3

_BIT_RATES = {"125KBPS": 125_000, "250KBPS": 250_000, "500KBPS": 500_000}
_CRYSTALS_HZ = {"8MHZ": 8_000_000, "16MHZ": 16_000_000}
_SPI_HOSTS = {"SPI2": "SPI2_HOST", "SPI3": "SPI3_HOST"}


def multicast_group(value: object) -> str:
    """An IPv4 address that may be a group of this machine only."""
    address = cv.ipv4address(value)
    if not address.is_multicast:
        raise cv.Invalid(f"{address} is no multicast group; take one of 239.0.0.0 to 239.255.255.255")
    return str(address)


_BASE = NODE_SCHEMA.extend(
    {
        cv.GenerateID(): cv.declare_id(CanComponent),
        cv.Optional(CONF_BIT_RATE, default="500KBPS"): cv.one_of(*_BIT_RATES, upper=True),
    }
).extend(cv.COMPONENT_SCHEMA)


def _only_on_esp32(schema: cv.Schema) -> cv.Schema:
    return cv.All(schema, cv.only_on_esp32)


CONFIG_SCHEMA = cv.typed_schema(
    {
        "twai": _only_on_esp32(
            _BASE.extend(
                {
                    cv.GenerateID(CONF_BUS_ID): cv.declare_id(TwaiBus),
                    cv.Required(CONF_TX_PIN): pins.internal_gpio_output_pin_number,
                    cv.Required(CONF_RX_PIN): pins.internal_gpio_input_pin_number,
                }
            )
        ),
        "mcp2515": _only_on_esp32(
            _BASE.extend(
                {
                    cv.GenerateID(CONF_BUS_ID): cv.declare_id(Mcp2515Bus),
                    cv.Optional(CONF_SPI_HOST, default="SPI3"): cv.one_of(*_SPI_HOSTS, upper=True),
                    cv.Required(CONF_CLK_PIN): pins.internal_gpio_output_pin_number,
                    cv.Required(CONF_MISO_PIN): pins.internal_gpio_input_pin_number,
                    cv.Required(CONF_MOSI_PIN): pins.internal_gpio_output_pin_number,
                    cv.Required(CONF_CS_PIN): pins.internal_gpio_output_pin_number,
                    cv.Required(CONF_INTERRUPT_PIN): pins.internal_gpio_input_pin_number,
                    cv.Required(CONF_CRYSTAL): cv.one_of(*_CRYSTALS_HZ, upper=True),
                }
            )
        ),
        "udp": cv.All(
            _BASE.extend(
                {
                    cv.GenerateID(CONF_BUS_ID): cv.declare_id(UdpBus),
                    # python-can's own group and port
                    cv.Optional(CONF_GROUP, default="239.74.163.2"): multicast_group,
                    cv.Optional(CONF_PORT, default=43113): cv.port,
                }
            ),
            cv.only_on("host"),
        ),
        "none": _BASE,
    },
    key=CONF_DRIVER,
    lower=True,
)


def _pin(number: int) -> MockObj:
    return cg.RawExpression(f"static_cast<{gpio_num_t}>({number})")


def _twai(config: ConfigType) -> MockObj:
    from esphome.components.esp32 import include_builtin_idf_component

    include_builtin_idf_component("esp_driver_twai")
    settings = cg.StructInitializer(
        TwaiBusSettings,
        ("transmit_pin", _pin(config[CONF_TX_PIN])),
        ("receive_pin", _pin(config[CONF_RX_PIN])),
    )
    return cg.new_Pvariable(config[CONF_BUS_ID], settings)


def _mcp2515(config: ConfigType) -> MockObj:
    from esphome.components.esp32 import include_builtin_idf_component

    include_builtin_idf_component("esp_driver_spi")
    settings = cg.StructInitializer(
        Mcp2515BusSettings,
        ("host", cg.RawExpression(_SPI_HOSTS[config[CONF_SPI_HOST]])),
        ("clock_pin", _pin(config[CONF_CLK_PIN])),
        ("miso_pin", _pin(config[CONF_MISO_PIN])),
        ("mosi_pin", _pin(config[CONF_MOSI_PIN])),
        ("select_pin", _pin(config[CONF_CS_PIN])),
        ("interrupt_pin", _pin(config[CONF_INTERRUPT_PIN])),
        ("crystal_hz", _CRYSTALS_HZ[config[CONF_CRYSTAL]]),
    )
    return cg.new_Pvariable(config[CONF_BUS_ID], settings)


def _udp(config: ConfigType) -> MockObj:
    settings = microgrid_ns.udp_bus_settings(config[CONF_GROUP], config[CONF_PORT])
    return cg.new_Pvariable(config[CONF_BUS_ID], settings)


_DRIVERS = {"twai": _twai, "mcp2515": _mcp2515, "udp": _udp}


async def to_code(config: ConfigType) -> None:
    """The driver, and the node on the bus behind it."""
    core = await cg.get_variable(config[CONF_MICROGRID_ID])
    make = _DRIVERS.get(config[CONF_DRIVER])
    bus = make(config) if make is not None else cg.nullptr
    rank = RANK_NETWORK if is_gateway(CORE.config) else RANK_HOLDOVER
    var = cg.new_Pvariable(config[CONF_ID], core, bus, _BIT_RATES[config[CONF_BIT_RATE]], rank)
    await cg.register_component(var, config)

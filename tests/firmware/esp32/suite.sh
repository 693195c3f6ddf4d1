# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# What only the ESP32 has, as it is compiled there: its card, and what a node keeps in flash. esphome/ stands in for what
# of ESPHome's core that needs, the tests for what of ESP-IDF.
flags=(-DUSE_ESP32 -Itests/firmware/esp32 -Itests/firmware/stubs)
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/node_component.cpp
  esphome/components/microgrid_log/sd_device.cpp
)
programs=(esp32_tests)

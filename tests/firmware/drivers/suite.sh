# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# What joins a node to the world: tasks and clock of the machine, CAN controllers, time server, RTC.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/ds3231.cpp
  esphome/components/microgrid_core/network_time*.cpp
  esphome/components/microgrid_core/platform.cpp
  esphome/components/microgrid_core/umg1_crc.cpp
  esphome/components/microgrid_core/umg1_frame.cpp
  esphome/components/microgrid_can/mcp2515_registers.cpp
  esphome/components/microgrid_can/udp_*.cpp
)
programs=(drivers_tests udp_peer time_asker)
fuzzers=(udp_frame_fuzz)

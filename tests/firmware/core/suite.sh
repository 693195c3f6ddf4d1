# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# The parts of the firmware that know neither ESPHome nor a board: clock, JSON, rings, fault codes, ISO-TP.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/fault_catalogue.cpp
  esphome/components/microgrid_core/json_writer.cpp
  esphome/components/microgrid_core/umg1_crc.cpp
  esphome/components/microgrid_core/umg1_frame.cpp
  esphome/components/microgrid_can/isotp*.cpp
)
programs=(core_tests json_messages isotp_peer)
fuzzers=(isotp_fuzz)

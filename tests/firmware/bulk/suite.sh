# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# Bulk transfer between houses and their gateway: messages, both sides, the relay to the broker.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/platform.cpp
  esphome/components/microgrid_core/umg1_*.cpp
  esphome/components/microgrid_can/bulk_*.cpp
  esphome/components/microgrid_can/isotp.cpp
  esphome/components/microgrid_can/udp_*.cpp
  esphome/components/microgrid_log/{capture_log,event_shelf,file_device,frame_queue,log_answers,log_reader}.cpp
  esphome/components/microgrid_log/{log_store,log_writer,snapshot_cutter,snapshot_store}.cpp
)
programs=(bulk_tests bulk_peer)
fuzzers=(bulk_fuzz)

# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# The house: protections, messages, energy, recording, measuring. Needs no board and no bus.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/fault_catalogue.cpp
  esphome/components/microgrid_core/platform.cpp
  esphome/components/microgrid_core/umg1_*.cpp
  esphome/components/microgrid_can/house_messages.cpp
  esphome/components/microgrid_house/analog_inputs.cpp
  esphome/components/microgrid_house/house.cpp
  esphome/components/microgrid_house/protections.cpp
  esphome/components/microgrid_measure/{ac_meter,energy,zero_crossing}.cpp
  esphome/components/microgrid_log/{capture_log,event_shelf,file_device,frame_queue,log_answers,log_reader}.cpp
  esphome/components/microgrid_log/{fault_snapshots,log_store,log_writer,snapshot_cutter,snapshot_store}.cpp
)
programs=(house_tests)

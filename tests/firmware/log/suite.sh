# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# The log of a node: its writer on folders, on media that fail, and under a program that is killed.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/platform.cpp
  esphome/components/microgrid_core/umg1_*.cpp
  esphome/components/microgrid_log/{capture_log,event_shelf,file_device,frame_queue,log_answers,log_reader}.cpp
  esphome/components/microgrid_log/{log_store,log_writer,snapshot_cutter,snapshot_store}.cpp
)
programs=(log_tests log_node)

# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# The gateway: contactor, cluster, summaries.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/fault_catalogue.cpp
  esphome/components/microgrid_core/platform.cpp
  esphome/components/microgrid_core/umg1_*.cpp
  esphome/components/microgrid_can/{beat,bus_load,bus_node,bus_watch,capture_command,cyclic_schedule}.cpp
  esphome/components/microgrid_can/{fault_broadcast,follow_up}.cpp
  esphome/components/microgrid_can/{gateway_messages,house_messages,master_election,peers}.cpp
  esphome/components/microgrid_measure/{energy,zero_crossing}.cpp
  esphome/components/microgrid_log/{fault_snapshots,log_store}.cpp
  esphome/components/microgrid_gateway/{cluster,gateway,house_summary,phase_meter,synchroniser}.cpp
)
programs=(gateway_tests summary_log)
fuzzers=(gateway_fuzz)

# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# The node on the bus, in simulated time: platform and wire are replaced by those of the simulation.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/fault_catalogue.cpp
  esphome/components/microgrid_core/umg1_crc.cpp
  esphome/components/microgrid_core/umg1_frame.cpp
  esphome/components/microgrid_can/beat.cpp
  esphome/components/microgrid_can/bus_load.cpp
  esphome/components/microgrid_can/bus_node.cpp
  esphome/components/microgrid_can/bus_watch.cpp
  esphome/components/microgrid_can/cyclic_schedule.cpp
  esphome/components/microgrid_can/fault_broadcast.cpp
  esphome/components/microgrid_can/follow_up.cpp
  esphome/components/microgrid_can/master_election.cpp
  esphome/components/microgrid_can/peers.cpp
  tests/firmware/bus/simulated_cluster.cpp
)
programs=(bus_tests)
fuzzers=(bus_fuzz)

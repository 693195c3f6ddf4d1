# shellcheck shell=bash disable=SC2034 # read by ../build.sh
# MQTT: the JSON reader, the client, and the contract's logic of nodes and gateways.
firmware=(
  esphome/components/microgrid_core/clock*.cpp
  esphome/components/microgrid_core/fault_catalogue.cpp
  esphome/components/microgrid_core/json_*.cpp
  esphome/components/microgrid_core/platform.cpp
  esphome/components/microgrid_core/umg1_bytes.cpp
  esphome/components/microgrid_core/umg1_crc.cpp
  esphome/components/microgrid_core/umg1_event.cpp
  esphome/components/microgrid_core/umg1_frame.cpp
  esphome/components/microgrid_core/umg1_recorder.cpp
  esphome/components/microgrid_core/umg1_samples.cpp
  esphome/components/microgrid_core/umg1_schema.cpp
  esphome/components/microgrid_log/log_store.cpp
  esphome/components/microgrid_uplink/command_desk.cpp
  esphome/components/microgrid_uplink/log_forwarder.cpp
  esphome/components/microgrid_uplink/messages.cpp
  esphome/components/microgrid_uplink/mqtt_client.cpp
  esphome/components/microgrid_uplink/posix_stream.cpp
  esphome/components/microgrid_uplink/requests.cpp
  esphome/components/microgrid_uplink/snapshot_desk.cpp
  esphome/components/microgrid_uplink/uplink.cpp
)
programs=(uplink_tests uplink_vectors uplink_gateway)
fuzzers=(json_fuzz mqtt_fuzz)

// A log that keeps in memory what it is given, and a storage that does.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "esphome/components/microgrid_can/house_messages.h"
#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_core/node.h"
#include "esphome/components/microgrid_log/log_store.h"

namespace esphome::microgrid {

class MemoryLog final : public LogStore {
 public:
  struct Name {
    uint8_t node;
    uint32_t number;
    uint32_t boot_id;
  };

  void begin(uint64_t mono_us) {
    constexpr RecorderTiming TIMING{};
    static constexpr RecorderTiming SECONDS{.slow = {1000, 1000}, .fast = {1000, 1000}};
    this->log_arena.resize(Recorder::arena_bytes(GATEWAY_LOG, TIMING) / 8 + 1);
    this->capture_arena.resize(Recorder::arena_bytes(GATEWAY_CAPTURE, SECONDS) / 8 + 1);
    const auto bytes = [](std::vector<uint64_t> &words) {
      return std::span{reinterpret_cast<uint8_t *>(words.data()), words.size() * 8};
    };
    this->ready = this->log_.setup({.node = "g", .cluster = "c", .channels = GATEWAY_LOG}, 1, TIMING,
                                   bytes(this->log_arena), mono_us) &&
                  this->capture_.setup({.node = "g", .cluster = "c", .channels = GATEWAY_CAPTURE}, 2, SECONDS,
                                       bytes(this->capture_arena), mono_us);
  }

  Recorder &log() override { return this->log_; }
  Recorder &capture() override { return this->capture_; }
  bool record(const CanFrame & /*frame*/) override {
    this->traffic++;
    return true;
  }
  bool record(std::span<const uint8_t> frame) override {
    if (this->full) return false;
    this->frames.emplace_back(frame.begin(), frame.end());
    return true;
  }
  bool keep(const SnapshotRequest &request) override {
    this->kept.push_back(request);
    return true;
  }
  bool name_snapshot(uint8_t node, uint32_t number, uint32_t boot_id) override {
    this->named.push_back({node, number, boot_id});
    return true;
  }
  ReadPort &bus_port() override { return this->ports[0]; }
  ReadPort &loop_port() override { return this->ports[1]; }
  std::optional<LoggedEvent> logged_event() override { return std::nullopt; }
  LogHealth health() const override {
    return {.card = this->card, .snapshots_free = this->snapshots_free, .free_permille = 987};
  }
  Signal &wake() override { return this->signal; }
  void happened(const NodeEvent &event) override { this->events.push_back(event); }

  size_t count(std::string_view code, EventState state = EventState::MOMENT) const {
    size_t found = 0;
    for (const NodeEvent &event : this->events)
      found += event.code.view() == code && event.state == state ? 1 : 0;
    return found;
  }

  bool ready{false};
  bool full{false};
  CardState card{CardState::OK};
  uint8_t snapshots_free{6};
  uint32_t traffic{0};
  std::vector<std::vector<uint8_t>> frames;
  std::vector<SnapshotRequest> kept;
  std::vector<Name> named;
  std::vector<NodeEvent> events;

 protected:
  std::vector<uint64_t> log_arena;
  std::vector<uint64_t> capture_arena;
  Recorder log_;
  Recorder capture_;
  std::array<ReadPort, 2> ports;
  Signal signal;
};

/// As on the ESP32: what is saved waits in RAM until it is written.
class MemoryStorage final : public Storage {
 public:
  bool load(std::string_view name, std::span<uint8_t> value) override {
    const auto found = this->values.find(std::string(name));
    if (found == this->values.end() || found->second.size() != value.size()) return false;
    std::copy(found->second.begin(), found->second.end(), value.begin());
    return true;
  }
  bool save(std::string_view name, std::span<const uint8_t> value) override {
    if (this->broken) return false;
    this->saves++;
    this->values[std::string(name)] = {value.begin(), value.end()};
    return true;
  }
  bool save_now(std::string_view name, std::span<const uint8_t> value) override {
    if (!this->save(name, value)) return false;
    this->write();
    return true;
  }
  void write() { this->written = this->values; }
  void cut_power() { this->values = this->written; }

  std::map<std::string, std::vector<uint8_t>> values;
  std::map<std::string, std::vector<uint8_t>> written;
  bool broken{false};
  uint32_t saves{0};
};

/// A house of the simplest kind: readings that it sends when told to.
class BusHouse {
 public:
  explicit BusHouse(uint8_t its_number) : number(its_number) {}

  void set(HouseMetric metric, double value) { this->readings.set_value(static_cast<size_t>(metric), value); }
  double value(HouseMetric metric) const { return this->readings.value(static_cast<size_t>(metric)); }

  /// Frames of one message, all its groups.
  std::vector<CanFrame> frames(const dbc::Message &message, uint64_t mono_us) const {
    std::vector<CanFrame> made;
    for (uint8_t group = 0; group < house_message_groups(message.identifier); group++) {
      CanFrame frame{.identifier = dbc::identifier(message, this->number),
                     .mono_us = mono_us,
                     .length = message.length,
                     .data = {}};
      dbc::store(*pack_house_message(message.identifier, group, this->readings, this->status),
                 frame.data.data(), frame.length);
      made.push_back(frame);
    }
    return made;
  }
  std::vector<CanFrame> all_frames(uint64_t mono_us) const {
    std::vector<CanFrame> made;
    for (const dbc::Message &message :
         {dbc::Frequency::MESSAGE, dbc::Inverter::MESSAGE, dbc::Battery::MESSAGE, dbc::HouseState::MESSAGE,
          dbc::InverterState::MESSAGE, dbc::Mppt::MESSAGE, dbc::Cells::MESSAGE, dbc::BatteryState::MESSAGE,
          dbc::Counters::MESSAGE}) {
      for (const CanFrame &frame : this->frames(message, mono_us)) made.push_back(frame);
    }
    return made;
  }
  Peer peer(bool present = true) const {
    Peer peer{};
    peer.present = present;
    peer.ever = true;
    peer.heartbeat.boot_id = this->boot_id;
    return peer;
  }

  uint8_t number;
  uint32_t boot_id{77};
  std::array<Readings::Cell, HOUSE_METRICS.size()> cells{};
  Readings readings{HOUSE_METRICS, cells};
  HouseStatus status{};
};

}  // namespace esphome::microgrid

// A house on a bench: real node, desk and recorders, simulated time; the log keeps what it is given.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "esphome/components/microgrid_house/house.h"

namespace esphome::microgrid::bench {

constexpr uint64_t START_US = 1'000'000;

/// Frames as they would go to the card, and everything that was asked of the log.
class RecordingLog final : public LogStore {
 public:
  RecordingLog() {
    this->setup(this->log_, HOUSE_LOG, this->log_memory_, RecorderTiming{});
    this->setup(this->capture_, HOUSE_CAPTURE, this->capture_memory_,
                {.slow = {.span_ms = 1000, .slack_ms = 3000}, .fast = {.span_ms = 1000, .slack_ms = 3000}});
  }

  Recorder &log() override { return this->log_; }
  Recorder &capture() override { return this->capture_; }
  bool record(const CanFrame &frame) override {
    this->traffic.push_back(frame);
    return true;
  }
  bool record(std::span<const uint8_t>) override { return true; }
  bool keep(const SnapshotRequest &request) override {
    this->kept.push_back(request);
    return true;
  }
  bool name_snapshot(uint8_t node, uint32_t number, uint32_t boot_id) override {
    this->named.push_back({.node = node, .boot_id = boot_id, .number = number});
    return true;
  }
  ReadPort &bus_port() override { return this->ports_[0]; }
  ReadPort &loop_port() override { return this->ports_[1]; }
  std::optional<LoggedEvent> logged_event() override { return std::nullopt; }
  LogHealth health() const override { return {}; }
  Signal &wake() override { return this->wake_; }
  void happened(const NodeEvent &event) override { this->events.push_back(event); }

  /// What the writer does: closes the spans that are over.
  void write(uint64_t now_us) {
    this->close(this->log_, HOUSE_LOG, now_us, this->samples);
    this->close(this->capture_, HOUSE_CAPTURE, now_us, this->captured);
  }

  std::vector<CanFrame> traffic;
  std::vector<SnapshotRequest> kept;
  std::vector<EventKey> named;
  std::vector<NodeEvent> events;
  /// Samples by name of their channel, in the order of time.
  std::map<std::string, std::vector<int32_t>> samples;
  std::map<std::string, std::vector<int32_t>> captured;

 protected:
  void setup(Recorder &recorder, std::span<const Channel> channels, std::vector<uint64_t> &memory,
             const RecorderTiming &timing) {
    memory.resize((Recorder::arena_bytes(channels, timing) + 7) / 8);
    const Schema schema{.node = "house", .cluster = "north", .channels = channels};
    const bool done = recorder.setup(
        schema, 1, timing, {reinterpret_cast<uint8_t *>(memory.data()), memory.size() * 8}, START_US);
    if (!done) std::abort();
  }
  static void close(Recorder &recorder, std::span<const Channel> channels, uint64_t now_us,
                    std::map<std::string, std::vector<int32_t>> &into) {
    std::vector<uint8_t> room(60'000);
    for (const Group group : {Group::FAST, Group::SLOW}) {
      while (recorder.ready(group, now_us)) {
        const auto bytes = recorder.close(group, {}, room);
        if (bytes.empty()) continue;
        seal(bytes, {.boot_id = 1, .seq = 0});
        auto head = open_samples(check_frame(bytes).value());
        const Schema schema{.node = "house", .cluster = "north", .channels = channels};
        for (uint16_t i = 0; i < head->blocks; i++) {
          const Block block = read_block(head->in, schema, head->span_ms).value();
          std::vector<int32_t> values(block.present);
          if (!decode_block(block, values)) std::abort();
          auto &all = into[std::string{schema.find(block.id)->name}];
          all.insert(all.end(), values.begin(), values.end());
        }
      }
    }
  }

  std::vector<uint64_t> log_memory_, capture_memory_;
  Recorder log_, capture_;
  std::array<ReadPort, 2> ports_{};
  Signal wake_;
};

/// As on the ESP32: what is saved waits in RAM until it is written.
class MapStorage final : public Storage {
 public:
  bool load(std::string_view name, std::span<uint8_t> value) override {
    const auto found = this->values.find(std::string{name});
    if (found == this->values.end() || found->second.size() != value.size()) return false;
    std::copy(found->second.begin(), found->second.end(), value.begin());
    return true;
  }
  bool save(std::string_view name, std::span<const uint8_t> value) override {
    this->values[std::string{name}].assign(value.begin(), value.end());
    this->saves++;
    return true;
  }
  bool save_now(std::string_view name, std::span<const uint8_t> value) override {
    if (this->broken || !this->save(name, value)) return false;
    this->written = this->values;
    return true;
  }
  void cut_power() { this->values = this->written; }
  std::map<std::string, std::vector<uint8_t>> values;
  std::map<std::string, std::vector<uint8_t>> written;
  int saves{0};
  bool broken{false};
};

/// Measures what it is told.
class TestInput final : public FastInput {
 public:
  bool sample(uint64_t, FastSample &sample) override {
    sample = this->now;
    return this->works;
  }
  bool measures(HouseMetric metric) const override { return metric != this->not_measured; }
  FastSample now{.frequency_hz = 49.9F,
                 .ac_voltage_v = 230,
                 .ac_current_a = 8,
                 .active_power_w = 1800,
                 .dc_bus_voltage_v = 53,
                 .battery_current_a = 36};
  bool works{true};
  HouseMetric not_measured{HouseMetric::UPTIME};
};

class TestOutput final : public TripOutput {
 public:
  void set_tripped(bool tripped) override { this->told.push_back(tripped); }
  std::vector<bool> told;
};

class Bench {
 public:
  explicit Bench(const HouseSettings &settings = {}, MapStorage *kept = nullptr)
      : house(std::make_unique<House>(node, log, settings)) {
    this->node.desk.add(this->log);
    this->house->set_input(&this->input);
    this->house->set_trip_output(&this->output);
    if (kept != nullptr) this->storage.values = kept->values;
    this->house->start(this->storage);
  }

  void set(HouseMetric metric, double value) {
    this->node.readings.set_value(static_cast<size_t>(metric), value);
  }
  double value(HouseMetric metric) const { return this->node.readings.value(static_cast<size_t>(metric)); }

  void run(double seconds) {
    for (auto beats = std::llround(seconds * 100); beats > 0; beats--) {
      this->house->tick(this->now_us, this->sequence++);
      this->log.write(this->now_us);
      this->now_us += BEAT_US;
    }
  }
  /// Codes and states of the events so far, `F001+` for raised and `F001-` for cleared.
  std::string story() const {
    std::string text;
    for (const NodeEvent &event : this->log.events) {
      if (!text.empty()) text += ' ';
      text += std::string{event.code.view()} + (event.state == EventState::RAISED ? '+' : '-');
    }
    return text;
  }

  uint64_t now_us{START_US};
  uint8_t sequence{0};
  std::array<Readings::Cell, HOUSE_METRICS.size()> cells{};
  Node node{Identity{.role = Role::HOUSE,
                     .number = 3,
                     .node = "house",
                     .cluster = "north",
                     .swarm = "test",
                     .name = "House",
                     .hardware = "bench",
                     .firmware = "1",
                     .boot_id = 0xB007},
            std::span<const SourceSettings>{}, HOUSE_METRICS, cells};
  RecordingLog log;
  MapStorage storage;
  TestInput input;
  TestOutput output;
  std::unique_ptr<House> house;
};

}  // namespace esphome::microgrid::bench

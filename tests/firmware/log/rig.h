// A node with its log and nothing else, in simulated time: a bus task that samples and hears traffic, a
// writer, a main loop.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_log/file_device.h"
#include "esphome/components/microgrid_log/log_writer.h"

namespace esphome::microgrid {

/// A folder of its own that is gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "microgrid-log-XXXXXX";
    this->path = mkdtemp(name.data());
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(this->path); }
  std::string path;
};

/// A folder that can be taken out, fail or be slow.
class TroubledMedium final : public Medium {
 public:
  explicit TroubledMedium(const std::string &folder) : folder_(std::make_unique<FolderMedium>(folder)) {}

  void exchange(const std::string &folder) { this->folder_ = std::make_unique<FolderMedium>(folder); }

  CardState mount(const MediumBlocks &blocks) override {
    this->mounts++;
    return this->out ? CardState::MISSING : this->folder_->mount(blocks);
  }
  void unmount() override { this->folder_->unmount(); }
  bool read(MediumFile file, uint32_t block, BlockRoom to) override {
    return !this->out && this->folder_->read(file, block, to);
  }
  bool write(MediumFile file, uint32_t block, BlockBytes from) override {
    if (this->before_write) this->before_write();
    if (this->out || this->failing_writes > 0) {
      this->failing_writes -= this->failing_writes > 0 ? 1 : 0;
      return false;
    }
    this->written.push_back(file);
    return this->folder_->write(file, block, from);
  }
  /// Nobody cuts the power of a test: the disk is spared.
  bool sync(MediumFile /*file*/) override { return !this->out; }
  std::string_view complaint() const override { return this->out ? "no card" : this->folder_->complaint(); }

  bool out{false};
  int failing_writes{0};
  int mounts{0};
  std::function<void()> before_write;
  std::vector<MediumFile> written;

 protected:
  std::unique_ptr<FolderMedium> folder_;
};

/// Storage that lasts as long as the test.
class MapStorage final : public Storage {
 public:
  bool load(std::string_view name, std::span<uint8_t> value) override {
    const auto found = this->values.find(std::string(name));
    if (found == this->values.end() || found->second.size() != value.size()) return false;
    std::copy(found->second.begin(), found->second.end(), value.begin());
    return true;
  }
  bool save(std::string_view name, std::span<const uint8_t> value) override {
    this->saves++;
    this->values[std::string(name)] = {value.begin(), value.end()};
    return true;
  }
  bool save_now(std::string_view name, std::span<const uint8_t> value) override {
    return this->save(name, value);
  }
  std::map<std::string, std::vector<uint8_t>> values;
  int saves{0};
};

inline LogSettings small_settings() {
  return {.log_channels = HOUSE_LOG,
          .capture_channels = HOUSE_CAPTURE,
          .reason = ResetReason::POWER,
          .log_slots = 16,
          .log_slot_blocks = 16,
          .capture_slots = 4,
          .capture_slot_blocks = 64,
          .snapshot_slots = 8,
          .snapshot_slot_blocks = 128};
}

inline Identity house(uint32_t boot_id) {
  return {.role = Role::HOUSE,
          .number = 3,
          .node = "house-3",
          .cluster = "north",
          .swarm = "swarm",
          .name = "House 3",
          .hardware = "test",
          .firmware = "1.2.3",
          .boot_id = boot_id};
}

constexpr int64_t UTC_MINUS_MONO_US = 1'790'000'000'000'000;
constexpr uint64_t STEP_US = 10'000;
constexpr uint64_t SECOND_US = 1'000'000;

class Rig {
 public:
  Rig(Medium &medium, uint32_t boot_id, uint64_t start_us = SECOND_US,
      LogSettings settings = small_settings(), Storage *storage = nullptr)
      : now_us(start_us),
        node(house(boot_id), SOURCES, HOUSE_METRICS, cells_),
        log(node, medium, settings),
        storage_(storage) {
    this->ok = this->log.setup(this->now_us);
    if (storage != nullptr) this->log.load(*storage);
    for (int i = 5; i > 0; i--) this->hear_time(this->now_us - static_cast<uint64_t>(i) * 10'000);
  }

  void hear_time(uint64_t at_us) {
    this->node.clock.take({.source = ClockSource::CAN,
                           .reference = 1,
                           .mono_us = at_us,
                           .utc_us = this->utc_us(at_us) - CAN_INTERRUPT_STAMPS.least_delay_us,
                           .reference_error_us = 0,
                           .round_trip_us = 0},
                          at_us);
  }

  int64_t utc_us(uint64_t mono_us) const { return static_cast<int64_t>(mono_us) + UTC_MINUS_MONO_US; }

  /// What the bus task does every 10 ms: value of a sample = tick number modulo 10000, four frames of the
  /// bus.
  void tick() {
    this->now_us += STEP_US;
    if (this->now_us % SECOND_US == 0) this->hear_time(this->now_us);
    const auto number = static_cast<int32_t>(this->now_us / STEP_US % 10'000);
    for (size_t i = 0; i < HOUSE_CAPTURE.size(); i++) this->log.capture().put(i, this->now_us, number);
    for (size_t i = 0; i < HOUSE_LOG.size(); i++) {
      if (this->now_us % HOUSE_LOG[i].period_us == 0) this->log.log().put(i, this->now_us, number % 100);
    }
    for (uint32_t i = 0; i < this->traffic; i++)
      this->log.record(CanFrame{
          .identifier = 0x300 + i,
          .mono_us = this->now_us + i * 100,
          .length = 8,
          .data = {static_cast<uint8_t>(number), static_cast<uint8_t>(number >> 8), 7, 7, 7, 7, 7, 7}});
    this->node.desk.run();
  }

  /// Time goes on; the writer works every 50 ms, or, when it is busy, every 10.
  void run(double seconds) {
    const uint64_t end_us = this->now_us + static_cast<uint64_t>(seconds * 1e6);
    while (this->now_us < end_us) {
      this->tick();
      if (this->log.busy() || this->now_us % 50'000 < STEP_US) this->log.step(this->now_us);
      while (const auto event = this->log.logged_event()) this->told.push_back(*event);
      if (this->storage_ != nullptr) this->log.save(*this->storage_, this->now_us);
    }
  }

  NodeEvent raise(std::string_view code = "F001", EventState state = EventState::RAISED) {
    NodeEvent event;
    event.type = EventType::FAULT;
    event.state = state;
    event.severity = Severity::CRITICAL;
    event.code.assign(code);
    event.mono_us = this->now_us;
    event.utc_us = this->utc_us(this->now_us);
    event.add(1, 49'000);
    return this->node.desk.raise(event);
  }
  void trigger(const NodeEvent &event) {
    this->log.keep({.key = event.key,
                    .code = event.code,
                    .trigger_mono_us = event.mono_us,
                    .trigger_utc_us = event.utc_us});
  }

  ReadReply ask(ReadRequest request, std::span<uint8_t> room = {}) {
    request.room = room;
    if (!this->log.bus_port().ask(request)) return {};
    for (int i = 0; i < 2000; i++) {
      if (const auto reply = this->log.bus_port().reply()) return *reply;
      this->tick();
      this->log.step(this->now_us);
    }
    return {};
  }
  std::vector<StoredSnapshot> snapshots() {
    std::array<uint8_t, sizeof(StoredSnapshot) * 40> room{};
    const ReadReply reply = this->ask({.what = ReadRequest::What::SNAPSHOTS}, room);
    std::vector<StoredSnapshot> list(reply.count);
    if (reply.count > 0) std::memcpy(static_cast<void *>(list.data()), room.data(), reply.bytes);
    return list;
  }
  std::vector<uint8_t> bytes_of(const StoredSnapshot &snapshot, size_t at_once = 1000) {
    std::vector<uint8_t> bytes;
    std::vector<uint8_t> room(at_once);
    while (true) {
      const ReadReply reply = this->ask({.what = ReadRequest::What::SNAPSHOT_BYTES,
                                         .object = snapshot.object,
                                         .offset = static_cast<uint32_t>(bytes.size())},
                                        room);
      if (reply.status != ReadStatus::OK) return bytes;
      bytes.insert(bytes.end(), room.begin(), room.begin() + static_cast<ptrdiff_t>(reply.bytes));
    }
  }
  /// All durable frames behind a position.
  std::vector<std::vector<uint8_t>> frames(std::optional<Position> after = {}, size_t room_bytes = 20'000) {
    std::vector<std::vector<uint8_t>> result;
    std::vector<uint8_t> room(room_bytes);
    ReadRequest request{.what = after ? ReadRequest::What::LOG_AFTER : ReadRequest::What::LOG_FROM_START,
                        .position = after.value_or(Position{})};
    while (true) {
      const ReadReply reply = this->ask(request, room);
      if (reply.status != ReadStatus::OK) return result;
      FrameScanner scanner(Bytes(room).first(reply.bytes));
      for (size_t i = 0; i < reply.count; i++) {
        const auto frame = scanner.next();
        if (!frame) std::abort();
        result.emplace_back(frame->bytes.begin(), frame->bytes.end());
      }
      request = {.what = ReadRequest::What::LOG_AFTER, .position = reply.last};
    }
  }

  uint64_t now_us;
  uint32_t traffic{4};
  bool ok{false};
  std::vector<LoggedEvent> told;

 protected:
  static constexpr std::array SOURCES{CAN_INTERRUPT_STAMPS};
  std::array<Readings::Cell, HOUSE_METRICS.size()> cells_{};

 public:
  Node node;
  LogWriter log;

 protected:
  Storage *storage_;
};

}  // namespace esphome::microgrid

// The writer of the log: the one task that touches the medium. See log_store.h for what the others see of it.
#pragma once

#include <algorithm>
#include <memory>

#include "capture_log.h"
#include "esphome/components/microgrid_core/node.h"
#include "event_shelf.h"
#include "frame_queue.h"
#include "log_reader.h"
#include "log_settings.h"
#include "log_store.h"
#include "snapshot_cutter.h"

namespace esphome::microgrid {

class LogWriter final : public LogStore {
 public:
  LogWriter(Node &node, Medium &medium, const LogSettings &settings)
      : node_(node),
        medium_(medium),
        settings_(settings),
        log_device_(medium, MediumFile::LOG, this->latency_),
        capture_device_(medium, MediumFile::CAPTURE, this->latency_),
        snapshot_device_(medium, MediumFile::SNAPSHOTS, this->latency_) {}

  /// Takes all the memory it will ever need and registers with the event desk. False when there is too
  /// little, or a schema is not possible.
  bool setup(uint64_t mono_us);
  /// What the log takes, object and setup(), part by part.
  static constexpr RamUse ram_use(const LogSettings &settings);
  static constexpr size_t max_frame_bytes(const LogSettings &settings) {
    return std::max(
        {Recorder::max_frame_bytes(settings.log_channels, settings.timing),
         Recorder::max_frame_bytes(settings.capture_channels, CaptureLog::TIMING),
         CaptureLog::TRAFFIC_FRAME_BYTES, FRAME_HEADER_BYTES + schema_bytes(settings.log_channels),
         FRAME_HEADER_BYTES + schema_bytes(settings.capture_channels), size_t{settings.max_foreign_frame}});
  }
  static constexpr size_t work_bytes(const LogSettings &settings) {
    return std::max<size_t>(BLOCK_BYTES, Recorder::max_frame_bytes(settings.log_channels, settings.timing));
  }
  static constexpr size_t schema_bytes(std::span<const Channel> channels) {
    size_t bytes = 1 + 33 + 33 + 1;
    for (const Channel &channel : channels)
      bytes += 1 + 1 + channel.name.size() + 1 + channel.unit.size() + 4 + 1 + 4 + 4 + 2;
    return bytes;
  }

  /// The body of the task: waits at most 50 ms, then does what is to do.
  void run();
  /// The same without waiting, for tests with a clock of their own.
  void step(uint64_t now_us);
  /// Whether something can be done at once.
  bool busy() const { return this->busy_; }

  /// Main loop: the acknowledged position outlives a restart. save() does nothing more than once a minute.
  void load(Storage &storage);
  void save(Storage &storage, uint64_t now_us);
  /// Main loop, for the console: what the medium complained about last. Valid while the card state is not OK.
  ShortText<120> complaint() const { return this->complaint_.load(); }

  // LogStore.
  void happened(const NodeEvent &event) override;
  Recorder &log() override { return this->recorder_; }
  Recorder &capture() override { return this->capture_.recorder(); }
  bool record(const CanFrame &frame) override { return this->capture_.record(frame); }
  bool record(std::span<const uint8_t> frame) override;
  bool keep(const SnapshotRequest &request) override;
  bool name_snapshot(uint8_t node, uint32_t number, uint32_t boot_id) override;
  ReadPort &bus_port() override { return this->ports_[0]; }
  ReadPort &loop_port() override { return this->ports_[1]; }
  std::optional<LoggedEvent> logged_event() override { return this->logged_.pop(); }
  LogHealth health() const override { return this->health_.load(); }
  Signal &wake() override { return this->wake_; }

 protected:
  enum class InProgress : uint8_t { NOTHING, EVENT, FRAME };
  struct Wish {
    SnapshotRequest request{};
    bool name_only{false};
  };
  struct RamSnapshots {
    RamSnapshots(std::span<uint8_t> memory, SharedBlock &scratch)
        : device(memory), store(device, device.block_count(), heads, scratch, true) {}
    std::array<SnapshotHead, 1> heads{};
    RamDevice device;
    SnapshotStore store;
  };

  /// For a frame that is copied at once.
  std::span<uint8_t> build_room() {
    this->block_->take();
    return this->work_room_;
  }

  // What came from the other tasks.
  void take_events(uint64_t now_us);
  void take_wishes();
  void take_frames(uint64_t now_us);
  void close_frames(uint64_t now_us);
  void queue(Bytes frame);

  // The medium.
  void tend_medium(uint64_t now_us);
  void mount(uint64_t now_us);
  bool open_log();
  void trouble(uint64_t now_us);
  void well();
  void without_medium(uint64_t now_us, CardState state, std::string_view complaint);
  bool usable(uint64_t now_us) const { return this->card_ == CardState::OK && now_us >= this->retry_us_; }
  void tell_card(EventState state);

  // The log.
  bool write_log(uint64_t now_us);
  /// OK with `any` false: there is nothing.
  LogResult append_next(bool &any);
  bool sync_log();
  void tell_events(uint64_t now_us);
  void report_lost();

  // Questions; see log_answers.cpp.
  void answer_ports(uint64_t now_us);
  ReadReply answer(const ReadRequest &request);
  ReadReply acknowledge(Position position);
  /// Those that can be read; in RAM, on the medium.
  std::array<SnapshotStore *, 2> stores();
  SnapshotStore *store_of(uint32_t object, SnapshotHead *&head, SnapshotPart &part);
  ReadReply list_snapshots(std::span<uint8_t> room);
  ReadReply read_snapshot(const ReadRequest &request);
  ReadReply forget_snapshot(const ReadRequest &request);
  ReadReply keep_snapshot(const ReadRequest &request);
  ReadReply keep_bytes(const ReadRequest &request);

  void publish_health();
  uint16_t free_permille() const;

  Node &node_;
  Medium &medium_;
  LogSettings settings_;
  WriteLatency latency_;
  MediumDevice log_device_;
  MediumDevice capture_device_;
  MediumDevice snapshot_device_;

  // Memory of setup().
  BigMemory memory_;
  BigMemory ram_snapshot_memory_;
  std::unique_ptr<uint8_t[]> work_memory_;  // of the chip itself, for the medium's DMA
  std::span<uint8_t> work_room_;            // one frame, or one block
  std::optional<SharedBlock> block_;        // in the same place
  std::span<uint8_t> read_room_;
  SchemaBytes log_schema_{};
  SchemaBytes capture_schema_{};
  Start start_{};

  Signal wake_;
  Recorder recorder_;
  CaptureLog capture_;
  std::optional<RingLog> log_;
  std::optional<LogReader> reader_;
  std::optional<SnapshotStore> snapshots_;
  std::optional<RamSnapshots> ram_snapshots_;
  std::optional<SnapshotCutter> cutter_;

  // From the other tasks, and to them.
  SpscRing<NodeEvent, 16> events_in_;
  SpscRing<Wish, 8> wishes_;
  std::optional<SpscByteRing> frames_in_;
  SpscRing<LoggedEvent, 4> logged_;  // what finds no room stays on the shelf
  std::array<ReadPort, 2> ports_;
  Published<LogHealth> health_;
  Published<Position> acknowledged_shared_;
  Published<ShortText<120>> complaint_;

  // On the way to the medium.
  FrameQueue queue_;
  EventShelf shelf_;
  std::array<uint8_t, EventShelf::FRAME_BYTES> event_frame_{};
  std::span<uint8_t> event_bytes_{};
  InProgress in_progress_{InProgress::NOTHING};
  uint32_t to_give_up_{0};
  std::optional<LostRange> lost_{};  // to be reported
  bool unsynced_{false};
  bool urgent_{false};
  uint64_t unsynced_since_us_{0};
  uint64_t next_timesync_us_{0};

  CardState card_{CardState::UNKNOWN};
  bool without_{false};    // a medium: what can be done in RAM is done there
  bool card_told_{false};  // that it failed
  bool log_open_{false};
  uint64_t retry_us_{0};
  uint64_t trouble_since_us_{0};
  uint64_t next_mount_us_{0};
  uint32_t retry_after_us_{0};
  uint32_t errors_{0};
  uint32_t refused_{0};
  bool busy_{false};

  std::optional<Position> acknowledged_;
  Position saved_{};  // main loop
  uint64_t saved_us_{0};
};

constexpr RamUse LogWriter::ram_use(const LogSettings &settings) {
  RamUse use;
  use.add("recorder", Recorder::arena_bytes(settings.log_channels, settings.timing));
  use.add("a frame or block at work", work_bytes(settings));
  use.add("frames for the card", settings.queue_bytes);
  use.add("frames of others", settings.foreign_bytes);
  use.add("ring", sizeof(RingLog) + sizeof(Slot) * settings.log_slots);
  use.add("reading", max_frame_bytes(settings));
  use.add("schemas", schema_bytes(settings.log_channels) + schema_bytes(settings.capture_channels));
  CaptureLog::add_ram_use(use, settings.capture_channels, settings.capture_slots,
                          settings.ram_capture_blocks);
  use.add("snapshots", sizeof(SnapshotHead) * settings.snapshot_slots + sizeof(SnapshotCutter));
  use.add("snapshot without card", size_t{settings.ram_snapshot_blocks} * BLOCK_BYTES);
  use.add("events", sizeof(EventShelf) + sizeof(SpscRing<NodeEvent, 16>) + sizeof(SpscRing<LoggedEvent, 4>));
  const size_t counted = sizeof(RingLog) * 2 + sizeof(SnapshotCutter) + sizeof(EventShelf) +
                         sizeof(SpscRing<NodeEvent, 16>) + sizeof(SpscRing<LoggedEvent, 4>) +
                         sizeof(CanWriter) + sizeof(TrafficQueue);
  use.add("log, the rest", sizeof(LogWriter) - counted);
  return use;
}

}  // namespace esphome::microgrid

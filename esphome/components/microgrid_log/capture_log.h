// What a snapshot is cut from: samples at 100 Hz and the traffic of the bus, in frames of one second, in a
// short ring of their own on the medium. Without a medium the samples alone go to a small ring in RAM.
#pragma once

#include "esphome/components/microgrid_core/clock.h"
#include "esphome/components/microgrid_core/platform.h"
#include "esphome/components/microgrid_core/umg1_ring.h"
#include "medium.h"
#include "ram_use.h"
#include "traffic_queue.h"

namespace esphome::microgrid {

struct CaptureSettings {
  Schema schema;
  Bytes schema_payload;
  uint32_t schema_hash;
  Start start;
  BlockDevice *device;
  SharedBlock *cache;
  uint32_t slots;
  uint32_t blocks_per_slot;
  uint32_t ram_blocks;  // 0: nothing is kept without a medium
};

class CaptureLog final {
 public:
  static constexpr RecorderTiming TIMING{.slow = {.span_ms = 1000, .slack_ms = 2000},
                                         .fast = {.span_ms = 1000, .slack_ms = 2000}};
  static constexpr uint64_t SPAN_US = 1'000'000;
  /// A frame ends after a second, or when it is full: four houses have 5 kB a second.
  static constexpr size_t TRAFFIC_FRAME_BYTES = 4096;
  static constexpr uint32_t RAM_SLOT_BLOCKS = 1;

  /// False when there is too little memory or the schema is not possible.
  bool setup(const CaptureSettings &settings, uint64_t mono_us);
  static constexpr void add_ram_use(RamUse &use, std::span<const Channel> channels, uint32_t slots,
                                    uint32_t ram_blocks) {
    use.add("capture: recorder",
            Recorder::arena_bytes(channels, TIMING) + Recorder::max_frame_bytes(channels, TIMING));
    use.add("capture: traffic waiting", sizeof(TrafficQueue));
    use.add("capture: traffic frame", TRAFFIC_FRAME_BYTES + sizeof(CanWriter));
    use.add("capture: ring", sizeof(RingLog) + sizeof(Slot) * slots);
    if (ram_blocks == 0) return;
    use.add("capture: ring without card",
            sizeof(Ram) + size_t{ram_blocks} * BLOCK_BYTES + sizeof(Slot) * (ram_blocks / RAM_SLOT_BLOCKS));
  }

  // Bus task.
  Recorder &recorder() { return this->recorder_; }
  bool record(const CanFrame &frame) { return this->waiting_.push(frame); }

  // Writer.

  /// Takes in what came and appends finished frames. With `medium_usable` false nothing is written to the
  /// medium. False when the medium failed: call again later.
  bool step(uint64_t now_us, const DisciplinedClock &clock, bool medium_usable);
  /// The medium is there again, or is given up. Not while a snapshot is being copied.
  void medium_mounted();
  void medium_lost();

  /// The ring that is written to; nullptr when there is none.
  RingLog *ring();
  bool in_ram() const { return this->in_ram_; }
  /// Since when nothing is missing, and up to when everything is in the ring.
  uint64_t complete_from_us() const { return this->complete_from_us_; }
  bool complete_until(uint64_t mono_us) const;
  uint32_t refused() const;

 protected:
  void take_traffic(uint64_t now_us, const DisciplinedClock &clock);
  void begin_traffic(const CanFrame &frame, const DisciplinedClock &clock);
  void end_traffic();
  void close_samples(uint64_t now_us, const DisciplinedClock &clock);
  /// Nothing pending afterwards, or a medium that failed.
  bool write_pending(bool medium_usable);
  void gap(uint64_t until_us);
  void watch_for_refusals(uint64_t now_us);

  CaptureSettings settings_{};
  BigMemory memory_;
  std::span<uint8_t> sample_room_;
  std::span<uint8_t> traffic_room_;
  Recorder recorder_;
  TrafficQueue waiting_;

  std::optional<RingLog> card_;
  /// The ring of the time without a medium.
  struct Ram {
    Ram(std::span<uint8_t> memory, const RingConfig &config, std::span<Slot> slots, SharedBlock &cache)
        : device(memory), ring(device, config, slots, cache) {}
    RamDevice device;
    RingLog ring;
  };
  BigMemory ram_memory_;
  Ram *ram_{nullptr};  // in it
  bool card_open_{false};
  bool ram_open_{false};
  bool in_ram_{false};

  // The traffic frame being filled, and what is finished but not in the ring yet.
  std::optional<FrameBuilder> builder_;
  std::optional<CanWriter> writer_;
  std::optional<CanFrame> left_over_;
  uint64_t traffic_from_us_{0};
  std::span<uint8_t> pending_samples_{};
  std::span<uint8_t> pending_traffic_{};

  uint64_t samples_until_us_{0};
  uint64_t traffic_until_us_{0};
  uint64_t complete_from_us_{0};
  uint64_t next_sync_us_{0};
  uint32_t known_refused_{0};
};

}  // namespace esphome::microgrid

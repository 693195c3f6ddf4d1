// The log of a node on its medium: a ring of preallocated segments, written in place in blocks of 4 KiB.
//
// A slot is filled with zeros before a segment begins in it, so that every good frame in a slot belongs to
// the segment there and the log ends at the last one, whatever was damaged before it. A restart goes on in
// the newest segment.
//
// No frame counts as durable before the device has synchronised it. The open block is written again as it
// fills: its older sectors get the bytes they already hold, so that a power cut costs the frame being written
// and nothing else.
//
// All calls come from one task. Nothing here allocates.
#pragma once

#include <array>

#include "umg1_event.h"
#include "umg1_segment.h"

namespace esphome::microgrid {

/// What the log remembers of the segment in a slot; the owner of the log provides one for each.
struct Slot {
  static constexpr uint64_t EMPTY = ~uint64_t{0};
  static constexpr uint32_t UNKNOWN_SEQ = ~uint32_t{0};

  uint64_t number{EMPTY};
  uint64_t mono_us{0};
  uint32_t boot_id{0};
  uint32_t first_seq{UNKNOWN_SEQ};
};

struct RingConfig {
  std::string_view node;
  std::string_view cluster;
  uint32_t blocks_per_segment{128};
  uint64_t segment_us{3'600'000'000};  // a segment is closed when it is that old, or full
};

/// A start of the node. `schema` must stay where it is while the log is open.
struct Start {
  uint32_t boot_id;
  uint64_t mono_us;
  int64_t utc_us{0};
  Bytes schema;
  uint32_t schema_hash;
  ResetReason reason{ResetReason::UNKNOWN};
  std::string_view firmware{};
};

enum class LogResult : uint8_t {
  OK,
  DEVICE,    // the medium failed: call again with the same frame, or give it up by coming with another one
  FULL,      // every other slot is pinned
  UNUSABLE,  // not open, too few blocks, or a frame that fits no segment
};

struct RingCounters {
  uint32_t device_errors;
  uint32_t moved_blocks;      // bad blocks that were passed over
  uint32_t skipped_slots;     // pinned or bad slots that were passed over
  uint32_t abandoned_frames;  // given up half written
  uint32_t lost_frames;       // reported by take_lost()
};

/// Copies a pinned window elsewhere when its slot is about to be overwritten, then unpins it.
class PinKeeper {
 public:
  virtual void rescue(uint32_t pin_id) = 0;

 protected:
  ~PinKeeper() = default;
};

/// A window of the current boot that is not to be overwritten.
struct Pin {
  uint32_t id;
  uint32_t boot_id;
  uint64_t from_us;
  uint64_t to_us;
  uint64_t first_segment;
  uint64_t last_segment;
  bool used;
};

class RingLog final {
 public:
  static constexpr size_t MIN_SLOTS = 3;
  static constexpr size_t MAX_PINS = 8;

  /// `cache` is used during calls only.
  RingLog(BlockDevice &device, const RingConfig &config, std::span<Slot> slots, SharedBlock &cache,
          PinKeeper *keeper = nullptr)
      : device_(device),
        config_(config),
        slots_(slots),
        keeper_(keeper),
        cache_(cache),
        scan_(device, cache) {}

  /// Finds the end of the log and writes the schema and boot frames of this start. On DEVICE call it again.
  LogResult open(const Start &start);

  /// The medium was changed: open() looks for the end of the log anew and goes on with the sequence of this
  /// boot. When it is not the one on which the durable frames of this boot are, they are lost, but for the
  /// acknowledged ones. Pins are gone.
  void forget_medium();

  /// So many frames will never come: their numbers are left out, and reported by take_lost(). False while a
  /// frame is half written.
  bool give_up(uint32_t frames);

  /// Gives the frame its place (boot id, seq, CRC) and writes it, as far as whole blocks are concerned.
  LogResult append(std::span<uint8_t> frame);

  /// Writes what is left and synchronises the medium: afterwards all appended frames are durable.
  LogResult sync();

  /// In idle time: fills up to `blocks` blocks of the next slot with zeros, once the current segment is half
  /// full or, by `mono_us`, half of its time is over.
  LogResult prepare(uint32_t blocks, uint64_t mono_us = 0);

  /// The last frame that survives a power cut, as all before it do but those of take_lost().
  std::optional<Position> durable() const { return this->durable_; }
  uint32_t next_seq() const { return this->next_seq_; }
  /// Where the boot before this one ended: its next seq. nullopt on a fresh medium.
  std::optional<Position> previous() const { return this->previous_; }
  const RingCounters &counters() const { return this->counters_; }

  /// Everything up to here is durable elsewhere too: overwriting it is no loss.
  void acknowledge(Position position);
  /// The next range of frames that were overwritten unacknowledged; report it by an overflow event.
  std::optional<LostRange> take_lost();

  /// Keeps the segments of a window that may still be going on. Pinning an id again moves its end. False when
  /// the table is full.
  bool pin(uint32_t id, uint64_t from_us, uint64_t to_us);
  void unpin(uint32_t id);
  const Pin *find_pin(uint32_t id) const;

  // For readers.

  const Slot *find_segment(uint64_t number) const;
  /// The existing segment with the lowest number that is not below `number`.
  std::optional<uint64_t> segment_from(uint64_t number) const;
  /// The segment that holds a frame, or the last one before it that may; nullopt when its boot is not in the
  /// ring.
  std::optional<uint64_t> locate(Position position);
  uint32_t first_block_of(uint64_t number) const;
  /// The segment being written, and the one of the acknowledged frame.
  std::optional<uint64_t> newest_segment() const;
  std::optional<uint64_t> acknowledged_segment() const { return this->acknowledged_in_; }
  /// The last segment whose begin lies before all frames with something at or after a time of a boot.
  uint64_t segment_before(uint32_t boot_id, uint64_t mono_us) const;
  /// Up to where a segment can be read: the end of its durable frames.
  uint32_t readable_bytes(uint64_t number) const;
  /// Rises whenever the medium changes.
  uint32_t version() const { return this->version_; }
  BlockDevice &device() const { return this->device_; }

 protected:
  // Errors in a row after which a block or a slot is passed over.
  static constexpr uint32_t GIVE_UP_AFTER = 8;
  static constexpr size_t MAX_LOST = 8;
  // A slow frame is written up to a minute after its first sample, and a bit.
  static constexpr uint64_t FRAME_DELAY_US = 90'000'000;

  uint32_t capacity() const { return this->config_.blocks_per_segment * BLOCK_BYTES; }
  uint32_t end() const { return this->block_ * BLOCK_BYTES + this->fill_; }
  uint32_t next_place() const;
  bool fits(size_t frame_bytes) const;

  size_t slot_of(uint64_t number) const { return static_cast<size_t>(number % this->slots_.size()); }

  bool read_slots();
  LogResult find_end();
  /// End of the last good frame of a segment and its position; the end of the header when there is none.
  uint32_t last_frame_end(uint64_t number, std::optional<Position> &last);
  bool is_of_this_node(uint64_t number);
  LogResult continue_segment(uint64_t number, uint32_t end);
  /// The medium holds the log up to `last`: are the frames of this boot among it?
  void recognise(std::optional<Position> last, uint64_t newest);

  LogResult new_segment(uint64_t mono_us, int64_t utc_us);
  LogResult prepare_slot(uint64_t number, uint32_t blocks);
  std::optional<uint64_t> next_number();
  bool is_pinned(uint64_t number) const;

  void make_schema_frame(uint64_t mono_us, int64_t utc_us);
  LogResult place(Bytes head, Bytes body);
  void abandon();
  LogResult write_buffer();
  LogResult leave_block();
  LogResult pass_over_block();
  LogResult give_up_segment();
  bool write_device(uint32_t block, BlockBytes from);
  LogResult failed();

  void collect_lost(const Slot &slot);
  void add_lost(Position position);

  BlockDevice &device_;
  RingConfig config_;
  std::span<Slot> slots_;
  PinKeeper *keeper_;

  // The open block: `fill_` bytes of block `block_` of the active segment.
  alignas(4) std::array<uint8_t, BLOCK_BYTES> buffer_{};
  uint64_t active_{Slot::EMPTY};
  uint64_t active_since_us_{0};
  uint32_t block_{0};
  uint32_t fill_{0};
  bool dirty_{false};
  uint8_t sector_frames_{0};  // frames with a part in the sector of the last byte
  uint32_t frame_start_{0};   // of the frame placed last or being placed
  uint32_t progress_{0};      // bytes of it that are in place when the medium failed in between
  uint32_t progress_crc_{0};
  uint32_t reaches_back_to_{0};  // start of the first frame with bytes in the buffer

  std::array<uint8_t, FRAME_HEADER_BYTES> schema_header_{};
  bool schema_pending_{false};
  bool boot_pending_{true};
  bool end_found_{false};
  Start start_{};
  uint64_t began_in_{Slot::EMPTY};  // segment in which this boot began

  uint32_t next_seq_{0};
  std::optional<Position> appended_{};
  std::optional<Position> durable_{};
  std::optional<Position> previous_{};
  uint32_t durable_end_{0};

  uint64_t preparing_{Slot::EMPTY};
  uint32_t prepared_blocks_{0};
  uint64_t lowest_next_{0};  // slots below were given up as bad
  uint32_t errors_in_a_row_{0};

  std::optional<Position> acknowledged_{};
  std::optional<uint64_t> acknowledged_in_{};
  std::optional<uint32_t> not_located_boot_{};
  std::array<LostRange, MAX_LOST> lost_{};
  size_t lost_count_{0};

  std::array<Pin, MAX_PINS> pins_{};
  RingCounters counters_{};
  uint32_t version_{0};

  SharedBlock &cache_;
  SegmentScan scan_;
};

}  // namespace esphome::microgrid

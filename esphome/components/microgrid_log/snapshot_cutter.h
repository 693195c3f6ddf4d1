// Cuts snapshots out of the rings: keeps an eye on the windows that are still going on, and copies each, once
// it is over, into a slot of the store.
#pragma once

#include "capture_log.h"
#include "esphome/components/microgrid_core/identity.h"
#include "esphome/components/microgrid_core/umg1_ring_reader.h"
#include "snapshot_store.h"

namespace esphome::microgrid {

/// The schema of a ring, ready to be sent.
struct SchemaBytes {
  Bytes payload;
  uint32_t hash;
};

class SnapshotCutter final {
 public:
  static constexpr size_t MAX_WINDOWS = 6;
  static constexpr uint64_t BEFORE_US = 10'000'000;
  static constexpr uint64_t AFTER_US = 10'000'000;
  static constexpr uint64_t MAX_WINDOW_US = 60'000'000;
  /// How long a window that is over waits for the last frames, and for its name.
  static constexpr uint64_t PATIENCE_US = 5'000'000;

  /// `room` (for one frame of any ring) is used by whoever reads; see copying().
  SnapshotCutter(const Identity &identity, RingLog &log, CaptureLog &capture, const SchemaBytes &log_schema,
                 const SchemaBytes &capture_schema, SharedBlock &cache, std::span<uint8_t> room)
      : identity_(identity),
        log_(log),
        capture_(capture),
        log_schema_(log_schema),
        capture_schema_(capture_schema),
        cache_(cache),
        room_(room) {}

  /// False when too many are being recorded.
  bool keep(const SnapshotRequest &request);
  void name(uint8_t node, uint32_t number, uint32_t boot_id);

  /// Where snapshots go from now on, nullptr: nowhere, and whether the log can be read. What an earlier start
  /// had not finished there is completed as far as it goes.
  void set_store(SnapshotStore *store, const SnapshotStore *other);

  /// A bounded piece of work. False when the medium failed: call again later.
  bool step(uint64_t now_us);
  /// Whether the room is in use from one step to the next.
  bool copying() const { return this->stage_ != Stage::NONE; }

  /// How many more can be begun; none as long as there is no place to put them.
  uint8_t free() const;
  /// Those still being recorded.
  size_t list(std::span<StoredSnapshot> to) const;

 protected:
  enum class Stage : uint8_t { NONE, BEGIN, SAMPLES, LOG, TRAFFIC, FINISH };

  struct Window {
    bool used{false};
    bool extended{false};
    bool partial{false};
    bool recovered{false};  // of an earlier start
    bool pinned_in_capture{false};
    bool pinned_in_log{false};
    EventKey key{};
    EventCode code{};
    uint64_t trigger_mono_us{0};
    int64_t trigger_utc_us{0};
    uint32_t boot_id{0};
    uint64_t from_us{0};
    uint64_t to_us{0};
    SnapshotHead *head{nullptr};  // its slot, as soon as there is one

    StoredState state() const {
      return this->partial    ? StoredState::PARTIAL
             : this->extended ? StoredState::EXTENDED
                              : StoredState::COMPLETE;
    }
  };

  uint32_t pin_of(const Window &window) const {
    return static_cast<uint32_t>(&window - this->windows_.data()) + 1;
  }
  static void extend(Window &window, uint64_t trigger_us);
  bool reserve(Window &window);
  void recover_one();
  void pin(Window &window);
  bool is_over(const Window &window, uint64_t now_us) const;

  bool copy_some();
  void begin();
  bool copy_frames(RingLog *from, SnapshotPart to);
  bool wanted(const Frame &frame) const;
  bool write_heads(SnapshotPart part);
  bool write_schema(const SchemaBytes &schema, SnapshotPart part);
  bool write_frame(std::span<uint8_t> frame, SnapshotPart part);
  bool finish();
  void release(Window &window);

  const Identity &identity_;
  RingLog &log_;
  CaptureLog &capture_;
  SchemaBytes log_schema_;
  SchemaBytes capture_schema_;
  SharedBlock &cache_;
  std::span<uint8_t> room_;

  SnapshotStore *store_{nullptr};
  std::array<Window, MAX_WINDOWS> windows_{};

  // The window being copied.
  Stage stage_{Stage::NONE};
  Window *window_{nullptr};
  std::optional<RingReader> reader_;
  uint32_t seq_{0};
  bool again_{false};  // something was not readable, or did not fit: once more, as a partial one
};

}  // namespace esphome::microgrid

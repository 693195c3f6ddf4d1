// Which faults of a node are raised, and the snapshots of its own faults, of those that others broadcast, and
// of what somebody asked to record.
#pragma once

#include <atomic>

#include "log_store.h"

namespace esphome::microgrid {

/// Bus task, but for raised().
class FaultSnapshots final {
 public:
  explicit FaultSnapshots(LogStore &log) : log_(log) {}

  /// An event of this node.
  void happened(const NodeEvent &event);
  /// Another node has raised a fault, or a recording was asked for (NO_FAULT); the key of another node has
  /// boot_id 0 while that is not known.
  void heard(const EventKey &key, uint16_t fault_number, uint64_t mono_us, int64_t utc_us);
  /// Another node has said which boot it is in.
  void named(uint8_t node, uint32_t boot_id);

  /// Any task: faults of this node that are raised, those of its bus included, one bit per row of FAULTS.
  uint32_t raised() const { return this->raised_.load(std::memory_order_relaxed); }

 protected:
  static constexpr size_t MAX_UNNAMED = 8;
  struct Unnamed {
    uint8_t node;
    uint32_t number;
  };

  LogStore &log_;
  std::atomic<uint32_t> raised_{0};
  std::array<Unnamed, MAX_UNNAMED> unnamed_{};
  size_t unnamed_count_{0};
};

}  // namespace esphome::microgrid

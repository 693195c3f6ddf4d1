// A fault is often heard before the Heartbeat that says which boot it belongs to: its snapshot is named
// later.
#include "fault_snapshots.h"

#include "esphome/components/microgrid_core/fault_catalogue.h"

namespace esphome::microgrid {

static_assert(FAULTS.size() <= 32);

void FaultSnapshots::happened(const NodeEvent &event) {
  if (event.type != EventType::FAULT) return;
  const bool raised = event.state == EventState::RAISED;
  if (const FaultRow *row = find_fault(event.code.view()); row != nullptr) {
    const uint32_t bit = 1U << (row - FAULTS.data());
    const uint32_t before = this->raised();
    this->raised_.store(raised ? before | bit : before & ~bit, std::memory_order_relaxed);
  }
  if (!raised) return;
  this->log_.keep({.key = event.key,
                   .code = event.code,
                   .trigger_mono_us = event.mono_us,
                   .trigger_utc_us = event.utc_us});
}

void FaultSnapshots::heard(const EventKey &key, uint16_t fault_number, uint64_t mono_us, int64_t utc_us) {
  this->log_.keep(
      {.key = key, .code = fault_text(fault_number), .trigger_mono_us = mono_us, .trigger_utc_us = utc_us});
  if (key.boot_id != 0) return;
  if (this->unnamed_count_ == MAX_UNNAMED) {
    // The oldest has waited in vain.
    for (size_t i = 1; i < MAX_UNNAMED; i++) this->unnamed_[i - 1] = this->unnamed_[i];
    this->unnamed_count_--;
  }
  this->unnamed_[this->unnamed_count_++] = {.node = key.node, .number = key.number};
}

void FaultSnapshots::named(uint8_t node, uint32_t boot_id) {
  size_t left = 0;
  for (size_t i = 0; i < this->unnamed_count_; i++) {
    const Unnamed waiting = this->unnamed_[i];
    if (waiting.node == node) {
      this->log_.name_snapshot(node, waiting.number, boot_id);
    } else {
      this->unnamed_[left++] = waiting;
    }
  }
  this->unnamed_count_ = left;
}

}  // namespace esphome::microgrid

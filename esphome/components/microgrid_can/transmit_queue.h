// Frames that wait for the controller, the most urgent first: a fault must not stand behind a bulk transfer,
// nor be refused because one fills the queue.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "esphome/components/microgrid_core/umg1_can.h"

namespace esphome::microgrid {

struct Outgoing {
  CanFrame frame;
  bool stamp;  // its time of transmission is wanted
};

/// For one task. Frames of equal identifier keep their order.
class TransmitQueue final {
 public:
  static constexpr size_t CAPACITY = 32;

  /// False when it is full of frames that are at least as urgent; otherwise the least urgent one gives way,
  /// and of equals the newest.
  bool push(const Outgoing &outgoing) {
    if (urgency(outgoing.frame) >= this->least_urgency()) return false;
    if (this->full()) {
      std::copy(this->waiting_.begin() + 1, this->waiting_.end(), this->waiting_.begin());
      this->size_--;
      this->lost_++;
    }
    // Sorted with the most urgent last; the queue is short and mostly empty.
    size_t place = this->size_++;
    for (; place > 0 && urgency(this->waiting_[place - 1].frame) <= urgency(outgoing.frame); place--) {
      this->waiting_[place] = this->waiting_[place - 1];
    }
    this->waiting_[place] = outgoing;
    return true;
  }
  std::optional<Outgoing> pop() {
    if (this->size_ == 0) return std::nullopt;
    return this->waiting_[--this->size_];
  }
  bool full() const { return this->size_ == CAPACITY; }
  /// What waits is old news after the bus was off.
  void clear() {
    this->lost_ += static_cast<uint32_t>(this->size_);
    this->size_ = 0;
  }
  /// Frames that were taken and never sent.
  uint32_t lost() const { return this->lost_; }

  /// As arbitration sees it: the first eleven bits count most; the lower the more urgent.
  static uint32_t urgency(const CanFrame &frame) {
    const uint32_t identifier = frame.identifier;
    const uint32_t bits = identifier & 0x1FFFFFFF;
    return (identifier & CAN_EXTENDED) != 0 ? bits << 1 | 1 : bits << 19;
  }
  /// What a frame must be below to be taken.
  uint32_t least_urgency() const { return this->full() ? urgency(this->waiting_[0].frame) : UINT32_MAX; }

 protected:
  std::array<Outgoing, CAPACITY> waiting_{};
  size_t size_{0};
  uint32_t lost_{0};
};

}  // namespace esphome::microgrid

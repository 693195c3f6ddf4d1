// CAN traffic: each frame as its difference from the previous one with the same identifier, about 8 bytes
// instead of 16.
#pragma once

#include <array>
#include <optional>

#include "umg1_frame.h"

namespace esphome::microgrid {

constexpr uint32_t CAN_EXTENDED = 1U << 31;
constexpr uint32_t CAN_REMOTE = 1U << 30;
constexpr uint32_t CAN_ERROR = 1U << 29;
constexpr uint64_t CAN_TICK_US = 10;

struct CanFrame {
  uint32_t identifier;  // bits 28–0, and the flags above
  uint64_t mono_us;
  uint8_t length;  // 0 … 8; 0 for a remote frame, which has no data
  std::array<uint8_t, 8> data;
};

struct CanEntry {
  uint32_t identifier;
  int32_t delta;
  int64_t tick;
  std::array<uint8_t, 8> data;
  uint8_t length;
};

/// What both sides remember of the frames so far.
template <size_t CAPACITY>
class CanHistory {
 public:
  size_t size() const { return this->size_; }
  CanEntry &at(size_t index) { return this->entries_[index]; }
  /// size() when it is new.
  size_t find(uint32_t identifier) const {
    size_t index = 0;
    while (index < this->size_ && this->entries_[index].identifier != identifier) index++;
    return index;
  }
  /// nullptr when the table is full.
  CanEntry *add(uint32_t identifier) {
    if (this->size_ == CAPACITY) return nullptr;
    CanEntry &entry = this->entries_[this->size_++];
    entry = {.identifier = identifier, .delta = 0, .tick = 0, .data = {}, .length = 0};
    return &entry;
  }

 protected:
  std::array<CanEntry, CAPACITY> entries_{};
  size_t size_{0};
};

/// Fills the payload of one CAN frame. Times are kept in ticks of 10 µs, rounded down, counted from
/// `mono_us`.
class CanWriter final {
 public:
  /// More than a cluster has; 2 kB.
  static constexpr size_t IDENTIFIERS = 64;
  CanWriter(FrameBuilder &out, uint64_t mono_us);
  /// False, with nothing written, when there is no room for the frame or its identifier: close this payload,
  /// begin a new one.
  bool add(const CanFrame &frame);
  uint16_t count() const { return this->count_; }

 protected:
  FrameBuilder &out_;
  uint8_t *count_at_;
  uint64_t mono_us_;
  uint16_t count_{0};
  CanHistory<IDENTIFIERS> history_;
};

class CanReader final {
 public:
  explicit CanReader(const Frame &frame);
  /// nullopt at the end, and when the payload is malformed (then ok() is false).
  std::optional<CanFrame> next();
  bool ok() const { return this->in_.ok(); }

 protected:
  ByteReader in_;
  uint64_t mono_us_;
  uint16_t left_;
  CanHistory<256> history_;  // as many as an index can tell apart
};

}  // namespace esphome::microgrid

// Frames of the bus on their way to the writer, packed: eleven bytes on average instead of 24, and quicker
// than the code of the log. One task pushes, one pops; nobody waits.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>

#include "esphome/components/microgrid_core/umg1_can.h"

namespace esphome::microgrid {

class TrafficQueue final {
 public:
  /// 1.1 s of a cluster of four houses: 644 frames a second.
  static constexpr uint32_t BYTES = 8192;

  /// Producer. False, and counted, when the queue is full. Times are rounded down to ticks of 10 µs.
  bool push(const CanFrame &frame) {
    Record record;
    const uint64_t tick = frame.mono_us / CAN_TICK_US;
    const auto length = static_cast<uint32_t>(std::min<size_t>(frame.length, frame.data.size()));
    const bool is_short = frame.identifier < LONG;
    const auto since = static_cast<int64_t>(tick - this->pushed_tick_);
    const bool is_near = since > FAR && since <= std::numeric_limits<int16_t>::max();
    record.add(static_cast<uint16_t>((length << LENGTH_SHIFT) | (is_short ? frame.identifier : LONG)));
    if (!is_short) record.add(frame.identifier);
    record.add(is_near ? static_cast<int16_t>(since) : FAR);
    if (!is_near) record.add(tick);
    std::memcpy(&record.bytes[record.size], frame.data.data(), length);
    record.size += length;

    const uint32_t end = this->end_.load(std::memory_order_relaxed);
    if (record.size > BYTES - (end - this->begin_.load(std::memory_order_acquire))) {
      this->refused_.store(this->refused() + 1, std::memory_order_relaxed);
      return false;
    }
    for (uint32_t i = 0; i < record.size; i++) this->bytes_[(end + i) % BYTES] = record.bytes[i];
    this->pushed_tick_ = tick;
    this->end_.store(end + record.size, std::memory_order_release);
    return true;
  }

  /// Consumer: the oldest frame.
  std::optional<CanFrame> pop() {
    uint32_t at = this->begin_.load(std::memory_order_relaxed);
    if (at == this->end_.load(std::memory_order_acquire)) return std::nullopt;
    const auto head = this->take<uint16_t>(at);
    CanFrame frame{.identifier = head & (LONG | ID_MASK), .mono_us = 0, .length = 0, .data = {}};
    if (frame.identifier == LONG) frame.identifier = this->take<uint32_t>(at);
    const auto since = this->take<int16_t>(at);
    if (since == FAR) {
      this->popped_tick_ = this->take<uint64_t>(at);
    } else {
      this->popped_tick_ += static_cast<uint64_t>(int64_t{since});
    }
    frame.mono_us = this->popped_tick_ * CAN_TICK_US;
    frame.length = static_cast<uint8_t>(head >> LENGTH_SHIFT);
    for (uint32_t i = 0; i < frame.length; i++) frame.data[i] = this->bytes_[at++ % BYTES];
    this->begin_.store(at, std::memory_order_release);
    return frame;
  }

  /// Anybody.
  uint32_t refused() const { return this->refused_.load(std::memory_order_relaxed); }

 protected:
  // A frame: length and identifier in 16 bits, the identifier itself when it is longer than eleven; how many
  // ticks after the last one, or its own time when it is too far from that; data.
  static constexpr uint32_t LENGTH_SHIFT = 12;
  static constexpr uint32_t ID_MASK = 0x7FF;
  static constexpr uint32_t LONG = 0x800;
  static constexpr int16_t FAR = std::numeric_limits<int16_t>::min();
  struct Record {
    std::array<uint8_t, 24> bytes{};
    uint32_t size{0};
    template <typename T>
    void add(T value) {
      store(&this->bytes[this->size], value);
      this->size += sizeof(T);
    }
  };
  template <typename T>
  T take(uint32_t &at) const {
    std::array<uint8_t, sizeof(T)> bytes{};
    for (uint8_t &byte : bytes) byte = this->bytes_[at++ % BYTES];
    return load<T>(bytes.data());
  }

  std::array<uint8_t, BYTES> bytes_{};
  std::atomic<uint32_t> begin_{0};
  std::atomic<uint32_t> end_{0};
  std::atomic<uint32_t> refused_{0};
  uint64_t pushed_tick_{0};  // producer
  uint64_t popped_tick_{0};  // consumer
};

}  // namespace esphome::microgrid

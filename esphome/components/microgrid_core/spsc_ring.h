// Queues from one task or interrupt to one other, without locks: for records of one type, and for byte
// records of any length. What does not fit is refused and counted; nobody waits.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "umg1_bytes.h"

namespace esphome::microgrid {

static_assert(std::atomic<uint32_t>::is_always_lock_free);

template <typename T, uint32_t CAPACITY>
class SpscRing final {
 public:
  static_assert(std::has_single_bit(CAPACITY), "the capacity must be a power of two: positions wrap at 2^32");
  static_assert(std::is_trivially_copyable_v<T>);

  /// Producer. False, and counted, when the ring is full.
  bool push(const T &record) {
    const uint32_t end = this->end_.load(std::memory_order_relaxed);
    if (end - this->begin_.load(std::memory_order_acquire) == CAPACITY) {
      this->refused_.store(this->refused_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
    this->records_[end % CAPACITY] = record;
    this->end_.store(end + 1, std::memory_order_release);
    return true;
  }

  /// Consumer: the oldest record.
  std::optional<T> pop() {
    const uint32_t begin = this->begin_.load(std::memory_order_relaxed);
    if (begin == this->end_.load(std::memory_order_acquire)) return std::nullopt;
    const T record = this->records_[begin % CAPACITY];
    this->begin_.store(begin + 1, std::memory_order_release);
    return record;
  }

  /// Anybody: records inside, as of a moment ago.
  uint32_t size() const {
    const uint32_t begin = this->begin_.load(std::memory_order_acquire);
    return std::min(this->end_.load(std::memory_order_acquire) - begin, CAPACITY);
  }
  uint32_t refused() const { return this->refused_.load(std::memory_order_relaxed); }

 protected:
  std::array<T, CAPACITY> records_{};
  std::atomic<uint32_t> begin_{0};
  std::atomic<uint32_t> end_{0};
  std::atomic<uint32_t> refused_{0};
};

/// Each record lies in one piece, so that the consumer reads it where it is. A record of up to
/// max_record_bytes() always fits into an empty ring; a longer one is refused.
class SpscByteRing final {
 public:
  /// Memory of a power of two of at least 16 bytes, aligned to 4, that outlives the ring; any other takes no
  /// record.
  explicit SpscByteRing(std::span<uint8_t> memory)
      : memory_(std::has_single_bit(memory.size()) && memory.size() >= 16 && memory.size() <= 1U << 30
                    ? memory
                    : std::span<uint8_t>{}) {}

  uint32_t max_record_bytes() const {
    return this->memory_.empty() ? 0 : static_cast<uint32_t>(this->memory_.size() / 2) - LENGTH_BYTES;
  }

  /// Producer. False, and counted, when it does not fit.
  bool push(Bytes record) {
    const auto capacity = static_cast<uint32_t>(this->memory_.size());
    if (record.size() <= this->max_record_bytes() && capacity != 0) {
      const auto length = static_cast<uint32_t>(record.size());
      const uint32_t whole = LENGTH_BYTES + (length + 3) / 4 * 4;
      uint32_t end = this->end_.load(std::memory_order_relaxed);
      const uint32_t to_edge = capacity - end % capacity;
      const uint32_t skipped = whole > to_edge ? to_edge : 0;
      const uint32_t free = capacity - (end - this->begin_.load(std::memory_order_acquire));
      if (skipped + whole <= free) {
        if (skipped != 0) store(&this->memory_[end % capacity], SKIP);
        end += skipped;
        uint8_t *to = &this->memory_[end % capacity];
        store(to, length);
        if (length != 0) std::memcpy(to + LENGTH_BYTES, record.data(), length);
        this->end_.store(end + whole, std::memory_order_release);
        return true;
      }
    }
    this->refused_.store(this->refused_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return false;
  }

  /// Consumer: the oldest record, which stays until pop().
  std::optional<Bytes> front() {
    const auto capacity = static_cast<uint32_t>(this->memory_.size());
    uint32_t begin = this->begin_.load(std::memory_order_relaxed);
    if (begin == this->end_.load(std::memory_order_acquire)) return std::nullopt;
    if (load<uint32_t>(&this->memory_[begin % capacity]) == SKIP) {
      begin += capacity - begin % capacity;
      this->begin_.store(begin, std::memory_order_release);
    }
    const uint8_t *from = &this->memory_[begin % capacity];
    return Bytes{from + LENGTH_BYTES, load<uint32_t>(from)};
  }

  /// Consumer: frees what front() returned last; nothing when the ring is empty.
  void pop() {
    const std::optional<Bytes> record = this->front();
    if (!record) return;
    const auto length = static_cast<uint32_t>(record->size());
    const uint32_t begin = this->begin_.load(std::memory_order_relaxed);
    this->begin_.store(begin + LENGTH_BYTES + (length + 3) / 4 * 4, std::memory_order_release);
  }

  /// Anybody: bytes in use, lengths and skipped edges included.
  uint32_t used() const {
    const uint32_t begin = this->begin_.load(std::memory_order_acquire);
    return this->end_.load(std::memory_order_acquire) - begin;
  }
  uint32_t refused() const { return this->refused_.load(std::memory_order_relaxed); }

 protected:
  static constexpr uint32_t LENGTH_BYTES = 4;
  static constexpr uint32_t SKIP = 0xFFFFFFFF;  // in place of a length: go on at the beginning of the memory

  std::span<uint8_t> memory_;
  std::atomic<uint32_t> begin_{0};
  std::atomic<uint32_t> end_{0};
  std::atomic<uint32_t> refused_{0};
};

}  // namespace esphome::microgrid

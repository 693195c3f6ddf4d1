// Puts beats onto the grid of a recorder: one sample per slot, though the beats come from another clock and a
// little late or early.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "esphome/components/microgrid_can/beat.h"

namespace esphome::microgrid {

class SampleGrid final {
 public:
  explicit SampleGrid(uint64_t start_us) : start_us_(start_us) {}

  /// The slot of a beat, numbered from the start of the grid: the next one, unless the beat is more than six
  /// tenths of a slot away from it (with five a beat between two slots would hit the same one twice, then
  /// miss one). nullopt before the start, and when the slot has been filled.
  std::optional<uint64_t> slot(uint64_t mono_us) {
    if (mono_us + BEAT_US / 2 < this->start_us_) return std::nullopt;
    const uint64_t since_us =
        mono_us + BEAT_US - this->start_us_;  // one beat too much, so that it is never negative
    const uint64_t nearest = (since_us - BEAT_US / 2) / BEAT_US;
    if (this->next_ != 0) {
      const int64_t away_us =
          static_cast<int64_t>(since_us) - static_cast<int64_t>((this->next_ + 1) * BEAT_US);
      if (away_us <= PATIENCE_US && away_us >= -PATIENCE_US) return this->next_++;
      if (nearest < this->next_) return std::nullopt;
    }
    this->next_ = nearest + 1;
    return nearest;
  }
  uint64_t start_us() const { return this->start_us_; }
  uint64_t time_us(uint64_t slot) const { return this->start_us_ + slot * BEAT_US; }

 protected:
  static constexpr int64_t PATIENCE_US = int64_t{BEAT_US} * 6 / 10;
  uint64_t start_us_;
  uint64_t next_{0};
};

/// Which beats are samples of a channel with a longer period.
class Decimator final {
 public:
  explicit constexpr Decimator(uint32_t period_us) : slots_(period_us / BEAT_US) {}

  /// True for the first beat in each period.
  bool due(uint64_t slot) {
    const uint64_t period = slot / this->slots_ + 1;
    if (period == this->last_) return false;
    this->last_ = period;
    return true;
  }

 protected:
  uint64_t slots_;
  uint64_t last_{0};
};

}  // namespace esphome::microgrid

// UTC as a function of the node's own counter, and a place where one task leaves it for all the others.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "umg1_frame.h"

namespace esphome::microgrid {

/// Beyond this estimated error the time is not valid: what houses log could no longer be put side by side.
constexpr uint32_t CLOCK_ERROR_LIMIT_US = 10'000;
constexpr uint32_t CLOCK_ERROR_UNKNOWN = 0xFFFFFFFF;

/// The clock as of its last correction. Valid for times after it; for those shortly before as well.
struct Timeline {
  uint64_t anchor_mono_us{0};
  int64_t anchor_utc_us{0};
  int32_t anchor_fs{
      0};  // and so much of a microsecond, in 1e-15 s: many small corrections must not be rounded away
  int32_t rate_ppb{0};        // UTC against the counter
  int32_t slew_ppb{0};        // added for a while, so that what is shown reaches what is estimated
  uint32_t slew_us{0};        // this long after the anchor
  uint32_t base_error_us{0};  // of the reference and of its path: does not change while nobody observes
  // Covariance of the estimate: µs², µs·ppm, ppm², at this time.
  uint64_t estimate_mono_us{0};
  float offset_variance{0};
  float covariance{0};
  float rate_variance{0};
  uint64_t silent_from_mono_us{0};  // without further observations: holdover from here
  uint32_t steps{0};                // how often time jumped since the start
  ClockSource source{ClockSource::NONE};
  bool known{false};
  bool confirmed{false};  // by several observations that agree

  int64_t utc_us(uint64_t mono_us) const;
  /// Moves the anchor along the timeline.
  void move_anchor(uint64_t mono_us);
  /// Estimated error: three standard deviations of the estimate, what its source may be wrong by, what the
  /// temperature may have done to the oscillator since, and what is left to slew. CLOCK_ERROR_UNKNOWN if so.
  uint32_t error_us(uint64_t mono_us) const;
  ClockState state(uint64_t mono_us) const;
  bool valid(uint64_t mono_us) const { return this->state(mono_us) != ClockState::UNSYNCHRONISED; }

 protected:
  struct Moment {
    int64_t us;
    int64_t fs;
  };
  Moment at(uint64_t mono_us) const;
  int64_t slewed_us(uint64_t mono_us) const;  // how long of slew_us
};

/// A value that one task publishes and any other, or an interrupt, reads without waiting for it: of two
/// copies the one is read while the other is written. A reader repeats only when a whole new value came
/// meanwhile.
template <typename T>
class Published final {
 public:
  static_assert(std::is_trivially_copyable_v<T>);
  static_assert(std::atomic<uint32_t>::is_always_lock_free);

  void store(const T &value) {
    std::array<uint32_t, WORDS> words{};
    std::memcpy(words.data(), &value, sizeof(T));
    const uint32_t next = this->generation_.load(std::memory_order_relaxed) + 1;
    auto &slot = this->slots_[next & 1];
    // Release, so that no word of this value is seen before the generation of the last one.
    for (size_t i = 0; i < WORDS; i++) slot[i].store(words[i], std::memory_order_release);
    this->generation_.store(next, std::memory_order_release);
  }

  T load() const {
    std::array<uint32_t, WORDS> words{};
    uint32_t before = 0;
    do {
      before = this->generation_.load(std::memory_order_acquire);
      const auto &slot = this->slots_[before & 1];
      for (size_t i = 0; i < WORDS; i++) words[i] = slot[i].load(std::memory_order_acquire);
    } while (this->generation_.load(std::memory_order_relaxed) != before);
    T value{};
    std::memcpy(static_cast<void *>(&value), words.data(), sizeof(T));
    return value;
  }

 protected:
  static constexpr size_t WORDS = (sizeof(T) + 3) / 4;
  std::array<std::array<std::atomic<uint32_t>, WORDS>, 2> slots_{};
  std::atomic<uint32_t> generation_{0};
};

}  // namespace esphome::microgrid

// Frequency from the times of the voltage's zero crossings, anew with each half cycle: 100 values per second
// at 50 Hz.
//
// The value is that of the whole cycle before: rising and falling crossings are displaced against each other
// by whatever the comparator's threshold is off zero, those of the same direction are not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace esphome::microgrid {

struct ZeroCrossingSettings {
  uint32_t ticks_per_s{80'000'000};  // of the capture timer
  float lowest_hz{40};
  float highest_hz{65};
  float nominal_hz{50};
  /// A crossing this share of a half cycle away from where it should be is none. Wide enough for 1 Hz within
  /// half a cycle, narrow enough to refuse most disturbances.
  float tolerance{0.06F};
};

struct ZeroCrossingCounters {
  uint32_t accepted{0};
  uint32_t glitches{0};  // crossings where none can be
  uint32_t missing{0};   // crossings that should have been
  uint32_t restarts{0};  // synchronisations lost
};

class ZeroCrossing final {
 public:
  explicit ZeroCrossing(const ZeroCrossingSettings &settings = {});

  /// A crossing at `ticks` of the free-running timer, in the order of time. Not more than half a wrap of the
  /// timer (26 s at 80 MHz) after the last call of edge() or expire().
  void edge(uint32_t ticks);
  /// Now it is `ticks`: after five half cycles without a crossing the frequency is not known any more.
  void expire(uint32_t ticks);

  /// Of the last whole cycle; NaN when not known.
  float frequency_hz() const { return this->frequency_hz_; }
  const ZeroCrossingCounters &counters() const { return this->counters_; }

  /// Smallest step of frequency that a timer can tell at f within one cycle: f² / ticks per second.
  static constexpr double resolution_hz(double frequency_hz, double ticks_per_s) {
    return frequency_hz * frequency_hz / ticks_per_s;
  }

 protected:
  static constexpr size_t KEPT = 4;
  static constexpr uint32_t CONFIRMATIONS = 4;  // regular intervals before anything is said
  static constexpr uint32_t MAX_REFUSED = 3;    // in a row, then everything is thought over
  struct Crossing {
    uint32_t ticks;
    uint32_t number;  // in half cycles; how many were missed is known
  };

  void restart();
  void begin(uint32_t ticks);
  void acquire(uint32_t ticks, uint32_t elapsed);
  void accept(uint32_t ticks, uint32_t half_cycles);
  const Crossing *before(uint32_t number) const;

  ZeroCrossingSettings settings_;
  uint32_t shortest_half_;  // ticks
  uint32_t longest_half_;
  std::array<Crossing, KEPT> crossings_{};
  uint32_t count_{0};    // of crossings since the start
  float half_cycle_{0};  // expected, ticks
  uint32_t confirmed_{0};
  uint32_t refused_{0};
  float frequency_hz_{std::numeric_limits<float>::quiet_NaN()};
  ZeroCrossingCounters counters_{};
};

}  // namespace esphome::microgrid

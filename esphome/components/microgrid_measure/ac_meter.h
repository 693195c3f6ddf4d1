// Voltage, current and active power from samples of an ADC, anew with each half cycle, over the whole cycle
// before.
//
// Samples are integrated from zero crossing to zero crossing of the voltage, the pieces at the ends included,
// so that the cycle may have any length. Offsets of the inputs fall out of mean squares: E[x²] − E[x]².
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace esphome::microgrid {

struct AcMeterSettings {
  float samples_per_s{5000};  // pairs of voltage and current
  float volts_per_count{0.2F};
  float amperes_per_count{0.03F};  // negative: the current transformer is the other way round
  /// How much later than its voltage the current of a pair was sampled, plus how much the current transformer
  /// lags (negative: it leads).
  float current_delay_us{0};
  float lowest_hz{40};
  float highest_hz{65};
  float dead_below_v{20};  // no crossings are looked for below that
};

struct AcValues {
  float voltage_v{std::numeric_limits<float>::quiet_NaN()};
  float current_a{std::numeric_limits<float>::quiet_NaN()};
  float power_w{std::numeric_limits<float>::quiet_NaN()};
  bool operator==(const AcValues &) const = default;
};

class AcMeter final {
 public:
  explicit AcMeter(const AcMeterSettings &settings);

  /// The next pair of samples. True when the values are new.
  bool add(uint16_t voltage_count, uint16_t current_count);
  /// Of the last whole cycle; without any voltage to count cycles of, of the last 40 ms.
  const AcValues &values() const { return this->values_; }
  /// Nothing is known, as at the start.
  void reset();

 protected:
  struct Pair {
    float v, i;
  };
  /// Integrals over time in samples.
  struct Sums {
    float length{0}, v{0}, i{0}, vv{0}, ii{0}, vi{0};
    void add(const Sums &other, float sign);
    /// What they would be if every sample had been less by `offset`.
    void move(const Pair &offset);
  };

  static Sums segment(const Pair &from, const Pair &to, float share);
  /// Ends the half cycle. By how much the offset from which samples count has moved.
  Pair finish();
  void work_out(const Sums &cycle);

  AcMeterSettings settings_;
  float delay_;  // of the current, samples
  float shortest_half_;
  float longest_half_;
  float offset_v_{0};  // counts, of the last cycle
  float offset_i_{0};
  bool has_offset_{false};
  std::array<Pair, 3> raw_{};  // newest last
  uint8_t raw_count_{0};
  Pair last_{};
  bool has_last_{false};
  Sums current_half_{};
  Sums previous_half_{};
  bool has_previous_{false};
  AcValues values_{};
};

}  // namespace esphome::microgrid

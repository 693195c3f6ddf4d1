// A Kalman filter of two states: how far UTC is from the node's counter, and how fast that changes.
#pragma once

#include <cstdint>

namespace esphome::microgrid {

// How oscillators of ESP32 boards wander (Allan-like, measured and simulated): per second of time.
constexpr float OFFSET_NOISE = 1.0F;       // µs²/s
constexpr float RATE_NOISE = 2.5e-5F;      // ppm²/s: 0.005 ppm in a second
constexpr float RATE_BEND = 3.6e-4F;       // ppm/s: the steepest of ±5 ppm over a day of heating and cooling
constexpr float UNKNOWN_RATE_PPM = 40.0F;  // one standard deviation before anything was observed
constexpr double RATE_LIMIT_PPM = 200;     // no oscillator that works is further off

/// Offsets are UTC − counter in µs, the rate is in µs/s, that is ppm.
class ClockEstimator final {
 public:
  /// Forgets everything and takes this offset. The rate too, for it may have been what led astray.
  void restart(uint64_t mono_us, int64_t offset_us, double variance);
  /// Takes an observation of the offset; `mono_us` is never before that of the last one.
  void update(uint64_t mono_us, int64_t offset_us, double variance);
  /// Adds doubt to the offset, as when another reference follows.
  void doubt(double variance);

  bool started() const { return this->started_; }
  uint64_t mono_us() const { return this->mono_us_; }
  /// Observed minus expected offset.
  double innovation_us(uint64_t mono_us, int64_t offset_us) const;
  double offset_variance(uint64_t mono_us) const;
  int64_t offset_us(uint64_t mono_us) const;
  int32_t rate_ppb() const;

  struct Covariance {
    double offset{0};
    double mixed{0};
    double rate{double{UNKNOWN_RATE_PPM} * double{UNKNOWN_RATE_PPM}};
  };
  const Covariance &covariance() const { return this->covariance_; }

 protected:
  Covariance predicted(double seconds) const;
  double seconds_to(uint64_t mono_us) const;

  bool started_{false};
  uint64_t mono_us_{0};
  int64_t base_us_{0};  // the offset is kept as a small difference from this
  double offset_{0};
  double rate_{0};
  Covariance covariance_;
};

}  // namespace esphome::microgrid

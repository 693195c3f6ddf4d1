// The filter's equations; at most a few times a second, so double precision in software is affordable.
#include "clock_estimator.h"

#include <algorithm>
#include <cmath>

namespace esphome::microgrid {

double ClockEstimator::seconds_to(uint64_t mono_us) const {
  return static_cast<double>(static_cast<int64_t>(mono_us - this->mono_us_)) * 1e-6;
}

ClockEstimator::Covariance ClockEstimator::predicted(double seconds) const {
  const double s = std::max(seconds, 0.0);
  const Covariance &now = this->covariance_;
  return {
      .offset = now.offset + 2 * s * now.mixed + s * s * now.rate + double{OFFSET_NOISE} * s +
                double{RATE_NOISE} * s * s * s / 3,
      .mixed = now.mixed + s * now.rate + double{RATE_NOISE} * s * s / 2,
      .rate = now.rate + double{RATE_NOISE} * s,
  };
}

void ClockEstimator::restart(uint64_t mono_us, int64_t offset_us, double variance) {
  this->started_ = true;
  this->mono_us_ = mono_us;
  this->base_us_ = offset_us;
  this->offset_ = 0;
  this->rate_ = 0;
  this->covariance_ = {.offset = variance};
}

void ClockEstimator::update(uint64_t mono_us, int64_t offset_us, double variance) {
  const double surprise = this->innovation_us(mono_us, offset_us);
  const double seconds = this->seconds_to(mono_us);
  const Covariance before = this->predicted(seconds);
  const double sum = before.offset + variance;
  const double offset_gain = before.offset / sum;
  const double rate_gain = before.mixed / sum;
  this->offset_ += this->rate_ * seconds + offset_gain * surprise;
  this->rate_ = std::clamp(this->rate_ + rate_gain * surprise, -RATE_LIMIT_PPM, RATE_LIMIT_PPM);
  this->mono_us_ = mono_us;
  this->covariance_ = {
      .offset = (1 - offset_gain) * before.offset,
      .mixed = (1 - offset_gain) * before.mixed,
      .rate = before.rate - rate_gain * before.mixed,
  };
}

void ClockEstimator::doubt(double variance) { this->covariance_.offset += variance; }

double ClockEstimator::innovation_us(uint64_t mono_us, int64_t offset_us) const {
  const double expected = this->offset_ + this->rate_ * this->seconds_to(mono_us);
  return static_cast<double>(offset_us - this->base_us_) - expected;
}

double ClockEstimator::offset_variance(uint64_t mono_us) const {
  return this->predicted(this->seconds_to(mono_us)).offset;
}

int64_t ClockEstimator::offset_us(uint64_t mono_us) const {
  return this->base_us_ + std::llround(this->offset_ + this->rate_ * this->seconds_to(mono_us));
}

int32_t ClockEstimator::rate_ppb() const { return static_cast<int32_t>(std::lround(this->rate_ * 1000)); }

}  // namespace esphome::microgrid

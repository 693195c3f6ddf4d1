// Reading the clock: integers for the time, single precision for the error (the FPU of the ESP32 has no
// other).
#include "clock_timeline.h"

#include <algorithm>
#include <cmath>

#include "clock_estimator.h"

namespace esphome::microgrid {

namespace {

constexpr int64_t FS_PER_US = 1'000'000'000;  // ppb of a microsecond

}  // namespace

int64_t Timeline::slewed_us(uint64_t mono_us) const {
  return std::clamp<int64_t>(static_cast<int64_t>(mono_us - this->anchor_mono_us), 0, this->slew_us);
}

/// Exact, and far from the limits of 64 bits, for a year after the anchor.
Timeline::Moment Timeline::at(uint64_t mono_us) const {
  const auto passed_us = static_cast<int64_t>(mono_us - this->anchor_mono_us);
  const int64_t fs = this->anchor_fs + passed_us * this->rate_ppb + this->slewed_us(mono_us) * this->slew_ppb;
  const int64_t whole_us = fs / FS_PER_US - (fs % FS_PER_US < 0 ? 1 : 0);
  return {.us = this->anchor_utc_us + passed_us + whole_us, .fs = fs - whole_us * FS_PER_US};
}

int64_t Timeline::utc_us(uint64_t mono_us) const { return this->at(mono_us).us; }

void Timeline::move_anchor(uint64_t mono_us) {
  const Moment moment = this->at(mono_us);
  this->slew_us -= static_cast<uint32_t>(this->slewed_us(mono_us));
  this->anchor_mono_us = mono_us;
  this->anchor_utc_us = moment.us;
  this->anchor_fs = static_cast<int32_t>(moment.fs);
}

uint32_t Timeline::error_us(uint64_t mono_us) const {
  if (!this->known) return CLOCK_ERROR_UNKNOWN;
  const auto age_us = static_cast<int64_t>(mono_us - this->estimate_mono_us);
  const float age_s = static_cast<float>(std::max<int64_t>(age_us, 0)) * 1e-6F;
  const float variance = this->offset_variance + 2 * age_s * this->covariance +
                         age_s * age_s * this->rate_variance + OFFSET_NOISE * age_s +
                         RATE_NOISE * age_s * age_s * age_s / 3;
  const int64_t to_slew = (this->slew_us - this->slewed_us(mono_us)) * this->slew_ppb / FS_PER_US;
  const float error = static_cast<float>(this->base_error_us) + 3 * std::sqrt(std::max(variance, 0.0F)) +
                      RATE_BEND / 2 * age_s * age_s + static_cast<float>(std::abs(to_slew));
  return error < 4e9F ? static_cast<uint32_t>(error) : CLOCK_ERROR_UNKNOWN - 1;
}

ClockState Timeline::state(uint64_t mono_us) const {
  if (!this->confirmed || this->error_us(mono_us) > CLOCK_ERROR_LIMIT_US) return ClockState::UNSYNCHRONISED;
  return mono_us > this->silent_from_mono_us ? ClockState::HOLDOVER : ClockState::SYNCHRONISED;
}

}  // namespace esphome::microgrid

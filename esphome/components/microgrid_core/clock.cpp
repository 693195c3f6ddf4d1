// Which observation is believed, and how the shown time follows the estimate.
#include "clock.h"

#include <algorithm>
#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr uint32_t LARGEST_WINDOW = 16;
constexpr uint64_t WINDOW_WITHIN_US = 60'000'000;  // a window with gaps is closed with what it has
constexpr uint32_t CONFIRMATIONS = 4;   // observations that agree before the time may be called valid
constexpr uint32_t RUN_TO_RESTART = 8;  // outliers that agree with each other ...
constexpr uint32_t RUN_TO_RESTART_UNCONFIRMED = 3;  // ... and as long as hardly anything is known
constexpr double GATE_SIGMA = 5;
constexpr double GATE_FLOOR_US = 500;
constexpr double HANDOVER_DOUBT_US = 10'000;
constexpr int64_t SLEW_OVER_US = 16'000'000;
constexpr int64_t MAX_SLEW_PPB = 500'000;
constexpr double STAMP_VARIANCE = 1;                     // µs²: stamps are whole microseconds
constexpr int64_t FIRST_UTC_US = 1'577'836'800'000'000;  // 2020: before it no source had been set
constexpr int64_t LAST_UTC_US = 4'102'444'800'000'000;   // 2100

constexpr double square(double value) { return value * value; }

/// How far an observation of this variance may be from what was expected. Within what it says of its own
/// error a reference may be slewed, which no noise model knows; one that is worse than a millisecond may not
/// count on that.
double gate_us(double variance, double reference_error_us) {
  return std::max(GATE_FLOOR_US, GATE_SIGMA * std::sqrt(variance)) + std::min(reference_error_us, 1000.0);
}

/// The earliest of n stamps spread evenly over an interval is late by this on average; its standard deviation
/// is about the same.
double expected_delay_us(const SourceSettings &settings, uint32_t count) {
  return static_cast<double>(settings.spread_us) / (count + 1);
}

}  // namespace

const SourceSettings *DisciplinedClock::settings_of(ClockSource source) const {
  for (const SourceSettings &settings : this->sources_)
    if (settings.source == source) return &settings;
  return nullptr;
}

bool DisciplinedClock::follows(const Observation &observation) const {
  return this->leader_ != nullptr && this->leader_->source == observation.source &&
         this->reference_ == observation.reference;
}

/// Whether this source may take over. Rank is the place in the list; but who is silent, or has lost the time,
/// yields to anybody who claims to know it better.
bool DisciplinedClock::may_lead(const Observation &observation, const SourceSettings &settings,
                                uint64_t now_mono_us) const {
  if (this->leader_ == nullptr || this->follows(observation)) return true;
  const uint64_t claimed_us =
      uint64_t{observation.reference_error_us} + settings.bias_us + settings.spread_us;
  const uint64_t own_us = this->timeline_.error_us(now_mono_us);
  const bool knows_better = claimed_us < own_us;
  const bool silent = now_mono_us > this->timeline_.silent_from_mono_us;
  if (&settings < this->leader_ || (&settings == this->leader_ && silent))
    return knows_better || claimed_us <= CLOCK_ERROR_LIMIT_US;
  return knows_better && (silent || (own_us > CLOCK_ERROR_LIMIT_US && claimed_us < own_us / 2));
}

DisciplinedClock::Weighed DisciplinedClock::weigh(const Observation &observation,
                                                  const SourceSettings &settings) {
  Weighed weighed{
      .mono_us = observation.mono_us,
      .offset_us = observation.utc_us - static_cast<int64_t>(observation.mono_us) + settings.least_delay_us,
      .surprise_us = 0,
      .variance = 0,
      .reference_error_us = static_cast<double>(observation.reference_error_us)};
  if (settings.path == Path::ONE_WAY) {
    weighed.variance = square(expected_delay_us(settings, 1)) + STAMP_VARIANCE;
  } else {
    // Until some round trips are known, any of it may be excess.
    const size_t known = std::min<size_t>(this->round_trip_count_, this->round_trips_.size());
    uint32_t shortest_us = 0;
    if (known >= this->round_trips_.size() / 2)
      shortest_us = *std::min_element(this->round_trips_.begin(), this->round_trips_.begin() + known);
    const uint32_t excess_us = observation.round_trip_us - std::min(observation.round_trip_us, shortest_us);
    weighed.variance = square(settings.spread_us) + square(excess_us / 2.0);
  }
  if (this->estimator_.started())
    weighed.surprise_us = this->estimator_.innovation_us(weighed.mono_us, weighed.offset_us);
  return weighed;
}

bool DisciplinedClock::is_outlier(const Weighed &weighed, const SourceSettings &settings,
                                  double doubt) const {
  const double variance = this->estimator_.offset_variance(weighed.mono_us) + weighed.variance + doubt;
  const double early_us = gate_us(variance, weighed.reference_error_us);
  // A one-way message may be late by the whole spread.
  const double late_us = early_us + (settings.path == Path::ONE_WAY ? settings.spread_us : 0);
  return weighed.surprise_us > early_us || weighed.surprise_us < -late_us;
}

bool DisciplinedClock::joins_run(const Observation &observation, const Weighed &weighed,
                                 const SourceSettings &settings) {
  const double surprise_us = weighed.surprise_us;
  Run &run = this->run_;
  // Our rate may be what is wrong: then the surprises grow.
  const double passed_s = static_cast<double>(weighed.mono_us - run.since_us) * 1e-6;
  const double agree_us = settings.spread_us + 2 * gate_us(weighed.variance, weighed.reference_error_us) +
                          2 * RATE_LIMIT_PPM * passed_s;
  const bool agrees = run.count > 0 && run.source == observation.source &&
                      run.reference == observation.reference &&
                      std::max(run.most_us, surprise_us) - std::min(run.least_us, surprise_us) <= agree_us;
  if (!agrees) {
    run = {.count = 1,
           .source = observation.source,
           .reference = observation.reference,
           .since_us = weighed.mono_us,
           .least_us = surprise_us,
           .most_us = surprise_us};
    return false;
  }
  run.count++;
  run.least_us = std::min(run.least_us, surprise_us);
  run.most_us = std::max(run.most_us, surprise_us);
  return run.count >= (this->confirmations_ >= CONFIRMATIONS ? RUN_TO_RESTART : RUN_TO_RESTART_UNCONFIRMED);
}

void DisciplinedClock::lead(const Observation &observation, const SourceSettings &settings) {
  if (this->leader_ != nullptr) this->counters_.handovers++;
  if (this->leader_ != &settings) this->round_trip_count_ = 0;
  this->leader_ = &settings;
  this->reference_ = observation.reference;
  this->window_ = 1;
  this->window_count_ = 0;
}

void DisciplinedClock::restart(const Weighed &weighed, uint32_t seen) {
  int64_t offset_us = weighed.offset_us;
  if (this->leader_->path == Path::ONE_WAY) offset_us += std::llround(expected_delay_us(*this->leader_, 1));
  this->estimator_.restart(weighed.mono_us, offset_us, weighed.variance);
  this->confirmations_ = seen;
  this->window_ = 1;
  this->window_count_ = 0;
  this->run_.count = 0;
}

void DisciplinedClock::filter(const Weighed &weighed) {
  if (this->leader_->path == Path::EXCHANGE) {
    this->estimator_.update(weighed.mono_us, weighed.offset_us, weighed.variance);
    return;
  }
  if (this->window_count_ == 0) this->window_since_us_ = weighed.mono_us;
  if (this->window_count_ == 0 || weighed.surprise_us > this->earliest_.surprise_us)
    this->earliest_ = weighed;
  this->window_count_++;
  if (this->window_count_ < this->window_ && weighed.mono_us - this->window_since_us_ < WINDOW_WITHIN_US)
    return;
  const double delay_us = expected_delay_us(*this->leader_, this->window_count_);
  this->estimator_.update(this->earliest_.mono_us, this->earliest_.offset_us + std::llround(delay_us),
                          square(delay_us) + STAMP_VARIANCE);
  this->window_ = std::min(this->window_ * 2, LARGEST_WINDOW);
  this->window_count_ = 0;
}

Verdict DisciplinedClock::take(const Observation &observation, uint64_t now_mono_us) {
  const SourceSettings *settings = this->settings_of(observation.source);
  const bool older = this->estimator_.started() && observation.mono_us <= this->estimator_.mono_us();
  if (settings == nullptr || older || observation.mono_us > now_mono_us ||
      observation.utc_us < FIRST_UTC_US || observation.utc_us >= LAST_UTC_US) {
    this->counters_.refused++;
    return Verdict::REFUSED;
  }
  if (!this->may_lead(observation, *settings, now_mono_us)) {
    this->counters_.outranked++;
    return Verdict::OUTRANKED;
  }
  const bool other = !this->follows(observation);
  const Weighed weighed = this->weigh(observation, *settings);
  if (!other && settings->path == Path::EXCHANGE) {
    this->round_trips_[this->round_trip_count_ % this->round_trips_.size()] = observation.round_trip_us;
    this->round_trip_count_++;
  }
  if (!this->estimator_.started()) {
    this->lead(observation, *settings);
    this->restart(weighed, 1);
  } else {
    const double doubt = other ? square(HANDOVER_DOUBT_US) + square(this->timeline_.base_error_us) : 0;
    if (this->is_outlier(weighed, *settings, doubt)) {
      this->counters_.outliers++;
      if (!this->joins_run(observation, weighed, *settings)) return Verdict::OUTLIER;
      this->counters_.restarts++;
      if (other) this->lead(observation, *settings);
      this->restart(weighed, this->run_.count);
    } else {
      if (other) {
        this->lead(observation, *settings);
        this->estimator_.doubt(doubt);
      }
      // A leader that agrees with itself says nothing about a better source that contradicts it.
      if (this->run_.source == observation.source && this->run_.reference == observation.reference)
        this->run_.count = 0;
      this->confirmations_++;
      this->filter(weighed);
    }
  }
  this->counters_.taken++;
  this->publish(observation, now_mono_us);
  return Verdict::TAKEN;
}

void DisciplinedClock::publish(const Observation &observation, uint64_t now_mono_us) {
  Timeline next = this->timeline_;
  const bool was_known = next.known;
  const bool was_valid = next.valid(now_mono_us);
  next.move_anchor(now_mono_us);
  const int64_t estimate_us = static_cast<int64_t>(now_mono_us) + this->estimator_.offset_us(now_mono_us);
  const int64_t behind_us = estimate_us - next.anchor_utc_us;
  next.rate_ppb = this->estimator_.rate_ppb();
  next.slew_ppb = 0;
  next.slew_us = 0;
  if (was_valid) {
    // Whoever saw a valid time goes on seeing it rise.
    const int64_t slew_ppb =
        std::clamp(behind_us * 1'000'000'000 / SLEW_OVER_US, -MAX_SLEW_PPB, MAX_SLEW_PPB);
    next.slew_ppb = static_cast<int32_t>(slew_ppb);
    if (slew_ppb != 0)
      next.slew_us =
          static_cast<uint32_t>(std::min<int64_t>(behind_us * 1'000'000'000 / slew_ppb, UINT32_MAX));
  } else {
    next.anchor_utc_us = estimate_us;
    next.anchor_fs = 0;
    if (was_known && behind_us != 0) next.steps++;
  }
  next.base_error_us = observation.reference_error_us +
                       std::min(this->leader_->bias_us, CLOCK_ERROR_UNKNOWN - observation.reference_error_us);
  next.estimate_mono_us = this->estimator_.mono_us();
  next.offset_variance = static_cast<float>(this->estimator_.covariance().offset);
  next.covariance = static_cast<float>(this->estimator_.covariance().mixed);
  next.rate_variance = static_cast<float>(this->estimator_.covariance().rate);
  next.silent_from_mono_us = observation.mono_us + this->leader_->silence_us;
  next.source = this->leader_->source;
  next.known = true;
  next.confirmed = this->confirmations_ >= CONFIRMATIONS;
  this->timeline_ = next;
  this->published_.store(next);
}

int64_t DisciplinedClock::utc_us(uint64_t mono_us) const {
  const Timeline timeline = this->timeline();
  return timeline.known ? timeline.utc_us(mono_us) : 0;
}

ClockReading DisciplinedClock::reading(uint64_t mono_us) const {
  const Timeline timeline = this->timeline();
  if (!timeline.known) return {.known = false, .utc_minus_mono_us = 0, .record = {}};
  return {
      .known = true,
      .utc_minus_mono_us = timeline.utc_us(mono_us) - static_cast<int64_t>(mono_us),
      // The format's drift is that of the oscillator: positive when it is fast.
      .record = ClockRecord{.drift_ppb = -timeline.rate_ppb,
                            .error_us = timeline.error_us(mono_us),
                            .source = timeline.source,
                            .state = timeline.state(mono_us)},
  };
}

}  // namespace esphome::microgrid

#include "ac_meter.h"

#include <algorithm>
#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr float MID_SCALE = 2048;  // of 12 bits: where an input without signal is about
constexpr float DEAD_HALF_S = 0.02F;

}  // namespace

AcMeter::AcMeter(const AcMeterSettings &settings)
    : settings_(settings),
      // Two samples before and one behind are at hand.
      delay_(std::clamp(settings.current_delay_us * 1e-6F * settings.samples_per_s, -1.0F, 1.0F)),
      shortest_half_(settings.samples_per_s / (2 * settings.highest_hz) * 0.8F),
      longest_half_(settings.samples_per_s / (2 * settings.lowest_hz) * 1.25F) {}

void AcMeter::reset() { *this = AcMeter{this->settings_}; }

void AcMeter::Sums::add(const Sums &other, float sign) {
  this->length += sign * other.length;
  this->v += sign * other.v;
  this->i += sign * other.i;
  this->vv += sign * other.vv;
  this->ii += sign * other.ii;
  this->vi += sign * other.vi;
}

void AcMeter::Sums::move(const Pair &offset) {
  this->vi += offset.v * offset.i * this->length - offset.v * this->i - offset.i * this->v;
  this->vv += offset.v * (offset.v * this->length - 2 * this->v);
  this->ii += offset.i * (offset.i * this->length - 2 * this->i);
  this->v -= offset.v * this->length;
  this->i -= offset.i * this->length;
}

/// Along the straight line between two samples, the first `share` of it: trapezoids of values and of
/// products.
AcMeter::Sums AcMeter::segment(const Pair &from, const Pair &to, float share) {
  const Pair end{from.v + (to.v - from.v) * share, from.i + (to.i - from.i) * share};
  const float half = share / 2;
  return {.length = share,
          .v = half * (from.v + end.v),
          .i = half * (from.i + end.i),
          .vv = half * (from.v * from.v + end.v * end.v),
          .ii = half * (from.i * from.i + end.i * end.i),
          .vi = half * (from.v * from.i + end.v * end.i)};
}

bool AcMeter::add(uint16_t voltage_count, uint16_t current_count) {
  this->raw_ = {
      this->raw_[1], this->raw_[2],
      Pair{static_cast<float>(voltage_count) - MID_SCALE, static_cast<float>(current_count) - MID_SCALE}};
  if (this->raw_count_ < this->raw_.size()) this->raw_count_++;
  if (this->raw_count_ < this->raw_.size()) return false;

  // The voltage at the time at which the current of the middle pair really was.
  const auto &[before, middle, after] = this->raw_;
  const float voltage = this->delay_ >= 0 ? middle.v + (after.v - middle.v) * this->delay_
                                          : middle.v + (before.v - middle.v) * -this->delay_;
  const Pair now{voltage - this->offset_v_, middle.i - this->offset_i_};
  if (!this->has_last_) {
    this->last_ = now;
    this->has_last_ = true;
    return false;
  }
  const Pair from = this->last_;
  this->last_ = now;

  const bool crossed = (from.v < 0) != (now.v < 0);
  const float amplitude_v = std::sqrt(this->previous_half_.vv / std::max(this->previous_half_.length, 1.0F)) *
                            std::abs(this->settings_.volts_per_count);
  const bool alive = !this->has_previous_ || amplitude_v >= this->settings_.dead_below_v;
  const float length = this->current_half_.length;
  if (alive && crossed && length >= this->shortest_half_) {
    const float share = from.v / (from.v - now.v);
    const Sums head = segment(from, now, share);
    this->current_half_.add(head, 1);
    const bool changed = this->has_previous_;
    const Pair moved = this->finish();
    this->current_half_ = segment(from, now, 1);
    this->current_half_.add(head, -1);
    this->current_half_.move(moved);
    return changed;
  }
  this->current_half_.add(segment(from, now, 1), 1);
  const float longest = alive ? this->longest_half_ : DEAD_HALF_S * this->settings_.samples_per_s;
  if (this->current_half_.length < longest) return false;
  // No crossing where one had to be: what there is, is of no cycle, but better than nothing.
  const bool changed = this->has_previous_;
  this->finish();
  return changed;
}

AcMeter::Pair AcMeter::finish() {
  Pair moved{0, 0};
  if (this->has_previous_) {
    Sums cycle = this->previous_half_;
    cycle.add(this->current_half_, 1);
    this->work_out(cycle);
    // Crossings are looked for around the mean, which follows slowly, at once only at the start.
    const float pace = this->has_offset_ ? 0.1F : 1.0F;
    this->has_offset_ = true;
    moved = {cycle.v / cycle.length * pace, cycle.i / cycle.length * pace};
    this->offset_v_ += moved.v;
    this->offset_i_ += moved.i;
    this->last_.v -= moved.v;
    this->last_.i -= moved.i;
    this->current_half_.move(moved);
  }
  this->previous_half_ = this->current_half_;
  this->has_previous_ = true;
  this->current_half_ = {};
  return moved;
}

void AcMeter::work_out(const Sums &cycle) {
  const float mean_v = cycle.v / cycle.length;
  const float mean_i = cycle.i / cycle.length;
  const auto root = [](float square) { return std::sqrt(std::max(square, 0.0F)); };
  this->values_ = {.voltage_v = std::abs(this->settings_.volts_per_count) *
                                root(cycle.vv / cycle.length - mean_v * mean_v),
                   .current_a = std::abs(this->settings_.amperes_per_count) *
                                root(cycle.ii / cycle.length - mean_i * mean_i),
                   .power_w = this->settings_.volts_per_count * this->settings_.amperes_per_count *
                              (cycle.vi / cycle.length - mean_v * mean_i)};
}

}  // namespace esphome::microgrid

#include "zero_crossing.h"

#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr uint32_t MAX_MISSING = 4;  // half cycles from one crossing to the next that still belongs to it

}  // namespace

ZeroCrossing::ZeroCrossing(const ZeroCrossingSettings &settings) : settings_(settings) {
  const auto half_cycle = [&](float frequency_hz) {
    return static_cast<uint32_t>(static_cast<float>(settings.ticks_per_s) / (2 * frequency_hz));
  };
  this->shortest_half_ = half_cycle(settings.highest_hz);
  this->longest_half_ = half_cycle(settings.lowest_hz);
}

void ZeroCrossing::restart() {
  if (this->confirmed_ >= CONFIRMATIONS) this->counters_.restarts++;
  this->count_ = 0;
  this->confirmed_ = 0;
  this->refused_ = 0;
  this->frequency_hz_ = std::numeric_limits<float>::quiet_NaN();
}

void ZeroCrossing::begin(uint32_t ticks) {
  this->restart();
  this->crossings_[0] = {.ticks = ticks, .number = 0};
  this->count_ = 1;
}

void ZeroCrossing::edge(uint32_t ticks) {
  if (this->count_ == 0) {
    this->begin(ticks);
    return;
  }
  const uint32_t elapsed = ticks - this->crossings_[(this->count_ - 1) % KEPT].ticks;
  if (this->confirmed_ < CONFIRMATIONS) {
    this->acquire(ticks, elapsed);
    return;
  }
  const float half_cycles = static_cast<float>(elapsed) / this->half_cycle_;
  const float whole = std::round(half_cycles);
  const bool is_one =
      whole >= 1 && whole <= MAX_MISSING && std::abs(half_cycles - whole) <= this->settings_.tolerance;
  if (is_one) {
    this->counters_.missing += static_cast<uint32_t>(whole) - 1;
    this->accept(ticks, static_cast<uint32_t>(whole));
    return;
  }
  this->counters_.glitches++;
  // Many in a row are no disturbance: it was the phase that jumped, or we hold on to the wrong edges.
  if (++this->refused_ > MAX_REFUSED || elapsed > MAX_MISSING * this->longest_half_) this->begin(ticks);
}

void ZeroCrossing::acquire(uint32_t ticks, uint32_t elapsed) {
  if (elapsed < this->shortest_half_ / 4 * 3) {
    this->counters_.glitches++;
    return;
  }
  if (elapsed > this->longest_half_ / 4 * 5) {
    this->begin(ticks);
    return;
  }
  this->confirmed_++;
  this->accept(ticks, 1);
}

void ZeroCrossing::accept(uint32_t ticks, uint32_t half_cycles) {
  const uint32_t number = this->crossings_[(this->count_ - 1) % KEPT].number + half_cycles;
  this->crossings_[this->count_ % KEPT] = {.ticks = ticks, .number = number};
  this->count_++;
  this->refused_ = 0;
  this->counters_.accepted++;
  // One cycle before; two where that crossing is missing.
  const Crossing *reference = this->before(number - 2);
  if (reference == nullptr) reference = this->before(number - 4);
  if (reference == nullptr) return;
  const uint32_t elapsed = ticks - reference->ticks;
  const float halves = static_cast<float>(number - reference->number);
  const float half_cycle = static_cast<float>(elapsed) / halves;
  if (half_cycle < static_cast<float>(this->shortest_half_) ||
      half_cycle > static_cast<float>(this->longest_half_)) {
    this->begin(ticks);
    return;
  }
  if (this->confirmed_ < CONFIRMATIONS) {
    this->half_cycle_ = half_cycle;
    return;
  }
  // What is expected next follows slowly: a single displaced crossing must not displace the window.
  this->half_cycle_ += (half_cycle - this->half_cycle_) / 8;
  // In double: a float's 24 bits would be coarser than the timer.
  this->frequency_hz_ = static_cast<float>(static_cast<double>(this->settings_.ticks_per_s) *
                                           static_cast<double>(halves) / (2.0 * elapsed));
}

const ZeroCrossing::Crossing *ZeroCrossing::before(uint32_t number) const {
  const uint32_t kept = this->count_ < KEPT ? this->count_ : KEPT;
  for (uint32_t i = 0; i < kept; i++) {
    if (this->crossings_[i].number == number) return &this->crossings_[i];
  }
  return nullptr;
}

void ZeroCrossing::expire(uint32_t ticks) {
  if (this->count_ == 0) return;
  const uint32_t elapsed = ticks - this->crossings_[(this->count_ - 1) % KEPT].ticks;
  // An edge that was stamped after this call's time is not "long ago".
  if (elapsed < 1U << 31 && elapsed > (MAX_MISSING + 1) * this->longest_half_) this->restart();
}

}  // namespace esphome::microgrid

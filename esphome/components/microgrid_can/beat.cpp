// A flywheel that Syncs of about the right time pull at, and others have to agree with each other to move.
#include "beat.h"

#include <algorithm>

namespace esphome::microgrid {

Tick Beat::tick(uint64_t mono_us, uint16_t sequence) {
  this->last_us_ = mono_us;
  this->sequence_ = sequence;
  return {.mono_us = mono_us, .sequence = sequence};
}

std::optional<Tick> Beat::heard(uint8_t master, uint16_t sequence, uint64_t received_us) {
  const auto late_us = static_cast<int64_t>(received_us - this->expected_us_);
  const bool again = this->last_us_ != 0 && sequence == this->sequence_;  // the own beat has stood in for it
  if (!again && late_us >= -static_cast<int64_t>(EARLY_US) && late_us <= static_cast<int64_t>(LATE_US)) {
    this->candidate_.count = 0;
    this->expected_us_ += BEAT_US + static_cast<uint64_t>(late_us / PULL);
    return this->tick(received_us, sequence);
  }
  if (!this->agrees(master, sequence, received_us)) return std::nullopt;
  this->candidate_.count = 0;
  this->expected_us_ = received_us + BEAT_US;
  if (again || received_us < this->last_us_ + LEAST_PAUSE_US) return std::nullopt;
  return this->tick(received_us, sequence);
}

bool Beat::agrees(uint8_t master, uint16_t sequence, uint64_t received_us) {
  const Candidate last = this->candidate_;
  const bool follows =
      last.count != 0 && master == last.master && sequence == static_cast<uint16_t>(last.sequence + 1) &&
      received_us > last.mono_us + BEAT_US - EARLY_US && received_us < last.mono_us + BEAT_US + EARLY_US;
  const auto count = static_cast<uint8_t>(follows ? last.count + 1 : 1);
  this->candidate_ = {.master = master, .sequence = sequence, .mono_us = received_us, .count = count};
  return count >= AGREEING;
}

void Beat::align(uint64_t from_us, const Timeline &timeline) {
  const int64_t over_us = clock_us(timeline, from_us) % static_cast<int64_t>(BEAT_US);
  this->expected_us_ = from_us + (over_us > 0 ? BEAT_US - static_cast<uint64_t>(over_us) : 0);
}

std::optional<Tick> Beat::due(uint64_t now_us, const Timeline &timeline, bool own) {
  if (own && !this->own_) this->align(this->last_us_ + LEAST_PAUSE_US, timeline);
  this->own_ = own;
  if (now_us < this->next_us()) return std::nullopt;
  // What a stalled task has missed is gone.
  const uint64_t missed = (now_us - this->next_us()) / BEAT_US;
  if (!own) {
    this->expected_us_ += (missed + 1) * BEAT_US;
    return this->tick(this->expected_us_ - BEAT_US, static_cast<uint16_t>(this->sequence_ + missed + 1));
  }
  if (missed != 0) this->align(now_us - BEAT_US + 1, timeline);
  const uint64_t beat_us = this->expected_us_;
  this->align(beat_us + LEAST_PAUSE_US, timeline);  // the clock may have been set: the next beat follows it
  const auto half_us = static_cast<int64_t>(BEAT_US / 2);
  const int64_t units = (clock_us(timeline, beat_us) + half_us) / static_cast<int64_t>(BEAT_US);
  return this->tick(beat_us, static_cast<uint16_t>(units));
}

}  // namespace esphome::microgrid

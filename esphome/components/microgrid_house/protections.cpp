#include "protections.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace esphome::microgrid {

namespace {

/// A limit of what is watched from below is a limit of the negative value.
float sign_of(Watch watch) { return watch == Watch::BELOW ? -1.0F : 1.0F; }

HouseMetric nth(const ProtectionRow &row, size_t i) {
  return static_cast<HouseMetric>(static_cast<size_t>(row.first) + i);
}

bool all_known(const Cause &cause, const Readings &readings) {
  for (const HouseMetric metric : cause.used()) {
    if (!readings.get(static_cast<size_t>(metric))) return false;
  }
  return true;
}

}  // namespace

Protections::Protections() {
  for (size_t i = 0; i < ROWS; i++) {
    const ProtectionRow &row = PROTECTIONS[i];
    this->set(i, {.enabled = true,
                  .trips = row.trips,
                  .limit = row.limit,
                  .release = row.release,
                  .delay_us = row.delay_us});
  }
}

bool Protections::set(size_t row, const ProtectionSettings &settings) {
  const float sign = sign_of(PROTECTIONS[row].watch);
  if (!(sign * settings.release <= sign * settings.limit)) return false;
  const double step = step_of(HOUSE_METRICS[static_cast<size_t>(PROTECTIONS[row].first)]);
  this->settings_[row] = settings;
  this->limits_[row] = static_cast<int32_t>(std::lround(sign * settings.limit / step));
  this->releases_[row] = static_cast<int32_t>(std::lround(sign * settings.release / step));
  return true;
}

void Protections::restore_trip(uint16_t code) {
  this->trip_code_.store(code, std::memory_order_relaxed);
  this->code_.store(code, std::memory_order_relaxed);
  for (size_t i = 0; i < ROWS; i++) {
    this->states_[i].of_before =
        static_cast<uint16_t>(PROTECTIONS[i].code) == code && this->settings_[i].trips;
  }
}

std::span<const ProtectionChange> Protections::step(const Readings &readings, bool running, uint64_t now_us) {
  this->change_count_ = 0;
  this->trip_wanted_ = false;
  bool tripping = false;
  uint32_t active = 0;
  uint16_t warned = 0;
  for (size_t i = 0; i < ROWS; i++) {
    if (!this->settings_[i].enabled) continue;
    this->step_row(i, readings, running, now_us);
    const State &state = this->states_[i];
    if (this->settings_[i].trips && state.beyond) tripping = true;
    if (state.of_before) this->trip_wanted_ = true;
    if (!state.active) continue;
    active |= 1U << i;
    if (warned == 0) warned = static_cast<uint16_t>(PROTECTIONS[i].code);
    if (this->settings_[i].trips) this->trip_wanted_ = true;
  }
  this->step_trip(now_us);
  this->clearing_ = false;
  this->tripping_.store(tripping, std::memory_order_relaxed);
  this->active_.store(active, std::memory_order_relaxed);
  this->code_.store(this->tripped() ? this->trip_code() : warned, std::memory_order_relaxed);
  return {this->changes_.data(), this->change_count_};
}

void Protections::clear() { this->clearing_ = true; }

std::optional<Protections::Seen> Protections::look(const ProtectionRow &row, const Readings &readings) {
  bool known = false;
  int32_t most = 0, least = 0;
  HouseMetric highest{}, lowest{};
  for (size_t i = 0; i < row.count; i++) {
    const HouseMetric metric = nth(row, i);
    const auto integer = readings.get(static_cast<size_t>(metric));
    if (!integer) continue;
    if (!known || *integer > most) most = *integer, highest = metric;
    if (!known || *integer < least) least = *integer, lowest = metric;
    known = true;
  }
  if (!known) return std::nullopt;
  const Seen upper{.value = most, .cause = {{highest}, 1}};
  const Seen lower{.value = -least, .cause = {{lowest}, 1}};
  switch (row.watch) {
    case Watch::ABOVE:
      return upper;
    case Watch::BELOW:
    case Watch::REVERSE:
      return lower;
    case Watch::MAGNITUDE:
      return upper.value >= lower.value ? upper : lower;
    case Watch::SPREAD: {
      if (highest == lowest) return Seen{.value = 0, .cause = upper.cause};
      const int64_t spread = int64_t{most} - least;
      constexpr int64_t LARGEST = std::numeric_limits<int32_t>::max();
      return Seen{.value = static_cast<int32_t>(std::min(spread, LARGEST)), .cause = {{highest, lowest}, 2}};
    }
  }
  return std::nullopt;
}

void Protections::step_row(size_t row, const Readings &readings, bool running, uint64_t now_us) {
  State &state = this->states_[row];
  const bool watched = running || !PROTECTIONS[row].while_running;
  const std::optional<Seen> seen = watched ? look(PROTECTIONS[row], readings) : std::nullopt;
  const bool beyond = seen && seen->value > this->limits_[row];
  state.beyond = beyond;
  const bool released = !watched || (seen && seen->value <= this->releases_[row]);
  if (released || (this->clearing_ && !beyond)) state.of_before = false;

  if (!state.active) {
    if (!beyond) {
      state.counting = false;
      return;
    }
    if (!state.counting) state.since_us = now_us;
    state.counting = true;
    if (now_us - state.since_us + JITTER_US < this->settings_[row].delay_us) return;
    if (this->settings_[row].trips) {
      this->trip_wanted_ = true;
      if (!this->tripped())
        this->trip_code_.store(static_cast<uint16_t>(PROTECTIONS[row].code), std::memory_order_relaxed);
    }
    if (!this->may_raise(PROTECTIONS[row].code, now_us)) return;
    state.active = state.raised_ever = true;
    state.counting = false;
    state.raised_us = now_us;
    state.cause = seen->cause;
    this->change(row, EventState::RAISED, seen->cause);
    return;
  }

  const bool over = released && (!watched || all_known(state.cause, readings));
  if (over && !state.counting) state.since_us = now_us;
  state.counting = over;
  const bool waited = over && now_us - state.since_us >= CLEAR_AFTER_US;
  if (!waited && !(this->clearing_ && !beyond)) return;
  state.active = false;
  state.counting = false;
  this->change(row, EventState::CLEARED, state.cause);
}

bool Protections::may_raise(FaultCode code, uint64_t now_us) const {
  for (size_t i = 0; i < ROWS; i++) {
    if (PROTECTIONS[i].code == code && this->states_[i].raised_ever &&
        now_us - this->states_[i].raised_us < RAISE_PAUSE_US)
      return false;
  }
  return true;
}

void Protections::change(size_t row, EventState state, const Cause &cause) {
  this->changes_[this->change_count_++] = {.code = PROTECTIONS[row].code, .state = state, .cause = cause};
}

void Protections::step_trip(uint64_t now_us) {
  if (this->trip_wanted_) {
    this->calm_since_us_ = 0;
    return;
  }
  if (this->calm_since_us_ == 0) this->calm_since_us_ = now_us;
  if (!this->tripped()) return;
  const bool by_itself =
      this->restart_after_us_ != 0 && now_us - this->calm_since_us_ >= this->restart_after_us_;
  if (!by_itself && !this->clearing_) return;
  this->trip_code_.store(0, std::memory_order_relaxed);
}

}  // namespace esphome::microgrid

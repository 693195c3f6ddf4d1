// A node that disturbs the bus leaves it, and comes back ever more slowly: the others need it more than they
// need that node.
#include "bus_watch.h"

#include <algorithm>
#include <numeric>

namespace esphome::microgrid {

namespace {

constexpr uint64_t FIRST_PAUSE_US = 100'000;
constexpr uint64_t LONGEST_PAUSE_US = 10'000'000;
constexpr uint64_t QUIET_US = 60'000'000;
constexpr uint64_t SLOT_US = 10'000'000;

}  // namespace

void BusWatch::take(const ControllerStatus &status, uint64_t now_us) {
  const bool off = status.state == ControllerState::BUS_OFF;
  if (off && !this->bus_off_) {
    const bool again = this->recovered_lately(now_us);
    this->pause_us_ = again ? std::min(this->pause_us_ * 2, LONGEST_PAUSE_US) : FIRST_PAUSE_US;
    this->recover_at_us_ = now_us + this->pause_us_;
    this->ever_off_ = true;
  }
  if (off) this->last_off_us_ = now_us;
  this->bus_off_ = off;

  this->online_ = status.state == ControllerState::ACTIVE || status.state == ControllerState::PASSIVE;

  this->count_errors(status.bus_errors, now_us);
  const uint32_t errors = std::accumulate(this->errors_.begin(), this->errors_.end(), 0U);
  if (off || errors > this->settings_.errors_per_minute) {
    this->too_many_ = true;
  } else if (errors <= this->settings_.errors_per_minute / 2 && !this->recovered_lately(now_us)) {
    this->too_many_ = false;
  }
}

void BusWatch::count_errors(uint32_t bus_errors, uint64_t now_us) {
  const uint64_t slot = now_us / SLOT_US;
  const uint64_t passed = std::min<uint64_t>(slot - this->slot_, SLOTS);
  for (uint64_t i = 0; i < passed; i++) this->errors_[(slot - i) % SLOTS] = 0;
  this->slot_ = slot;
  // A controller that was opened anew counts from 0.
  const bool anew = bus_errors < this->last_bus_errors_;
  this->errors_[slot % SLOTS] += anew ? bus_errors : bus_errors - this->last_bus_errors_;
  this->last_bus_errors_ = bus_errors;
}

bool BusWatch::recover_now(uint64_t now_us) {
  if (!this->bus_off_ || now_us < this->recover_at_us_) return false;
  this->recover_at_us_ = now_us + LONGEST_PAUSE_US;  // should it not succeed
  return true;
}

bool BusWatch::recovered_lately(uint64_t now_us) const {
  return this->ever_off_ && now_us < this->last_off_us_ + QUIET_US;
}

}  // namespace esphome::microgrid

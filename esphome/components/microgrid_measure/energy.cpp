#include "energy.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr int64_t US_PER_HOUR = 3'600'000'000;
constexpr int64_t PARTS_PER_WH = EnergyIntegral::UNITS_PER_W * US_PER_HOUR * 2;  // of the sum of two powers

}  // namespace

void EnergyIntegral::Counter::add(int64_t amount) {
  this->rest += amount;
  this->wh += static_cast<uint32_t>(this->rest / PARTS_PER_WH);
  this->rest %= PARTS_PER_WH;
}

void EnergyIntegral::add(std::optional<int64_t> power, uint64_t mono_us) {
  if (power && (*power > MOST || *power < -MOST)) power.reset();
  const std::optional<int64_t> last = this->last_;
  const uint64_t elapsed_us = mono_us - this->last_us_;
  this->last_ = power;
  this->last_us_ = mono_us;
  if (!last || !power || elapsed_us > MAX_GAP_US) return;
  const int64_t twice = *last + *power;  // the mean, without dividing
  const auto elapsed = static_cast<int64_t>(elapsed_us);
  if (twice > 0) this->positive_.add(twice * elapsed);
  if (twice < 0) this->negative_.add(-twice * elapsed);
}

void ChargeCounter::restore(int32_t charge_mah) {
  if (charge_mah < 0 || charge_mah > this->settings_.capacity_mah) return;
  this->charge_ = charge_mah * US_PER_HOUR;
  this->known_ = this->settings_.capacity_mah > 0;
}

bool ChargeCounter::confirmed(bool condition, uint64_t &since_us, uint64_t mono_us) {
  if (!condition) {
    since_us = 0;
    return false;
  }
  if (since_us == 0) since_us = mono_us;
  return mono_us - since_us >= CONFIRMED_AFTER_US;
}

void ChargeCounter::add(std::optional<int32_t> current_ma, std::optional<int32_t> voltage_mv,
                        uint64_t mono_us) {
  if (this->settings_.capacity_mah <= 0) return;
  const int64_t capacity = this->settings_.capacity_mah * US_PER_HOUR;
  const std::optional<int32_t> last = this->last_ma_;
  const uint64_t elapsed_us = mono_us - this->last_us_;
  this->last_ma_ = current_ma;
  this->last_us_ = mono_us;
  if (last && current_ma && elapsed_us <= EnergyIntegral::MAX_GAP_US) {
    const int64_t mean_ma = (int64_t{*last} + *current_ma) / 2;
    this->charge_ =
        std::clamp(this->charge_ - mean_ma * static_cast<int64_t>(elapsed_us), int64_t{0}, capacity);
  }
  const bool measured = current_ma && voltage_mv;
  // Full: high voltage although hardly anything flows in any more.
  const bool full = measured && *voltage_mv >= this->settings_.full_mv && *current_ma <= 0 &&
                    *current_ma >= -this->settings_.full_ma;
  const bool empty = measured && *voltage_mv <= this->settings_.empty_mv && *current_ma >= 0;
  if (confirmed(full, this->full_since_us_, mono_us)) this->charge_ = capacity, this->known_ = true;
  if (confirmed(empty, this->empty_since_us_, mono_us)) this->charge_ = 0, this->known_ = true;
}

std::optional<int32_t> ChargeCounter::charge_mah() const {
  if (!this->known_) return std::nullopt;
  return static_cast<int32_t>(this->charge_ / US_PER_HOUR);
}

std::optional<int32_t> ChargeCounter::permille() const {
  if (!this->known_) return std::nullopt;
  return static_cast<int32_t>(this->charge_ / US_PER_HOUR * 1000 / this->settings_.capacity_mah);
}

}  // namespace esphome::microgrid

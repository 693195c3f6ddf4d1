#include "phase_meter.h"

#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr float LONGEST_AGE_S = 0.05F;   // of a crossing from which a phase is moved on
constexpr uint8_t DOUBTFUL_CYCLES = 50;  // behind rising crossings that were no cycle apart

}  // namespace

void PhaseMeter::edge(Side side, uint32_t ticks, bool rising) {
  SideMeter &meter = this->sides_[side];
  const uint32_t accepted = meter.crossings.counters().accepted;
  meter.crossings.edge(ticks);
  if (!rising || meter.crossings.counters().accepted == accepted) return;
  if (meter.rising_ticks) {
    if (ticks - *meter.rising_ticks < this->shortest_cycle_) {
      meter.doubtful_cycles = DOUBTFUL_CYCLES;
    } else if (meter.doubtful_cycles > 0) {
      meter.doubtful_cycles--;
    }
  }
  meter.rising_ticks = ticks;
}

void PhaseMeter::expire(uint32_t ticks) {
  for (SideMeter &meter : this->sides_) {
    meter.crossings.expire(ticks);
    if (std::isnan(meter.crossings.frequency_hz())) meter.rising_ticks.reset();
  }
}

float PhaseMeter::phase_difference_deg(uint32_t ticks) const {
  std::array<float, SIDES> turned{};
  for (size_t side = 0; side < SIDES; side++) {
    const SideMeter &meter = this->sides_[side];
    if (!meter.rising_ticks || meter.doubtful_cycles > 0) return NAN;
    // Signed: a crossing may have been stamped a moment after `ticks`.
    const auto age = static_cast<int32_t>(ticks - *meter.rising_ticks);
    const float age_s = static_cast<float>(age) / static_cast<float>(this->ticks_per_s_);
    if (std::abs(age_s) > LONGEST_AGE_S) return NAN;
    turned[side] = 360.0F * meter.crossings.frequency_hz() * age_s;  // NaN when that is not known
  }
  return std::remainder(turned[CLUSTER] - turned[SWARM], 360.0F);
}

}  // namespace esphome::microgrid

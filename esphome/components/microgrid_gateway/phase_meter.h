// Frequencies of two voltages and the angle between them, from their zero crossings on one timer.
#pragma once

#include <optional>

#include "esphome/components/microgrid_measure/zero_crossing.h"

namespace esphome::microgrid {

class PhaseMeter final {
 public:
  enum Side : uint8_t { CLUSTER, SWARM, SIDES };

  explicit PhaseMeter(const ZeroCrossingSettings &settings = {})
      : ticks_per_s_(settings.ticks_per_s), sides_{SideMeter{settings}, SideMeter{settings}} {}

  /// A crossing, in the order of time on each side; see ZeroCrossing::edge().
  void edge(Side side, uint32_t ticks, bool rising);
  /// Now it is `ticks`; at each beat.
  void expire(uint32_t ticks);

  /// NaN when not known.
  float frequency_hz(Side side) const { return this->sides_[side].crossings.frequency_hz(); }
  /// Cluster minus swarm at the time `ticks`, ±180: both are moved on from their last rising crossing. NaN
  /// when not known.
  float phase_difference_deg(uint32_t ticks) const;

 protected:
  struct SideMeter {
    explicit SideMeter(const ZeroCrossingSettings &settings) : crossings(settings) {}
    ZeroCrossing crossings;
    std::optional<uint32_t> rising_ticks;  // the last that was believed
  };

  uint32_t ticks_per_s_;
  std::array<SideMeter, SIDES> sides_;
};

}  // namespace esphome::microgrid

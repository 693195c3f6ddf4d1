// Frequencies of two voltages and the angle between them, from their zero crossings on one timer.
//
// Each side gives a rectangle that is high during one half wave. A detector that pulses at every crossing
// cannot tell the half waves apart: its phase would be known but for half a turn, so none is told.
#pragma once

#include <optional>

#include "esphome/components/microgrid_measure/zero_crossing.h"

namespace esphome::microgrid {

class PhaseMeter final {
 public:
  enum Side : uint8_t { CLUSTER, SWARM, SIDES };

  explicit PhaseMeter(const ZeroCrossingSettings &settings = {})
      : ticks_per_s_(settings.ticks_per_s),
        shortest_cycle_(static_cast<uint32_t>(SHORTEST_CYCLE * static_cast<float>(settings.ticks_per_s) /
                                              settings.nominal_hz)),
        sides_{SideMeter{settings}, SideMeter{settings}} {}

  /// A crossing, in the order of time on each side; see ZeroCrossing::edge().
  void edge(Side side, uint32_t ticks, bool rising);
  /// Now it is `ticks`; at each beat.
  void expire(uint32_t ticks);

  /// NaN when not known.
  float frequency_hz(Side side) const { return this->sides_[side].crossings.frequency_hz(); }
  /// False when two rising crossings were less than a cycle apart, until a second of whole cycles.
  bool rectangular(Side side) const { return this->sides_[side].doubtful_cycles == 0; }
  /// Cluster minus swarm at the time `ticks`, ±180: both are moved on from their last rising crossing. NaN
  /// when not known, or when a side is not rectangular.
  float phase_difference_deg(uint32_t ticks) const;

 protected:
  /// Of the nominal cycle. Above half of the longest that is measured and below the whole of the shortest.
  static constexpr float SHORTEST_CYCLE = 0.75F;

  struct SideMeter {
    explicit SideMeter(const ZeroCrossingSettings &settings) : crossings(settings) {}
    ZeroCrossing crossings;
    std::optional<uint32_t> rising_ticks;  // the last that was believed
    uint8_t doubtful_cycles{0};            // whole ones that are still to come before a phase is told
  };

  uint32_t ticks_per_s_;
  uint32_t shortest_cycle_;  // ticks from one rising crossing of a rectangle to the next
  std::array<SideMeter, SIDES> sides_;
};

}  // namespace esphome::microgrid

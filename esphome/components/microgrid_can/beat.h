// The beat of 10 ms at which all nodes sample: on the full 10 ms of the own clock, or with the Syncs of the
// master. It goes on through lost, late and senseless Syncs.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/clock_timeline.h"

namespace esphome::microgrid {

constexpr uint64_t BEAT_US = 10'000;

/// What a node calls its clock: UTC once it is known, until then its counter.
inline int64_t clock_us(const Timeline &timeline, uint64_t mono_us) {
  return timeline.known ? timeline.utc_us(mono_us) : static_cast<int64_t>(mono_us);
}

struct Tick {
  uint64_t mono_us;
  uint16_t sequence;
};

class Beat final {
 public:
  /// A Sync of the master. nullopt when it is not time for a tick: then it only counts towards the next ones.
  std::optional<Tick> heard(uint8_t master, uint16_t sequence, uint64_t received_us);
  /// The tick that is due without a Sync. `own`: there is no other master.
  std::optional<Tick> due(uint64_t now_us, const Timeline &timeline, bool own);
  uint64_t next_us() const { return this->own_ ? this->expected_us_ : this->expected_us_ + LATE_US; }

 protected:
  // Syncs come late by what holds up the master's task and the bus.
  static constexpr uint64_t EARLY_US = 2'000;
  static constexpr uint64_t LATE_US = 3'000;
  // Somebody who floods the bus with Syncs makes every beat early by this share of EARLY_US: 2.5 %.
  static constexpr int64_t PULL = 8;
  static constexpr uint64_t LEAST_PAUSE_US = 5'000;  // when the beat moves to another phase
  static constexpr uint8_t AGREEING = 3;             // Syncs 10 ms apart that move it

  /// Syncs that fall between the beats.
  struct Candidate {
    uint8_t master;
    uint16_t sequence;
    uint64_t mono_us;
    uint8_t count;
  };

  bool agrees(uint8_t master, uint16_t sequence, uint64_t received_us);
  Tick tick(uint64_t mono_us, uint16_t sequence);
  void align(uint64_t from_us, const Timeline &timeline);

  bool own_{false};
  uint64_t expected_us_{0};
  uint64_t last_us_{0};
  uint16_t sequence_{0};
  Candidate candidate_{};
};

}  // namespace esphome::microgrid

// The health of our own controller: errors that grow (F031), and the way back from bus-off.
#pragma once

#include <array>

#include "can_bus.h"

namespace esphome::microgrid {

struct BusWatchSettings {
  uint32_t errors_per_minute{100};  // beyond: F031
};

class BusWatch final {
 public:
  explicit BusWatch(const BusWatchSettings &settings) : settings_(settings) {}

  /// The controller's state, every 10 ms.
  void take(const ControllerStatus &status, uint64_t now_us);

  /// It can send and receive.
  bool online() const { return this->online_; }
  /// True when the controller shall recover now; after each bus-off within a minute it waits twice as long.
  bool recover_now(uint64_t now_us);
  /// It has been off the bus within the last minute.
  bool recovered_lately(uint64_t now_us) const;

  /// More errors in the last minute than the limit, or bus-off; over when less than half of it is left.
  bool too_many_errors() const { return this->too_many_; }

 protected:
  static constexpr size_t SLOTS = 7;  // of 10 s: six that are over, and the running one

  void count_errors(uint32_t bus_errors, uint64_t now_us);

  BusWatchSettings settings_;
  bool online_{false};
  bool too_many_{false};

  bool bus_off_{false};
  bool ever_off_{false};
  uint64_t last_off_us_{0};
  uint64_t recover_at_us_{0};
  uint64_t pause_us_{0};

  std::array<uint32_t, SLOTS> errors_{};
  uint64_t slot_{0};
  uint32_t last_bus_errors_{0};
};

}  // namespace esphome::microgrid

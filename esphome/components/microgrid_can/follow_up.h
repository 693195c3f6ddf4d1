// The master's second step: once a second it tells when a Sync of its was on the bus.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/clock_timeline.h"
#include "microgrid_dbc.h"

namespace esphome::microgrid {

class FollowUpSender final {
 public:
  /// Whether the transmission of this Sync is to be stamped: the one of the full second, or after one that
  /// could not be timed the next.
  bool wants(const Timeline &timeline, uint64_t beat_us) const;
  /// A Sync was handed to the controller, to be stamped.
  void sync_sent(uint16_t sequence, uint64_t now_us) { this->waiting_ = {sequence, now_us, 0}; }
  void stamped(uint64_t done_us);
  /// The message that is due; asked again until sent() is called, or it is too late.
  std::optional<dbc::FollowUp> due(uint64_t now_us, const Timeline &timeline);
  void sent() {
    this->waiting_.reset();
    this->missed_ = false;
  }
  bool waiting() const { return this->waiting_.has_value(); }

 protected:
  struct Waiting {
    uint16_t sequence;
    uint64_t sent_us;
    uint64_t done_us;  // 0: not yet
  };
  std::optional<Waiting> waiting_;
  bool missed_{false};
};

}  // namespace esphome::microgrid

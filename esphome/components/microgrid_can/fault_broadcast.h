// Faults on the bus: own ones are told three times, those of others are known by their repetitions. A wish to
// record without a fault goes the same way.
#pragma once

#include <array>
#include <optional>

#include "esphome/components/microgrid_core/clock_timeline.h"
#include "esphome/components/microgrid_core/node_event.h"
#include "microgrid_dbc.h"

namespace esphome::microgrid {

/// A Fault frame of another node, without its repetitions.
struct HeardFault {
  EventKey key;            // boot_id 0 while its Heartbeat was not heard
  uint16_t fault_code{0};  // NO_FAULT: a recording was asked for
  EventState state{EventState::MOMENT};
  Severity severity{Severity::INFO};
  uint64_t mono_us{0};  // of the trip, by this node's counter; of the arrival when its time is not valid or
                        // ours is not
  int64_t utc_us{0};    // of the same; 0: not known
  bool time_valid{false};  // by its sender
};

/// The frame that tells of an event; nullopt when it is no fault of the catalogue.
std::optional<dbc::Fault> fault_message(const NodeEvent &event, const Timeline &timeline);
/// The frame that asks all to record as this node does.
dbc::Fault capture_message(const HeardFault &capture);

/// Tells each fault at once, 10 ms and 30 ms later.
class FaultOutbox final {
 public:
  /// False when the same code was raised within 10 s.
  bool put(const dbc::Fault &fault, uint64_t now_us);
  /// The frame that is to be sent now, nullptr: none. Asked again until sent() is called.
  const dbc::Fault *due(uint64_t now_us);
  void sent(uint64_t now_us);
  uint64_t next_us() const;

 protected:
  static constexpr size_t SLOTS = 8;
  struct Slot {
    dbc::Fault fault{};
    uint8_t left{0};  // so many repetitions
    uint64_t due_us{0};
    uint64_t give_up_us{0};
  };
  struct Raised {
    uint16_t fault_code;
    uint64_t mono_us;
  };

  bool raised_lately(const dbc::Fault &fault, uint64_t now_us);

  std::array<Slot, SLOTS> slots_{};
  size_t current_{0};
  std::array<Raised, SLOTS> raised_{};
  size_t raised_count_{0};
};

/// Knows what it has heard: from each node the last eight.
class FaultInbox final {
 public:
  /// nullopt: a repetition, or senseless. `boot_id` is that of the sender's last Heartbeat, 0 when none came.
  std::optional<HeardFault> take(const dbc::Fault &fault, uint8_t node, uint32_t boot_id, uint64_t arrived_us,
                                 const Timeline &timeline);

 protected:
  static constexpr size_t NODES = 16;
  static constexpr size_t KEPT = 8;
  struct Heard {
    uint32_t boot_id{0};
    uint32_t number{UINT32_MAX};  // of no event: they have 20 bits
    uint64_t mono_us{0};
  };

  bool is_new(uint8_t node, uint32_t boot_id, uint32_t number, uint64_t arrived_us);

  std::array<std::array<Heard, KEPT>, NODES> heard_{};
  std::array<uint8_t, NODES> next_{};
};

}  // namespace esphome::microgrid

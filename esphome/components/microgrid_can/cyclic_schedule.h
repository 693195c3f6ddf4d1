// When a node sends its cyclic messages: each at its own place in the second, so that they do not come all at
// once.
#pragma once

#include <array>
#include <span>

#include "esphome/components/microgrid_core/identity.h"
#include "microgrid_dbc.h"

namespace esphome::microgrid {

struct CyclicMessage {
  dbc::Message message;
  uint16_t phase_ms;    // of node 0
  uint8_t per_node_ms;  // later with each number
  uint8_t groups;       // sent in turn
};

/// The messages of a role, Heartbeat first. Frequency is not among them: it follows the Sync.
std::span<const CyclicMessage> cyclic_messages(Role role);

class CyclicSchedule final {
 public:
  CyclicSchedule(Role role, uint8_t node) : messages_(cyclic_messages(role)), node_(node) {}

  size_t size() const { return this->messages_.size(); }
  const dbc::Message &message(size_t index) const { return this->messages_[index].message; }
  uint8_t group(size_t index) const { return this->slots_[index].group; }

  /// Whether it is time, by the node's clock; true until done().
  bool due(size_t index, int64_t clock_us);
  void done(size_t index);
  /// How long until something is due, if nothing is.
  uint64_t wait_us(int64_t clock_us) const;

 protected:
  static constexpr size_t MAX_MESSAGES = 9;
  struct Slot {
    int64_t next_us{0};  // 0: not yet known
    bool waiting{false};
    uint8_t group{0};
  };

  int64_t next_after(const CyclicMessage &message, int64_t clock_us) const;

  std::span<const CyclicMessage> messages_;
  uint8_t node_;
  std::array<Slot, MAX_MESSAGES> slots_{};
};

}  // namespace esphome::microgrid

// Numbers what happens at the node and hands it to everybody concerned: the log (from where it goes to the
// broker), the bus, the recording of snapshots. Events are raised in the bus task; other tasks leave theirs
// in a ring.
#pragma once

#include <atomic>

#include "clock.h"
#include "identity.h"
#include "node_event.h"
#include "platform.h"
#include "spsc_ring.h"

namespace esphome::microgrid {

/// Who wants to know; called in the bus task, must not wait.
class EventListener {
 public:
  virtual void happened(const NodeEvent &event) = 0;

 protected:
  ~EventListener() = default;
};

class EventDesk final {
 public:
  static constexpr size_t MAX_LISTENERS = 6;

  EventDesk(const Identity &identity, const DisciplinedClock &clock) : identity_(identity), clock_(clock) {}

  /// While setting up.
  void add(EventListener &listener) {
    if (this->listener_count_ < MAX_LISTENERS) this->listeners_[this->listener_count_++] = &listener;
  }

  /// Any task: the name of an event of this node that has none yet.
  EventKey next_key() {
    return {.node = this->identity_.number,
            .boot_id = this->identity_.boot_id,
            .number = this->next_number_.fetch_add(1, std::memory_order_relaxed)};
  }

  /// Bus task: gives the event its number, and its time if it has none yet, and tells everybody.
  const NodeEvent &raise(NodeEvent event) {
    event.key = this->next_key();
    if (event.mono_us == 0) event.mono_us = mono_us();
    if (event.utc_us == 0) event.utc_us = this->clock_.utc_us(event.mono_us);
    this->last_ = event;
    for (size_t i = 0; i < this->listener_count_; i++) this->listeners_[i]->happened(this->last_);
    return this->last_;
  }

  /// The writer of the log, and the main loop: raised at the next run(). False, and counted, when too many
  /// wait.
  bool from_log(const NodeEvent &event) { return this->from_log_.push(event); }
  bool from_loop(const NodeEvent &event) { return this->from_loop_.push(event); }

  /// Bus task, at least every 10 ms.
  void run() {
    while (auto event = this->from_log_.pop()) this->raise(*event);
    while (auto event = this->from_loop_.pop()) this->raise(*event);
  }

 protected:
  const Identity &identity_;
  const DisciplinedClock &clock_;
  std::array<EventListener *, MAX_LISTENERS> listeners_{};
  size_t listener_count_{0};
  std::atomic<uint32_t> next_number_{0};
  NodeEvent last_{};
  SpscRing<NodeEvent, 8> from_log_;
  SpscRing<NodeEvent, 8> from_loop_;
};

}  // namespace esphome::microgrid

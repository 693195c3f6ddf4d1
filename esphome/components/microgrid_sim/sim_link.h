// The connection of a host program to the simulator: a thread that takes the newest values and answers with
// what the node does and what time it believes it is.
#pragma once
#ifdef USE_HOST

#include <atomic>
#include <optional>

#include "esphome/components/microgrid_core/environment.h"
#include "esphome/components/microgrid_core/node.h"
#include "sim_wire.h"

namespace esphome::microgrid::sim {

class SimLink final {
 public:
  /// `commanded`: the metric that says whether the node wants its contactor closed, or none.
  SimLink(Node &node, std::optional<size_t> commanded) : node_(node), commanded_(commanded) {}
  ~SimLink();
  SimLink(const SimLink &) = delete;
  SimLink &operator=(const SimLink &) = delete;

  /// Joins the simulator's multicast group; false and errno when that cannot be.
  bool open(const Endpoint &group);
  /// Ends the thread.
  void stop() { this->task_.reset(); }

  // Bus task.
  /// The newest values; nullopt when there are none, or only such as nobody should believe any more.
  std::optional<Fast> newest(uint64_t mono_us) const;
  void set_tripped(bool tripped) { this->set_flag(TRIPPED, tripped); }
  void set_driven(bool driven) { this->set_flag(DRIVEN, driven); }

 protected:
  struct Arrived {
    Fast fast;
    uint64_t mono_us;
  };

  static void run(void *self);
  void receive();
  void take(Bytes datagram);
  void answer();
  void set_flag(uint32_t flag, bool on);
  uint32_t flags() const;

  Node &node_;
  const std::optional<size_t> commanded_;
  int socket_{-1};
  std::optional<uint8_t> slot_;  // in fast datagrams, as slow ones say
  Endpoint simulator_{};
  bool heard_{false};
  uint32_t answered_flags_{0};
  int64_t answered_ns_{0};
  std::atomic<uint32_t> flags_{0};
  Published<Arrived> arrived_;
  std::optional<Task> task_;  // last: ends first
};

}  // namespace esphome::microgrid::sim

#endif

// Who else is on the bus, by the Heartbeats: who came, who is lost (F030), and who uses our number.
#pragma once

#include <array>

#include "microgrid_dbc.h"

namespace esphome::microgrid {

constexpr uint8_t BUS_NODES = 16;
constexpr uint64_t PEER_LOST_US = 3'000'000;

/// What another node says in its Heartbeat.
struct Peer {
  bool present{false};
  bool ever{false};
  bool confirmed{false};  // said twice running who it is: one Heartbeat may be anybody's nonsense
  dbc::Heartbeat heartbeat{};
  uint64_t heard_us{0};
};

class Peers final {
 public:
  const Peer &operator[](uint8_t node) const { return this->peers_[node % BUS_NODES]; }

  /// True when something that others want to know has changed: all but how exact its clock is.
  bool heard(uint8_t node, const dbc::Heartbeat &heartbeat, uint64_t heard_us);
  /// The nodes that fell silent just now, as bits.
  uint16_t lose(uint64_t now_us);
  /// Nobody is missing of those who were confirmed.
  bool all_there() const;

 protected:
  std::array<Peer, BUS_NODES> peers_{};
};

/// Another node with our number: of the two only one may send. It must have said so twice, or a babbling node
/// would silence everybody. Who gives way comes back when the other is gone; not at the same time as the
/// other one, if that gave way too.
class NumberConflict final {
 public:
  void heard_own_number(uint32_t boot_id, uint64_t now_us);
  bool exists(uint64_t now_us) const { return now_us < this->until_us_; }

 protected:
  uint32_t boot_id_{0};
  uint64_t heard_us_{0};
  uint64_t until_us_{0};
};

/// When a fault may be told: raised at most every 10 s, cleared only after it was raised. See "Faults" in
/// contract/can.md.
class RaiseLimit final {
 public:
  /// True: raise it now.
  bool raise(uint64_t now_us) {
    if (this->ever_ && now_us - this->raised_us_ < BETWEEN_US) return false;
    this->ever_ = true;
    this->raised_us_ = now_us;
    this->raised_ = true;
    return true;
  }
  /// True: clear it now.
  bool clear() {
    const bool was = this->raised_;
    this->raised_ = false;
    return was;
  }
  bool raised() const { return this->raised_; }

 protected:
  static constexpr uint64_t BETWEEN_US = 10'000'000;
  uint64_t raised_us_{0};
  bool ever_{false};
  bool raised_{false};
};

}  // namespace esphome::microgrid

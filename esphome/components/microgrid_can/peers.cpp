// See "Bus" and "Identifiers" in contract/can.md.
#include "peers.h"

#include <algorithm>

#include "esphome/components/microgrid_core/platform.h"

namespace esphome::microgrid {

namespace {

constexpr uint64_t SILENT_FOR_US = 10'000'000;
constexpr uint32_t SILENT_MORE_US = 10'000'000;

bool same_but_for_the_error(dbc::Heartbeat one, const dbc::Heartbeat &other) {
  one.clock_error = other.clock_error;
  return one.pack() == other.pack();
}

}  // namespace

bool Peers::heard(uint8_t node, const dbc::Heartbeat &heartbeat, uint64_t heard_us) {
  Peer &peer = this->peers_[node % BUS_NODES];
  const bool changed = !peer.present || !same_but_for_the_error(peer.heartbeat, heartbeat);
  const bool again = peer.present && peer.heartbeat.boot_id == heartbeat.boot_id;
  peer = {.present = true,
          .ever = true,
          .confirmed = peer.confirmed || again,
          .heartbeat = heartbeat,
          .heard_us = heard_us};
  return changed;
}

uint16_t Peers::lose(uint64_t now_us) {
  uint16_t lost = 0;
  for (uint8_t node = 0; node < BUS_NODES; node++) {
    Peer &peer = this->peers_[node];
    // Heartbeats are stamped when they came, which may be after the step began.
    if (!peer.present || now_us < peer.heard_us + PEER_LOST_US) continue;
    peer.present = false;
    lost = static_cast<uint16_t>(lost | 1U << node);
  }
  return lost;
}

bool Peers::all_there() const {
  return std::ranges::all_of(this->peers_, [](const Peer &peer) { return peer.present || !peer.confirmed; });
}

void NumberConflict::heard_own_number(uint32_t boot_id, uint64_t now_us) {
  const bool again = boot_id == this->boot_id_ && now_us < this->heard_us_ + PEER_LOST_US;
  this->boot_id_ = boot_id;
  this->heard_us_ = now_us;
  if (!again) return;
  this->until_us_ = now_us + SILENT_FOR_US + random_u32() % SILENT_MORE_US;
}

}  // namespace esphome::microgrid

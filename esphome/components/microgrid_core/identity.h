// Who a node is.
#pragma once

#include <cstdint>
#include <string_view>

namespace esphome::microgrid {

enum class Role : uint8_t { GATEWAY, HOUSE };

/// Texts live as long as the node. Node, cluster and swarm match `[a-z0-9_-]{1,32}`.
struct Identity {
  Role role;
  uint8_t number;  // on the CAN bus: 0 gateway, 1 … 15 houses
  std::string_view node;
  std::string_view cluster;
  std::string_view swarm;
  std::string_view name;  // for people
  std::string_view hardware;
  std::string_view firmware;
  uint32_t boot_id;  // random, new at every start, never 0
};

}  // namespace esphome::microgrid

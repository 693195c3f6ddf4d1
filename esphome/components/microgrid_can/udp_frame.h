// A CAN frame in a datagram, as python-can's interface `udp_multicast` writes it: one MessagePack map.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/umg1_can.h"

namespace esphome::microgrid {

/// What a peer may send, and what is told apart of it.
enum class DatagramKind : uint8_t {
  FRAME,
  ERROR_FRAME,  // a peer says that it saw an error on the bus
  FOREIGN,      // well-formed, but nothing for a classic CAN bus: CAN FD
  MALFORMED,
};

struct Datagram {
  DatagramKind kind{DatagramKind::MALFORMED};
  CanFrame frame{};     // without a time
  double timestamp{0};  // what the sender wrote there
};

/// More than any frame needs; longer datagrams are malformed.
constexpr size_t MAX_DATAGRAM_BYTES = 512;

/// Returns the bytes used of `room`, which has MAX_DATAGRAM_BYTES.
size_t write_datagram(const CanFrame &frame, double timestamp, std::span<uint8_t> room);

/// Any bytes are allowed.
Datagram read_datagram(Bytes datagram);

}  // namespace esphome::microgrid

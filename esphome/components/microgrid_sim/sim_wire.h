// What simulator and host programs say to each other, in datagrams on the loopback interface. All numbers are
// little-endian; both sides drop what they cannot read. simulator/firmware_link/wire.py is the other side.
//
//   all      "UMGS", u8 version 1, u8 type, u8 a, u8 b
//   fast  1  a houses, b gateways; u32 sequence, i64 CLOCK_MONOTONIC of the sample in ns;
//            per house f32 × 6: frequency, voltage, current, power, DC bus voltage, battery current;
//            per gateway f32 × 6: cluster frequency, swarm frequency, cluster voltage, swarm voltage, phase,
//            flow; per gateway u8 auxiliary contact: 0 unknown, 1 open, 2 closed
//   slow  2  a slot in `fast`, b values; u8 role (0 gateway, 1 house), u8 length and name of the node;
//            per value u8 length and key of the metric, f64
//   answer 3 a role, b slot; u32 flags, u32 boot id, i64 CLOCK_MONOTONIC in ns, i64 own UTC at that time in
//   µs,
//            u32 estimated error of it in µs (0xFFFFFFFF unknown)
//            flags: 1 inverter tripped, 2 contactor driven closed, 4 contactor commanded closed, 8 time is
//            valid
//
// Not a number stands for what is not known. Fast comes every 10 ms, slow every second to everybody by
// multicast; answers go every 100 ms, and at once when a flag changes, to where the fast datagram came from.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "esphome/components/microgrid_core/identity.h"
#include "esphome/components/microgrid_core/umg1_bytes.h"

namespace esphome::microgrid::sim {

constexpr size_t FAST_VALUES = 6;
constexpr size_t MAX_DATAGRAM_BYTES = 8192;
constexpr size_t ANSWER_BYTES = 36;

/// One node's part of a fast datagram.
struct Fast {
  std::array<float, FAST_VALUES> values{};
  uint8_t auxiliary{0};
};

struct Slow {
  uint8_t slot;
  Bytes values;  // for next_value()
  uint8_t count;
};

struct Answer {
  Role role;
  uint8_t slot;
  uint32_t flags;
  uint32_t boot_id;
  int64_t monotonic_ns;
  int64_t utc_us;
  uint32_t error_us;
};
constexpr uint32_t TRIPPED = 1, DRIVEN = 2, COMMANDED = 4, TIME_VALID = 8;

/// nullopt when it is no fast datagram, or has no such slot.
std::optional<Fast> read_fast(Bytes datagram, Role role, uint8_t slot);
/// nullopt when it is no slow datagram, or for another node.
std::optional<Slow> read_slow(Bytes datagram, Role role, std::string_view node);
struct SlowValue {
  std::string_view key;
  double value;
};
/// The next one of Slow::values; nullopt when it is broken.
std::optional<SlowValue> next_value(ByteReader &values);

void write_answer(const Answer &answer, std::span<uint8_t, ANSWER_BYTES> to);

}  // namespace esphome::microgrid::sim

#include "sim_wire.h"

#include <algorithm>
#include <bit>

namespace esphome::microgrid::sim {

namespace {

constexpr std::array<uint8_t, 5> HEAD = {'U', 'M', 'G', 'S', 1};
constexpr uint8_t FAST = 1, SLOW = 2, ANSWER = 3;
constexpr size_t HEAD_BYTES = 8;
constexpr size_t FAST_START = HEAD_BYTES + 4 + 8;
constexpr size_t FAST_BYTES = FAST_VALUES * sizeof(float);

uint8_t role_number(Role role) { return role == Role::HOUSE ? 1 : 0; }

bool is_a(Bytes datagram, uint8_t type) {
  return datagram.size() >= HEAD_BYTES && std::equal(HEAD.begin(), HEAD.end(), datagram.begin()) &&
         datagram[HEAD.size()] == type;
}

}  // namespace

std::optional<Fast> read_fast(Bytes datagram, Role role, uint8_t slot) {
  if (!is_a(datagram, FAST)) return std::nullopt;
  const size_t houses = datagram[6];
  const size_t gateways = datagram[7];
  if (datagram.size() != FAST_START + (houses + gateways) * FAST_BYTES + gateways) return std::nullopt;
  if (slot >= (role == Role::HOUSE ? houses : gateways)) return std::nullopt;
  const size_t row = role == Role::HOUSE ? slot : houses + slot;
  Fast fast;
  const uint8_t *from = datagram.data() + FAST_START + row * FAST_BYTES;
  for (float &value : fast.values) {
    value = std::bit_cast<float>(load<uint32_t>(from));
    from += sizeof(float);
  }
  if (role == Role::GATEWAY) fast.auxiliary = datagram[datagram.size() - gateways + slot];
  return fast;
}

std::optional<Slow> read_slow(Bytes datagram, Role role, std::string_view node) {
  if (!is_a(datagram, SLOW)) return std::nullopt;
  ByteReader reader{datagram.subspan(HEAD_BYTES)};
  const uint8_t whose = reader.u8();
  const std::string_view name = reader.text();
  if (!reader.ok() || whose != role_number(role) || name != node) return std::nullopt;
  return Slow{.slot = datagram[6], .values = reader.bytes(reader.left()), .count = datagram[7]};
}

std::optional<SlowValue> next_value(ByteReader &values) {
  const std::string_view key = values.text();
  const double value = std::bit_cast<double>(values.u64());
  if (!values.ok()) return std::nullopt;
  return SlowValue{.key = key, .value = value};
}

void write_answer(const Answer &answer, std::span<uint8_t, ANSWER_BYTES> to) {
  ByteWriter writer{to};
  writer.bytes(HEAD);
  writer.u8(ANSWER);
  writer.u8(role_number(answer.role));
  writer.u8(answer.slot);
  writer.u32(answer.flags);
  writer.u32(answer.boot_id);
  writer.i64(answer.monotonic_ns);
  writer.i64(answer.utc_us);
  writer.u32(answer.error_us);
}

}  // namespace esphome::microgrid::sim

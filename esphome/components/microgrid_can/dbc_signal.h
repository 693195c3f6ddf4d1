// Signals of CAN messages: bits as integers, integers as values in their unit. No table here: see
// microgrid_dbc.h.
#pragma once

#include <cinttypes>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <type_traits>

namespace esphome::microgrid::dbc {

constexpr uint8_t GATEWAY_NODE = 0;  // houses are 1 … HOUSES
constexpr uint8_t HOUSES = 15;
constexpr uint32_t MESSAGE_MASK = 0x7F0;
constexpr uint32_t NODE_MASK = 0x00F;

/// What the bus knows of a message. The identifier is that of node 0.
struct Message {
  uint16_t identifier;
  uint8_t length;
  uint16_t cycle_ms;  // 0: only when there is something to say
};

constexpr uint32_t identifier(const Message &message, uint8_t node) { return message.identifier | node; }
constexpr uint8_t node_of(uint32_t identifier) { return identifier & NODE_MASK; }

/// Data bytes as one little-endian number; `length` ≤ 8.
constexpr uint64_t load(const uint8_t *data, size_t length) {
  uint64_t word = 0;
  for (size_t i = 0; i < length; i++) word |= static_cast<uint64_t>(data[i]) << (8 * i);
  return word;
}

constexpr void store(uint64_t word, uint8_t *data, size_t length) {
  for (size_t i = 0; i < length; i++) data[i] = static_cast<uint8_t>(word >> (8 * i));
}

/// An integer, flag or enumeration at its place in the word; what exceeds `length` bits is cut off.
template <typename T>
constexpr uint64_t put(T raw, unsigned start, unsigned length) {
  return (static_cast<uint64_t>(raw) & ~uint64_t{0} >> (64 - length)) << start;
}

template <typename T>
constexpr T get(uint64_t word, unsigned start, unsigned length) {
  const uint64_t up = word << (64 - start - length);
  if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(static_cast<int64_t>(up) >> (64 - length));
  } else {
    return static_cast<T>(up >> (64 - length));
  }
}

/// value = raw × numerator / denominator + offset. Floating point is only used here, never by pack and
/// unpack.
template <typename T>
struct Scale {
  int16_t numerator;
  int16_t denominator;
  int16_t offset;
  T minimum;  // raw, like the others
  T maximum;
  bool can_be_unavailable;
  T unavailable;

  /// NaN when it is not available.
  constexpr float value(T raw) const {
    if (this->can_be_unavailable && raw == this->unavailable) return std::numeric_limits<float>::quiet_NaN();
    return static_cast<float>(raw) * static_cast<float>(this->numerator) /
               static_cast<float>(this->denominator) +
           static_cast<float>(this->offset);
  }
  /// Nearest within the range; NaN becomes "not available", or 0 where that does not exist.
  T raw(float value) const {
    if (std::isnan(value)) return this->can_be_unavailable ? this->unavailable : T{0};
    const float scaled = (value - static_cast<float>(this->offset)) * static_cast<float>(this->denominator) /
                         static_cast<float>(this->numerator);
    if (scaled <= static_cast<float>(this->minimum)) return this->minimum;
    if (scaled >= static_cast<float>(this->maximum)) return this->maximum;
    return static_cast<T>(std::llround(scaled));
  }
};

constexpr int64_t EVENT_TICK_US = 10;
constexpr uint32_t EVENT_TICK_MASK = (1U << 29) - 1;

/// The raw `event_time` of a Fault.
constexpr uint32_t event_ticks(int64_t utc_us) {
  return static_cast<uint32_t>(utc_us / EVENT_TICK_US) & EVENT_TICK_MASK;
}

/// UTC in µs of a raw `event_time`, which comes around every 89 minutes: the one nearest to `near_us`.
constexpr int64_t full_time(uint32_t ticks, int64_t near_us) {
  const int64_t period = (static_cast<int64_t>(EVENT_TICK_MASK) + 1) * EVENT_TICK_US;
  int64_t ahead = (static_cast<int64_t>(ticks) * EVENT_TICK_US - near_us + period / 2) % period;
  if (ahead < 0) ahead += period;
  return near_us + ahead - period / 2;
}

/// Size that holds every event id: cluster (32), node, boot id, number and the closing zero.
constexpr size_t EVENT_ID_SIZE = 32 + 1 + 2 + 1 + 8 + 1 + 7 + 1;

/// The event id that every node of the bus writes for a Fault; the boot id is the one of the sender's
/// Heartbeat. Returns its length.
inline size_t event_id(char (&out)[EVENT_ID_SIZE], const char *cluster, uint8_t node, uint32_t boot_id,
                       uint32_t number) {
  const int length = std::snprintf(out, sizeof(out), "%.32s.%u:%08" PRIx32 ":%" PRIu32, cluster,
                                   static_cast<unsigned>(node & NODE_MASK), boot_id, number & 0xFFFFFU);
  return length > 0 ? static_cast<size_t>(length) : 0;
}

}  // namespace esphome::microgrid::dbc

// What the channels of a node mean: the payload of a schema frame and its hash.
#pragma once

#include <optional>

#include "umg1_bytes.h"

namespace esphome::microgrid {

enum class Group : uint8_t { SLOW = 0, FAST = 1 };

/// value = (integer + offset) × numerator × 10^exponent, in `unit`.
struct Channel {
  uint8_t id{0};  // 1 … 255
  std::string_view name;
  std::string_view unit;
  int32_t numerator{1};
  int8_t exponent{0};
  int32_t offset{0};
  uint32_t period_us{0};
  Group group{};
  uint8_t width{0};  // bytes of the integer at its source: 1, 2 or 4, signed
};

struct Schema {
  std::string_view node;
  std::string_view cluster;
  std::span<const Channel> channels;

  /// nullptr when there is no channel with this id.
  const Channel *find(uint8_t id) const {
    for (const Channel &channel : this->channels) {
      if (channel.id == id) return &channel;
    }
    return nullptr;
  }
};

/// Whether a value is one that a channel of `width` bytes can have.
constexpr bool fits(int64_t value, uint8_t width) {
  const int64_t limit = int64_t{1} << (8 * width - 1);
  return value >= -limit && value < limit;
}

constexpr uint8_t SCHEMA_VERSION = 1;
constexpr size_t MAX_CHANNELS = 255;

/// Channel ids are unique and not 0, names are keys, periods and widths possible.
bool is_valid(const Schema &schema);

/// Writes the payload of a schema frame; fails the writer when the schema is not valid.
void write_schema(ByteWriter &out, const Schema &schema);

/// Reads one. Texts point into `payload`, channels lie in `room`; nullopt when it is malformed or `room` too
/// small.
std::optional<Schema> read_schema(Bytes payload, std::span<Channel> room);

}  // namespace esphome::microgrid

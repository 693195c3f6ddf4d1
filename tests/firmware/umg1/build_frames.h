// Frames for tests: built from plain values, decoded back to plain values.
#pragma once

#include <bit>
#include <optional>
#include <vector>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_samples.h"

namespace esphome::microgrid {

using Values = std::vector<std::optional<int32_t>>;

/// The samples of one channel as the recorder would hold them.
class Stored {
 public:
  explicit Stored(const Values &values) : integers_(values.size()), valid_((values.size() + 31) / 32) {
    for (size_t i = 0; i < values.size(); i++) {
      this->integers_[i] = values[i].value_or(0x5A5A5A5A);
      if (values[i]) this->valid_[i / 32] |= 1U << (i % 32);
    }
  }
  SampleView view() const {
    return {.values = reinterpret_cast<const uint8_t *>(this->integers_.data()),
            .valid = this->valid_.data(),
            .width = 4,
            .count = static_cast<uint16_t>(this->integers_.size()),
            .first = 0,
            .capacity = static_cast<uint32_t>(this->integers_.size())};
  }

 protected:
  std::vector<int32_t> integers_;
  std::vector<uint32_t> valid_;
};

inline std::optional<Values> decoded(const Block &block) {
  std::vector<int32_t> present(block.present);
  if (!decode_block(block, present)) return std::nullopt;
  Values values(block.count);
  size_t next = 0;
  for (size_t i = 0; i < block.count; i++) {
    if (block.is_present(i)) values[i] = present[next++];
  }
  return values;
}

inline std::vector<uint8_t> schema_payload(const Schema &schema) {
  std::vector<uint8_t> room(MAX_PAYLOAD_BYTES);
  ByteWriter out(room);
  write_schema(out, schema);
  room.resize(out.ok() ? out.size() : 0);
  return room;
}

/// A frame of `payload_bytes` that tells its number, so that a reader can compare.
inline std::vector<uint8_t> numbered_frame(uint32_t number, size_t payload_bytes, uint64_t mono_us = 0,
                                           Kind kind = Kind::EVENT) {
  std::vector<uint8_t> room(FRAME_HEADER_BYTES + payload_bytes);
  FrameBuilder frame(room, {.kind = kind, .mono_us = mono_us, .schema_hash = 0, .clock = {}});
  for (size_t i = 0; i < payload_bytes; i++)
    frame.u8(static_cast<uint8_t>((number >> (8 * (i % 4))) + i / 4 * 7));
  frame.finish();
  return room;
}

}  // namespace esphome::microgrid

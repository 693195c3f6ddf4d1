// Channel blocks: one channel's samples of a frame, coded with the shortest of a few predictors and codings.
//
// Rice coding in two streams: quotients in unary (a reader finds all of them in one pass over the set bits),
// then the remainders. The writer counts the exact size of every choice in one pass over the samples and
// writes in a second.
#pragma once

#include <optional>

#include "umg1_frame.h"
#include "umg1_schema.h"

namespace esphome::microgrid {

constexpr uint8_t PREDICTORS = 4;
constexpr uint8_t FIXED_WIDTH = 15;  // the value of k that stands for fixed-width residuals
constexpr uint8_t MAX_PACKED_WIDTH = 40;

/// `count` samples of one channel inside a ring of `capacity`, with one validity bit per slot of the ring.
/// A plain array is a ring that is full.
struct SampleView {
  const uint8_t *values{nullptr};  // integers of `width` bytes, in the byte order of the machine
  const uint32_t *valid{nullptr};  // bit i % 32 of word i / 32; nullptr: all samples are present
  uint8_t width{0};
  uint16_t count{0};
  uint32_t first{0};
  uint32_t capacity{0};

  bool present(uint32_t i) const;
  int32_t at(uint32_t i) const;
};

/// Upper bound of the size of a channel block of `count` integers of `width` bytes.
constexpr size_t max_block_bytes(size_t count, uint8_t width) {
  const size_t packed_bits = count * (8U * width + 1U);
  return 2 + 2 + (count + 7) / 8 + 5 + 1 + (packed_bits + 7) / 8;
}

/// Appends one block; `with_count` when the number of samples is not the one that span and period give.
/// Returns the number of samples present, also when the writer has failed for lack of room.
uint16_t write_block(ByteWriter &out, uint8_t id, const SampleView &samples, bool with_count);

/// A block as it lies in the payload.
struct Block {
  uint8_t id;
  uint8_t predictor;
  uint8_t k;
  uint8_t width;         // bits of a residual, only for FIXED_WIDTH
  uint8_t sample_bytes;  // width of the channel
  uint16_t count;
  uint16_t present;
  int32_t first;
  bool partial;    // has a validity bitmap
  Bytes validity;  // bit 7 of byte 0 is sample 0
  Bytes unary;
  Bytes rest;  // remainders or packed residuals

  bool is_present(size_t i) const {
    return !this->partial || ((this->validity[i / 8] >> (7 - i % 8)) & 1) != 0;
  }
};

/// What stands before the channel blocks of a fast, slow or summary frame.
struct SampleFrame {
  std::string_view node;  // of a summary, else empty
  std::optional<ClockRecord> clock;
  uint32_t span_ms;
  uint16_t blocks;
  ByteReader in;  // at the next block
};

/// nullopt when the frame has no samples or its head is malformed.
std::optional<SampleFrame> open_samples(const Frame &frame);

/// Samples that a channel has in a span when nothing else is said; 0 when that is more than a block can hold.
uint16_t default_count(uint32_t span_ms, uint32_t period_us);

/// The next block; nullopt when it is malformed or its channel is not in the schema.
std::optional<Block> read_block(ByteReader &in, const Schema &schema, uint32_t span_ms);

/// Decodes the present samples into `values` (at least block.present long). False when the streams do not
/// hold what they should, no more and no less, or a sample leaves the range of its channel.
bool decode_block(const Block &block, std::span<int32_t> values);

}  // namespace esphome::microgrid

// The coder of channel blocks, both directions. Integer arithmetic only, no buffers but those of the caller.
#include "umg1_samples.h"

#include <algorithm>
#include <array>
#include <bit>

namespace esphome::microgrid {

namespace {

constexpr uint8_t HAS_COUNT = 0x80;
constexpr uint8_t HAS_VALIDITY = 0x40;
constexpr size_t MAX_UNARY_BYTES = 0xFFFF;

/// What the predictors know of the samples so far.
class History {
 public:
  explicit History(int32_t first) : first_(first), last_(first), before_(first) {}

  int64_t predict(uint8_t predictor) const {
    switch (predictor) {
      case 0:
        return this->last_;
      case 1:
        return (this->last_ + this->before_) >> 1;
      case 2:
        return this->first_;
      default:
        return 2 * this->last_ - this->before_;
    }
  }
  void add(int64_t sample) {
    this->before_ = this->last_;
    this->last_ = sample;
  }

 protected:
  int64_t first_, last_, before_;
};

/// Most significant bit first, into bytes that are already reserved; drops what does not fit.
class BitWriter {
 public:
  BitWriter(uint8_t *to, size_t bytes) : to_(to), end_(to + bytes) {}

  void put(uint64_t value, unsigned bits) {
    for (; bits > 24; bits -= 24) this->put_some(static_cast<uint32_t>(value >> (bits - 24)) & 0xFFFFFF, 24);
    this->put_some(static_cast<uint32_t>(value & ((uint64_t{1} << bits) - 1)), bits);
  }
  void put_unary(uint64_t quotient) {
    for (; quotient >= 24; quotient -= 24) this->put_some(0, 24);
    this->put_some(1, static_cast<unsigned>(quotient) + 1);
  }
  /// Fills the last byte with zeros; true when exactly the reserved bytes were written.
  bool finish() {
    if (this->pending_ > 0) this->put_some(0, 8 - this->pending_);
    return this->to_ == this->end_ && !this->overrun_;
  }

 protected:
  void put_some(uint32_t value, unsigned bits) {
    this->accumulator_ = (this->accumulator_ << bits) | value;
    for (this->pending_ += bits; this->pending_ >= 8;) {
      this->pending_ -= 8;
      if (this->to_ == this->end_) {
        this->overrun_ = true;
      } else {
        *this->to_++ = static_cast<uint8_t>(this->accumulator_ >> this->pending_);
      }
    }
  }

  uint8_t *to_, *end_;
  uint32_t accumulator_{0};
  unsigned pending_{0};
  bool overrun_{false};
};

class BitReader {
 public:
  explicit BitReader(Bytes data) : data_(data) {}

  /// The caller has checked that the bits are there.
  uint64_t take(unsigned bits) {
    uint64_t value = 0;
    while (bits > 0) {
      const unsigned offset = static_cast<unsigned>(this->at_ % 8);
      const unsigned some = std::min(8 - offset, bits);
      const unsigned byte = this->data_[this->at_ / 8];
      value = (value << some) | ((byte >> (8 - offset - some)) & ((1U << some) - 1));
      this->at_ += some;
      bits -= some;
    }
    return value;
  }

  /// The number of zero bits before the next one; nullopt at the end of the data.
  std::optional<uint64_t> take_unary() {
    const size_t start = this->at_;
    while (this->at_ / 8 < this->data_.size()) {
      const unsigned offset = static_cast<unsigned>(this->at_ % 8);
      const auto left = static_cast<uint8_t>(this->data_[this->at_ / 8] << offset);
      if (left == 0) {
        this->at_ += 8 - offset;
        continue;
      }
      this->at_ += static_cast<size_t>(std::countl_zero(left));
      return this->at_++ - start;
    }
    return std::nullopt;
  }

 protected:
  Bytes data_;
  size_t at_{0};
};

constexpr size_t bytes_for(uint64_t bits) { return static_cast<size_t>((bits + 7) / 8); }

struct Coding {
  uint8_t predictor;
  uint8_t k;
  uint8_t width;
  uint64_t unary_bits;
  size_t bytes;  // of everything after `first`
};

/// Sizes of all codings, counted sample by sample.
class Costs {
 public:
  void add(uint8_t predictor, uint64_t residual) {
    this->all_bits_[predictor] |= residual;
    for (size_t k = 0; k < FIXED_WIDTH && residual != 0; k++, residual >>= 1)
      this->quotients_[predictor][k] += residual;
  }

  /// The shortest; of equals the one with the lowest predictor, then the lowest k.
  Coding best(uint64_t residuals) const {
    Coding best{.predictor = 0,
                .k = FIXED_WIDTH,
                .width = 0,
                .unary_bits = 0,
                .bytes = std::numeric_limits<size_t>::max()};
    for (uint8_t predictor = 0; predictor < PREDICTORS; predictor++) {
      for (uint8_t k = 0; k < FIXED_WIDTH; k++) {
        const uint64_t unary_bits = this->quotients_[predictor][k] + residuals;
        const size_t unary_bytes = bytes_for(unary_bits);
        const size_t bytes = 2 + unary_bytes + bytes_for(residuals * k);
        if (unary_bytes <= MAX_UNARY_BYTES && bytes < best.bytes) best = {predictor, k, 0, unary_bits, bytes};
      }
      const auto width = static_cast<uint8_t>(std::bit_width(this->all_bits_[predictor]));
      const size_t bytes = 1 + bytes_for(residuals * width);
      if (bytes < best.bytes) best = {predictor, FIXED_WIDTH, width, 0, bytes};
    }
    return best;
  }

 protected:
  std::array<std::array<uint64_t, FIXED_WIDTH>, PREDICTORS> quotients_{};
  std::array<uint64_t, PREDICTORS> all_bits_{};
};

/// Calls `with(sample)` for every present sample from the second one on.
template <typename F>
void for_each_after_first(const SampleView &samples, uint32_t first, F &&with) {
  for (uint32_t i = first + 1; i < samples.count; i++) {
    if (samples.present(i)) with(samples.at(i));
  }
}

void write_streams(ByteWriter &out, const Coding &coding, uint64_t residuals, const SampleView &samples,
                   uint32_t first) {
  const size_t unary_bytes = bytes_for(coding.unary_bits);
  if (coding.k == FIXED_WIDTH) {
    out.u8(coding.width);
  } else {
    out.u16(static_cast<uint16_t>(unary_bytes));
  }
  const unsigned low_bits = coding.k == FIXED_WIDTH ? coding.width : coding.k;
  const size_t rest_bytes = bytes_for(residuals * low_bits);
  uint8_t *to = out.take(unary_bytes + rest_bytes);
  if (to == nullptr) return;
  BitWriter unary(to, unary_bytes);
  BitWriter rest(to + unary_bytes, rest_bytes);
  History history(samples.at(first));
  for_each_after_first(samples, first, [&](int32_t sample) {
    const uint64_t residual = zigzag(sample - history.predict(coding.predictor));
    history.add(sample);
    if (coding.k != FIXED_WIDTH) unary.put_unary(residual >> low_bits);
    rest.put(residual, low_bits);
  });
  // Two passes that saw different samples would be a bug of whoever writes them meanwhile: no block, rather
  // than a wrong one.
  const bool unary_whole = unary.finish();
  if (!rest.finish() || !unary_whole) out.fail();
}

}  // namespace

bool SampleView::present(uint32_t i) const {
  if (this->valid == nullptr) return true;
  const uint32_t slot = (this->first + i) % this->capacity;
  // The sampler sets bits of later samples in the same word at the same time.
  return ((__atomic_load_n(this->valid + slot / 32, __ATOMIC_RELAXED) >> (slot % 32)) & 1) != 0;
}

int32_t SampleView::at(uint32_t i) const {
  const uint8_t *from = this->values + static_cast<size_t>((this->first + i) % this->capacity) * this->width;
  switch (this->width) {
    case 1:
      return static_cast<int8_t>(*from);
    case 2: {
      int16_t value = 0;
      std::memcpy(&value, from, sizeof(value));
      return value;
    }
    default: {
      int32_t value = 0;
      std::memcpy(&value, from, sizeof(value));
      return value;
    }
  }
}

uint16_t write_block(ByteWriter &out, uint8_t id, const SampleView &samples, bool with_count) {
  uint16_t present = 0;
  uint32_t first = 0;
  for (uint32_t i = 0; i < samples.count; i++) {
    if (samples.present(i) && present++ == 0) first = i;
  }

  Coding coding{.predictor = 0, .k = FIXED_WIDTH, .width = 0, .unary_bits = 0, .bytes = 0};
  const uint64_t residuals = present == 0 ? 0 : present - 1U;
  if (residuals > 0) {
    Costs costs;
    History history(samples.at(first));
    for_each_after_first(samples, first, [&](int32_t sample) {
      for (uint8_t predictor = 0; predictor < PREDICTORS; predictor++)
        costs.add(predictor, zigzag(sample - history.predict(predictor)));
      history.add(sample);
    });
    coding = costs.best(residuals);
  }

  const bool partial = present < samples.count;
  out.u8(id);
  out.u8(static_cast<uint8_t>((with_count ? HAS_COUNT : 0) | (partial ? HAS_VALIDITY : 0) |
                              coding.predictor << 4 | coding.k));
  if (with_count) out.u16(samples.count);
  if (partial) {
    const size_t bytes = bytes_for(samples.count);
    if (uint8_t *to = out.take(bytes)) {
      std::fill_n(to, bytes, uint8_t{0});
      for (uint32_t i = 0; i < samples.count; i++) {
        if (samples.present(i)) to[i / 8] = static_cast<uint8_t>(to[i / 8] | (0x80U >> (i % 8)));
      }
    }
  }
  if (present > 0) out.varint(zigzag(samples.at(first)));
  if (residuals > 0) write_streams(out, coding, residuals, samples, first);
  return present;
}

std::optional<SampleFrame> open_samples(const Frame &frame) {
  const Kind kind = frame.header.kind;
  if (kind != Kind::FAST && kind != Kind::SLOW && kind != Kind::SUMMARY) return std::nullopt;
  SampleFrame found{.node = {},
                    .clock = {},
                    .span_ms = 0,
                    .blocks = frame.header.blocks,
                    .in = ByteReader(frame.payload())};
  if ((frame.header.flags & FLAG_CLOCK) != 0) found.clock = read_clock(found.in);
  if (kind == Kind::SUMMARY) found.node = found.in.text();
  found.span_ms = found.in.u32();
  if (!found.in.ok()) return std::nullopt;
  return found;
}

uint16_t default_count(uint32_t span_ms, uint32_t period_us) {
  const uint64_t count = std::max<uint64_t>(1, uint64_t{span_ms} * 1000 / period_us);
  return count > std::numeric_limits<uint16_t>::max() ? uint16_t{0} : static_cast<uint16_t>(count);
}

std::optional<Block> read_block(ByteReader &in, const Schema &schema, uint32_t span_ms) {
  Block block{};
  block.id = in.u8();
  const uint8_t coding = in.u8();
  block.predictor = (coding >> 4) & 3;
  block.k = coding & 15;
  const Channel *channel = schema.find(block.id);
  if (channel == nullptr || !in.ok()) return std::nullopt;
  block.sample_bytes = channel->width;
  block.count = (coding & HAS_COUNT) != 0 ? in.u16() : default_count(span_ms, channel->period_us);
  if (block.count == 0) return std::nullopt;
  block.present = block.count;
  block.partial = (coding & HAS_VALIDITY) != 0;
  if (block.partial) {
    block.validity = in.bytes(bytes_for(block.count));
    if (!in.ok()) return std::nullopt;
    block.present = 0;
    for (size_t i = 0; i < block.count; i++)
      block.present = static_cast<uint16_t>(block.present + (block.is_present(i) ? 1 : 0));
  }
  if (block.present > 0) block.first = static_cast<int32_t>(unzigzag(in.varint()));
  if (block.present > 1) {
    const uint64_t residuals = block.present - 1U;
    unsigned low_bits = block.k;
    if (block.k == FIXED_WIDTH) {
      block.width = in.u8();
      low_bits = block.width;
      if (block.width > MAX_PACKED_WIDTH) return std::nullopt;
    } else {
      block.unary = in.bytes(in.u16());
    }
    block.rest = in.bytes(bytes_for(residuals * low_bits));
  } else if (block.k != FIXED_WIDTH) {
    return std::nullopt;
  }
  if (!in.ok()) return std::nullopt;
  return block;
}

bool decode_block(const Block &block, std::span<int32_t> values) {
  if (values.size() < block.present) return false;
  if (block.present == 0) return true;
  if (!fits(block.first, block.sample_bytes)) return false;
  values[0] = block.first;
  BitReader unary(block.unary);
  BitReader rest(block.rest);
  History history(block.first);
  for (size_t i = 1; i < block.present; i++) {
    uint64_t residual = 0;
    if (block.k == FIXED_WIDTH) {
      residual = rest.take(block.width);
    } else {
      const auto quotient = unary.take_unary();
      if (!quotient) return false;
      residual = *quotient << block.k | rest.take(block.k);
    }
    const int64_t sample = history.predict(block.predictor) + unzigzag(residual);
    if (!fits(sample, block.sample_bytes)) return false;
    history.add(sample);
    values[i] = static_cast<int32_t>(sample);
  }
  return !unary.take_unary();  // a quotient too many
}

}  // namespace esphome::microgrid

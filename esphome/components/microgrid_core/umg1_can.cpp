// Per-identifier deltas of time and data.
#include "umg1_can.h"

#include <algorithm>
#include <bit>

namespace esphome::microgrid {

namespace {

constexpr uint8_t HAS_MASK = 0x80;
constexpr uint8_t MAX_LENGTH = 8;

}  // namespace

CanWriter::CanWriter(FrameBuilder &out, uint64_t mono_us)
    : out_(out), count_at_(out.take(2)), mono_us_(mono_us) {
  if (this->count_at_ != nullptr) store(this->count_at_, uint16_t{0});
}

bool CanWriter::add(const CanFrame &frame) {
  if (!this->out_.ok() || frame.length > MAX_LENGTH || this->count_ == std::numeric_limits<uint16_t>::max())
    return false;
  const size_t index = this->history_.find(frame.identifier);
  const bool is_new = index == this->history_.size();
  if (is_new && index == IDENTIFIERS) return false;
  const CanEntry before = is_new ? CanEntry{} : this->history_.at(index);

  const auto since_start = static_cast<int64_t>(frame.mono_us - this->mono_us_);
  const int64_t tick =
      (since_start - (since_start < 0 ? int64_t{CAN_TICK_US} - 1 : 0)) / int64_t{CAN_TICK_US};
  const int64_t delta = tick - before.tick;
  const int64_t change = delta - before.delta;
  constexpr int64_t LIMIT = std::numeric_limits<int32_t>::max();
  if (delta < -LIMIT || delta > LIMIT || change < -LIMIT || change > LIMIT) return false;

  const size_t start = this->out_.size();
  const uint8_t bytes = (frame.identifier & CAN_REMOTE) != 0 ? uint8_t{0} : frame.length;
  uint8_t mask = 0;
  for (unsigned i = 0; i < bytes; i++)
    mask = static_cast<uint8_t>(mask | (frame.data[i] != before.data[i] ? 1U << i : 0));
  const bool masked = !is_new && bytes == before.length && std::popcount(mask) < bytes;

  this->out_.u8(static_cast<uint8_t>(index));
  if (is_new) this->out_.u32(frame.identifier);
  this->out_.varint(zigzag(change));
  this->out_.u8(static_cast<uint8_t>(bytes | (masked ? HAS_MASK : 0)));
  if (masked) this->out_.u8(mask);
  for (unsigned i = 0; i < bytes; i++) {
    if (!masked || ((mask >> i) & 1) != 0) this->out_.u8(frame.data[i]);
  }
  if (!this->out_.ok()) {
    this->out_.rewind(start);
    return false;
  }

  CanEntry &entry = is_new ? *this->history_.add(frame.identifier) : this->history_.at(index);
  entry.delta = static_cast<int32_t>(delta);
  entry.tick = tick;
  entry.length = bytes;
  entry.data = {};
  std::copy_n(frame.data.begin(), bytes, entry.data.begin());
  store(this->count_at_, ++this->count_);
  return true;
}

CanReader::CanReader(const Frame &frame) : mono_us_(frame.header.mono_us) {
  this->in_ = ByteReader(frame.payload());
  if ((frame.header.flags & FLAG_CLOCK) != 0) this->in_.bytes(CLOCK_RECORD_BYTES);
  this->left_ = this->in_.u16();
}

std::optional<CanFrame> CanReader::next() {
  if (this->left_ == 0 || !this->in_.ok()) return std::nullopt;
  this->left_--;
  const size_t index = this->in_.u8();
  CanEntry *entry = index < this->history_.size() ? &this->history_.at(index) : nullptr;
  if (index == this->history_.size()) entry = this->history_.add(this->in_.u32());
  const int64_t change = unzigzag(this->in_.varint());
  const uint8_t coding = this->in_.u8();
  const uint8_t length = coding & 0x0F;
  if (entry == nullptr || length > MAX_LENGTH || !this->in_.ok()) {
    this->in_.fail();
    return std::nullopt;
  }
  const int64_t delta = entry->delta + change;
  constexpr int64_t LIMIT = std::numeric_limits<int32_t>::max();
  if (delta < -LIMIT || delta > LIMIT || change < -LIMIT) {
    this->in_.fail();
    return std::nullopt;
  }
  const bool masked = (coding & HAS_MASK) != 0;
  const uint8_t mask = masked ? this->in_.u8() : uint8_t{0xFF};
  if (masked && (length != entry->length || mask >> length != 0)) {
    this->in_.fail();
    return std::nullopt;
  }
  std::array<uint8_t, 8> data{};
  for (unsigned i = 0; i < length; i++) data[i] = ((mask >> i) & 1) != 0 ? this->in_.u8() : entry->data[i];
  if (!this->in_.ok()) return std::nullopt;
  entry->delta = static_cast<int32_t>(delta);
  entry->tick += delta;
  entry->length = length;
  entry->data = data;
  return CanFrame{
      .identifier = entry->identifier,
      .mono_us = this->mono_us_ + static_cast<uint64_t>(entry->tick) * CAN_TICK_US,
      .length = length,
      .data = data,
  };
}

}  // namespace esphome::microgrid

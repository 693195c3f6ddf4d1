// A frame is played bit by bit through the checksum and the stuffing of ISO 11898-1.
#include "bus_load.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr uint32_t TAIL_BITS = 13;  // delimiter, acknowledge, delimiter, end (7), pause (3): never stuffed
constexpr uint32_t STANDARD_MASK = 0x7FF;
constexpr uint32_t EXTENDED_MASK = 0x1FFFFFFF;

class StuffedBits final {
 public:
  void push(uint32_t value, unsigned bits) {
    for (unsigned i = bits; i-- > 0;) this->push_bit((value >> i & 1) != 0);
  }
  void push_checksum() {
    const uint32_t checksum = this->checksum_;  // pushing changes it
    this->push(checksum, 15);
  }
  uint32_t count() const { return this->count_; }

 private:
  void push_bit(bool bit) {
    const bool carry = bit != ((this->checksum_ >> 14 & 1) != 0);
    this->checksum_ = (this->checksum_ << 1 & 0x7FFF) ^ (carry ? 0x4599U : 0U);
    this->run_ = bit == this->last_ ? this->run_ + 1 : 1;
    this->last_ = bit;
    this->count_++;
    if (this->run_ < 5) return;
    this->count_++;  // five alike are followed by the opposite, which begins the next run
    this->last_ = !bit;
    this->run_ = 1;
  }

  uint32_t checksum_{0};
  uint32_t count_{0};
  unsigned run_{0};
  bool last_{true};  // the bus was idle
};

}  // namespace

uint32_t frame_bits(const CanFrame &frame) {
  StuffedBits bits;
  const bool remote = (frame.identifier & CAN_REMOTE) != 0;
  const auto length = std::min<uint8_t>(frame.length, 8);
  bits.push(0, 1);  // start of frame
  if ((frame.identifier & CAN_EXTENDED) != 0) {
    const uint32_t identifier = frame.identifier & EXTENDED_MASK;
    bits.push(identifier >> 18, 11);
    bits.push(0b11, 2);  // substitute remote request, identifier extension
    bits.push(identifier & 0x3FFFF, 18);
    bits.push(remote ? 0b100 : 0, 3);  // remote request, two reserved
  } else {
    bits.push(frame.identifier & STANDARD_MASK, 11);
    bits.push(remote ? 0b100 : 0, 3);  // remote request, identifier extension, reserved
  }
  bits.push(length, 4);
  for (size_t i = 0; i < length && !remote; i++) bits.push(frame.data[i], 8);
  bits.push_checksum();
  return bits.count() + TAIL_BITS;
}

void BusLoad::move_to(uint64_t now_us) {
  const uint64_t slot = now_us / SLOT_US;
  if (slot <= this->slot_) return;
  const uint64_t passed = std::min<uint64_t>(slot - this->slot_, SLOTS);
  for (uint64_t i = 0; i < passed; i++) this->bits_[(slot - i) % SLOTS] = 0;
  this->slot_ = slot;
}

void BusLoad::add(const CanFrame &frame, uint64_t now_us) {
  this->move_to(now_us);
  this->bits_[this->slot_ % SLOTS] += frame_bits(frame);
}

uint16_t BusLoad::permille(uint64_t now_us) {
  this->move_to(now_us);
  uint64_t bits = 0;
  for (size_t i = 0; i < SLOTS; i++)
    if (i != this->slot_ % SLOTS) bits += this->bits_[i];
  return static_cast<uint16_t>(std::min<uint64_t>(bits * 1000 / this->bit_rate_, 1000));
}

bool BusShare::open(uint64_t now_us) {
  const auto passed_us = static_cast<int64_t>(std::min<uint64_t>(now_us - this->last_us_, 1'000'000));
  this->last_us_ = now_us;
  this->credit_ =
      std::min(this->credit_ + passed_us * this->bit_rate_ * this->percent_, BURST_BITS * CREDIT_PER_BIT);
  return this->credit_ > 0;
}

}  // namespace esphome::microgrid

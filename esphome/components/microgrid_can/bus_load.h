// How much of the bus frames take: every frame's bits, with the stuffing that it really has.
#pragma once

#include <array>

#include "esphome/components/microgrid_core/umg1_can.h"

namespace esphome::microgrid {

/// Bits of a data or remote frame on the bus, its checksum's own stuffing and the pause of three bits
/// included.
uint32_t frame_bits(const CanFrame &frame);

/// Load over the last second, renewed ten times in it.
class BusLoad final {
 public:
  explicit BusLoad(uint32_t bit_rate) : bit_rate_(bit_rate) {}

  void add(const CanFrame &frame, uint64_t now_us);
  uint16_t permille(uint64_t now_us);

 protected:
  static constexpr uint64_t SLOT_US = 100'000;
  static constexpr size_t SLOTS = 11;  // ten that are over, and the one that is running

  void move_to(uint64_t now_us);

  uint32_t bit_rate_;
  std::array<uint32_t, SLOTS> bits_{};
  uint64_t slot_{0};
};

/// Lets through so many frames that they take a share of the bus, in bursts of some frames.
class BusShare final {
 public:
  BusShare(uint32_t bit_rate, uint32_t percent) : bit_rate_(bit_rate), percent_(percent) {}

  bool open(uint64_t now_us);
  void used(const CanFrame &frame) { this->credit_ -= int64_t{frame_bits(frame)} * CREDIT_PER_BIT; }

 protected:
  static constexpr int64_t CREDIT_PER_BIT = 100'000'000;  // a microsecond brings bit rate × percent of it
  static constexpr int64_t BURST_BITS = 400;

  uint32_t bit_rate_;
  uint32_t percent_;
  uint64_t last_us_{0};
  int64_t credit_{0};
};

}  // namespace esphome::microgrid

// Frames in RAM on their way to the medium. They stay until the medium has synchronised them, as a card that
// is taken out takes along what it had not; when memory is short the oldest go first.
#pragma once

#include "esphome/components/microgrid_core/umg1_frame.h"

namespace esphome::microgrid {

class FrameQueue final {
 public:
  FrameQueue() = default;
  explicit FrameQueue(std::span<uint8_t> memory) : memory_(memory) {}

  /// Copies a finished frame. Returns how many frames without a place in the log had to go for it, itself
  /// included.
  uint32_t push(Bytes frame);

  /// The oldest frame that has no place in the log yet; empty when there is none. Stays where it is until
  /// push().
  std::span<uint8_t> next();
  /// next() has got its place.
  void placed();
  /// Forgets what is on the medium up to this position of our boot.
  void durable(uint32_t seq);
  /// The medium was changed: places behind `durable` (nullopt: all) are void. Returns how many frames had
  /// gone in the belief that they had one.
  uint32_t unplace(std::optional<uint32_t> durable);

  size_t used() const { return this->used_; }

 protected:
  static constexpr size_t LENGTH_BYTES = 4;
  size_t size_at(size_t offset) const { return LENGTH_BYTES + load<uint32_t>(&this->memory_[offset]); }
  uint32_t seq_at(size_t offset) const { return load<uint32_t>(&this->memory_[offset + LENGTH_BYTES + 12]); }
  void drop_first();

  std::span<uint8_t> memory_;
  size_t used_{0};
  size_t next_{0};        // frames before have a place
  uint32_t believed_{0};  // frames that went with a place, but were not durable
};

}  // namespace esphome::microgrid

// Gives whole durable frames of the log to one asker after the other.
#pragma once

#include "esphome/components/microgrid_core/umg1_ring_reader.h"
#include "log_store.h"

namespace esphome::microgrid {

class LogReader final {
 public:
  LogReader(RingLog &log, SharedBlock &cache, std::span<uint8_t> room)
      : log_(log), cache_(cache), room_(room) {}

  /// Frames behind a position (nullopt: from the oldest one on) that fit into `to`. When their boot is not in
  /// the log, from the oldest one on. Quick when it is asked to go on where it was.
  ReadReply read_after(std::optional<Position> after, std::span<uint8_t> to);

  /// Somebody else has used the room.
  void lose_room() {
    if (this->held_) this->reader_->again();
    this->held_.reset();
  }
  /// The medium was changed.
  void forget() {
    this->reader_.reset();
    this->held_.reset();
  }

 protected:
  RingLog &log_;
  SharedBlock &cache_;
  std::span<uint8_t> room_;
  std::optional<RingReader> reader_;
  std::optional<Position> at_;
  std::optional<Frame> held_;  // read, but did not fit
};

}  // namespace esphome::microgrid

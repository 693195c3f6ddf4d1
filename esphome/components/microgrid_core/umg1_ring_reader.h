// Reads the durable frames of a ring from any position on, while it is being written.
#pragma once

#include "umg1_ring.h"

namespace esphome::microgrid {

class RingReader final {
 public:
  enum class Step : uint8_t {
    FRAME,
    END,         // for now; more may come
    UNREADABLE,  // try again later, or skip()
  };

  /// `room` takes one frame; longer ones are passed over and counted.
  RingReader(RingLog &log, SharedBlock &cache, std::span<uint8_t> room)
      : log_(log), scan_(log.device(), cache), room_(room) {
    this->seek_segment(0);
  }

  /// To the frame after `position`. False when the boot of that is not in the ring: reading begins with the
  /// oldest frame.
  bool seek_after(Position position);
  /// To the first frame of a segment, or of the first one behind it.
  void seek_segment(uint64_t number);

  /// The next frame; it stays valid until the next call.
  Step next(Frame &frame);
  void skip() { this->scan_.skip(); }
  /// After a FRAME: the next call gives it once more.
  void again() { this->scan_.again(); }

  /// Segment of the last frame.
  uint64_t segment() const { return this->segment_; }
  /// Segments that were overwritten before they were read to the end.
  uint32_t overtaken() const { return this->overtaken_; }
  uint32_t oversize() const { return this->oversize_; }

 protected:
  bool is_before_start(const FrameHeader &header);

  RingLog &log_;
  SegmentScan scan_;
  std::span<uint8_t> room_;
  uint64_t segment_{0};
  uint32_t version_{0};
  bool open_{false};
  std::optional<Position> after_{};  // frames up to here are passed over
  bool boot_seen_{false};
  uint32_t overtaken_{0};
  uint32_t oversize_{0};
};

/// Where the frames of a window go: a snapshot file, a transfer.
class FrameSink {
 public:
  /// False ends the copying.
  virtual bool frame(const Frame &frame) = 0;

 protected:
  ~FrameSink() = default;
};

/// Gives the sink the first schema frame of the pinned segments, then every frame with something in the
/// window, as far as the ring still holds them. False when the medium or the sink failed.
bool copy_pinned(RingReader &reader, const Pin &pin, FrameSink &sink);

}  // namespace esphome::microgrid

// Collects samples while they are taken and turns them into fast and slow frames when a span is over.
//
// Two sides, each a single task: the sampler calls put() and never waits; the writer calls close(). Between
// them lies a ring per channel that holds one span and some slack, so that sampling goes on while the
// finished span waits for the writer.
#pragma once

#include <array>

#include "umg1_samples.h"

namespace esphome::microgrid {

/// How long a frame is, and how much longer sampling may go on before the frame is closed.
struct GroupTiming {
  uint32_t span_ms;
  uint32_t slack_ms;
};

struct RecorderTiming {
  GroupTiming slow{.span_ms = 60'000, .slack_ms = 10'000};
  // 12 s: what a power cut may cost, against 1.5 % of the log in headers and block heads at 10 s.
  GroupTiming fast{.span_ms = 12'000, .slack_ms = 4'000};
  constexpr const GroupTiming &of(Group group) const {
    return group == Group::FAST ? this->fast : this->slow;
  }
};

/// What the node knows about UTC when a frame is closed.
struct ClockReading {
  bool known{false};
  int64_t utc_minus_mono_us{0};
  std::optional<ClockRecord> record{};

  int64_t utc_us(uint64_t mono_us) const {
    return this->known ? static_cast<int64_t>(mono_us) + this->utc_minus_mono_us : 0;
  }
};

struct RecorderCounters {
  uint32_t out_of_range;  // the value does not fit the width of its channel
  uint32_t late;          // its frame was closed already
  uint32_t overrun;       // the writer is behind by more than the slack
};

class Recorder final {
 public:
  /// The ring of one channel.
  struct Track {
    uint8_t *values;
    uint32_t *valid;
    uint32_t block;     // samples in a span
    uint32_t capacity;  // and with the slack
  };

  static constexpr uint32_t block_samples(const Channel &channel, const GroupTiming &timing) {
    return static_cast<uint32_t>(uint64_t{timing.span_ms} * 1000 / channel.period_us);
  }
  static constexpr uint32_t capacity_of(const Channel &channel, const GroupTiming &timing) {
    const uint64_t period_us = channel.period_us;
    return static_cast<uint32_t>(((uint64_t{timing.span_ms} + timing.slack_ms) * 1000 + period_us - 1) /
                                 period_us) +
           1;
  }
  static constexpr size_t track_bytes(const Channel &channel, const GroupTiming &timing) {
    const size_t capacity = capacity_of(channel, timing);
    return sizeof(Track) + (capacity + 31) / 32 * 4 + (capacity * channel.width + 3) / 4 * 4;
  }
  /// Memory that setup() needs.
  static constexpr size_t arena_bytes(std::span<const Channel> channels, const RecorderTiming &timing = {}) {
    size_t bytes = 0;
    for (const Channel &channel : channels) bytes += track_bytes(channel, timing.of(channel.group));
    return bytes;
  }
  /// Size of the largest frame that close() can build.
  static constexpr size_t max_frame_bytes(std::span<const Channel> channels,
                                          const RecorderTiming &timing = {}) {
    std::array<size_t, 2> bytes{};
    for (const Channel &channel : channels)
      bytes[static_cast<size_t>(channel.group)] +=
          max_block_bytes(block_samples(channel, timing.of(channel.group)), channel.width);
    return FRAME_HEADER_BYTES + CLOCK_RECORD_BYTES + 4 + (bytes[0] > bytes[1] ? bytes[0] : bytes[1]);
  }

  /// Divides `arena` (aligned to a pointer) among the channels; sampling starts at `mono_us`. The schema's
  /// channels must outlive the recorder. False when the arena is too small, the schema is not valid, a span
  /// is not a multiple of a period, or a frame could exceed its limits.
  bool setup(const Schema &schema, uint32_t schema_hash, const RecorderTiming &timing,
             std::span<uint8_t> arena, uint64_t mono_us);

  /// Sampler: records the value of a channel (its index in the schema) at a time. False, and counted, when it
  /// is refused; a sample that never comes is missing in the frame.
  bool put(size_t channel, uint64_t mono_us, int32_t value);

  /// Writer: whether a span is over. Waits a quarter of the slack for samples on their way.
  bool ready(Group group, uint64_t now_us) const;

  /// Writer: builds the frame of the oldest finished span in `room` and frees its samples. Empty when not a
  /// single sample came.
  std::span<uint8_t> close(Group group, const ClockReading &clock, std::span<uint8_t> room);

  /// Time of sample 0 of every channel: the grid that put() rounds to.
  uint64_t start_us() const { return this->start_us_; }

  /// Anybody.
  RecorderCounters counters() const;

 protected:
  struct State {
    uint32_t span_us;
    uint32_t slack_us;
    uint32_t closing;  // blocks that are closed or being closed: no more samples for them
    uint32_t taken;    // blocks whose samples are written: their slots are free
  };

  std::span<const Channel> channels_;
  std::span<Track> tracks_;
  std::array<State, 2> groups_{};
  uint64_t start_us_{0};
  uint32_t schema_hash_{0};
  RecorderCounters counters_{};
};

}  // namespace esphome::microgrid

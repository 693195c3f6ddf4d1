// Reading by position, and copying of pinned windows.
#include "umg1_ring_reader.h"

#include "umg1_samples.h"

namespace esphome::microgrid {

namespace {

// Bus traffic is collected for less than this before its frame is closed.
constexpr uint64_t MAX_CAN_SPAN_US = 10'000'000;

uint64_t span_us(const Frame &frame) {
  if (frame.header.kind == Kind::CAN) return MAX_CAN_SPAN_US;
  const auto samples = open_samples(frame);
  return samples ? uint64_t{samples->span_ms} * 1000 : 0;
}

}  // namespace

bool RingReader::seek_after(Position position) {
  const auto segment = this->log_.locate(position);
  this->seek_segment(segment.value_or(0));
  if (segment) this->after_ = position;
  return segment.has_value();
}

void RingReader::seek_segment(uint64_t number) {
  this->segment_ = this->log_.segment_from(number).value_or(0);
  this->open_ = false;
  this->after_.reset();
  this->boot_seen_ = false;
}

bool RingReader::is_before_start(const FrameHeader &header) {
  if (!this->after_) return false;
  if (header.boot_id == this->after_->boot_id) {
    this->boot_seen_ = true;
    if (header.seq <= this->after_->seq) return true;
  } else if (!this->boot_seen_) {
    return true;
  }
  this->after_.reset();
  return false;
}

RingReader::Step RingReader::next(Frame &frame) {
  while (true) {
    if (this->log_.find_segment(this->segment_) == nullptr) {
      const auto later = this->log_.segment_from(this->segment_);
      if (!later) return Step::END;
      if (this->open_) this->overtaken_++;
      this->segment_ = *later;
      this->open_ = false;
    }
    if (!this->open_) {
      this->scan_.open(this->log_.first_block_of(this->segment_), SEGMENT_HEADER_BYTES, 0);
      this->open_ = true;
    }
    if (this->version_ != this->log_.version()) {
      this->version_ = this->log_.version();
      this->scan_.forget_cache();
    }
    this->scan_.set_limit(this->log_.readable_bytes(this->segment_));
    switch (this->scan_.next()) {
      case SegmentScan::Step::UNREADABLE:
        return Step::UNREADABLE;
      case SegmentScan::Step::END: {
        const auto later = this->log_.segment_from(this->segment_ + 1);
        if (!later) return Step::END;
        this->segment_ = *later;
        this->open_ = false;
        break;
      }
      case SegmentScan::Step::FRAME: {
        const FrameHeader &header = this->scan_.header();
        if (this->is_before_start(header)) break;
        if (header.frame_bytes() > this->room_.size()) {
          this->oversize_++;
          break;
        }
        const std::span<uint8_t> bytes = this->room_.first(header.frame_bytes());
        if (!this->scan_.copy(this->scan_.offset(), bytes)) return Step::UNREADABLE;
        frame = {header, bytes};
        return Step::FRAME;
      }
    }
  }
}

bool copy_pinned(RingReader &reader, const Pin &pin, FrameSink &sink) {
  Frame frame{};
  bool schema_given = false;
  reader.seek_segment(pin.first_segment);
  while (true) {
    const RingReader::Step step = reader.next(frame);
    if (step == RingReader::Step::UNREADABLE) return false;
    if (step == RingReader::Step::END || reader.segment() > pin.last_segment) return true;
    if (frame.header.boot_id != pin.boot_id) continue;
    const bool is_schema = frame.header.kind == Kind::SCHEMA;
    const bool inside =
        frame.header.mono_us <= pin.to_us && frame.header.mono_us + span_us(frame) >= pin.from_us;
    if (is_schema ? schema_given : !inside) continue;
    schema_given = schema_given || is_schema;
    if (!sink.frame(frame)) return false;
  }
}

}  // namespace esphome::microgrid

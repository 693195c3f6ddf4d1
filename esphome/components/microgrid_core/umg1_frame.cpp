// Frame headers, CRC and resynchronisation.
#include "umg1_frame.h"

#include <algorithm>
#include <array>

#include "umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr size_t CRC_OFFSET = 40;
constexpr std::array<uint8_t, 4> SYNC_BYTES = {'U', 'M', 'G', '1'};

}  // namespace

void write_clock(ByteWriter &out, const ClockRecord &clock) {
  out.i32(clock.drift_ppb);
  out.u32(clock.error_us);
  out.u8(static_cast<uint8_t>(clock.source));
  out.u8(static_cast<uint8_t>(clock.state));
  out.u16(0);
}

ClockRecord read_clock(ByteReader &in) {
  ClockRecord clock{};
  clock.drift_ppb = in.i32();
  clock.error_us = in.u32();
  clock.source = static_cast<ClockSource>(in.u8());
  clock.state = static_cast<ClockState>(in.u8());
  in.u16();
  return clock;
}

void write_header(const FrameHeader &header, uint8_t *to) {
  store(to, FRAME_SYNC);
  store(to + 4, FRAME_VERSION);
  store(to + 5, static_cast<uint8_t>(header.kind));
  store(to + 6, header.flags);
  store(to + 8, header.payload_bytes);
  store(to + 10, header.blocks);
  store(to + 12, header.seq);
  store(to + 16, header.boot_id);
  store(to + 20, header.schema_hash);
  store(to + 24, header.mono_us);
  store(to + 32, header.utc_us);
  store(to + CRC_OFFSET, header.crc);
}

std::optional<FrameHeader> parse_header(Bytes bytes) {
  if (bytes.size() < FRAME_HEADER_BYTES || load<uint32_t>(bytes.data()) != FRAME_SYNC ||
      bytes[4] != FRAME_VERSION)
    return std::nullopt;
  const uint8_t *from = bytes.data();
  return FrameHeader{
      .kind = static_cast<Kind>(from[5]),
      .flags = load<uint16_t>(from + 6),
      .payload_bytes = load<uint16_t>(from + 8),
      .blocks = load<uint16_t>(from + 10),
      .seq = load<uint32_t>(from + 12),
      .boot_id = load<uint32_t>(from + 16),
      .schema_hash = load<uint32_t>(from + 20),
      .mono_us = load<uint64_t>(from + 24),
      .utc_us = load<int64_t>(from + 32),
      .crc = load<uint32_t>(from + CRC_OFFSET),
  };
}

uint32_t header_crc(Bytes bytes) {
  constexpr std::array<uint8_t, FRAME_HEADER_BYTES - CRC_OFFSET> NO_CRC{};
  return crc32(NO_CRC, crc32(bytes.first(CRC_OFFSET)));
}

FrameBuilder::FrameBuilder(std::span<uint8_t> room, const FrameStart &start)
    : ByteWriter(room.first(std::min(room.size(), FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES))), start_(start) {
  this->take(FRAME_HEADER_BYTES);
  if (start.clock) write_clock(*this, *start.clock);
}

std::span<uint8_t> FrameBuilder::finish() {
  if (!this->ok_) return {};
  const FrameHeader header{
      .kind = this->start_.kind,
      .flags = this->start_.clock ? FLAG_CLOCK : uint16_t{0},
      .payload_bytes = static_cast<uint16_t>(this->size_ - FRAME_HEADER_BYTES),
      .blocks = this->blocks_,
      .seq = 0,
      .boot_id = 0,
      .schema_hash = this->start_.schema_hash,
      .mono_us = this->start_.mono_us,
      .utc_us = this->start_.utc_us,
      .crc = 0,
  };
  write_header(header, this->room_.data());
  return this->written();
}

void seal(std::span<uint8_t> frame, Position position) {
  store(frame.data() + 12, position.seq);
  store(frame.data() + 16, position.boot_id);
  store(frame.data() + CRC_OFFSET, crc32(frame.subspan(FRAME_HEADER_BYTES), header_crc(frame)));
}

std::optional<Frame> check_frame(Bytes bytes) {
  const auto header = parse_header(bytes);
  if (!header || header->frame_bytes() > bytes.size()) return std::nullopt;
  const Frame frame{*header, bytes.first(header->frame_bytes())};
  if (crc32(frame.payload(), header_crc(frame.bytes)) != header->crc) return std::nullopt;
  return frame;
}

std::optional<Frame> FrameScanner::next() {
  while (true) {
    const Bytes rest = this->data_.subspan(this->at_);
    const auto found = std::search(rest.begin(), rest.end(), SYNC_BYTES.begin(), SYNC_BYTES.end());
    const size_t skipped = static_cast<size_t>(found - rest.begin());
    this->at_ += skipped;
    if (found == rest.end()) return std::nullopt;
    if (auto frame = check_frame(rest.subspan(skipped))) {
      this->offset_ = this->at_;
      this->at_ += frame->bytes.size();
      return frame;
    }
    this->at_++;
  }
}

}  // namespace esphome::microgrid

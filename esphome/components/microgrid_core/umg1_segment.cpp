// Segment headers and the scan over blocks.
#include "umg1_segment.h"

#include <algorithm>
#include <array>

#include "umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr std::array<uint8_t, 8> MAGIC = {'U', 'M', 'G', '1', 'S', 'E', 'G', 0};
constexpr uint16_t SEGMENT_VERSION = 1;
constexpr size_t NAME_BYTES = 32;
constexpr size_t NODE_OFFSET = 48;
constexpr size_t CLUSTER_OFFSET = 80;
constexpr size_t CRC_OFFSET = 508;

void store_name(uint8_t *to, std::string_view name) {
  if (!name.empty()) std::memcpy(to, name.data(), std::min(name.size(), NAME_BYTES));
}

std::string_view load_name(const uint8_t *from) {
  const uint8_t *end = std::find(from, from + NAME_BYTES, uint8_t{0});
  return {reinterpret_cast<const char *>(from), static_cast<size_t>(end - from)};
}

}  // namespace

void write_segment_header(const SegmentHeader &header, std::span<uint8_t, SEGMENT_HEADER_BYTES> to) {
  std::fill(to.begin(), to.end(), uint8_t{0});
  std::copy(MAGIC.begin(), MAGIC.end(), to.begin());
  uint8_t *bytes = to.data();
  store(bytes + 8, SEGMENT_VERSION);
  store(bytes + 10, uint16_t{SEGMENT_HEADER_BYTES});
  store(bytes + 12, header.capacity_bytes);
  store(bytes + 16, header.number);
  store(bytes + 24, header.boot_id);
  store(bytes + 28, header.schema_hash);
  store(bytes + 32, header.utc_us);
  store(bytes + 40, header.mono_us);
  store_name(bytes + NODE_OFFSET, header.node);
  store_name(bytes + CLUSTER_OFFSET, header.cluster);
  store(bytes + CRC_OFFSET, crc32(to.first(CRC_OFFSET)));
}

std::optional<SegmentHeader> read_segment_header(Bytes from) {
  if (from.size() < SEGMENT_HEADER_BYTES || !std::equal(MAGIC.begin(), MAGIC.end(), from.begin()))
    return std::nullopt;
  const uint8_t *bytes = from.data();
  if (load<uint16_t>(bytes + 8) != SEGMENT_VERSION ||
      load<uint32_t>(bytes + CRC_OFFSET) != crc32(from.first(CRC_OFFSET)))
    return std::nullopt;
  return SegmentHeader{
      .capacity_bytes = load<uint32_t>(bytes + 12),
      .number = load<uint64_t>(bytes + 16),
      .boot_id = load<uint32_t>(bytes + 24),
      .schema_hash = load<uint32_t>(bytes + 28),
      .utc_us = load<int64_t>(bytes + 32),
      .mono_us = load<uint64_t>(bytes + 40),
      .node = load_name(bytes + NODE_OFFSET),
      .cluster = load_name(bytes + CLUSTER_OFFSET),
  };
}

void SegmentScan::open(uint32_t first_block, uint32_t from, uint32_t limit) {
  this->first_block_ = first_block;
  this->at_ = from;
  this->limit_ = limit;
  this->cached_ = NOTHING;
}

Bytes SegmentScan::rest_of_block(uint32_t offset) {
  const uint32_t block = this->first_block_ + offset / BLOCK_BYTES;
  for (int attempt = 0; this->cached_ != block || this->content_ != this->cache_.content(); attempt++) {
    this->cached_ = NOTHING;
    if (attempt == ATTEMPTS) {
      this->unreadable_ = block;
      return {};
    }
    if (this->device_.read(block, this->cache_.take())) this->cached_ = block;
    this->content_ = this->cache_.content();
  }
  return Bytes(this->cache_.bytes()).subspan(offset % BLOCK_BYTES);
}

bool SegmentScan::copy(uint32_t offset, std::span<uint8_t> to) {
  while (!to.empty()) {
    const Bytes from = this->rest_of_block(offset);
    if (from.empty()) return false;
    const size_t some = std::min(from.size(), to.size());
    std::memcpy(to.data(), from.data(), some);
    to = to.subspan(some);
    offset += static_cast<uint32_t>(some);
  }
  return true;
}

std::optional<uint32_t> SegmentScan::crc_of(uint32_t offset, const FrameHeader &header, Bytes header_bytes) {
  uint32_t crc = header_crc(header_bytes);
  offset += FRAME_HEADER_BYTES;
  for (size_t left = header.payload_bytes; left > 0;) {
    Bytes from = this->rest_of_block(offset);
    if (from.empty()) return std::nullopt;
    from = from.first(std::min(from.size(), left));
    crc = crc32(from, crc);
    offset += static_cast<uint32_t>(from.size());
    left -= from.size();
  }
  return crc;
}

SegmentScan::Step SegmentScan::next() {
  while (this->at_ + FRAME_HEADER_BYTES <= this->limit_) {
    const Bytes rest = this->rest_of_block(this->at_);
    if (rest.empty()) return Step::UNREADABLE;
    const void *candidate = std::memchr(rest.data(), FRAME_SYNC & 0xFF, rest.size());
    if (candidate == nullptr) {
      this->at_ += static_cast<uint32_t>(rest.size());
      continue;
    }
    this->at_ += static_cast<uint32_t>(static_cast<const uint8_t *>(candidate) - rest.data());
    if (this->at_ + FRAME_HEADER_BYTES > this->limit_) break;
    std::array<uint8_t, FRAME_HEADER_BYTES> bytes{};
    if (!this->copy(this->at_, bytes)) return Step::UNREADABLE;
    const auto header = parse_header(bytes);
    if (header && this->at_ + header->frame_bytes() <= this->limit_) {
      const auto crc = this->crc_of(this->at_, *header, bytes);
      if (!crc) return Step::UNREADABLE;
      if (*crc == header->crc) {
        this->header_ = *header;
        this->offset_ = this->at_;
        this->at_ += static_cast<uint32_t>(header->frame_bytes());
        return Step::FRAME;
      }
    }
    this->at_++;
  }
  return Step::END;
}

void SegmentScan::skip() {
  if (this->first_block_ + this->at_ / BLOCK_BYTES == this->unreadable_) {
    this->at_ = (this->at_ / BLOCK_BYTES + 1) * BLOCK_BYTES;
  } else {
    this->at_++;  // what seemed to be a frame reaches into the unreadable block
  }
}

}  // namespace esphome::microgrid

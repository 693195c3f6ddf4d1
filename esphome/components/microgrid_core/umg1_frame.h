// Frames: built, sealed with sequence number and CRC, checked, and found again in any heap of bytes.
#pragma once

#include <optional>

#include "umg1_bytes.h"

namespace esphome::microgrid {

enum class Kind : uint8_t {
  SCHEMA = 0,
  FAST = 1,
  SLOW = 2,
  EVENT = 3,
  TIMESYNC = 4,
  CAN = 5,
  SNAPSHOT = 6,
  BOOT = 7,
  SUMMARY = 8,
};

constexpr uint32_t FRAME_SYNC = 0x31474D55;  // "UMG1"
constexpr uint8_t FRAME_VERSION = 1;
constexpr size_t FRAME_HEADER_BYTES = 44;
constexpr size_t MAX_PAYLOAD_BYTES = 0xFFFF;
constexpr uint16_t FLAG_CLOCK = 1;  // a clock record stands first in the payload
constexpr size_t CLOCK_RECORD_BYTES = 12;

struct FrameHeader {
  Kind kind;
  uint16_t flags;
  uint16_t payload_bytes;
  uint16_t blocks;
  uint32_t seq;
  uint32_t boot_id;
  uint32_t schema_hash;
  uint64_t mono_us;
  int64_t utc_us;
  uint32_t crc;

  size_t frame_bytes() const { return FRAME_HEADER_BYTES + this->payload_bytes; }
};

/// A place in a log: frames are counted per boot.
struct Position {
  uint32_t boot_id;
  uint32_t seq;
  bool operator==(const Position &) const = default;
};

struct Frame {
  FrameHeader header;
  Bytes bytes;
  Bytes payload() const { return this->bytes.subspan(FRAME_HEADER_BYTES); }
};

enum class ClockSource : uint8_t { NONE = 0, RTC = 1, CAN = 2, NETWORK = 3, GNSS = 4 };
enum class ClockState : uint8_t { UNSYNCHRONISED = 0, SYNCHRONISED = 1, HOLDOVER = 2 };

struct ClockRecord {
  int32_t drift_ppb;
  uint32_t error_us;  // 0xFFFFFFFF: unknown
  ClockSource source;
  ClockState state;
};

void write_clock(ByteWriter &out, const ClockRecord &clock);
ClockRecord read_clock(ByteReader &in);

/// What a frame is about, before its payload.
struct FrameStart {
  Kind kind{};
  uint64_t mono_us{0};
  int64_t utc_us{0};  // 0: unknown
  uint32_t schema_hash{0};
  std::optional<ClockRecord> clock{};
};

/// A payload writer that has left room for the header, and written the clock record if there is one.
class FrameBuilder final : public ByteWriter {
 public:
  FrameBuilder(std::span<uint8_t> room, const FrameStart &start);

  /// Counts one channel block.
  void count_block() { this->blocks_++; }
  uint16_t blocks() const { return this->blocks_; }

  /// The frame, complete but for its place in the log (see seal); empty when it did not fit.
  std::span<uint8_t> finish();

 protected:
  FrameStart start_;
  uint16_t blocks_{0};
};

/// Gives a finished frame its place in the log and its CRC.
void seal(std::span<uint8_t> frame, Position position);

/// The header fields of 44 bytes; nullopt when sync or version are not ours. The CRC is not looked at.
std::optional<FrameHeader> parse_header(Bytes bytes);
/// The 44 bytes of a header, CRC included as it stands there.
void write_header(const FrameHeader &header, uint8_t *to);
/// CRC-32 of the header as bytes with the CRC field as zero: the beginning of the CRC of the frame.
uint32_t header_crc(Bytes bytes);

/// The frame at the start of `bytes`, if one stands there whole and undamaged.
std::optional<Frame> check_frame(Bytes bytes);

/// Walks over the good frames of a buffer; after anything else it moves on by one byte.
class FrameScanner final {
 public:
  explicit FrameScanner(Bytes data) : data_(data) {}
  std::optional<Frame> next();
  /// Where the last frame began.
  size_t offset() const { return this->offset_; }

 protected:
  Bytes data_;
  size_t offset_{0};
  size_t at_{0};
};

}  // namespace esphome::microgrid

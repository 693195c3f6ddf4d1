// Segments on a block device: their headers, and a scan for good frames that needs one block of memory.
#pragma once

#include <optional>

#include "umg1_frame.h"

namespace esphome::microgrid {

constexpr uint32_t BLOCK_BYTES = 4096;
constexpr uint32_t SECTOR_BYTES = 512;  // what a power cut destroys at most, as cards promise
constexpr uint32_t SEGMENT_HEADER_BYTES = 512;

using BlockRoom = std::span<uint8_t, BLOCK_BYTES>;
using BlockBytes = std::span<const uint8_t, BLOCK_BYTES>;

/// Where a log lies: a card on the node, a file on a host. All calls come from one task.
class BlockDevice {
 public:
  virtual bool read(uint32_t block, BlockRoom to) = 0;
  virtual bool write(uint32_t block, BlockBytes from) = 0;
  /// True when everything written so far survives a power cut.
  virtual bool sync() = 0;
  virtual uint32_t block_count() const = 0;

 protected:
  ~BlockDevice() = default;  // nobody owns a device by this interface
};

struct SegmentHeader {
  uint32_t capacity_bytes;
  uint64_t number;
  uint32_t boot_id;
  uint32_t schema_hash;
  int64_t utc_us;
  uint64_t mono_us;
  std::string_view node;  // at most 32 bytes, as the cluster
  std::string_view cluster;
};

void write_segment_header(const SegmentHeader &header, std::span<uint8_t, SEGMENT_HEADER_BYTES> to);
/// Texts point into `from`.
std::optional<SegmentHeader> read_segment_header(Bytes from);

/// A block of memory that several users of one task have in turn, each during a call. Who comes back sees
/// whether somebody else had it in between, and reads again what was in it.
class SharedBlock final {
 public:
  explicit SharedBlock(BlockRoom room) : room_(room) {}

  /// For a new content.
  BlockRoom take() {
    this->content_++;
    return this->room_;
  }
  BlockBytes bytes() const { return this->room_; }
  /// Changes with every take().
  uint32_t content() const { return this->content_; }

 protected:
  BlockRoom room_;
  uint32_t content_{0};
};

/// Finds the good frames of a stretch of blocks, one after the other.
class SegmentScan final {
 public:
  enum class Step : uint8_t { FRAME, END, UNREADABLE };

  SegmentScan(BlockDevice &device, SharedBlock &cache) : device_(device), cache_(cache) {}

  /// Offsets in bytes from the start of `first_block`.
  void open(uint32_t first_block, uint32_t from, uint32_t limit);
  void set_limit(uint32_t limit) { this->limit_ = limit; }
  /// After the device was written to.
  void forget_cache() { this->cached_ = NOTHING; }

  /// On UNREADABLE the same place is tried again by the next call, unless skip() is called before.
  Step next();
  void skip();
  /// The frame found last is found once more by the next call.
  void again() { this->at_ = this->offset_; }

  /// Of the frame found last.
  const FrameHeader &header() const { return this->header_; }
  uint32_t offset() const { return this->offset_; }
  /// Reads bytes of the stretch, such as the frame found last.
  bool copy(uint32_t offset, std::span<uint8_t> to);

 protected:
  static constexpr uint32_t NOTHING = 0xFFFFFFFF;
  static constexpr int ATTEMPTS = 3;

  /// The bytes from `offset` to the end of its block; empty when the block cannot be read.
  Bytes rest_of_block(uint32_t offset);
  std::optional<uint32_t> crc_of(uint32_t offset, const FrameHeader &header, Bytes header_bytes);

  BlockDevice &device_;
  SharedBlock &cache_;
  uint32_t cached_{NOTHING};
  uint32_t content_{0};  // of the cache, when it was read
  uint32_t unreadable_{NOTHING};
  uint32_t first_block_{0};
  uint32_t at_{0};
  uint32_t limit_{0};
  uint32_t offset_{0};
  FrameHeader header_{};
};

}  // namespace esphome::microgrid

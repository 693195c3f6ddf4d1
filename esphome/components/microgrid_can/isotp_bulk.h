// Objects that take minutes (snapshots, ranges of the log) as chunks, each one ISO-TP message: whoever pulls
// asks for the first chunk that it lacks, so that after any break nothing comes twice.
//
// All numbers are little-endian.
//   request  u8 1 · u32 object · u32 first chunk · u32 chunk bytes
//   chunk    u8 2 · u32 object · u32 number · u32 chunk bytes · u32 object bytes · u32 object CRC-32 · u32
//   CRC-32 of the
//            data · data; all chunks but the last are equally long
//   refusal  u8 3 · u32 object · u8 reason
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/umg1_bytes.h"

namespace esphome::microgrid {

constexpr size_t BULK_REQUEST_BYTES = 13;
constexpr size_t BULK_CHUNK_HEADER_BYTES = 25;
constexpr size_t BULK_REFUSAL_BYTES = 6;

struct BulkRequest {
  uint32_t object;
  uint32_t first_chunk;
  uint32_t chunk_bytes;
};

struct BulkObject {
  uint32_t object;
  uint32_t bytes;
  uint32_t crc;
};

enum class BulkRefusal : uint8_t {
  OTHER = 0,
  UNKNOWN_OBJECT = 1,
  BAD_REQUEST = 2,
  BUSY = 3,
  MEDIUM_FAILED = 4
};

std::optional<BulkRequest> read_bulk_request(Bytes message);
size_t write_bulk_refusal(uint32_t object, BulkRefusal reason, std::span<uint8_t> room);

/// The side that has the object: one chunk after the other.
class BulkSender final {
 public:
  /// False when the request is none for this object; then nothing is to be sent. `room_bytes` is what a chunk
  /// message may take: chunks become smaller than asked for when it is less.
  bool start(const BulkObject &object, const BulkRequest &request, size_t room_bytes);

  /// Where the data of the chunk to send now begins, and how long it is; nullopt when all were sent.
  struct Piece {
    uint32_t offset;
    uint32_t bytes;
  };
  std::optional<Piece> piece() const;
  /// The message: the header is written before the data, which the caller has read to BULK_CHUNK_HEADER_BYTES
  /// of `room`. Empty when there is no piece, or no room for it.
  Bytes seal(std::span<uint8_t> room) const;
  /// The chunk arrived.
  void next() { this->number_++; }

 protected:
  BulkObject object_{};
  uint32_t chunk_bytes_{0};
  uint32_t number_{0};
};

/// The side that pulls.
class BulkReceiver final {
 public:
  enum class State : uint8_t { PULLING, COMPLETE, DAMAGED, REFUSED };

  /// Begins from nothing, or after a restart of the node from what it had stored: whole chunks and their
  /// CRC-32.
  void start(uint32_t object, uint32_t chunk_bytes, uint32_t first_chunk = 0, uint32_t crc_so_far = 0);

  /// The request for what is lacking, to be sent at the start and after every break; empty when `room` is too
  /// small.
  Bytes request(std::span<uint8_t> room) const;

  struct Piece {
    uint32_t offset;
    Bytes data;
  };
  /// A message of the sender: the data to store, or nothing when it is not the chunk that comes next, or
  /// damaged.
  std::optional<Piece> take(Bytes message);
  /// The data is stored: on to the next chunk.
  void stored();

  State state() const { return this->state_; }
  BulkRefusal refusal() const { return this->refusal_; }
  uint32_t next_chunk() const { return this->number_; }
  uint32_t crc_so_far() const { return this->crc_; }
  /// Known from the first chunk on.
  const BulkObject &object() const { return this->object_; }

 protected:
  BulkObject object_{};
  uint32_t chunk_bytes_{0};
  uint32_t number_{0};
  uint32_t crc_{0};
  bool taken_{false};  // a piece that is not stored yet
  uint32_t piece_bytes_{0};
  uint32_t piece_crc_{0};
  bool known_{false};  // length and CRC of the object, and how long its chunks are
  State state_{State::PULLING};
  BulkRefusal refusal_{BulkRefusal::OTHER};
};

}  // namespace esphome::microgrid

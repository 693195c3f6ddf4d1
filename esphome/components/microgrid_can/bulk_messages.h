// The messages of bulk transfer between the gateway and a house, each one ISO-TP message: section 7 of
// contract/can.md. A writer gives the message, or nothing when `room` is too small; a reader gives nothing
// for what it cannot accept.
#pragma once

#include <optional>

#include "bulk_relay.h"
#include "esphome/components/microgrid_log/log_store.h"

namespace esphome::microgrid {

constexpr size_t BULK_MESSAGE_BYTES = 4095;
constexpr size_t BULK_CHUNK_HEADER_BYTES = 25;
constexpr size_t BULK_CHUNK_BYTES = BULK_MESSAGE_BYTES - BULK_CHUNK_HEADER_BYTES;
/// A range of the log, and a frame in it: more than a house's recorder can build.
constexpr size_t BULK_LOG_BYTES = 4736;
/// Room for every request, and for every answer but chunk, snapshots and identity.
constexpr size_t BULK_SMALL_BYTES = 32;
constexpr size_t BULK_IDENTITY_BYTES = 1 + 33 + 33 + 65 + 4 + 65;
constexpr size_t BULK_LISTED_BYTES = 40;  // most that a snapshot takes in the list

enum class BulkType : uint8_t {
  REQUEST = 1,
  CHUNK = 2,
  REFUSAL = 3,
  WHO_ARE_YOU = 16,
  IDENTITY = 17,
  WHICH_SNAPSHOTS = 18,
  SNAPSHOTS = 19,
  WHICH_LOG = 20,
  LOG = 21,
  HAVE_LOG = 22,
  LOG_NOTED = 23,
  HAVE_SNAPSHOT = 24,
  SNAPSHOT_NOTED = 25,
};

/// nullopt for an empty message; other than the named ones are possible.
std::optional<BulkType> bulk_type(Bytes message);

/// WHO_ARE_YOU and WHICH_SNAPSHOTS have no fields.
Bytes write_bulk_question(BulkType type, std::span<uint8_t> room);

// ----------------------------------------------------------------------------------------------------
// objects

struct BulkObject {
  uint32_t object{0};  // 0: none
  uint32_t bytes{0};
  uint32_t crc{0};
};

struct BulkRequest {
  uint32_t object;
  uint32_t chunk;
  uint32_t chunk_bytes;
};
Bytes write_bulk_request(const BulkRequest &request, std::span<uint8_t> room);
std::optional<BulkRequest> read_bulk_request(Bytes message);

/// What of an object answers a request.
struct BulkPiece {
  uint32_t chunk;
  uint32_t chunk_bytes;
  uint32_t offset;
  uint32_t bytes;
};
/// nullopt when the request is none for this object. Chunks become smaller than asked for when `room_bytes`,
/// what the message may take, is less; only the first request can be answered so, others would mean other
/// bytes.
std::optional<BulkPiece> bulk_piece(const BulkObject &object, const BulkRequest &request, size_t room_bytes);
/// The header is written before the data, which the caller has put to BULK_CHUNK_HEADER_BYTES of `room`.
Bytes seal_bulk_chunk(const BulkObject &object, const BulkPiece &piece, std::span<uint8_t> room);

struct BulkChunk {
  BulkObject object;
  BulkPiece piece;
  Bytes data;
};
/// Only a chunk whose length and CRC are right.
std::optional<BulkChunk> read_bulk_chunk(Bytes message);

enum class BulkRefusal : uint8_t {
  OTHER = 0,
  UNKNOWN_OBJECT = 1,
  BAD_REQUEST = 2,
  BUSY = 3,
  MEDIUM_FAILED = 4
};
Bytes write_bulk_refusal(uint32_t object, BulkRefusal reason, std::span<uint8_t> room);
struct BulkRefused {
  uint32_t object;
  BulkRefusal reason;
};
std::optional<BulkRefused> read_bulk_refusal(Bytes message);

// ------------------------------------------------------------------------------------------- who, what, how
// far

Bytes write_bulk_identity(const HouseIdentity &identity, std::span<uint8_t> room);
/// Only ids that may stand in a topic, and a firmware version without control characters.
std::optional<HouseIdentity> read_bulk_identity(Bytes message);

class BulkSnapshotWriter final {
 public:
  explicit BulkSnapshotWriter(std::span<uint8_t> room);
  /// False, with nothing written, when there is no room for it.
  bool add(const StoredSnapshot &snapshot);
  Bytes message() const { return this->out_.ok() ? Bytes(this->out_.written()) : Bytes{}; }

 protected:
  ByteWriter out_;
};
class BulkSnapshotReader final {
 public:
  /// `node`: whose answer it is.
  BulkSnapshotReader(Bytes message, uint8_t node);
  /// nullopt at the end, and when the message is malformed (then ok() is false).
  std::optional<StoredSnapshot> next();
  bool ok() const { return this->in_.ok(); }

 protected:
  ByteReader in_;
  uint8_t node_;
  uint8_t left_;
};

struct BulkLogQuery {
  Position after;  // boot id 0: from the first frame that is not acknowledged
  uint32_t bytes;  // at most
};
Bytes write_bulk_log_query(const BulkLogQuery &query, std::span<uint8_t> room);
std::optional<BulkLogQuery> read_bulk_log_query(Bytes message);

struct BulkLogRange {
  uint32_t object;  // 0: there is nothing
  Position first;
  Position last;
};
Bytes write_bulk_log_range(const BulkLogRange &range, std::span<uint8_t> room);
std::optional<BulkLogRange> read_bulk_log_range(Bytes message);

/// HAVE_LOG and LOG_NOTED.
Bytes write_bulk_position(BulkType type, Position position, std::span<uint8_t> room);
std::optional<Position> read_bulk_position(BulkType type, Bytes message);

/// HAVE_SNAPSHOT and SNAPSHOT_NOTED.
Bytes write_bulk_event(BulkType type, const EventKey &key, std::span<uint8_t> room);
std::optional<EventKey> read_bulk_event(BulkType type, Bytes message);

}  // namespace esphome::microgrid

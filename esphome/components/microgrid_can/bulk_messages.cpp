// Reading and writing the messages of bulk transfer.
#include "bulk_messages.h"

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

class MessageWriter final : public ByteWriter {
 public:
  MessageWriter(BulkType type, std::span<uint8_t> room) : ByteWriter(room) {
    this->u8(static_cast<uint8_t>(type));
  }
  void position(Position position) {
    this->u32(position.boot_id);
    this->u32(position.seq);
  }
  Bytes message() const { return this->ok() ? Bytes(this->written()) : Bytes{}; }
};

class MessageReader final : public ByteReader {
 public:
  MessageReader(BulkType type, Bytes message) : ByteReader(message) {
    if (this->u8() != static_cast<uint8_t>(type)) this->fail();
  }
  Position position() {
    const uint32_t boot_id = this->u32();
    return {.boot_id = boot_id, .seq = this->u32()};
  }
};

void write_key(ByteWriter &out, const EventKey &key) {
  out.u8(key.node);
  out.u32(key.boot_id);
  out.u32(key.number);
}

EventKey read_key(ByteReader &in) {
  EventKey key;
  key.node = in.u8();
  key.boot_id = in.u32();
  key.number = in.u32();
  return key;
}

bool is_digit(char character) { return character >= '0' && character <= '9'; }

/// `[a-z0-9_-]{1,32}`
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || is_digit(character) || character == '_' ||
           character == '-';
  });
}

/// `[A-Z0-9_]{0,16}`; a node that did not hear what was raised knows no code.
bool is_code(std::string_view text) {
  return text.size() <= 16 && std::all_of(text.begin(), text.end(), [](char character) {
           return (character >= 'A' && character <= 'Z') || is_digit(character) || character == '_';
         });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char character) {
    return static_cast<uint8_t>(character) >= 0x20 && static_cast<uint8_t>(character) != 0x7F;
  });
}

}  // namespace

std::optional<BulkType> bulk_type(Bytes message) {
  return message.empty() ? std::nullopt : std::optional{static_cast<BulkType>(message[0])};
}

Bytes write_bulk_question(BulkType type, std::span<uint8_t> room) {
  return MessageWriter(type, room).message();
}

// ----------------------------------------------------------------------------------------------------
// objects

Bytes write_bulk_request(const BulkRequest &request, std::span<uint8_t> room) {
  MessageWriter out(BulkType::REQUEST, room);
  out.u32(request.object);
  out.u32(request.chunk);
  out.u32(request.chunk_bytes);
  return out.message();
}

std::optional<BulkRequest> read_bulk_request(Bytes message) {
  MessageReader in(BulkType::REQUEST, message);
  const BulkRequest request{.object = in.u32(), .chunk = in.u32(), .chunk_bytes = in.u32()};
  return in.ok() ? std::optional{request} : std::nullopt;
}

std::optional<BulkPiece> bulk_piece(const BulkObject &object, const BulkRequest &request, size_t room_bytes) {
  if (request.object != object.object || request.chunk_bytes == 0 || room_bytes <= BULK_CHUNK_HEADER_BYTES)
    return std::nullopt;
  const auto most = static_cast<uint32_t>(
      std::min<size_t>({request.chunk_bytes, room_bytes - BULK_CHUNK_HEADER_BYTES, BULK_CHUNK_BYTES}));
  const uint64_t offset = uint64_t{request.chunk} * request.chunk_bytes;  // 64 bits, for hostile numbers
  // An empty object is one empty chunk.
  if (request.chunk != 0 && (most != request.chunk_bytes || offset >= object.bytes)) return std::nullopt;
  const auto begin = static_cast<uint32_t>(offset);
  return BulkPiece{.chunk = request.chunk,
                   .chunk_bytes = most,
                   .offset = begin,
                   .bytes = std::min(most, object.bytes - begin)};
}

Bytes seal_bulk_chunk(const BulkObject &object, const BulkPiece &piece, std::span<uint8_t> room) {
  if (room.size() < BULK_CHUNK_HEADER_BYTES + piece.bytes) return {};
  const Bytes data = room.subspan(BULK_CHUNK_HEADER_BYTES, piece.bytes);
  MessageWriter out(BulkType::CHUNK, room);
  out.u32(object.object);
  out.u32(piece.chunk);
  out.u32(piece.chunk_bytes);
  out.u32(object.bytes);
  out.u32(object.crc);
  out.u32(crc32(data));
  return room.first(BULK_CHUNK_HEADER_BYTES + piece.bytes);
}

std::optional<BulkChunk> read_bulk_chunk(Bytes message) {
  MessageReader in(BulkType::CHUNK, message);
  BulkChunk chunk{};
  chunk.object.object = in.u32();
  chunk.piece.chunk = in.u32();
  chunk.piece.chunk_bytes = in.u32();
  chunk.object.bytes = in.u32();
  chunk.object.crc = in.u32();
  const uint32_t crc = in.u32();
  chunk.data = in.bytes(in.left());
  const uint64_t offset = uint64_t{chunk.piece.chunk} * chunk.piece.chunk_bytes;
  if (!in.ok() || chunk.piece.chunk_bytes == 0 || offset > chunk.object.bytes) return std::nullopt;
  const uint64_t bytes = std::min<uint64_t>(chunk.piece.chunk_bytes, chunk.object.bytes - offset);
  if (chunk.data.size() != bytes || crc32(chunk.data) != crc) return std::nullopt;
  chunk.piece.offset = static_cast<uint32_t>(offset);
  chunk.piece.bytes = static_cast<uint32_t>(bytes);
  return chunk;
}

Bytes write_bulk_refusal(uint32_t object, BulkRefusal reason, std::span<uint8_t> room) {
  MessageWriter out(BulkType::REFUSAL, room);
  out.u32(object);
  out.u8(static_cast<uint8_t>(reason));
  return out.message();
}

std::optional<BulkRefused> read_bulk_refusal(Bytes message) {
  MessageReader in(BulkType::REFUSAL, message);
  const uint32_t object = in.u32();
  const uint8_t reason = in.u8();
  if (!in.ok()) return std::nullopt;
  const bool known = reason <= static_cast<uint8_t>(BulkRefusal::MEDIUM_FAILED);
  return BulkRefused{.object = object,
                     .reason = known ? static_cast<BulkRefusal>(reason) : BulkRefusal::OTHER};
}

// ------------------------------------------------------------------------------------------- who, what, how
// far

Bytes write_bulk_identity(const HouseIdentity &identity, std::span<uint8_t> room) {
  MessageWriter out(BulkType::IDENTITY, room);
  out.text(identity.node.view());
  out.text(identity.cluster.view());
  out.text(identity.firmware.view());
  out.u32(identity.boot_id);
  out.text(identity.name.view());
  return out.message();
}

std::optional<HouseIdentity> read_bulk_identity(Bytes message) {
  MessageReader in(BulkType::IDENTITY, message);
  const std::string_view node = in.text();
  const std::string_view cluster = in.text();
  const std::string_view firmware = in.text();
  const uint32_t boot_id = in.u32();
  // Houses of the first version end here.
  const std::string_view name = in.ok() && in.left() != 0 ? in.text() : std::string_view{};
  if (!in.ok() || boot_id == 0 || !is_id(node) || !is_id(cluster) || name.size() > 64) return std::nullopt;
  if (firmware.size() > 64 || !is_printable(firmware)) return std::nullopt;
  HouseIdentity identity{.boot_id = boot_id};
  identity.node.assign(node);
  identity.cluster.assign(cluster);
  identity.firmware.assign(firmware);
  identity.name.assign(name);
  return identity;
}

BulkSnapshotWriter::BulkSnapshotWriter(std::span<uint8_t> room)
    : out_(room.first(std::min(room.size(), BULK_MESSAGE_BYTES))) {
  this->out_.u8(static_cast<uint8_t>(BulkType::SNAPSHOTS));
  this->out_.u8(0);  // count
}

bool BulkSnapshotWriter::add(const StoredSnapshot &snapshot) {
  if (!this->out_.ok()) return false;
  const size_t before = this->out_.size();
  write_key(this->out_, snapshot.key);
  this->out_.u32(snapshot.object);
  this->out_.u8(static_cast<uint8_t>(snapshot.state));
  this->out_.u8(static_cast<uint8_t>(snapshot.part));
  this->out_.u32(snapshot.bytes);
  this->out_.u32(snapshot.crc);
  this->out_.text(snapshot.code.view());
  uint8_t &count = this->out_.written()[1];
  if (!this->out_.ok() || count == 255) {
    this->out_.rewind(before);
    return false;
  }
  count++;
  return true;
}

BulkSnapshotReader::BulkSnapshotReader(Bytes message, uint8_t node)
    : in_(MessageReader(BulkType::SNAPSHOTS, message)), node_(node), left_(in_.u8()) {}

std::optional<StoredSnapshot> BulkSnapshotReader::next() {
  if (this->left_ == 0 || !this->in_.ok()) return std::nullopt;
  this->left_--;
  StoredSnapshot snapshot{};
  snapshot.node = this->node_;
  snapshot.key = read_key(this->in_);
  snapshot.object = this->in_.u32();
  const uint8_t state = this->in_.u8();
  const uint8_t part = this->in_.u8();
  snapshot.bytes = this->in_.u32();
  snapshot.crc = this->in_.u32();
  const std::string_view code = this->in_.text();
  if (state > static_cast<uint8_t>(StoredState::RECORDING) ||
      part > static_cast<uint8_t>(SnapshotPart::TRAFFIC) || !is_code(code))
    this->in_.fail();
  if (!this->in_.ok()) return std::nullopt;
  snapshot.state = static_cast<StoredState>(state);
  snapshot.part = static_cast<SnapshotPart>(part);
  snapshot.code.assign(code);
  return snapshot;
}

Bytes write_bulk_log_query(const BulkLogQuery &query, std::span<uint8_t> room) {
  MessageWriter out(BulkType::WHICH_LOG, room);
  out.position(query.after);
  out.u32(query.bytes);
  return out.message();
}

std::optional<BulkLogQuery> read_bulk_log_query(Bytes message) {
  MessageReader in(BulkType::WHICH_LOG, message);
  const Position after = in.position();
  const BulkLogQuery query{.after = after, .bytes = in.u32()};
  return in.ok() ? std::optional{query} : std::nullopt;
}

Bytes write_bulk_log_range(const BulkLogRange &range, std::span<uint8_t> room) {
  MessageWriter out(BulkType::LOG, room);
  out.u32(range.object);
  out.position(range.first);
  out.position(range.last);
  return out.message();
}

std::optional<BulkLogRange> read_bulk_log_range(Bytes message) {
  MessageReader in(BulkType::LOG, message);
  const uint32_t object = in.u32();
  const Position first = in.position();
  const BulkLogRange range{.object = object, .first = first, .last = in.position()};
  return in.ok() ? std::optional{range} : std::nullopt;
}

Bytes write_bulk_position(BulkType type, Position position, std::span<uint8_t> room) {
  MessageWriter out(type, room);
  out.position(position);
  return out.message();
}

std::optional<Position> read_bulk_position(BulkType type, Bytes message) {
  MessageReader in(type, message);
  const Position position = in.position();
  return in.ok() ? std::optional{position} : std::nullopt;
}

Bytes write_bulk_event(BulkType type, const EventKey &key, std::span<uint8_t> room) {
  MessageWriter out(type, room);
  write_key(out, key);
  return out.message();
}

std::optional<EventKey> read_bulk_event(BulkType type, Bytes message) {
  MessageReader in(type, message);
  const EventKey key = read_key(in);
  return in.ok() ? std::optional{key} : std::nullopt;
}

}  // namespace esphome::microgrid

// Chunks of an object: their headers, what comes next, and whether the whole is what was sent.
#include "isotp_bulk.h"

#include <algorithm>

#include "esphome/components/microgrid_core/umg1_crc.h"

namespace esphome::microgrid {

namespace {

constexpr uint8_t REQUEST = 1;
constexpr uint8_t CHUNK = 2;
constexpr uint8_t REFUSAL = 3;

/// Offset of a chunk in its object; 64 bits, for hostile numbers.
uint64_t offset_of(uint32_t number, uint32_t chunk_bytes) { return uint64_t{number} * chunk_bytes; }

}  // namespace

std::optional<BulkRequest> read_bulk_request(Bytes message) {
  ByteReader in(message);
  if (in.u8() != REQUEST) return std::nullopt;
  const BulkRequest request{.object = in.u32(), .first_chunk = in.u32(), .chunk_bytes = in.u32()};
  if (!in.ok()) return std::nullopt;
  return request;
}

size_t write_bulk_refusal(uint32_t object, BulkRefusal reason, std::span<uint8_t> room) {
  ByteWriter out(room);
  out.u8(REFUSAL);
  out.u32(object);
  out.u8(static_cast<uint8_t>(reason));
  return out.ok() ? out.size() : 0;
}

// ------------------------------------------------------------------------------------------------------------
// sender

bool BulkSender::start(const BulkObject &object, const BulkRequest &request, size_t room_bytes) {
  this->chunk_bytes_ = 0;
  if (request.object != object.object || request.chunk_bytes == 0 || room_bytes <= BULK_CHUNK_HEADER_BYTES)
    return false;
  const size_t most = std::min<size_t>(request.chunk_bytes, room_bytes - BULK_CHUNK_HEADER_BYTES);
  // Chunks of another length would have other numbers.
  if (request.first_chunk != 0 &&
      (most != request.chunk_bytes || offset_of(request.first_chunk, request.chunk_bytes) >= object.bytes))
    return false;
  this->object_ = object;
  this->chunk_bytes_ = static_cast<uint32_t>(most);
  this->number_ = request.first_chunk;
  return true;
}

std::optional<BulkSender::Piece> BulkSender::piece() const {
  const uint64_t offset = offset_of(this->number_, this->chunk_bytes_);
  // An empty object is one empty chunk.
  const bool over = this->number_ != 0 && offset >= this->object_.bytes;
  if (this->chunk_bytes_ == 0 || over) return std::nullopt;
  const auto begin = static_cast<uint32_t>(offset);
  return Piece{.offset = begin, .bytes = std::min(this->chunk_bytes_, this->object_.bytes - begin)};
}

Bytes BulkSender::seal(std::span<uint8_t> room) const {
  const std::optional<Piece> piece = this->piece();
  if (!piece || room.size() < BULK_CHUNK_HEADER_BYTES + piece->bytes) return {};
  const Bytes data = room.subspan(BULK_CHUNK_HEADER_BYTES, piece->bytes);
  ByteWriter out(room);
  out.u8(CHUNK);
  out.u32(this->object_.object);
  out.u32(this->number_);
  out.u32(this->chunk_bytes_);
  out.u32(this->object_.bytes);
  out.u32(this->object_.crc);
  out.u32(crc32(data));
  return room.first(BULK_CHUNK_HEADER_BYTES + piece->bytes);
}

// ----------------------------------------------------------------------------------------------------------
// receiver

void BulkReceiver::start(uint32_t object, uint32_t chunk_bytes, uint32_t first_chunk, uint32_t crc_so_far) {
  this->object_ = {.object = object, .bytes = 0, .crc = 0};
  this->chunk_bytes_ = chunk_bytes;
  this->number_ = first_chunk;
  this->crc_ = crc_so_far;
  this->taken_ = false;
  this->known_ = false;
  this->state_ = State::PULLING;
}

Bytes BulkReceiver::request(std::span<uint8_t> room) const {
  ByteWriter out(room);
  out.u8(REQUEST);
  out.u32(this->object_.object);
  out.u32(this->number_);
  out.u32(this->chunk_bytes_);
  return out.ok() ? Bytes(out.written()) : Bytes{};
}

std::optional<BulkReceiver::Piece> BulkReceiver::take(Bytes message) {
  if (this->state_ != State::PULLING) return std::nullopt;
  ByteReader in(message);
  const uint8_t type = in.u8();
  if (in.u32() != this->object_.object) return std::nullopt;
  if (type == REFUSAL) {
    const uint8_t reason = in.u8();
    if (!in.ok()) return std::nullopt;
    const bool known = reason <= static_cast<uint8_t>(BulkRefusal::MEDIUM_FAILED);
    this->refusal_ = known ? static_cast<BulkRefusal>(reason) : BulkRefusal::OTHER;
    this->state_ = State::REFUSED;
    return std::nullopt;
  }
  if (type != CHUNK) return std::nullopt;
  const uint32_t number = in.u32();
  const uint32_t chunk_bytes = in.u32();
  const BulkObject object{.object = this->object_.object, .bytes = in.u32(), .crc = in.u32()};
  const uint32_t crc = in.u32();
  const Bytes data = in.bytes(in.left());
  const uint64_t offset = offset_of(number, chunk_bytes);
  if (!in.ok() || number != this->number_ || chunk_bytes == 0 || offset > object.bytes) return std::nullopt;
  if (data.size() != std::min<uint64_t>(chunk_bytes, object.bytes - offset) || crc32(data) != crc)
    return std::nullopt;
  const bool same_chunks =
      chunk_bytes == this->chunk_bytes_ || (number == 0 && chunk_bytes < this->chunk_bytes_);
  if (!same_chunks) return std::nullopt;
  if (this->known_ && (object.bytes != this->object_.bytes || object.crc != this->object_.crc)) {
    this->state_ = State::DAMAGED;  // the object is not what it was when we began
    return std::nullopt;
  }
  this->known_ = true;
  this->object_ = object;
  this->chunk_bytes_ = chunk_bytes;
  this->piece_bytes_ = static_cast<uint32_t>(data.size());
  this->piece_crc_ = crc32(data, this->crc_);
  this->taken_ = true;
  return Piece{.offset = static_cast<uint32_t>(offset), .data = data};
}

void BulkReceiver::stored() {
  if (!this->taken_) return;
  this->taken_ = false;
  const uint64_t end = offset_of(this->number_, this->chunk_bytes_) + this->piece_bytes_;
  this->crc_ = this->piece_crc_;
  this->number_++;
  if (end == this->object_.bytes)
    this->state_ = this->crc_ == this->object_.crc ? State::COMPLETE : State::DAMAGED;
}

}  // namespace esphome::microgrid

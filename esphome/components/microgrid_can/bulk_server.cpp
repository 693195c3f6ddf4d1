// Requests of the gateway, and what the writer of the log answers.
#include "bulk_server.h"

#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_recorder.h"

namespace esphome::microgrid {

namespace {

using What = ReadRequest::What;

constexpr uint16_t REQUEST_ID = dbc::BulkRequest::MESSAGE.identifier;
constexpr uint16_t RESPONSE_ID = dbc::BulkResponse::MESSAGE.identifier;

static_assert(Recorder::max_frame_bytes(HOUSE_LOG) <= BULK_LOG_BYTES,
              "the gateway could never pull such a frame");

/// Snapshots have the numbers of the store, which counts from 0 and, for those in RAM, from 2^31 on; ranges
/// of the log are numbered between.
constexpr uint32_t LOG_OBJECTS = 1U << 30;
constexpr uint32_t log_object(uint32_t number) { return LOG_OBJECTS | (number & (LOG_OBJECTS - 1)); }
constexpr bool is_log_object(uint32_t object) { return log_object(object) == object; }

/// The list of the store lies in the upper half of the room, the message made of it in the lower.
constexpr size_t LIST_AT = BULK_MESSAGE_BYTES / 2;
constexpr size_t MAX_LISTED = (BULK_MESSAGE_BYTES - LIST_AT) / sizeof(StoredSnapshot);
static_assert(2 + MAX_LISTED * BULK_LISTED_BYTES <= LIST_AT);
static_assert(sizeof(BulkServer) < BULK_LOG_BYTES + 768, "a house has little RAM");

void count(std::atomic<uint32_t> &counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

BulkServer::BulkServer(const Identity &identity, ReadPort &port, uint32_t bit_rate)
    : identity_(identity),
      port_(port),
      link_(request_room_, bit_rate),
      // So that a number of before a restart hardly means something else after it.
      next_log_object_(log_object(identity.boot_id)) {}

const CanFrame *BulkServer::due(uint64_t now_us) {
  this->now_us_ = std::max(this->now_us_, now_us);
  if (this->question_ != Question::NONE && this->link_.sending() != IsoTpState::BUSY) {
    if (const auto reply = this->port_.reply()) this->answered(*reply);
  }
  return this->link_.due(RESPONSE_ID + this->identity_.number, now_us);
}

void BulkServer::frame(const CanFrame &frame) {
  if (frame.identifier != static_cast<uint32_t>(REQUEST_ID + this->identity_.number)) return;
  this->now_us_ = std::max(this->now_us_, frame.mono_us);
  const Bytes message = this->link_.receive(frame, this->now_us_);
  if (!message.empty()) this->request(message);
}

void BulkServer::request(Bytes message) {
  count(this->statistics_.requests);
  const auto chunk = read_bulk_request(message);
  if (this->question_ != Question::NONE) {
    this->refuse(chunk ? chunk->object : 0, BulkRefusal::BUSY);
    return;
  }
  if (this->link_.sending() == IsoTpState::BUSY) {
    // Who asks anew does not wait for the answer any more.
    this->link_.stop_sending();
    count(this->statistics_.interrupted);
  }
  this->wanted_ = chunk.value_or(BulkRequest{});
  const auto position = read_bulk_position(BulkType::HAVE_LOG, message);
  const auto key = read_bulk_event(BulkType::HAVE_SNAPSHOT, message);
  const auto query = read_bulk_log_query(message);
  if (chunk) {
    this->request_chunk(*chunk);
  } else if (query) {
    this->request_log(*query);
  } else if (position) {
    this->noted_ = *position;
    this->ask(Question::NOTE_LOG, {.what = What::ACKNOWLEDGE, .position = *position});
  } else if (key) {
    this->forgotten_ = *key;
    this->ask(Question::NOTE_SNAPSHOT,
              {.what = What::FORGET_SNAPSHOT, .node = this->identity_.number, .key = *key});
  } else if (bulk_type(message) == BulkType::WHICH_SNAPSHOTS) {
    this->ask_for_snapshots(Question::LIST);
  } else if (bulk_type(message) == BulkType::WHO_ARE_YOU) {
    const HouseIdentity identity{.boot_id = this->identity_.boot_id,
                                 .node = ShortText<32>{this->identity_.node},
                                 .cluster = ShortText<32>{this->identity_.cluster},
                                 .firmware = ShortText<64>{this->identity_.firmware},
                                 .name = ShortText<64>{this->identity_.name}};
    this->answer(write_bulk_identity(identity, this->small_room_));
  } else {
    count(this->statistics_.malformed);
    this->refuse(0, BulkRefusal::BAD_REQUEST);
  }
}

void BulkServer::request_chunk(const BulkRequest &request) {
  if (request.object == 0) {
    this->refuse(0, BulkRefusal::UNKNOWN_OBJECT);
  } else if (request.object == this->log_.object.object) {
    if (this->log_.loaded) {
      this->send_log_chunk();
    } else {
      this->ask_for_log(Question::LOG_AGAIN, this->log_.object.bytes);
    }
  } else if (request.object == this->snapshot_.object) {
    this->ask_for_piece();
  } else if (is_log_object(request.object)) {
    this->refuse(request.object, BulkRefusal::UNKNOWN_OBJECT);
  } else {
    this->ask_for_snapshots(Question::LOOK_UP);
  }
}

void BulkServer::request_log(const BulkLogQuery &query) {
  if (query.bytes <= FRAME_HEADER_BYTES) {
    this->refuse(0, BulkRefusal::BAD_REQUEST);
    return;
  }
  this->query_ = query;
  this->log_.after = query.after;
  this->log_.from_start = query.after.boot_id == 0;
  this->log_.object = {};
  this->ask_for_log(Question::LOG, query.bytes);
}

void BulkServer::ask(Question question, const ReadRequest &request) {
  if (this->port_.ask(request)) {
    this->question_ = question;
  } else {
    this->refuse(0, BulkRefusal::BUSY);
  }
}

void BulkServer::ask_for_log(Question question, uint32_t bytes) {
  const size_t room_bytes = std::min<size_t>(bytes, BULK_LOG_BYTES);
  this->log_.loaded = false;
  this->ask(question, {.what = this->log_.from_start ? What::LOG_FROM_START : What::LOG_AFTER,
                       .position = this->log_.after,
                       .room = this->data_room(room_bytes)});
}

void BulkServer::ask_for_snapshots(Question question) {
  this->log_.loaded = false;
  this->ask(question, {.what = What::SNAPSHOTS,
                       .room = std::span(this->room_).subspan(LIST_AT, MAX_LISTED * sizeof(StoredSnapshot))});
}

void BulkServer::ask_for_piece() {
  const auto piece = bulk_piece(this->snapshot_, this->wanted_, this->room_.size());
  if (!piece) {
    this->refuse(this->wanted_.object, BulkRefusal::BAD_REQUEST);
    return;
  }
  this->piece_ = *piece;
  this->log_.loaded = false;
  this->ask(Question::PIECE, {.what = What::SNAPSHOT_BYTES,
                              .object = this->wanted_.object,
                              .offset = piece->offset,
                              .room = this->data_room(piece->bytes)});
}

void BulkServer::answered(const ReadReply &reply) {
  const Question question = this->question_;
  this->question_ = Question::NONE;
  const bool ok = reply.status == ReadStatus::OK;
  const bool gone = reply.status == ReadStatus::UNKNOWN || reply.status == ReadStatus::NOTHING;
  if (reply.status == ReadStatus::FAILED) {
    this->refuse(this->wanted_.object, BulkRefusal::MEDIUM_FAILED);
    return;
  }
  switch (question) {
    case Question::NONE:
      break;
    case Question::LIST:
      this->list_answered(reply);
      break;
    case Question::LOOK_UP:
      this->looked_up(reply);
      break;
    case Question::LOG:
      if (reply.status == ReadStatus::UNKNOWN && !this->log_.from_start) {
        this->log_.from_start = true;
        this->ask_for_log(Question::LOG_FROM_START, this->query_.bytes);
        break;
      }
      [[fallthrough]];
    case Question::LOG_FROM_START:
      this->log_answered(reply);
      break;
    case Question::LOG_AGAIN:
      // From the start may have become something else meanwhile.
      this->log_.loaded = ok && reply.bytes == this->log_.object.bytes &&
                          crc32(this->data_room(reply.bytes)) == this->log_.object.crc;
      if (this->log_.loaded) {
        this->send_log_chunk();
      } else {
        this->log_.object = {};
        this->refuse(this->wanted_.object, BulkRefusal::UNKNOWN_OBJECT);
      }
      break;
    case Question::PIECE:
      if (ok && reply.bytes == this->piece_.bytes) {
        this->answer(seal_bulk_chunk(this->snapshot_, this->piece_, this->room_));
      } else {
        this->snapshot_ = {};
        this->refuse(this->wanted_.object, gone ? BulkRefusal::UNKNOWN_OBJECT : BulkRefusal::MEDIUM_FAILED);
      }
      break;
    case Question::NOTE_LOG:
      this->answer(write_bulk_position(BulkType::LOG_NOTED, this->noted_, this->small_room_));
      break;
    case Question::NOTE_SNAPSHOT:  // what is unknown was forgotten before
      this->snapshot_ = {};
      this->answer(write_bulk_event(BulkType::SNAPSHOT_NOTED, this->forgotten_, this->small_room_));
      break;
  }
}

void BulkServer::log_answered(const ReadReply &reply) {
  if (reply.status == ReadStatus::OK && reply.count == 0) {
    // There is a frame, and it is larger than what may be sent.
    const bool asked_for_little = this->query_.bytes < BULK_LOG_BYTES;
    this->refuse(0, asked_for_little ? BulkRefusal::BAD_REQUEST : BulkRefusal::MEDIUM_FAILED);
    return;
  }
  BulkLogRange range{};
  if (reply.status == ReadStatus::OK) {
    const Bytes frames = this->data_room(reply.bytes);
    range = {.object = this->next_log_object_, .first = reply.first, .last = reply.last};
    this->log_.object = {
        .object = range.object, .bytes = static_cast<uint32_t>(frames.size()), .crc = crc32(frames)};
    this->log_.loaded = true;
    this->next_log_object_ = log_object(this->next_log_object_ + 1);
  }
  this->answer(write_bulk_log_range(range, this->small_room_));
}

std::optional<StoredSnapshot> BulkServer::listed(const ReadReply &reply, size_t index) const {
  if (index >= std::min(reply.count, MAX_LISTED)) return std::nullopt;
  StoredSnapshot snapshot;
  std::memcpy(static_cast<void *>(&snapshot), this->room_.data() + LIST_AT + index * sizeof snapshot,
              sizeof snapshot);
  return snapshot;
}

void BulkServer::list_answered(const ReadReply &reply) {
  BulkSnapshotWriter list(std::span(this->room_).first(LIST_AT));
  for (size_t i = 0; const auto snapshot = this->listed(reply, i); i++) {
    if (snapshot->node == this->identity_.number && !is_log_object(snapshot->object)) list.add(*snapshot);
  }
  this->answer(list.message());
}

void BulkServer::looked_up(const ReadReply &reply) {
  for (size_t i = 0; const auto snapshot = this->listed(reply, i); i++) {
    if (snapshot->object != this->wanted_.object || snapshot->state == StoredState::RECORDING) continue;
    this->snapshot_ = {.object = snapshot->object, .bytes = snapshot->bytes, .crc = snapshot->crc};
    this->ask_for_piece();
    return;
  }
  this->refuse(this->wanted_.object, BulkRefusal::UNKNOWN_OBJECT);
}

void BulkServer::send_log_chunk() {
  const auto piece = bulk_piece(this->log_.object, this->wanted_, this->room_.size());
  if (!piece) {
    this->refuse(this->wanted_.object, BulkRefusal::BAD_REQUEST);
    return;
  }
  if (piece->offset != 0) {
    const std::span<uint8_t> data = this->data_room(this->log_.object.bytes);
    std::memmove(data.data(), data.data() + piece->offset, piece->bytes);
    this->log_.loaded = false;
  }
  this->answer(seal_bulk_chunk(this->log_.object, *piece, this->room_));
}

void BulkServer::answer(Bytes message) {
  if (this->link_.send(message, this->now_us_)) count(this->statistics_.answers);
}

void BulkServer::refuse(uint32_t object, BulkRefusal reason) {
  count(this->statistics_.refusals);
  this->link_.stop_sending();  // of a refusal before, at most
  this->link_.send(write_bulk_refusal(object, reason, this->small_room_), this->now_us_);
}

}  // namespace esphome::microgrid

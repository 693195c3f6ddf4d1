// One request at a time: find the object, then read and send chunk by chunk. A request is forgotten when the
// connection ends; who misses chunks asks again.
#include "snapshot_desk.h"

#include <algorithm>

namespace esphome::microgrid {

bool SnapshotDesk::take(uint8_t number, const SnapshotGet &get, bool present) {
  if (this->waiting_count_ == MAX_WAITING) return false;
  this->waiting_[this->waiting_count_++] = {.number = number, .present = present, .get = get};
  return true;
}

void SnapshotDesk::disconnected() {
  this->waiting_count_ = 0;
  this->end();
}

void SnapshotDesk::end() {
  this->busy_ = this->found_ = false;
  this->output_ = Output::NOTHING;
}

void SnapshotDesk::ask(Question question, const ReadRequest &request) {
  if (!this->store_.loop_port().ask(request)) return;  // the log has a question there: next time
  this->store_.wake().give();
  this->asked_ = question;
}

void SnapshotDesk::loop() {
  if (this->asked_ != Question::NONE) {
    const auto reply = this->store_.loop_port().reply();
    if (!reply) return;
    const Question question = this->asked_;
    this->asked_ = Question::NONE;
    if (!this->busy_) return;  // the connection broke meanwhile
    if (question == Question::SNAPSHOTS) return this->listed(*reply);
    const size_t wanted = std::min<size_t>(CHUNK_BYTES, this->object_.bytes - this->chunk_ * CHUNK_BYTES);
    if (reply->status != ReadStatus::OK || reply->bytes != wanted)
      return this->answer_without_data(CHUNK_UNKNOWN);  // it went while we were sending it
    const ChunkHeader header{
        .part = this->object_.part,
        .state = static_cast<uint8_t>(this->object_.state),
        .number = this->chunk_,
        .count = static_cast<uint32_t>((this->object_.bytes + CHUNK_BYTES - 1) / CHUNK_BYTES),
        .object_bytes = this->object_.bytes,
        .object_crc = this->object_.crc,
    };
    this->chunk_bytes_ = CHUNK_HEADER_BYTES + wanted;
    write_chunk_header(header, std::span(this->room_).first(this->chunk_bytes_));
    this->output_ = Output::CHUNK;
    return;
  }
  if (this->output_ != Output::NOTHING) return;
  if (!this->busy_) {
    if (this->waiting_count_ == 0) return;
    this->job_ = this->waiting_[0];
    std::copy(this->waiting_.begin() + 1, this->waiting_.end(), this->waiting_.begin());
    this->waiting_count_--;
    this->busy_ = true;
  }
  if (!this->found_) {
    const std::span<uint8_t> room = std::span(this->room_).first(MAX_LISTED * sizeof(StoredSnapshot));
    return this->ask(Question::SNAPSHOTS, {.what = ReadRequest::What::SNAPSHOTS, .room = room});
  }
  const auto offset = static_cast<uint32_t>(this->chunk_ * CHUNK_BYTES);
  this->ask(Question::BYTES,
            {.what = ReadRequest::What::SNAPSHOT_BYTES,
             .object = this->object_.object,
             .offset = offset,
             .room = std::span(this->room_)
                         .subspan(CHUNK_HEADER_BYTES,
                                  std::min<size_t>(CHUNK_BYTES, this->object_.bytes - offset))});
}

std::span<const StoredSnapshot> SnapshotDesk::list() const {
  return {reinterpret_cast<const StoredSnapshot *>(this->room_.data()), this->list_count_};
}

void SnapshotDesk::listed(const ReadReply &reply) {
  static_assert(std::is_trivially_copyable_v<StoredSnapshot>);
  const bool good = reply.status == ReadStatus::OK || reply.status == ReadStatus::NOTHING;
  const size_t count = good ? std::min(reply.count, MAX_LISTED) : 0;
  // Somebody else's objects, and those whose event has no name yet, are left out in place.
  auto *all = reinterpret_cast<StoredSnapshot *>(this->room_.data());
  bool own_has_it = false;
  size_t kept = 0;
  const SnapshotGet &get = this->job_.get;
  for (size_t i = 0; i < count; i++) {
    const StoredSnapshot snapshot = all[i];
    if (snapshot.key.boot_id == 0) continue;
    const bool wanted = !get.event_id.empty() &&
                        make_event_id(this->identity_.cluster, snapshot.key).view() == get.event_id.view();
    // The traffic of the bus is the same for all: the gateway's stands for its houses.
    const bool traffic = static_cast<SnapshotPart>(get.part) == SnapshotPart::TRAFFIC;
    const uint8_t recorder = traffic && !get.event_id.empty() ? this->identity_.number : this->job_.number;
    own_has_it = own_has_it || (wanted && snapshot.node == this->identity_.number);
    if (snapshot.node != recorder) continue;
    if (wanted && snapshot.part == static_cast<SnapshotPart>(get.part) && !this->found_) {
      this->object_ = snapshot;
      this->found_ = true;
    }
    all[kept++] = snapshot;
  }
  if (get.event_id.empty()) {
    this->list_count_ = kept;
    this->output_ = Output::LIST;
    return;
  }
  const bool may_come = own_has_it && this->job_.present;
  if (!this->found_)
    return this->answer_without_data(may_come ? static_cast<uint8_t>(StoredState::RECORDING) : CHUNK_UNKNOWN);
  if (this->object_.state == StoredState::RECORDING || this->object_.bytes == 0)
    return this->answer_without_data(static_cast<uint8_t>(StoredState::RECORDING));
  const auto chunks = static_cast<uint32_t>((this->object_.bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
  this->chunk_ = get.first;
  this->end_ = chunks - std::min(chunks, get.first) > get.count ? get.first + get.count : chunks;
  if (this->chunk_ >= this->end_) this->end();  // there are no such chunks
}

void SnapshotDesk::answer_without_data(uint8_t state) {
  this->chunk_ = this->end_ = 0;
  this->found_ = true;
  this->chunk_bytes_ = CHUNK_HEADER_BYTES;
  const ChunkHeader header{.part = static_cast<SnapshotPart>(this->job_.get.part),
                           .state = state,
                           .number = 0,
                           .count = 0,
                           .object_bytes = 0,
                           .object_crc = 0};
  write_chunk_header(header, std::span(this->room_).first(CHUNK_HEADER_BYTES));
  this->output_ = Output::CHUNK;
}

void SnapshotDesk::published() {
  if (this->output_ == Output::CHUNK && ++this->chunk_ < this->end_) {
    this->output_ = Output::NOTHING;
    return;
  }
  this->end();
}

}  // namespace esphome::microgrid

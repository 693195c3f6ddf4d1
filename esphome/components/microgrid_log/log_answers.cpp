// The answers of the writer to those who ask for frames and snapshots.
#include "log_writer.h"

namespace esphome::microgrid {

namespace {

constexpr uint32_t SAVE_EVERY_BYTES = 16'384;

ReadReply says(ReadStatus status) { return {.status = status}; }

}  // namespace

void LogWriter::answer_ports(uint64_t now_us) {
  for (ReadPort &port : this->ports_) {
    const ReadRequest *request = port.asked();
    if (request == nullptr) continue;
    const bool reads_log =
        request->what == ReadRequest::What::LOG_AFTER || request->what == ReadRequest::What::LOG_FROM_START;
    // The buffers are those of the snapshot being copied, or the medium is being waited for: later.
    if (reads_log && this->cutter_->copying()) continue;
    if (this->card_ == CardState::OK && !this->usable(now_us)) continue;
    const ReadReply reply = this->answer(*request);
    if (reply.status == ReadStatus::FAILED && !reads_log && this->card_ == CardState::OK) this->errors_++;
    port.answer(reply);
    this->busy_ = true;  // the next question comes soon
  }
}

ReadReply LogWriter::answer(const ReadRequest &request) {
  switch (request.what) {
    case ReadRequest::What::LOG_AFTER:
      return this->log_open_ ? this->reader_->read_after(request.position, request.room)
                             : says(ReadStatus::FAILED);
    case ReadRequest::What::LOG_FROM_START:
      return this->log_open_ ? this->reader_->read_after(this->acknowledged_, request.room)
                             : says(ReadStatus::FAILED);
    case ReadRequest::What::ACKNOWLEDGE:
      return this->acknowledge(request.position);
    case ReadRequest::What::SNAPSHOTS:
      return this->list_snapshots(request.room);
    case ReadRequest::What::SNAPSHOT_BYTES:
      return this->read_snapshot(request);
    case ReadRequest::What::FORGET_SNAPSHOT:
      return this->forget_snapshot(request);
    case ReadRequest::What::KEEP_SNAPSHOT:
      return this->keep_snapshot(request);
    case ReadRequest::What::KEEP_BYTES:
      return this->keep_bytes(request);
  }
  return says(ReadStatus::UNKNOWN);
}

ReadReply LogWriter::acknowledge(Position position) {
  const uint32_t own = this->node_.identity.boot_id;
  const auto durable = this->log_->durable();
  // Of this boot only what is on the medium; and nothing older than what is acknowledged.
  if (position.boot_id == own && (!durable || position.seq > durable->seq)) return says(ReadStatus::UNKNOWN);
  if (this->acknowledged_) {
    const bool older = this->acknowledged_->boot_id == position.boot_id
                           ? position.seq <= this->acknowledged_->seq
                           : this->acknowledged_->boot_id == own;
    if (older) return says(ReadStatus::OK);
  }
  this->acknowledged_ = position;
  this->acknowledged_shared_.store(position);
  if (this->log_open_) this->log_->acknowledge(position);
  return says(ReadStatus::OK);
}

SnapshotStore *LogWriter::store_of(uint32_t object, SnapshotHead *&head, SnapshotPart &part) {
  for (SnapshotStore *store : this->stores()) {
    head = store == nullptr ? nullptr : store->find(object, part);
    if (head != nullptr) return store;
  }
  return nullptr;
}

std::array<SnapshotStore *, 2> LogWriter::stores() {
  return {this->ram_snapshots_ ? &this->ram_snapshots_->store : nullptr,
          this->snapshots_->loaded() ? &*this->snapshots_ : nullptr};
}

ReadReply LogWriter::list_snapshots(std::span<uint8_t> room) {
  const size_t capacity = room.size() / sizeof(StoredSnapshot);
  size_t count = 0;
  const auto add = [&](const StoredSnapshot &snapshot) {
    if (count < capacity)
      std::memcpy(room.data() + sizeof(StoredSnapshot) * count++, &snapshot, sizeof(StoredSnapshot));
  };
  std::array<StoredSnapshot, SnapshotCutter::MAX_WINDOWS> recording{};
  for (const StoredSnapshot &snapshot : std::span(recording).first(this->cutter_->list(recording)))
    add(snapshot);
  for (const SnapshotStore *store : this->stores()) {
    if (store == nullptr) continue;
    uint32_t below = ~uint32_t{0};
    while (true) {
      const SnapshotHead *newest = nullptr;
      for (const SnapshotHead &head : store->heads()) {
        if (head.number < below && head.number != 0 && (newest == nullptr || head.number > newest->number))
          newest = &head;
      }
      if (newest == nullptr) break;
      below = newest->number;
      if (newest->forgotten || newest->recording) continue;
      for (const SnapshotPart which : {SnapshotPart::MEASURED, SnapshotPart::TRAFFIC}) {
        const SnapshotHead::Part &part = newest->part(which);
        if (!part.wanted) continue;
        add({.object = store->object_of(*newest, which),
             .node = newest->node,
             .part = which,
             .state = part.complete ? part.state : StoredState::RECORDING,
             .key = newest->key,
             .code = newest->code,
             .bytes = part.bytes,
             .crc = part.crc});
      }
    }
  }
  return {.status = count > 0 ? ReadStatus::OK : ReadStatus::NOTHING,
          .bytes = count * sizeof(StoredSnapshot),
          .count = count};
}

ReadReply LogWriter::read_snapshot(const ReadRequest &request) {
  SnapshotHead *head = nullptr;
  SnapshotPart part{};
  SnapshotStore *store = this->store_of(request.object, head, part);
  if (store == nullptr || !head->part(part).complete) return says(ReadStatus::UNKNOWN);
  const uint32_t bytes = head->part(part).bytes;
  if (request.offset >= bytes) return says(ReadStatus::NOTHING);
  const auto room = request.room.first(std::min<size_t>(request.room.size(), bytes - request.offset));
  if (!store->read(*head, part, request.offset, room)) return says(ReadStatus::FAILED);
  return {.status = ReadStatus::OK, .bytes = room.size(), .object = request.object};
}

ReadReply LogWriter::forget_snapshot(const ReadRequest &request) {
  ReadReply reply = says(ReadStatus::UNKNOWN);
  for (SnapshotStore *store : this->stores()) {
    if (store == nullptr) continue;
    SnapshotHead *head = store->find(request.key, request.node);
    if (head == nullptr || head->recording) continue;
    head->forgotten = true;
    const bool saved = store->save(*head);
    head->forgotten = saved;
    reply.status = saved ? ReadStatus::OK : ReadStatus::FAILED;
  }
  return reply;
}

ReadReply LogWriter::keep_snapshot(const ReadRequest &request) {
  const StoredSnapshot &wanted = request.snapshot;
  SnapshotStore &store = *this->snapshots_;
  if (!store.loaded()) return says(ReadStatus::FAILED);
  if (wanted.bytes == 0 || wanted.bytes > store.capacity(wanted.part) ||
      wanted.node == this->node_.identity.number)
    return says(ReadStatus::UNKNOWN);
  SnapshotHead *head = store.find(wanted.key, wanted.node);
  if (head == nullptr) {
    head = store.take_slot();
    if (head == nullptr) return says(ReadStatus::FAILED);
    head->node = wanted.node;
    head->key = wanted.key;
    head->code = wanted.code;
  }
  SnapshotHead::Part &part = head->part(wanted.part);
  if (!part.wanted || part.bytes != wanted.bytes || part.crc != wanted.crc) {
    part = {.wanted = true,
            .complete = false,
            .state = wanted.state,
            .bytes = wanted.bytes,
            .received = 0,
            .crc = wanted.crc};
    if (!store.save(*head)) return says(ReadStatus::FAILED);
  }
  return {.status = ReadStatus::OK, .bytes = part.received, .object = store.object_of(*head, wanted.part)};
}

ReadReply LogWriter::keep_bytes(const ReadRequest &request) {
  SnapshotStore &store = *this->snapshots_;
  SnapshotPart which{};
  SnapshotHead *head = store.find(request.object, which);
  if (head == nullptr) return says(ReadStatus::UNKNOWN);
  SnapshotHead::Part &part = head->part(which);
  ReadReply reply{.status = ReadStatus::OK, .bytes = part.received, .object = request.object};
  if (part.complete || request.offset != part.received) return reply;
  if (request.room.size() > part.bytes - part.received) return says(ReadStatus::UNKNOWN);
  if (!store.append(*head, which, request.room)) return says(ReadStatus::FAILED);
  reply.bytes = part.received;
  const bool all = part.received == part.bytes;
  if (all) {
    part.complete = store.crc_of(*head, which) == part.crc;
    if (!part.complete) {
      part.received = 0;
      reply = {.status = ReadStatus::FAILED, .bytes = 0, .object = request.object};
    }
  }
  const bool milestone = request.offset / SAVE_EVERY_BYTES != part.received / SAVE_EVERY_BYTES;
  if ((all || milestone) && !store.save(*head)) {
    part.complete = false;
    return says(ReadStatus::FAILED);
  }
  return reply;
}

}  // namespace esphome::microgrid

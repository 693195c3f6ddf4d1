// The log of a node in memory, which answers when it is told to: what the writer of microgrid_log does in its
// own task.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_log/log_store.h"

namespace esphome::microgrid {

/// A frame whose content follows from its place: whoever gets it can check it.
inline std::vector<uint8_t> numbered_frame(Position position, int64_t utc_us = 0) {
  std::vector<uint8_t> room(FRAME_HEADER_BYTES + 300);
  FrameBuilder builder(room, {.kind = Kind::TIMESYNC, .mono_us = position.seq, .utc_us = utc_us});
  uint32_t noise = position.boot_id * 31 + position.seq;
  for (uint32_t i = 0; i < 20 + position.seq % 200; i++) {
    builder.u8(static_cast<uint8_t>(noise >> 24));
    noise = noise * 1664525 + 1013904223;
  }
  const std::span<uint8_t> frame = builder.finish();
  seal(frame, position);
  room.resize(frame.size());
  return room;
}

class PlainStore final : public LogStore {
 public:
  struct Entry {
    Position position;
    std::vector<uint8_t> bytes;
  };

  void append(Position position) { this->entries.push_back({position, numbered_frame(position)}); }

  void add_snapshot(StoredSnapshot snapshot, std::vector<uint8_t> bytes) {
    snapshot.bytes = static_cast<uint32_t>(bytes.size());
    snapshot.crc = crc32(bytes);
    this->snapshots.insert(this->snapshots.begin(), snapshot);
    this->objects[snapshot.object] = std::move(bytes);
  }

  /// Answers the question that waits, if there is one.
  void work() {
    for (ReadPort *port : {&this->ports_[0], &this->ports_[1]})
      if (const ReadRequest *request = port->asked()) port->answer(this->answer(*request));
  }

  // LogStore.
  void happened(const NodeEvent &event) override { this->logged.push_back({event, this->next_event_seq++}); }
  Recorder &log() override { return this->recorder_; }
  Recorder &capture() override { return this->recorder_; }
  bool record(const CanFrame & /*frame*/) override { return false; }
  bool record(std::span<const uint8_t> /*frame*/) override { return false; }
  bool keep(const SnapshotRequest & /*request*/) override { return false; }
  bool name_snapshot(uint8_t /*node*/, uint32_t /*number*/, uint32_t /*boot_id*/) override { return false; }
  ReadPort &bus_port() override { return this->ports_[0]; }
  ReadPort &loop_port() override { return this->ports_[1]; }
  std::optional<LoggedEvent> logged_event() override {
    if (this->logged.empty()) return std::nullopt;
    const LoggedEvent event = this->logged.front();
    this->logged.pop_front();
    return event;
  }
  LogHealth health() const override { return {}; }
  Signal &wake() override { return this->wake_; }

  std::vector<Entry> entries;
  std::optional<Position> acknowledged;
  std::vector<StoredSnapshot> snapshots;
  std::map<uint32_t, std::vector<uint8_t>> objects;
  std::deque<LoggedEvent> logged;
  uint32_t next_event_seq{1000};
  bool failing{false};
  std::vector<ReadRequest> asked;

 protected:
  ReadReply answer(const ReadRequest &request) {
    this->asked.push_back(request);
    if (this->failing) return {.status = ReadStatus::FAILED};
    switch (request.what) {
      case ReadRequest::What::LOG_AFTER:
        return this->read(request.position, request.room);
      case ReadRequest::What::LOG_FROM_START:
        return this->read(this->acknowledged, request.room);
      case ReadRequest::What::ACKNOWLEDGE:
        this->acknowledged = request.position;
        return {.status = ReadStatus::OK};
      case ReadRequest::What::SNAPSHOTS: {
        const size_t count = std::min(this->snapshots.size(), request.room.size() / sizeof(StoredSnapshot));
        if (count != 0)
          std::memcpy(request.room.data(), this->snapshots.data(), count * sizeof(StoredSnapshot));
        return {.status = count != 0 ? ReadStatus::OK : ReadStatus::NOTHING, .count = count};
      }
      case ReadRequest::What::SNAPSHOT_BYTES: {
        const auto found = this->objects.find(request.object);
        if (found == this->objects.end()) return {.status = ReadStatus::UNKNOWN};
        const size_t count = std::min(request.room.size(), found->second.size() - request.offset);
        std::memcpy(request.room.data(), found->second.data() + request.offset, count);
        return {.status = ReadStatus::OK, .bytes = count};
      }
      default:
        return {.status = ReadStatus::UNKNOWN};
    }
  }

  ReadReply read(std::optional<Position> after, std::span<uint8_t> room) {
    auto at = this->entries.begin();
    if (after) {
      at = std::find_if(at, this->entries.end(),
                        [&](const Entry &entry) { return entry.position.boot_id == after->boot_id; });
      if (at == this->entries.end()) return {.status = ReadStatus::UNKNOWN};
      while (at != this->entries.end() && at->position.boot_id == after->boot_id &&
             at->position.seq <= after->seq)
        at++;
    }
    ReadReply reply{.status = ReadStatus::NOTHING};
    for (; at != this->entries.end() && reply.bytes + at->bytes.size() <= room.size(); at++) {
      std::memcpy(room.data() + reply.bytes, at->bytes.data(), at->bytes.size());
      reply.bytes += at->bytes.size();
      reply.last = at->position;
      if (reply.count++ == 0) reply.first = reply.last;
      reply.status = ReadStatus::OK;
    }
    return reply;
  }

  Recorder recorder_;
  std::array<ReadPort, 2> ports_{};
  Signal wake_;
};

}  // namespace esphome::microgrid

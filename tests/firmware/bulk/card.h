// The writer of the log in tests: frames and snapshots in memory, answered after as long as the test wants.
// It checks what it is asked for more strictly than the real one.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_frame.h"
#include "esphome/components/microgrid_log/log_store.h"

namespace esphome::microgrid {

using Data = std::vector<uint8_t>;

inline Data random_data(size_t bytes, uint32_t seed) {
  std::mt19937 dice(seed);
  Data data(bytes);
  for (uint8_t &byte : data) byte = static_cast<uint8_t>(dice());
  return data;
}

inline Data log_frame(Position position, size_t payload_bytes) {
  Data room(FRAME_HEADER_BYTES + payload_bytes);
  FrameBuilder frame(room, {.kind = Kind::SLOW, .mono_us = 0, .schema_hash = 0, .clock = {}});
  const Data payload = random_data(payload_bytes, position.seq);
  frame.bytes(payload);
  seal(frame.finish(), position);
  return room;
}

struct Card {
  struct Logged {
    Position position;
    Data frame;
  };
  struct Kept {
    StoredSnapshot about;
    Data data;
  };

  std::vector<Logged> log;
  std::optional<Position> acknowledged;
  std::vector<Kept> snapshots;  // own ones
  std::vector<Kept> foreign;    // at a gateway
  uint32_t next_object{1};
  uint64_t latency_us{8'000};
  bool failing{false};
  size_t stored_bytes{0};  // by KEEP_BYTES
  std::vector<EventKey> forgotten;
  std::unique_ptr<ReadPort> port = std::make_unique<ReadPort>();

  void append(Position position, size_t payload_bytes) {
    this->log.push_back({position, log_frame(position, payload_bytes)});
  }
  StoredSnapshot &pin(const EventKey &key, uint8_t node, Data data,
                      SnapshotPart part = SnapshotPart::MEASURED, StoredState state = StoredState::COMPLETE) {
    const auto bytes = static_cast<uint32_t>(data.size());
    const uint32_t crc = crc32(data);
    this->snapshots.push_back({{.object = this->next_object++,
                                .node = node,
                                .part = part,
                                .state = state,
                                .key = key,
                                .code = EventCode{"F005"},
                                .bytes = bytes,
                                .crc = crc},
                               std::move(data)});
    return this->snapshots.back().about;
  }
  /// A new start of the node: the asker is another, objects have other numbers.
  void restart() {
    this->port = std::make_unique<ReadPort>();
    this->asked_us_ = 0;
    this->next_object += 100;
    for (Kept &kept : this->snapshots) kept.about.object = this->next_object++;
    for (Kept &kept : this->foreign) kept.about.object = this->next_object++;
  }

  void step(uint64_t now_us) {
    const ReadRequest *request = this->port->asked();
    if (request == nullptr) {
      this->asked_us_ = 0;
      return;
    }
    if (this->asked_us_ == 0) this->asked_us_ = now_us;
    if (now_us < this->asked_us_ + this->latency_us) return;
    this->asked_us_ = 0;
    this->port->answer(this->failing ? ReadReply{} : this->reply_to(*request));
  }

 protected:
  using What = ReadRequest::What;

  static void check(bool holds, const char *what) {
    if (holds) return;
    std::fprintf(stderr, "the card was asked for what it must not be asked for: %s\n", what);
    std::abort();
  }

  ReadReply reply_to(const ReadRequest &request) {
    switch (request.what) {
      case What::LOG_AFTER:
        return this->read_log(request.position, request.room);
      case What::LOG_FROM_START:
        return this->read_log(this->acknowledged, request.room);
      case What::ACKNOWLEDGE:
        this->acknowledged = request.position;
        return {.status = ReadStatus::OK};
      case What::SNAPSHOTS:
        return this->list(request.room);
      case What::SNAPSHOT_BYTES:
        return this->read_snapshot(request);
      case What::FORGET_SNAPSHOT: {
        const auto gone = std::erase_if(this->snapshots, [&](const Kept &kept) {
          return kept.about.key == request.key && kept.about.node == request.node;
        });
        if (gone != 0) this->forgotten.push_back(request.key);
        return {.status = gone != 0 ? ReadStatus::OK : ReadStatus::UNKNOWN};
      }
      case What::KEEP_SNAPSHOT:
        return this->keep(request.snapshot);
      case What::KEEP_BYTES:
        return this->keep_bytes(request);
    }
    return {};
  }

  ReadReply read_log(std::optional<Position> after, std::span<uint8_t> room) {
    size_t at = 0;
    if (after) {
      const auto found = std::find_if(this->log.begin(), this->log.end(),
                                      [&](const Logged &logged) { return logged.position == *after; });
      if (found == this->log.end()) return {.status = ReadStatus::UNKNOWN};
      at = static_cast<size_t>(found - this->log.begin()) + 1;
    }
    ReadReply reply{.status = ReadStatus::NOTHING};
    for (; at < this->log.size(); at++) {
      const Data &frame = this->log[at].frame;
      if (reply.bytes + frame.size() > room.size()) {
        if (reply.count == 0) reply.status = ReadStatus::FAILED;
        break;
      }
      std::copy(frame.begin(), frame.end(), room.begin() + static_cast<ptrdiff_t>(reply.bytes));
      if (reply.count++ == 0) reply.first = this->log[at].position;
      reply.last = this->log[at].position;
      reply.bytes += frame.size();
      reply.status = ReadStatus::OK;
    }
    return reply;
  }

  ReadReply list(std::span<uint8_t> room) const {
    ReadReply reply{.status = ReadStatus::OK};
    for (auto kept = this->snapshots.rbegin(); kept != this->snapshots.rend(); kept++) {
      if (reply.bytes + sizeof kept->about > room.size()) break;
      std::memcpy(room.data() + reply.bytes, static_cast<const void *>(&kept->about), sizeof kept->about);
      reply.bytes += sizeof kept->about;
      reply.count++;
    }
    if (reply.count == 0) reply.status = ReadStatus::NOTHING;
    return reply;
  }

  ReadReply read_snapshot(const ReadRequest &request) const {
    for (const Kept &kept : this->snapshots) {
      if (kept.about.object != request.object) continue;
      check(kept.about.state != StoredState::RECORDING, "bytes of what is recorded still");
      check(request.offset + request.room.size() <= kept.data.size(), "bytes behind the end");
      std::copy_n(kept.data.begin() + request.offset, request.room.size(), request.room.begin());
      return {.status = ReadStatus::OK, .bytes = request.room.size()};
    }
    return {.status = ReadStatus::UNKNOWN};
  }

  ReadReply keep(const StoredSnapshot &snapshot) {
    for (const Kept &kept : this->foreign) {
      if (kept.about.key == snapshot.key && kept.about.node == snapshot.node &&
          kept.about.part == snapshot.part)
        return {.status = ReadStatus::OK, .bytes = kept.data.size(), .object = kept.about.object};
    }
    this->foreign.push_back({snapshot, {}});
    this->foreign.back().about.object = this->next_object++;
    return {.status = ReadStatus::OK, .object = this->foreign.back().about.object};
  }

  ReadReply keep_bytes(const ReadRequest &request) {
    for (Kept &kept : this->foreign) {
      if (kept.about.object != request.object) continue;
      check(request.offset == kept.data.size(), "bytes that do not follow");
      check(request.offset + request.room.size() <= kept.about.bytes, "more bytes than announced");
      kept.data.insert(kept.data.end(), request.room.begin(), request.room.end());
      this->stored_bytes += request.room.size();
      if (kept.data.size() == kept.about.bytes && crc32(kept.data) != kept.about.crc) {
        kept.data.clear();
        return {.status = ReadStatus::FAILED};
      }
      return {.status = ReadStatus::OK, .bytes = kept.data.size()};
    }
    return {.status = ReadStatus::UNKNOWN};
  }

  uint64_t asked_us_{0};
};

}  // namespace esphome::microgrid

// Answers `snapshot/get`: lists what the store has and sends the chunks that were asked for, one after the
// other as the broker takes them.
#pragma once

#include "messages.h"
#include "requests.h"

namespace esphome::microgrid {

class SnapshotDesk final {
 public:
  static constexpr size_t MAX_WAITING = 4;
  static constexpr size_t MAX_LISTED = 64;  // of the contract
  static constexpr size_t ROOM_BYTES = CHUNK_HEADER_BYTES + CHUNK_BYTES;
  static_assert(MAX_LISTED * sizeof(StoredSnapshot) <= ROOM_BYTES);

  SnapshotDesk(LogStore &store, const Identity &identity) : store_(store), identity_(identity) {}

  /// False, and the request is dropped, when too many wait. `present`: whether the node is there, so that
  /// what it recorded may still come.
  bool take(uint8_t number, const SnapshotGet &get, bool present);
  void disconnected();

  void loop();

  enum class Output : uint8_t { NOTHING, LIST, CHUNK };
  Output output() const { return this->output_; }
  uint8_t number() const { return this->job_.number; }
  /// Of output LIST.
  std::span<const StoredSnapshot> list() const;
  /// Of output CHUNK: what to send, and the parts of its topic.
  Bytes chunk() const { return Bytes(this->room_).first(this->chunk_bytes_); }
  std::string_view event_id() const { return this->job_.get.event_id.view(); }
  uint32_t chunk_number() const { return this->chunk_; }
  /// The output was published.
  void published();

 protected:
  struct Job {
    uint8_t number{0};
    bool present{false};
    SnapshotGet get{};
  };
  enum class Question : uint8_t { NONE, SNAPSHOTS, BYTES };

  void ask(Question question, const ReadRequest &request);
  void listed(const ReadReply &reply);
  void answer_without_data(uint8_t state);
  void end();

  LogStore &store_;
  const Identity &identity_;
  std::array<Job, MAX_WAITING> waiting_{};
  size_t waiting_count_{0};

  Job job_{};
  bool busy_{false};
  bool found_{false};
  Question asked_{Question::NONE};
  StoredSnapshot object_{};
  uint32_t chunk_{0};
  uint32_t end_{0};
  Output output_{Output::NOTHING};
  size_t chunk_bytes_{0};
  size_t list_count_{0};
  alignas(StoredSnapshot) std::array<uint8_t, ROOM_BYTES> room_{};
};

}  // namespace esphome::microgrid

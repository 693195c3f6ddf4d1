// A house's side of bulk transfer: answers the requests of the gateway out of its log and its snapshots. One
// question of the gateway, one question to the writer of the log, one answer; the gateway keeps track of
// everything else.
#pragma once

#include "bulk_link.h"
#include "bulk_messages.h"
#include "bus_node.h"
#include "esphome/components/microgrid_core/identity.h"

namespace esphome::microgrid {

/// Any task reads them.
struct BulkServerStatistics {
  std::atomic<uint32_t> requests{0};
  std::atomic<uint32_t> answers{0};
  std::atomic<uint32_t> refusals{0};
  std::atomic<uint32_t> malformed{0};    // requests that are none
  std::atomic<uint32_t> interrupted{0};  // answers that nobody took
};

/// All in the bus task. RAM: a range of the log of 4.5 KiB, and what is small.
class BulkServer final : public BulkPort, public BusListener {
 public:
  /// `port` is the bus task's to the log; nobody else asks there.
  BulkServer(const Identity &identity, ReadPort &port, uint32_t bit_rate);

  const CanFrame *due(uint64_t now_us) override;
  void sent(uint64_t now_us) override { this->link_.sent(now_us); }
  void frame(const CanFrame &frame) override;

  const BulkServerStatistics &statistics() const { return this->statistics_; }

 protected:
  /// What the writer was asked for.
  enum class Question : uint8_t {
    NONE,
    LIST,
    LOG,
    LOG_FROM_START,  // what was asked for is not there any more
    LOG_AGAIN,       // for a chunk of it
    LOOK_UP,         // the snapshot of which a chunk is wanted
    PIECE,
    NOTE_LOG,
    NOTE_SNAPSHOT,
  };
  /// A range of the log as the gateway was told of it.
  struct LogObject {
    BulkObject object{};
    bool from_start{false};
    Position after{};
    bool loaded{false};  // in room_, where a chunk has its data
  };

  void request(Bytes message);
  void request_chunk(const BulkRequest &request);
  void request_log(const BulkLogQuery &query);
  void ask(Question question, const ReadRequest &request);
  void ask_for_log(Question question, uint32_t bytes);
  void ask_for_snapshots(Question question);
  void ask_for_piece();
  void answered(const ReadReply &reply);
  void log_answered(const ReadReply &reply);
  void list_answered(const ReadReply &reply);
  void looked_up(const ReadReply &reply);
  std::optional<StoredSnapshot> listed(const ReadReply &reply, size_t index) const;
  void send_log_chunk();
  void answer(Bytes message);
  void refuse(uint32_t object, BulkRefusal reason);
  std::span<uint8_t> data_room(size_t bytes) {
    return std::span(this->room_).subspan(BULK_CHUNK_HEADER_BYTES, bytes);
  }

  const Identity &identity_;
  ReadPort &port_;
  std::array<uint8_t, BULK_SMALL_BYTES> request_room_{};
  std::array<uint8_t, BULK_IDENTITY_BYTES> small_room_{};
  std::array<uint8_t, BULK_CHUNK_HEADER_BYTES + BULK_LOG_BYTES> room_{};
  BulkLink link_;
  Question question_{Question::NONE};
  BulkRequest wanted_{};
  BulkPiece piece_{};
  BulkLogQuery query_{};
  Position noted_{};
  EventKey forgotten_{};
  LogObject log_{};
  BulkObject snapshot_{};  // of the last chunk
  uint32_t next_log_object_;
  uint64_t now_us_{0};
  BulkServerStatistics statistics_;
};

}  // namespace esphome::microgrid

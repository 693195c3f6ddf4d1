// The gateway's side of bulk transfer: pulls the snapshots of all houses onto its own card and their logs
// into the relay to the broker. One exchange at a time is on the bus: a request to one house, and its answer.
// Faults go first: who houses are, then snapshots, then what was acknowledged, then logs; among houses in
// turn. Whatever breaks off, on either side, goes on where it was.
#pragma once

#include "bulk_link.h"
#include "bulk_messages.h"
#include "bus_node.h"
#include "esphome/components/microgrid_core/spsc_ring.h"

namespace esphome::microgrid {

/// Any task reads them.
struct BulkClientStatistics {
  std::atomic<uint32_t> exchanges{0};  // requests that were answered
  std::atomic<uint32_t> timeouts{0};   // that were not, or whose answer broke off
  std::atomic<uint32_t> refusals{0};
  std::atomic<uint32_t> damaged{0};  // objects that are not what was announced
  std::atomic<uint32_t> bytes{0};    // of objects
  std::atomic<uint32_t> snapshots{0};
  std::atomic<uint32_t> batches{0};        // of logs, handed to the relay
  std::atomic<uint32_t> medium_errors{0};  // the own card did not take a snapshot
};

/// All in the bus task but what says otherwise.
class BulkClient final : public BulkPort, public BusListener, public EventListener {
 public:
  /// `port` is the bus task's to the own log; nobody else asks there.
  BulkClient(ReadPort &port, LogRelay &relay, HouseDirectory &directory, uint32_t bit_rate);

  const CanFrame *due(uint64_t now_us) override;
  void sent(uint64_t now_us) override { this->link_.sent(now_us); }
  void tick(uint64_t mono_us, uint8_t sequence) override;
  void frame(const CanFrame &frame) override;
  void peer_changed(uint8_t node, const Peer &peer) override;
  /// Everybody pins: the houses are asked for their snapshots when the time after the fault is over.
  void fault(const HeardFault &fault) override;
  void happened(const NodeEvent &event) override;

  /// Main loop: this snapshot of a house is wanted now. False when too many wishes wait.
  bool want(uint8_t house, const EventKey &key) { return this->wishes_.push({.house = house, .key = key}); }

  const BulkClientStatistics &statistics() const { return this->statistics_; }

 protected:
  enum class Step : uint8_t {
    IDLE,
    // Exchanges: a request is under way, or its answer.
    IDENTITY,
    LIST,
    SNAPSHOT_CHUNK,
    HAVE_SNAPSHOT,
    HAVE_LOG,
    LOG,
    LOG_CHUNK,
    // The writer of the own log was asked.
    KEEP,
    STORE,
  };
  /// What a house is asked for, the most urgent first.
  enum class Job : uint8_t { IDENTITY, SNAPSHOTS, HAVE_LOG, LOG };
  static constexpr uint8_t SNAPSHOTS_IN_A_ROW = 4;  // messages, before a log that waits has its turn
  static constexpr uint8_t JOBS = 4;
  static constexpr uint8_t HOUSE_PLACES = MAX_HOUSES + 1;  // by number

  struct House {
    bool present{false};
    bool identified{false};
    bool acknowledge{false};  // it was not told yet how far its log is stored
    bool cursor_known{false};
    Position cursor{};  // so far
    uint32_t boot_id{0};
    uint32_t chunk_bytes{BULK_CHUNK_BYTES};  // fewer when the bus loses frames
    uint32_t chunk_limit{BULK_CHUNK_BYTES};  // the house cannot send larger ones
    uint8_t good_chunks{0};
    uint64_t try_us{0};   // nothing is asked before
    uint64_t list_us{0};  // no list of snapshots before
    uint64_t log_us{0};   // no log before
    uint64_t fault_us{0};
    EventKey wanted{};
    EventKey failed{};  // could not be stored: others first
  };

  /// An object on its way.
  struct Pull {
    uint8_t house{0};  // 0: none
    uint32_t object{0};
    uint32_t have{0};      // bytes
    bool known{false};     // length and CRC, by the list or the first chunk
    bool learning{false};  // asks for the first chunk again, only to see how long the house makes it
    bool learned{false};
    uint32_t bytes{0};
    uint32_t crc{0};
    uint32_t chunk{0};  // asked for
    uint64_t progress_us{0};
  };

  struct Wish {
    uint8_t house;
    EventKey key;
  };

  void run();
  void watch();
  void choose();
  bool wants(uint8_t house, Job job) const;
  void begin(uint8_t house, Job job);
  void begin_exchange(Step step, Bytes request);
  void end_exchange();
  void message(Bytes message);
  void fail();
  void refused(BulkRefusal reason);
  void chunk_refused(BulkRefusal reason);

  void identity(const HouseIdentity &identity);
  void list(Bytes message);
  void ask_chunk(Step step);
  void chunk(const BulkChunk &chunk);
  bool is_next(const BulkChunk &chunk);
  void store(Bytes data);
  void medium_answered(const ReadReply &reply);
  void tell_have_snapshot();
  void snapshot_failed(uint64_t pause_us);
  void log_range(const BulkLogRange &range);
  void log_chunk(Bytes data);
  bool log_is_whole(Bytes frames) const;
  void log_failed(uint64_t pause_us);
  void hand_over();
  uint8_t log_owner() const { return this->filled_ != 0 ? this->filled_house_ : this->log_pull_.house; }
  void expect_snapshots(uint64_t fault_us);

  House &current() { return this->houses_[this->house_]; }
  Pull &pull() { return this->step_ == Step::LOG_CHUNK ? this->log_pull_ : this->snapshot_pull_; }
  bool exchanging() const { return this->step_ > Step::IDLE && this->step_ < Step::KEEP; }

  ReadPort &port_;
  LogRelay &relay_;
  HouseDirectory &directory_;
  std::array<uint8_t, BULK_SMALL_BYTES> request_{};
  std::array<uint8_t, BULK_MESSAGE_BYTES> room_{};
  BulkLink link_;
  std::array<House, HOUSE_PLACES> houses_{};
  std::array<uint8_t, JOBS> last_{};  // whose turn was last
  uint8_t snapshots_in_a_row_{0};
  SpscRing<Wish, 8> wishes_;

  Step step_{Step::IDLE};
  uint8_t house_{0};
  uint64_t now_us_{0};
  uint64_t began_us_{0};

  StoredSnapshot snapshot_{};
  uint32_t kept_{0};  // its number on the own card
  Pull snapshot_pull_{};

  Pull log_pull_{};
  BulkLogRange range_{};
  // Whole frames of one house that are in the room of the relay, not handed over yet.
  uint8_t filled_house_{0};
  size_t filled_{0};
  Position filled_first_{};
  Position filled_last_{};

  BulkClientStatistics statistics_;
};

}  // namespace esphome::microgrid

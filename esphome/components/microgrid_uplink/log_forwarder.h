// The durable path to the broker: batches of the own log and of the houses' logs, one of each on its way at a
// time, repeated until Home Assistant says that they are on its disk.
#pragma once

#include "esphome/components/microgrid_can/bulk_relay.h"
#include "esphome/components/microgrid_log/log_store.h"

namespace esphome::microgrid {

/// How far an acknowledgement goes in a batch.
enum class AckReach : uint8_t { ALL, PART, BEFORE, FOREIGN };
AckReach reach_of(Position ack, Position first, Position last);

struct ForwarderCounters {
  uint32_t batches;
  uint32_t repeated;
  uint32_t acknowledged;
  uint32_t acks_ignored;  // of what was never sent
  uint32_t given_up;      // batches of houses that nobody acknowledged, put back so that others get through
};

/// A batch that was published, and waits.
class Pending final {
 public:
  enum class Verdict : uint8_t { WAIT, REPEAT, PART };
  void start(Position from, Position to);
  void sent(uint64_t now_us);
  bool is_sent() const { return this->sent_us_ != 0; }
  /// A new connection: perhaps nobody listened when it arrived, or does yet. What was said so far, and what
  /// is said in the first minute, is said again soon.
  void connected(uint64_t now_us);
  /// True when all of it is acknowledged now.
  bool take(Position ack, ForwarderCounters &counters);
  /// What to do when the answer takes too long.
  Verdict look(uint64_t now_us);

  Position first{};
  Position last{};
  Position part{};  // the furthest acknowledgement that did not reach the end
  bool has_part{false};
  uint8_t repeats{0};

  Pending() = default;
  Pending(Position from, Position to) : first(from), last(to) {}

 protected:
  uint64_t sent_us_{0};
  uint64_t connected_us_{0};
  uint64_t deadline_us_{0};
};

/// The own log, read through a port of its store, which keeps the acknowledged position over restarts.
class OwnLog final {
 public:
  OwnLog(LogStore &store, std::span<uint8_t> room) : store_(store), room_(room) {}

  void connected(uint64_t now_us);
  /// All topics are subscribed: the retained acknowledgement follows at once.
  void subscribed(uint64_t now_us);
  /// Asks and takes answers; never publishes.
  void loop(uint64_t now_us, ForwarderCounters &counters);
  /// What is to be published now; empty when there is nothing.
  Bytes to_publish() const { return this->state_ == State::HELD ? this->frames_ : Bytes{}; }
  void published(uint64_t now_us, ForwarderCounters &counters);
  void acknowledge(Position ack, uint64_t now_us, ForwarderCounters &counters);

 protected:
  enum class State : uint8_t {
    WAITING,   // for the retained acknowledgement, after the start
    CHECKING,  // whether our log has what it names
    IDLE,      // until `next_us_`
    ASKING,    // the store
    HELD,      // in the room, to be published
    SENT,
  };
  enum class Question : uint8_t { NONE, CHECK, LOG, ACKNOWLEDGE };

  bool ask(Question question, const ReadRequest &request);
  void answered(const ReadReply &reply, uint64_t now_us, ForwarderCounters &counters);
  void checked(const ReadReply &reply, ForwarderCounters &counters);
  void read(const ReadReply &reply, uint64_t now_us);
  void advance(Position to, uint64_t now_us);

  LogStore &store_;
  std::span<uint8_t> room_;

  State state_{State::WAITING};
  Question asked_{Question::NONE};
  uint64_t next_us_{0};
  bool awaits_retained_{false};  // since the first connection
  // Acknowledged up to here; without, the store knows where to begin.
  bool has_cursor_{false};
  Position cursor_{};
  bool owes_ack_{false};  // the store has not heard of the cursor yet
  Position candidate_{};  // an acknowledgement of which it is not known whether it is ours
  Bytes frames_{};
  Pending pending_{};
};

/// The logs of the houses, from the relay that the bus task fills.
class HouseLogs final {
 public:
  void set_relay(LogRelay *relay) { this->relay_ = relay; }

  void connected(uint64_t now_us) { this->pending_.connected(now_us); }
  void loop(uint64_t now_us, ForwarderCounters &counters);
  /// The batch whose frames are to be looked through for events, from `scanned` on; nullptr when there is
  /// none.
  const LogBatch *to_scan() const { return this->current_ && !this->scanned_all_ ? &this->batch_ : nullptr; }
  size_t scanned{0};
  void scanned_all() { this->scanned_all_ = true; }
  /// The batch to be published now.
  const LogBatch *to_publish() const {
    return this->current_ && this->scanned_all_ && !this->pending_.is_sent() ? &this->batch_ : nullptr;
  }
  void published(uint64_t now_us, ForwarderCounters &counters);
  void acknowledge(uint8_t house, Position ack, ForwarderCounters &counters);

 protected:
  void release(Position position);

  LogRelay *relay_{nullptr};
  bool current_{false};
  bool scanned_all_{false};
  LogBatch batch_{};
  Pending pending_{};
};

}  // namespace esphome::microgrid

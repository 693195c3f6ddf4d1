// The log of a node as its other parts see it: where samples, events and bus traffic go in, and where frames
// and snapshots come out again. The work is done by the writer's task; nobody else ever waits for the card.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/event_desk.h"
#include "esphome/components/microgrid_core/umg1_can.h"
#include "esphome/components/microgrid_core/umg1_recorder.h"
#include "esphome/components/microgrid_core/umg1_ring.h"

namespace esphome::microgrid {

/// What is to be kept: 10 s before and after the trigger. The same key again moves the end, and so does any
/// other trigger inside the window, to 60 s at most.
struct SnapshotRequest {
  EventKey key;  // boot_id 0: told later by name_snapshot(), for which the snapshot waits 5 s
  EventCode code;
  uint64_t trigger_mono_us{0};
  int64_t trigger_utc_us{0};  // 0: not known
};

/// A snapshot consists of two objects: what was measured, and the traffic of the bus (which one node of a bus
/// is enough to give away).
enum class SnapshotPart : uint8_t { MEASURED = 0, TRAFFIC = 1 };
enum class StoredState : uint8_t { COMPLETE = 0, PARTIAL = 1, EXTENDED = 2, RECORDING = 3 };

/// The frames of a snapshot are numbered from 0 through MEASURED and on through TRAFFIC: together they are
/// one log without gaps, and each is readable alone.
struct StoredSnapshot {
  uint32_t object{0};  // keeps its number until it is forgotten; 0 while recording
  uint8_t node{0};     // whose recording it is: our own number, or at a gateway that of a house
  SnapshotPart part{SnapshotPart::MEASURED};
  StoredState state{StoredState::COMPLETE};
  EventKey key;
  EventCode code;
  uint32_t bytes{0};
  uint32_t crc{0};
};

enum class CardState : uint8_t {
  OK,
  MISSING,
  FAILING,
  UNKNOWN,  // not tried yet: to prepare a new card takes a while
};
/// Code of the alarm that the medium is missing or failing.
inline constexpr std::string_view CARD_FAILED = "CARD_FAILED";

struct LogHealth {
  CardState card{CardState::UNKNOWN};
  uint8_t snapshots_free{0};  // so many more can be begun now; those that are not over occupy the rest
  uint16_t free_permille{0};  // of the ring: not yet acknowledged frames occupy the rest
  uint32_t errors{0};
  uint32_t lost_frames{0};
  uint32_t refused_records{0};              // rings between the tasks were full
  std::array<uint32_t, 8> write_latency{};  // writes that took < 1, 3, 10, 30, 100, 300, 1000 ms, and longer
  uint32_t next_seq{0};
  bool durable_known{false};
  Position durable{};  // everything up to here is on the card
};

enum class ReadStatus : uint8_t { OK, NOTHING, UNKNOWN, FAILED };

/// A question to the writer; `room` belongs to it until the answer is there.
struct ReadRequest {
  enum class What : uint8_t {
    LOG_AFTER,        // whole durable frames of the log after `position`, as many as fit
    LOG_FROM_START,   // the same from the oldest unacknowledged frame on
    ACKNOWLEDGE,      // everything up to `position` is safe elsewhere
    SNAPSHOTS,        // StoredSnapshot one after the other, newest first, those being recorded before them
    SNAPSHOT_BYTES,   // of `object`, from `offset`
    FORGET_SNAPSHOT,  // all objects of `key` and `node`
    KEEP_SNAPSHOT,  // begins a foreign one: `snapshot` says all of it; the answer has its object number. What
                    // was begun before goes on where it was, also after a restart
    KEEP_BYTES,  // `room` to `offset` of `object`, in order; the last byte completes it and checks its CRC:
                 // when that is wrong, FAILED, and it begins again at 0
  };
  What what{};
  Position position{};
  uint32_t object{0};
  uint32_t offset{0};
  uint8_t node{0};
  EventKey key{};
  StoredSnapshot snapshot{};
  std::span<uint8_t> room{};
};

struct ReadReply {
  ReadStatus status{ReadStatus::FAILED};
  size_t bytes{0};  // in the room; of KEEP_*: how many are there already, which is where to go on
  size_t count{0};  // of LOG_*: frames; of SNAPSHOTS: objects
  uint32_t object{0};
  Position first{};  // of LOG_*
  Position last{};
};

/// One asker and the writer: a question at a time.
class ReadPort final {
 public:
  /// Asker. False while an answer is outstanding.
  bool ask(const ReadRequest &request);
  /// Asker: the answer, once; nullopt while it is outstanding.
  std::optional<ReadReply> reply();
  bool busy() const { return this->state_.load(std::memory_order_acquire) != IDLE; }

  /// Writer.
  const ReadRequest *asked() const;
  void answer(const ReadReply &reply);

 protected:
  static constexpr uint8_t IDLE = 0, ASKED = 1, ANSWERED = 2;
  ReadRequest request_{};
  ReadReply reply_{};
  std::atomic<uint8_t> state_{IDLE};
};

/// An event with its place in the log. When the medium does not take it within 2 s it is given out
/// nevertheless, once, with the event's own number as `seq`.
struct LoggedEvent {
  NodeEvent event;
  uint32_t seq{0};
};

class LogStore : public EventListener {
 public:
  // Bus task.

  /// Samples of the log, by index in its schema.
  virtual Recorder &log() = 0;
  /// Samples at 100 Hz for snapshots, by index in the capture schema.
  virtual Recorder &capture() = 0;
  /// Traffic of the bus, for snapshots.
  virtual bool record(const CanFrame &frame) = 0;
  /// Frames that somebody else has built (summaries): finished, not sealed. False, and counted, when too many
  /// wait.
  virtual bool record(std::span<const uint8_t> frame) = 0;
  virtual bool keep(const SnapshotRequest &request) = 0;
  virtual bool name_snapshot(uint8_t node, uint32_t number, uint32_t boot_id) = 0;

  // One asker each.
  virtual ReadPort &bus_port() = 0;
  virtual ReadPort &loop_port() = 0;

  /// Main loop: the next event that is in the log.
  virtual std::optional<LoggedEvent> logged_event() = 0;

  /// Any task.
  virtual LogHealth health() const = 0;
  virtual Signal &wake() = 0;

 protected:
  ~LogStore() = default;
};

}  // namespace esphome::microgrid

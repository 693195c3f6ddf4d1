// A node's side of contract/mqtt, in the main loop: it announces itself, tells what it measures and what
// happens, hands over its log and its snapshots, and takes commands. A gateway does all of it for its houses
// too, under their own topics.
#pragma once

#include "command_desk.h"
#include "esphome/components/microgrid_can/bus_node.h"
#include "log_forwarder.h"
#include "publisher.h"
#include "snapshot_desk.h"

namespace esphome::microgrid {

struct UplinkCounters {
  std::array<uint32_t, REFUSALS> refused;  // messages, by reason
  uint32_t unknown_topics;                 // of no node of ours, or without meaning
  uint32_t requests_dropped;               // too many asked for snapshots at once
  uint32_t events_dropped;                 // not told in time; they are in the log
  uint32_t events;
  uint32_t lives;
  uint32_t unwritable;  // messages that did not fit into their buffer
  ForwarderCounters log;
};

class Uplink final : public MessageReceiver, public BusListener {
 public:
  static constexpr size_t LOG_ROOM_BYTES = size_t{6} * 1024;  // the largest frame of a node has to fit
  static constexpr size_t JSON_ROOM_BYTES =
      size_t{9} * 1024;  // 64 listed snapshots; the values of four houses
  static constexpr size_t MAX_EVENTS = 16;

  /// `parent`: the gateway above a house that speaks for itself; empty when there is none.
  Uplink(Node &node, LogStore &store, std::string_view parent = {});

  // While setting up.
  void set_publisher(Publisher *publisher) { this->publisher_ = publisher; }
  void set_houses(Houses *houses) { this->houses_ = houses; }
  void set_relay(LogRelay *relay) { this->house_logs_.set_relay(relay); }

  /// Topic and payload of the last will, QoS 1 and retained.
  std::string_view state_topic();
  static std::string_view offline() { return "offline"; }

  /// What is due, in small pieces: at most a few messages a call.
  void loop(uint64_t now_us);
  /// Before the node stops: says that it and its houses are gone. The publisher still has to send it.
  void stop();

  /// Of the bus task: a house broadcasts a fault.
  void fault(const HeardFault &fault) override;

  void received(std::string_view topic, Bytes payload) override;

  const UplinkCounters &counters() const { return this->counters_; }

 protected:
  static constexpr uint8_t MAX_STEPS = 4;  // messages per call of loop()
  static constexpr uint8_t FILTERS = 3;
  static constexpr uint64_t LIVE_EVERY_US = 1'000'000;
  static constexpr uint64_t BIRTH_EVERY_US = 10'000'000;

  enum class Told : uint8_t { NOTHING, ONLINE, OFFLINE };
  /// What this connection knows of a node; by number on the bus.
  struct Session {
    bool born{false};
    uint32_t boot_id{0};  // as told
    uint64_t born_us{0};
    Told told{Told::NOTHING};
    uint8_t subscribed{0};
    // From here on also over connections.
    MetricSet metrics{0};   // ever known
    MetricSet declared{0};  // in the last birth
    uint32_t live_seq{0};
  };

  uint8_t own() const { return this->node_.identity.number; }
  bool view_of(uint8_t number, NodeView &view, bool &present);
  std::optional<uint8_t> number_of(std::string_view node);
  std::string_view topic(std::string_view node, std::string_view suffix);
  bool send(std::string_view topic, JsonWriter &json, uint8_t qos, bool retain);

  void take_events();
  void queue(const OutgoingEvent &event);
  void scan_house_log();

  // Each says one thing, if it has something to say. False: nothing, or the broker has no room.
  bool step(uint64_t now_us);
  bool announce(uint8_t number, uint64_t now_us);
  bool subscribe(uint8_t number);
  bool say_result();
  bool say_event();
  bool say_live(uint64_t now_us);
  bool say_snapshot();
  bool say_log(uint64_t now_us);

  Node &node_;
  LogStore &store_;
  std::string_view parent_;
  Publisher *publisher_{nullptr};
  Houses *houses_{nullptr};

  std::array<Session, BUS_NODES> sessions_{};
  uint64_t now_us_{0};  // of the call of loop()
  uint32_t connection_{0};
  uint64_t next_live_us_{0};
  uint8_t live_at_{BUS_NODES};  // the next node of this second's live messages

  SpscRing<HeardFault, 16> heard_;
  std::array<OutgoingEvent, MAX_EVENTS> events_{};
  size_t first_event_{0};
  size_t event_count_{0};
  ActiveFaults own_faults_{};
  bool boot_told_{false};

  CommandDesk commands_;
  SnapshotDesk snapshots_;
  OwnLog own_log_;
  HouseLogs house_logs_;
  UplinkCounters counters_{};

  std::array<char, 192> topic_{};
  std::array<char, JSON_ROOM_BYTES> json_room_{};
  std::array<uint8_t, LOG_ROOM_BYTES> log_room_{};
};

}  // namespace esphome::microgrid

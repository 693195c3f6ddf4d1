// The node on the bus: master election, time, cyclic messages, faults, who else is there. See
// contract/can.md. All of it runs in the bus task; nothing here waits or allocates.
#pragma once

#include <array>
#include <atomic>

#include "beat.h"
#include "bus_load.h"
#include "bus_watch.h"
#include "can_bus.h"
#include "cyclic_schedule.h"
#include "esphome/components/microgrid_core/clock.h"
#include "esphome/components/microgrid_core/event_desk.h"
#include "esphome/components/microgrid_core/fault_catalogue.h"
#include "fault_broadcast.h"
#include "follow_up.h"
#include "master_election.h"
#include "microgrid_dbc.h"
#include "peers.h"

namespace esphome::microgrid {

struct BusSettings {
  uint32_t bit_rate{500'000};
  uint8_t rank_limit{4};  // the best rank that this node may claim
  BusWatchSettings watch{};
};

/// Gets what is on the bus; called in the bus task, must not wait.
class BusListener {
 public:
  /// Every 10 ms: sample now. `mono_us` is the beat's own time, just over; `sequence` the low byte of the
  /// Sync, or of the own clock without a master.
  virtual void tick([[maybe_unused]] uint64_t mono_us, [[maybe_unused]] uint8_t sequence) {}
  /// Every frame, own ones included (with the time at which they were handed to the controller).
  virtual void frame([[maybe_unused]] const CanFrame &frame) {}
  /// Of another node; or of this one, when it was asked to record (NO_FAULT).
  virtual void fault([[maybe_unused]] const HeardFault &fault) {}
  virtual void peer_changed([[maybe_unused]] uint8_t node, [[maybe_unused]] const Peer &peer) {}

 protected:
  ~BusListener() = default;
};

/// Gives the content of the node's cyclic messages, in the bus task. `type` is the identifier without the
/// node (such as dbc::Cells::MESSAGE.identifier), `group` counts the groups of a message that has some.
/// nullopt: not sent.
class CyclicSource {
 public:
  virtual std::optional<uint64_t> content(uint16_t type, uint8_t group) = 0;

 protected:
  ~CyclicSource() = default;
};

/// Sends frames of lower urgency when the bus has room: ISO-TP.
class BulkPort {
 public:
  /// The frame to send now, or nullptr; asked again until sent() is called.
  virtual const CanFrame *due(uint64_t now_us) = 0;
  virtual void sent(uint64_t now_us) = 0;

 protected:
  ~BulkPort() = default;
};

struct BusStatistics {
  ControllerStatus controller{};
  uint32_t frames_received{0};
  uint32_t frames_sent{0};
  uint32_t send_failures{0};   // the controller's queue was full
  uint32_t foreign_frames{0};  // extended, remote, unknown or too short; values that cannot be
  uint32_t elections{0};
  uint16_t load_permille{0};  // of the bus over the last second, from the bits of all frames
  uint8_t master{0xFF};       // node number; 0xFF: none
  bool is_master{false};
  bool number_conflict{false};  // somebody else uses our number: we are silent
};

class BusNode final : public EventListener {
 public:
  /// Becomes a listener of the desk, and looks after what other tasks leave there.
  BusNode(const Identity &identity, DisciplinedClock &clock, EventDesk &desk, const BusSettings &settings);

  /// While setting up. Without a bus (nullptr) the node only beats for itself.
  void set_bus(CanBus *bus) { this->bus_ = bus; }
  void set_cyclic_source(CyclicSource *source) { this->source_ = source; }
  void set_bulk_port(BulkPort *port) { this->bulk_ = port; }
  void add(BusListener &listener) {
    if (this->listener_count_ < MAX_LISTENERS) this->listeners_[this->listener_count_++] = &listener;
  }

  /// State of the memory card for the Heartbeat; any task.
  void set_card_state(dbc::CardState state) { this->card_state_.store(state, std::memory_order_relaxed); }

  /// Other tasks, one each: an observation of the network's time or of the RTC, for the clock. False when too
  /// many wait.
  bool observe_network(const Observation &observation) { return this->network_.push(observation); }
  bool observe_rtc(const Observation &observation) { return this->rtc_.push(observation); }

  /// One other task: everybody records what happens now, under this key of the desk. Nothing is wrong.
  void capture(const EventKey &key) { this->capture_.store(key.number + 1, std::memory_order_release); }

  /// The body of the bus task: waits until something is to do, at most 2 ms, and does it.
  void run();
  /// The same without waiting, for tests with a clock of their own: does what is due at `now_us`.
  void step(uint64_t now_us);
  /// When step() has something to do next, if no frame comes.
  uint64_t next_us() const { return this->next_us_; }

  /// Hands a frame to the controller at once. False when its queue is full, or this node must be silent.
  bool send(const CanFrame &frame) { return this->send(frame, false); }

  /// Of the desk: faults are broadcast (F-codes, raised and cleared).
  void happened(const NodeEvent &event) override;

  /// Bus task.
  const Peer &peer(uint8_t node) const { return this->peers_[node]; }
  /// As of a moment ago; any task.
  BusStatistics statistics() const { return this->published_.load(); }

 protected:
  static constexpr size_t MAX_LISTENERS = 6;

  bool talks() const { return this->may_send_; }
  bool send(const CanFrame &frame, bool stamp);
  template <typename M>
  bool send_message(const M &message, bool stamp = false);

  void observe(const Observation &observation);
  void watch_controller();
  void receive();
  void take(const CanFrame &frame);
  bool take_sync(uint8_t node, const dbc::Sync &sync, uint64_t received_us);
  void take_follow_up(uint8_t node, const dbc::FollowUp &follow_up);
  bool take_master(uint8_t node, const dbc::Master &master);
  void take_fault(uint8_t node, const dbc::Fault &fault, uint64_t received_us);
  bool take_heartbeat(uint8_t node, const dbc::Heartbeat &heartbeat);

  void beat();
  void ticked(const Tick &tick);
  void elect();
  void follow_up();
  void begin_capture();
  void tell_faults();
  void tell_cycles();
  void tell_frequency();
  void tell_bulk();
  void watch_peers();
  void watch_errors();
  void publish();
  uint64_t plan() const;

  /// How this clock stands, as elections and other nodes see it.
  dbc::Rank rank() const;
  dbc::ClockState clock_state() const;
  uint16_t clock_error() const;
  dbc::Heartbeat heartbeat() const;
  std::optional<uint64_t> cyclic_content(size_t index);
  void raise_fault(FaultCode code, EventState state);

  const Identity &identity_;
  DisciplinedClock &clock_;
  EventDesk &desk_;
  BusSettings settings_;

  CanBus *bus_{nullptr};
  CyclicSource *source_{nullptr};
  BulkPort *bulk_{nullptr};
  std::array<BusListener *, MAX_LISTENERS> listeners_{};
  size_t listener_count_{0};
  Signal wake_;
  std::atomic<dbc::CardState> card_state_{dbc::CardState::NOT_AVAILABLE};
  std::atomic<uint32_t> capture_{0};  // number of the event behind the one wanted; 0: none is
  SpscRing<Observation, 4> network_;
  SpscRing<Observation, 4> rtc_;

  // As of this step.
  uint64_t now_us_{0};
  Timeline timeline_;
  bool refused_{false};  // the controller took no more
  bool more_{false};     // it has more for us
  uint64_t next_us_{0};

  bool open_{false};
  uint64_t next_open_us_{0};
  uint64_t next_status_us_{0};
  bool may_send_{false};
  bool heartbeat_first_{true};       // of a start
  bool heartbeat_with_fault_{true};  // once more, before the first fault
  uint64_t frequency_us_{UINT64_MAX};
  uint64_t bulk_until_us_{0};  // a transfer goes on
  uint64_t next_publish_us_{0};

  Beat beat_;
  MasterElection election_;
  TwoStepReceiver two_step_;
  FollowUpSender follow_up_;
  std::array<uint16_t, BUS_NODES> master_errors_{};  // as in Master
  dbc::Rank reference_rank_{dbc::Rank::UNSYNCHRONISED};
  CyclicSchedule cycles_;
  FaultOutbox outbox_;
  FaultInbox inbox_;
  Peers peers_;
  NumberConflict conflict_;
  RaiseLimit lost_peers_;  // F030
  bool peer_missing_{false};
  RaiseLimit bus_errors_;  // F031
  BusWatch watch_;
  BusLoad load_;
  BusShare bulk_share_;

  BusStatistics statistics_;
  Published<BusStatistics> published_;
};

}  // namespace esphome::microgrid

// Houses and a gateway on a bus, in simulated time: every node has an oscillator and a clock of its own, the
// wire has arbitration, the real length of every frame, error counters, loss, delay and breaks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "esphome/components/microgrid_can/bus_node.h"
#include "esphome/components/microgrid_can/transmit_queue.h"
#include "esphome/components/microgrid_core/node.h"

namespace microgrid_test {

using namespace esphome::microgrid;

constexpr int64_t MS = 1'000'000;  // simulated time is in nanoseconds
constexpr int64_t S = 1000 * MS;
constexpr int64_t START_UTC_US = 1'795'000'000'000'000;
constexpr int64_t HOUR_US = 3'600'000'000;

class Cluster;

/// An oscillator: how a node counts microseconds from its start.
struct Oscillator {
  double ppm{0};
  int64_t started_ns{0};

  uint64_t mono_us(int64_t time_ns) const {
    return static_cast<uint64_t>(static_cast<double>(time_ns - this->started_ns) * (1 + this->ppm * 1e-6) /
                                 1000);
  }
  int64_t time_ns(uint64_t mono_us) const {
    return this->started_ns +
           static_cast<int64_t>(static_cast<double>(mono_us) * 1000 / (1 + this->ppm * 1e-6));
  }
};

/// A CAN controller with one mailbox behind the queue of the drivers.
class Controller final : public CanBus {
 public:
  explicit Controller(Cluster &cluster) : cluster_(cluster) {}

  bool open(uint32_t bit_rate, Signal &wake) override;
  bool send(const CanFrame &frame, bool stamp) override;
  std::optional<uint64_t> sent_us() override;
  std::optional<CanFrame> receive() override;
  ControllerStatus status() override { return this->status_; }
  void recover() override;
  bool stamps_in_interrupt() const override { return true; }

  // What the scenario does to it.
  int segment{0};  // of the cable: only who is on the same hears it
  bool powered{true};
  bool damaged_driver{false};  // every bit it sends is wrong
  Oscillator oscillator;
  std::function<CanFrame()> babble;  // sends this whenever the bus is free
  double untimed{0};                 // share of transmissions whose end the driver cannot time

 protected:
  friend class Cluster;
  friend class SimulatedNode;

  bool on_bus() const;
  bool has_frame();
  void reset();

  Cluster &cluster_;
  bool opened_{false};
  TransmitQueue queue_;
  std::optional<Outgoing> mailbox_;
  struct Arrived {
    int64_t time_ns;
    CanFrame frame;
  };
  std::deque<Arrived> received_;
  std::optional<uint64_t> stamp_;
  ControllerStatus status_;
  int64_t recovered_ns_{0};
};

struct Heard {
  int64_t time_ns;
  HeardFault fault;
};

struct Beaten {
  int64_t time_ns;  // of the simulation, of the beat's own time
  uint8_t sequence;
};

struct NodeOptions {
  Role role{Role::HOUSE};
  uint8_t number{1};
  double ppm{0};
  bool network{false};  // hears a time server
  int64_t network_every_ns{S};
  int64_t rtc_error_us{-1};  // has a battery-backed clock that is wrong by this; -1: has none
  uint8_t rank_limit{4};
};

/// A node with everything but its sensors. The processor may be off.
class SimulatedNode final : public BusListener, public CyclicSource, public EventListener {
 public:
  SimulatedNode(Cluster &cluster, const NodeOptions &chosen);

  void power_off();
  void power_on();
  bool on() const { return this->bus != nullptr; }
  uint64_t mono_us() const;
  int64_t clock_error_us() const;  // shown minus true UTC
  void raise(FaultCode code, EventState state = EventState::RAISED);

  NodeOptions options;
  Controller controller;
  std::unique_ptr<DisciplinedClock> clock;
  std::unique_ptr<EventDesk> desk;
  std::unique_ptr<BusNode> bus;
  Identity identity;
  bool sends_values{true};
  int64_t stalled_until_ns{0};  // its task does not run

  std::vector<Beaten> beats;
  std::vector<Heard> faults;
  std::vector<NodeEvent> events;
  std::map<uint8_t, int> peer_changes;

  void tick(uint64_t mono_us, uint8_t sequence) override;
  void fault(const HeardFault &fault) override;
  void peer_changed(uint8_t node, const Peer &peer) override;
  std::optional<uint64_t> content(uint16_t type, uint8_t group) override;
  void happened(const NodeEvent &event) override;

 protected:
  friend class Cluster;
  void feed_clock();
  void step();

  Cluster &cluster_;
  int64_t wake_ns_{0};
  int64_t next_network_ns_{0};
  int64_t next_rtc_ns_{0};
  uint8_t last_sequence_{0};
};

struct OnWire {
  int64_t time_ns;  // its end
  int segment;
  CanFrame frame;
};

class Cluster final {
 public:
  explicit Cluster(uint32_t seed = 1);
  ~Cluster();

  SimulatedNode &add(const NodeOptions &options);
  /// A controller without a node behind it.
  Controller &add_stranger();
  /// A gateway with the network's time and four houses, oscillators up to 20 ppm off.
  void add_usual();
  SimulatedNode &node(uint8_t number);
  std::vector<SimulatedNode *> nodes();

  void run_for(int64_t ns);
  int64_t now_ns() const { return this->now_ns_; }
  int64_t utc_us() const { return START_UTC_US + this->now_ns_ / 1000; }

  // What was on the wire since `from_ns`.
  std::vector<OnWire> frames(uint32_t type, int64_t from_ns) const;
  /// Numbers of all who sent a Sync since then.
  std::vector<uint8_t> masters(int64_t from_ns) const;
  /// Share of the time that a segment was busy.
  double load(int64_t from_ns, int segment = 0) const;

  uint32_t random() { return static_cast<uint32_t>(this->dice_()); }
  double uniform(double from, double to) { return std::uniform_real_distribution(from, to)(this->dice_); }

  uint32_t bit_rate{500'000};
  double loss{0};                       // of a frame at a receiver
  int64_t longest_delay_ns{0};          // of a frame at a receiver
  int64_t longest_latency_ns{MS / 10};  // of a task that was woken

 protected:
  friend class Controller;
  friend class SimulatedNode;

  struct Segment {
    int64_t free_ns{0};
    Controller *sender{nullptr};
    bool collided{false};
  };

  int64_t next_event_ns();
  void begin_frame(int number, Segment &segment);
  void end_frame(int number, Segment &segment);
  void fail(Controller &controller);
  void deliver(Controller &sender, int number);
  void wake(Controller &controller, int64_t time_ns);

  std::mt19937 dice_;
  int64_t now_ns_{0};
  std::vector<std::unique_ptr<SimulatedNode>> nodes_;
  std::vector<std::unique_ptr<Controller>> strangers_;
  std::vector<Controller *> controllers_;
  std::map<int, Segment> segments_;
  std::vector<OnWire> wire_;
};

}  // namespace microgrid_test

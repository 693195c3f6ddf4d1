// The simulation itself, and the platform as the firmware sees it here.
#include "simulated_cluster.h"

#include <algorithm>
#include <set>

namespace {

microgrid_test::Cluster *running = nullptr;
const microgrid_test::SimulatedNode *stepping = nullptr;

}  // namespace

namespace esphome::microgrid {

uint64_t mono_us() { return stepping == nullptr ? 0 : stepping->mono_us(); }
uint32_t random_u32() { return running == nullptr ? 4 : running->random(); }

Signal::Signal() = default;
Signal::~Signal() = default;
void Signal::give() {}
void Signal::give_from_interrupt() {}
bool Signal::wait(uint32_t /*timeout_us*/) { return false; }  // nobody waits in simulated time

}  // namespace esphome::microgrid

namespace microgrid_test {

namespace {

constexpr std::array HOUSE_SOURCES{CAN_INTERRUPT_STAMPS, RTC_EDGE};
constexpr std::array GATEWAY_SOURCES{NETWORK_EXCHANGE, CAN_INTERRUPT_STAMPS, RTC_EDGE};
constexpr uint8_t PASSIVE_FROM = 128;
constexpr int64_t UNACKNOWLEDGED_PAUSE_NS = MS;  // at once in fact: only fewer events to simulate
constexpr uint32_t ERROR_FRAME_BITS = 20;
constexpr uint32_t RECOVERY_BITS = 128 * 11;

}  // namespace

// --- Controller ---

bool Controller::open(uint32_t /*bit_rate*/, Signal & /*wake*/) {
  this->opened_ = true;
  this->status_.state = ControllerState::ACTIVE;
  return true;
}

bool Controller::on_bus() const {
  return this->powered && (this->opened_ || this->babble) &&
         this->status_.state != ControllerState::BUS_OFF && this->cluster_.now_ns_ >= this->recovered_ns_;
}

bool Controller::has_frame() {
  if (this->babble && !this->mailbox_) this->mailbox_ = Outgoing{.frame = this->babble(), .stamp = false};
  if (!this->mailbox_) this->mailbox_ = this->queue_.pop();
  return this->mailbox_.has_value();
}

bool Controller::send(const CanFrame &frame, bool stamp) {
  if (this->status_.state == ControllerState::BUS_OFF) return false;
  return this->queue_.push({.frame = frame, .stamp = stamp});
}

std::optional<uint64_t> Controller::sent_us() {
  const auto stamp = this->stamp_;
  this->stamp_.reset();
  return stamp;
}

std::optional<CanFrame> Controller::receive() {
  if (this->received_.empty() || this->received_.front().time_ns > this->cluster_.now_ns_)
    return std::nullopt;
  const CanFrame frame = this->received_.front().frame;
  this->received_.pop_front();
  return frame;
}

void Controller::recover() {
  this->status_.state = ControllerState::ACTIVE;
  this->status_.transmit_errors = 0;
  this->recovered_ns_ = this->cluster_.now_ns_ + RECOVERY_BITS * (S / this->cluster_.bit_rate);
}

void Controller::reset() {
  this->opened_ = false;
  this->queue_.clear();
  this->mailbox_.reset();
  this->received_.clear();
  this->stamp_.reset();
  this->status_ = {};
  this->recovered_ns_ = 0;
}

// --- Node ---

SimulatedNode::SimulatedNode(Cluster &cluster, const NodeOptions &chosen)
    : options(chosen), controller(cluster), identity{}, cluster_(cluster) {
  this->power_on();
}

void SimulatedNode::power_on() {
  this->identity = {.role = this->options.role,
                    .number = this->options.number,
                    .node = "node",
                    .cluster = "north",
                    .swarm = "swarm",
                    .name = "Node",
                    .hardware = "simulated",
                    .firmware = "test",
                    .boot_id = this->cluster_.random() | 1};
  this->controller.reset();
  this->controller.powered = true;
  // The counter begins with the start; where it stands tells nothing about UTC.
  this->controller.oscillator = {.ppm = this->options.ppm, .started_ns = this->cluster_.now_ns()};
  const bool gateway = this->options.role == Role::GATEWAY;
  this->clock = std::make_unique<DisciplinedClock>(gateway ? std::span<const SourceSettings>{GATEWAY_SOURCES}
                                                           : std::span<const SourceSettings>{HOUSE_SOURCES});
  this->desk = std::make_unique<EventDesk>(this->identity, *this->clock);
  this->desk->add(*this);
  this->bus = std::make_unique<BusNode>(
      this->identity, *this->clock, *this->desk,
      BusSettings{.bit_rate = this->cluster_.bit_rate, .rank_limit = this->options.rank_limit});
  this->bus->set_bus(&this->controller);
  this->bus->set_cyclic_source(this);
  this->bus->add(*this);
  this->wake_ns_ = this->cluster_.now_ns();
  this->next_network_ns_ = this->next_rtc_ns_ = this->cluster_.now_ns() + MS;
}

void SimulatedNode::power_off() {
  this->bus.reset();
  this->desk.reset();
  this->clock.reset();
  this->controller.reset();
  this->controller.powered = false;
}

uint64_t SimulatedNode::mono_us() const {
  return this->controller.oscillator.mono_us(this->cluster_.now_ns());
}

int64_t SimulatedNode::clock_error_us() const {
  return this->clock->utc_us(this->mono_us()) - this->cluster_.utc_us();
}

void SimulatedNode::raise(FaultCode code, EventState state) {
  stepping = this;
  const FaultRow &row = esphome::microgrid::fault(code);
  this->desk->raise({.type = EventType::FAULT,
                     .state = state,
                     .severity = row.severity,
                     .code = EventCode{row.code},
                     .mono_us = this->mono_us()});
  stepping = nullptr;
}

void SimulatedNode::feed_clock() {
  const int64_t now_ns = this->cluster_.now_ns();
  if (this->options.network && now_ns >= this->next_network_ns_) {
    this->next_network_ns_ = now_ns + this->options.network_every_ns;
    this->bus->observe_network(
        {.source = ClockSource::NETWORK,
         .reference = 77,
         .mono_us = this->mono_us(),
         .utc_us = this->cluster_.utc_us() + static_cast<int64_t>(this->cluster_.uniform(-50, 50)),
         .reference_error_us = 500,
         .round_trip_us = 4000});
  }
  if (this->options.rtc_error_us >= 0 && now_ns >= this->next_rtc_ns_) {
    this->next_rtc_ns_ = now_ns + S;
    this->bus->observe_rtc({.source = ClockSource::RTC,
                            .reference = 0,
                            .mono_us = this->mono_us(),
                            .utc_us = this->cluster_.utc_us() + this->options.rtc_error_us,
                            .reference_error_us = 5000});
  }
}

void SimulatedNode::step() {
  stepping = this;
  this->feed_clock();
  const uint64_t now_us = this->mono_us();
  this->bus->step(now_us);
  stepping = nullptr;
  const uint64_t wait_us =
      std::min<uint64_t>(this->bus->next_us() - std::min(this->bus->next_us(), now_us), 2000);
  const auto latency_ns =
      static_cast<int64_t>(this->cluster_.uniform(0, static_cast<double>(this->cluster_.longest_latency_ns)));
  // The counter's reading is cut off: a nanosecond too early would not be there yet.
  this->wake_ns_ = this->cluster_.now_ns() + static_cast<int64_t>(wait_us) * 1000 + 1000 + latency_ns;
  if (!this->controller.received_.empty())
    this->wake_ns_ = std::min(this->wake_ns_, this->controller.received_.front().time_ns + latency_ns + 1);
}

void SimulatedNode::tick(uint64_t mono_us, uint8_t sequence) {
  this->beats.push_back({this->controller.oscillator.time_ns(mono_us), sequence});
  this->last_sequence_ = sequence;
}

void SimulatedNode::fault(const HeardFault &fault) {
  this->faults.push_back({this->cluster_.now_ns(), fault});
}

void SimulatedNode::peer_changed(uint8_t node, const Peer & /*peer*/) { this->peer_changes[node]++; }

void SimulatedNode::happened(const NodeEvent &event) { this->events.push_back(event); }

/// Values as on a usual day.
std::optional<uint64_t> SimulatedNode::content(uint16_t type, uint8_t group) {
  if (!this->sends_values) return std::nullopt;
  const auto vary = [&](int32_t middle, int32_t spread) {
    return middle + static_cast<int32_t>(this->cluster_.uniform(-spread, spread));
  };
  switch (type) {
    case dbc::Frequency::MESSAGE.identifier:
      return dbc::Frequency{.inverter_frequency = static_cast<int16_t>(vary(0, 200)),
                            .sequence = this->last_sequence_,
                            .bus_live = true}
          .pack();
    case dbc::Inverter::MESSAGE.identifier:
      return dbc::Inverter{.inverter_voltage = static_cast<uint16_t>(vary(2300, 60)),
                           .inverter_current = vary(500, 400),
                           .inverter_power = vary(1200, 1000),
                           .inverter_on = true}
          .pack();
    case dbc::Battery::MESSAGE.identifier:
      return dbc::Battery{.dc_bus_voltage = static_cast<uint16_t>(vary(5200, 200)),
                          .battery_current = vary(1000, 3000),
                          .battery_connected = true}
          .pack();
    case dbc::HouseState::MESSAGE.identifier:
      return dbc::HouseState{.state_of_charge = static_cast<uint16_t>(vary(600, 300)),
                             .battery_state_of_health = 980,
                             .health = 97,
                             .battery_voltage = static_cast<uint16_t>(vary(5200, 200)),
                             .load_power = vary(900, 700)}
          .pack();
    case dbc::InverterState::MESSAGE.identifier:
      return dbc::InverterState{
          .mosfet_temperature = {static_cast<int16_t>(vary(450, 150)), static_cast<int16_t>(vary(450, 150))},
          .inverter_mode = dbc::InverterMode::RUNNING}
          .pack();
    case dbc::Mppt::MESSAGE.identifier:
      return dbc::Mppt{.mppt_input_voltage = static_cast<uint16_t>(vary(1100, 200)),
                       .mppt_input_current = vary(700, 500),
                       .mppt_output_voltage = static_cast<uint16_t>(vary(5200, 200)),
                       .mppt_output_current = vary(1400, 900),
                       .mppt_state = dbc::MpptState::TRACKING}
          .pack();
    case dbc::Cells::MESSAGE.identifier: {
      // Of all groups the bits lie alike.
      uint64_t word = dbc::put(group, 0, 2);
      for (unsigned i = 0; i < 4; i++) word |= dbc::put(vary(3300, 40), 2 + 13 * i, 13);
      return word;
    }
    case dbc::BatteryState::MESSAGE.identifier:
      return dbc::BatteryState{
          .battery_temperature = {static_cast<int16_t>(vary(250, 50)), static_cast<int16_t>(vary(250, 50)),
                                  static_cast<int16_t>(vary(250, 50)), static_cast<int16_t>(vary(250, 50))},
          .battery_stored_energy = static_cast<uint16_t>(vary(600, 300))}
          .pack();
    case dbc::Counters::MESSAGE.identifier:
      return dbc::put(group, 0, 4) | dbc::put(vary(4'000'000, 3'000'000), 4, 30) |
             dbc::put(vary(4'000'000, 3'000'000), 34, 30);
    case dbc::Contactor::MESSAGE.identifier:
      return dbc::Contactor{.contactor_position = dbc::ContactorPosition::OPEN, .sequence = 3}.pack();
    case dbc::GatewayBus::MESSAGE.identifier:
      return dbc::GatewayBus{.cluster_frequency = static_cast<int16_t>(vary(0, 200)),
                             .swarm_frequency = static_cast<int16_t>(vary(0, 200)),
                             .phase_difference = static_cast<int16_t>(vary(0, 1700)),
                             .power_flow = vary(0, 4000)}
          .pack();
    case dbc::GatewayState::MESSAGE.identifier:
      return dbc::GatewayState{.cluster_voltage = 2301,
                               .swarm_voltage = 2312,
                               .cluster_power = vary(3000, 2000),
                               .houses_online = 4,
                               .can_bus_load = 110}
          .pack();
    default:
      return std::nullopt;
  }
}

// --- Cluster ---

Cluster::Cluster(uint32_t seed) : dice_(seed) { running = this; }
Cluster::~Cluster() { running = nullptr; }

SimulatedNode &Cluster::add(const NodeOptions &options) {
  this->nodes_.push_back(std::make_unique<SimulatedNode>(*this, options));
  this->controllers_.push_back(&this->nodes_.back()->controller);
  return *this->nodes_.back();
}

Controller &Cluster::add_stranger() {
  this->strangers_.push_back(std::make_unique<Controller>(*this));
  this->controllers_.push_back(this->strangers_.back().get());
  return *this->strangers_.back();
}

void Cluster::add_usual() {
  this->add({.role = Role::GATEWAY, .number = 0, .ppm = 8, .network = true});
  this->add({.number = 1, .ppm = -20});
  this->add({.number = 2, .ppm = 13});
  this->add({.number = 3, .ppm = 20});
  this->add({.number = 4, .ppm = -5});
}

SimulatedNode &Cluster::node(uint8_t number) {
  return **std::ranges::find_if(this->nodes_,
                                [=](const auto &node) { return node->options.number == number; });
}

std::vector<SimulatedNode *> Cluster::nodes() {
  std::vector<SimulatedNode *> all;
  for (auto &node : this->nodes_)
    if (node->on()) all.push_back(node.get());
  return all;
}

void Cluster::run_for(int64_t ns) {
  const int64_t end_ns = this->now_ns_ + ns;
  while (true) {
    for (Controller *controller : this->controllers_) this->segments_[controller->segment];
    for (auto &[number, segment] : this->segments_) {
      if (segment.free_ns > this->now_ns_) continue;
      this->end_frame(number, segment);
      this->begin_frame(number, segment);
    }
    for (auto &node : this->nodes_)
      if (node->on() && node->wake_ns_ <= this->now_ns_ && node->stalled_until_ns <= this->now_ns_)
        node->step();
    const int64_t next_ns = this->next_event_ns();
    if (next_ns > end_ns) break;
    this->now_ns_ = std::max(next_ns, this->now_ns_ + 1);
  }
  this->now_ns_ = end_ns;
}

int64_t Cluster::next_event_ns() {
  int64_t next_ns = INT64_MAX;
  for (const auto &node : this->nodes_)
    if (node->on()) next_ns = std::min(next_ns, std::max(node->wake_ns_, node->stalled_until_ns));
  for (auto &[number, segment] : this->segments_) {
    bool wanted = segment.sender != nullptr;
    for (Controller *controller : this->controllers_)
      wanted = wanted || (controller->segment == number && controller->on_bus() && controller->has_frame());
    if (wanted) next_ns = std::min(next_ns, std::max(segment.free_ns, this->now_ns_ + 1));
  }
  return next_ns;
}

void Cluster::begin_frame(int number, Segment &segment) {
  Controller *winner = nullptr;
  bool collided = false;
  for (Controller *controller : this->controllers_) {
    if (controller->segment != number || !controller->on_bus() || !controller->has_frame()) continue;
    const uint32_t identifier = controller->mailbox_->frame.identifier;
    if (winner == nullptr || identifier < winner->mailbox_->frame.identifier) {
      winner = controller;
      collided = false;
    } else if (identifier == winner->mailbox_->frame.identifier) {
      collided = true;
    }
  }
  if (winner == nullptr) return;
  segment.sender = winner;
  segment.collided = collided;
  const uint32_t bits =
      collided || winner->damaged_driver ? ERROR_FRAME_BITS : frame_bits(winner->mailbox_->frame);
  segment.free_ns = this->now_ns_ + bits * (S / this->bit_rate);
}

void Cluster::fail(Controller &controller) {
  ControllerStatus &status = controller.status_;
  status.bus_errors++;
  if (status.transmit_errors > 255 - 8) {
    status.state = ControllerState::BUS_OFF;
    status.bus_offs++;
    controller.queue_.clear();
    controller.mailbox_.reset();
    return;
  }
  status.transmit_errors = static_cast<uint8_t>(status.transmit_errors + 8);
  if (status.transmit_errors >= PASSIVE_FROM) status.state = ControllerState::PASSIVE;
}

void Cluster::end_frame(int number, Segment &segment) {
  Controller *sender = segment.sender;
  segment.sender = nullptr;
  // Who was taken off the cable, or off the supply, while it sent.
  if (sender == nullptr || !sender->on_bus() || sender->segment != number || !sender->mailbox_) return;
  if (segment.collided || sender->damaged_driver) {
    const uint32_t identifier = sender->mailbox_->frame.identifier;
    for (Controller *controller : this->controllers_) {
      const bool same = controller->segment == number && controller->mailbox_ &&
                        controller->mailbox_->frame.identifier == identifier;
      if (controller == sender || (segment.collided && same)) this->fail(*controller);
    }
    return;
  }
  const auto &all = this->controllers_;
  const bool acknowledged = std::ranges::any_of(
      all, [&](Controller *other) { return other != sender && other->segment == number && other->on_bus(); });
  if (!acknowledged) {
    ControllerStatus &status = sender->status_;
    status.bus_errors++;
    // Who is passive and alone counts no further.
    status.transmit_errors =
        std::min<uint8_t>(static_cast<uint8_t>(status.transmit_errors + 8), PASSIVE_FROM);
    if (status.transmit_errors >= PASSIVE_FROM) status.state = ControllerState::PASSIVE;
    segment.free_ns = this->now_ns_ + UNACKNOWLEDGED_PAUSE_NS;
    return;
  }
  this->deliver(*sender, number);
}

void Cluster::deliver(Controller &sender, int number) {
  const Outgoing outgoing = *sender.mailbox_;
  sender.mailbox_.reset();
  ControllerStatus &status = sender.status_;
  if (status.transmit_errors > 0) status.transmit_errors--;
  if (status.state == ControllerState::PASSIVE && status.transmit_errors < PASSIVE_FROM)
    status.state = ControllerState::ACTIVE;
  this->wire_.push_back({this->now_ns_, number, outgoing.frame});
  const auto interrupt_ns = [&] { return static_cast<int64_t>(this->uniform(5'000, 40'000)); };
  if (outgoing.stamp && (sender.untimed <= 0 || this->uniform(0, 1) >= sender.untimed)) {
    sender.stamp_ = sender.oscillator.mono_us(this->now_ns_ + interrupt_ns());
    this->wake(sender, this->now_ns_ + 40'000);
  }
  for (Controller *receiver : this->controllers_) {
    if (receiver == &sender || receiver->segment != number || !receiver->on_bus()) continue;
    if (this->loss > 0 && this->uniform(0, 1) < this->loss) continue;
    int64_t arrival_ns = this->now_ns_ + interrupt_ns();
    if (this->longest_delay_ns > 0)
      arrival_ns += static_cast<int64_t>(this->uniform(0, static_cast<double>(this->longest_delay_ns)));
    if (!receiver->received_.empty()) arrival_ns = std::max(arrival_ns, receiver->received_.back().time_ns);
    CanFrame frame = outgoing.frame;
    frame.mono_us = receiver->oscillator.mono_us(arrival_ns);
    receiver->received_.push_back({arrival_ns, frame});
    this->wake(*receiver, arrival_ns);
  }
}

void Cluster::wake(Controller &controller, int64_t time_ns) {
  for (auto &node : this->nodes_) {
    if (&node->controller != &controller) continue;
    const auto latency_ns =
        static_cast<int64_t>(this->uniform(1, static_cast<double>(this->longest_latency_ns)));
    node->wake_ns_ = std::min(node->wake_ns_, time_ns + latency_ns);
  }
}

std::vector<OnWire> Cluster::frames(uint32_t type, int64_t from_ns) const {
  std::vector<OnWire> found;
  for (const OnWire &seen : this->wire_)
    if (seen.time_ns >= from_ns && (seen.frame.identifier & ~dbc::NODE_MASK) == type) found.push_back(seen);
  return found;
}

std::vector<uint8_t> Cluster::masters(int64_t from_ns) const {
  std::set<uint8_t> found;
  for (const OnWire &seen : this->frames(dbc::Sync::MESSAGE.identifier, from_ns))
    found.insert(dbc::node_of(seen.frame.identifier));
  return {found.begin(), found.end()};
}

double Cluster::load(int64_t from_ns, int segment) const {
  int64_t bits = 0;
  for (const OnWire &seen : this->wire_)
    if (seen.time_ns >= from_ns && seen.segment == segment) bits += frame_bits(seen.frame);
  return static_cast<double>(bits) * static_cast<double>(S) / this->bit_rate /
         static_cast<double>(this->now_ns_ - from_ns);
}

}  // namespace microgrid_test

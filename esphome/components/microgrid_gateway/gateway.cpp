#include "gateway.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace esphome::microgrid {

namespace {

using M = GatewayMetric;

constexpr std::string_view COMMAND_NAME = "contactor_command";
constexpr std::string_view COUNTERS_NAME = "gateway_counters";
constexpr std::string_view CLOSED = "closed";
constexpr std::string_view CLOSING_NOT_STORED = "the command could not be stored";
constexpr std::string_view OPENING_NOT_STORED =
    "it opens, but the command could not be stored: after a restart it may close again";
constexpr std::array SET_CONTACTOR{CommandParameter{.name = CLOSED, .type = CommandParameter::Type::BOOLEAN}};

constexpr uint32_t SUM_UP_EVERY_BEATS = 10;
constexpr uint32_t SHOW_BUS_EVERY_BEATS = 100;

/// What a sample is to the node; the values of events, in this order.
struct Quantity {
  M metric;
  float GatewaySample::*member;
};
constexpr std::array<Quantity, 6> QUANTITIES = {{
    {M::CLUSTER_FREQUENCY, &GatewaySample::cluster_frequency_hz},
    {M::SWARM_FREQUENCY, &GatewaySample::swarm_frequency_hz},
    {M::CLUSTER_VOLTAGE, &GatewaySample::cluster_voltage_v},
    {M::SWARM_VOLTAGE, &GatewaySample::swarm_voltage_v},
    {M::PHASE_DIFFERENCE, &GatewaySample::phase_difference_deg},
    {M::POWER_FLOW, &GatewaySample::power_flow_w},
}};
static_assert(QUANTITIES.size() <= NodeEvent::MAX_VALUES);

struct EventRow {
  ContactorEvent event;
  EventType type;
  EventState state;
  Severity severity;
  std::string_view code;
};
constexpr std::array<EventRow, 10> EVENTS = {{
    {ContactorEvent::SYNC_STARTED, EventType::SYNC, EventState::MOMENT, Severity::INFO, "SYNC_STARTED"},
    {ContactorEvent::SYNC_REACHED, EventType::SYNC, EventState::MOMENT, Severity::INFO, "SYNC_REACHED"},
    {ContactorEvent::SYNC_FAILED, EventType::SYNC, EventState::MOMENT, Severity::WARNING, "SYNC_FAILED"},
    {ContactorEvent::CONTACTOR_CLOSED, EventType::CONTACTOR, EventState::MOMENT, Severity::INFO,
     "CONTACTOR_CLOSED"},
    {ContactorEvent::CONTACTOR_OPENED, EventType::CONTACTOR, EventState::MOMENT, Severity::INFO,
     "CONTACTOR_OPENED"},
    {ContactorEvent::TRIPPED, EventType::CONTACTOR, EventState::MOMENT, Severity::WARNING,
     "CONTACTOR_OPENED"},
    {ContactorEvent::SYNC_FAULT_RAISED, EventType::FAULT, EventState::RAISED, Severity::WARNING, "F040"},
    {ContactorEvent::SYNC_FAULT_CLEARED, EventType::FAULT, EventState::CLEARED, Severity::WARNING, "F040"},
    {ContactorEvent::CONTACTOR_FAULT_RAISED, EventType::FAULT, EventState::RAISED, Severity::CRITICAL,
     "F041"},
    {ContactorEvent::CONTACTOR_FAULT_CLEARED, EventType::FAULT, EventState::CLEARED, Severity::CRITICAL,
     "F041"},
}};
constexpr bool events_are_in_order() {
  for (size_t i = 0; i < EVENTS.size(); i++) {
    if (static_cast<size_t>(EVENTS[i].event) != i) return false;
  }
  return true;
}
static_assert(events_are_in_order());

}  // namespace

Gateway::Gateway(Node &node, BusNode &bus, LogStore &log, const HouseDirectory &directory,
                 const SynchroniserSettings &settings)
    : node_(node),
      readings_(node.readings),
      bus_(bus),
      log_(log),
      directory_(directory),
      synchroniser_(settings, *this, *this),
      summaries_(this->cluster_, directory, node.identity, node.clock, *this) {}

// ------------------------------------------------------------------------------------------------- main loop

void Gateway::set_house_name(uint8_t number, std::string_view name) {
  if (number < this->names_.size()) this->names_[number] = name;
}

void Gateway::start(Storage &storage) {
  this->storage_ = &storage;
  std::array<uint8_t, 1> command{};
  if (storage.load(COMMAND_NAME, command)) this->commanded_.store(command[0] == 1, std::memory_order_relaxed);
  std::array<uint8_t, sizeof(Kept)> bytes{};
  if (storage.load(COUNTERS_NAME, bytes)) std::memcpy(&this->kept_, bytes.data(), bytes.size());
  this->closings_before_ = this->kept_.closings;
  this->energy_.restore(this->kept_.exported_wh, this->kept_.imported_wh);
  this->published_.store(this->kept_);
  this->node_.add({.name = "set_contactor", .parameters = SET_CONTACTOR, .handler = this});
  this->capture_.start();
  this->node_.desk.add(*this);
  this->bus_.add(*this);
  this->bus_.set_cyclic_source(this);
}

CommandOutcome Gateway::run(std::span<const CommandValue> parameters) {
  for (const CommandValue &value : parameters) {
    if (value.name != CLOSED) continue;
    const bool closed = value.number != 0;
    // Opening is obeyed in any case, and first. Who opens to work on the wires has to know when a restart
    // would close again; what is closed has to be known after a restart.
    if (!closed) this->commanded_.store(false, std::memory_order_relaxed);
    const std::array<uint8_t, 1> command{static_cast<uint8_t>(closed ? 1 : 0)};
    const bool kept = this->storage_ != nullptr && this->storage_->save_now(COMMAND_NAME, command);
    if (!kept) return {.succeeded = false, .reason = closed ? CLOSING_NOT_STORED : OPENING_NOT_STORED};
    this->commanded_.store(closed, std::memory_order_relaxed);
    return {.succeeded = true};
  }
  return {.succeeded = false, .reason = "closed is missing"};
}

void Gateway::keep_counters(uint64_t now_us, bool at_once) {
  if (this->storage_ == nullptr) return;
  const Kept now = this->published_.load();
  const bool moved = now.closings != this->kept_.closings;
  if (now == this->kept_ || (!moved && !at_once && now_us - this->kept_us_ < KEEP_ENERGY_EVERY_US)) return;
  std::array<uint8_t, sizeof(Kept)> bytes{};
  std::memcpy(bytes.data(), &now, bytes.size());
  this->kept_us_ = now_us;
  this->kept_ = now;  // also when it fails: flash is not written in a hurry
  this->storage_->save(COUNTERS_NAME, bytes);
}

std::string_view Gateway::name_of(uint8_t number) const {
  if (!this->names_[number].empty()) return this->names_[number];
  return this->asked_.name.empty() ? this->asked_.node.view() : this->asked_.name.view();
}

bool Gateway::house(uint8_t number, HouseView &view) {
  if (number == dbc::GATEWAY_NODE || number > Cluster::HOUSES) return false;
  this->asked_ = this->directory_.house(number);
  const uint32_t boot_id = this->cluster_.boot_id(number);
  if (this->asked_.node.empty() || boot_id == 0) return false;
  view = {.node = this->asked_.node.view(),
          .name = this->name_of(number),
          .firmware = this->asked_.firmware.view(),
          .boot_id = boot_id,
          .present = this->cluster_.present(number),
          .card_failed = this->cluster_.card_failed(number),
          .readings = &this->cluster_.readings(number),
          .commands = this->node_.command(CaptureCommand::NAME)};  // all of the bus record together
  const uint32_t faults = this->cluster_.faults(number);
  for (size_t i = 0; i < FAULTS.size(); i++) {
    if ((faults & 1U << i) != 0) view.faults.set(FAULTS[i].code, true);
  }
  return true;
}

// -------------------------------------------------------------------------------------------------- bus task

void Gateway::tick(uint64_t mono_us, uint8_t /*sequence*/) {
  const GatewaySample sample = this->input_ != nullptr ? this->input_->sample(mono_us) : GatewaySample{};
  this->show(sample);
  this->synchroniser_.command(this->commanded_.load(std::memory_order_relaxed));
  this->synchroniser_.step(sample, mono_us);
  this->show_contactor();
  this->tell_contactor(mono_us);
  const auto flow = this->get(M::POWER_FLOW);
  this->energy_.add(flow ? std::optional{int64_t{*flow} * EnergyIntegral::UNITS_PER_W} : std::nullopt,
                    mono_us);
  if (this->beats_ % SUM_UP_EVERY_BEATS == 0) this->sum_up(mono_us);
  if (this->beats_ % SHOW_BUS_EVERY_BEATS == 0) this->show_bus();
  this->beats_++;
  this->record(mono_us);
  this->summaries_.tick(mono_us);
}

void Gateway::show(const GatewaySample &sample) {
  for (const Quantity &quantity : QUANTITIES)
    this->set(quantity.metric, static_cast<double>(sample.*quantity.member));
}

void Gateway::show_contactor() {
  const auto closed = this->synchroniser_.closed();
  this->readings_.set(static_cast<size_t>(M::CONTACTOR_CLOSED),
                      closed ? (*closed ? 1 : 0) : Readings::UNKNOWN);
  this->readings_.set(static_cast<size_t>(M::CONTACTOR_COMMANDED), this->synchroniser_.commanded() ? 1 : 0);
  this->set(M::CONTACTOR_CYCLES, this->closings_before_ + this->synchroniser_.closings());
}

/// At once when it is told something else or has moved; otherwise it goes out with the cyclic messages.
void Gateway::tell_contactor(uint64_t mono_us) {
  if (!this->synchroniser_.decided()) return;
  const dbc::Contactor status = this->synchroniser_.status();
  const bool changed = !this->told_ || this->told_->contactor_command != status.contactor_command ||
                       this->told_->contactor_position != status.contactor_position;
  this->told_ = status;
  if (!changed) return;
  CanFrame frame{.identifier = dbc::Contactor::MESSAGE.identifier,
                 .mono_us = mono_us,
                 .length = dbc::Contactor::MESSAGE.length,
                 .data = {}};
  dbc::store(status.pack(), frame.data.data(), frame.length);
  this->bus_.send(frame);
}

void Gateway::sum_up(uint64_t mono_us) {
  this->cluster_.step(mono_us);
  const ClusterTotals totals = this->cluster_.totals();
  this->set(M::CLUSTER_POWER, totals.power_w);
  this->set(M::CLUSTER_LOAD_POWER, totals.load_power_w);
  this->set(M::CLUSTER_SOLAR_POWER, totals.solar_power_w);
  this->set(M::CLUSTER_STATE_OF_CHARGE, totals.state_of_charge);
  this->set(M::CLUSTER_HEALTH, totals.health);
  this->set(M::HOUSES_ONLINE, totals.houses_online);

  const Kept now{.closings = this->closings_before_ + this->synchroniser_.closings(),
                 .exported_wh = this->energy_.positive_wh(),
                 .imported_wh = this->energy_.negative_wh()};
  this->set(M::ENERGY_EXPORTED, now.exported_wh);
  this->set(M::ENERGY_IMPORTED, now.imported_wh);
  this->published_.store(now);
}

void Gateway::show_bus() {
  const BusStatistics bus = this->bus_.statistics();
  this->readings_.set(static_cast<size_t>(M::CAN_BUS_LOAD), bus.load_permille);
  this->set(M::CAN_FRAMES_RECEIVED, bus.frames_received);
  this->set(M::CAN_ERRORS, bus.controller.bus_errors);
  this->set(M::CAN_BUS_OFF, bus.controller.bus_offs);
  const LogHealth log = this->log_.health();
  const bool card = log.card == CardState::OK || log.card == CardState::FAILING;
  this->readings_.set(static_cast<size_t>(M::CARD_FREE), card ? log.free_permille : Readings::UNKNOWN);
}

void Gateway::record(uint64_t mono_us) {
  this->recorded_.record(this->readings_, this->log_.log(), mono_us);
  this->captured_.record(this->readings_, this->log_.capture(), mono_us);
}

void Gateway::frame(const CanFrame &frame) {
  this->log_.record(frame);
  this->cluster_.frame(frame);
}

void Gateway::drive(bool closed) {
  if (this->output_ != nullptr) this->output_->drive(closed);
}

void Gateway::contactor_event(ContactorEvent what, const GatewaySample &sample, uint64_t mono_us) {
  const EventRow &row = EVENTS[static_cast<size_t>(what)];
  NodeEvent event{};
  event.type = row.type;
  event.state = row.state;
  event.severity = row.severity;
  event.code = EventCode{row.code};
  event.mono_us = mono_us;
  for (const Quantity &quantity : QUANTITIES) {
    const MetricRow &metric = GATEWAY_METRICS[static_cast<size_t>(quantity.metric)];
    const double integer = std::round(static_cast<double>(sample.*quantity.member) / step_of(metric));
    if (metric.channel != 0 && std::abs(integer) < 1e9)
      event.add(metric.channel, static_cast<int32_t>(integer) - metric.offset);
  }
  this->node_.desk.raise(event);
}

void Gateway::happened(const NodeEvent &event) { this->faults_.happened(event); }

void Gateway::fault(const HeardFault &fault) {
  this->cluster_.fault(fault);
  if (fault.state == EventState::RAISED)
    this->faults_.heard(fault.key, fault.fault_code, fault.mono_us, fault.utc_us);
}

void Gateway::peer_changed(uint8_t node, const Peer &peer) {
  this->cluster_.peer_changed(node, peer);
  if (peer.ever) this->faults_.named(node, peer.heartbeat.boot_id);
}

std::optional<uint64_t> Gateway::content(uint16_t type, uint8_t /*group*/) {
  // Right after a restart a contactor may be closed that shall stay so: it is not told to open before that is
  // clear.
  if (type == dbc::Contactor::MESSAGE.identifier && !this->synchroniser_.decided()) return std::nullopt;
  return pack_gateway_message(type, this->readings_, this->synchroniser_.status());
}

}  // namespace esphome::microgrid

// Which message brings which metric is not said twice: house_messages is asked once, with messages that know
// nothing.
#include "cluster.h"

#include <algorithm>
#include <cmath>

#include "esphome/components/microgrid_core/fault_catalogue.h"

namespace esphome::microgrid {

namespace {

using M = HouseMetric;

constexpr std::array<dbc::Message, 10> MESSAGES = {
    dbc::Heartbeat::MESSAGE,     dbc::Frequency::MESSAGE, dbc::Inverter::MESSAGE, dbc::Battery::MESSAGE,
    dbc::HouseState::MESSAGE,    dbc::Mppt::MESSAGE,      dbc::Cells::MESSAGE,    dbc::BatteryState::MESSAGE,
    dbc::InverterState::MESSAGE, dbc::Counters::MESSAGE,
};
constexpr uint32_t CYCLES_OF_PATIENCE = 3;
constexpr uint32_t LEAST_PATIENCE_MS = 100;

// A fault that was raised is in the next InverterState, a second later at most.
constexpr uint64_t STATE_KNOWS_US = 3'000'000;
// Where stored energy over state of charge is too coarse to tell the capacity.
constexpr double CAPACITY_FROM_PERCENT = 20;

static_assert(FAULTS.size() <= 32);

uint32_t bit_of(uint16_t fault_code) {
  const FaultRow *row = find_fault(fault_code);
  return row == nullptr ? 0 : 1U << static_cast<uint32_t>(row - FAULTS.data());
}

/// What InverterState can tell: everything but the bus.
constexpr uint32_t told_by_state() {
  uint32_t bits = 0;
  for (size_t i = 0; i < FAULTS.size(); i++) {
    if (FAULTS[i].category != FaultCategory::COMMUNICATION) bits |= 1U << i;
  }
  return bits;
}

uint8_t group_in(const CanFrame &frame) {
  const uint64_t word = dbc::load(frame.data.data(), frame.length);
  switch (frame.identifier & dbc::MESSAGE_MASK) {
    case dbc::Cells::MESSAGE.identifier: {
      dbc::Cells message;
      message.unpack(word);
      return message.cell_group;
    }
    case dbc::Counters::MESSAGE.identifier: {
      dbc::Counters message;
      message.unpack(word);
      return message.counter_group;
    }
    default:
      return 0;
  }
}

void add(double &sum, double value) {
  if (!std::isnan(value)) sum = std::isnan(sum) ? value : sum + value;
}

}  // namespace

Cluster::Cluster() { this->learn_sources(); }

void Cluster::learn_sources() {
  std::array<Readings::Cell, HOUSE_METRICS.size()> cells;
  Readings probe{HOUSE_METRICS, cells};
  const HouseStatus nothing{};
  this->source_of_metric_.fill(NO_SOURCE);
  for (const dbc::Message &message : MESSAGES) {
    const uint8_t groups = std::max<uint8_t>(house_message_groups(message.identifier), 1);
    for (uint8_t group = 0; group < groups && this->source_count_ < MAX_SOURCES; group++) {
      probe.clear();
      const uint64_t word =
          pack_house_message(message.identifier, group, probe, nothing).value_or(dbc::Heartbeat{}.pack());
      CanFrame frame{.identifier = message.identifier, .mono_us = 0, .length = message.length, .data = {}};
      dbc::store(word, frame.data.data(), frame.length);
      constexpr int32_t UNTOUCHED = 12345;
      for (size_t metric = 0; metric < probe.size(); metric++) probe.set(metric, UNTOUCHED);
      HouseStatus status{};
      unpack_house_message(frame, probe, status);
      for (size_t metric = 0; metric < probe.size(); metric++) {
        if (probe.get(metric) != UNTOUCHED)
          this->source_of_metric_[metric] = static_cast<uint8_t>(this->source_count_);
      }
      this->sources_[this->source_count_++] = {
          .type = message.identifier,
          .group = group,
          .patience_ms = std::max(CYCLES_OF_PATIENCE * message.cycle_ms * groups, LEAST_PATIENCE_MS)};
    }
  }
}

size_t Cluster::source_of(const CanFrame &frame) const {
  const auto type = static_cast<uint16_t>(frame.identifier & dbc::MESSAGE_MASK);
  const uint8_t group = group_in(frame);
  size_t source = 0;
  while (source < this->source_count_ &&
         (this->sources_[source].type != type || this->sources_[source].group != group))
    source++;
  return source;
}

void Cluster::frame(const CanFrame &frame) {
  const uint8_t node = dbc::node_of(frame.identifier);
  if (node == dbc::GATEWAY_NODE || node > HOUSES || frame.length > frame.data.size()) return;
  House &house = this->houses_[node - 1U];
  if (!unpack_house_message(frame, house.readings, house.status)) return;
  const size_t source = this->source_of(frame);
  if (source == this->source_count_) return;
  house.heard_ms[source] = static_cast<uint32_t>(frame.mono_us / 1000);
  house.fresh |= 1U << source;
  this->now_us_ = std::max(this->now_us_, frame.mono_us);
  if (this->sources_[source].type == dbc::Heartbeat::MESSAGE.identifier) watch_card(house, frame.mono_us);
  if (this->sources_[source].type != dbc::InverterState::MESSAGE.identifier) return;
  // Frames of a fault can be lost, all three of them: the state comes again and again.
  if (house.status.fault_code == 0 && frame.mono_us > house.raised_us + STATE_KNOWS_US)
    house.heard_faults &= ~told_by_state();
  publish_faults(house, true);
}

void Cluster::publish_faults(House &house, bool state_known) {
  const uint32_t state = state_known ? bit_of(house.status.fault_code) : 0;
  house.faults.store(house.heard_faults | state, std::memory_order_relaxed);
}

/// What a house's log says of its card stays on that card: the Heartbeat is all that comes at once.
void Cluster::watch_card(House &house, uint64_t mono_us) {
  const bool bad = house.status.card_state == dbc::CardState::MISSING ||
                   house.status.card_state == dbc::CardState::FAILING;
  if (!bad) {
    house.card_bad_since_us = 0;
  } else if (house.card_bad_since_us == 0) {
    house.card_bad_since_us = mono_us;
  }
  house.card_failed.store(bad && mono_us >= house.card_bad_since_us + CARD_PATIENCE_US,
                          std::memory_order_relaxed);
}

void Cluster::fault(const HeardFault &fault) {
  if (fault.fault_code == NO_FAULT || fault.key.node == dbc::GATEWAY_NODE || fault.key.node > HOUSES) return;
  House &house = this->houses_[fault.key.node - 1U];
  const uint32_t bit = bit_of(fault.fault_code);
  if (fault.state == EventState::RAISED) {
    house.heard_faults |= bit;
    house.raised_us = std::max(house.raised_us, fault.mono_us);
  } else if (fault.state == EventState::CLEARED) {
    house.heard_faults &= ~bit;
    if (bit_of(house.status.fault_code) == bit)
      house.status.fault_code = 0;  // until the next state says otherwise
  }
  publish_faults(house, true);
}

void Cluster::peer_changed(uint8_t node, const Peer &peer) {
  if (node == dbc::GATEWAY_NODE || node > HOUSES) return;
  House &house = this->houses_[node - 1U];
  const uint32_t boot_id = peer.heartbeat.boot_id;
  if (peer.ever && boot_id != house.boot_id.load(std::memory_order_relaxed)) {
    house.boot_id.store(boot_id, std::memory_order_relaxed);
    house.heard_faults = 0;  // those of the start before
    house.status.fault_code = 0;
    publish_faults(house, true);
  }
  house.present.store(peer.present, std::memory_order_relaxed);
}

void Cluster::step(uint64_t mono_us) {
  this->now_us_ = mono_us;
  const auto now_ms = static_cast<uint32_t>(mono_us / 1000);
  for (House &house : this->houses_) {
    for (size_t source = 0; source < this->source_count_; source++) {
      const uint32_t bit = 1U << source;
      // Signed: a frame may be stamped after the beat that is being worked off.
      const auto age_ms = static_cast<int32_t>(now_ms - house.heard_ms[source]);
      if ((house.fresh & bit) == 0 || age_ms <= static_cast<int32_t>(this->sources_[source].patience_ms))
        continue;
      house.fresh &= ~bit;
      for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++) {
        if (this->source_of_metric_[metric] == source) house.readings.forget(metric);
      }
      if (this->sources_[source].type == dbc::InverterState::MESSAGE.identifier) publish_faults(house, false);
    }
  }
}

/// Of one house, in %; energy and capacity are NaN while they are not known.
double Cluster::state_of_charge(House &house, double &stored_wh, double &capacity_wh) {
  const double percent = house.readings.value(static_cast<size_t>(M::STATE_OF_CHARGE));
  stored_wh = house.readings.value(static_cast<size_t>(M::BATTERY_STORED_ENERGY));
  if (percent >= CAPACITY_FROM_PERCENT && stored_wh > 0)
    house.capacity_wh = static_cast<float>(stored_wh / percent * 100);
  capacity_wh = house.capacity_wh > 0 ? static_cast<double>(house.capacity_wh) : NAN;
  return percent;
}

ClusterTotals Cluster::totals() {
  ClusterTotals totals{.power_w = NAN,
                       .load_power_w = NAN,
                       .solar_power_w = NAN,
                       .state_of_charge = NAN,
                       .health = NAN,
                       .houses_online = 0};
  double charge_sum = 0;
  double weighted = 0;
  double capacity = 0;
  uint8_t charges = 0;
  for (House &house : this->houses_) {
    if (!house.present.load(std::memory_order_relaxed)) continue;
    const auto value = [&](M metric) { return house.readings.value(static_cast<size_t>(metric)); };
    totals.houses_online++;
    add(totals.power_w, value(M::INVERTER_POWER));
    add(totals.load_power_w, value(M::LOAD_POWER));
    add(totals.solar_power_w, value(M::MPPT_INPUT_VOLTAGE) * value(M::MPPT_INPUT_CURRENT));
    const double health = value(M::HEALTH);
    if (!std::isnan(health) && !(health >= totals.health)) totals.health = health;
    double stored_wh = NAN;
    double capacity_wh = NAN;
    const double percent = state_of_charge(house, stored_wh, capacity_wh);
    if (std::isnan(percent)) continue;
    charges++;
    charge_sum += percent;
    weighted += percent * capacity_wh;
    capacity += capacity_wh;
  }
  // One house whose capacity is not known makes these NaN.
  if (charges > 0) totals.state_of_charge = capacity > 0 ? weighted / capacity : charge_sum / charges;
  return totals;
}

}  // namespace esphome::microgrid

// Which signal is which metric stands here once, for both directions: a visitor packs or unpacks what it is
// shown.
//
// Signals and readings are integers of (mostly) the same step, so nothing is computed with fractions.
#include "house_messages.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

using M = HouseMetric;

M nth(M first, size_t i) { return static_cast<M>(static_cast<size_t>(first) + i); }

template <typename V>
void visit(dbc::Frequency &message, HouseStatus &status, V &&visitor) {
  visitor.metric(message.inverter_frequency, message.INVERTER_FREQUENCY, M::INVERTER_FREQUENCY);
  visitor.plain(message.sequence, status.sequence);
  visitor.known(message.bus_live, M::INVERTER_FREQUENCY);
}
template <typename V>
void visit(dbc::Inverter &message, HouseStatus &status, V &&visitor) {
  visitor.metric(message.inverter_voltage, message.INVERTER_VOLTAGE, M::INVERTER_VOLTAGE);
  visitor.metric(message.inverter_current, message.INVERTER_CURRENT, M::INVERTER_CURRENT);
  visitor.metric(message.inverter_power, message.INVERTER_POWER, M::INVERTER_POWER);
  visitor.plain(message.inverter_on, status.inverter_on);
}
template <typename V>
void visit(dbc::Battery &message, HouseStatus &status, V &&visitor) {
  visitor.metric(message.dc_bus_voltage, message.DC_BUS_VOLTAGE, M::DC_BUS_VOLTAGE);
  visitor.metric(message.battery_current, message.BATTERY_CURRENT, M::BATTERY_CURRENT);
  visitor.plain(message.battery_connected, status.battery_connected);
}
template <typename V>
void visit(dbc::HouseState &message, HouseStatus &, V &&visitor) {
  visitor.metric(message.state_of_charge, message.STATE_OF_CHARGE, M::STATE_OF_CHARGE);
  visitor.metric(message.battery_state_of_health, message.BATTERY_STATE_OF_HEALTH,
                 M::BATTERY_STATE_OF_HEALTH);
  visitor.metric(message.health, message.HEALTH, M::HEALTH);
  visitor.metric(message.battery_voltage, message.BATTERY_VOLTAGE, M::BATTERY_VOLTAGE);
  visitor.metric(message.load_power, message.LOAD_POWER, M::LOAD_POWER);
  visitor.flag(message.battery_charging, M::BATTERY_CHARGING);
  visitor.flag(message.battery_balancing, M::BATTERY_BALANCING);
}
template <typename V>
void visit(dbc::InverterState &message, HouseStatus &status, V &&visitor) {
  for (size_t i = 0; i < message.mosfet_temperature.size(); i++)
    visitor.metric(message.mosfet_temperature[i], message.MOSFET_TEMPERATURE,
                   nth(M::MOSFET_TEMPERATURE_1, i));
  visitor.plain(message.inverter_mode, status.inverter_mode);
  visitor.plain(message.fault_code, status.fault_code);
}
template <typename V>
void visit(dbc::Mppt &message, HouseStatus &status, V &&visitor) {
  visitor.metric(message.mppt_input_voltage, message.MPPT_INPUT_VOLTAGE, M::MPPT_INPUT_VOLTAGE);
  visitor.metric(message.mppt_input_current, message.MPPT_INPUT_CURRENT, M::MPPT_INPUT_CURRENT);
  visitor.metric(message.mppt_output_voltage, message.MPPT_OUTPUT_VOLTAGE, M::MPPT_OUTPUT_VOLTAGE);
  visitor.metric(message.mppt_output_current, message.MPPT_OUTPUT_CURRENT, M::MPPT_OUTPUT_CURRENT);
  visitor.plain(message.mppt_state, status.mppt_state);
}

constexpr size_t CELLS_IN_GROUP = 4;

/// Only the cells of the message's group.
template <typename V>
void visit(dbc::Cells &message, HouseStatus &, V &&visitor) {
  for (size_t i = CELLS_IN_GROUP * message.cell_group; i < CELLS_IN_GROUP * (message.cell_group + 1U); i++)
    visitor.metric(message.cell_voltage[i], message.CELL_VOLTAGE, nth(M::CELL_VOLTAGE_1, i));
}
template <typename V>
void visit(dbc::BatteryState &message, HouseStatus &, V &&visitor) {
  for (size_t i = 0; i < message.battery_temperature.size(); i++)
    visitor.metric(message.battery_temperature[i], message.BATTERY_TEMPERATURE,
                   nth(M::BATTERY_TEMPERATURE_1, i));
  visitor.metric(message.battery_stored_energy, message.BATTERY_STORED_ENERGY, M::BATTERY_STORED_ENERGY);
}
template <typename V>
void visit(dbc::Counters &message, HouseStatus &, V &&visitor) {
  switch (message.counter_group) {
    case 0:
      visitor.metric(message.battery_energy_charged, message.BATTERY_ENERGY_CHARGED,
                     M::BATTERY_ENERGY_CHARGED);
      visitor.metric(message.battery_energy_discharged, message.BATTERY_ENERGY_DISCHARGED,
                     M::BATTERY_ENERGY_DISCHARGED);
      break;
    case 1:
      visitor.metric(message.load_energy, message.LOAD_ENERGY, M::LOAD_ENERGY);
      visitor.metric(message.mppt_energy, message.MPPT_ENERGY, M::MPPT_ENERGY);
      break;
    case 2:
      visitor.metric(message.energy_exported, message.ENERGY_EXPORTED, M::ENERGY_EXPORTED);
      visitor.metric(message.energy_imported, message.ENERGY_IMPORTED, M::ENERGY_IMPORTED);
      break;
    case 3:
      visitor.metric(message.can_frames_received, message.CAN_FRAMES_RECEIVED, M::CAN_FRAMES_RECEIVED);
      visitor.metric(message.can_errors, message.CAN_ERRORS, M::CAN_ERRORS);
      break;
    case 4:
      visitor.metric(message.uptime, message.UPTIME, M::UPTIME);
      visitor.metric(message.restarts, message.RESTARTS, M::RESTARTS);
      break;
    default:
      visitor.metric(message.card_errors, message.CARD_ERRORS, M::CARD_ERRORS);
      visitor.metric(message.card_free, message.CARD_FREE, M::CARD_FREE);
      visitor.metric(message.battery_cycles, message.BATTERY_CYCLES, M::BATTERY_CYCLES);
  }
}

/// Steps of a metric in one of its units.
int64_t steps_per_unit(M metric) {
  int64_t steps = 1;
  for (int exponent = HOUSE_METRICS[static_cast<size_t>(metric)].exponent; exponent < 0; exponent++)
    steps *= 10;
  return steps;
}

constexpr int64_t divide_rounded(int64_t dividend, int64_t divisor) {
  return (dividend + (dividend < 0 ? -divisor : divisor) / 2) / divisor;
}

struct Packer {
  const Readings &readings;

  template <typename T>
  void metric(T &raw, const dbc::Scale<T> &scale, M metric) const {
    const auto integer = this->readings.get(static_cast<size_t>(metric));
    if (!integer) {
      raw = scale.unavailable;
      return;
    }
    const int64_t steps = steps_per_unit(metric);
    const int64_t value =
        divide_rounded((*integer - scale.offset * steps) * scale.denominator, scale.numerator * steps);
    raw = static_cast<T>(
        std::clamp(value, static_cast<int64_t>(scale.minimum), static_cast<int64_t>(scale.maximum)));
  }
  void flag(bool &raw, M metric) const {
    raw = this->readings.get(static_cast<size_t>(metric)).value_or(0) != 0;
  }
  void known(bool &raw, M metric) const { raw = this->readings.get(static_cast<size_t>(metric)).has_value(); }
  template <typename T>
  void plain(T &raw, T &value) const {
    raw = value;
  }
};

struct Unpacker {
  Readings &readings;

  template <typename T>
  void metric(T &raw, const dbc::Scale<T> &scale, M metric) const {
    if (raw == scale.unavailable) {
      this->readings.forget(static_cast<size_t>(metric));
      return;
    }
    const int64_t steps = steps_per_unit(metric);
    const int64_t integer =
        divide_rounded(static_cast<int64_t>(raw) * scale.numerator * steps, scale.denominator) +
        scale.offset * steps;
    this->readings.set(static_cast<size_t>(metric), static_cast<int32_t>(integer));
  }
  void flag(bool &raw, M metric) const { this->readings.set(static_cast<size_t>(metric), raw ? 1 : 0); }
  /// The metric itself says it.
  void known(bool &, M) const {}
  template <typename T>
  void plain(T &raw, T &value) const {
    value = raw;
  }
};

uint8_t *group_of(dbc::Cells &message) { return &message.cell_group; }
uint8_t *group_of(dbc::Counters &message) { return &message.counter_group; }
template <typename T>
uint8_t *group_of(T &) {
  return nullptr;
}

constexpr uint8_t CELL_GROUPS = 4;
constexpr uint8_t COUNTER_GROUPS = 6;

constexpr uint8_t groups(const dbc::Cells &) { return CELL_GROUPS; }
constexpr uint8_t groups(const dbc::Counters &) { return COUNTER_GROUPS; }
template <typename T>
constexpr uint8_t groups(const T &) {
  return 1;
}

/// action(message) with an empty message of the type; false when a house sends none like it.
template <typename F>
bool with_house_message(uint16_t type, F &&action) {
  const auto run = [&]<typename T>(T message) { return action(message); };
  switch (type) {
    case dbc::Frequency::MESSAGE.identifier:
      return run(dbc::Frequency{});
    case dbc::Inverter::MESSAGE.identifier:
      return run(dbc::Inverter{});
    case dbc::Battery::MESSAGE.identifier:
      return run(dbc::Battery{});
    case dbc::HouseState::MESSAGE.identifier:
      return run(dbc::HouseState{});
    case dbc::InverterState::MESSAGE.identifier:
      return run(dbc::InverterState{});
    case dbc::Mppt::MESSAGE.identifier:
      return run(dbc::Mppt{});
    case dbc::Cells::MESSAGE.identifier:
      return run(dbc::Cells{});
    case dbc::BatteryState::MESSAGE.identifier:
      return run(dbc::BatteryState{});
    case dbc::Counters::MESSAGE.identifier:
      return run(dbc::Counters{});
    default:
      return false;
  }
}

/// Clock and card of a house, which its bus node sends.
void take_heartbeat(uint64_t word, Readings &readings, HouseStatus &status) {
  dbc::Heartbeat heartbeat;
  heartbeat.unpack(word);
  Unpacker{readings}.metric(heartbeat.clock_error, heartbeat.CLOCK_ERROR, M::CLOCK_ERROR);
  constexpr uint16_t LARGEST_VALID_ERROR = 1000;  // 10 ms
  const bool valid = heartbeat.clock_state != dbc::ClockState::UNSYNCHRONISED &&
                     heartbeat.clock_error <= LARGEST_VALID_ERROR;
  readings.set(static_cast<size_t>(M::CLOCK_VALID), valid ? 1 : 0);
  status.card_state = heartbeat.card_state;
}

}  // namespace

uint8_t house_message_groups(uint16_t type) {
  uint8_t count = 0;
  with_house_message(type, [&](const auto &message) {
    count = groups(message);
    return true;
  });
  return count;
}

std::optional<uint64_t> pack_house_message(uint16_t type, uint8_t group, const Readings &readings,
                                           const HouseStatus &status) {
  uint64_t word = 0;
  const bool found = with_house_message(type, [&](auto &message) {
    if (group >= groups(message)) return false;
    if (uint8_t *number = group_of(message); number != nullptr) *number = group;
    HouseStatus copy = status;
    visit(message, copy, Packer{readings});
    word = message.pack();
    return true;
  });
  return found ? std::optional{word} : std::nullopt;
}

bool unpack_house_message(const CanFrame &frame, Readings &readings, HouseStatus &status) {
  if ((frame.identifier & ~(dbc::MESSAGE_MASK | dbc::NODE_MASK)) != 0) return false;
  const auto type = static_cast<uint16_t>(frame.identifier & dbc::MESSAGE_MASK);
  const uint64_t word = dbc::load(frame.data.data(), std::min<size_t>(frame.length, frame.data.size()));
  if (type == dbc::Heartbeat::MESSAGE.identifier && frame.length >= dbc::Heartbeat::MESSAGE.length) {
    take_heartbeat(word, readings, status);
    return true;
  }
  return with_house_message(type, [&](auto &message) {
    if (frame.length < message.MESSAGE.length) return false;
    message.unpack(word);
    if (const uint8_t *number = group_of(message); number != nullptr && *number >= groups(message))
      return false;
    visit(message, status, Unpacker{readings});
    return true;
  });
}

}  // namespace esphome::microgrid

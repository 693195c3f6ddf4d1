// The messages of the CAN bus; generated from contract/microgrid.dbc by `script/generate can`.
// Members are the integers on the wire, in the unit of their remark; the constants convert them.
#pragma once

#include <array>
#include <cstdint>

#include "dbc_signal.h"

namespace esphome::microgrid::dbc {

enum class Rank : uint8_t { UNSYNCHRONISED = 0, RTC = 1, HOLDOVER = 2, NETWORK = 3, GNSS = 4 };
enum class ClockState : uint8_t { UNSYNCHRONISED = 0, SYNCHRONISED = 1, HOLDOVER = 2 };
enum class EventState : uint8_t { MOMENT = 0, RAISED = 1, CLEARED = 2 };
enum class Severity : uint8_t { INFO = 0, WARNING = 1, CRITICAL = 2 };
enum class MasterRole : uint8_t { CLAIM = 0, MASTER = 1, RESIGN = 2 };
enum class ClockSource : uint8_t { NONE = 0, RTC = 1, CAN = 2, NETWORK = 3, GNSS = 4 };
enum class ContactorCommand : uint8_t { OPEN = 0, CLOSE = 1 };
enum class ContactorPosition : uint8_t { OPEN = 0, CLOSED = 1, MOVING = 2, NOT_AVAILABLE = 3 };
enum class Synchronisation : uint8_t { IDLE = 0, WAITING = 1, IN_WINDOW = 2, CLOSING = 3, FAILED = 4 };
enum class NodeKind : uint8_t { GATEWAY = 0, HOUSE = 1 };
enum class CardState : uint8_t { OK = 0, MISSING = 1, FAILING = 2, NOT_AVAILABLE = 3 };
enum class BusState : uint8_t { ACTIVE = 0, PASSIVE = 1, RECOVERED = 2 };
enum class InverterMode : uint8_t { OFF = 0, STARTING = 1, RUNNING = 2, TRIPPED = 3, NOT_AVAILABLE = 7 };
enum class MpptState : uint8_t {
  OFF = 0,
  TRACKING = 1,
  LIMITING = 2,
  FLOAT = 3,
  FAULT = 4,
  NOT_AVAILABLE = 7
};
enum class Pci : uint8_t { SINGLE = 0, FIRST = 1, CONSECUTIVE = 2, FLOW = 3 };
enum class FlowStatus : uint8_t { CONTINUE = 0, WAIT = 1, TOO_LONG = 2 };

/// Beat of the elected master, on each full 10 ms of its clock; all houses sample at it. Sent every 10 ms.
struct Sync final {
  static constexpr const char *NAME = "Sync";
  static constexpr Message MESSAGE{0x000, 3, 10};

  uint16_t sequence{};  // Units of 10 ms of the master's clock, modulo 65536
  Rank rank{};          // How good the master's clock is; decides elections
  ClockState clock_state{};

  constexpr uint64_t pack() const {
    return put(this->sequence, 0, 16) | put(this->rank, 16, 4) | put(this->clock_state, 20, 2);
  }
  constexpr void unpack(uint64_t word) {
    this->sequence = get<uint16_t>(word, 0, 16);
    this->rank = get<Rank>(word, 16, 4);
    this->clock_state = get<ClockState>(word, 20, 2);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("sequence", this->sequence);
    visitor("rank", this->rank);
    visitor("clock_state", this->clock_state);
  }
};

/// Time at which the Sync with this sequence was on the bus. Sent every 1000 ms.
struct FollowUp final {
  static constexpr const char *NAME = "FollowUp";
  static constexpr Message MESSAGE{0x010, 8, 1000};
  static constexpr Scale<uint64_t> UTC{1, 1, 0, 0ULL, 72057594037927935ULL, false, 0ULL};

  uint8_t sequence{};  // Low byte of the sequence of the Sync
  uint64_t utc{};      // 1 µs; Since 1970-01-01 UTC; 0 while the master does not know

  constexpr uint64_t pack() const { return put(this->sequence, 0, 8) | put(this->utc, 8, 56); }
  constexpr void unpack(uint64_t word) {
    this->sequence = get<uint8_t>(word, 0, 8);
    this->utc = get<uint64_t>(word, 8, 56);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("sequence", this->sequence);
    visitor("utc", this->utc, UTC);
  }
};

/// Something tripped or cleared; who hears it pins 10 s before and after the time of a raised fault. Sent on
/// demand.
struct Fault final {
  static constexpr const char *NAME = "Fault";
  static constexpr Message MESSAGE{0x020, 8, 0};
  static constexpr Scale<uint32_t> EVENT_TIME{10, 1, 0, 0, 536870911, false, 0};

  uint16_t fault_code{};  // The number behind the F of the code, see faults.yaml; 0: nothing is wrong, a
                          // recording was asked for
  EventState event_state{};
  Severity severity{};
  bool time_valid{};  // 0: the node's clock is off by more than 10 ms; use the time of arrival
  uint32_t
      event_number{};     // Of the event since the node's start; with node and boot id it makes the event id
  uint32_t event_time{};  // 10 µs; UTC of the trip in units of 10 µs, modulo 2^29 (89 min)

  constexpr uint64_t pack() const {
    return put(this->fault_code, 0, 10) | put(this->event_state, 10, 2) | put(this->severity, 12, 2) |
           put(this->time_valid, 14, 1) | put(this->event_number, 15, 20) | put(this->event_time, 35, 29);
  }
  constexpr void unpack(uint64_t word) {
    this->fault_code = get<uint16_t>(word, 0, 10);
    this->event_state = get<EventState>(word, 10, 2);
    this->severity = get<Severity>(word, 12, 2);
    this->time_valid = get<bool>(word, 14, 1);
    this->event_number = get<uint32_t>(word, 15, 20);
    this->event_time = get<uint32_t>(word, 35, 29);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("fault_code", this->fault_code);
    visitor("event_state", this->event_state);
    visitor("severity", this->severity);
    visitor("time_valid", this->time_valid);
    visitor("event_number", this->event_number);
    visitor("event_time", this->event_time, EVENT_TIME);
  }
};

/// Election of the master, and its heartbeat. Sent every 1000 ms.
struct Master final {
  static constexpr const char *NAME = "Master";
  static constexpr Message MESSAGE{0x100, 4, 1000};
  static constexpr Scale<uint16_t> CLOCK_ERROR{1, 100, 0, 0, 65534, true, 65535};

  MasterRole master_role{};
  ClockState clock_state{};
  Rank rank{};
  ClockSource clock_source{};
  uint16_t clock_error{65535};  // 0.01 ms; Estimated error of the node's clock

  constexpr uint64_t pack() const {
    return put(this->master_role, 0, 2) | put(this->clock_state, 2, 2) | put(this->rank, 4, 4) |
           put(this->clock_source, 8, 3) | put(this->clock_error, 16, 16);
  }
  constexpr void unpack(uint64_t word) {
    this->master_role = get<MasterRole>(word, 0, 2);
    this->clock_state = get<ClockState>(word, 2, 2);
    this->rank = get<Rank>(word, 4, 4);
    this->clock_source = get<ClockSource>(word, 8, 3);
    this->clock_error = get<uint16_t>(word, 16, 16);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("master_role", this->master_role);
    visitor("clock_state", this->clock_state);
    visitor("rank", this->rank);
    visitor("clock_source", this->clock_source);
    visitor("clock_error", this->clock_error, CLOCK_ERROR);
  }
};

/// What the contactor to the swarm shall do and does; at once on a change. Sent every 100 ms.
struct Contactor final {
  static constexpr const char *NAME = "Contactor";
  static constexpr Message MESSAGE{0x110, 2, 100};

  ContactorCommand contactor_command{};
  ContactorPosition contactor_position{ContactorPosition::NOT_AVAILABLE};  // By the auxiliary contact
  Synchronisation synchronisation{};
  uint8_t sequence{};  // Rises by one with each new command

  constexpr uint64_t pack() const {
    return put(this->contactor_command, 0, 2) | put(this->contactor_position, 2, 2) |
           put(this->synchronisation, 4, 3) | put(this->sequence, 8, 8);
  }
  constexpr void unpack(uint64_t word) {
    this->contactor_command = get<ContactorCommand>(word, 0, 2);
    this->contactor_position = get<ContactorPosition>(word, 2, 2);
    this->synchronisation = get<Synchronisation>(word, 4, 3);
    this->sequence = get<uint8_t>(word, 8, 8);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("contactor_command", this->contactor_command);
    visitor("contactor_position", this->contactor_position);
    visitor("synchronisation", this->synchronisation);
    visitor("sequence", this->sequence);
  }
};

/// Frequency at the inverter's output, sampled at the Sync. Sent every 10 ms.
struct Frequency final {
  static constexpr const char *NAME = "Frequency";
  static constexpr Message MESSAGE{0x200, 4, 10};
  static constexpr Scale<int16_t> INVERTER_FREQUENCY{1, 1000, 50, -32767, 32767, true, -32768};

  int16_t inverter_frequency{-32768};  // 0.001 Hz, from 50 Hz
  uint8_t sequence{};                  // Low byte of the sequence of the Sync at which it was sampled
  bool bus_live{};                     // 0: there is no voltage to count

  constexpr uint64_t pack() const {
    return put(this->inverter_frequency, 0, 16) | put(this->sequence, 16, 8) | put(this->bus_live, 24, 1);
  }
  constexpr void unpack(uint64_t word) {
    this->inverter_frequency = get<int16_t>(word, 0, 16);
    this->sequence = get<uint8_t>(word, 16, 8);
    this->bus_live = get<bool>(word, 24, 1);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("inverter_frequency", this->inverter_frequency, INVERTER_FREQUENCY);
    visitor("sequence", this->sequence);
    visitor("bus_live", this->bus_live);
  }
};

/// AC side of the inverter. Sent every 100 ms.
struct Inverter final {
  static constexpr const char *NAME = "Inverter";
  static constexpr Message MESSAGE{0x300, 6, 100};
  static constexpr Scale<uint16_t> INVERTER_VOLTAGE{1, 10, 0, 0, 4094, true, 4095};
  static constexpr Scale<int32_t> INVERTER_CURRENT{1, 100, 0, -65535, 65535, true, -65536};
  static constexpr Scale<int32_t> INVERTER_POWER{1, 1, 0, -131071, 131071, true, -131072};

  uint16_t inverter_voltage{4095};   // 0.1 V
  int32_t inverter_current{-65536};  // 0.01 A
  int32_t inverter_power{-131072};   // 1 W; Positive while feeding the house or the cluster
  bool inverter_on{};

  constexpr uint64_t pack() const {
    return put(this->inverter_voltage, 0, 12) | put(this->inverter_current, 12, 17) |
           put(this->inverter_power, 29, 18) | put(this->inverter_on, 47, 1);
  }
  constexpr void unpack(uint64_t word) {
    this->inverter_voltage = get<uint16_t>(word, 0, 12);
    this->inverter_current = get<int32_t>(word, 12, 17);
    this->inverter_power = get<int32_t>(word, 29, 18);
    this->inverter_on = get<bool>(word, 47, 1);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("inverter_voltage", this->inverter_voltage, INVERTER_VOLTAGE);
    visitor("inverter_current", this->inverter_current, INVERTER_CURRENT);
    visitor("inverter_power", this->inverter_power, INVERTER_POWER);
    visitor("inverter_on", this->inverter_on);
  }
};

/// DC side of the inverter. Sent every 100 ms.
struct Battery final {
  static constexpr const char *NAME = "Battery";
  static constexpr Message MESSAGE{0x310, 4, 100};
  static constexpr Scale<uint16_t> DC_BUS_VOLTAGE{1, 100, 0, 0, 16382, true, 16383};
  static constexpr Scale<int32_t> BATTERY_CURRENT{1, 100, 0, -65535, 65535, true, -65536};

  uint16_t dc_bus_voltage{16383};   // 0.01 V
  int32_t battery_current{-65536};  // 0.01 A; Positive while discharging
  bool battery_connected{};         // The switch of the battery management is closed

  constexpr uint64_t pack() const {
    return put(this->dc_bus_voltage, 0, 14) | put(this->battery_current, 14, 17) |
           put(this->battery_connected, 31, 1);
  }
  constexpr void unpack(uint64_t word) {
    this->dc_bus_voltage = get<uint16_t>(word, 0, 14);
    this->battery_current = get<int32_t>(word, 14, 17);
    this->battery_connected = get<bool>(word, 31, 1);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("dc_bus_voltage", this->dc_bus_voltage, DC_BUS_VOLTAGE);
    visitor("battery_current", this->battery_current, BATTERY_CURRENT);
    visitor("battery_connected", this->battery_connected);
  }
};

/// Both sides of the contactor to the swarm. Sent every 100 ms.
struct GatewayBus final {
  static constexpr const char *NAME = "GatewayBus";
  static constexpr Message MESSAGE{0x320, 8, 100};
  static constexpr Scale<int16_t> CLUSTER_FREQUENCY{1, 1000, 50, -32767, 32767, true, -32768};
  static constexpr Scale<int16_t> SWARM_FREQUENCY{1, 1000, 50, -32767, 32767, true, -32768};
  static constexpr Scale<int16_t> PHASE_DIFFERENCE{1, 10, 0, -1800, 1800, true, -2048};
  static constexpr Scale<int32_t> POWER_FLOW{1, 1, 0, -131071, 131071, true, -131072};

  int16_t cluster_frequency{-32768};  // 0.001 Hz, from 50 Hz
  int16_t swarm_frequency{-32768};    // 0.001 Hz, from 50 Hz
  int16_t phase_difference{-2048};    // 0.1 °; Cluster minus swarm
  int32_t power_flow{-131072};        // 1 W; Positive while the cluster feeds the swarm

  constexpr uint64_t pack() const {
    return put(this->cluster_frequency, 0, 16) | put(this->swarm_frequency, 16, 16) |
           put(this->phase_difference, 32, 12) | put(this->power_flow, 44, 18);
  }
  constexpr void unpack(uint64_t word) {
    this->cluster_frequency = get<int16_t>(word, 0, 16);
    this->swarm_frequency = get<int16_t>(word, 16, 16);
    this->phase_difference = get<int16_t>(word, 32, 12);
    this->power_flow = get<int32_t>(word, 44, 18);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("cluster_frequency", this->cluster_frequency, CLUSTER_FREQUENCY);
    visitor("swarm_frequency", this->swarm_frequency, SWARM_FREQUENCY);
    visitor("phase_difference", this->phase_difference, PHASE_DIFFERENCE);
    visitor("power_flow", this->power_flow, POWER_FLOW);
  }
};

/// A node is alive: its start, its clock, its memory card, its view of the bus. Sent every 1000 ms.
struct Heartbeat final {
  static constexpr const char *NAME = "Heartbeat";
  static constexpr Message MESSAGE{0x400, 8, 1000};
  static constexpr Scale<uint16_t> CLOCK_ERROR{1, 100, 0, 0, 65534, true, 65535};

  uint32_t boot_id{};  // Random, new at every start; the one of the log
  uint8_t protocol{};  // Version of this contract: 1
  NodeKind node_kind{};
  ClockState clock_state{};
  uint16_t clock_error{65535};  // 0.01 ms
  CardState card_state{CardState::NOT_AVAILABLE};
  BusState bus_state{};

  constexpr uint64_t pack() const {
    return put(this->boot_id, 0, 32) | put(this->protocol, 32, 4) | put(this->node_kind, 36, 2) |
           put(this->clock_state, 38, 2) | put(this->clock_error, 40, 16) | put(this->card_state, 56, 2) |
           put(this->bus_state, 58, 2);
  }
  constexpr void unpack(uint64_t word) {
    this->boot_id = get<uint32_t>(word, 0, 32);
    this->protocol = get<uint8_t>(word, 32, 4);
    this->node_kind = get<NodeKind>(word, 36, 2);
    this->clock_state = get<ClockState>(word, 38, 2);
    this->clock_error = get<uint16_t>(word, 40, 16);
    this->card_state = get<CardState>(word, 56, 2);
    this->bus_state = get<BusState>(word, 58, 2);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("boot_id", this->boot_id);
    visitor("protocol", this->protocol);
    visitor("node_kind", this->node_kind);
    visitor("clock_state", this->clock_state);
    visitor("clock_error", this->clock_error, CLOCK_ERROR);
    visitor("card_state", this->card_state);
    visitor("bus_state", this->bus_state);
  }
};

/// State of the battery and the house. Sent every 1000 ms.
struct HouseState final {
  static constexpr const char *NAME = "HouseState";
  static constexpr Message MESSAGE{0x410, 8, 1000};
  static constexpr Scale<uint16_t> STATE_OF_CHARGE{1, 10, 0, 0, 1000, true, 1023};
  static constexpr Scale<uint16_t> BATTERY_STATE_OF_HEALTH{1, 10, 0, 0, 1000, true, 1023};
  static constexpr Scale<uint8_t> HEALTH{1, 1, 0, 0, 100, true, 127};
  static constexpr Scale<uint16_t> BATTERY_VOLTAGE{1, 100, 0, 0, 16382, true, 16383};
  static constexpr Scale<int32_t> LOAD_POWER{1, 1, 0, -131071, 131071, true, -131072};

  uint16_t state_of_charge{1023};          // 0.1 %
  uint16_t battery_state_of_health{1023};  // 0.1 %
  uint8_t health{127};                     // 1 %
  uint16_t battery_voltage{16383};         // 0.01 V
  int32_t load_power{-131072};             // 1 W
  bool battery_charging{};
  bool battery_balancing{};

  constexpr uint64_t pack() const {
    return put(this->state_of_charge, 0, 10) | put(this->battery_state_of_health, 10, 10) |
           put(this->health, 20, 7) | put(this->battery_voltage, 27, 14) | put(this->load_power, 41, 18) |
           put(this->battery_charging, 59, 1) | put(this->battery_balancing, 60, 1);
  }
  constexpr void unpack(uint64_t word) {
    this->state_of_charge = get<uint16_t>(word, 0, 10);
    this->battery_state_of_health = get<uint16_t>(word, 10, 10);
    this->health = get<uint8_t>(word, 20, 7);
    this->battery_voltage = get<uint16_t>(word, 27, 14);
    this->load_power = get<int32_t>(word, 41, 18);
    this->battery_charging = get<bool>(word, 59, 1);
    this->battery_balancing = get<bool>(word, 60, 1);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("state_of_charge", this->state_of_charge, STATE_OF_CHARGE);
    visitor("battery_state_of_health", this->battery_state_of_health, BATTERY_STATE_OF_HEALTH);
    visitor("health", this->health, HEALTH);
    visitor("battery_voltage", this->battery_voltage, BATTERY_VOLTAGE);
    visitor("load_power", this->load_power, LOAD_POWER);
    visitor("battery_charging", this->battery_charging);
    visitor("battery_balancing", this->battery_balancing);
  }
};

/// State of the inverter. Sent every 1000 ms.
struct InverterState final {
  static constexpr const char *NAME = "InverterState";
  static constexpr Message MESSAGE{0x420, 5, 1000};
  static constexpr Scale<int16_t> MOSFET_TEMPERATURE{1, 10, 0, -2047, 2047, true, -2048};

  std::array<int16_t, 2> mosfet_temperature{-2048, -2048};  // 0.1 °C
  InverterMode inverter_mode{InverterMode::NOT_AVAILABLE};
  uint16_t fault_code{};  // The code that tripped or warns, 0 = none

  constexpr uint64_t pack() const {
    return put(this->mosfet_temperature[0], 0, 12) | put(this->mosfet_temperature[1], 12, 12) |
           put(this->inverter_mode, 24, 3) | put(this->fault_code, 27, 10);
  }
  constexpr void unpack(uint64_t word) {
    this->mosfet_temperature[0] = get<int16_t>(word, 0, 12);
    this->mosfet_temperature[1] = get<int16_t>(word, 12, 12);
    this->inverter_mode = get<InverterMode>(word, 24, 3);
    this->fault_code = get<uint16_t>(word, 27, 10);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("mosfet_temperature_1", this->mosfet_temperature[0], MOSFET_TEMPERATURE);
    visitor("mosfet_temperature_2", this->mosfet_temperature[1], MOSFET_TEMPERATURE);
    visitor("inverter_mode", this->inverter_mode);
    visitor("fault_code", this->fault_code);
  }
};

/// Both sides of the solar charger. Sent every 1000 ms.
struct Mppt final {
  static constexpr const char *NAME = "Mppt";
  static constexpr Message MESSAGE{0x430, 8, 1000};
  static constexpr Scale<uint16_t> MPPT_INPUT_VOLTAGE{1, 10, 0, 0, 8190, true, 8191};
  static constexpr Scale<int32_t> MPPT_INPUT_CURRENT{1, 100, 0, -65535, 65535, true, -65536};
  static constexpr Scale<uint16_t> MPPT_OUTPUT_VOLTAGE{1, 100, 0, 0, 16382, true, 16383};
  static constexpr Scale<int32_t> MPPT_OUTPUT_CURRENT{1, 100, 0, -65535, 65535, true, -65536};

  uint16_t mppt_input_voltage{8191};    // 0.1 V
  int32_t mppt_input_current{-65536};   // 0.01 A
  uint16_t mppt_output_voltage{16383};  // 0.01 V
  int32_t mppt_output_current{-65536};  // 0.01 A
  MpptState mppt_state{MpptState::NOT_AVAILABLE};

  constexpr uint64_t pack() const {
    return put(this->mppt_input_voltage, 0, 13) | put(this->mppt_input_current, 13, 17) |
           put(this->mppt_output_voltage, 30, 14) | put(this->mppt_output_current, 44, 17) |
           put(this->mppt_state, 61, 3);
  }
  constexpr void unpack(uint64_t word) {
    this->mppt_input_voltage = get<uint16_t>(word, 0, 13);
    this->mppt_input_current = get<int32_t>(word, 13, 17);
    this->mppt_output_voltage = get<uint16_t>(word, 30, 14);
    this->mppt_output_current = get<int32_t>(word, 44, 17);
    this->mppt_state = get<MpptState>(word, 61, 3);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("mppt_input_voltage", this->mppt_input_voltage, MPPT_INPUT_VOLTAGE);
    visitor("mppt_input_current", this->mppt_input_current, MPPT_INPUT_CURRENT);
    visitor("mppt_output_voltage", this->mppt_output_voltage, MPPT_OUTPUT_VOLTAGE);
    visitor("mppt_output_current", this->mppt_output_current, MPPT_OUTPUT_CURRENT);
    visitor("mppt_state", this->mppt_state);
  }
};

/// What the gateway knows of the cluster. Sent every 1000 ms.
struct GatewayState final {
  static constexpr const char *NAME = "GatewayState";
  static constexpr Message MESSAGE{0x440, 7, 1000};
  static constexpr Scale<uint16_t> CLUSTER_VOLTAGE{1, 10, 0, 0, 4094, true, 4095};
  static constexpr Scale<uint16_t> SWARM_VOLTAGE{1, 10, 0, 0, 4094, true, 4095};
  static constexpr Scale<int32_t> CLUSTER_POWER{1, 1, 0, -131071, 131071, true, -131072};
  static constexpr Scale<uint16_t> CAN_BUS_LOAD{1, 10, 0, 0, 1000, true, 1023};

  uint16_t cluster_voltage{4095};  // 0.1 V
  uint16_t swarm_voltage{4095};    // 0.1 V
  int32_t cluster_power{-131072};  // 1 W
  uint8_t houses_online{};
  uint16_t can_bus_load{1023};  // 0.1 %

  constexpr uint64_t pack() const {
    return put(this->cluster_voltage, 0, 12) | put(this->swarm_voltage, 12, 12) |
           put(this->cluster_power, 24, 18) | put(this->houses_online, 42, 4) |
           put(this->can_bus_load, 46, 10);
  }
  constexpr void unpack(uint64_t word) {
    this->cluster_voltage = get<uint16_t>(word, 0, 12);
    this->swarm_voltage = get<uint16_t>(word, 12, 12);
    this->cluster_power = get<int32_t>(word, 24, 18);
    this->houses_online = get<uint8_t>(word, 42, 4);
    this->can_bus_load = get<uint16_t>(word, 46, 10);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("cluster_voltage", this->cluster_voltage, CLUSTER_VOLTAGE);
    visitor("swarm_voltage", this->swarm_voltage, SWARM_VOLTAGE);
    visitor("cluster_power", this->cluster_power, CLUSTER_POWER);
    visitor("houses_online", this->houses_online);
    visitor("can_bus_load", this->can_bus_load, CAN_BUS_LOAD);
  }
};

/// Four of sixteen cell voltages; the groups in turn, each cell once a second. Sent every 250 ms.
struct Cells final {
  static constexpr const char *NAME = "Cells";
  static constexpr Message MESSAGE{0x500, 7, 250};
  static constexpr Scale<uint16_t> CELL_VOLTAGE{1, 1000, 0, 0, 8190, true, 8191};

  uint8_t cell_group{};
  std::array<uint16_t, 16> cell_voltage{8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191,
                                        8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191};  // 0.001 V

  /// The group that `cell_group` names.
  constexpr uint64_t pack() const {
    const uint64_t word = put(this->cell_group, 0, 2);
    switch (static_cast<unsigned>(this->cell_group)) {
      case 0:
        return word | put(this->cell_voltage[0], 2, 13) | put(this->cell_voltage[1], 15, 13) |
               put(this->cell_voltage[2], 28, 13) | put(this->cell_voltage[3], 41, 13);
      case 1:
        return word | put(this->cell_voltage[4], 2, 13) | put(this->cell_voltage[5], 15, 13) |
               put(this->cell_voltage[6], 28, 13) | put(this->cell_voltage[7], 41, 13);
      case 2:
        return word | put(this->cell_voltage[8], 2, 13) | put(this->cell_voltage[9], 15, 13) |
               put(this->cell_voltage[10], 28, 13) | put(this->cell_voltage[11], 41, 13);
      case 3:
        return word | put(this->cell_voltage[12], 2, 13) | put(this->cell_voltage[13], 15, 13) |
               put(this->cell_voltage[14], 28, 13) | put(this->cell_voltage[15], 41, 13);
      default:
        return word;
    }
  }
  /// Only the members of the frame's group change.
  constexpr void unpack(uint64_t word) {
    this->cell_group = get<uint8_t>(word, 0, 2);
    switch (static_cast<unsigned>(this->cell_group)) {
      case 0:
        this->cell_voltage[0] = get<uint16_t>(word, 2, 13);
        this->cell_voltage[1] = get<uint16_t>(word, 15, 13);
        this->cell_voltage[2] = get<uint16_t>(word, 28, 13);
        this->cell_voltage[3] = get<uint16_t>(word, 41, 13);
        break;
      case 1:
        this->cell_voltage[4] = get<uint16_t>(word, 2, 13);
        this->cell_voltage[5] = get<uint16_t>(word, 15, 13);
        this->cell_voltage[6] = get<uint16_t>(word, 28, 13);
        this->cell_voltage[7] = get<uint16_t>(word, 41, 13);
        break;
      case 2:
        this->cell_voltage[8] = get<uint16_t>(word, 2, 13);
        this->cell_voltage[9] = get<uint16_t>(word, 15, 13);
        this->cell_voltage[10] = get<uint16_t>(word, 28, 13);
        this->cell_voltage[11] = get<uint16_t>(word, 41, 13);
        break;
      case 3:
        this->cell_voltage[12] = get<uint16_t>(word, 2, 13);
        this->cell_voltage[13] = get<uint16_t>(word, 15, 13);
        this->cell_voltage[14] = get<uint16_t>(word, 28, 13);
        this->cell_voltage[15] = get<uint16_t>(word, 41, 13);
        break;
      default:
        break;
    }
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("cell_group", this->cell_group);
    if (static_cast<unsigned>(this->cell_group) == 0) {
      visitor("cell_voltage_1", this->cell_voltage[0], CELL_VOLTAGE);
      visitor("cell_voltage_2", this->cell_voltage[1], CELL_VOLTAGE);
      visitor("cell_voltage_3", this->cell_voltage[2], CELL_VOLTAGE);
      visitor("cell_voltage_4", this->cell_voltage[3], CELL_VOLTAGE);
    }
    if (static_cast<unsigned>(this->cell_group) == 1) {
      visitor("cell_voltage_5", this->cell_voltage[4], CELL_VOLTAGE);
      visitor("cell_voltage_6", this->cell_voltage[5], CELL_VOLTAGE);
      visitor("cell_voltage_7", this->cell_voltage[6], CELL_VOLTAGE);
      visitor("cell_voltage_8", this->cell_voltage[7], CELL_VOLTAGE);
    }
    if (static_cast<unsigned>(this->cell_group) == 2) {
      visitor("cell_voltage_9", this->cell_voltage[8], CELL_VOLTAGE);
      visitor("cell_voltage_10", this->cell_voltage[9], CELL_VOLTAGE);
      visitor("cell_voltage_11", this->cell_voltage[10], CELL_VOLTAGE);
      visitor("cell_voltage_12", this->cell_voltage[11], CELL_VOLTAGE);
    }
    if (static_cast<unsigned>(this->cell_group) == 3) {
      visitor("cell_voltage_13", this->cell_voltage[12], CELL_VOLTAGE);
      visitor("cell_voltage_14", this->cell_voltage[13], CELL_VOLTAGE);
      visitor("cell_voltage_15", this->cell_voltage[14], CELL_VOLTAGE);
      visitor("cell_voltage_16", this->cell_voltage[15], CELL_VOLTAGE);
    }
  }
};

/// Temperature probes of the battery, and the energy in it. Sent every 1000 ms.
struct BatteryState final {
  static constexpr const char *NAME = "BatteryState";
  static constexpr Message MESSAGE{0x510, 8, 1000};
  static constexpr Scale<int16_t> BATTERY_TEMPERATURE{1, 10, 0, -2047, 2047, true, -2048};
  static constexpr Scale<uint16_t> BATTERY_STORED_ENERGY{10, 1, 0, 0, 65534, true, 65535};

  std::array<int16_t, 4> battery_temperature{-2048, -2048, -2048, -2048};  // 0.1 °C
  uint16_t battery_stored_energy{65535};                                   // 10 Wh

  constexpr uint64_t pack() const {
    return put(this->battery_temperature[0], 0, 12) | put(this->battery_temperature[1], 12, 12) |
           put(this->battery_temperature[2], 24, 12) | put(this->battery_temperature[3], 36, 12) |
           put(this->battery_stored_energy, 48, 16);
  }
  constexpr void unpack(uint64_t word) {
    this->battery_temperature[0] = get<int16_t>(word, 0, 12);
    this->battery_temperature[1] = get<int16_t>(word, 12, 12);
    this->battery_temperature[2] = get<int16_t>(word, 24, 12);
    this->battery_temperature[3] = get<int16_t>(word, 36, 12);
    this->battery_stored_energy = get<uint16_t>(word, 48, 16);
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("battery_temperature_1", this->battery_temperature[0], BATTERY_TEMPERATURE);
    visitor("battery_temperature_2", this->battery_temperature[1], BATTERY_TEMPERATURE);
    visitor("battery_temperature_3", this->battery_temperature[2], BATTERY_TEMPERATURE);
    visitor("battery_temperature_4", this->battery_temperature[3], BATTERY_TEMPERATURE);
    visitor("battery_stored_energy", this->battery_stored_energy, BATTERY_STORED_ENERGY);
  }
};

/// Counters, the groups in turn, each once in six seconds. Sent every 1000 ms.
struct Counters final {
  static constexpr const char *NAME = "Counters";
  static constexpr Message MESSAGE{0x520, 8, 1000};
  static constexpr Scale<uint32_t> BATTERY_ENERGY_CHARGED{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> BATTERY_ENERGY_DISCHARGED{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> LOAD_ENERGY{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> MPPT_ENERGY{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> ENERGY_EXPORTED{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> ENERGY_IMPORTED{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> CAN_FRAMES_RECEIVED{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> CAN_ERRORS{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> UPTIME{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> RESTARTS{1, 1, 0, 0, 1073741822, true, 1073741823};
  static constexpr Scale<uint32_t> CARD_ERRORS{1, 1, 0, 0, 1048574, true, 1048575};
  static constexpr Scale<uint16_t> CARD_FREE{1, 10, 0, 0, 1000, true, 1023};
  static constexpr Scale<uint32_t> BATTERY_CYCLES{1, 10, 0, 0, 1048574, true, 1048575};

  uint8_t counter_group{};
  uint32_t battery_energy_charged{1073741823};     // 1 Wh
  uint32_t battery_energy_discharged{1073741823};  // 1 Wh
  uint32_t load_energy{1073741823};                // 1 Wh
  uint32_t mppt_energy{1073741823};                // 1 Wh
  uint32_t energy_exported{1073741823};            // 1 Wh
  uint32_t energy_imported{1073741823};            // 1 Wh
  uint32_t can_frames_received{1073741823};        // 1
  uint32_t can_errors{1073741823};                 // 1
  uint32_t uptime{1073741823};                     // 1 s
  uint32_t restarts{1073741823};                   // 1
  uint32_t card_errors{1048575};                   // 1
  uint16_t card_free{1023};                        // 0.1 %
  uint32_t battery_cycles{1048575};                // 0.1

  /// The group that `counter_group` names.
  constexpr uint64_t pack() const {
    const uint64_t word = put(this->counter_group, 0, 4);
    switch (static_cast<unsigned>(this->counter_group)) {
      case 0:
        return word | put(this->battery_energy_charged, 4, 30) | put(this->battery_energy_discharged, 34, 30);
      case 1:
        return word | put(this->load_energy, 4, 30) | put(this->mppt_energy, 34, 30);
      case 2:
        return word | put(this->energy_exported, 4, 30) | put(this->energy_imported, 34, 30);
      case 3:
        return word | put(this->can_frames_received, 4, 30) | put(this->can_errors, 34, 30);
      case 4:
        return word | put(this->uptime, 4, 30) | put(this->restarts, 34, 30);
      case 5:
        return word | put(this->card_errors, 4, 20) | put(this->card_free, 24, 10) |
               put(this->battery_cycles, 34, 20);
      default:
        return word;
    }
  }
  /// Only the members of the frame's group change.
  constexpr void unpack(uint64_t word) {
    this->counter_group = get<uint8_t>(word, 0, 4);
    switch (static_cast<unsigned>(this->counter_group)) {
      case 0:
        this->battery_energy_charged = get<uint32_t>(word, 4, 30);
        this->battery_energy_discharged = get<uint32_t>(word, 34, 30);
        break;
      case 1:
        this->load_energy = get<uint32_t>(word, 4, 30);
        this->mppt_energy = get<uint32_t>(word, 34, 30);
        break;
      case 2:
        this->energy_exported = get<uint32_t>(word, 4, 30);
        this->energy_imported = get<uint32_t>(word, 34, 30);
        break;
      case 3:
        this->can_frames_received = get<uint32_t>(word, 4, 30);
        this->can_errors = get<uint32_t>(word, 34, 30);
        break;
      case 4:
        this->uptime = get<uint32_t>(word, 4, 30);
        this->restarts = get<uint32_t>(word, 34, 30);
        break;
      case 5:
        this->card_errors = get<uint32_t>(word, 4, 20);
        this->card_free = get<uint16_t>(word, 24, 10);
        this->battery_cycles = get<uint32_t>(word, 34, 20);
        break;
      default:
        break;
    }
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("counter_group", this->counter_group);
    if (static_cast<unsigned>(this->counter_group) == 0) {
      visitor("battery_energy_charged", this->battery_energy_charged, BATTERY_ENERGY_CHARGED);
      visitor("battery_energy_discharged", this->battery_energy_discharged, BATTERY_ENERGY_DISCHARGED);
    }
    if (static_cast<unsigned>(this->counter_group) == 1) {
      visitor("load_energy", this->load_energy, LOAD_ENERGY);
      visitor("mppt_energy", this->mppt_energy, MPPT_ENERGY);
    }
    if (static_cast<unsigned>(this->counter_group) == 2) {
      visitor("energy_exported", this->energy_exported, ENERGY_EXPORTED);
      visitor("energy_imported", this->energy_imported, ENERGY_IMPORTED);
    }
    if (static_cast<unsigned>(this->counter_group) == 3) {
      visitor("can_frames_received", this->can_frames_received, CAN_FRAMES_RECEIVED);
      visitor("can_errors", this->can_errors, CAN_ERRORS);
    }
    if (static_cast<unsigned>(this->counter_group) == 4) {
      visitor("uptime", this->uptime, UPTIME);
      visitor("restarts", this->restarts, RESTARTS);
    }
    if (static_cast<unsigned>(this->counter_group) == 5) {
      visitor("card_errors", this->card_errors, CARD_ERRORS);
      visitor("card_free", this->card_free, CARD_FREE);
      visitor("battery_cycles", this->battery_cycles, BATTERY_CYCLES);
    }
  }
};

/// ISO-TP from the gateway to the house of this number: requests, and flow control of its answers. Sent on
/// demand.
struct BulkRequest final {
  static constexpr const char *NAME = "BulkRequest";
  static constexpr Message MESSAGE{0x600, 8, 0};

  Pci pci{};
  uint8_t single_length{};
  uint64_t single_data{};
  uint8_t first_length_high{};
  uint8_t first_length_low{};
  uint64_t first_data{};
  uint8_t consecutive_number{};
  uint64_t consecutive_data{};
  FlowStatus flow_status{};
  uint8_t flow_block_size{};
  uint8_t flow_separation{};  // ISO 15765-2 STmin: 0-127 ms, 241-249 hundreds of us

  /// The group that `pci` names.
  constexpr uint64_t pack() const {
    const uint64_t word = put(this->pci, 4, 4);
    switch (static_cast<unsigned>(this->pci)) {
      case 0:
        return word | put(this->single_length, 0, 4) | put(this->single_data, 8, 56);
      case 1:
        return word | put(this->first_length_high, 0, 4) | put(this->first_length_low, 8, 8) |
               put(this->first_data, 16, 48);
      case 2:
        return word | put(this->consecutive_number, 0, 4) | put(this->consecutive_data, 8, 56);
      case 3:
        return word | put(this->flow_status, 0, 4) | put(this->flow_block_size, 8, 8) |
               put(this->flow_separation, 16, 8);
      default:
        return word;
    }
  }
  /// Only the members of the frame's group change.
  constexpr void unpack(uint64_t word) {
    this->pci = get<Pci>(word, 4, 4);
    switch (static_cast<unsigned>(this->pci)) {
      case 0:
        this->single_length = get<uint8_t>(word, 0, 4);
        this->single_data = get<uint64_t>(word, 8, 56);
        break;
      case 1:
        this->first_length_high = get<uint8_t>(word, 0, 4);
        this->first_length_low = get<uint8_t>(word, 8, 8);
        this->first_data = get<uint64_t>(word, 16, 48);
        break;
      case 2:
        this->consecutive_number = get<uint8_t>(word, 0, 4);
        this->consecutive_data = get<uint64_t>(word, 8, 56);
        break;
      case 3:
        this->flow_status = get<FlowStatus>(word, 0, 4);
        this->flow_block_size = get<uint8_t>(word, 8, 8);
        this->flow_separation = get<uint8_t>(word, 16, 8);
        break;
      default:
        break;
    }
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("pci", this->pci);
    if (static_cast<unsigned>(this->pci) == 0) {
      visitor("single_length", this->single_length);
      visitor("single_data", this->single_data);
    }
    if (static_cast<unsigned>(this->pci) == 1) {
      visitor("first_length_high", this->first_length_high);
      visitor("first_length_low", this->first_length_low);
      visitor("first_data", this->first_data);
    }
    if (static_cast<unsigned>(this->pci) == 2) {
      visitor("consecutive_number", this->consecutive_number);
      visitor("consecutive_data", this->consecutive_data);
    }
    if (static_cast<unsigned>(this->pci) == 3) {
      visitor("flow_status", this->flow_status);
      visitor("flow_block_size", this->flow_block_size);
      visitor("flow_separation", this->flow_separation);
    }
  }
};

/// ISO-TP from the house of this number to the gateway: answers, and flow control of its requests. Sent on
/// demand.
struct BulkResponse final {
  static constexpr const char *NAME = "BulkResponse";
  static constexpr Message MESSAGE{0x700, 8, 0};

  Pci pci{};
  uint8_t single_length{};
  uint64_t single_data{};
  uint8_t first_length_high{};
  uint8_t first_length_low{};
  uint64_t first_data{};
  uint8_t consecutive_number{};
  uint64_t consecutive_data{};
  FlowStatus flow_status{};
  uint8_t flow_block_size{};
  uint8_t flow_separation{};  // ISO 15765-2 STmin: 0-127 ms, 241-249 hundreds of us

  /// The group that `pci` names.
  constexpr uint64_t pack() const {
    const uint64_t word = put(this->pci, 4, 4);
    switch (static_cast<unsigned>(this->pci)) {
      case 0:
        return word | put(this->single_length, 0, 4) | put(this->single_data, 8, 56);
      case 1:
        return word | put(this->first_length_high, 0, 4) | put(this->first_length_low, 8, 8) |
               put(this->first_data, 16, 48);
      case 2:
        return word | put(this->consecutive_number, 0, 4) | put(this->consecutive_data, 8, 56);
      case 3:
        return word | put(this->flow_status, 0, 4) | put(this->flow_block_size, 8, 8) |
               put(this->flow_separation, 16, 8);
      default:
        return word;
    }
  }
  /// Only the members of the frame's group change.
  constexpr void unpack(uint64_t word) {
    this->pci = get<Pci>(word, 4, 4);
    switch (static_cast<unsigned>(this->pci)) {
      case 0:
        this->single_length = get<uint8_t>(word, 0, 4);
        this->single_data = get<uint64_t>(word, 8, 56);
        break;
      case 1:
        this->first_length_high = get<uint8_t>(word, 0, 4);
        this->first_length_low = get<uint8_t>(word, 8, 8);
        this->first_data = get<uint64_t>(word, 16, 48);
        break;
      case 2:
        this->consecutive_number = get<uint8_t>(word, 0, 4);
        this->consecutive_data = get<uint64_t>(word, 8, 56);
        break;
      case 3:
        this->flow_status = get<FlowStatus>(word, 0, 4);
        this->flow_block_size = get<uint8_t>(word, 8, 8);
        this->flow_separation = get<uint8_t>(word, 16, 8);
        break;
      default:
        break;
    }
  }
  /// visitor(name, raw), or visitor(name, raw, scale), for the signals that the frame has.
  template <typename V>
  void visit(V &&visitor) const {
    visitor("pci", this->pci);
    if (static_cast<unsigned>(this->pci) == 0) {
      visitor("single_length", this->single_length);
      visitor("single_data", this->single_data);
    }
    if (static_cast<unsigned>(this->pci) == 1) {
      visitor("first_length_high", this->first_length_high);
      visitor("first_length_low", this->first_length_low);
      visitor("first_data", this->first_data);
    }
    if (static_cast<unsigned>(this->pci) == 2) {
      visitor("consecutive_number", this->consecutive_number);
      visitor("consecutive_data", this->consecutive_data);
    }
    if (static_cast<unsigned>(this->pci) == 3) {
      visitor("flow_status", this->flow_status);
      visitor("flow_block_size", this->flow_block_size);
      visitor("flow_separation", this->flow_separation);
    }
  }
};

/// Calls visitor(T{}) with the message of an identifier; false when it is none of ours.
template <typename V>
constexpr bool with_message(uint32_t identifier, V &&visitor) {
  switch (identifier & ~NODE_MASK) {
    case 0x000:
      visitor(Sync{});
      return true;
    case 0x010:
      visitor(FollowUp{});
      return true;
    case 0x020:
      visitor(Fault{});
      return true;
    case 0x100:
      visitor(Master{});
      return true;
    case 0x110:
      visitor(Contactor{});
      return true;
    case 0x200:
      visitor(Frequency{});
      return true;
    case 0x300:
      visitor(Inverter{});
      return true;
    case 0x310:
      visitor(Battery{});
      return true;
    case 0x320:
      visitor(GatewayBus{});
      return true;
    case 0x400:
      visitor(Heartbeat{});
      return true;
    case 0x410:
      visitor(HouseState{});
      return true;
    case 0x420:
      visitor(InverterState{});
      return true;
    case 0x430:
      visitor(Mppt{});
      return true;
    case 0x440:
      visitor(GatewayState{});
      return true;
    case 0x500:
      visitor(Cells{});
      return true;
    case 0x510:
      visitor(BatteryState{});
      return true;
    case 0x520:
      visitor(Counters{});
      return true;
    case 0x600:
      visitor(BulkRequest{});
      return true;
    case 0x700:
      visitor(BulkResponse{});
      return true;
    default:
      return false;
  }
}

}  // namespace esphome::microgrid::dbc

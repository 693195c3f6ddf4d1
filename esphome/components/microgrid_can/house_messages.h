// The cyclic messages of a house and its readings, both ways: the house packs them, its gateway unpacks them.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_core/umg1_can.h"
#include "microgrid_dbc.h"

namespace esphome::microgrid {

/// What travels beside the metrics.
struct HouseStatus {
  uint8_t sequence{0};  // low byte of the sequence of the Sync at which the frequency was sampled
  bool inverter_on{false};
  bool battery_connected{false};
  dbc::InverterMode inverter_mode{dbc::InverterMode::NOT_AVAILABLE};
  dbc::MpptState mppt_state{dbc::MpptState::NOT_AVAILABLE};
  uint16_t fault_code{0};                                    // that tripped or warns, 0: none
  dbc::CardState card_state{dbc::CardState::NOT_AVAILABLE};  // comes with the Heartbeat
  bool operator==(const HouseStatus &) const = default;
};

/// Number of groups of a message that a house sends in turn; 1 for one without groups, 0 when it is no cyclic
/// message made here (the Heartbeat is the bus node's own).
uint8_t house_message_groups(uint16_t type);

/// The content of a message. `type` is the identifier of node 0, such as dbc::Cells::MESSAGE.identifier;
/// `readings` has the rows HOUSE_METRICS. What is not known is sent as "not available", a flag as 0; what is
/// beyond the range of its signal, as the nearest value in it. nullopt when there is no such message or
/// group.
std::optional<uint64_t> pack_house_message(uint16_t type, uint8_t group, const Readings &readings,
                                           const HouseStatus &status);

/// Puts what a frame of a house says into `readings` and `status`, clock and card of its Heartbeat included.
/// False, with nothing changed, when it is no such message, too short, or of an unknown group.
bool unpack_house_message(const CanFrame &frame, Readings &readings, HouseStatus &status);

}  // namespace esphome::microgrid

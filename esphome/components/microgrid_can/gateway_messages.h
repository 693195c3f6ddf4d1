// The cyclic messages of a gateway and its readings, both ways.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_core/umg1_can.h"
#include "microgrid_dbc.h"

namespace esphome::microgrid {

/// The content of a message. `type` is the identifier of node 0, such as dbc::GatewayBus::MESSAGE.identifier;
/// `readings` has the rows GATEWAY_METRICS. What is not known is sent as "not available", what is beyond the
/// range of its signal as the nearest value in it. nullopt when a gateway has no such message.
std::optional<uint64_t> pack_gateway_message(uint16_t type, const Readings &readings,
                                             const dbc::Contactor &contactor);

/// Puts what a frame of a gateway says into `readings` and `contactor`. False, with nothing changed, when it
/// is no such message or too short.
bool unpack_gateway_message(const CanFrame &frame, Readings &readings, dbc::Contactor &contactor);

}  // namespace esphome::microgrid

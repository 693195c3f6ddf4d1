// Which signal is which metric stands here once, for both directions. Signals and readings are integers of
// the same step; only frequencies are counted from 50 Hz on the bus, as in the log.
#include "gateway_messages.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

using M = GatewayMetric;

template <typename V>
void visit(dbc::GatewayBus &message, V &&visitor) {
  visitor(message.cluster_frequency, message.CLUSTER_FREQUENCY, M::CLUSTER_FREQUENCY);
  visitor(message.swarm_frequency, message.SWARM_FREQUENCY, M::SWARM_FREQUENCY);
  visitor(message.phase_difference, message.PHASE_DIFFERENCE, M::PHASE_DIFFERENCE);
  visitor(message.power_flow, message.POWER_FLOW, M::POWER_FLOW);
}

template <typename V>
void visit(dbc::GatewayState &message, V &&visitor) {
  visitor(message.cluster_voltage, message.CLUSTER_VOLTAGE, M::CLUSTER_VOLTAGE);
  visitor(message.swarm_voltage, message.SWARM_VOLTAGE, M::SWARM_VOLTAGE);
  visitor(message.cluster_power, message.CLUSTER_POWER, M::CLUSTER_POWER);
  visitor(message.can_bus_load, message.CAN_BUS_LOAD, M::CAN_BUS_LOAD);
}

/// Metric integers per raw integer are 1; this is where raw 0 lies.
template <typename T>
int64_t origin(const dbc::Scale<T> &scale) {
  return int64_t{scale.offset} * scale.denominator / scale.numerator;
}

struct Packer {
  const Readings &readings;

  template <typename T>
  void operator()(T &raw, const dbc::Scale<T> &scale, M metric) const {
    const auto integer = this->readings.get(static_cast<size_t>(metric));
    raw = !integer ? scale.unavailable
                   : static_cast<T>(std::clamp(*integer - origin(scale), static_cast<int64_t>(scale.minimum),
                                               static_cast<int64_t>(scale.maximum)));
  }
};

struct Unpacker {
  Readings &readings;

  template <typename T>
  void operator()(const T &raw, const dbc::Scale<T> &scale, M metric) const {
    if (raw == scale.unavailable) {
      this->readings.forget(static_cast<size_t>(metric));
    } else {
      this->readings.set(static_cast<size_t>(metric), static_cast<int32_t>(raw + origin(scale)));
    }
  }
};

constexpr size_t HOUSES_ONLINE = static_cast<size_t>(M::HOUSES_ONLINE);
constexpr uint8_t LEAST_INVALID_SYNCHRONISATION = static_cast<uint8_t>(dbc::Synchronisation::FAILED) + 1;

}  // namespace

std::optional<uint64_t> pack_gateway_message(uint16_t type, const Readings &readings,
                                             const dbc::Contactor &contactor) {
  switch (type) {
    case dbc::Contactor::MESSAGE.identifier:
      return contactor.pack();
    case dbc::GatewayBus::MESSAGE.identifier: {
      dbc::GatewayBus message;
      visit(message, Packer{readings});
      return message.pack();
    }
    case dbc::GatewayState::MESSAGE.identifier: {
      dbc::GatewayState message;
      visit(message, Packer{readings});
      message.houses_online =
          static_cast<uint8_t>(std::clamp<int32_t>(readings.get(HOUSES_ONLINE).value_or(0), 0, dbc::HOUSES));
      return message.pack();
    }
    default:
      return std::nullopt;
  }
}

bool unpack_gateway_message(const CanFrame &frame, Readings &readings, dbc::Contactor &contactor) {
  if (frame.length > frame.data.size()) return false;
  const uint64_t word = dbc::load(frame.data.data(), frame.length);
  switch (frame.identifier) {  // a gateway is node 0
    case dbc::Contactor::MESSAGE.identifier: {
      if (frame.length < dbc::Contactor::MESSAGE.length) return false;
      dbc::Contactor message;
      message.unpack(word);
      if (static_cast<uint8_t>(message.synchronisation) >= LEAST_INVALID_SYNCHRONISATION) return false;
      contactor = message;
      return true;
    }
    case dbc::GatewayBus::MESSAGE.identifier: {
      if (frame.length < dbc::GatewayBus::MESSAGE.length) return false;
      dbc::GatewayBus message;
      message.unpack(word);
      visit(message, Unpacker{readings});
      return true;
    }
    case dbc::GatewayState::MESSAGE.identifier: {
      if (frame.length < dbc::GatewayState::MESSAGE.length) return false;
      dbc::GatewayState message;
      message.unpack(word);
      visit(message, Unpacker{readings});
      readings.set(HOUSES_ONLINE, message.houses_online);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace esphome::microgrid

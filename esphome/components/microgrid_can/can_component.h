// The node on the bus as a component of ESPHome: opens the controller, runs the bus task, shows how the bus
// is.
#pragma once

#include <optional>

#include "bus_node.h"
#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/core/component.h"
#ifdef USE_HOST
#include "udp_bus.h"
#endif
#ifdef USE_ESP32
#include "mcp2515_bus.h"
#include "twai_bus.h"
#endif

namespace esphome::microgrid {

#ifdef USE_HOST
/// As configured, unless MICROGRID_CAN names another group and port.
UdpBusSettings udp_bus_settings(const char *group, uint16_t port);
#endif

class CanComponent final : public Component {
 public:
  /// `bus` may be nullptr: then the node beats for itself.
  CanComponent(NodeComponent *core, CanBus *bus, uint32_t bit_rate, uint8_t rank_limit);

  BusNode &bus_node() { return this->bus_node_; }
  uint32_t bit_rate() const { return this->bit_rate_; }

  void setup() override;
  void dump_config() override;
  void on_safe_shutdown() override { this->task_.reset(); }
  /// After everybody who listens in the bus task (they set up at HARDWARE or before), before anybody waits
  /// for a network.
  float get_setup_priority() const override { return setup_priority::PROCESSOR; }

 protected:
  static void live(void *self);
  void refresh();
  void tell_controller(ControllerState state);
  void tell_conflict(const BusStatistics &statistics);
  void tell_losses(const BusStatistics &statistics);

  Node &node_;
  CanBus *bus_;
  uint32_t bit_rate_;
  BusNode bus_node_;
  std::optional<ControllerState> shown_;  // nothing before the bus task has tried to open it
  bool conflict_told_{false};
  BusStatistics losses_told_;
  std::optional<Task> task_;
};

}  // namespace esphome::microgrid

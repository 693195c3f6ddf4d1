// The simulator's side of a host program as a component of ESPHome.
#pragma once
#ifdef USE_HOST

#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/core/component.h"
#include "sim_link.h"

namespace esphome::microgrid::sim {

class SimComponent final : public Component {
 public:
  /// As configured, unless MICROGRID_SIM names another group and port.
  SimComponent(NodeComponent *core, const char *group, uint16_t port);

  SimLink &link() { return *this->link_; }

  void setup() override;
  void dump_config() override;
  void on_safe_shutdown() override { this->link_->stop(); }
  float get_setup_priority() const override { return setup_priority::HARDWARE; }

 protected:
  Endpoint group_;
  std::optional<SimLink> link_;
};

}  // namespace esphome::microgrid::sim

#endif

// Asks a time server, and hands what it says to the clock.
#pragma once

#include "esphome/components/microgrid_can/can_component.h"
#include "esphome/components/microgrid_core/network_time.h"
#include "esphome/components/microgrid_core/network_time_socket.h"
#include "esphome/core/component.h"

namespace esphome::microgrid {

/// The text lives as long as the node.
struct TimeServer {
  const char *address;
  uint16_t port;
};
/// As configured, unless MICROGRID_TIME names another one (host programs).
TimeServer time_server(const char *address, uint16_t port);

class TimeComponent final : public Component {
 public:
  TimeComponent(CanComponent *can, const TimeServer &server)
      : bus_node_(can->bus_node()), server_(server), socket_(server.address, server.port), client_(socket_) {}

  void loop() override;
  void dump_config() override;
  float get_setup_priority() const override { return setup_priority::AFTER_WIFI; }

 protected:
  BusNode &bus_node_;
  TimeServer server_;
  TimeSocket socket_;
  TimeClient client_;
  bool answered_{false};
};

}  // namespace esphome::microgrid

// The uplink as a component of ESPHome: through its mqtt component on the ESP32, over a socket of our own on
// a PC.
#pragma once

#include <optional>
#include <string>

#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/core/component.h"
#include "esphome_mqtt_component.h"
#include "uplink.h"
#ifdef USE_HOST
#include "mqtt_client.h"
#include "posix_stream.h"
#endif

namespace esphome::microgrid {

class UplinkComponent final : public Component {
 public:
  /// `parent`: the gateway above a house that speaks for itself, or empty.
  UplinkComponent(NodeComponent *core, LogStore &store, const char *parent);

  Uplink &uplink() { return this->uplink_; }

  // While setting up. A gateway speaks for its houses and hears their faults on the bus.
  void set_houses(Houses &houses, LogRelay &relay);
  void set_bus(BusNode &bus) { this->bus_ = &bus; }
#ifdef USE_HOST
  void set_broker(const char *host, uint16_t port, const char *user, const char *password);
#endif

  void setup() override;
  void loop() override;
  void dump_config() override;
  void on_safe_shutdown() override;
  /// Before the bus task begins, and before ESPHome's mqtt connects: it must know the last will.
  float get_setup_priority() const override { return setup_priority::HARDWARE; }

 protected:
  void complain();

  NodeComponent *core_;
  Uplink uplink_;
  BusNode *bus_{nullptr};
  std::string will_topic_;
  uint32_t complained_{0};
#ifdef USE_HOST
  std::string host_;
  uint16_t port_{0};
  std::string user_;
  std::string password_;
  std::string client_id_;
  std::optional<PosixStream> stream_;
  std::optional<MqttClient> client_;
  std::array<uint8_t, 4096> inbox_{};
  std::array<uint8_t, 65536> outbox_{};
#endif
#ifdef USE_MQTT
  EsphomePublisher publisher_{uplink_};
#endif
};

}  // namespace esphome::microgrid

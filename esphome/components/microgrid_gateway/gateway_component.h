// The gateway as a component of ESPHome: its parts, the contactor's pins, and the counters in flash.
#pragma once

#include "esphome/components/binary_sensor/binary_sensor.h"
#include "esphome/components/microgrid_can/bulk_client.h"
#include "esphome/components/microgrid_can/can_component.h"
#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/components/output/binary_output.h"
#include "esphome/core/component.h"
#include "esphome/core/gpio.h"
#include "esphome/core/helpers.h"
#include "gateway.h"
#include "gateway_input_esp32.h"
#include "relay_room.h"

namespace esphome::microgrid {

class GatewayComponent final : public Component, public GatewayInput, public ContactorOutput {
 public:
  GatewayComponent(NodeComponent *core, CanComponent *can, LogStore &log,
                   const SynchroniserSettings &settings);

  // For the uplink.
  Houses &houses() { return this->gateway_; }
  LogRelay &relay() { return this->relay_; }
  BulkClient &bulk_client() { return this->bulk_; }
  Gateway &gateway() { return this->gateway_; }

  // While setting up.

  /// Who a house is, for as long as it has not said so itself, and what people call it. Texts are literals.
  void set_house(uint8_t number, const char *node, const char *name);
  /// Driven in the bus task, without delay.
  void set_contactor_pin(InternalGPIOPin *pin) { this->contactor_pin_ = pin; }
  /// Driven in the main loop, which may take a while.
  void set_contactor_output(output::BinaryOutput *output) { this->contactor_output_ = output; }
  void set_auxiliary_pin(InternalGPIOPin *pin) { this->auxiliary_pin_ = pin; }
  void set_auxiliary_sensor(binary_sensor::BinarySensor *sensor);
#ifdef USE_ESP32
  GatewayLocalInput &local_input() {
    this->has_local_input_ = true;
    return this->local_input_;
  }
#endif

  void setup() override;
  void loop() override;
  void dump_config() override;
  void on_safe_shutdown() override;
  /// Before the bus task begins, behind the node's own storage.
  float get_setup_priority() const override { return setup_priority::HARDWARE; }

  // Bus task.
  GatewaySample sample(uint64_t mono_us) override;
  void drive(bool closed) override;

 protected:
  NodeComponent *core_;
  BusNode &bus_node_;
  std::array<uint8_t, RELAY_BYTES> relay_room_{};
  HouseDirectory directory_;
  LogRelay relay_;
  BulkClient bulk_;
  Gateway gateway_;
  const SynchroniserSettings settings_;

  InternalGPIOPin *contactor_pin_{nullptr};
  output::BinaryOutput *contactor_output_{nullptr};
  InternalGPIOPin *auxiliary_pin_{nullptr};
  std::atomic<AuxiliaryContact> auxiliary_{AuxiliaryContact::UNKNOWN};  // of a sensor
  std::atomic<bool> wanted_{false};                                     // of an output
  std::optional<bool> driven_;
  HighFrequencyLoopRequester quick_;
  uint64_t next_keeping_us_{0};
#ifdef USE_ESP32
  void tell_crossings();

  GatewayLocalInput local_input_;
  bool has_local_input_{false};
  std::array<uint8_t, PhaseMeter::SIDES> looks_at_pulses_{};  // in a row
#endif
};

}  // namespace esphome::microgrid

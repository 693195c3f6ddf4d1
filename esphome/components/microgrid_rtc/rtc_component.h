// A DS3231 as a component of ESPHome: its registers over I²C, its seconds by interrupt.
#pragma once

#include "esphome/components/i2c/i2c.h"
#include "esphome/components/microgrid_can/can_component.h"
#include "esphome/components/microgrid_core/ds3231.h"
#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/core/component.h"
#include "esphome/core/gpio.h"

namespace esphome::microgrid {

class RtcComponent final : public Component, public i2c::I2CDevice {
 public:
  RtcComponent(NodeComponent *core, CanComponent *can, InternalGPIOPin *edge_pin)
      : node_(core->node()), bus_node_(can->bus_node()), edge_pin_(edge_pin) {}

  void setup() override;
  void loop() override;
  void dump_config() override;
  float get_setup_priority() const override { return setup_priority::DATA; }

 protected:
  /// ESPHome's I²C as the driver of the chip sees it.
  class Wires final : public I2cDevice {
   public:
    explicit Wires(RtcComponent &component) : component_(component) {}
    bool write(std::span<const uint8_t> bytes) override;
    bool read(uint8_t address, std::span<uint8_t> bytes) override;

   protected:
    RtcComponent &component_;
  };

  static void on_edge(RtcComponent *self);
  void begin();

  Node &node_;
  BusNode &bus_node_;
  InternalGPIOPin *edge_pin_;
  Wires wires_{*this};
  Ds3231 chip_{wires_};
  bool found_{false};
};

}  // namespace esphome::microgrid

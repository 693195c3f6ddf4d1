// The house as a component of ESPHome: slow values from sensors, contacts, pins, and the counters in flash.
#pragma once

#include <vector>

#include "esphome/components/binary_sensor/binary_sensor.h"
#include "esphome/components/microgrid_can/bulk_server.h"
#include "esphome/components/microgrid_can/can_component.h"
#include "esphome/components/microgrid_can/capture_command.h"
#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/components/sensor/sensor.h"
#include "esphome/core/component.h"
#include "esphome/core/gpio.h"
#include "house.h"
#include "local_input_esp32.h"

namespace esphome::microgrid {

class HouseComponent final : public Component, public TripOutput {
 public:
  HouseComponent(NodeComponent *core, CanComponent *can, LogStore &log, const HouseSettings &settings);

  House &house() { return this->house_; }

  // While setting up.

  /// `lower` tells the two rows of a code apart that has a limit on both sides.
  void set_protection(uint16_t code, bool lower, const ProtectionSettings &settings);
  void set_restart_after(uint32_t restart_after_ms) {
    this->house_.protections().set_restart_after(uint64_t{restart_after_ms} * 1000);
  }
  void set_trip_pin(InternalGPIOPin *pin) { this->trip_pin_ = pin; }
  void set_identify_pin(InternalGPIOPin *pin) { this->identify_pin_ = pin; }
  /// The metric follows the sensor, times `factor`; it is unknown when the sensor was silent for
  /// `timeout_ms`.
  void follow(HouseMetric metric, sensor::Sensor *sensor, float factor, uint32_t timeout_ms);
  void follow(HouseMetric metric, binary_sensor::BinarySensor *sensor);
  void follow_exchange(sensor::Sensor *sensor, float factor, uint32_t timeout_ms);
  void set_inverter_contact(binary_sensor::BinarySensor *contact);
  void set_battery_contact(binary_sensor::BinarySensor *contact);
#ifdef USE_ESP32
  LocalInput &local_input() {
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

  void set_tripped(bool tripped) override;

 protected:
  struct Followed {
    HouseMetric metric;
    bool exchange;  // of the house with its cluster, which is no metric
    float factor;
    uint32_t timeout_ms;
    uint32_t heard_ms;
    bool known;
  };

  void follow(const Followed &followed, sensor::Sensor *sensor);
  void heard(size_t index, float state);
  void forget(Followed &followed);
  void begin_trip_pin();
  void keep_trip();
  void look_for_silence();
  void tell_card();

  NodeComponent *core_;
  BusNode &bus_node_;
  LogStore &log_;
  House house_;
  BulkServer bulk_;
  CaptureCommand capture_;
  InternalGPIOPin *trip_pin_{nullptr};
  InternalGPIOPin *identify_pin_{nullptr};
  std::vector<Followed> followed_;  // grows only while setting up
  bool blink_{false};
  bool trip_kept_{true};
#ifdef USE_ESP32
  LocalInput local_input_;
  bool has_local_input_{false};
#endif
};

}  // namespace esphome::microgrid

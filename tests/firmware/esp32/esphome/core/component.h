// Of ESPHome's component.h what the tests of the ESP32 need; intervals never come.
#pragma once
#include <cstdint>
#include <functional>

namespace esphome {

namespace setup_priority {
inline constexpr float BUS = 1000;
}

class Component {
 public:
  virtual void setup() {}
  virtual void loop() {}
  virtual void dump_config() {}
  virtual float get_setup_priority() const { return 0; }

 protected:
  ~Component() = default;
  void set_interval(uint32_t /*interval_ms*/, std::function<void()> /*body*/) {}
};

}  // namespace esphome

// What the ADC delivers, sorted out: counts of up to four inputs in turn become the quick values of a house.
#pragma once

#include <optional>

#include "esphome/components/microgrid_measure/ac_meter.h"
#include "esphome/components/microgrid_measure/linear_scale.h"
#include "fast_input.h"

namespace esphome::microgrid {

enum class AnalogRole : uint8_t { AC_VOLTAGE, AC_CURRENT, DC_BUS_VOLTAGE, BATTERY_CURRENT };
constexpr size_t ANALOG_ROLES = 4;

struct AnalogSettings {
  std::array<bool, ANALOG_ROLES> measured{};
  AcMeterSettings ac{};
  LinearScale dc_bus_voltage{};
  LinearScale battery_current{};
};

class AnalogInputs final {
 public:
  explicit AnalogInputs(const AnalogSettings &settings) : settings_(settings), ac_(settings.ac) {}

  /// A count, in the order of sampling: the voltage before the current that belongs to it.
  void add(AnalogRole role, uint16_t count);
  /// At each beat: what is known now. AC values of the last whole cycle, DC values as means since the last
  /// call; after five calls without any count nothing is known.
  void read(FastSample &sample);
  bool measures(HouseMetric metric) const;

 protected:
  static constexpr uint8_t SILENT_BEATS = 5;
  struct Mean {
    uint32_t sum{0};
    uint32_t count{0};
    float last{NOT_MEASURED};
    float take(const LinearScale &scale);
  };
  bool measured(AnalogRole role) const { return this->settings_.measured[static_cast<size_t>(role)]; }

  AnalogSettings settings_;
  AcMeter ac_;
  std::optional<uint16_t> waiting_voltage_;
  Mean dc_bus_voltage_;
  Mean battery_current_;
  bool heard_{false};
  uint8_t silent_beats_{0};
};

}  // namespace esphome::microgrid

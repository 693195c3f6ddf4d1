// Where a house's quick values come from: its own ADC and capture unit, or a simulator.
#pragma once

#include <cmath>
#include <cstdint>

#include "esphome/components/microgrid_core/metric_tables.h"

namespace esphome::microgrid {

constexpr float NOT_MEASURED = NAN;

/// Everything that is measured at a beat of 10 ms. NaN: not known.
struct FastSample {
  float frequency_hz{NOT_MEASURED};
  float ac_voltage_v{NOT_MEASURED};
  float ac_current_a{NOT_MEASURED};
  float active_power_w{NOT_MEASURED};  // positive while feeding the house or the cluster
  float dc_bus_voltage_v{NOT_MEASURED};
  float battery_current_a{NOT_MEASURED};  // positive while discharging
};

/// Where each of them goes; the metrics of the capture, in its order.
struct FastQuantity {
  HouseMetric metric;
  float FastSample::*member;
};
inline constexpr std::array<FastQuantity, 6> FAST_QUANTITIES = {{
    {HouseMetric::INVERTER_FREQUENCY, &FastSample::frequency_hz},
    {HouseMetric::INVERTER_VOLTAGE, &FastSample::ac_voltage_v},
    {HouseMetric::INVERTER_CURRENT, &FastSample::ac_current_a},
    {HouseMetric::INVERTER_POWER, &FastSample::active_power_w},
    {HouseMetric::DC_BUS_VOLTAGE, &FastSample::dc_bus_voltage_v},
    {HouseMetric::BATTERY_CURRENT, &FastSample::battery_current_a},
}};

class FastInput {
 public:
  /// Bus task, at each beat: the values of now. False when nothing is known at all.
  virtual bool sample(uint64_t mono_us, FastSample &sample) = 0;
  /// Whether it ever measures this one; what it does not may come from elsewhere (the BMS, say). Does not
  /// change.
  virtual bool measures(HouseMetric /*metric*/) const { return true; }

 protected:
  ~FastInput() = default;
};

}  // namespace esphome::microgrid

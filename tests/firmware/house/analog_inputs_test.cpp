// Counts of the ADC become quick values: sorted by input, paired, averaged, and forgotten when no more come.
#include "esphome/components/microgrid_house/analog_inputs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace esphome::microgrid {
namespace {

constexpr double RATE = 5000;  // of each of four inputs

AnalogSettings all_inputs() {
  return {.measured = {true, true, true, true},
          .ac = {.samples_per_s = RATE,
                 .volts_per_count = 0.2F,
                 .amperes_per_count = -0.03F,
                 .current_delay_us = 50},
          .dc_bus_voltage = {.per_count = 0.02F, .offset = 1},
          .battery_current = {.per_count = 0.1F, .offset = -204.8F}};
}

/// A beat of the four inputs: 230 V, 10 A the other way round, 53 V, -30 A.
void beat(AnalogInputs &inputs, int number) {
  for (int i = 0; i < RATE / 100; i++) {
    const double at = number * 0.01 + i / RATE;
    const auto sine = [](double rms, double step, double seconds) {
      return static_cast<uint16_t>(
          std::lround(2048 + rms * std::numbers::sqrt2 / step * std::sin(100 * std::numbers::pi * seconds)));
    };
    inputs.add(AnalogRole::AC_VOLTAGE, sine(230, 0.2, at));
    inputs.add(AnalogRole::AC_CURRENT, sine(10, 0.03, at + 50e-6));
    inputs.add(AnalogRole::DC_BUS_VOLTAGE, static_cast<uint16_t>(2599 + i % 3));
    inputs.add(AnalogRole::BATTERY_CURRENT, 1748);
  }
}

TEST(AnalogInputs, GivesEveryQuantity) {
  AnalogInputs inputs(all_inputs());
  FastSample sample;
  for (int i = 0; i < 100; i++) {
    beat(inputs, i);
    sample = {};
    inputs.read(sample);
  }
  EXPECT_TRUE(std::isnan(sample.frequency_hz));
  EXPECT_NEAR(sample.ac_voltage_v, 230, 0.3);
  EXPECT_NEAR(sample.ac_current_a, 10, 0.02);
  EXPECT_NEAR(sample.active_power_w, -2300, 3);
  EXPECT_NEAR(sample.dc_bus_voltage_v, 53, 0.01);
  EXPECT_NEAR(sample.battery_current_a, -30, 0.01);
}

TEST(AnalogInputs, ForgetsWhenTheAdcIsSilent) {
  AnalogInputs inputs(all_inputs());
  for (int i = 0; i < 10; i++) beat(inputs, i);
  FastSample sample;
  for (int i = 0; i < 5; i++) {
    sample = {};
    inputs.read(sample);
    EXPECT_FALSE(std::isnan(sample.dc_bus_voltage_v)) << i << ": a late buffer is no silence";
  }
  sample = {};
  inputs.read(sample);
  EXPECT_TRUE(std::isnan(sample.dc_bus_voltage_v));
  EXPECT_TRUE(std::isnan(sample.ac_voltage_v));
  for (int i = 0; i < 10; i++) beat(inputs, i);
  inputs.read(sample);
  EXPECT_NEAR(sample.ac_voltage_v, 230, 2);
}

TEST(AnalogInputs, MeasuresOnlyWhatIsWired) {
  AnalogSettings settings = all_inputs();
  settings.measured = {true, false, false, false};
  AnalogInputs inputs(settings);
  for (int i = 0; i < 20; i++) beat(inputs, i);
  FastSample sample;
  inputs.read(sample);
  EXPECT_NEAR(sample.ac_voltage_v, 230, 1);
  EXPECT_TRUE(std::isnan(sample.ac_current_a));
  EXPECT_TRUE(std::isnan(sample.active_power_w));
  EXPECT_TRUE(std::isnan(sample.dc_bus_voltage_v));
  for (const FastQuantity &quantity : FAST_QUANTITIES)
    EXPECT_EQ(inputs.measures(quantity.metric), quantity.metric == HouseMetric::INVERTER_VOLTAGE);
  AnalogInputs all(all_inputs());
  for (const FastQuantity &quantity : FAST_QUANTITIES)
    EXPECT_EQ(all.measures(quantity.metric), quantity.metric != HouseMetric::INVERTER_FREQUENCY);
  EXPECT_FALSE(all.measures(HouseMetric::CELL_VOLTAGE_1));
}

TEST(AnalogInputs, LostCountsDoNotPairTheWrongOnes) {
  AnalogInputs inputs(all_inputs());
  for (int i = 0; i < 100; i++) {
    beat(inputs, i);
    if (i % 10 == 0) inputs.add(AnalogRole::AC_CURRENT, 4000);  // its voltage was lost
    if (i % 10 == 5) inputs.add(AnalogRole::AC_VOLTAGE, 0);     // its current was lost
  }
  FastSample sample;
  inputs.read(sample);
  EXPECT_NEAR(sample.ac_voltage_v, 230, 1);
  EXPECT_NEAR(sample.ac_current_a, 10, 0.1);
}

}  // namespace
}  // namespace esphome::microgrid

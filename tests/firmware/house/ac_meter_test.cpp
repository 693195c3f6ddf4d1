// Voltage, current and power against what the signals were made of. Prints its table.
#include "esphome/components/microgrid_measure/ac_meter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <random>

namespace esphome::microgrid {
namespace {

constexpr double PI = std::numbers::pi;

/// What lies on the wires, and how the ADC sees it.
struct Signals {
  double frequency_hz{50};
  double voltage_v{230}, current_a{10}, lag_deg{0};
  double third_voltage{0}, third_current{0};  // share of the fundamental
  double offset_v{40}, offset_i{-25};         // counts from the middle
  double noise{0};                            // counts rms
  double current_delay_s{0};
  double rate{5000};

  double expected_voltage() const {
    return this->voltage_v * std::sqrt(1 + this->third_voltage * this->third_voltage);
  }
  double expected_current() const {
    return this->current_a * std::sqrt(1 + this->third_current * this->third_current);
  }
  double expected_power() const {
    return this->voltage_v * this->current_a *
           (std::cos(this->lag_deg * PI / 180) + this->third_voltage * this->third_current);
  }
};

struct Errors {
  double voltage{0}, current{0}, power{0};  // largest; the power's of the apparent power
  int values{0};
};

AcMeterSettings settings_for(const Signals &signals) {
  return {.samples_per_s = static_cast<float>(signals.rate),
          .volts_per_count = 0.2F,
          .amperes_per_count = 0.03F,
          .current_delay_us = static_cast<float>(signals.current_delay_s * 1e6)};
}

Errors measure(const Signals &signals, double seconds = 4, double after_s = 1) {
  AcMeter meter(settings_for(signals));
  std::mt19937 dice(4);
  std::normal_distribution<double> noise(0, 1);
  Errors errors;
  const double omega = 2 * PI * signals.frequency_hz;
  const auto count = [&](double value, double offset) {
    const double with_noise = 2048 + offset + value + signals.noise * noise(dice);
    return static_cast<uint16_t>(std::clamp(std::round(with_noise), 0.0, 4095.0));
  };
  for (int k = 0; k < seconds * signals.rate; k++) {
    const double at = k / signals.rate;
    const double later = at + signals.current_delay_s;
    const double v = signals.voltage_v * std::sqrt(2) *
                     (std::sin(omega * at) + signals.third_voltage * std::sin(3 * omega * at));
    const double i = signals.current_a * std::sqrt(2) *
                     (std::sin(omega * later - signals.lag_deg * PI / 180) +
                      signals.third_current * std::sin(3 * omega * later));
    if (!meter.add(count(v / 0.2, signals.offset_v), count(i / 0.03, signals.offset_i)) || at < after_s)
      continue;
    const AcValues &values = meter.values();
    errors.voltage = std::max(
        errors.voltage, std::abs(static_cast<double>(values.voltage_v) / signals.expected_voltage() - 1));
    errors.current = std::max(
        errors.current, std::abs(static_cast<double>(values.current_a) / signals.expected_current() - 1));
    errors.power =
        std::max(errors.power, std::abs(static_cast<double>(values.power_w) - signals.expected_power()) /
                                   (signals.expected_voltage() * signals.expected_current()));
    errors.values++;
  }
  return errors;
}

TEST(AcMeter, AccuracyTable) {
  std::printf("ac meter, largest error      U %%     I %%     P %% of S\n");
  const auto row = [](const char *name, const Signals &signals, double percent) {
    const Errors errors = measure(signals);
    std::printf("ac meter %-18s %8.3f %7.3f %7.3f\n", name, errors.voltage * 100, errors.current * 100,
                errors.power * 100);
    EXPECT_LT(errors.voltage * 100, percent) << name;
    EXPECT_LT(errors.current * 100, percent) << name;
    EXPECT_LT(errors.power * 100, percent) << name;
    EXPECT_NEAR(errors.values, 3 * 2 * signals.frequency_hz, 2) << name << ": a value each half cycle";
  };
  row("50 Hz", {}, 0.3);
  row("48.5 Hz", {.frequency_hz = 48.5}, 0.3);
  row("51.7 Hz", {.frequency_hz = 51.7}, 0.3);
  row("lag 60 deg", {.lag_deg = 60}, 0.3);
  row("lag 180 deg (feeds)", {.lag_deg = 180}, 0.3);
  row("3rd harmonic 30 %", {.third_voltage = 0.05, .third_current = 0.3}, 0.6);
  row("noise 5 counts", {.noise = 5}, 1.0);
  row("offset 300 counts", {.offset_v = 300, .offset_i = -300}, 0.3);
  row("interleaved 50 us", {.lag_deg = 30, .current_delay_s = 50e-6}, 0.3);
  row("2.5 kS/s", {.lag_deg = 30, .current_delay_s = 100e-6, .rate = 2500}, 0.8);
  row("1 A", {.current_a = 1, .noise = 2}, 4.0);
}

TEST(AcMeter, AStepIsThereWithinACycleAndAHalf) {
  AcMeter meter(settings_for({}));
  double settled_s = 0;
  for (int k = 0; k < 10'000; k++) {
    const double at = k / 5000.0;
    const double current = at < 1.003 ? 5 : 40;
    const auto count = [&](double rms, double step) {
      return static_cast<uint16_t>(std::lround(2048 + rms * std::sqrt(2) * std::sin(100 * PI * at) / step));
    };
    if (meter.add(count(230, 0.2), count(current, 0.03)) && at > 1.003 &&
        std::abs(meter.values().current_a - 40) > 0.5F)
      settled_s = at;
  }
  EXPECT_LT(settled_s, 1.003 + 0.030);
}

TEST(AcMeter, WithoutVoltageThereIsStillACurrent) {
  // Offset and noise only on the voltage; the current of something else, 10 A.
  AcMeter meter(settings_for({}));
  std::mt19937 dice(1);
  EXPECT_TRUE(std::isnan(meter.values().voltage_v));
  int values = 0;
  for (int k = 0; k < 20'000; k++) {
    const double at = k / 5000.0;
    values += meter.add(
        static_cast<uint16_t>(2100 + dice() % 5),
        static_cast<uint16_t>(std::lround(2048 + 10 * std::sqrt(2) / 0.03 * std::sin(100 * PI * at))));
  }
  EXPECT_LT(meter.values().voltage_v, 2);
  EXPECT_NEAR(meter.values().current_a, 10, 0.2);
  EXPECT_LT(std::abs(meter.values().power_w), 10);
  EXPECT_GT(values, 150);
  meter.reset();
  EXPECT_TRUE(std::isnan(meter.values().voltage_v));
}

TEST(AcMeter, NoiseOfTheWorstKindIsSafe) {
  std::mt19937 dice(8);
  AcMeter meter(settings_for({}));
  for (int k = 0; k < 300'000; k++) {
    const auto kind = dice() % 3;
    const auto any = [&] { return static_cast<uint16_t>(kind == 0 ? dice() : kind == 1 ? 0 : 4095); };
    meter.add(any(), any());
  }
  for (int k = 0; k < 5'000; k++) meter.add(2048, 2048);
  EXPECT_LT(meter.values().voltage_v, 0.1);
}

}  // namespace
}  // namespace esphome::microgrid

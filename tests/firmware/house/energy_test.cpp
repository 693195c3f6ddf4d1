// Energy and charge against closed forms.
#include "esphome/components/microgrid_measure/energy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

namespace esphome::microgrid {
namespace {

constexpr int64_t W = EnergyIntegral::UNITS_PER_W;

TEST(Energy, ConstantPowerForADay) {
  EnergyIntegral energy;
  for (uint64_t us = 0; us <= 86'400'000'000; us += 100'000) energy.add(1234 * W, us);
  EXPECT_EQ(energy.positive_wh(), 1234U * 24);
  EXPECT_EQ(energy.negative_wh(), 0U);
}

TEST(Energy, ASmallPowerIsNotLostInRounding) {
  EnergyIntegral energy;
  // 0.1 mW: at each step far less than anything that could be shown.
  for (uint64_t us = 0; us <= 400 * 3'600'000'000ULL; us += 1'000'000) energy.add(1, us);
  EXPECT_EQ(energy.positive_wh(), 0U);
  for (uint64_t us = 0; us <= 3'600'000'000; us += 10'000) energy.add(9'6000, 500 * 3'600'000'000ULL + us);
  EXPECT_EQ(energy.positive_wh(), 9U);  // 9.6 Wh and 0.04 Wh
}

TEST(Energy, ASineCountsEachHalfInItsDirection) {
  // 5 kW of 20 s period, with jitter: over an hour each half gives 5 kW × 2/π × 0.5 h.
  EnergyIntegral energy;
  std::mt19937 dice(3);
  for (uint64_t us = 0; us <= 3'600'000'000; us += 8'000 + dice() % 4'000) {
    const double phase = 2 * std::numbers::pi * static_cast<double>(us) / 20e6;
    energy.add(std::llround(5000.0 * static_cast<double>(W) * std::sin(phase)), us);
  }
  const double expected = 5000 * 2 / std::numbers::pi / 2;
  EXPECT_NEAR(energy.positive_wh(), expected, 1);
  EXPECT_NEAR(energy.negative_wh(), expected, 1);
}

TEST(Energy, NothingIsCountedOverAGap) {
  EnergyIntegral energy;
  energy.add(3600 * W, 0);
  energy.add(3600 * W, 1'000'000);      // 1 Wh
  energy.add(std::nullopt, 1'500'000);  // not known
  energy.add(3600 * W, 2'000'000);
  energy.add(3600 * W, 4'100'000);   // too far apart
  energy.add(3600 * W, 5'100'000);   // 1 Wh
  energy.add(INT64_MAX, 6'000'000);  // no power
  energy.add(3600 * W, 6'100'000);
  EXPECT_EQ(energy.positive_wh(), 2U);
}

TEST(Energy, GoesOnFromWhatWasRestored) {
  EnergyIntegral energy;
  energy.restore(100, 50);
  energy.add(-3600 * W, 0);
  energy.add(-3600 * W, 2'000'000);
  EXPECT_EQ(energy.positive_wh(), 100U);
  EXPECT_EQ(energy.negative_wh(), 52U);
}

TEST(Charge, IsUnknownUntilFullThenCounted) {
  ChargeCounter charge;
  charge.setup({.capacity_mah = 280'000});
  uint64_t us = 0;
  const auto run = [&](double hours, int32_t ma, int32_t mv) {
    for (const uint64_t end = us + static_cast<uint64_t>(hours * 3.6e9); us < end; us += 100'000)
      charge.add(ma, mv, us);
  };
  run(1, 50'000, 53'000);
  EXPECT_EQ(charge.permille(), std::nullopt);
  run(0.01, -50'000, 55'500);
  EXPECT_EQ(charge.permille(), std::nullopt) << "it is charging at full current: not full";
  run(0.02, -5'000, 55'500);
  EXPECT_EQ(charge.permille(), 1000);
  run(2, 28'000, 53'000);
  EXPECT_NEAR(charge.charge_mah().value(), 280'000 - 56'000, 30);
  EXPECT_NEAR(charge.permille().value(), 800, 1);
  run(20, 28'000, 50'000);
  EXPECT_EQ(charge.permille(), 0) << "it does not go below empty";
}

TEST(Charge, EmptyIsKnownToo) {
  ChargeCounter charge;
  charge.setup({.capacity_mah = 100'000});
  for (uint64_t us = 0; us < 61'000'000; us += 10'000) charge.add(1'000, 44'700, us);
  EXPECT_EQ(charge.permille(), 0);
}

TEST(Charge, RestoresOnlyWhatFitsTheBattery) {
  ChargeCounter charge;
  charge.restore(1000);
  EXPECT_EQ(charge.charge_mah(), std::nullopt) << "no capacity, no charge";
  charge.setup({.capacity_mah = 100'000});
  charge.restore(100'001);
  EXPECT_EQ(charge.charge_mah(), std::nullopt);
  charge.restore(-1);
  EXPECT_EQ(charge.charge_mah(), std::nullopt);
  charge.restore(60'000);
  EXPECT_EQ(charge.permille(), 600);
}

}  // namespace
}  // namespace esphome::microgrid

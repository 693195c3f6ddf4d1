// Frequency from zero crossings: how exact, how noisy, and what disturbs it. Prints its tables.
#include "esphome/components/microgrid_measure/zero_crossing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <random>
#include <string>
#include <vector>

namespace esphome::microgrid {
namespace {

constexpr double TICKS = 80e6;

uint32_t ticks_at(double seconds) {
  return static_cast<uint32_t>(static_cast<uint64_t>(std::llround(seconds * TICKS)));
}

/// A voltage with harmonics (share of the fundamental) and a comparator that switches at `threshold` (share
/// of the peak).
struct Wave {
  double frequency_hz{50};
  double third{0}, fifth{0};
  double threshold{0};
  double jitter_s{0};

  double value(double seconds) const {
    const double phase = 2 * std::numbers::pi * this->frequency_hz * seconds;
    return std::sin(phase) + this->third * std::sin(3 * phase + 0.7) +
           this->fifth * std::sin(5 * phase + 1.9);
  }
  /// Times at which the comparator switches within `seconds`.
  std::vector<double> crossings(double seconds, uint32_t seed) const {
    std::mt19937 dice(seed);
    std::normal_distribution<double> noise(0, this->jitter_s);
    std::vector<double> found;
    constexpr double STEP = 20e-6;
    double before = this->value(0) - this->threshold;
    for (double at = STEP; at < seconds; at += STEP) {
      const double now = this->value(at) - this->threshold;
      if ((before < 0) != (now < 0)) {
        double low = at - STEP, high = at;
        for (int i = 0; i < 40; i++) {
          const double middle = (low + high) / 2;
          ((this->value(middle) - this->threshold < 0) == (before < 0) ? low : high) = middle;
        }
        found.push_back(low + (this->jitter_s > 0 ? noise(dice) : 0));
      }
      before = now;
    }
    return found;
  }
};

struct Error {
  double mean{0}, rms{0}, most{0};
  size_t values{0};
};
Error measure(const Wave &wave, double seconds = 20) {
  ZeroCrossing meter;
  Error error;
  for (const double at : wave.crossings(seconds, 1)) {
    meter.edge(ticks_at(at + 53.6));  // the timer wraps in between
    if (std::isnan(meter.frequency_hz())) continue;
    const double off = static_cast<double>(meter.frequency_hz()) - wave.frequency_hz;
    error.mean += off;
    error.rms += off * off;
    error.most = std::max(error.most, std::abs(off));
    error.values++;
  }
  error.mean /= static_cast<double>(error.values);
  error.rms = std::sqrt(error.rms / static_cast<double>(error.values));
  return error;
}

TEST(ZeroCrossing, AccuracyTable) {
  std::printf("zero crossing              mean mHz   rms mHz  most mHz\n");
  const auto row = [](const char *name, const Wave &wave, double most_mean_mhz, double most_rms_mhz) {
    const Error error = measure(wave);
    std::printf("zero crossing %-12s %8.4f  %8.3f  %8.3f\n", name, error.mean * 1e3, error.rms * 1e3,
                error.most * 1e3);
    EXPECT_LT(std::abs(error.mean) * 1e3, most_mean_mhz) << name;
    EXPECT_LT(error.rms * 1e3, most_rms_mhz) << name;
    EXPECT_GE(error.values, 1990 * wave.frequency_hz / 50 - 10) << name;
  };
  row("clean", {}, 0.01, 0.05);
  row("48.5 Hz", {.frequency_hz = 48.5}, 0.01, 0.05);
  row("51.3 Hz", {.frequency_hz = 51.3}, 0.01, 0.05);
  row("jitter 1 us", {.jitter_s = 1e-6}, 0.2, 4);
  row("jitter 10 us", {.jitter_s = 10e-6}, 2, 40);
  row("jitter 100us", {.jitter_s = 100e-6}, 20, 400);
  row("3rd 5%", {.third = 0.05}, 0.01, 0.05);
  row("3rd+5th 8%", {.third = 0.08, .fifth = 0.08}, 0.01, 0.05);
  row("offset 10%", {.threshold = 0.1}, 0.01, 0.05);
}

TEST(ZeroCrossing, ResolutionOfTimers) {
  std::printf("zero crossing resolution: 80 MHz %.4f mHz, 1 MHz %.2f mHz, 40 kHz %.1f mHz\n",
              ZeroCrossing::resolution_hz(50, 80e6) * 1e3, ZeroCrossing::resolution_hz(50, 1e6) * 1e3,
              ZeroCrossing::resolution_hz(50, 40e3) * 1e3);
  EXPECT_NEAR(ZeroCrossing::resolution_hz(50, 80e6), 31e-6, 1e-6);
  // One tick more or less is what it says.
  ZeroCrossing meter;
  uint32_t ticks = 0;
  for (int i = 0; i < 20; i++) meter.edge(ticks += 800'000);
  EXPECT_FLOAT_EQ(meter.frequency_hz(), 50);
  meter.edge(ticks += 800'010);
  EXPECT_NEAR(50 - static_cast<double>(meter.frequency_hz()), 10 * ZeroCrossing::resolution_hz(50, 80e6),
              1e-5);
}

TEST(ZeroCrossing, FollowsARampWithoutLosingIt) {
  // 1 Hz/s, which droop after a load step does.
  ZeroCrossing meter;
  double at = 1, phase = 0, worst = 0;
  while (at < 3) {
    const double frequency = 51.0 - (at - 1);
    at += 0.5 / frequency;
    phase++;
    meter.edge(ticks_at(at));
    if (phase > 10) worst = std::max(worst, std::abs(static_cast<double>(meter.frequency_hz()) - frequency));
  }
  EXPECT_LT(worst, 0.03) << "one cycle of delay";
  EXPECT_EQ(meter.counters().restarts, 0U);
}

TEST(ZeroCrossing, GlitchesAreRefused) {
  std::mt19937 dice(9);
  ZeroCrossing meter;
  double worst = 0;
  for (int i = 0; i < 5000; i++) {
    meter.edge(ticks_at(i * 0.01));
    if (i > 10) {
      ASSERT_FALSE(std::isnan(meter.frequency_hz())) << i;
      worst = std::max(worst, std::abs(static_cast<double>(meter.frequency_hz()) - 50));
    }
    // Up to three, anywhere but so near to the next crossing that nobody could tell it apart.
    std::vector<double> glitches(i > 10 ? dice() % 4 : 0);
    for (double &glitch : glitches) glitch = i * 0.01 + std::uniform_real_distribution(0.00001, 0.0093)(dice);
    std::sort(glitches.begin(), glitches.end());
    for (const double glitch : glitches) meter.edge(ticks_at(glitch));
  }
  EXPECT_LT(worst, 0.001);
  EXPECT_GT(meter.counters().glitches, 5000U);
  EXPECT_EQ(meter.counters().restarts, 0U);
}

TEST(ZeroCrossing, AGlitchAtTheWorstMomentDoesLimitedHarm) {
  ZeroCrossing meter;
  double worst = 0;
  for (int i = 0; i < 500; i++) {
    meter.edge(ticks_at(i * 0.01 - (i % 50 == 49 ? 0.0005 : 0)));
    if (i > 10) worst = std::max(worst, std::abs(static_cast<double>(meter.frequency_hz()) - 50));
  }
  EXPECT_LT(worst, 1.5);
  EXPECT_EQ(meter.counters().restarts, 0U);
}

TEST(ZeroCrossing, MissingCrossingsAreBridged) {
  ZeroCrossing meter;
  double worst = 0;
  for (int i = 0; i < 5000; i++) {
    if (i > 20 && (i % 7 == 0 || i % 7 == 1 || i % 11 == 0)) continue;
    meter.edge(ticks_at(i / (2 * 49.3)));
    if (i > 10) worst = std::max(worst, std::abs(static_cast<double>(meter.frequency_hz()) - 49.3));
  }
  EXPECT_LT(worst, 0.001);
  EXPECT_GT(meter.counters().missing, 1000U);
  EXPECT_EQ(meter.counters().restarts, 0U);
}

TEST(ZeroCrossing, APhaseJumpIsAcceptedSoon) {
  ZeroCrossing meter;
  for (int i = 0; i < 100; i++) meter.edge(ticks_at(i * 0.01));
  int until_known = 0;
  for (int i = 0; i < 40; i++) {
    meter.edge(ticks_at(1.0035 + i * 0.01));
    if (std::isnan(meter.frequency_hz())) until_known = i + 1;
  }
  EXPECT_LT(until_known, 12);
  EXPECT_NEAR(meter.frequency_hz(), 50, 0.001);
}

TEST(ZeroCrossing, SilenceIsNotAFrequency) {
  ZeroCrossing meter;
  EXPECT_TRUE(std::isnan(meter.frequency_hz()));
  for (int i = 0; i < 100; i++) meter.edge(ticks_at(i * 0.01));
  meter.expire(ticks_at(1.03));
  EXPECT_FALSE(std::isnan(meter.frequency_hz()));
  meter.expire(ticks_at(0.98));  // asked a little before the edge
  EXPECT_FALSE(std::isnan(meter.frequency_hz()));
  meter.expire(ticks_at(1.07));
  EXPECT_TRUE(std::isnan(meter.frequency_hz()));
}

TEST(ZeroCrossing, WhatIsNoMainsIsNotKnown) {
  for (const double frequency : {5.0, 30.0, 80.0, 400.0, 20'000.0}) {
    ZeroCrossing meter;
    for (int i = 0; i < 2000; i++) {
      meter.edge(ticks_at(i / (2 * frequency)));
      ASSERT_TRUE(std::isnan(meter.frequency_hz()) || std::abs(meter.frequency_hz() - 50) < 15) << frequency;
    }
  }
  std::mt19937 dice(2);
  ZeroCrossing meter;
  for (int i = 0; i < 200'000; i++) {
    meter.edge(static_cast<uint32_t>(dice()));
    meter.expire(static_cast<uint32_t>(dice()));
    ASSERT_TRUE(std::isnan(meter.frequency_hz()) || (meter.frequency_hz() > 39 && meter.frequency_hz() < 66));
  }
}

}  // namespace
}  // namespace esphome::microgrid

// Two sine waves' crossings on a timer that wraps, with jitter and glitches.
#include "esphome/components/microgrid_gateway/phase_meter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace esphome::microgrid {
namespace {

constexpr double TICKS_PER_S = 80e6;

struct Edge {
  double s;
  PhaseMeter::Side side;
  bool rising;
};

/// Crossings of both sides over `length_s`, in the order of time.
std::vector<Edge> crossings(double cluster_hz, double swarm_hz, double phase_deg, double length_s) {
  std::vector<Edge> edges;
  const auto add = [&](PhaseMeter::Side side, double hz, double lead_deg) {
    for (int half = 1; half < 2 * hz * length_s; half++) {
      const double s = (half / 2.0 - lead_deg / 360) / hz;
      if (s > 0 && s < length_s) edges.push_back({s, side, half % 2 == 0});
    }
  };
  add(PhaseMeter::CLUSTER, cluster_hz, phase_deg);
  add(PhaseMeter::SWARM, swarm_hz, 0);
  std::sort(edges.begin(), edges.end(), [](const Edge &a, const Edge &b) { return a.s < b.s; });
  return edges;
}

uint32_t ticks_at(double s, double start_ticks) {
  return static_cast<uint32_t>(static_cast<uint64_t>(start_ticks + s * TICKS_PER_S));
}

TEST(PhaseMeter, tells_the_angle_between_two_waves_at_any_time) {
  std::mt19937 dice{2};
  std::uniform_real_distribution<double> one{0, 1};
  std::normal_distribution<double> noise{0, 2e-6};
  double worst_deg = 0;
  for (int round = 0; round < 200; round++) {
    const double swarm_hz = 48 + 4 * one(dice);
    const double cluster_hz = swarm_hz + 0.4 * (one(dice) - 0.5);
    const double start_deg = 360 * one(dice) - 180;
    const double start_ticks = 4294967296.0 * one(dice);  // wraps on the way
    PhaseMeter meter;
    const double length_s = 3;
    const auto edges = crossings(cluster_hz, swarm_hz, start_deg, length_s);
    size_t next = 0;
    for (double s = 0.01; s < length_s; s += 0.01) {
      for (; next < edges.size() && edges[next].s < s; next++)
        meter.edge(edges[next].side, ticks_at(edges[next].s + noise(dice), start_ticks), edges[next].rising);
      const uint32_t now = ticks_at(s, start_ticks);
      meter.expire(now);
      if (s < 0.2) continue;
      const double truth = std::remainder(start_deg + 360 * (cluster_hz - swarm_hz) * s, 360);
      const double error =
          std::abs(std::remainder(static_cast<double>(meter.phase_difference_deg(now)) - truth, 360));
      ASSERT_LT(error, 0.5) << "at " << s;
      worst_deg = std::max(worst_deg, error);
    }
    ASSERT_NEAR(meter.frequency_hz(PhaseMeter::CLUSTER), cluster_hz, 0.03);
    ASSERT_NEAR(meter.frequency_hz(PhaseMeter::SWARM), swarm_hz, 0.03);
  }
  std::printf("phase from crossings with 2 us of noise: %.2f deg at most\n", worst_deg);
}

TEST(PhaseMeter, says_nothing_when_a_side_is_silent) {
  PhaseMeter meter;
  for (const Edge &edge : crossings(50, 50, 30, 1)) meter.edge(edge.side, ticks_at(edge.s, 0), edge.rising);
  EXPECT_NEAR(meter.phase_difference_deg(ticks_at(1, 0)), 30, 0.1);
  EXPECT_TRUE(std::isnan(meter.phase_difference_deg(ticks_at(1.06, 0))));
  meter.expire(ticks_at(1.2, 0));
  EXPECT_TRUE(std::isnan(meter.frequency_hz(PhaseMeter::SWARM)));
  // The timer comes around: an old crossing must not look young again.
  EXPECT_TRUE(std::isnan(meter.phase_difference_deg(ticks_at(1 + 4294967296.0 / TICKS_PER_S, 0))));
}

TEST(PhaseMeter, glitches_do_not_turn_it) {
  std::mt19937 dice{8};
  std::uniform_real_distribution<double> one{0, 1};
  PhaseMeter meter;
  for (const Edge &edge : crossings(50.02, 50, -70, 5)) {
    meter.edge(edge.side, ticks_at(edge.s, 0), edge.rising);
    if (one(dice) < 0.05)
      meter.edge(edge.side, ticks_at(edge.s + 0.001 + 0.007 * one(dice), 0), one(dice) < 0.5);
  }
  EXPECT_NEAR(meter.phase_difference_deg(ticks_at(5, 0)), -70 + 360 * 0.02 * 5, 0.5);
}

}  // namespace
}  // namespace esphome::microgrid

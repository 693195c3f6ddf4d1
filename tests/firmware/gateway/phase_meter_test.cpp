// Two sine waves' crossings on a timer that wraps, with jitter and glitches.
#include "esphome/components/microgrid_gateway/phase_meter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "two_sources.h"

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

/// What a detector makes of crossings that sees both half waves alike: a pulse around each, half of `width_s`
/// before and half of it behind. Seldom one is missing.
std::vector<Edge> pulses(const std::vector<Edge> &crossings, double width_s, double missing,
                         std::mt19937 &dice) {
  std::uniform_real_distribution<double> one{0, 1};
  std::vector<Edge> edges;
  for (const Edge &crossing : crossings) {
    if (one(dice) < missing) continue;
    edges.push_back({crossing.s - width_s / 2, crossing.side, true});
    edges.push_back({crossing.s + width_s / 2, crossing.side, false});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge &a, const Edge &b) { return a.s < b.s; });
  return edges;
}

/// A synchroniser that shall close and sees two healthy voltages by these edges; true when it did.
bool closes(const std::vector<Edge> &edges, double length_s, PhaseMeter &meter) {
  TwoSources site;
  Synchroniser synchroniser{{}, site, site};
  synchroniser.command(true);
  size_t next = 0;
  for (double s = 0.01; s < length_s; s += 0.01) {
    for (; next < edges.size() && edges[next].s <= s; next++)
      meter.edge(edges[next].side, ticks_at(edges[next].s, 0), edges[next].rising);
    const uint32_t now = ticks_at(s, 0);
    meter.expire(now);
    site.now_us += 10'000;
    synchroniser.step({.cluster_frequency_hz = meter.frequency_hz(PhaseMeter::CLUSTER),
                       .swarm_frequency_hz = meter.frequency_hz(PhaseMeter::SWARM),
                       .cluster_voltage_v = 230,
                       .swarm_voltage_v = 230,
                       .phase_difference_deg = meter.phase_difference_deg(now),
                       .power_flow_w = 0,
                       .auxiliary = AuxiliaryContact::OPEN},
                      site.now_us);
    if (site.driven) return true;
  }
  return false;
}

/// Their phase is known but for half a turn, so it closed in opposition as gladly as in phase.
TEST(PhaseMeter, pulses_at_each_crossing_never_close_the_contactor) {
  std::mt19937 dice{5};
  for (const double width_s : {50e-6, 0.4e-3, 0.8e-3, 2e-3, 5e-3}) {
    for (const double start_deg : {180.0, 0.0, 150.0, -30.0}) {
      for (const double slip_hz : {0.0, 0.03, -0.05}) {
        for (const double missing : {0.0, 0.03}) {
          PhaseMeter meter;
          const auto edges = pulses(crossings(50 + slip_hz, 50, start_deg, 25), width_s, missing, dice);
          EXPECT_FALSE(closes(edges, 25, meter))
              << width_s << " s wide, " << start_deg << " deg, " << slip_hz << " Hz, missing " << missing;
        }
      }
    }
  }
}

TEST(PhaseMeter, pulses_on_one_side_never_close_the_contactor_and_are_told) {
  std::mt19937 dice{6};
  for (const PhaseMeter::Side blind : {PhaseMeter::CLUSTER, PhaseMeter::SWARM}) {
    for (const double start_deg : {180.0, 0.0}) {
      std::vector<Edge> edges;
      for (const Edge &edge : crossings(50, 50, start_deg, 10)) {
        if (edge.side != blind) {
          edges.push_back(edge);
        } else {
          for (const Edge &part : pulses({edge}, 0.4e-3, 0, dice)) edges.push_back(part);
        }
      }
      std::sort(edges.begin(), edges.end(), [](const Edge &a, const Edge &b) { return a.s < b.s; });
      PhaseMeter meter;
      EXPECT_FALSE(closes(edges, 10, meter)) << start_deg;
      EXPECT_FALSE(meter.rectangular(blind));
      EXPECT_TRUE(meter.rectangular(blind == PhaseMeter::CLUSTER ? PhaseMeter::SWARM : PhaseMeter::CLUSTER));
      EXPECT_NEAR(meter.frequency_hz(blind), 50, 0.01);  // the frequency is known nevertheless
    }
  }
}

TEST(PhaseMeter, rectangles_close_the_contactor_also_after_a_rising_edge_out_of_place) {
  PhaseMeter meter;
  auto edges = crossings(50.02, 50, 0, 10);
  EXPECT_TRUE(closes(edges, 10, meter));

  // Falling edges that were taken for rising ones, as when one between them was lost.
  PhaseMeter disturbed;
  for (size_t i = 40; i < 44; i++) edges[i].rising = true;
  const auto end = std::find_if(edges.begin(), edges.end(), [](const Edge &edge) { return edge.s > 0.9; });
  for (auto edge = edges.begin(); edge != end; edge++)
    disturbed.edge(edge->side, ticks_at(edge->s, 0), edge->rising);
  EXPECT_TRUE(std::isnan(disturbed.phase_difference_deg(ticks_at(0.9, 0))));
  for (auto edge = end; edge != edges.end(); edge++)
    disturbed.edge(edge->side, ticks_at(edge->s, 0), edge->rising);
  EXPECT_TRUE(disturbed.rectangular(PhaseMeter::CLUSTER));
  EXPECT_NEAR(disturbed.phase_difference_deg(ticks_at(10, 0)), 360 * 0.02 * 10, 0.5);
}

/// A rectangle whose high half is shorter than the low one, as an optocoupler's with a threshold.
TEST(PhaseMeter, a_lopsided_rectangle_is_one) {
  for (const double late_s : {-0.25e-3, 0.25e-3}) {
    PhaseMeter meter;
    auto edges = crossings(50.02, 50, 0, 10);
    for (Edge &edge : edges) edge.s += edge.rising ? late_s : -late_s;
    EXPECT_TRUE(closes(edges, 10, meter)) << late_s;
  }
}

}  // namespace
}  // namespace esphome::microgrid

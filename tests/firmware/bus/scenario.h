// What the contract promises, as checks that scenarios share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

#include "simulated_cluster.h"

namespace microgrid_test {

/// Ticks at 100 Hz whatever happens: none too early, none missing for long.
inline void expect_beats(const SimulatedNode &node, int64_t from_ns, int64_t to_ns, double tolerance = 0.01,
                         int64_t longest_ns = 16 * MS) {
  SCOPED_TRACE(testing::Message() << "node " << int{node.options.number});
  int64_t count = 0;
  int64_t last_ns = 0;
  int64_t shortest = INT64_MAX;
  int64_t longest = 0;
  for (const Beaten &beat : node.beats) {
    if (beat.time_ns < from_ns || beat.time_ns >= to_ns) continue;
    count++;
    if (last_ns != 0) {
      shortest = std::min(shortest, beat.time_ns - last_ns);
      longest = std::max(longest, beat.time_ns - last_ns);
    }
    last_ns = beat.time_ns;
  }
  const double wanted = static_cast<double>(to_ns - from_ns) / (10.0 * MS);
  EXPECT_NEAR(static_cast<double>(count), wanted, wanted * tolerance + 1.5);
  EXPECT_GT(shortest, 4 * MS);
  EXPECT_LT(longest, longest_ns);
}

inline void expect_beats(Cluster &cluster, int64_t from_ns, double tolerance = 0.01,
                         int64_t longest_ns = 16 * MS) {
  for (const SimulatedNode *node : cluster.nodes())
    expect_beats(*node, from_ns, cluster.now_ns(), tolerance, longest_ns);
}

/// Since then this one and nobody else beat time, without a pause.
inline void expect_master(Cluster &cluster, uint8_t number, int64_t from_ns) {
  EXPECT_EQ(cluster.masters(from_ns), std::vector<uint8_t>{number});
  int64_t last_ns = from_ns;
  int64_t longest_ns = 0;
  for (const OnWire &sync : cluster.frames(dbc::Sync::MESSAGE.identifier, from_ns)) {
    longest_ns = std::max(longest_ns, sync.time_ns - last_ns);
    last_ns = sync.time_ns;
  }
  longest_ns = std::max(longest_ns, cluster.now_ns() - last_ns);
  EXPECT_LT(longest_ns, 13 * MS);
  for (SimulatedNode *node : cluster.nodes()) EXPECT_EQ(node->bus->statistics().master, number);
}

/// All clocks tell the same time, and know how well.
inline void expect_agreement(Cluster &cluster, int64_t within_us, int64_t of_utc_us) {
  for (SimulatedNode *node : cluster.nodes()) {
    SCOPED_TRACE(testing::Message() << "node " << int{node->options.number});
    EXPECT_TRUE(node->clock->valid(node->mono_us()));
    EXPECT_LT(std::abs(node->clock_error_us()), of_utc_us);
    EXPECT_LE(std::abs(node->clock_error_us()), int64_t{node->clock->timeline().error_us(node->mono_us())});
    for (SimulatedNode *other : cluster.nodes())
      EXPECT_LT(std::abs(node->clock_error_us() - other->clock_error_us()), within_us);
  }
}

}  // namespace microgrid_test

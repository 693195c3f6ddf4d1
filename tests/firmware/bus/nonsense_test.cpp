// The fuzzer's check on seeded bytes, so that every test run has some.
#include "nonsense.h"

#include <gtest/gtest.h>

#include <random>

TEST(Nonsense, never_stops_the_beat) {
  for (uint32_t seed = 1; seed <= 300; seed++) {
    SCOPED_TRACE(seed);
    std::mt19937 dice(seed);
    std::vector<uint8_t> bytes(4000);
    for (uint8_t &byte : bytes) byte = static_cast<uint8_t>(dice());
    bool good = true;
    microgrid_test::play_nonsense(bytes, [&](bool holds) { good = good && holds; });
    ASSERT_TRUE(good);
  }
}

// The queues between two tasks: order, refusal, wrap-around, and both sides at once.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "esphome/components/microgrid_core/spsc_ring.h"

namespace esphome::microgrid {
namespace {

struct Sample {
  uint64_t mono_us;
  int32_t value;
  uint32_t check;
};

TEST(SpscRing, keeps_order_and_refuses_when_full) {
  SpscRing<int, 4> ring;
  EXPECT_FALSE(ring.pop());
  for (int round = 0; round < 1000; round++) {
    for (int i = 0; i < 4; i++) EXPECT_TRUE(ring.push(i));
    EXPECT_FALSE(ring.push(9));
    EXPECT_EQ(ring.size(), 4U);
    for (int i = 0; i < 4; i++) EXPECT_EQ(ring.pop(), i);
    EXPECT_FALSE(ring.pop());
  }
  EXPECT_EQ(ring.refused(), 1000U);
}

TEST(SpscRing, two_threads) {
  constexpr uint32_t COUNT = 200'000;
  SpscRing<Sample, 64> ring;
  std::thread producer([&] {
    for (uint32_t i = 0; i < COUNT;) {
      if (ring.push({.mono_us = i, .value = static_cast<int32_t>(i), .check = ~i})) {
        i++;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint32_t i = 0; i < COUNT;) {
    const auto sample = ring.pop();
    if (!sample) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(sample->mono_us, i);
    ASSERT_EQ(sample->check, ~i);
    ASSERT_LE(ring.size(), 64U);
    i++;
  }
  producer.join();
  EXPECT_EQ(ring.size(), 0U);
}

TEST(SpscByteRing, gives_back_what_it_took_or_refuses) {
  alignas(4) std::array<uint8_t, 256> memory{};
  SpscByteRing ring(memory);
  EXPECT_EQ(ring.max_record_bytes(), 124U);
  std::deque<std::vector<uint8_t>> inside;
  std::mt19937 dice(1);
  uint32_t refused = 0;
  for (int i = 0; i < 200'000; i++) {
    if (dice() % 2 == 0) {
      std::vector<uint8_t> record(dice() % 130);
      for (uint8_t &byte : record) byte = static_cast<uint8_t>(dice());
      if (ring.push(record)) {
        inside.push_back(record);
      } else {
        refused++;
        // A record that is allowed is refused only for want of room.
        EXPECT_TRUE(record.size() > 124 || !inside.empty());
      }
    } else {
      const auto front = ring.front();
      ASSERT_EQ(front.has_value(), !inside.empty());
      if (!front) continue;
      ASSERT_TRUE(std::equal(front->begin(), front->end(), inside.front().begin(), inside.front().end()));
      ring.pop();
      inside.pop_front();
    }
    ASSERT_LE(ring.used(), 256U);
  }
  EXPECT_EQ(ring.refused(), refused);
  EXPECT_GT(refused, 1000U);
}

TEST(SpscByteRing, an_empty_ring_takes_the_longest_record_wherever_it_stands) {
  alignas(4) std::array<uint8_t, 64> memory{};
  SpscByteRing ring(memory);
  const std::vector<uint8_t> longest(ring.max_record_bytes(), 7);
  const std::vector<uint8_t> tiny(1, 1);
  for (int i = 0; i < 100; i++) {
    ASSERT_TRUE(ring.push(longest));
    ASSERT_EQ(ring.front()->size(), longest.size());
    ring.pop();
    ASSERT_TRUE(ring.push(tiny));
    ring.pop();
    EXPECT_FALSE(ring.front());
    ring.pop();  // of nothing: nothing
  }
  EXPECT_FALSE(ring.push(std::vector<uint8_t>(ring.max_record_bytes() + 1)));
}

TEST(SpscByteRing, takes_nothing_without_proper_memory) {
  std::array<uint8_t, 100> memory{};
  SpscByteRing ring(memory);
  EXPECT_FALSE(ring.push(std::vector<uint8_t>{1}));
  EXPECT_FALSE(ring.push({}));
  EXPECT_FALSE(ring.front());
  EXPECT_EQ(ring.refused(), 2U);
}

TEST(SpscByteRing, two_threads) {
  constexpr uint32_t COUNT = 100'000;
  alignas(4) std::array<uint8_t, 1024> memory{};
  SpscByteRing ring(memory);
  std::thread producer([&] {
    std::array<uint8_t, 200> record{};
    for (uint32_t i = 0; i < COUNT;) {
      const size_t size = 4 + i * 7 % 190;
      std::fill_n(record.begin(), size, static_cast<uint8_t>(i));
      store(record.data(), i);
      if (ring.push(Bytes(record).first(size))) {
        i++;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint32_t i = 0; i < COUNT;) {
    const auto record = ring.front();
    if (!record) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(record->size(), 4 + i * 7 % 190);
    ASSERT_EQ(load<uint32_t>(record->data()), i);
    for (const uint8_t byte : record->subspan(4)) ASSERT_EQ(byte, static_cast<uint8_t>(i));
    ring.pop();
    i++;
  }
  producer.join();
}

}  // namespace
}  // namespace esphome::microgrid

// The relay between the bus task and the main loop: one batch at a time, whole on the other side, also with
// two threads.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

#include "esphome/components/microgrid_can/bulk_relay.h"

namespace esphome::microgrid {
namespace {

TEST(LogRelay, holds_a_batch_until_it_is_acknowledged) {
  std::vector<uint8_t> room(100);
  LogRelay relay(room);
  EXPECT_FALSE(relay.ready());
  EXPECT_FALSE(relay.acknowledge({1, 2}));
  EXPECT_FALSE(relay.take_acknowledged());
  EXPECT_EQ(relay.room().size(), 100U);
  relay.offer(3, {1, 5}, {1, 9}, 101);
  EXPECT_FALSE(relay.ready()) << "more than there is";
  relay.offer(3, {1, 5}, {1, 9}, 60);
  EXPECT_TRUE(relay.room().empty());
  relay.offer(4, {1, 5}, {1, 9}, 10);
  for (int repetition = 0; repetition < 2; repetition++) {
    const auto batch = relay.ready();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->house, 3);
    EXPECT_EQ(batch->last, (Position{1, 9}));
    EXPECT_EQ(batch->frames.size(), 60U);
  }
  EXPECT_TRUE(relay.acknowledge({1, 8}));
  EXPECT_FALSE(relay.ready());
  const auto acknowledged = relay.take_acknowledged();
  ASSERT_TRUE(acknowledged);
  EXPECT_EQ(acknowledged->house, 3);
  EXPECT_EQ(acknowledged->position, (Position{1, 8}));
  EXPECT_FALSE(relay.take_acknowledged());
  EXPECT_EQ(relay.room().size(), 100U);
  relay.offer(3, {1, 5}, {1, 9}, 60);
  EXPECT_TRUE(relay.put_back());
  EXPECT_FALSE(relay.put_back());
  EXPECT_EQ(relay.take_acknowledged()->position, std::nullopt);
}

TEST(LogRelay, carries_batches_between_two_threads) {
  constexpr uint32_t BATCHES = 5000;
  std::vector<uint8_t> room(256);
  LogRelay relay(room);
  std::thread loop([&] {
    for (uint32_t expected = 0; expected < BATCHES;) {
      const auto batch = relay.ready();
      if (!batch) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(batch->last.seq, expected);
      const auto sum = std::accumulate(batch->frames.begin(), batch->frames.end(), uint32_t{0});
      ASSERT_EQ(sum, static_cast<uint32_t>(batch->frames.size()) * (expected & 0xFF));
      ASSERT_TRUE(relay.acknowledge(batch->last));
      expected++;
    }
  });
  for (uint32_t next = 0, done = 0; done < BATCHES;) {
    if (const auto acknowledged = relay.take_acknowledged()) {
      ASSERT_EQ(acknowledged->position->seq, done);
      done++;
    }
    const std::span<uint8_t> free = relay.room();
    if (free.empty() || next == BATCHES) {
      std::this_thread::yield();
      continue;
    }
    const size_t bytes = 1 + next % free.size();
    std::fill_n(free.begin(), bytes, static_cast<uint8_t>(next));
    relay.offer(1, {1, next}, {1, next}, bytes);
    next++;
  }
  loop.join();
}

TEST(HouseDirectory, knows_houses_by_number) {
  HouseDirectory directory;
  EXPECT_EQ(directory.house(3).boot_id, 0U);
  directory.set(3, {.boot_id = 9, .node = ShortText<32>{"house-3"}});
  directory.set(200, {.boot_id = 9});
  EXPECT_EQ(directory.house(3).node.view(), "house-3");
  EXPECT_EQ(directory.house(200).boot_id, 0U);
}

}  // namespace
}  // namespace esphome::microgrid

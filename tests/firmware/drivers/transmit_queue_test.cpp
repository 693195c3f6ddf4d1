// Which of the waiting frames is sent next.
#include "esphome/components/microgrid_can/transmit_queue.h"

#include <gtest/gtest.h>

namespace esphome::microgrid {
namespace {

Outgoing frame(uint32_t identifier, uint8_t first = 0) {
  return {.frame = {.identifier = identifier, .mono_us = 0, .length = 1, .data = {first}}, .stamp = false};
}

TEST(TransmitQueue, lets_the_most_urgent_go_first) {
  TransmitQueue queue;
  for (const uint32_t identifier : {0x703U, 0x203U, 0x023U, 0x403U, 0x003U})
    ASSERT_TRUE(queue.push(frame(identifier)));
  for (const uint32_t identifier : {0x003U, 0x023U, 0x203U, 0x403U, 0x703U}) {
    EXPECT_EQ(queue.pop()->frame.identifier, identifier);
  }
  EXPECT_FALSE(queue.pop());
}

TEST(TransmitQueue, keeps_the_order_of_one_identifier) {
  TransmitQueue queue;
  for (uint8_t i = 0; i < 10; i++) {
    ASSERT_TRUE(queue.push(frame(0x703, i)));
    ASSERT_TRUE(queue.push(frame(0x303, i)));
  }
  for (const uint32_t identifier : {0x303U, 0x703U}) {
    for (uint8_t i = 0; i < 10; i++) {
      const auto next = queue.pop();
      EXPECT_EQ(next->frame.identifier, identifier);
      EXPECT_EQ(next->frame.data[0], i);
    }
  }
}

TEST(TransmitQueue, puts_extended_identifiers_where_arbitration_does) {
  TransmitQueue queue;
  ASSERT_TRUE(queue.push(frame(0x124)));
  ASSERT_TRUE(queue.push(frame(CAN_EXTENDED | 0x123 << 18 | 0x3FFFF)));
  ASSERT_TRUE(queue.push(frame(0x123)));
  EXPECT_EQ(queue.pop()->frame.identifier, 0x123U);
  EXPECT_EQ(queue.pop()->frame.identifier, CAN_EXTENDED | 0x123 << 18 | 0x3FFFF);
  EXPECT_EQ(queue.pop()->frame.identifier, 0x124U);
}

TEST(TransmitQueue, when_full_refuses_what_is_no_more_urgent) {
  TransmitQueue queue;
  for (size_t i = 0; i < TransmitQueue::CAPACITY; i++) ASSERT_TRUE(queue.push(frame(0x100)));
  EXPECT_TRUE(queue.full());
  EXPECT_FALSE(queue.push(frame(0x100)));
  EXPECT_FALSE(queue.push(frame(0x700)));
  EXPECT_EQ(queue.lost(), 0U) << "the sender knows that they were refused";
}

TEST(TransmitQueue, when_full_the_least_urgent_gives_way) {
  TransmitQueue queue;
  for (uint8_t i = 0; i < TransmitQueue::CAPACITY - 1; i++) ASSERT_TRUE(queue.push(frame(0x703, i)));
  ASSERT_TRUE(queue.push(frame(0x403)));
  ASSERT_TRUE(queue.push(frame(0x023)));
  ASSERT_TRUE(queue.push(frame(0x003)));
  EXPECT_EQ(queue.lost(), 2U);
  for (const uint32_t identifier : {0x003U, 0x023U, 0x403U})
    EXPECT_EQ(queue.pop()->frame.identifier, identifier);
  // Of a transfer its end is missing: the beginning arrives in order.
  for (uint8_t i = 0; i < TransmitQueue::CAPACITY - 3; i++) EXPECT_EQ(queue.pop()->frame.data[0], i);
  EXPECT_FALSE(queue.pop());
}

TEST(TransmitQueue, counts_what_is_old_news) {
  TransmitQueue queue;
  for (int i = 0; i < 3; i++) ASSERT_TRUE(queue.push(frame(0x100)));
  queue.clear();
  EXPECT_FALSE(queue.pop());
  EXPECT_EQ(queue.lost(), 3U);
}

}  // namespace
}  // namespace esphome::microgrid

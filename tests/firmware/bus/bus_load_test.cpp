// Lengths of frames against known ones.
#include "esphome/components/microgrid_can/bus_load.h"

#include <gtest/gtest.h>

using namespace esphome::microgrid;

namespace {

CanFrame frame(uint32_t identifier, std::initializer_list<uint8_t> data) {
  CanFrame made{
      .identifier = identifier, .mono_us = 0, .length = static_cast<uint8_t>(data.size()), .data = {}};
  std::copy(data.begin(), data.end(), made.data.begin());
  return made;
}

}  // namespace

// Counted by hand: 00000 (1) 00000 (1) 00000 (1) 0000 is 19 zeros with a one after each five, DLC 0; the
// checksum of all zeros is 0: 34 zeros, of which runs of 5 begin anew with each stuffed one.
TEST(FrameBits, zeros_have_the_most_stuffing) { EXPECT_EQ(frame_bits(frame(0, {})), 34U + 6U + 13U); }

TEST(FrameBits, never_less_than_the_bare_frame_nor_more_than_all_stuffing) {
  uint32_t dice = 1;
  for (int i = 0; i < 20'000; i++) {
    CanFrame made{};
    dice = dice * 1664525 + 1013904223;
    made.identifier = dice >> 8 & 0x7FF;
    made.length = static_cast<uint8_t>((dice >> 20) % 9);
    for (uint8_t &byte : made.data) {
      dice = dice * 1664525 + 1013904223;
      byte = static_cast<uint8_t>(dice >> 24 & (i % 2 == 0 ? 0xFF : 0x01));
    }
    const uint32_t stuffable = 34U + 8U * made.length;
    ASSERT_GE(frame_bits(made), stuffable + 13);
    ASSERT_LE(frame_bits(made), stuffable + 13 + (stuffable - 1) / 4);
  }
}

TEST(FrameBits, remote_and_extended_frames) {
  CanFrame remote = frame(0x555 | CAN_REMOTE, {});
  remote.length = 8;  // asks for 8, carries none
  EXPECT_LT(frame_bits(remote), 34U + 13U + 9U);
  EXPECT_GE(frame_bits(frame(0x15555555 | CAN_EXTENDED, {0x55})), 54U + 8U + 13U);
}

TEST(BusLoad, is_that_of_the_last_second) {
  BusLoad load(500'000);
  const CanFrame sync = frame(0x003, {0x12, 0x34, 0x02});
  for (uint64_t t = 0; t < 2'000'000; t += 10'000) load.add(sync, t);
  EXPECT_NEAR(load.permille(2'000'000), 100.0 * frame_bits(sync) / 500, 1);
  EXPECT_NEAR(load.permille(2'500'000), 50.0 * frame_bits(sync) / 500, 1);
  EXPECT_EQ(load.permille(3'200'000), 0);
}

TEST(BusShare, keeps_to_it_and_saves_only_a_little) {
  BusShare share(500'000, 30);
  const CanFrame bulk = frame(0x701, {0x21, 1, 2, 3, 4, 5, 6, 7});
  uint64_t bits = 0;
  for (uint64_t t = 0; t < 1'000'000; t += 100) {
    if (!share.open(t)) continue;
    share.used(bulk);
    bits += frame_bits(bulk);
  }
  EXPECT_NEAR(static_cast<double>(bits), 150'000.0, 1'500.0);
  int burst = 0;
  for (; share.open(60'000'000); burst++) share.used(bulk);
  EXPECT_LE(burst, 4);
}

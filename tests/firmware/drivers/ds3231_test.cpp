// The DS3231: its registers as time, and what a node does with it at a start and once a day.
#include "esphome/components/microgrid_core/ds3231.h"

#include <gtest/gtest.h>

#include <random>

namespace esphome::microgrid {
namespace {

constexpr int64_t NOON_S = 1'795'262'400;  // 2026-11-21 12:00:00 UTC, a Saturday
constexpr int64_t DAY_S = 86'400;

TEST(Ds3231Time, is_binary_coded_decimal) {
  EXPECT_EQ(write_ds3231_time(NOON_S), (Ds3231Time{0x00, 0x00, 0x12, 6, 0x21, 0x11, 0x26}));
  EXPECT_EQ(read_ds3231_time({0x59, 0x58, 0x23, 1, 0x29, 0x02, 0x28}), 1'835'481'539);  // 2028-02-29 23:58:59
  EXPECT_EQ(read_ds3231_time({0x00, 0x00, 0x00, 1, 0x01, 0x81, 0x00}), 4'102'444'800)
      << "2100: the century bit";
  EXPECT_EQ(read_ds3231_time({0x00, 0x30, 0x40 | 0x12, 6, 0x21, 0x11, 0x26}), NOON_S - 12 * 3600 + 1800)
      << "12:30 am";
  EXPECT_EQ(read_ds3231_time({0x00, 0x30, 0x40 | 0x20 | 0x11, 6, 0x21, 0x11, 0x26}),
            NOON_S + 11 * 3600 + 1800);
}

TEST(Ds3231Time, goes_there_and_back) {
  std::mt19937_64 dice{3};
  for (int i = 0; i < 10'000; i++) {
    const auto unix_s = static_cast<int64_t>(946'684'800 + dice() % 6'311'433'600);  // 2000 … 2199
    EXPECT_EQ(read_ds3231_time(write_ds3231_time(unix_s)), unix_s);
  }
}

TEST(Ds3231Time, refuses_what_is_no_time) {
  const Ds3231Time good = write_ds3231_time(NOON_S);
  const auto changed = [&](size_t index, uint8_t value) {
    Ds3231Time registers = good;
    registers[index] = value;
    return read_ds3231_time(registers).has_value();
  };
  for (const auto &[index, value] : std::initializer_list<std::pair<size_t, uint8_t>>{{0, 0x60},
                                                                                      {0, 0x0A},
                                                                                      {0, 0x80},
                                                                                      {1, 0x60},
                                                                                      {1, 0xFF},
                                                                                      {2, 0x24},
                                                                                      {2, 0x40},
                                                                                      {2, 0x53},
                                                                                      {2, 0xC1},
                                                                                      {4, 0x00},
                                                                                      {4, 0x31},
                                                                                      {4, 0x32},
                                                                                      {5, 0x00},
                                                                                      {5, 0x13},
                                                                                      {6, 0xA0},
                                                                                      {6, 0x9F}}) {
    EXPECT_FALSE(changed(index, value)) << index << " " << int{value};
  }
  EXPECT_FALSE(read_ds3231_time({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})) << "no chip";
  EXPECT_FALSE(read_ds3231_time({0, 0, 0, 0, 0x29, 0x02, 0x27})) << "no leap year";
}

/// The chip: 19 registers, a running clock, a battery.
class Chip final : public I2cDevice {
 public:
  bool write(std::span<const uint8_t> bytes) override {
    if (!this->connected) return false;
    const uint8_t first = bytes[0];
    for (size_t i = 1; i < bytes.size(); i++) this->registers.at(first + i - 1) = bytes[i];
    if (first == 0) this->read_back(bytes);
    return true;
  }
  bool read(uint8_t address, std::span<uint8_t> bytes) override {
    if (!this->connected) return false;
    if (!this->scrambled) {
      const Ds3231Time time = write_ds3231_time(this->shown_s());
      std::copy(time.begin(), time.end(), this->registers.begin());
    }
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = this->registers.at(address + i);
    return true;
  }

  int64_t shown_s() const {
    return this->base_s + static_cast<int64_t>((this->now_us - this->base_us) / 1'000'000);
  }
  /// The next change of its seconds.
  uint64_t next_edge_us() const {
    return this->base_us + ((this->now_us - this->base_us) / 1'000'000 + 1) * 1'000'000;
  }

  bool connected{true};
  bool scrambled{false};
  std::array<uint8_t, 19> registers{};
  int64_t base_s{NOON_S};
  uint64_t base_us{0};
  uint64_t now_us{0};

 protected:
  void read_back(std::span<const uint8_t> bytes) {
    Ds3231Time time{};
    std::copy_n(bytes.begin() + 1, time.size(), time.begin());
    this->base_s = read_ds3231_time(time).value_or(0);
    this->base_us = this->now_us;  // writing the seconds starts the second anew
  }
};

class Ds3231Test : public ::testing::Test {
 protected:
  /// One second: the edge comes, and a little later the loop.
  std::optional<Observation> second() {
    const uint64_t edge_us = chip.next_edge_us();
    rtc.edge(edge_us);
    chip.now_us = edge_us + 5000;
    return rtc.poll(chip.now_us);
  }
  /// A clock that follows the network: `ahead_us` before what the RTC shows.
  Timeline network(int64_t ahead_us) const {
    Timeline timeline;
    timeline.anchor_mono_us = chip.now_us;
    timeline.anchor_utc_us =
        chip.base_s * 1'000'000 + static_cast<int64_t>(chip.now_us - chip.base_us) + ahead_us;
    timeline.estimate_mono_us = chip.now_us;
    timeline.silent_from_mono_us = chip.now_us + 100'000'000'000;
    timeline.source = ClockSource::NETWORK;
    timeline.known = true;
    timeline.confirmed = true;
    return timeline;
  }
  /// Ten loops of 16 ms around a full second of the clock; true when the RTC was set.
  bool keeps(int64_t ahead_us) {
    const Timeline timeline = this->network(ahead_us);
    const uint32_t before = rtc.counters().settings;
    for (int i = 0; i < 80; i++) {
      chip.now_us += 16'000;
      rtc.keep(timeline, chip.now_us);
    }
    return rtc.counters().settings != before;
  }

  Chip chip;
  Ds3231 rtc{chip};
};

TEST_F(Ds3231Test, asks_for_the_edge_each_second) {
  chip.registers[0x0E] = 0x1C;  // as after power on
  chip.registers[0x0F] = 0x08;
  ASSERT_TRUE(rtc.begin());
  EXPECT_EQ(chip.registers[0x0E], 0x00);
  EXPECT_EQ(chip.registers[0x0F], 0x00);
}

TEST_F(Ds3231Test, observes_the_edge) {
  ASSERT_TRUE(rtc.begin());
  for (int i = 1; i <= 10; i++) {
    const auto seen = this->second();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->source, ClockSource::RTC);
    EXPECT_EQ(seen->mono_us, static_cast<uint64_t>(i) * 1'000'000);
    EXPECT_EQ(seen->utc_us, (NOON_S + i) * 1'000'000);
    EXPECT_FALSE(rtc.poll(chip.now_us + 16'000)) << "once for each edge";
  }
  EXPECT_EQ(rtc.counters().observations, 10U);
}

TEST_F(Ds3231Test, does_not_believe_an_oscillator_that_stood_still) {
  chip.registers[0x0F] = 0x80;
  ASSERT_TRUE(rtc.begin());
  EXPECT_FALSE(this->second());
  EXPECT_EQ(chip.registers[0x0F], 0x80) << "kept until the time is set";
  EXPECT_TRUE(this->keeps(0));
  EXPECT_EQ(chip.registers[0x0F], 0x00);
  EXPECT_TRUE(this->second());
}

TEST_F(Ds3231Test, is_set_right_after_a_full_second) {
  ASSERT_TRUE(rtc.begin());
  EXPECT_TRUE(this->keeps(7'345'678));
  const auto seen = this->second();
  ASSERT_TRUE(seen);
  const int64_t true_us = NOON_S * 1'000'000 + static_cast<int64_t>(seen->mono_us) + 7'345'678;
  EXPECT_LE(std::abs(true_us - seen->utc_us), static_cast<int64_t>(seen->reference_error_us));
  EXPECT_LE(seen->reference_error_us, 30'000U);
}

TEST_F(Ds3231Test, is_set_once_a_day) {
  ASSERT_TRUE(rtc.begin());
  EXPECT_TRUE(this->keeps(0));
  EXPECT_FALSE(this->keeps(0));
  chip.now_us += (DAY_S - 60) * 1'000'000ULL;
  EXPECT_FALSE(this->keeps(0));
  chip.now_us += 120 * 1'000'000ULL;
  EXPECT_TRUE(this->keeps(0));
}

TEST_F(Ds3231Test, knows_after_a_power_cut_how_old_its_time_is) {
  ASSERT_TRUE(rtc.begin());
  EXPECT_TRUE(this->keeps(0));
  chip.now_us += 30 * DAY_S * 1'000'000ULL;
  Ds3231 after{chip};
  ASSERT_TRUE(after.begin());
  after.edge(chip.next_edge_us());
  chip.now_us = chip.next_edge_us() + 5000;
  const auto seen = after.poll(chip.now_us);
  ASSERT_TRUE(seen);
  EXPECT_NEAR(seen->reference_error_us, 25'000 + 30 * DAY_S * 5, 100);

  chip.registers[0x08] ^= 1;  // somebody uses the alarm
  Ds3231 doubting{chip};
  ASSERT_TRUE(doubting.begin());
  doubting.edge(chip.next_edge_us());
  chip.now_us = chip.next_edge_us() + 5000;
  EXPECT_EQ(doubting.poll(chip.now_us)->reference_error_us, 60'000'000U);
}

TEST_F(Ds3231Test, is_not_set_by_itself_nor_by_a_clock_that_does_not_know) {
  ASSERT_TRUE(rtc.begin());
  Timeline timeline = this->network(0);
  timeline.source = ClockSource::RTC;
  for (int i = 0; i < 80; i++) rtc.keep(timeline, chip.now_us += 16'000);
  timeline = this->network(0);
  timeline.known = false;
  for (int i = 0; i < 80; i++) rtc.keep(timeline, chip.now_us += 16'000);
  EXPECT_EQ(rtc.counters().settings, 0U);
}

TEST_F(Ds3231Test, lives_with_a_bus_that_fails_and_with_any_bytes) {
  chip.connected = false;
  EXPECT_FALSE(rtc.begin());
  chip.connected = true;
  ASSERT_TRUE(rtc.begin());
  chip.connected = false;
  EXPECT_FALSE(this->second());
  EXPECT_FALSE(this->keeps(0));
  EXPECT_EQ(rtc.counters().failures, 2U) << "one reading, one attempt to set it in a minute";
  chip.connected = true;
  chip.scrambled = true;
  std::mt19937 dice{9};
  for (int i = 0; i < 10'000; i++) {
    for (uint8_t &value : chip.registers) value = static_cast<uint8_t>(dice());
    if (const auto seen = this->second()) {
      Ds3231Time time{};
      std::copy_n(chip.registers.begin(), time.size(), time.begin());
      EXPECT_EQ(seen->utc_us, *read_ds3231_time(time) * 1'000'000);
    }
  }
  EXPECT_GT(rtc.counters().nonsense, 9000U);
}

}  // namespace
}  // namespace esphome::microgrid

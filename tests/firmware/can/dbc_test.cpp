// The generated messages as the firmware uses them.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "esphome/components/microgrid_can/microgrid_dbc.h"

namespace dbc = esphome::microgrid::dbc;

// Packing and unpacking need no run time, so they need no floating point either.
constexpr dbc::Frequency sampled() {
  dbc::Frequency message;
  message.inverter_frequency = -500;  // 49.5 Hz
  message.sequence = 200;
  message.bus_live = true;
  return message;
}
static_assert(sampled().pack() == 0x01C8FE0C);
static_assert(dbc::identifier(dbc::Frequency::MESSAGE, 3) == 0x203);
static_assert(dbc::Frequency{}.inverter_frequency == -32768);

TEST(Dbc, ValuesAreClampedAndNanIsNotAvailable) {
  const auto &scale = dbc::Inverter::INVERTER_VOLTAGE;
  EXPECT_EQ(scale.raw(230.04F), 2300);
  EXPECT_EQ(scale.raw(230.06F), 2301);
  EXPECT_EQ(scale.raw(1000), 4094);
  EXPECT_EQ(scale.raw(-1), 0);
  EXPECT_EQ(scale.raw(std::numeric_limits<float>::infinity()), 4094);
  EXPECT_EQ(scale.raw(std::numeric_limits<float>::quiet_NaN()), 4095);
  EXPECT_TRUE(std::isnan(scale.value(4095)));
  EXPECT_FLOAT_EQ(scale.value(2301), 230.1F);
  EXPECT_EQ(dbc::Frequency::INVERTER_FREQUENCY.raw(49.987F), -13);
  EXPECT_FLOAT_EQ(dbc::Frequency::INVERTER_FREQUENCY.value(-13), 49.987F);
}

TEST(Dbc, AMessageBeginsWithNothingKnown) {
  uint64_t word = dbc::Battery{}.pack();
  dbc::Battery back;
  back.unpack(word);
  EXPECT_TRUE(std::isnan(dbc::Battery::DC_BUS_VOLTAGE.value(back.dc_bus_voltage)));
  EXPECT_TRUE(std::isnan(dbc::Battery::BATTERY_CURRENT.value(back.battery_current)));
  EXPECT_FALSE(back.battery_connected);
}

TEST(Dbc, GroupsGatherInOneMessage) {
  dbc::Cells sent;
  for (size_t cell = 0; cell < 16; cell++) sent.cell_voltage[cell] = static_cast<uint16_t>(3300 + cell);
  dbc::Cells got;
  for (const uint8_t group : std::array<uint8_t, 4>{2, 0, 3, 1}) {
    sent.cell_group = group;
    got.unpack(sent.pack());
    EXPECT_EQ(got.cell_group, group);
  }
  EXPECT_EQ(got.cell_voltage, sent.cell_voltage);
}

TEST(Dbc, IntegersThatAreTooLongDoNotReachTheirNeighbours) {
  dbc::Frequency message = sampled();
  dbc::Cells cells;
  cells.cell_group = 0;
  cells.cell_voltage = {0xFFFF, 0, 0xFFFF, 0};
  dbc::Cells back;
  back.unpack(cells.pack());
  EXPECT_EQ(back.cell_voltage[1], 0);
  EXPECT_EQ(back.cell_voltage[3], 0);
  EXPECT_EQ(message.pack() >> 32, 0U);
}

TEST(Dbc, AForeignGroupChangesNothing) {
  dbc::Counters counters;
  counters.load_energy = 7;
  counters.unpack(15);
  EXPECT_EQ(counters.counter_group, 15);
  EXPECT_EQ(counters.load_energy, 7U);
  EXPECT_EQ(counters.pack(), 15U);
}

TEST(Dbc, ForeignIdentifiersAreNoMessages) {
  auto refuse = [](auto) { FAIL(); };
  for (uint32_t identifier : {0x030U, 0x7F0U, 0x800U, 0x80000203U, 0x20000200U}) {
    EXPECT_FALSE(dbc::with_message(identifier, refuse));
  }
}

TEST(Dbc, EventIdsAreThoseOfTheContract) {
  char text[dbc::EVENT_ID_SIZE];
  EXPECT_EQ(dbc::event_id(text, "north", 3, 0x5F2A10C4, 17), 19U);
  EXPECT_STREQ(text, "north.3:5f2a10c4:17");
  dbc::event_id(text, std::string(40, 'c').c_str(), 15, 0xFFFFFFFF, 0xFFFFF);
  EXPECT_EQ(text, std::string(32, 'c') + ".15:ffffffff:1048575");
}

TEST(Dbc, TimesOfEventsComeBack) {
  const int64_t half = (int64_t{1} << 28) * 10;
  for (int64_t utc : {int64_t{0}, int64_t{1'700'000'000'123'450}, int64_t{1'763'712'345'678'900}}) {
    for (int64_t distance : {int64_t{0}, int64_t{9'999'990}, int64_t{-9'999'990}, half - 10, -half}) {
      EXPECT_EQ(dbc::full_time(dbc::event_ticks(utc), utc - distance), utc);
    }
  }
}

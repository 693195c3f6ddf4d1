// Every metric of a house goes over the bus and comes back, known or not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "esphome/components/microgrid_can/house_messages.h"

namespace esphome::microgrid {
namespace {

constexpr std::array TYPES{dbc::Frequency::MESSAGE,  dbc::Inverter::MESSAGE,      dbc::Battery::MESSAGE,
                           dbc::HouseState::MESSAGE, dbc::InverterState::MESSAGE, dbc::Mppt::MESSAGE,
                           dbc::Cells::MESSAGE,      dbc::BatteryState::MESSAGE,  dbc::Counters::MESSAGE};

struct Side {
  std::array<Readings::Cell, HOUSE_METRICS.size()> cells{};
  Readings readings{HOUSE_METRICS, cells};
  HouseStatus status;
};

/// All frames of a house, groups included, and its Heartbeat.
std::vector<CanFrame> frames_of(const Side &house) {
  std::vector<CanFrame> frames;
  const auto add = [&](const dbc::Message &message, uint64_t word) {
    CanFrame frame{
        .identifier = dbc::identifier(message, 3), .mono_us = 0, .length = message.length, .data = {}};
    dbc::store(word, frame.data.data(), frame.length);
    frames.push_back(frame);
  };
  for (const dbc::Message &message : TYPES) {
    for (uint8_t group = 0; group < house_message_groups(message.identifier); group++)
      add(message, pack_house_message(message.identifier, group, house.readings, house.status).value());
  }
  const auto error = house.readings.get(static_cast<size_t>(HouseMetric::CLOCK_ERROR));
  dbc::Heartbeat heartbeat;
  heartbeat.clock_error = static_cast<uint16_t>(error.value_or(0xFFFF));
  heartbeat.clock_state = house.readings.get(static_cast<size_t>(HouseMetric::CLOCK_VALID)).value_or(0) != 0
                              ? dbc::ClockState::SYNCHRONISED
                              : dbc::ClockState::UNSYNCHRONISED;
  add(dbc::Heartbeat::MESSAGE, heartbeat.pack());
  return frames;
}

/// Range and step of the signals by their names, as the generated tables have them.
struct Signal {
  double least, most, step;
};
template <typename T>
Signal signal_of(const dbc::Scale<T> &scale) {
  const double step = static_cast<double>(scale.numerator) / scale.denominator;
  return {.least = static_cast<double>(scale.minimum) * step + scale.offset,
          .most = static_cast<double>(scale.maximum) * step + scale.offset,
          .step = step};
}
std::map<std::string, Signal> signals_of(const std::vector<CanFrame> &frames) {
  std::map<std::string, Signal> signals;
  const auto take = [&]([[maybe_unused]] const char *name, const auto &, const auto &...scale) {
    (..., (signals[name] = signal_of(scale)));
  };
  for (const CanFrame &frame : frames)
    dbc::with_message(frame.identifier, [&](auto message) {
      message.unpack(dbc::load(frame.data.data(), frame.length));
      message.visit(take);
    });
  return signals;
}

bool is_flag(size_t metric) { return HOUSE_METRICS[metric].kind == ValueKind::FLAG; }

/// Frames arrive in any order.
void receive(Side &gateway, std::vector<CanFrame> frames, uint32_t seed) {
  std::mt19937 dice(seed);
  std::shuffle(frames.begin(), frames.end(), dice);
  for (const CanFrame &frame : frames)
    EXPECT_TRUE(unpack_house_message(frame, gateway.readings, gateway.status))
        << std::hex << frame.identifier;
}

TEST(HouseMessages, EveryMetricMakesTheRoundTrip) {
  Side house;
  const auto signals = signals_of(frames_of(house));
  std::mt19937 dice(7);
  for (uint32_t round = 0; round < 2000; round++) {
    for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++) {
      const std::string key{HOUSE_METRICS[metric].key};
      if (is_flag(metric)) {
        house.readings.set(metric, static_cast<int32_t>(dice() % 2));
        continue;
      }
      ASSERT_TRUE(signals.contains(key)) << key << " has no signal: it does not travel";
      if (dice() % 4 == 0) {
        house.readings.forget(metric);
        continue;
      }
      const Signal &signal = signals.at(key);
      const double step = std::max(signal.step, step_of(HOUSE_METRICS[metric]));
      const double most = std::min(signal.most, 2e9 * step_of(HOUSE_METRICS[metric]));
      // The ends of the range now and then.
      double value = std::uniform_real_distribution(signal.least, most)(dice);
      if (dice() % 10 == 0) value = dice() % 2 == 0 ? signal.least : most;
      house.readings.set_value(metric, std::floor(value / step + 1e-6) * step);
    }
    house.readings.set(static_cast<size_t>(HouseMetric::CLOCK_ERROR), static_cast<int32_t>(dice() % 1000));
    house.status = {.sequence = static_cast<uint8_t>(dice()),
                    .inverter_on = dice() % 2 == 0,
                    .battery_connected = dice() % 2 == 0,
                    .inverter_mode = dbc::InverterMode::TRIPPED,
                    .mppt_state = dbc::MpptState::LIMITING,
                    .fault_code = static_cast<uint16_t>(dice() % 1000)};
    Side gateway;
    receive(gateway, frames_of(house), round);
    EXPECT_EQ(gateway.status, house.status);
    for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++) {
      const std::string key{HOUSE_METRICS[metric].key};
      ASSERT_EQ(gateway.readings.get(metric), house.readings.get(metric)) << key;
    }
  }
}

TEST(HouseMessages, NothingKnownArrivesAsNothingKnown) {
  const Side house;
  Side gateway;
  receive(gateway, frames_of(house), 1);
  for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++) {
    if (is_flag(metric)) {
      EXPECT_EQ(gateway.readings.get(metric), 0) << HOUSE_METRICS[metric].key;
    } else {
      EXPECT_EQ(gateway.readings.get(metric), std::nullopt) << HOUSE_METRICS[metric].key;
    }
  }
}

TEST(HouseMessages, WhatIsOutOfRangeIsTheNearestValue) {
  Side house;
  for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++)
    house.readings.set(metric, metric % 2 == 0 ? 2'147'483'647 : -2'147'483'647);
  house.readings.set(static_cast<size_t>(HouseMetric::INVERTER_POWER), 1'000'000);
  house.readings.set(static_cast<size_t>(HouseMetric::INVERTER_VOLTAGE), -5);
  house.readings.set(static_cast<size_t>(HouseMetric::INVERTER_FREQUENCY), 90'000);
  Side gateway;
  receive(gateway, frames_of(house), 1);
  EXPECT_EQ(gateway.readings.get(static_cast<size_t>(HouseMetric::INVERTER_POWER)), 131'071);
  EXPECT_EQ(gateway.readings.get(static_cast<size_t>(HouseMetric::INVERTER_VOLTAGE)), 0);
  EXPECT_EQ(gateway.readings.get(static_cast<size_t>(HouseMetric::INVERTER_FREQUENCY)), 82'767);
}

TEST(HouseMessages, StoredEnergyTravelsInTensOfWattHours) {
  Side house;
  const auto stored = static_cast<size_t>(HouseMetric::BATTERY_STORED_ENERGY);
  house.readings.set(stored, 12'346);
  Side gateway;
  receive(gateway, frames_of(house), 1);
  EXPECT_EQ(gateway.readings.get(stored), 12'350);
}

TEST(HouseMessages, KnowsItsTypesAndGroups) {
  const Side house;
  EXPECT_EQ(house_message_groups(dbc::Cells::MESSAGE.identifier), 4);
  EXPECT_EQ(house_message_groups(dbc::Counters::MESSAGE.identifier), 6);
  EXPECT_EQ(house_message_groups(dbc::Mppt::MESSAGE.identifier), 1);
  EXPECT_EQ(house_message_groups(dbc::Heartbeat::MESSAGE.identifier), 0);
  EXPECT_EQ(pack_house_message(dbc::Heartbeat::MESSAGE.identifier, 0, house.readings, house.status),
            std::nullopt);
  EXPECT_EQ(pack_house_message(dbc::Cells::MESSAGE.identifier, 4, house.readings, house.status),
            std::nullopt);
  EXPECT_EQ(pack_house_message(dbc::Mppt::MESSAGE.identifier, 1, house.readings, house.status), std::nullopt);
}

TEST(HouseMessages, RefusesWhatIsNotOfAHouse) {
  Side gateway;
  for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++) gateway.readings.set(metric, 17);
  const HouseStatus before = gateway.status;
  const auto refused = [&](uint32_t identifier, uint8_t length, uint8_t first = 0) {
    return !unpack_house_message({.identifier = identifier, .mono_us = 0, .length = length, .data = {first}},
                                 gateway.readings, gateway.status);
  };
  EXPECT_TRUE(refused(0x001, 3));  // Sync
  EXPECT_TRUE(refused(0x320, 8));  // GatewayBus
  EXPECT_TRUE(refused(0x203, 3));  // too short
  EXPECT_TRUE(refused(0x203 | CAN_EXTENDED, 4));
  EXPECT_TRUE(refused(0x203 | CAN_REMOTE, 4));
  EXPECT_TRUE(refused(0x203 | 0x800, 4));
  EXPECT_TRUE(refused(0x523, 8, 9));  // a group of a later version
  EXPECT_TRUE(refused(0x403, 7));     // half a Heartbeat
  EXPECT_EQ(gateway.status, before);
  for (size_t metric = 0; metric < HOUSE_METRICS.size(); metric++)
    EXPECT_EQ(gateway.readings.get(metric), 17);
}

TEST(HouseMessages, AClockBeyondTenMillisecondsIsNotValid) {
  Side gateway;
  const auto valid = [&](dbc::ClockState state, uint16_t error) {
    dbc::Heartbeat heartbeat;
    heartbeat.clock_state = state;
    heartbeat.clock_error = error;
    CanFrame frame{.identifier = 0x403, .mono_us = 0, .length = 8, .data = {}};
    dbc::store(heartbeat.pack(), frame.data.data(), 8);
    EXPECT_TRUE(unpack_house_message(frame, gateway.readings, gateway.status));
    return gateway.readings.get(static_cast<size_t>(HouseMetric::CLOCK_VALID)) == 1;
  };
  EXPECT_TRUE(valid(dbc::ClockState::SYNCHRONISED, 1000));
  EXPECT_FALSE(valid(dbc::ClockState::SYNCHRONISED, 1001));
  EXPECT_TRUE(valid(dbc::ClockState::HOLDOVER, 20));
  EXPECT_FALSE(valid(dbc::ClockState::UNSYNCHRONISED, 20));
  EXPECT_FALSE(valid(dbc::ClockState::SYNCHRONISED, 0xFFFF));
}

TEST(HouseMessages, TheHeartbeatTellsOfTheCard) {
  Side gateway;
  for (const auto card : {dbc::CardState::FAILING, dbc::CardState::OK, dbc::CardState::MISSING}) {
    dbc::Heartbeat heartbeat;
    heartbeat.card_state = card;
    CanFrame frame{.identifier = 0x403, .mono_us = 0, .length = 8, .data = {}};
    dbc::store(heartbeat.pack(), frame.data.data(), 8);
    EXPECT_TRUE(unpack_house_message(frame, gateway.readings, gateway.status));
    EXPECT_EQ(gateway.status.card_state, card);
  }
}

TEST(HouseMessages, AnyFrameIsSafe) {
  std::mt19937 dice(11);
  Side gateway;
  for (int i = 0; i < 200'000; i++) {
    CanFrame frame{.identifier = static_cast<uint32_t>(dice() % 0x800),
                   .mono_us = 0,
                   .length = static_cast<uint8_t>(dice() % 9),
                   .data = {}};
    for (uint8_t &byte : frame.data) byte = static_cast<uint8_t>(dice());
    unpack_house_message(frame, gateway.readings, gateway.status);
  }
  for (const CanFrame &frame : frames_of(gateway))
    unpack_house_message(frame, gateway.readings, gateway.status);
}

}  // namespace
}  // namespace esphome::microgrid

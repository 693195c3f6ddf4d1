// What a gateway knows of its houses: values as they were sent, forgotten in time, added up as on paper.
#include "esphome/components/microgrid_gateway/cluster.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "esphome/components/microgrid_core/fault_catalogue.h"
#include "memory_log.h"

namespace esphome::microgrid {
namespace {

using M = HouseMetric;
constexpr uint64_t S = 1'000'000;

void send(Cluster &cluster, const BusHouse &house, uint64_t mono_us) {
  for (const CanFrame &frame : house.all_frames(mono_us)) cluster.frame(frame);
}

/// Within the range of every signal.
std::unique_ptr<BusHouse> filled(uint8_t number, std::mt19937 &dice) {
  auto house = std::make_unique<BusHouse>(number);
  for (size_t i = 0; i < HOUSE_METRICS.size(); i++) {
    const MetricRow &row = HOUSE_METRICS[i];
    int32_t integer = static_cast<int32_t>(dice() % 1000);
    if (row.kind == ValueKind::FLAG) integer %= 2;
    if (row.key == "health") integer %= 100;
    if (row.key == "inverter_frequency") integer += 49'500;
    if (row.key == "battery_stored_energy") integer *= 10;
    house->readings.set(i, integer);
  }
  return house;
}

TEST(Cluster, shows_what_houses_send) {
  std::mt19937 dice{3};
  Cluster cluster;
  std::vector<std::unique_ptr<BusHouse>> houses;
  for (uint8_t number = 1; number <= Cluster::HOUSES; number++) {
    houses.push_back(filled(number, dice));
    send(cluster, *houses.back(), 5 * S);
  }
  for (const auto &house : houses) {
    size_t shown = 0;
    for (size_t i = 0; i < HOUSE_METRICS.size(); i++) {
      if (!cluster.readings(house->number).get(i)) continue;
      shown++;
      EXPECT_EQ(cluster.readings(house->number).get(i), house->readings.get(i)) << HOUSE_METRICS[i].key;
    }
    EXPECT_EQ(shown, HOUSE_METRICS.size() - 2);  // all but the clock, which comes with the Heartbeat
  }
}

/// Three cycles of each message, not less and hardly more.
TEST(Cluster, forgets_what_has_not_come_for_three_cycles) {
  struct Case {
    dbc::Message message;
    M metric;
    uint64_t patience_ms;
  };
  const std::vector<Case> cases = {
      {dbc::Frequency::MESSAGE, M::INVERTER_FREQUENCY, 100},
      {dbc::Inverter::MESSAGE, M::INVERTER_POWER, 300},
      {dbc::Battery::MESSAGE, M::BATTERY_CURRENT, 300},
      {dbc::HouseState::MESSAGE, M::STATE_OF_CHARGE, 3000},
      {dbc::InverterState::MESSAGE, M::MOSFET_TEMPERATURE_2, 3000},
      {dbc::Mppt::MESSAGE, M::MPPT_INPUT_VOLTAGE, 3000},
      {dbc::Cells::MESSAGE, M::CELL_VOLTAGE_1, 3000},
      {dbc::Cells::MESSAGE, M::CELL_VOLTAGE_16, 3000},
      {dbc::BatteryState::MESSAGE, M::BATTERY_TEMPERATURE_4, 3000},
      {dbc::Counters::MESSAGE, M::BATTERY_ENERGY_CHARGED, 18'000},
      {dbc::Counters::MESSAGE, M::CARD_FREE, 18'000},
  };
  std::mt19937 dice{4};
  for (const Case &one : cases) {
    Cluster cluster;
    const auto house = filled(3, dice);
    send(cluster, *house, 10 * S);
    const auto metric = static_cast<size_t>(one.metric);
    for (uint64_t ms = 0; ms <= 20'000; ms += 10) {
      const uint64_t now_us = 10 * S + ms * 1000;
      // Everything else goes on coming.
      if (ms % 100 == 0) {
        for (const CanFrame &frame : house->all_frames(now_us)) {
          if ((frame.identifier & dbc::MESSAGE_MASK) != one.message.identifier) cluster.frame(frame);
        }
      }
      cluster.step(now_us);
      ASSERT_EQ(cluster.readings(3).get(metric).has_value(), ms <= one.patience_ms)
          << HOUSE_METRICS[metric].key << " after " << ms << " ms";
    }
    // What still comes is still there.
    const M other = one.metric == M::STATE_OF_CHARGE ? M::MPPT_INPUT_VOLTAGE : M::STATE_OF_CHARGE;
    EXPECT_TRUE(cluster.readings(3).get(static_cast<size_t>(other)));
    send(cluster, *house, 40 * S);
    cluster.step(40 * S);
    EXPECT_EQ(cluster.readings(3).get(metric), house->readings.get(metric));
  }
}

TEST(Cluster, an_unknown_value_is_not_kept) {
  std::mt19937 dice{5};
  Cluster cluster;
  const auto house = filled(2, dice);
  send(cluster, *house, S);
  house->readings.forget(static_cast<size_t>(M::STATE_OF_CHARGE));
  send(cluster, *house, S + 1000);
  EXPECT_FALSE(cluster.readings(2).get(static_cast<size_t>(M::STATE_OF_CHARGE)));
}

TEST(Cluster, adds_up_the_houses_that_are_there) {
  std::mt19937 dice{6};
  for (int round = 0; round < 200; round++) {
    Cluster cluster;
    double power = 0, load = 0, solar = 0, charge = 0, stored = 0, capacity = 0, health = 1000;
    int online = 0;
    const size_t known_energies = dice() % 3;  // none, all, all but one
    const auto houses = static_cast<uint8_t>(1 + dice() % Cluster::HOUSES);
    for (uint8_t number = 1; number <= houses; number++) {
      BusHouse house{number};
      const double percent = 20 + static_cast<double>(dice() % 800) / 10;
      const double full_wh = 5000 + 1000.0 * static_cast<double>(dice() % 11);
      house.set(M::INVERTER_POWER, static_cast<double>(dice() % 12'000) - 6000);
      house.set(M::LOAD_POWER, static_cast<double>(dice() % 6000));
      house.set(M::MPPT_INPUT_VOLTAGE, static_cast<double>(dice() % 1500) / 10);
      house.set(M::MPPT_INPUT_CURRENT, static_cast<double>(dice() % 1500) / 100);
      house.set(M::STATE_OF_CHARGE, percent);
      house.set(M::HEALTH, static_cast<double>(dice() % 101));
      if (known_energies == 1 || (known_energies == 2 && number != 1))
        house.set(M::BATTERY_STORED_ENERGY, std::round(full_wh * percent / 1000) * 10);
      send(cluster, house, S);
      const bool present = number == 1 || dice() % 4 != 0;
      cluster.peer_changed(number, house.peer(present));
      if (!present) continue;
      online++;
      power += house.value(M::INVERTER_POWER);
      load += house.value(M::LOAD_POWER);
      solar += house.value(M::MPPT_INPUT_VOLTAGE) * house.value(M::MPPT_INPUT_CURRENT);
      charge += percent;
      health = std::min(health, house.value(M::HEALTH));
      stored += full_wh * percent / 100;
      capacity += full_wh;
    }
    const ClusterTotals totals = cluster.totals();
    EXPECT_EQ(totals.houses_online, online);
    EXPECT_NEAR(totals.power_w, power, 1e-6);
    EXPECT_NEAR(totals.load_power_w, load, 1e-6);
    EXPECT_NEAR(totals.solar_power_w, solar, 1e-6);
    EXPECT_EQ(totals.health, health);
    const double expected = known_energies == 1 ? stored / capacity * 100 : charge / online;
    EXPECT_NEAR(totals.state_of_charge, expected, known_energies == 1 ? 0.1 : 1e-6);
  }
}

TEST(Cluster, nobody_there_means_nothing_known) {
  Cluster cluster;
  const ClusterTotals totals = cluster.totals();
  EXPECT_EQ(totals.houses_online, 0);
  for (const double value :
       {totals.power_w, totals.load_power_w, totals.solar_power_w, totals.state_of_charge, totals.health})
    EXPECT_TRUE(std::isnan(value));
}

HeardFault heard(uint8_t node, uint16_t code, EventState state, uint64_t mono_us) {
  return {.key = {.node = node, .boot_id = 77, .number = 1},
          .fault_code = code,
          .state = state,
          .severity = Severity::CRITICAL,
          .mono_us = mono_us,
          .utc_us = 0,
          .time_valid = false};
}
uint32_t bit(FaultCode code) { return 1U << (&fault(code) - FAULTS.data()); }

TEST(Cluster, faults_come_from_the_broadcast_and_from_the_state) {
  Cluster cluster;
  BusHouse house{4};
  cluster.peer_changed(4, house.peer());
  cluster.fault(heard(4, 5, EventState::RAISED, 10 * S));
  EXPECT_EQ(cluster.faults(4), bit(FaultCode::F005));
  cluster.fault(heard(4, 30, EventState::RAISED, 10 * S));
  cluster.fault(heard(4, 999, EventState::RAISED, 10 * S));  // of a later version
  EXPECT_EQ(cluster.faults(4), bit(FaultCode::F005) | bit(FaultCode::F030));
  cluster.fault(heard(4, 5, EventState::CLEARED, 11 * S));
  EXPECT_EQ(cluster.faults(4), bit(FaultCode::F030));

  // Raised before the gateway was there: the state tells.
  house.status.fault_code = 11;
  send(cluster, house, 12 * S);
  EXPECT_EQ(cluster.faults(4), bit(FaultCode::F030) | bit(FaultCode::F011));
  cluster.step(16 * S);  // silent
  EXPECT_EQ(cluster.faults(4), bit(FaultCode::F030));

  // All frames of the clearing were lost.
  cluster.fault(heard(4, 1, EventState::RAISED, 20 * S));
  house.status.fault_code = 0;
  send(cluster, house, 20 * S + 100'000);
  EXPECT_NE(cluster.faults(4) & bit(FaultCode::F001), 0U) << "that state may be older than the fault";
  send(cluster, house, 24 * S);
  EXPECT_EQ(cluster.faults(4), bit(FaultCode::F030));

  house.boot_id = 78;  // starts anew
  cluster.peer_changed(4, house.peer());
  EXPECT_EQ(cluster.faults(4), 0U);
  EXPECT_EQ(cluster.boot_id(4), 78U);
}

TEST(Cluster, a_card_has_failed_when_its_house_would_give_it_up) {
  Cluster cluster;
  const auto beat = [&](dbc::CardState card, uint64_t mono_us) {
    dbc::Heartbeat heartbeat{.boot_id = 77};
    heartbeat.card_state = card;
    CanFrame frame{.identifier = dbc::identifier(dbc::Heartbeat::MESSAGE, 4),
                   .mono_us = mono_us,
                   .length = dbc::Heartbeat::MESSAGE.length,
                   .data = {}};
    dbc::store(heartbeat.pack(), frame.data.data(), frame.length);
    cluster.frame(frame);
    return cluster.card_failed(4);
  };
  EXPECT_FALSE(beat(dbc::CardState::NOT_AVAILABLE, 1 * S));
  EXPECT_FALSE(beat(dbc::CardState::FAILING, 10 * S));
  EXPECT_FALSE(beat(dbc::CardState::OK, 14 * S)) << "it took a moment";
  EXPECT_FALSE(beat(dbc::CardState::FAILING, 20 * S));
  EXPECT_FALSE(beat(dbc::CardState::MISSING, 24 * S));
  EXPECT_TRUE(beat(dbc::CardState::MISSING, 25 * S));
  EXPECT_FALSE(cluster.card_failed(3));
  EXPECT_FALSE(beat(dbc::CardState::OK, 26 * S));
  EXPECT_FALSE(beat(dbc::CardState::MISSING, 27 * S));
  EXPECT_FALSE(beat(dbc::CardState::NOT_AVAILABLE, 33 * S)) << "started anew, not tried yet";
}

TEST(Cluster, frames_of_nobody_change_nothing) {
  std::mt19937 dice{9};
  const auto cluster = std::make_unique<Cluster>();
  for (int i = 0; i < 300'000; i++) {
    CanFrame frame{.identifier = static_cast<uint32_t>(dice()),
                   .mono_us = dice(),
                   .length = static_cast<uint8_t>(dice() % 9),
                   .data = {}};
    if (i % 4 != 0) frame.identifier &= 0x7FF;
    if (i % 1000 == 0) frame.length = static_cast<uint8_t>(dice());
    for (uint8_t &byte : frame.data) byte = static_cast<uint8_t>(dice());
    cluster->frame(frame);
    cluster->fault(heard(static_cast<uint8_t>(dice()), static_cast<uint16_t>(dice()),
                         static_cast<EventState>(dice() % 3), frame.mono_us));
    Peer peer{};
    peer.ever = dice() % 2 == 0;
    peer.present = dice() % 2 == 0;
    peer.heartbeat.boot_id = static_cast<uint32_t>(dice());
    cluster->peer_changed(static_cast<uint8_t>(dice()), peer);
    if (i % 50 == 0) cluster->step(frame.mono_us);
    const ClusterTotals totals = cluster->totals();
    ASSERT_LE(totals.houses_online, Cluster::HOUSES);
    ASSERT_TRUE(std::isnan(totals.health) || (totals.health >= 0 && totals.health <= 126));
  }
}

}  // namespace
}  // namespace esphome::microgrid

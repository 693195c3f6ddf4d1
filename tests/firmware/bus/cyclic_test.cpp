// Cyclic messages: their number, their places in the second, and the load of the bus that the contract
// computes.
#include <set>

#include "scenario.h"

using namespace microgrid_test;

TEST(Cyclic, four_houses_load_the_bus_as_the_contract_says) {
  Cluster cluster(21);
  cluster.add_usual();
  cluster.run_for(40 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(30 * S);
  size_t frames = 0;
  for (uint32_t type = 0; type < 0x800; type += 0x10) frames += cluster.frames(type, from).size();
  EXPECT_NEAR(static_cast<double>(frames) / 30, 644, 644 * 0.005);
  EXPECT_NEAR(cluster.load(from), 0.110, 0.002);
  for (SimulatedNode *node : cluster.nodes()) EXPECT_NEAR(node->bus->statistics().load_permille, 110, 3);
}

TEST(Cyclic, each_message_comes_as_often_as_the_contract_says) {
  Cluster cluster(22);
  cluster.add_usual();
  cluster.run_for(40 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(12 * S);
  const std::vector<dbc::Message> of_houses{dbc::Frequency::MESSAGE,     dbc::Inverter::MESSAGE,
                                            dbc::Battery::MESSAGE,       dbc::Heartbeat::MESSAGE,
                                            dbc::HouseState::MESSAGE,    dbc::Mppt::MESSAGE,
                                            dbc::InverterState::MESSAGE, dbc::Cells::MESSAGE,
                                            dbc::Counters::MESSAGE,      dbc::BatteryState::MESSAGE};
  for (const dbc::Message &message : of_houses) {
    for (uint8_t node = 1; node <= 4; node++) {
      const auto frames = cluster.frames(message.identifier, from);
      const auto count = std::ranges::count_if(
          frames, [&](const OnWire &seen) { return dbc::node_of(seen.frame.identifier) == node; });
      EXPECT_NEAR(static_cast<double>(count), 12'000.0 / message.cycle_ms, 1.01) << message.identifier;
    }
  }
  for (const dbc::Message &message :
       {dbc::Contactor::MESSAGE, dbc::GatewayBus::MESSAGE, dbc::GatewayState::MESSAGE})
    EXPECT_NEAR(static_cast<double>(cluster.frames(message.identifier, from).size()),
                12'000.0 / message.cycle_ms, 1.01);
  // Groups in turn.
  std::map<uint8_t, int> groups;
  for (const OnWire &seen : cluster.frames(dbc::Counters::MESSAGE.identifier, from))
    if (dbc::node_of(seen.frame.identifier) == 2) groups[seen.frame.data[0] & 0xF]++;
  EXPECT_EQ(groups.size(), 6U);
  for (const auto &[group, count] : groups) EXPECT_EQ(count, 2) << int{group};
}

TEST(Cyclic, node_n_begins_n_times_60_ms_after_the_full_second) {
  Cluster cluster(23);
  cluster.add_usual();
  cluster.run_for(40 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(5 * S);
  for (const uint32_t type : {0x400, 0x410, 0x420, 0x430, 0x510, 0x520}) {
    for (const OnWire &seen : cluster.frames(type, from)) {
      // Half a millisecond for the clocks.
      const int64_t us = (START_UTC_US + seen.time_ns / 1000 + 500) % 1'000'000;
      const int64_t begins_us = dbc::node_of(seen.frame.identifier) * 60'000;
      EXPECT_GE(us, begins_us) << type;
      EXPECT_LT(us, begins_us + 60'000) << type;
    }
  }
}

TEST(Cyclic, frequency_comes_half_a_millisecond_per_node_after_the_sync) {
  Cluster cluster(24);
  cluster.add_usual();
  cluster.run_for(40 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(2 * S);
  const auto syncs = cluster.frames(dbc::Sync::MESSAGE.identifier, from);
  for (const OnWire &seen : cluster.frames(dbc::Frequency::MESSAGE.identifier, from + 20 * MS)) {
    const auto after = std::ranges::find_if(syncs.rbegin(), syncs.rend(),
                                            [&](const OnWire &sync) { return sync.time_ns < seen.time_ns; });
    ASSERT_NE(after, syncs.rend());
    const double ms = static_cast<double>(seen.time_ns - after->time_ns) / static_cast<double>(MS);
    const double wanted_ms = 0.5 * dbc::node_of(seen.frame.identifier);
    EXPECT_GE(ms, wanted_ms);
    EXPECT_LT(ms, wanted_ms + 1.2);
    EXPECT_EQ(seen.frame.data[2], after->frame.data[0]);
  }
}

TEST(Cyclic, fifteen_houses_fit) {
  Cluster cluster(25);
  cluster.add({.role = Role::GATEWAY, .number = 0, .network = true});
  for (uint8_t number = 1; number <= 15; number++) cluster.add({.number = number, .ppm = number * 2.5 - 20});
  cluster.run_for(30 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(10 * S);
  EXPECT_NEAR(cluster.load(from), 0.358, 0.008);
  expect_master(cluster, 0, from);
  expect_beats(cluster, from);
  for (SimulatedNode *node : cluster.nodes()) EXPECT_EQ(node->bus->statistics().send_failures, 0U);
}

TEST(Cyclic, four_houses_fit_at_125_kbit) {
  Cluster cluster(26);
  cluster.bit_rate = 125'000;
  cluster.add_usual();
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(10 * S);
  EXPECT_NEAR(cluster.load(from), 0.439, 0.01);
  expect_master(cluster, 0, from);
  expect_beats(cluster, from);
  expect_agreement(cluster, 1000, 1000);
}

TEST(Cyclic, what_a_node_does_not_know_is_not_sent) {
  Cluster cluster(27);
  cluster.add_usual();
  for (SimulatedNode *node : cluster.nodes()) node->sends_values = false;
  cluster.run_for(5 * S);
  EXPECT_TRUE(cluster.frames(dbc::Cells::MESSAGE.identifier, 0).empty());
  EXPECT_NEAR(static_cast<double>(cluster.frames(dbc::Heartbeat::MESSAGE.identifier, 0).size()), 5 * 6, 5);
}

// Elections on a real bus: who beats time, and that somebody always does. Rules as numbered in
// contract/can.md.
#include "scenario.h"

using namespace microgrid_test;

namespace {

// Silence, the longest delay, the claim, the next full 10 ms, and some frames.
constexpr int64_t ELECTED = (100 + 50 + 50 + 10 + 5) * MS;

}  // namespace

TEST(Master, one_is_elected_and_all_follow) {
  for (uint32_t seed = 1; seed <= 20; seed++) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.add_usual();
    cluster.node(0).options.network = false;
    cluster.run_for(ELECTED);
    const int64_t from = cluster.now_ns();
    cluster.run_for(2 * S);
    // Nobody knows the time yet: of equal rank the highest number.
    expect_master(cluster, 4, from);
    expect_beats(cluster, from + 100 * MS);
  }
}

TEST(Master, the_first_frame_is_the_heartbeat) {
  Cluster cluster;
  cluster.add_usual();
  cluster.run_for(50 * MS);
  std::map<uint8_t, uint32_t> first;
  for (const OnWire &seen : cluster.frames(dbc::Heartbeat::MESSAGE.identifier, 0))
    first.try_emplace(dbc::node_of(seen.frame.identifier), seen.frame.identifier);
  EXPECT_EQ(first.size(), 5U);
}

TEST(Master, the_gateway_takes_over_when_it_knows_the_time) {
  Cluster cluster(3);
  cluster.add_usual();
  cluster.node(0).options.network = false;
  cluster.run_for(10 * S);
  expect_master(cluster, 4, S);
  cluster.node(0).options.network = true;
  // Four answers of the server until it is trusted, and 10 s.
  cluster.run_for(15 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(20 * S);
  expect_master(cluster, 0, from);
  expect_beats(cluster, 1 * S);
  const auto offices = cluster.frames(dbc::Master::MESSAGE.identifier, 0);
  const auto resigned = std::ranges::count_if(offices, [](const OnWire &seen) {
    return (seen.frame.data[0] & 3) == static_cast<int>(dbc::MasterRole::RESIGN);
  });
  EXPECT_EQ(resigned, 1);
  // The claimant does not wait for silence.
  const auto syncs = cluster.frames(dbc::Sync::MESSAGE.identifier, S);
  for (size_t i = 1; i < syncs.size(); i++) EXPECT_LT(syncs[i].time_ns - syncs[i - 1].time_ns, 25 * MS);
  expect_agreement(cluster, 300, 500);
}

TEST(Master, dies_and_another_takes_over) {
  for (uint32_t seed = 1; seed <= 5; seed++) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.add_usual();
    cluster.run_for(60 * S);
    cluster.node(0).power_off();
    const int64_t died = cluster.now_ns();
    cluster.run_for(ELECTED);
    const int64_t from = cluster.now_ns();
    cluster.run_for(20 * S);
    const auto syncs = cluster.frames(dbc::Sync::MESSAGE.identifier, died);
    ASSERT_FALSE(syncs.empty());
    std::printf("a new master beats %.1f ms after the last one stopped\n",
                static_cast<double>(syncs[0].time_ns - died) / MS);
    EXPECT_LT(syncs[0].time_ns - died, ELECTED);
    // All houses hold the same rank.
    expect_master(cluster, 4, from);
    expect_beats(cluster, died);
    expect_agreement(cluster, 300, 2000);
  }
}

TEST(Master, no_coming_back) {
  Cluster cluster(4);
  cluster.add_usual();
  cluster.node(0).options.network = false;
  cluster.run_for(2 * S);
  expect_master(cluster, 4, 1 * S);
  cluster.node(4).power_off();
  cluster.run_for(5 * S);
  expect_master(cluster, 3, 3 * S);
  cluster.node(4).power_on();
  const int64_t from = cluster.now_ns();
  cluster.run_for(15 * S);
  expect_master(cluster, 3, from);  // rule 4: also a worse one of equal rank
}

TEST(Master, of_two_one_stops_at_once) {
  for (uint32_t seed = 1; seed <= 5; seed++) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.add_usual();
    cluster.run_for(40 * S);
    // Gateway and house 1 on one part, the others on another.
    for (const uint8_t number : std::initializer_list<uint8_t>{2, 3, 4})
      cluster.node(number).controller.segment = 1;
    const int64_t parted = cluster.now_ns();
    cluster.run_for(30 * S);
    std::vector<uint8_t> both{0, 4};
    EXPECT_EQ(cluster.masters(cluster.now_ns() - S), both);
    for (const uint8_t number : std::initializer_list<uint8_t>{2, 3, 4})
      cluster.node(number).controller.segment = 0;
    cluster.run_for(50 * MS);
    const int64_t joined = cluster.now_ns();
    cluster.run_for(20 * S);
    expect_master(cluster, 0, joined);
    expect_beats(cluster, parted);
    expect_agreement(cluster, 500, 500);
  }
}

TEST(Master, a_worse_clock_never_spoils_the_time) {
  Cluster cluster(5);
  cluster.add_usual();
  cluster.add({.number = 9, .ppm = 17, .rtc_error_us = HOUR_US});
  // Until the gateway is trusted the wrong clock is the best there is.
  cluster.run_for(8 * S);
  expect_master(cluster, 9, 6 * S);
  cluster.run_for(50 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(10 * S);
  expect_master(cluster, 0, from);
  expect_agreement(cluster, 300, 500);
  expect_beats(cluster, S);
}

TEST(Master, a_house_that_learned_from_a_battery_backed_clock_does_not_outrank_it) {
  Cluster cluster(6);
  cluster.add({.number = 1, .ppm = 5, .rtc_error_us = 2000});
  cluster.add({.number = 2, .ppm = -15});
  cluster.add({.number = 3, .ppm = 15});
  cluster.run_for(10 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(60 * S);
  expect_master(cluster, 1, from);
  EXPECT_TRUE(cluster.node(3).clock->valid(cluster.node(3).mono_us()));
}

TEST(Master, a_gateway_that_lost_the_network_stays_as_long_as_nobody_knows_better) {
  Cluster cluster(7);
  cluster.add_usual();
  cluster.run_for(60 * S);
  cluster.node(0).options.network = false;
  const int64_t from = cluster.now_ns();
  cluster.run_for(300 * S);
  expect_master(cluster, 0, from);
  expect_agreement(cluster, 300, 10'000);
}

TEST(Master, claims_are_contested) {
  // By hand: rule 2.
  MasterElection election(3);
  election.set_rank(dbc::Rank::HOLDOVER);
  election.listen(0);
  EXPECT_FALSE(election.due(99'000));
  EXPECT_FALSE(election.silent(99'000));
  election.heard_master({dbc::Rank::HOLDOVER, 2}, dbc::MasterRole::CLAIM, 101'000);
  ASSERT_EQ(election.due(101'000), dbc::MasterRole::CLAIM);  // at once
  election.sent(dbc::MasterRole::CLAIM, 101'000);
  EXPECT_FALSE(election.due(102'000));
  election.heard_master({dbc::Rank::HOLDOVER, 2}, dbc::MasterRole::CLAIM, 107'000);
  EXPECT_EQ(election.due(107'000), dbc::MasterRole::CLAIM);
  election.sent(dbc::MasterRole::CLAIM, 107'000);
  election.heard_master({dbc::Rank::HOLDOVER, 4}, dbc::MasterRole::CLAIM, 110'000);
  EXPECT_FALSE(election.due(209'000));
  EXPECT_TRUE(election.silent(210'000));
  // A master answers who is not better, and gives way to who is.
  election.due(210'000);
  ASSERT_EQ(election.due(261'000), dbc::MasterRole::CLAIM);
  election.sent(dbc::MasterRole::CLAIM, 261'000);
  ASSERT_EQ(election.due(311'000), dbc::MasterRole::MASTER);
  election.sent(dbc::MasterRole::MASTER, 311'000);
  EXPECT_TRUE(election.is_master());
  election.heard_master({dbc::Rank::HOLDOVER, 9}, dbc::MasterRole::CLAIM, 320'000);
  EXPECT_EQ(election.due(320'000), dbc::MasterRole::MASTER);
  election.sent(dbc::MasterRole::MASTER, 320'000);
  election.heard_master({dbc::Rank::NETWORK, 1}, dbc::MasterRole::CLAIM, 330'000);
  EXPECT_FALSE(election.is_master());
  EXPECT_EQ(election.due(330'000), dbc::MasterRole::RESIGN);
}

// Time over the bus: Sync, FollowUp, what is believed, and the beat that all sample at.
#include "scenario.h"

using namespace microgrid_test;

namespace {

int64_t utc_at(const OnWire &seen) { return START_UTC_US + seen.time_ns / 1000; }

}  // namespace

TEST(Time, sync_on_each_full_10_ms_and_follow_up_within_50_ms) {
  Cluster cluster(2);
  cluster.add_usual();
  cluster.run_for(40 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(10 * S);
  const auto syncs = cluster.frames(dbc::Sync::MESSAGE.identifier, from);
  EXPECT_NEAR(static_cast<double>(syncs.size()), 1000, 1);
  for (const OnWire &sync : syncs) {
    // Frame of 0.14 ms, the task's 0.1 ms, a frame on the wire of 0.27 ms.
    EXPECT_LT(utc_at(sync) % 10'000, 800);
    dbc::Sync message;
    message.unpack(dbc::load(sync.frame.data.data(), sync.frame.length));
    EXPECT_EQ(message.sequence, utc_at(sync) / 10'000 % 65536);
    EXPECT_EQ(message.rank, dbc::Rank::NETWORK);
    EXPECT_EQ(message.clock_state, dbc::ClockState::SYNCHRONISED);
  }
  const auto follow_ups = cluster.frames(dbc::FollowUp::MESSAGE.identifier, from);
  EXPECT_NEAR(static_cast<double>(follow_ups.size()), 10, 1);
  for (const OnWire &seen : follow_ups) {
    dbc::FollowUp message;
    message.unpack(dbc::load(seen.frame.data.data(), seen.frame.length));
    const auto sync = std::ranges::find_if(syncs, [&](const OnWire &one) {
      return one.frame.data[0] == message.sequence && seen.time_ns > one.time_ns &&
             seen.time_ns - one.time_ns < 50 * MS;
    });
    ASSERT_NE(sync, syncs.end());
    EXPECT_NEAR(static_cast<double>(static_cast<int64_t>(message.utc) - utc_at(*sync)), 20, 400);
  }
}

TEST(Time, houses_agree_to_a_fraction_of_a_millisecond) {
  Cluster cluster(9);
  cluster.add_usual();
  cluster.run_for(60 * S);
  std::vector<int64_t> apart;
  for (int i = 0; i < 600; i++) {
    cluster.run_for(S);
    expect_agreement(cluster, 150, 400);
    for (uint8_t one = 1; one <= 4; one++)
      for (uint8_t other = 1; other < one; other++)
        apart.push_back(std::abs(cluster.node(one).clock_error_us() - cluster.node(other).clock_error_us()));
  }
  std::ranges::sort(apart);
  std::printf("houses are apart: 95 %% within %ld us, %ld us at most\n",
              static_cast<long>(apart[apart.size() * 95 / 100]), static_cast<long>(apart.back()));
}

TEST(Time, samples_with_the_same_byte_belong_together) {
  Cluster cluster(10);
  cluster.add_usual();
  cluster.run_for(30 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(5 * S);
  const auto &reference = cluster.node(0).beats;
  for (SimulatedNode *node : cluster.nodes()) {
    size_t compared = 0;
    for (const Beaten &beat : node->beats) {
      if (beat.time_ns < from) continue;
      const auto same = std::ranges::find_if(
          reference, [&](const Beaten &other) { return std::abs(other.time_ns - beat.time_ns) < 5 * MS; });
      if (same == reference.end()) continue;
      EXPECT_EQ(same->sequence, beat.sequence);
      EXPECT_LT(std::abs(same->time_ns - beat.time_ns), MS);
      compared++;
    }
    EXPECT_GT(compared, 480U);
  }
}

TEST(Time, an_unknown_error_of_the_master_is_not_taken_for_none) {
  Cluster cluster(11);
  auto &house = cluster.add({.number = 1});
  auto &stranger = cluster.add_stranger();
  uint16_t sequence = 0;
  int sent = 0;
  // Sync and FollowUp of a master that never says how wrong its clock is.
  stranger.babble = [&]() -> CanFrame {
    const int64_t utc_us = cluster.utc_us();
    if (sent++ % 2 == 0) {
      const dbc::Sync sync{
          .sequence = ++sequence, .rank = dbc::Rank::NETWORK, .clock_state = dbc::ClockState::SYNCHRONISED};
      CanFrame frame{.identifier = 0x005, .mono_us = 0, .length = 3, .data = {}};
      dbc::store(sync.pack(), frame.data.data(), 3);
      return frame;
    }
    const dbc::FollowUp follow_up{.sequence = static_cast<uint8_t>(sequence),
                                  .utc = static_cast<uint64_t>(utc_us)};
    CanFrame frame{.identifier = 0x015, .mono_us = 0, .length = 8, .data = {}};
    dbc::store(follow_up.pack(), frame.data.data(), 8);
    return frame;
  };
  cluster.run_for(5 * S);
  EXPECT_GT(house.clock->counters().taken, 100U);
  EXPECT_FALSE(house.clock->valid(house.mono_us()));
}

TEST(Time, a_sync_that_could_not_be_timed_is_made_up_for_by_the_next) {
  Cluster cluster(13);
  cluster.add_usual();
  cluster.node(0).controller.untimed = 0.5;
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(20 * S);
  EXPECT_NEAR(static_cast<double>(cluster.frames(dbc::FollowUp::MESSAGE.identifier, from).size()), 20, 1);
  expect_master(cluster, 0, from);
  expect_agreement(cluster, 150, 400);
}

TEST(Time, a_master_that_can_time_nothing_beats_and_gives_no_time) {
  Cluster cluster(14);
  cluster.add_usual();
  cluster.node(0).controller.untimed = 1;
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(10 * S);
  EXPECT_TRUE(cluster.frames(dbc::FollowUp::MESSAGE.identifier, from).empty());
  expect_master(cluster, 0, from);
  expect_beats(cluster, from);
  for (uint8_t number = 1; number <= 4; number++) {
    auto &house = cluster.node(number);
    EXPECT_FALSE(house.clock->valid(house.mono_us()));
  }
  cluster.node(0).controller.untimed = 0;
  cluster.run_for(20 * S);
  expect_agreement(cluster, 500, 1000);
}

TEST(Time, of_a_master_that_does_not_trust_itself_is_not_trusted) {
  Cluster cluster(15);
  auto &gateway =
      cluster.add({.role = Role::GATEWAY, .number = 0, .network = true, .network_every_ns = 10 * S});
  cluster.run_for(S);  // is the master, with one answer of its server
  auto &house = cluster.add({.number = 1, .ppm = 20});
  for (int i = 0; i < 400; i++) {
    cluster.run_for(100 * MS);
    ASSERT_LE(house.clock->valid(house.mono_us()), gateway.clock->valid(gateway.mono_us())) << i;
  }
  EXPECT_TRUE(house.clock->valid(house.mono_us()));
}

TEST(Beat, alone_it_keeps_to_the_own_clock) {
  Cluster cluster(12);
  auto &gateway = cluster.add({.role = Role::GATEWAY, .number = 0, .ppm = 20, .network = true});
  cluster.run_for(30 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(5 * S);
  expect_beats(cluster, from);
  for (const Beaten &beat : gateway.beats) {
    if (beat.time_ns < from) continue;
    const int64_t over_us = (START_UTC_US + beat.time_ns / 1000 + 5000) % 10'000 - 5000;
    EXPECT_LT(std::abs(over_us), 400);
  }
}

TEST(Beat, a_step_of_the_clock_moves_it_by_less_than_a_beat) {
  Cluster cluster(13);
  cluster.add({.number = 1, .rtc_error_us = 3'456});
  cluster.add({.number = 2});
  cluster.run_for(20 * S);
  expect_beats(cluster, 0);
}

TEST(Beat, a_stalled_task_does_not_sample_at_the_syncs_that_it_missed) {
  Cluster cluster(16);
  cluster.add_usual();
  cluster.run_for(30 * S);
  const int64_t from = cluster.now_ns();
  cluster.node(2).stalled_until_ns = from + 500 * MS;
  cluster.run_for(5 * S);
  const auto missed = std::ranges::count_if(cluster.node(2).beats, [=](const Beaten &beat) {
    return beat.time_ns > from + 20 * MS && beat.time_ns < from + 470 * MS;
  });
  EXPECT_EQ(missed, 0);
  expect_beats(cluster.node(2), from + 600 * MS, cluster.now_ns());
}

TEST(Beat, a_stalled_task_goes_on_in_step) {
  Cluster cluster(14);
  cluster.add_usual();
  cluster.run_for(30 * S);
  const int64_t from = cluster.now_ns();
  cluster.node(2).stalled_until_ns = from + 57 * MS;
  cluster.node(0).stalled_until_ns = from + 33 * MS;  // the master itself
  cluster.run_for(5 * S);
  expect_master(cluster, 0, from + 50 * MS);
  expect_beats(cluster, from + 200 * MS);
  for (const uint8_t number : std::initializer_list<uint8_t>{1, 3, 4})
    expect_beats(cluster.node(number), from, cluster.now_ns());
}

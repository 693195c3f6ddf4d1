// A bus that loses, delays, is flooded or talks nonsense: the beat goes on, and so does what can.
#include "scenario.h"

using namespace microgrid_test;

namespace {

CanFrame frame_of(uint32_t identifier, uint64_t word, uint8_t length = 8) {
  CanFrame frame{.identifier = identifier, .mono_us = 0, .length = length, .data = {}};
  dbc::store(word, frame.data.data(), 8);
  return frame;
}

size_t heard(const SimulatedNode &node, uint16_t code) {
  return static_cast<size_t>(
      std::ranges::count_if(node.faults, [=](const Heard &one) { return one.fault.fault_code == code; }));
}

}  // namespace

TEST(LossyBus, the_beat_stays_and_faults_come_through) {
  for (uint32_t seed = 1; seed <= 3; seed++) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.loss = 0.3;
    cluster.add_usual();
    cluster.run_for(60 * S);
    const int64_t from = cluster.now_ns();
    size_t missed = 0;
    for (int i = 0; i < 40; i++) {
      cluster.node(1).raise(i % 2 == 0 ? FaultCode::F001 : FaultCode::F003);
      cluster.run_for(5'100 * MS);
    }
    for (const uint8_t number : std::initializer_list<uint8_t>{0, 2, 3, 4}) {
      const size_t count = heard(cluster.node(number), 1) + heard(cluster.node(number), 3);
      EXPECT_LE(count, 40U);  // none twice
      missed += 40 - count;
    }
    // Three independent losses of 30 %: 2.7 %, of 160.
    EXPECT_LE(missed, 16U);
    expect_beats(cluster, from);
    EXPECT_EQ(cluster.masters(cluster.now_ns() - 10 * S).size(), 1U);
    for (SimulatedNode *node : cluster.nodes()) {
      EXPECT_TRUE(node->clock->valid(node->mono_us()));
      EXPECT_LT(std::abs(node->clock_error_us()), 1000);
    }
  }
}

TEST(LossyBus, elections_end_with_one_master) {
  for (uint32_t seed = 1; seed <= 20; seed++) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.loss = 0.3;
    cluster.add_usual();
    cluster.node(0).options.network = false;
    cluster.run_for(S);
    for (int round = 0; round < 3; round++) {
      const auto masters = cluster.masters(cluster.now_ns() - 30 * MS);
      ASSERT_EQ(masters.size(), 1U);
      cluster.node(masters[0]).power_off();
      cluster.run_for(S);
    }
  }
}

TEST(DelayedBus, the_beat_stays_and_clocks_agree) {
  Cluster cluster(41);
  cluster.longest_delay_ns = 20 * MS;
  cluster.longest_latency_ns = 2 * MS;
  cluster.add_usual();
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  cluster.run_for(60 * S);
  expect_master(cluster, 0, from);
  // Up to a beat, the 3 ms after which the own one stands in, and a move to Syncs that are later still.
  expect_beats(cluster, from, 0.03, 26 * MS);
  // A Sync that came after the own beat stood in for it is no reason to sample again.
  for (const SimulatedNode *node : cluster.nodes()) {
    const auto begin =
        std::ranges::find_if(node->beats, [=](const Beaten &beat) { return beat.time_ns >= from; });
    EXPECT_EQ(std::adjacent_find(
                  begin, node->beats.end(),
                  [](const Beaten &one, const Beaten &next) { return one.sequence == next.sequence; }),
              node->beats.end());
  }
  cluster.node(3).raise(FaultCode::F012);
  cluster.run_for(S);
  for (const uint8_t number : std::initializer_list<uint8_t>{0, 1, 2, 4})
    EXPECT_EQ(heard(cluster.node(number), 12), 1U);
}

TEST(Babbling, of_the_most_urgent_identifier_stops_nobodys_beat) {
  Cluster cluster(42);
  cluster.add_usual();
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  auto &babbler = cluster.add_stranger();
  // With 0x000 it would collide with the gateway's Sync and be off the bus at once.
  babbler.babble = [&] { return frame_of(0x001, cluster.random() & 0xFFFFF, 8); };
  cluster.run_for(5 * S);
  EXPECT_GT(cluster.load(from), 0.9);
  expect_beats(cluster, from, 0.03);
  babbler.powered = false;
  cluster.run_for(40 * S);
  EXPECT_EQ(cluster.masters(cluster.now_ns() - 5 * S), std::vector<uint8_t>{0});
  expect_beats(cluster, from, 0.03);
  expect_agreement(cluster, 500, 1000);
}

TEST(Babbling, sync_floods_of_any_sender_and_rank) {
  for (const bool rising : {false, true}) {
    Cluster cluster(43);
    cluster.add_usual();
    cluster.run_for(60 * S);
    const int64_t from = cluster.now_ns();
    auto &babbler = cluster.add_stranger();
    uint16_t sequence = 0;
    babbler.babble = [&] {
      const dbc::Sync sync{.sequence = rising ? ++sequence : static_cast<uint16_t>(cluster.random()),
                           .rank = static_cast<dbc::Rank>(rising ? 4 : cluster.random() % 16),
                           .clock_state = dbc::ClockState::SYNCHRONISED};
      return frame_of(rising ? 0xF : cluster.random() % 16, sync.pack(), 3);
    };
    cluster.run_for(5 * S);
    EXPECT_GT(cluster.load(from), 0.98);
    expect_beats(cluster, from, 0.04);
    babbler.powered = false;
    cluster.run_for(30 * S);
    expect_beats(cluster, from, 0.04);
    EXPECT_EQ(cluster.masters(cluster.now_ns() - 5 * S).size(), 1U);
    expect_agreement(cluster, 500, 1000);
  }
}

TEST(Babbling, of_a_middling_identifier_holds_up_faults_but_loses_none) {
  Cluster cluster(48);
  cluster.add_usual();
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  auto &babbler = cluster.add_stranger();
  babbler.babble = [&] { return frame_of(0x1F5, cluster.random(), 8); };
  cluster.run_for(10 * S);
  EXPECT_GT(cluster.load(from), 0.98);
  // The mailboxes of the controllers hold what is less urgent than the babble: nobody gets a word in.
  cluster.node(2).raise(FaultCode::F001);
  cluster.run_for(3 * S);
  expect_beats(cluster, from);
  babbler.powered = false;
  cluster.run_for(S);
  for (const uint8_t number : std::initializer_list<uint8_t>{0, 1, 3, 4})
    EXPECT_EQ(heard(cluster.node(number), 1), 1U);
  const int64_t quiet = cluster.now_ns();
  cluster.run_for(30 * S);
  EXPECT_EQ(cluster.masters(quiet + 20 * S), std::vector<uint8_t>{0});
  expect_beats(cluster, from);
  expect_agreement(cluster, 500, 1000);
}

TEST(Babbling, garbage_with_valid_identifiers) {
  Cluster cluster(44);
  cluster.add_usual();
  cluster.run_for(60 * S);
  const int64_t from = cluster.now_ns();
  auto &babbler = cluster.add_stranger();
  babbler.babble = [&] {
    const uint64_t word = uint64_t{cluster.random()} << 32 | cluster.random();
    return frame_of(cluster.random() % 0x7F0, word, static_cast<uint8_t>(cluster.random() % 9));
  };
  cluster.run_for(10 * S);
  expect_beats(cluster, from, 0.04);
  // Heartbeats with their numbers, each with another boot id, silence nobody.
  for (SimulatedNode *node : cluster.nodes()) EXPECT_FALSE(node->bus->statistics().number_conflict);
  babbler.powered = false;
  cluster.run_for(60 * S);
  expect_beats(cluster, from, 0.04);
  EXPECT_EQ(cluster.masters(cluster.now_ns() - 5 * S).size(), 1U);
  for (SimulatedNode *node : cluster.nodes()) {
    EXPECT_FALSE(node->bus->statistics().number_conflict);
    EXPECT_TRUE(node->clock->valid(node->mono_us()));
    EXPECT_LT(std::abs(node->clock_error_us()), 1000);
    // Nor is anybody missed who was never there.
    const auto of_f030 = [&](EventState state) {
      return std::ranges::count_if(node->events, [=](const NodeEvent &event) {
        return event.code.view() == "F030" && event.state == state;
      });
    };
    EXPECT_EQ(of_f030(EventState::RAISED), of_f030(EventState::CLEARED));
  }
}

TEST(Number, used_twice_silences_one_of_the_two) {
  for (uint32_t seed = 1; seed <= 4; seed++) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.add_usual();
    cluster.run_for(20 * S);
    auto &twin = cluster.add({.number = 2});
    cluster.run_for(60 * S);
    const int64_t from = cluster.now_ns();
    cluster.run_for(60 * S);
    const auto beats = cluster.frames(dbc::Heartbeat::MESSAGE.identifier, from);
    std::map<uint32_t, int> by_boot;
    for (const OnWire &seen : beats)
      if (dbc::node_of(seen.frame.identifier) == 2)
        by_boot[static_cast<uint32_t>(dbc::load(seen.frame.data.data(), 4))]++;
    EXPECT_EQ(by_boot.size(), 1U);
    EXPECT_NE(twin.bus->statistics().number_conflict, cluster.node(2).bus->statistics().number_conflict);
    expect_beats(cluster, from);
    // The installer corrects it.
    twin.power_off();
    cluster.run_for(40 * S);
    EXPECT_FALSE(cluster.node(2).bus->statistics().number_conflict);
  }
}

TEST(Restarts, again_and_again_leave_one_master_and_one_time) {
  Cluster cluster(45);
  cluster.add_usual();
  cluster.run_for(60 * S);
  for (int i = 0; i < 60; i++) {
    auto &node = cluster.node(static_cast<uint8_t>(cluster.random() % 5));
    node.power_off();
    cluster.run_for(static_cast<int64_t>(cluster.random() % 3000) * MS);
    node.power_on();
    cluster.run_for(static_cast<int64_t>(cluster.random() % 3000) * MS);
  }
  cluster.run_for(40 * S);
  expect_master(cluster, 0, cluster.now_ns() - 10 * S);
  expect_beats(cluster, cluster.now_ns() - 30 * S);
  expect_agreement(cluster, 500, 1000);
}

TEST(NoBus, the_node_beats_for_itself) {
  Cluster cluster(46);
  auto &house = cluster.add({.number = 1});
  house.controller.powered = false;  // nothing goes in or out
  auto &without = cluster.add({.number = 2});
  without.bus->set_bus(nullptr);
  cluster.run_for(10 * S);
  expect_beats(cluster, 200 * MS);
  EXPECT_FALSE(without.bus->send(frame_of(0x201, 0, 4)));
}

namespace {

/// Has a frame whenever it is asked.
class EagerPort final : public BulkPort {
 public:
  const CanFrame *due(uint64_t /*now_us*/) override { return &this->frame_; }
  void sent(uint64_t /*now_us*/) override { this->count++; }
  int count{0};

 protected:
  CanFrame frame_ = frame_of(0x701, 0x1122334455667788);
};

}  // namespace

TEST(Bulk, takes_30_percent_of_the_bus_and_delays_no_fault) {
  Cluster cluster(47);
  cluster.add_usual();
  cluster.run_for(60 * S);
  EagerPort port;
  cluster.node(1).bus->set_bulk_port(&port);
  const int64_t from = cluster.now_ns();
  cluster.run_for(10 * S);
  int64_t bits = 0;
  for (const OnWire &seen : cluster.frames(dbc::BulkResponse::MESSAGE.identifier, from))
    bits += frame_bits(seen.frame);
  const double share = static_cast<double>(bits) / 5e6;
  EXPECT_LE(share, 0.305);
  EXPECT_GE(share, 0.25);
  const int64_t tripped = cluster.now_ns();
  cluster.node(1).raise(FaultCode::F001);
  cluster.run_for(100 * MS);
  ASSERT_FALSE(cluster.frames(dbc::Fault::MESSAGE.identifier, tripped).empty());
  EXPECT_LT(cluster.frames(dbc::Fault::MESSAGE.identifier, tripped)[0].time_ns - tripped, MS);
  expect_beats(cluster, from);
  cluster.node(1).bus->set_bulk_port(nullptr);
}

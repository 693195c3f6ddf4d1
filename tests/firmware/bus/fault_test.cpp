// Faults over the bus: heard once by all, at the right time, under the right id; lost nodes (F030), errors
// (F031).
#include "scenario.h"

using namespace microgrid_test;

namespace {

size_t heard_by(const SimulatedNode &node, uint16_t code, EventState state = EventState::RAISED) {
  return static_cast<size_t>(std::ranges::count_if(node.faults, [=](const Heard &heard) {
    return heard.fault.fault_code == code && heard.fault.state == state;
  }));
}

size_t raised_by(const SimulatedNode &node, std::string_view code, EventState state = EventState::RAISED) {
  return static_cast<size_t>(std::ranges::count_if(node.events, [=](const NodeEvent &event) {
    return event.code.view() == code && event.state == state;
  }));
}

}  // namespace

TEST(Fault, is_told_three_times_and_heard_once_by_all) {
  Cluster cluster(31);
  cluster.add_usual();
  cluster.run_for(60 * S + 123'456'789);
  auto &origin = cluster.node(3);
  const int64_t tripped = cluster.now_ns();
  origin.raise(FaultCode::F005);
  cluster.run_for(2 * S);

  const auto frames = cluster.frames(dbc::Fault::MESSAGE.identifier, tripped);
  ASSERT_EQ(frames.size(), 3U);
  // It waits at most for the frame on the wire, a Sync and a FollowUp; and takes itself 0.25 ms.
  EXPECT_LT(frames[0].time_ns - tripped, MS);
  EXPECT_NEAR(static_cast<double>(frames[1].time_ns - tripped), 10.0 * MS, 1.5 * MS);
  EXPECT_NEAR(static_cast<double>(frames[2].time_ns - tripped), 30.0 * MS, 1.5 * MS);
  EXPECT_EQ(frames[0].frame.data, frames[1].frame.data);
  EXPECT_EQ(frames[0].frame.data, frames[2].frame.data);
  EXPECT_FALSE(cluster.frames(dbc::Heartbeat::MESSAGE.identifier, tripped).empty());

  for (SimulatedNode *node : cluster.nodes()) {
    if (node == &origin) {
      EXPECT_TRUE(node->faults.empty());
      continue;
    }
    ASSERT_EQ(node->faults.size(), 1U);
    const HeardFault &heard = node->faults[0].fault;
    EXPECT_EQ(heard.key, (EventKey{.node = 3, .boot_id = origin.identity.boot_id, .number = 0}));
    EXPECT_EQ(heard.fault_code, 5);
    EXPECT_EQ(heard.state, EventState::RAISED);
    EXPECT_EQ(heard.severity, Severity::CRITICAL);
    EXPECT_TRUE(heard.time_valid);
    EXPECT_LT(std::abs(heard.utc_us - (START_UTC_US + tripped / 1000)), 500);
    EXPECT_LT(std::abs(node->controller.oscillator.time_ns(heard.mono_us) - tripped), MS);
    EXPECT_EQ(make_event_id("north", heard.key), make_event_id("north", origin.events[0].key));
  }
}

TEST(Fault, of_all_houses_at_once_are_all_heard) {
  Cluster cluster(32);
  cluster.add_usual();
  cluster.run_for(60 * S);
  for (uint8_t number = 1; number <= 4; number++) {
    cluster.node(number).raise(FaultCode::F003);
    cluster.node(number).raise(FaultCode::F006);
    cluster.node(number).raise(FaultCode::F006, EventState::CLEARED);
  }
  cluster.run_for(S);
  for (SimulatedNode *node : cluster.nodes()) {
    const size_t others = node->options.number == 0 ? 4 : 3;
    EXPECT_EQ(heard_by(*node, 3), others);
    EXPECT_EQ(heard_by(*node, 6), others);
    EXPECT_EQ(heard_by(*node, 6, EventState::CLEARED), others);
  }
}

TEST(Fault, is_not_raised_twice_within_10_s) {
  Cluster cluster(33);
  cluster.add_usual();
  cluster.run_for(3 * S);
  auto &origin = cluster.node(2);
  for (int i = 0; i < 30; i++) {
    origin.raise(FaultCode::F001);
    cluster.run_for(S / 2);
  }
  EXPECT_EQ(heard_by(cluster.node(1), 1), 2U);
}

TEST(Fault, without_valid_time_counts_from_its_arrival) {
  Cluster cluster(34);
  cluster.add_usual();
  cluster.node(0).options.network = false;  // nobody knows the time
  cluster.run_for(5 * S);
  cluster.node(1).raise(FaultCode::F010);
  const int64_t tripped = cluster.now_ns();
  cluster.run_for(S);
  for (const uint8_t number : std::initializer_list<uint8_t>{0, 2, 3, 4}) {
    ASSERT_EQ(cluster.node(number).faults.size(), 1U);
    const HeardFault &heard = cluster.node(number).faults[0].fault;
    EXPECT_FALSE(heard.time_valid);
    EXPECT_EQ(heard.utc_us, 0);
    EXPECT_LT(std::abs(cluster.node(number).controller.oscillator.time_ns(heard.mono_us) - tripped), 2 * MS);
  }
}

TEST(Fault, of_a_node_that_was_never_heard_gets_its_name_later) {
  Cluster cluster(35);
  cluster.add_usual();
  cluster.run_for(10 * S);
  auto &late = cluster.add({.number = 7});
  late.raise(FaultCode::F020);  // before its first frame
  cluster.run_for(S / 2);
  for (const uint8_t number : std::initializer_list<uint8_t>{0, 1, 2, 3, 4}) {
    ASSERT_EQ(cluster.node(number).faults.size(), 1U);
    const uint32_t boot_id = cluster.node(number).faults[0].fault.key.boot_id;
    EXPECT_TRUE(boot_id == 0 || boot_id == late.identity.boot_id);
    EXPECT_EQ(cluster.node(number).bus->peer(7).heartbeat.boot_id, late.identity.boot_id);
    EXPECT_GE(cluster.node(number).peer_changes[7], 1);
  }
}

TEST(Fault, numbers_of_a_new_start_are_not_those_of_before) {
  Cluster cluster(36);
  cluster.add_usual();
  cluster.run_for(10 * S);
  cluster.node(2).raise(FaultCode::F001);
  cluster.run_for(S);
  cluster.node(2).power_off();
  cluster.run_for(S);
  cluster.node(2).power_on();
  cluster.run_for(2 * S);
  cluster.node(2).raise(FaultCode::F001);
  cluster.run_for(S);
  EXPECT_EQ(heard_by(cluster.node(1), 1), 2U);
  EXPECT_NE(cluster.node(1).faults[0].fault.key.boot_id, cluster.node(1).faults[1].fault.key.boot_id);
}

TEST(Fault, only_those_of_the_catalogue_are_told) {
  Cluster cluster(37);
  cluster.add_usual();
  cluster.run_for(2 * S);
  auto &house = cluster.node(1);
  house.desk->raise({.type = EventType::ALARM, .code = EventCode{"F001"}, .mono_us = house.mono_us()});
  house.desk->raise({.type = EventType::FAULT, .code = EventCode{"F999"}, .mono_us = house.mono_us()});
  house.desk->raise({.type = EventType::BOOT, .code = EventCode{"BOOT"}, .mono_us = house.mono_us()});
  cluster.run_for(S);
  EXPECT_TRUE(cluster.frames(dbc::Fault::MESSAGE.identifier, 0).empty());
}

TEST(Capture, is_heard_by_all_and_by_the_node_itself_under_one_key) {
  Cluster cluster(38);
  cluster.add_usual();
  cluster.run_for(60 * S);
  auto &origin = cluster.node(0);
  const int64_t asked = cluster.now_ns();
  const EventKey key = origin.desk->next_key();
  origin.bus->capture(key);
  cluster.run_for(2 * S);
  EXPECT_EQ(cluster.frames(dbc::Fault::MESSAGE.identifier, asked).size(), 3U);
  for (SimulatedNode *node : cluster.nodes()) {
    ASSERT_EQ(node->faults.size(), 1U);
    const HeardFault &heard = node->faults[0].fault;
    EXPECT_EQ(heard.key, key);
    EXPECT_EQ(heard.fault_code, NO_FAULT);
    EXPECT_EQ(heard.state, EventState::RAISED);
    EXPECT_EQ(heard.severity, Severity::INFO);
    EXPECT_LT(std::abs(heard.utc_us - (START_UTC_US + asked / 1000)), 5000);
    EXPECT_LT(std::abs(node->controller.oscillator.time_ns(heard.mono_us) - asked), 5 * MS);
    EXPECT_TRUE(node->events.empty()) << "it is no event of the log";
  }
}

TEST(Capture, that_ends_is_nonsense) {
  FaultInbox inbox;
  dbc::Fault frame{.fault_code = NO_FAULT, .event_state = dbc::EventState::CLEARED, .event_number = 3};
  EXPECT_FALSE(inbox.take(frame, 2, 7, S, {}));
  frame.event_state = dbc::EventState::MOMENT;
  EXPECT_FALSE(inbox.take(frame, 2, 7, S, {}));
  frame.event_state = dbc::EventState::RAISED;
  EXPECT_TRUE(inbox.take(frame, 2, 7, S, {}));
}

TEST(Fault, event_time_comes_around_every_89_minutes) {
  FaultInbox inbox;
  Timeline timeline;
  timeline.known = timeline.confirmed = true;
  timeline.anchor_utc_us = START_UTC_US;
  timeline.silent_from_mono_us = UINT64_MAX;
  constexpr int64_t PERIOD_US = (int64_t{1} << 29) * 10;
  uint32_t number = 0;
  for (int64_t arrived = 60'000'000; arrived < 2 * PERIOD_US; arrived += PERIOD_US / 7) {
    for (const int64_t ago_us : {int64_t{0}, int64_t{9'000'000}}) {
      const dbc::Fault fault{.fault_code = 1,
                             .event_state = dbc::EventState::RAISED,
                             .severity = dbc::Severity::CRITICAL,
                             .time_valid = true,
                             .event_number = number++,
                             .event_time = dbc::event_ticks(START_UTC_US + arrived - ago_us)};
      timeline.anchor_mono_us = timeline.estimate_mono_us = static_cast<uint64_t>(arrived);
      timeline.anchor_utc_us = START_UTC_US + arrived;
      const auto heard = inbox.take(fault, 1, 5, static_cast<uint64_t>(arrived), timeline);
      ASSERT_TRUE(heard);
      EXPECT_LE(std::abs(heard->utc_us - (START_UTC_US + arrived - ago_us)), 10);
      EXPECT_LE(std::abs(static_cast<int64_t>(heard->mono_us) - (arrived - ago_us)), 10);
    }
  }
}

TEST(LostNode, is_a_fault_until_it_returns) {
  Cluster cluster(38);
  cluster.add_usual();
  cluster.run_for(30 * S);
  cluster.node(4).power_off();
  cluster.run_for(2 * S);
  EXPECT_EQ(raised_by(cluster.node(1), "F030"), 0U);
  cluster.run_for(3 * S);
  for (const uint8_t number : std::initializer_list<uint8_t>{0, 1, 2, 3}) {
    auto &node = cluster.node(number);
    EXPECT_EQ(raised_by(node, "F030"), 1U);
    EXPECT_FALSE(node.bus->peer(4).present);
    EXPECT_EQ(heard_by(node, 30), 3U);  // the others miss it too
  }
  cluster.node(4).power_on();
  cluster.run_for(2 * S);
  for (const uint8_t number : std::initializer_list<uint8_t>{0, 1, 2, 3}) {
    EXPECT_EQ(raised_by(cluster.node(number), "F030", EventState::CLEARED), 1U);
    EXPECT_TRUE(cluster.node(number).bus->peer(4).present);
  }
}

TEST(LostNode, who_is_cut_off_tells_it_once) {
  Cluster cluster(39);
  cluster.add_usual();
  cluster.run_for(30 * S);
  const int64_t cut = cluster.now_ns();
  cluster.node(2).controller.segment = 1;
  cluster.run_for(60 * S);
  EXPECT_EQ(raised_by(cluster.node(2), "F030"), 1U);
  expect_beats(cluster, cut);
  cluster.node(2).controller.segment = 0;
  cluster.run_for(5 * S);
  EXPECT_EQ(raised_by(cluster.node(2), "F030", EventState::CLEARED), 1U);
  expect_master(cluster, 0, cluster.now_ns() - 2 * S);
}

TEST(BusOff, leads_back_with_ever_longer_pauses) {
  Cluster cluster(40);
  cluster.add_usual();
  cluster.run_for(60 * S);
  auto &ill = cluster.node(0);  // the master
  const int64_t broke = cluster.now_ns();
  ill.controller.damaged_driver = true;
  cluster.run_for(30 * S);
  const uint32_t offs = ill.controller.status().bus_offs;
  EXPECT_GE(offs, 5U);
  EXPECT_LE(offs, 12U);
  EXPECT_EQ(raised_by(ill, "F031"), 1U);
  EXPECT_EQ(cluster.masters(broke + S), std::vector<uint8_t>{4});
  expect_beats(cluster, broke);

  ill.controller.damaged_driver = false;
  cluster.run_for(12 * S);
  EXPECT_EQ(ill.bus->statistics().controller.state, ControllerState::ACTIVE);
  EXPECT_EQ(ill.bus->peer(4).present, true);
  const auto beats = cluster.frames(dbc::Heartbeat::MESSAGE.identifier, cluster.now_ns() - S);
  const auto own = std::ranges::find_if(
      beats, [](const OnWire &seen) { return dbc::node_of(seen.frame.identifier) == 0; });
  ASSERT_NE(own, beats.end());
  dbc::Heartbeat message;
  message.unpack(dbc::load(own->frame.data.data(), 8));
  EXPECT_EQ(message.bus_state, dbc::BusState::RECOVERED);
  // It follows first, and then the better clock takes over.
  cluster.run_for(100 * S);
  expect_master(cluster, 0, cluster.now_ns() - 10 * S);
  EXPECT_EQ(raised_by(ill, "F031", EventState::CLEARED), 1U);
  EXPECT_EQ(raised_by(ill, "F031"), 1U);
}

TEST(BusErrors, that_grow_are_a_fault) {
  BusWatch watch({.errors_per_minute = 100});
  ControllerStatus status{.state = ControllerState::ACTIVE};
  uint64_t now = 0;
  const auto run = [&](uint32_t errors_per_s, int seconds) {
    for (int i = 0; i < seconds; i++, now += 1'000'000) {
      status.bus_errors += errors_per_s;
      watch.take(status, now);
    }
  };
  run(1, 300);
  EXPECT_FALSE(watch.too_many_errors());
  run(5, 30);
  EXPECT_TRUE(watch.too_many_errors());
  run(0, 30);
  EXPECT_TRUE(watch.too_many_errors());
  run(0, 60);
  EXPECT_FALSE(watch.too_many_errors());
}

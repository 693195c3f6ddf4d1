// The contract's logic of a house and of a gateway with houses, in simulated time: a broker that remembers
// what it was told.
#include "esphome/components/microgrid_uplink/uplink.h"

#include <gtest/gtest.h>

#include <string>

#include "esphome/components/microgrid_uplink/mqtt_client.h"
#include "plain_houses.h"
#include "plain_store.h"

namespace esphome::microgrid {
namespace {

constexpr uint64_t SECOND_US = 1'000'000;
constexpr int64_t UTC_US = 1'795'262'400'000'000;  // 2026-11-21T12:00:00Z
constexpr std::array SOURCES{NETWORK_EXCHANGE};

struct Message {
  std::string topic;
  std::string payload;
  uint8_t qos;
  bool retain;
};

class Recorded final : public Publisher {
 public:
  void loop(uint64_t /*now_us*/) override {}
  uint32_t connection() const override { return this->number; }
  bool publish(std::string_view topic, Bytes payload, uint8_t qos, bool retain) override {
    if (this->number == 0 || this->room == 0) return false;
    this->room--;
    this->messages.push_back({std::string(topic), std::string(payload.begin(), payload.end()), qos, retain});
    return true;
  }
  bool subscribe(std::string_view filter) override {
    if (this->number == 0) return false;
    this->filters.emplace_back(filter);
    return true;
  }
  std::vector<Message> on(const std::string &topic) const {
    std::vector<Message> found;
    for (const Message &message : this->messages)
      if (message.topic == "microgrid/v1/village/" + topic) found.push_back(message);
    return found;
  }
  std::vector<std::string> topics() const {
    std::vector<std::string> found;
    for (const Message &message : this->messages) found.push_back(message.topic.substr(21));
    return found;
  }

  uint32_t number{0};
  size_t room{SIZE_MAX};
  std::vector<Message> messages;
  std::vector<std::string> filters;
};

class Handler final : public CommandHandler {
 public:
  CommandOutcome run(std::span<const CommandValue> parameters) override {
    this->runs++;
    for (const CommandValue &value : parameters)
      this->seen += std::string(value.name) + "=" +
                    (value.choice.empty() ? std::to_string(value.number) : std::string(value.choice)) + " ";
    return this->outcome;
  }
  CommandOutcome outcome{true};
  int runs{0};
  std::string seen;
};

constexpr std::array<std::string_view, 2> OPTIONS{"open", "closed"};
const std::array<CommandParameter, 3> PARAMETERS{{
    {.name = "percent", .type = CommandParameter::Type::NUMBER, .minimum = 0, .maximum = 100, .unit = "%"},
    {.name = "soft", .type = CommandParameter::Type::BOOLEAN},
    {.name = "position", .type = CommandParameter::Type::CHOICE, .options = OPTIONS},
}};

class UplinkTest : public testing::Test {
 protected:
  UplinkTest() {
    this->uplink_.set_publisher(&this->broker_);
    this->uplink_.set_houses(&this->houses_);
    this->uplink_.set_relay(&this->relay_);
    this->node_.desk.add(this->store_);
    this->node_.add({.name = "contactor", .parameters = PARAMETERS, .handler = &this->handler_});
    for (const uint8_t number : {uint8_t{1}, uint8_t{2}}) {
      this->houses_.houses[number].node = "house-" + std::to_string(number);
      this->houses_.houses[number].name = "House " + std::to_string(number);
      this->houses_.houses[number].boot_id = 70U + number;
      this->houses_.houses[number].present = true;
    }
  }

  void set_clock() {
    for (int i = 0; i < 40; i++) {
      this->run(SECOND_US);
      const Observation observation{.source = ClockSource::NETWORK,
                                    .reference = 1,
                                    .mono_us = this->now_us_,
                                    .utc_us = UTC_US + static_cast<int64_t>(this->now_us_),
                                    .round_trip_us = 1000};
      this->node_.clock.take(observation, this->now_us_);
    }
    ASSERT_TRUE(this->node_.clock.valid(this->now_us_));
  }
  void run(uint64_t microseconds) {
    for (const uint64_t end = this->now_us_ + microseconds; this->now_us_ < end;) {
      this->now_us_ += 10'000;
      this->uplink_.loop(this->now_us_);
      this->store_.work();
    }
  }
  void connect() {
    this->broker_.number = ++this->connections_;
    this->broker_.messages.clear();
    this->broker_.filters.clear();
    this->run(200'000);
  }
  void tell(const std::string &topic, const std::string &payload) {
    this->uplink_.received("microgrid/v1/village/" + topic, bytes_of(payload));
  }
  void ack(const std::string &node, Position position) {
    this->tell(node + "/log/ack", R"({"boot_id":)" + std::to_string(position.boot_id) + R"(,"seq":)" +
                                      std::to_string(position.seq) + "}");
  }
  static std::string command(const std::string &id, const std::string &parameters,
                             const std::string &expires) {
    return R"({"id":")" + id + R"(","command":"contactor","parameters":)" + parameters +
           R"(,"expires_at":")" + expires + R"("})";
  }

  Identity identity_{.role = Role::GATEWAY,
                     .number = 0,
                     .node = "gateway-1",
                     .cluster = "north",
                     .swarm = "village",
                     .name = "North",
                     .hardware = "board",
                     .firmware = "2.0.0",
                     .boot_id = 5};
  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells_{};
  Node node_{identity_, SOURCES, GATEWAY_METRICS, cells_};
  PlainStore store_;
  PlainHouses houses_;
  Recorded broker_;
  Handler handler_;
  std::array<uint8_t, 16384> relay_room_{};
  LogRelay relay_{relay_room_};
  Uplink uplink_{node_, store_};
  uint64_t now_us_{0};
  uint32_t connections_{0};
};

TEST_F(UplinkTest, announces_itself_and_its_houses_before_anything_else) {
  NodeEvent boot{};
  boot.type = EventType::BOOT;
  boot.code.assign("BOOT");
  this->node_.desk.raise(boot);
  this->node_.desk.raise(boot);
  this->houses_.houses[2].present = false;
  this->node_.readings.set(0, 50'000);
  this->connect();
  const std::vector<std::string> expected{"gateway-1/birth", "gateway-1/state", "house-1/birth",
                                          "house-1/state",   "house-2/birth",   "house-2/state",
                                          "gateway-1/event", "gateway-1/live"};
  EXPECT_EQ(this->broker_.topics(), expected);
  EXPECT_EQ(this->broker_.on("house-1/state")[0].payload, "online");
  EXPECT_EQ(this->broker_.on("house-2/state")[0].payload, "offline");
  for (const char *topic : {"gateway-1/birth", "gateway-1/state", "house-2/birth", "house-2/state"}) {
    EXPECT_EQ(this->broker_.on(topic)[0].qos, 1) << topic;
    EXPECT_TRUE(this->broker_.on(topic)[0].retain) << topic;
  }
  EXPECT_EQ(this->broker_.filters.size(), 9U);
  EXPECT_EQ(this->uplink_.state_topic(), "microgrid/v1/village/gateway-1/state");
  const std::string birth = this->broker_.on("gateway-1/birth")[0].payload;
  EXPECT_NE(birth.find(R"("metrics":["cluster_frequency"])"), std::string::npos) << birth;
  EXPECT_NE(birth.find(R"({"name":"percent","type":"number","minimum":0.000,"maximum":100.000,"unit":"%"})"),
            std::string::npos)
      << birth;
  EXPECT_NE(this->broker_.on("house-1/birth")[0].payload.find(R"("parent":"gateway-1")"), std::string::npos);
}

TEST_F(UplinkTest, says_all_of_it_again_after_a_break) {
  this->connect();
  this->broker_.number = 0;
  this->run(5 * SECOND_US);
  this->connect();
  EXPECT_EQ(this->broker_.on("gateway-1/birth").size(), 1U);
  EXPECT_EQ(this->broker_.on("house-2/state").size(), 1U);
  EXPECT_EQ(this->broker_.filters.size(), 9U);
  EXPECT_TRUE(this->broker_.on("gateway-1/event").empty());
}

TEST_F(UplinkTest, tells_when_a_house_goes_comes_and_restarts) {
  this->connect();
  this->houses_.houses[1].present = false;
  this->run(100'000);
  EXPECT_EQ(this->broker_.on("house-1/state").back().payload, "offline");
  this->houses_.houses[1].present = true;
  this->houses_.houses[1].boot_id = 99;
  this->run(100'000);
  EXPECT_EQ(this->broker_.on("house-1/state").back().payload, "online");
  ASSERT_EQ(this->broker_.on("house-1/birth").size(), 2U);
  EXPECT_NE(this->broker_.on("house-1/birth")[1].payload.find(R"("boot_id":99)"), std::string::npos);
  EXPECT_EQ(this->broker_.on("gateway-1/birth").size(), 1U);
}

TEST_F(UplinkTest, announces_a_metric_when_it_is_first_known) {
  this->connect();
  this->houses_.houses[1].readings.set(static_cast<size_t>(HouseMetric::INVERTER_POWER), 100);
  this->run(11 * SECOND_US);
  ASSERT_EQ(this->broker_.on("house-1/birth").size(), 2U);
  EXPECT_NE(this->broker_.on("house-1/birth")[1].payload.find(R"("metrics":["inverter_power"])"),
            std::string::npos);
}

TEST_F(UplinkTest, tells_values_once_a_second) {
  this->set_clock();
  auto &house = this->houses_.houses[1];
  house.readings.set_value(static_cast<size_t>(HouseMetric::INVERTER_VOLTAGE), 230.26);
  house.readings.set(static_cast<size_t>(HouseMetric::BATTERY_CHARGING), 1);
  house.readings.set(static_cast<size_t>(HouseMetric::LOAD_POWER), 5);
  house.faults.set("F006", true);
  this->connect();
  house.readings.forget(static_cast<size_t>(HouseMetric::LOAD_POWER));
  this->broker_.messages.clear();
  this->run(10 * SECOND_US);
  const auto lives = this->broker_.on("gateway-1/live");
  ASSERT_EQ(lives.size(), 10U);
  EXPECT_EQ(lives[0].qos, 0);
  EXPECT_FALSE(lives[0].retain);
  EXPECT_NE(lives[9].payload.find(R"("inverter_voltage":230.3)"), std::string::npos) << lives[9].payload;
  EXPECT_NE(lives[9].payload.find(R"("battery_charging":true)"), std::string::npos);
  EXPECT_NE(lives[9].payload.find(R"("load_power":null)"), std::string::npos);
  EXPECT_NE(lives[9].payload.find(R"("faults":["F006"])"), std::string::npos);
  EXPECT_EQ(lives[9].payload.find("mppt"), std::string::npos);  // never known
  EXPECT_NE(lives[9].payload.find(R"("time":"2026-11-21T12:00:5)"), std::string::npos) << lives[9].payload;
}

TEST_F(UplinkTest, tells_of_a_house_whose_card_fails) {
  auto &house = this->houses_.houses[1];
  this->connect();
  house.card_failed = true;
  this->broker_.messages.clear();
  this->run(SECOND_US);
  house.faults.set("F006", true);
  this->run(SECOND_US);
  house.faults.set("F006", false);
  house.card_failed = false;
  this->run(SECOND_US);
  const auto lives = this->broker_.on("gateway-1/live");
  ASSERT_EQ(lives.size(), 3U);
  EXPECT_NE(lives[0].payload.find(R"("faults":["CARD_FAILED"])"), std::string::npos) << lives[0].payload;
  EXPECT_NE(lives[1].payload.find(R"("faults":["F006","CARD_FAILED"])"), std::string::npos);
  EXPECT_EQ(lives[2].payload.find("CARD_FAILED"), std::string::npos);
}

TEST_F(UplinkTest, splits_values_of_many_houses) {
  for (uint8_t number = 1; number < 16; number++) {
    auto &house = this->houses_.houses[number];
    house.node = "house-" + std::to_string(number);
    house.boot_id = number;
    house.present = true;
    for (size_t i = 0; i < HOUSE_METRICS.size(); i++) house.readings.set(i, -123'456'789);
  }
  this->connect();
  this->run(2 * SECOND_US);
  this->broker_.messages.clear();
  this->run(SECOND_US);
  const auto lives = this->broker_.on("gateway-1/live");
  EXPECT_GT(lives.size(), 2U);
  std::string all;
  for (const Message &live : lives) {
    EXPECT_LE(live.payload.size(), Uplink::JSON_ROOM_BYTES);
    all += live.payload;
  }
  for (uint8_t number = 1; number < 16; number++) {
    const std::string name = "\"house-" + std::to_string(number) + "\":";
    EXPECT_NE(all.find(name), std::string::npos) << name;
    EXPECT_EQ(all.find(name), all.rfind(name)) << name;
  }
  EXPECT_EQ(this->uplink_.counters().unwritable, 0U);
}

TEST_F(UplinkTest, tells_events_of_its_own_and_of_its_houses) {
  this->connect();
  NodeEvent event{};
  event.code.assign("F040");
  event.state = EventState::RAISED;
  event.severity = Severity::WARNING;
  event.add(GATEWAY_METRICS[0].channel, 12);
  this->node_.desk.raise(event);
  HeardFault fault{};
  fault.key = {.node = 2, .boot_id = 0, .number = 17};
  fault.fault_code = 6;
  fault.state = EventState::RAISED;
  fault.severity = Severity::CRITICAL;
  fault.utc_us = UTC_US;
  this->uplink_.fault(fault);
  fault.key.node = 9;
  this->uplink_.fault(fault);
  fault.key.node = 2;
  fault.fault_code = NO_FAULT;  // a recording that somebody asked for: nothing happened
  this->uplink_.fault(fault);
  this->run(SECOND_US);
  const auto own = this->broker_.on("gateway-1/event");
  ASSERT_EQ(own.size(), 1U);
  EXPECT_EQ(own[0].qos, 1);
  EXPECT_NE(
      own[0].payload.find(R"("event_id":"north.0:00000005:0","type":"fault","state":"raised","code":"F040")"),
      std::string::npos)
      << own[0].payload;
  EXPECT_NE(own[0].payload.find(R"("seq":1000)"), std::string::npos);
  EXPECT_NE(own[0].payload.find(R"("values":{"cluster_frequency":)"), std::string::npos) << own[0].payload;
  const auto house = this->broker_.on("house-2/event");
  ASSERT_EQ(house.size(), 1U);
  EXPECT_NE(house[0].payload.find(R"("event_id":"north.2:00000048:17")"), std::string::npos)
      << house[0].payload;
  EXPECT_NE(house[0].payload.find(
                R"("severity":"critical","boot_id":72,"seq":17,"time":"2026-11-21T12:00:00.000Z")"),
            std::string::npos)
      << house[0].payload;
  EXPECT_EQ(this->uplink_.counters().events_dropped, 1U);
  EXPECT_NE(this->broker_.on("gateway-1/live").back().payload.find(R"("faults":["F040"])"),
            std::string::npos);
  event.state = EventState::CLEARED;
  this->node_.desk.raise(event);
  this->run(2 * SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/live").back().payload.find("F040"), std::string::npos);
}

TEST_F(UplinkTest, keeps_the_newest_events_while_the_broker_is_away) {
  NodeEvent event{};
  event.code.assign("F040");
  for (int i = 0; i < 40; i++) this->node_.desk.raise(event);
  this->run(SECOND_US);
  this->connect();
  this->run(SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/event").size(), Uplink::MAX_EVENTS);
  EXPECT_NE(this->broker_.on("gateway-1/event").back().payload.find("north.0:00000005:39"),
            std::string::npos);
  EXPECT_EQ(this->uplink_.counters().events_dropped, 40 - Uplink::MAX_EVENTS);
}

TEST_F(UplinkTest, hands_over_its_log_step_by_step) {
  for (uint32_t seq = 0; seq < 300; seq++) this->store_.append({5, seq});
  this->connect();
  this->run(3 * SECOND_US);
  auto logs = this->broker_.on("gateway-1/log");
  ASSERT_EQ(logs.size(), 1U);  // one on its way
  EXPECT_EQ(logs[0].qos, 1);
  EXPECT_LE(logs[0].payload.size(), Uplink::LOG_ROOM_BYTES);

  std::string all;
  for (int i = 0; i < 10 && !logs.empty(); i++) {
    all += logs.back().payload;
    FrameScanner scanner(bytes_of(logs.back().payload));
    Position last{};
    while (const auto frame = scanner.next()) last = {frame->header.boot_id, frame->header.seq};
    this->broker_.messages.clear();
    this->ack("gateway-1", last);
    this->run(3 * SECOND_US);
    logs = this->broker_.on("gateway-1/log");
  }
  uint32_t next = 0;
  FrameScanner scanner(bytes_of(all));
  while (const auto frame = scanner.next()) EXPECT_EQ(frame->header.seq, next++);
  EXPECT_EQ(next, 300U);
  EXPECT_EQ(this->store_.acknowledged, (Position{5, 299}));
  this->store_.append({5, 300});
  this->run(3 * SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 1U);
  EXPECT_EQ(this->uplink_.counters().log.acks_ignored, 0U);
}

TEST_F(UplinkTest, repeats_a_batch_that_nobody_acknowledges) {
  this->connect();
  this->run(60 * SECOND_US);
  this->store_.append({5, 0});
  this->run(65 * SECOND_US);
  const auto logs = this->broker_.on("gateway-1/log");
  ASSERT_EQ(logs.size(), 2U);
  EXPECT_EQ(logs[0].payload, logs[1].payload);
  EXPECT_EQ(this->uplink_.counters().log.repeated, 1U);
}

TEST_F(UplinkTest, repeats_soon_what_was_said_before_the_listeners_returned) {
  this->store_.append({5, 0});
  this->connect();
  this->run(15 * SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 2U);
  this->run(50 * SECOND_US);  // each ten seconds for a minute, and then each minute
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 7U);
  this->run(50 * SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 7U);
  this->run(10 * SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 8U);
}

TEST_F(UplinkTest, ignores_acknowledgements_of_what_it_never_sent) {
  for (uint32_t seq = 0; seq < 10; seq++) this->store_.append({5, seq});
  this->connect();
  this->run(3 * SECOND_US);
  this->ack("gateway-1", {5, 10});
  this->ack("gateway-1", {6, 3});
  this->ack("house-1", {71, 3});
  this->run(SECOND_US);
  EXPECT_FALSE(this->store_.acknowledged);
  EXPECT_EQ(this->uplink_.counters().log.acks_ignored, 2U);
  this->ack("gateway-1", {5, 4});  // some of it: the rest comes again, without the part
  this->run(10 * SECOND_US);
  EXPECT_EQ(this->store_.acknowledged, (Position{5, 4}));
  const Message rest = this->broker_.on("gateway-1/log").back();
  EXPECT_EQ(FrameScanner(bytes_of(rest.payload)).next()->header.seq, 5U);
  this->ack("gateway-1", {5, 9});
  this->run(SECOND_US);
  EXPECT_EQ(this->store_.acknowledged, (Position{5, 9}));
  this->ack("gateway-1", {5, 9});
  this->ack("gateway-1", {5, 2});
  this->ack("gateway-1", {5, 12});
  EXPECT_EQ(this->uplink_.counters().log.acks_ignored, 3U);
}

TEST_F(UplinkTest, resumes_behind_the_retained_acknowledgement) {
  for (uint32_t seq = 0; seq < 10; seq++) this->store_.append({4, seq});
  for (uint32_t seq = 0; seq < 10; seq++) this->store_.append({5, seq});
  this->broker_.number = ++this->connections_;
  this->run(50'000);
  this->ack("gateway-1", {4, 7});
  this->run(3 * SECOND_US);
  const auto logs = this->broker_.on("gateway-1/log");
  ASSERT_EQ(logs.size(), 1U);
  FrameScanner scanner(bytes_of(logs[0].payload));
  const auto first = scanner.next();
  EXPECT_EQ((Position{first->header.boot_id, first->header.seq}), (Position{4, 8}));
  EXPECT_EQ(this->store_.acknowledged, (Position{4, 7}));
}

TEST_F(UplinkTest, does_not_believe_a_retained_acknowledgement_of_another_log) {
  for (const Position wrong :
       {Position{3, 1}, Position{5, 10}, Position{5, 4'000'000'000}, Position{77, 0}}) {
    PlainStore store;
    for (uint32_t seq = 0; seq < 10; seq++) store.append({5, seq});
    Recorded broker;
    Uplink uplink(this->node_, store);
    uplink.set_publisher(&broker);
    broker.number = 1;
    for (uint64_t now_us = 0; now_us < 4 * SECOND_US; now_us += 10'000) {
      uplink.loop(now_us);
      store.work();
      if (now_us == 50'000)
        uplink.received("microgrid/v1/village/gateway-1/log/ack",
                        bytes_of(R"({"boot_id":)" + std::to_string(wrong.boot_id) + R"(,"seq":)" +
                                 std::to_string(wrong.seq) + "}"));
    }
    const auto logs = broker.on("gateway-1/log");
    ASSERT_EQ(logs.size(), 1U);
    EXPECT_EQ(FrameScanner(bytes_of(logs[0].payload)).next()->header.seq, 0U);
    EXPECT_FALSE(store.acknowledged);
    EXPECT_EQ(uplink.counters().log.acks_ignored, 1U);
  }
}

TEST_F(UplinkTest, goes_on_when_its_store_was_failing) {
  this->store_.append({5, 0});
  this->store_.failing = true;
  this->connect();
  this->run(10 * SECOND_US);
  EXPECT_TRUE(this->broker_.on("gateway-1/log").empty());
  this->store_.failing = false;
  this->run(10 * SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 1U);
}

/// A batch in the relay, as the bus task puts it there.
size_t offer(LogRelay &relay, uint8_t house, Position first, uint32_t count, bool with_event = false) {
  const std::span<uint8_t> room = relay.room();
  size_t bytes = 0;
  for (uint32_t i = 0; i < count; i++) {
    std::vector<uint8_t> frame = numbered_frame({first.boot_id, first.seq + i});
    if (with_event && i == 1) {
      frame.resize(400);
      FrameBuilder builder(frame, {.kind = Kind::EVENT, .utc_us = UTC_US});
      const std::array<EventValue, 1> values{{{HOUSE_METRICS[1].channel, 2301}}};
      write_event(builder, {.type = EventType::FAULT,
                            .state = EventState::CLEARED,
                            .severity = Severity::CRITICAL,
                            .code = "F003",
                            .event_id = "north.1:00000047:3",
                            .values = values});
      const std::span<uint8_t> finished = builder.finish();
      seal(finished, {first.boot_id, first.seq + i});
      frame.resize(finished.size());
    }
    if (bytes + frame.size() > room.size()) break;
    std::copy(frame.begin(), frame.end(), room.begin() + static_cast<std::ptrdiff_t>(bytes));
    bytes += frame.size();
  }
  relay.offer(house, first, {first.boot_id, first.seq + count - 1}, bytes);
  return bytes;
}

TEST_F(UplinkTest, passes_on_the_logs_of_houses_and_their_events) {
  this->connect();
  const size_t bytes = offer(this->relay_, 1, {71, 20}, 5, true);
  this->run(SECOND_US);
  ASSERT_EQ(this->broker_.on("house-1/log").size(), 1U);
  EXPECT_EQ(this->broker_.on("house-1/log")[0].payload.size(), bytes);
  ASSERT_EQ(this->broker_.on("house-1/event").size(), 1U);
  const std::string event = this->broker_.on("house-1/event")[0].payload;
  EXPECT_NE(event.find(R"("event_id":"north.1:00000047:3","type":"fault","state":"cleared","code":"F003")"),
            std::string::npos)
      << event;
  EXPECT_NE(event.find(R"("seq":21)"), std::string::npos);
  EXPECT_NE(event.find(R"("inverter_voltage":230.1)"), std::string::npos);
  this->ack("house-2", {71, 24});
  this->ack("house-1", {71, 25});
  this->run(SECOND_US);
  EXPECT_FALSE(this->relay_.take_acknowledged());
  this->ack("house-1", {71, 24});
  const auto done = this->relay_.take_acknowledged();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->position, (Position{71, 24}));
  EXPECT_EQ(this->uplink_.counters().log.acks_ignored, 1U);
  this->run(SECOND_US);
  offer(this->relay_, 2, {72, 0}, 3);
  this->run(SECOND_US);
  EXPECT_EQ(this->broker_.on("house-2/log").size(), 1U);
}

TEST_F(UplinkTest, lets_a_log_that_nobody_wants_not_hold_up_the_others) {
  this->connect();
  uint32_t given_up = 0;
  for (const uint32_t first : {20U, 0U}) {  // also the very first frame of a house
    this->broker_.messages.clear();
    offer(this->relay_, 1, {71, first}, 5);
    this->run(300 * SECOND_US);
    EXPECT_EQ(this->broker_.on("house-1/log").size(), 4U) << first;
    const auto done = this->relay_.take_acknowledged();
    ASSERT_TRUE(done) << first;
    EXPECT_EQ(done->house, 1);
    EXPECT_FALSE(done->position);  // nothing is acknowledged
    EXPECT_EQ(this->uplink_.counters().log.given_up, ++given_up);
  }
  offer(this->relay_, 2, {72, 0}, 3);
  this->run(SECOND_US);
  EXPECT_EQ(this->broker_.on("house-2/log").size(), 1U);
}

TEST_F(UplinkTest, lists_and_sends_snapshots) {
  const EventKey key{.node = 2, .boot_id = 72, .number = 17};
  const std::string id = "north.2:00000048:17";
  std::vector<uint8_t> measured(20'000);
  for (size_t i = 0; i < measured.size(); i++) measured[i] = static_cast<uint8_t>(i * 7);
  StoredSnapshot snapshot{};
  snapshot.object = 1;
  snapshot.state = StoredState::PARTIAL;
  snapshot.key = key;
  snapshot.code.assign("F006");
  this->store_.add_snapshot(snapshot, measured);
  snapshot.object = 2;
  snapshot.part = SnapshotPart::TRAFFIC;
  this->store_.add_snapshot(snapshot, {1, 2, 3});
  snapshot.object = 3;
  snapshot.node = 2;
  snapshot.part = SnapshotPart::MEASURED;
  this->store_.add_snapshot(snapshot, {4, 5});
  snapshot.object = 4;
  snapshot.key.boot_id = 0;  // nobody knows its name yet
  this->store_.add_snapshot(snapshot, {9});
  this->connect();

  this->tell("gateway-1/snapshot/get", "{}");
  this->tell("house-1/snapshot/get", "{}");
  this->run(SECOND_US);
  const auto list = this->broker_.on("gateway-1/snapshot/list");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_NE(list[0].payload.find(R"({"event_id":")" + id +
                                 R"(","code":"F006","part":"measured","state":"partial","bytes":20000,)"),
            std::string::npos)
      << list[0].payload;
  EXPECT_EQ(this->broker_.on("house-1/snapshot/list")[0].payload, R"({"snapshots":[]})");

  const auto get = [&](const std::string &node, const std::string &more) {
    this->broker_.messages.clear();
    this->tell(node + "/snapshot/get", R"({"event_id":")" + id + "\"" + more + "}");
    this->run(SECOND_US);
    std::vector<Message> chunks;
    for (const Message &message : this->broker_.messages)
      if (message.topic.find("/snapshot/") != std::string::npos) chunks.push_back(message);
    return chunks;
  };
  auto chunks = get("gateway-1", "");
  ASSERT_EQ(chunks.size(), 3U);
  std::string whole;
  for (size_t i = 0; i < 3; i++) {
    EXPECT_EQ(chunks[i].topic, "microgrid/v1/village/gateway-1/snapshot/" + id + "/" + std::to_string(i));
    EXPECT_EQ(chunks[i].qos, 1);
    whole += chunks[i].payload.substr(CHUNK_HEADER_BYTES);
  }
  EXPECT_EQ(whole, std::string(measured.begin(), measured.end()));
  EXPECT_EQ(get("gateway-1", R"(,"first":2)").size(), 1U);
  EXPECT_EQ(get("gateway-1", R"(,"first":3)").size(), 0U);
  EXPECT_EQ(get("gateway-1", R"(,"first":4294967295,"count":256)").size(), 0U);
  EXPECT_EQ(get("gateway-1", R"(,"first":0,"count":2)").size(), 2U);
  chunks = get("house-2", "");
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].payload.substr(CHUNK_HEADER_BYTES), "\x04\x05");
  chunks = get("house-2", R"(,"part":"traffic")");  // the gateway's stands for all
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].payload.substr(CHUNK_HEADER_BYTES), "\x01\x02\x03");
  chunks = get("house-1", "");  // on its way from the house
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].payload[2], 3);
  EXPECT_EQ(chunks[0].payload.size(), CHUNK_HEADER_BYTES);
  this->houses_.houses[1].present = false;
  EXPECT_EQ(get("house-1", "")[0].payload[2], 4);
  this->store_.objects.erase(1);  // the ring took its place while it was asked for
  EXPECT_EQ(get("gateway-1", "")[0].payload[2], 4);
}

TEST_F(UplinkTest, log_and_snapshots_share_the_store) {
  for (uint32_t seq = 0; seq < 100; seq++) this->store_.append({5, seq});
  StoredSnapshot snapshot{};
  snapshot.object = 1;
  snapshot.key = {.node = 0, .boot_id = 5, .number = 1};
  snapshot.code.assign("F041");
  this->store_.add_snapshot(snapshot, std::vector<uint8_t>(100'000, 7));
  this->connect();
  for (int i = 0; i < 20; i++)
    this->tell("gateway-1/snapshot/get", R"({"event_id":"north.0:00000005:1","count":256})");
  this->run(5 * SECOND_US);
  EXPECT_EQ(this->uplink_.counters().requests_dropped, 16U);
  EXPECT_EQ(this->broker_.on("gateway-1/snapshot/north.0:00000005:1/12").size(), 4U);
  EXPECT_EQ(this->broker_.on("gateway-1/log").size(), 1U);
}

TEST_F(UplinkTest, runs_commands_that_are_allowed_once) {
  this->set_clock();
  this->connect();
  const std::string good =
      command("c1", R"({"percent":55.5,"soft":true,"position":"closed"})", "2026-11-21T12:05:00Z");
  this->tell("gateway-1/cmd/set", good);
  this->tell("gateway-1/cmd/set", good);
  this->run(SECOND_US);
  this->tell("gateway-1/cmd/set", good);
  this->run(SECOND_US);
  EXPECT_EQ(this->handler_.runs, 1);
  EXPECT_EQ(this->handler_.seen, "percent=55.500000 soft=1.000000 position=closed ");
  const auto results = this->broker_.on("gateway-1/cmd/result");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].payload, R"({"id":"c1","status":"succeeded"})");

  this->handler_.outcome = {.succeeded = false, .reason = "the contactor did not move"};
  this->tell("gateway-1/cmd/set",
             command("c2", R"({"percent":0,"soft":false,"position":"open"})", "2026-11-21T12:05:00Z"));
  this->run(SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/cmd/result").back().payload,
            R"({"id":"c2","status":"failed","reason":"the contactor did not move"})");
}

TEST_F(UplinkTest, obeys_for_a_house_what_its_gateway_declares_for_it) {
  const std::array commands{Command{.name = "contactor", .parameters = {}, .handler = &this->handler_}};
  this->houses_.houses[2].commands = commands;
  this->set_clock();
  this->connect();
  EXPECT_NE(this->broker_.on("house-2/birth")[0].payload.find(
                R"("commands":[{"name":"contactor","parameters":[]}])"),
            std::string::npos);
  EXPECT_NE(this->broker_.on("house-1/birth")[0].payload.find(R"("commands":[])"), std::string::npos);
  this->handler_.outcome = {.succeeded = true, .event_id = EventId{"north.0:00000005:1"}};
  this->tell("house-2/cmd/set", command("c1", "{}", "2026-11-21T12:05:00Z"));
  this->run(SECOND_US);
  EXPECT_EQ(this->handler_.runs, 1);
  EXPECT_EQ(this->broker_.on("house-2/cmd/result").back().payload,
            R"({"id":"c1","status":"succeeded","values":{"event_id":"north.0:00000005:1"}})");
  EXPECT_TRUE(this->broker_.on("gateway-1/cmd/result").empty());
}

TEST_F(UplinkTest, refuses_commands_with_a_reason) {
  const std::string soon = "2026-11-21T12:05:00Z";
  this->connect();
  this->tell("gateway-1/cmd/set", command("c0", R"({"percent":1,"soft":true,"position":"open"})", soon));
  this->run(SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/cmd/result").back().payload,
            R"({"id":"c0","status":"rejected","reason":"the clock of the node is not set"})");
  this->set_clock();
  const std::array<std::array<std::string, 3>, 9> cases{{
      {R"({"percent":120.5,"soft":true,"position":"open"})", "rejected", "percent = 120.5 is above 100 %"},
      {R"({"percent":-1,"soft":true,"position":"open"})", "rejected", "percent = -1 is below 0 %"},
      {R"({"percent":"1","soft":true,"position":"open"})", "rejected", "percent must be a number"},
      {R"({"percent":1,"soft":1,"position":"open"})", "rejected", "soft must be true or false"},
      {R"({"percent":1,"soft":true,"position":"ajar"})", "rejected", "position is none of its options"},
      {R"({"percent":1,"soft":true})", "rejected", "position is missing"},
      {R"({"percent":1,"soft":true,"position":"open","more":1})", "rejected",
       "more is no parameter of contactor"},
      {"null", "rejected", "percent is missing"},
      {"{}", "rejected", "percent is missing"},
  }};
  int number = 0;
  for (const auto &[parameters, status, reason] : cases) {
    const std::string id = "x" + std::to_string(number++);
    this->tell("gateway-1/cmd/set", command(id, parameters, soon));
    this->run(SECOND_US);
    EXPECT_EQ(this->broker_.on("gateway-1/cmd/result").back().payload,
              R"({"id":")" + id + R"(","status":")" + status + R"(","reason":")" + reason + R"("})");
  }
  this->tell("gateway-1/cmd/set", command("late", "{}", "2026-11-21T11:59:59Z"));
  this->tell("house-1/cmd/set", command("house", "{}", soon));
  this->run(SECOND_US);
  EXPECT_EQ(this->broker_.on("gateway-1/cmd/result").back().payload, R"({"id":"late","status":"expired"})");
  EXPECT_EQ(this->broker_.on("house-1/cmd/result").back().payload,
            R"({"id":"house","status":"rejected","reason":"this node has no command contactor"})");
  this->tell("gateway-1/cmd/set", command("far", "{}", "2026-11-23T12:00:00Z"));
  EXPECT_EQ(this->uplink_.counters().refused[static_cast<size_t>(Refusal::FUTURE_TIME)], 1U);
  EXPECT_EQ(this->handler_.runs, 0);
}

TEST_F(UplinkTest, counts_what_makes_no_sense) {
  this->connect();
  this->tell("gateway-1/cmd/set", "{");
  this->tell("gateway-1/log/ack", "[]");
  this->tell("gateway-1/snapshot/get", R"({"part":1})");
  this->tell("gateway-1/unheard", "{}");
  this->tell("house-7/log/ack", "{}");
  this->uplink_.received("other", {});
  const UplinkCounters &counters = this->uplink_.counters();
  EXPECT_EQ(counters.refused[static_cast<size_t>(Refusal::NOT_JSON)], 1U);
  EXPECT_EQ(counters.refused[static_cast<size_t>(Refusal::WRONG_TYPE)], 2U);
  EXPECT_EQ(counters.unknown_topics, 3U);
}

TEST_F(UplinkTest, loses_nothing_when_the_broker_has_no_room) {
  for (uint32_t seq = 0; seq < 10; seq++) this->store_.append({5, seq});
  NodeEvent event{};
  event.code.assign("F040");
  this->node_.desk.raise(event);
  this->broker_.room = 0;
  this->connect();
  this->run(10 * SECOND_US);
  EXPECT_TRUE(this->broker_.messages.empty());
  for (int i = 0; i < 100; i++) {
    this->broker_.room = 1;
    this->run(100'000);
  }
  for (const char *topic :
       {"gateway-1/birth", "house-1/birth", "house-2/state", "gateway-1/event", "gateway-1/log"})
    EXPECT_EQ(this->broker_.on(topic).size(), 1U) << topic;
}

TEST_F(UplinkTest, says_offline_when_it_stops) {
  this->connect();
  this->broker_.messages.clear();
  this->uplink_.stop();
  EXPECT_EQ(this->broker_.topics(),
            (std::vector<std::string>{"gateway-1/state", "house-1/state", "house-2/state"}));
}

TEST(UplinkBudget, prints_what_it_takes) {
  std::printf(
      "uplink %zu bytes, of them log %zu, JSON %zu, snapshots %zu, events %zu; MQTT client %zu without its "
      "buffers\n",
      sizeof(Uplink), Uplink::LOG_ROOM_BYTES, Uplink::JSON_ROOM_BYTES, sizeof(SnapshotDesk),
      Uplink::MAX_EVENTS * sizeof(OutgoingEvent), sizeof(MqttClient));
  EXPECT_LT(sizeof(Uplink), 48U * 1024);
}

}  // namespace
}  // namespace esphome::microgrid

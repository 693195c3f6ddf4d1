// The gateway as a whole: readings, events, log, bus and storage, fed beat by beat.
#include "esphome/components/microgrid_gateway/gateway.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "memory_log.h"
#include "two_sources.h"

namespace esphome::microgrid {
namespace {

using M = GatewayMetric;
constexpr uint64_t BEAT = 10'000;
constexpr uint64_t S = 1'000'000;
constexpr std::array SOURCES{CAN_INTERRUPT_STAMPS};

constexpr Identity IDENTITY{.role = Role::GATEWAY,
                            .number = 0,
                            .node = "gateway-1",
                            .cluster = "north",
                            .swarm = "village",
                            .name = "Gateway",
                            .hardware = "test",
                            .firmware = "0",
                            .boot_id = 0x5f2a10c4};

/// Takes what is sent.
class Ear final : public CanBus {
 public:
  bool open(uint32_t /*bit_rate*/, Signal & /*wake*/) override { return true; }
  bool send(const CanFrame &frame, bool /*stamp*/) override {
    this->sent.push_back(frame);
    return true;
  }
  std::optional<uint64_t> sent_us() override { return std::nullopt; }
  std::optional<CanFrame> receive() override { return std::nullopt; }
  ControllerStatus status() override { return {.state = ControllerState::ACTIVE}; }
  void recover() override {}
  bool stamps_in_interrupt() const override { return true; }

  std::vector<CanFrame> sent;
};

class Rig {
 public:
  explicit Rig(MemoryStorage &its_storage, const SynchroniserSettings &settings = {}) : storage(its_storage) {
    this->bus.set_bus(&this->ear);
    this->node.desk.add(this->log);
    this->gateway = std::make_unique<Gateway>(this->node, this->bus, this->log, this->directory, settings);
    this->gateway->set_input(&this->site);
    this->gateway->set_contactor(&this->site);
    this->gateway->start(this->storage);
    this->log.begin(this->site.now_us);
    EXPECT_TRUE(this->log.ready);
    for (int i = 0; i < 20; i++) this->bus.step(this->site.now_us + static_cast<uint64_t>(i) * 100);
  }

  void run(double s) {
    for (const uint64_t end = this->site.now_us + static_cast<uint64_t>(s * 1e6); this->site.now_us < end;) {
      this->site.pass(BEAT);
      this->gateway->tick(this->site.now_us, static_cast<uint8_t>(this->site.now_us / BEAT));
    }
  }
  CommandOutcome command(bool closed) {
    const std::array values{CommandValue{.name = "closed", .number = closed ? 1.0 : 0.0}};
    return this->node.commands()[0].handler->run(values);
  }
  double value(M metric) const { return this->node.readings.value(static_cast<size_t>(metric)); }

  MemoryStorage &storage;
  TwoSources site;
  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells{};
  Node node{IDENTITY, SOURCES, GATEWAY_METRICS, cells};
  Ear ear;
  BusNode bus{node.identity, node.clock, node.desk, {}};
  MemoryLog log;
  HouseDirectory directory;
  std::unique_ptr<Gateway> gateway;
};

TEST(Gateway, takes_its_command_and_says_what_happens) {
  MemoryStorage storage;
  Rig rig{storage};
  ASSERT_EQ(rig.node.commands().size(), 2U);
  EXPECT_EQ(rig.node.commands()[0].name, "set_contactor");
  ASSERT_EQ(rig.node.commands()[0].parameters.size(), 1U);
  EXPECT_EQ(rig.node.commands()[0].parameters[0].name, "closed");
  EXPECT_FALSE(rig.node.commands()[0].handler->run({}).succeeded);

  rig.site.cluster.frequency_hz = 50.05;
  rig.run(0.5);
  EXPECT_EQ(rig.value(M::CONTACTOR_CLOSED), 0);
  EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), 0);
  EXPECT_TRUE(rig.command(true).succeeded);
  rig.run(30);
  EXPECT_EQ(rig.value(M::CONTACTOR_CLOSED), 1);
  EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), 1);
  EXPECT_EQ(rig.value(M::CONTACTOR_CYCLES), 1);
  for (const char *code : {"SYNC_STARTED", "SYNC_REACHED", "CONTACTOR_CLOSED"})
    EXPECT_EQ(rig.log.count(code), 1U) << code;
  EXPECT_TRUE(rig.command(false).succeeded);
  rig.run(1);
  EXPECT_EQ(rig.value(M::CONTACTOR_CLOSED), 0);
  EXPECT_EQ(rig.log.count("CONTACTOR_OPENED"), 1U);

  // The values of an event are those of the log's channels.
  const NodeEvent &opened = rig.log.events.back();
  ASSERT_EQ(opened.value_count, 6);
  for (const EventValue &value : opened.used_values()) {
    const Channel *channel = Schema{.node = {}, .cluster = {}, .channels = GATEWAY_LOG}.find(value.channel);
    ASSERT_NE(channel, nullptr);
    double expected = 0;
    if (channel->name == "cluster_frequency" || channel->name == "swarm_frequency") expected = 50.0;
    if (channel->name == "cluster_voltage" || channel->name == "swarm_voltage") expected = 230.0;
    if (channel->name == "power_flow") expected = 1500;
    EXPECT_NEAR((value.integer + channel->offset) * std::pow(10.0, channel->exponent), expected, 0.3)
        << channel->name;
  }
}

TEST(Gateway, faults_have_the_severity_of_the_catalogue_and_are_kept) {
  MemoryStorage storage;
  Rig rig{storage};
  rig.site.cluster.frequency_hz = 50.4;
  EXPECT_TRUE(rig.command(true).succeeded);
  rig.run(61);
  EXPECT_EQ(rig.log.count("F040", EventState::RAISED), 1U);
  EXPECT_EQ(rig.log.count("SYNC_FAILED"), 1U);
  ASSERT_EQ(rig.log.kept.size(), 1U);
  EXPECT_EQ(rig.log.kept[0].code.view(), "F040");
  EXPECT_NE(rig.gateway->faults(), 0U);
  rig.site.cluster.frequency_hz = 50.05;
  rig.run(30);
  EXPECT_EQ(rig.log.count("F040", EventState::CLEARED), 1U);
  EXPECT_EQ(rig.gateway->faults(), 0U);
  rig.site.stuck = true;
  EXPECT_TRUE(rig.command(false).succeeded);
  rig.run(2.2);
  EXPECT_EQ(rig.log.count("F041", EventState::RAISED), 1U);
  for (const NodeEvent &event : rig.log.events) {
    if (event.type != EventType::FAULT) continue;
    EXPECT_EQ(event.severity, find_fault(event.code.view())->severity);
  }
}

TEST(Gateway, command_and_counters_outlive_a_restart) {
  MemoryStorage storage;
  {
    Rig rig{storage};
    rig.site.cluster.frequency_hz = 50.05;
    EXPECT_TRUE(rig.command(true).succeeded);
    rig.run(30);
    rig.gateway->keep_counters(rig.site.now_us, false);
    EXPECT_EQ(rig.value(M::CONTACTOR_CYCLES), 1);
    const uint32_t saves = storage.saves;
    rig.run(570);  // at 1500 W
    rig.gateway->keep_counters(rig.site.now_us, false);
    EXPECT_EQ(storage.saves, saves) << "flash is written once in ten minutes";
    rig.gateway->keep_counters(rig.site.now_us, true);
    EXPECT_EQ(storage.saves, saves + 1);
    EXPECT_NEAR(rig.value(M::ENERGY_EXPORTED), 245, 10);
    EXPECT_EQ(rig.value(M::ENERGY_IMPORTED), 0);
  }
  Rig rig{storage};
  rig.site.cluster.frequency_hz = 50.05;
  rig.run(1);
  EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), 1);
  EXPECT_EQ(rig.value(M::CONTACTOR_CYCLES), 1);
  EXPECT_NEAR(rig.value(M::ENERGY_EXPORTED), 245, 10);
  rig.run(30);
  EXPECT_EQ(rig.value(M::CONTACTOR_CYCLES), 2);
}

TEST(Gateway, without_a_storage_that_remembers_it_only_opens) {
  MemoryStorage storage;
  storage.broken = true;
  Rig rig{storage};
  EXPECT_FALSE(rig.command(true).succeeded);
  rig.run(1);
  EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), 0);
  EXPECT_FALSE(rig.command(false).succeeded);
  EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), 0);
}

TEST(Gateway, opens_and_says_so_when_that_will_not_be_remembered) {
  MemoryStorage storage;
  Rig rig{storage};
  rig.site.cluster.frequency_hz = 50.05;
  EXPECT_TRUE(rig.command(true).succeeded);
  rig.run(30);
  ASSERT_EQ(rig.value(M::CONTACTOR_CLOSED), 1);
  storage.broken = true;
  const CommandOutcome outcome = rig.command(false);
  EXPECT_FALSE(outcome.succeeded);
  EXPECT_EQ(outcome.reason,
            "it opens, but the command could not be stored: after a restart it may close again");
  rig.run(1);
  EXPECT_EQ(rig.value(M::CONTACTOR_CLOSED), 0);
  EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), 0);
}

TEST(Gateway, a_power_cut_right_after_the_command_does_not_undo_it) {
  MemoryStorage storage;
  for (const bool closed : {true, false, true}) {
    {
      Rig rig{storage};
      EXPECT_TRUE(rig.command(closed).succeeded);
      storage.cut_power();
    }
    Rig rig{storage};
    rig.run(0.1);
    EXPECT_EQ(rig.value(M::CONTACTOR_COMMANDED), closed ? 1 : 0);
  }
}

TEST(Gateway, tells_the_bus_at_once_and_cyclically) {
  MemoryStorage storage;
  Rig rig{storage};
  rig.site.cluster.frequency_hz = 50.05;
  EXPECT_TRUE(rig.command(true).succeeded);
  rig.run(30);
  std::vector<dbc::Contactor> heard;
  for (const CanFrame &frame : rig.ear.sent) {
    if (frame.identifier != dbc::Contactor::MESSAGE.identifier) continue;
    dbc::Contactor message;
    message.unpack(dbc::load(frame.data.data(), frame.length));
    heard.push_back(message);
  }
  ASSERT_GE(heard.size(), 3U) << heard.size();
  EXPECT_EQ(heard.front().contactor_command, dbc::ContactorCommand::OPEN);
  EXPECT_EQ(heard.back().contactor_command, dbc::ContactorCommand::CLOSE);
  EXPECT_EQ(heard.back().contactor_position, dbc::ContactorPosition::CLOSED);
  EXPECT_EQ(heard[heard.size() - 2].contactor_position, dbc::ContactorPosition::MOVING);
  EXPECT_NE(heard.back().sequence, heard.front().sequence);

  // And back, as a house would read it.
  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells{};
  Readings seen{GATEWAY_METRICS, cells};
  dbc::Contactor contactor{};
  for (const dbc::Message &message :
       {dbc::GatewayBus::MESSAGE, dbc::GatewayState::MESSAGE, dbc::Contactor::MESSAGE}) {
    const auto word = rig.gateway->content(message.identifier, 0);
    ASSERT_TRUE(word);
    CanFrame frame{.identifier = message.identifier, .mono_us = 0, .length = message.length, .data = {}};
    dbc::store(*word, frame.data.data(), frame.length);
    EXPECT_TRUE(unpack_gateway_message(frame, seen, contactor));
    frame.length--;
    EXPECT_FALSE(unpack_gateway_message(frame, seen, contactor));
  }
  for (const M metric :
       {M::CLUSTER_FREQUENCY, M::SWARM_FREQUENCY, M::CLUSTER_VOLTAGE, M::SWARM_VOLTAGE, M::PHASE_DIFFERENCE,
        M::POWER_FLOW, M::CLUSTER_POWER, M::HOUSES_ONLINE, M::CAN_BUS_LOAD}) {
    EXPECT_EQ(seen.get(static_cast<size_t>(metric)), rig.node.readings.get(static_cast<size_t>(metric)))
        << GATEWAY_METRICS[static_cast<size_t>(metric)].key;
  }
  EXPECT_EQ(contactor.contactor_position, dbc::ContactorPosition::CLOSED);
  EXPECT_FALSE(rig.gateway->content(dbc::Inverter::MESSAGE.identifier, 0));
}

TEST(Gateway, messages_keep_every_value_and_bend_what_is_beyond) {
  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells{}, back{};
  Readings readings{GATEWAY_METRICS, cells}, seen{GATEWAY_METRICS, back};
  const auto through = [&](M metric, const dbc::Message &message) {
    CanFrame frame{.identifier = message.identifier, .mono_us = 0, .length = message.length, .data = {}};
    dbc::store(*pack_gateway_message(message.identifier, readings, {}), frame.data.data(), frame.length);
    dbc::Contactor contactor{};
    EXPECT_TRUE(unpack_gateway_message(frame, seen, contactor));
    return seen.get(static_cast<size_t>(metric));
  };
  const auto set = [&](M metric, int32_t integer) { readings.set(static_cast<size_t>(metric), integer); };
  for (int32_t mhz = 45'000; mhz <= 55'000; mhz += 7) {
    set(M::CLUSTER_FREQUENCY, mhz);
    ASSERT_EQ(through(M::CLUSTER_FREQUENCY, dbc::GatewayBus::MESSAGE), mhz);
  }
  for (int32_t tenths = -1800; tenths <= 1800; tenths++) {
    set(M::PHASE_DIFFERENCE, tenths);
    ASSERT_EQ(through(M::PHASE_DIFFERENCE, dbc::GatewayBus::MESSAGE), tenths);
  }
  set(M::POWER_FLOW, 2'000'000'000);
  EXPECT_EQ(through(M::POWER_FLOW, dbc::GatewayBus::MESSAGE), 131'071);
  set(M::POWER_FLOW, -2'000'000'000);
  EXPECT_EQ(through(M::POWER_FLOW, dbc::GatewayBus::MESSAGE), -131'071);
  set(M::SWARM_VOLTAGE, -50);
  EXPECT_EQ(through(M::SWARM_VOLTAGE, dbc::GatewayState::MESSAGE), 0);
  readings.clear();
  EXPECT_FALSE(through(M::POWER_FLOW, dbc::GatewayBus::MESSAGE));
  EXPECT_FALSE(through(M::CLUSTER_POWER, dbc::GatewayState::MESSAGE));
}

TEST(Gateway, records_at_the_periods_of_its_channels) {
  MemoryStorage storage;
  Rig rig{storage};
  rig.run(12);
  std::vector<uint8_t> room(20'000);
  const auto frame = rig.log.log().close(Group::FAST, {}, room);
  ASSERT_FALSE(frame.empty());
  seal(frame, {1, 1});
  const auto checked = check_frame(frame);
  ASSERT_TRUE(checked);
  auto samples = open_samples(*checked);
  ASSERT_TRUE(samples);
  const Schema schema{.node = "g", .cluster = "c", .channels = GATEWAY_LOG};
  EXPECT_EQ(samples->blocks, 2);
  for (int i = 0; i < 2; i++) {
    const auto block = read_block(samples->in, schema, samples->span_ms);
    ASSERT_TRUE(block);
    EXPECT_GE(block->present, 119);
  }
  const auto second = rig.log.capture().close(Group::FAST, {}, room);
  ASSERT_FALSE(second.empty());
  EXPECT_EQ(load<uint16_t>(second.data() + 10), GATEWAY_CAPTURE.size());
  EXPECT_EQ(rig.log.capture().counters().out_of_range, 0U);
}

TEST(Gateway, logs_what_it_counts_from_its_first_beat_on_and_of_its_houses_what_it_knows) {
  MemoryStorage storage;
  Rig rig{storage};
  BusHouse house{2};
  house.set(HouseMetric::INVERTER_POWER, 1250);
  house.set(HouseMetric::LOAD_POWER, 900);
  house.set(HouseMetric::STATE_OF_CHARGE, 61.5);
  house.set(HouseMetric::HEALTH, 70);
  rig.gateway->peer_changed(2, house.peer());
  std::map<std::string, std::vector<int32_t>> samples;
  for (int minute = 0; minute < 2; minute++) {
    for (int i = 0; i < 600; i++) {
      for (const CanFrame &frame : house.all_frames(rig.site.now_us)) rig.gateway->frame(frame);
      rig.run(0.1);
    }
    std::vector<uint8_t> room(20'000);
    const auto frame = rig.log.log().close(Group::SLOW, {}, room);
    ASSERT_FALSE(frame.empty());
    seal(frame, {1, 1});
    auto head = open_samples(check_frame(frame).value());
    const Schema schema{.node = "g", .cluster = "c", .channels = GATEWAY_LOG};
    for (uint16_t i = 0; i < head->blocks; i++) {
      const Block block = read_block(head->in, schema, head->span_ms).value();
      std::vector<int32_t> values(block.present);
      ASSERT_TRUE(decode_block(block, values));
      auto &all = samples[std::string{schema.find(block.id)->name}];
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  using Samples = std::vector<int32_t>;
  // At its first beat it had not heard of any house.
  EXPECT_EQ(samples["cluster_power"], Samples(119, 1250));
  EXPECT_EQ(samples["cluster_load_power"], Samples(119, 900));
  EXPECT_FALSE(samples.contains("cluster_solar_power")) << "nobody tells";
  EXPECT_EQ(samples["cluster_state_of_charge"], Samples(11, 615));
  EXPECT_EQ(samples["cluster_health"], Samples(1, 70));
  EXPECT_EQ(samples["can_bus_load"], Samples(2, 0));
  EXPECT_EQ(samples["energy_exported"].size(), 2U);
  EXPECT_GE(samples["contactor_closed"].size(), 119U);
  EXPECT_EQ(samples["contactor_closed"].back(), 0);
  EXPECT_EQ(rig.log.log().counters().out_of_range, 0U);
}

TEST(Gateway, heard_faults_are_kept_and_named_when_their_node_is_known) {
  MemoryStorage storage;
  Rig rig{storage};
  HeardFault fault{.key = {.node = 3, .boot_id = 0, .number = 17},
                   .fault_code = 5,
                   .state = EventState::RAISED,
                   .severity = Severity::CRITICAL,
                   .mono_us = 5 * S,
                   .utc_us = 0,
                   .time_valid = false};
  rig.gateway->fault(fault);
  ASSERT_EQ(rig.log.kept.size(), 1U);
  EXPECT_EQ(rig.log.kept[0].code.view(), "F005");
  BusHouse other{4}, house{3};
  rig.gateway->peer_changed(4, other.peer());
  EXPECT_TRUE(rig.log.named.empty());
  rig.gateway->peer_changed(3, house.peer());
  ASSERT_EQ(rig.log.named.size(), 1U);
  EXPECT_EQ(rig.log.named[0].number, 17U);
  EXPECT_EQ(rig.log.named[0].boot_id, 77U);
  fault.state = EventState::CLEARED;
  rig.gateway->fault(fault);
  EXPECT_EQ(rig.log.kept.size(), 1U);
}

TEST(Gateway, records_on_command_without_a_fault) {
  MemoryStorage storage;
  Rig rig{storage};
  rig.run(20);
  rig.ear.sent.clear();
  const CommandOutcome outcome = rig.node.command("capture_snapshot")[0].handler->run({});
  ASSERT_TRUE(outcome.succeeded);
  rig.bus.step(rig.site.now_us);
  ASSERT_EQ(rig.log.kept.size(), 1U);
  EXPECT_EQ(rig.log.kept[0].code.view(), CAPTURE_CODE);
  EXPECT_EQ(rig.log.kept[0].trigger_mono_us, rig.site.now_us);
  EXPECT_EQ(make_event_id("north", rig.log.kept[0].key), outcome.event_id);
  EXPECT_EQ(rig.gateway->faults(), 0U);
  EXPECT_EQ(rig.log.count("CAPTURE", EventState::RAISED), 0U);
  const auto told =
      std::ranges::find(rig.ear.sent, uint32_t{dbc::Fault::MESSAGE.identifier}, &CanFrame::identifier);
  ASSERT_NE(told, rig.ear.sent.end());
}

TEST(Gateway, shows_its_houses_to_the_uplink) {
  MemoryStorage storage;
  Rig rig{storage};
  HouseView view;
  EXPECT_FALSE(rig.gateway->house(2, view));
  BusHouse house{2};
  house.set(HouseMetric::INVERTER_POWER, 1250);
  for (const CanFrame &frame : house.all_frames(rig.site.now_us)) rig.gateway->frame(frame);
  rig.gateway->peer_changed(2, house.peer());
  EXPECT_FALSE(rig.gateway->house(2, view)) << "nobody said yet who it is";
  HouseIdentity identity{};
  identity.boot_id = 77;
  identity.node.assign("house-02");
  identity.firmware.assign("1.2.3");
  rig.directory.set(2, identity);
  rig.gateway->fault({.key = {.node = 2, .boot_id = 77, .number = 1},
                      .fault_code = 11,
                      .state = EventState::RAISED,
                      .severity = Severity::WARNING,
                      .mono_us = S,
                      .utc_us = 0,
                      .time_valid = false});
  ASSERT_TRUE(rig.gateway->house(2, view));
  EXPECT_EQ(view.node, "house-02");
  EXPECT_EQ(view.name, "house-02");
  EXPECT_EQ(view.firmware, "1.2.3");
  EXPECT_EQ(view.boot_id, 77U);
  EXPECT_TRUE(view.present);
  EXPECT_TRUE(view.faults.active(fault(FaultCode::F011)));
  EXPECT_FALSE(view.faults.active(fault(FaultCode::F010)));
  EXPECT_FALSE(view.card_failed);
  EXPECT_EQ(view.readings->value(static_cast<size_t>(HouseMetric::INVERTER_POWER)), 1250);
  ASSERT_EQ(view.commands.size(), 1U);
  EXPECT_EQ(view.commands[0].name, CaptureCommand::NAME);
  rig.gateway->set_house_name(2, "Müller");
  ASSERT_TRUE(rig.gateway->house(2, view));
  EXPECT_EQ(view.name, "Müller");
  EXPECT_FALSE(rig.gateway->house(0, view));
  EXPECT_FALSE(rig.gateway->house(16, view));
}

}  // namespace
}  // namespace esphome::microgrid

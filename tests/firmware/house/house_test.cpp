// A whole house on the bench: what it records, tells, keeps and derives.
#include <gtest/gtest.h>

#include <random>

#include "house_bench.h"

namespace esphome::microgrid {
namespace {

using bench::Bench;
using M = HouseMetric;

TEST(House, AMinuteGivesExactlyWhatTheLogExpects) {
  Bench bench;
  for (size_t cell = 0; cell < 16; cell++)
    bench.set(static_cast<M>(static_cast<size_t>(M::CELL_VOLTAGE_1) + cell), 3.3);
  bench.set(M::MOSFET_TEMPERATURE_1, 41.5);
  bench.set(M::STATE_OF_CHARGE, 77.7);
  bench.house->provided(M::STATE_OF_CHARGE);
  bench.run(60);
  bench.log.write(bench.now_us + 60'000'000);
  const auto count = [&](const char *name) { return bench.log.samples[name].size(); };
  EXPECT_EQ(count("inverter_frequency"), 6000U);
  for (const char *name : {"inverter_voltage", "inverter_current", "dc_bus_voltage", "battery_current"})
    EXPECT_EQ(count(name), 600U) << name;
  for (const char *name :
       {"inverter_power", "mosfet_temperature_1", "cell_voltage_1", "cell_voltage_16", "load_power"})
    EXPECT_EQ(count(name), 60U) << name;
  EXPECT_EQ(count("state_of_charge"), 6U);
  EXPECT_EQ(count("load_energy"), 1U);
  EXPECT_EQ(count("mosfet_temperature_2"), 0U) << "nobody measures it";
  for (const Channel &channel : HOUSE_CAPTURE)
    EXPECT_EQ(bench.log.captured[std::string{channel.name}].size(), 6000U) << channel.name;
  // Integers of the log: value minus offset.
  EXPECT_EQ(bench.log.samples["inverter_frequency"].front(), -100);
  EXPECT_EQ(bench.log.captured["inverter_frequency"].front(), -100);
  EXPECT_EQ(bench.log.samples["inverter_voltage"].back(), 2300);
  EXPECT_EQ(bench.log.samples["state_of_charge"].back(), 777);
  EXPECT_EQ(bench.log.log().counters().out_of_range + bench.log.log().counters().late, 0U);
}

TEST(House, WhatChangesSlowlyIsThereFromTheFirstBeatOn) {
  Bench bench({.battery_energy_wh = 14'000});
  for (size_t cell = 0; cell < 16; cell++)
    bench.set(static_cast<M>(static_cast<size_t>(M::CELL_VOLTAGE_1) + cell), 3.3);
  for (const M metric : {M::STATE_OF_CHARGE, M::BATTERY_STATE_OF_HEALTH, M::BATTERY_CYCLES, M::CLOCK_ERROR})
    bench.house->provided(metric);
  bench.set(M::STATE_OF_CHARGE, 50);
  bench.set(M::BATTERY_STATE_OF_HEALTH, 98.4);
  bench.set(M::BATTERY_CYCLES, 312.7);
  bench.input.now.battery_current_a = -36;
  bench.run(60);
  bench.set(M::CLOCK_ERROR, 0.35);  // a clock is known later
  bench.input.now.battery_current_a = 36;
  bench.run(120);
  bench.log.write(bench.now_us + 60'000'000);
  auto &samples = bench.log.samples;
  using Samples = std::vector<int32_t>;
  EXPECT_EQ(samples["battery_voltage"], Samples(18, 5280));
  Samples charging(18, 0);
  std::fill_n(charging.begin(), 6, 1);
  charging[6] = samples["battery_charging"].at(6);  // of that very beat
  EXPECT_EQ(samples["battery_charging"], charging);
  EXPECT_EQ(samples["battery_stored_energy"], Samples(3, 7000));
  EXPECT_EQ(samples["battery_state_of_health"], Samples(3, 984));
  EXPECT_EQ(samples["battery_cycles"], Samples(3, 3127));
  EXPECT_EQ(samples["health"], Samples(3, 100));
  EXPECT_EQ(samples["clock_error"], Samples(2, 35));
}

TEST(House, BeatsOfAnotherClockFillEverySlotOnce) {
  // 40 ppm fast and 300 µs of jitter: in ten minutes the beats move over two slots of the recorder.
  Bench bench;
  std::mt19937 dice(5);
  const double period_us = 10'000 * (1 + 40e-6);
  uint64_t last_us = 0;
  for (int beat = 0; beat < 60'000; beat++) {
    last_us = bench::START_US + static_cast<uint64_t>(beat * period_us) + 4'900 + dice() % 300;
    bench.house->tick(last_us, static_cast<uint8_t>(beat));
    bench.log.write(last_us);
  }
  const auto whole_spans = (last_us - bench::START_US) / 12'000'000 - 1;
  const auto &frequency = bench.log.samples["inverter_frequency"];
  EXPECT_GE(frequency.size(), whole_spans * 1200 - 3)
      << "at most the slots that the other clock really skips";
  EXPECT_GE(bench.log.samples["inverter_voltage"].size(), whole_spans * 120)
      << "no slower channel misses one";
  EXPECT_EQ(bench.log.log().counters().late, 0U);
}

TEST(House, WhatIsUnknownIsMissing) {
  Bench bench;
  bench.input.now.ac_current_a = NAN;
  bench.run(12);
  bench.input.works = false;
  bench.run(12);
  bench.log.write(bench.now_us + 20'000'000);
  EXPECT_EQ(bench.log.samples["inverter_current"].size(), 0U);
  EXPECT_EQ(bench.log.samples["inverter_frequency"].size(), 1200U);
  EXPECT_TRUE(std::isnan(bench.value(M::INVERTER_FREQUENCY)));
}

TEST(House, WhatTheInputDoesNotMeasureIsLeftToOthers) {
  Bench bench;
  bench.input.not_measured = M::BATTERY_CURRENT;
  bench.set(M::BATTERY_CURRENT, -20);
  bench.run(1);
  EXPECT_DOUBLE_EQ(bench.value(M::BATTERY_CURRENT), -20);
  EXPECT_EQ(bench.value(M::BATTERY_CHARGING), 1);
}

TEST(House, StopsTheInverterThenTellsEverybody) {
  Bench bench;
  bench.run(3);
  EXPECT_EQ(bench.output.told, std::vector<bool>({false}));
  bench.input.now.ac_current_a = 45;
  bench.run(0.02);
  EXPECT_FALSE(bench.house->tripped());
  bench.run(0.01);
  EXPECT_TRUE(bench.house->tripped());
  EXPECT_EQ(bench.output.told, std::vector<bool>({false, true}));
  EXPECT_EQ(bench.story(), "F001+");
  const NodeEvent &event = bench.log.events.front();
  EXPECT_EQ(event.severity, Severity::CRITICAL);
  EXPECT_EQ(event.mono_us, bench.now_us - BEAT_US);
  ASSERT_EQ(event.value_count, 6);
  EXPECT_EQ(event.values[0].channel, 3);  // the cause first: inverter_current
  EXPECT_EQ(event.values[0].integer, 4500);
  EXPECT_EQ(event.values[1].channel, 1);
  EXPECT_EQ(event.values[1].integer, -100);

  ASSERT_EQ(bench.log.kept.size(), 1U);
  EXPECT_EQ(bench.log.kept[0].key, (EventKey{.node = 3, .boot_id = 0xB007, .number = event.key.number}));
  EXPECT_EQ(bench.log.kept[0].code.view(), "F001");
  EXPECT_EQ(bench.log.kept[0].trigger_mono_us, event.mono_us);
  EXPECT_EQ(bench.house->faults(), 1U);
}

TEST(House, ClearFaultsIsACommandThatSaysWhyItFailed) {
  Bench bench;
  bench.run(3);
  bench.input.now.dc_bus_voltage_v = 60;
  bench.run(1);
  ASSERT_EQ(bench.node.commands().size(), 2U);
  EXPECT_EQ(bench.node.commands()[0].name, "clear_faults");
  CommandHandler &clear = *bench.node.commands()[0].handler;
  const CommandOutcome refused = clear.run({});
  EXPECT_FALSE(refused.succeeded);
  EXPECT_EQ(refused.reason, "a value is still beyond its limit");
  bench.run(1);
  EXPECT_TRUE(bench.house->tripped());

  bench.input.now.dc_bus_voltage_v = 53;
  bench.run(0.01);
  EXPECT_TRUE(clear.run({}).succeeded);
  bench.run(0.01);
  EXPECT_FALSE(bench.house->tripped());
  EXPECT_EQ(bench.story(), "F005+ F005-");
  EXPECT_EQ(bench.log.kept.size(), 1U) << "nothing is kept for what is over";
  EXPECT_EQ(bench.output.told, std::vector<bool>({false, true, false}));
}

TEST(House, ATripOutlivesAPowerCut) {
  Bench first;
  first.run(3);
  EXPECT_TRUE(first.house->keep_trip(first.now_us));
  EXPECT_EQ(first.storage.saves, 0) << "nothing has tripped";
  first.input.now.ac_current_a = 45;
  first.run(0.03);
  ASSERT_TRUE(first.house->tripped());
  EXPECT_TRUE(first.house->keep_trip(first.now_us));
  first.run(60);
  EXPECT_TRUE(first.house->keep_trip(first.now_us));
  EXPECT_EQ(first.storage.saves, 1);
  first.storage.cut_power();

  Bench second({}, &first.storage);
  EXPECT_TRUE(second.house->tripped()) << "before the first beat";
  second.run(600);
  EXPECT_EQ(second.output.told, std::vector<bool>({true}));
  EXPECT_EQ(second.story(), "");
  dbc::InverterState state;
  state.unpack(second.house->content(dbc::InverterState::MESSAGE.identifier, 0).value());
  EXPECT_EQ(state.inverter_mode, dbc::InverterMode::TRIPPED);
  EXPECT_EQ(state.fault_code, 1);
  EXPECT_TRUE(second.house->keep_trip(second.now_us));
  EXPECT_EQ(second.storage.saves, 0) << "it is in flash already";

  EXPECT_TRUE(second.node.commands()[0].handler->run({}).succeeded);
  second.run(0.01);
  EXPECT_FALSE(second.house->tripped());
  EXPECT_EQ(second.output.told, std::vector<bool>({true, false}));
  EXPECT_TRUE(second.house->keep_trip(second.now_us));
  second.storage.cut_power();
  Bench third({}, &second.storage);
  EXPECT_FALSE(third.house->tripped());
}

TEST(House, ATripThatCannotBeStoredIsToldAndTriedAgain) {
  Bench bench;
  bench.storage.broken = true;
  bench.input.now.ac_current_a = 45;
  bench.run(0.03);
  ASSERT_TRUE(bench.house->tripped());
  EXPECT_FALSE(bench.house->keep_trip(bench.now_us));
  bench.storage.broken = false;
  bench.run(1);
  EXPECT_FALSE(bench.house->keep_trip(bench.now_us)) << "flash is not written in a hurry";
  bench.run(10);
  EXPECT_TRUE(bench.house->keep_trip(bench.now_us));
  bench.storage.cut_power();
  EXPECT_TRUE(Bench({}, &bench.storage).house->tripped());
}

TEST(House, IdentifyBlinksForHalfAMinute) {
  Bench bench;
  EXPECT_FALSE(bench.house->identifying(mono_us()));
  EXPECT_EQ(bench.node.commands()[1].name, "identify");
  EXPECT_TRUE(bench.node.commands()[1].handler->run({}).succeeded);
  EXPECT_TRUE(bench.house->identifying(mono_us()));
  EXPECT_FALSE(bench.house->identifying(mono_us() + 31'000'000));
}

TEST(House, KeepsForTheFaultsOfOthersAndNamesThemLater) {
  Bench bench;
  HeardFault heard{.key = {.node = 5, .boot_id = 0, .number = 9},
                   .fault_code = 6,
                   .state = EventState::RAISED,
                   .severity = Severity::CRITICAL,
                   .mono_us = 5'000'000,
                   .utc_us = 0,
                   .time_valid = false};
  bench.house->fault(heard);
  heard.state = EventState::CLEARED;
  bench.house->fault(heard);
  heard.state = EventState::RAISED;
  heard.key = {.node = 6, .boot_id = 77, .number = 1};
  heard.fault_code = 777;
  bench.house->fault(heard);
  heard.key.number = 2;
  heard.fault_code = NO_FAULT;
  bench.house->fault(heard);
  ASSERT_EQ(bench.log.kept.size(), 3U);
  EXPECT_EQ(bench.log.kept[2].code.view(), "CAPTURE");
  EXPECT_EQ(bench.house->faults(), 0U);
  EXPECT_EQ(bench.log.kept[0].code.view(), "F006");
  EXPECT_EQ(bench.log.kept[0].trigger_mono_us, 5'000'000U);
  EXPECT_EQ(bench.log.kept[1].code.view(), "F777");
  EXPECT_EQ(bench.log.kept[1].key, (EventKey{.node = 6, .boot_id = 77, .number = 1}));

  Peer peer{};
  peer.present = peer.ever = true;
  peer.heartbeat.boot_id = 0xABCD;
  bench.house->peer_changed(6, peer);
  EXPECT_TRUE(bench.log.named.empty());
  bench.house->peer_changed(5, peer);
  bench.house->peer_changed(5, peer);
  ASSERT_EQ(bench.log.named.size(), 1U);
  EXPECT_EQ(bench.log.named[0], (EventKey{.node = 5, .boot_id = 0xABCD, .number = 9}));
}

TEST(House, KeepsForFaultsThatItsBusRaised) {
  Bench bench;
  NodeEvent event{};
  event.state = EventState::RAISED;
  event.code = EventCode{"F030"};
  bench.node.desk.raise(event);
  EXPECT_EQ(bench.log.kept.size(), 1U);
  event.type = EventType::BOOT;
  bench.node.desk.raise(event);
  EXPECT_EQ(bench.log.kept.size(), 1U);
  bench.run(1);
  EXPECT_EQ(bench.value(M::HEALTH), 70);
}

TEST(House, RecordsTheTrafficOfTheBus) {
  Bench bench;
  bench.house->frame({.identifier = 0x203, .mono_us = 1, .length = 4, .data = {1, 2, 3, 4}});
  ASSERT_EQ(bench.log.traffic.size(), 1U);
  EXPECT_EQ(bench.log.traffic[0].identifier, 0x203U);
}

TEST(House, HealthFallsWithFaultsAndCellSpread) {
  Bench bench;
  bench.run(1);
  EXPECT_EQ(bench.value(M::HEALTH), 100);
  for (size_t cell = 0; cell < 16; cell++)
    bench.set(static_cast<M>(static_cast<size_t>(M::CELL_VOLTAGE_1) + cell), 3.3);
  bench.run(1);
  EXPECT_EQ(bench.value(M::HEALTH), 100);
  EXPECT_DOUBLE_EQ(bench.value(M::BATTERY_VOLTAGE), 52.8);
  bench.set(M::CELL_VOLTAGE_7, 3.39);
  bench.run(1);
  EXPECT_EQ(bench.value(M::HEALTH), 96) << "90 mV: 40 mV too much";
  bench.input.now.dc_bus_voltage_v = 40;
  bench.run(2);
  EXPECT_EQ(bench.value(M::HEALTH), 66);
}

struct LoadCase {
  LoadSource source;
  double load, exported, imported;
};
TEST(House, LoadAndExchangeFollowFromTheInverter) {
  for (const LoadCase &wanted :
       {LoadCase{LoadSource::INVERTER, 1800, 0, 0}, LoadCase{LoadSource::EXCHANGE, 1300, 500, 0},
        LoadCase{LoadSource::METER, 2200, 0, 400}}) {
    HouseSettings settings;
    settings.load = wanted.source;
    Bench bench(settings);
    bench.house->set_exchange(500);
    if (wanted.source == LoadSource::METER) {
      bench.house->provided(M::LOAD_POWER);
      bench.set(M::LOAD_POWER, 2200);
    }
    bench.run(3600);
    EXPECT_EQ(bench.value(M::LOAD_POWER), wanted.load);
    EXPECT_NEAR(bench.value(M::LOAD_ENERGY), wanted.load, 1);
    EXPECT_NEAR(bench.value(M::ENERGY_EXPORTED), wanted.exported, 1);
    EXPECT_NEAR(bench.value(M::ENERGY_IMPORTED), wanted.imported, 1);
  }
  HouseSettings settings;
  settings.load = LoadSource::EXCHANGE;
  Bench bench(settings);
  bench.run(1);
  EXPECT_TRUE(std::isnan(bench.value(M::LOAD_POWER))) << "the exchange is not known";
}

TEST(House, EnergyGoesOnAfterARestart) {
  const HouseSettings settings{.charge = {.capacity_mah = 280'000}, .battery_energy_wh = 15'000};
  Bench first(settings);
  first.set(M::MPPT_OUTPUT_VOLTAGE, 54);
  first.set(M::MPPT_OUTPUT_CURRENT, 20);
  first.input.now.dc_bus_voltage_v = 56;
  first.input.now.battery_current_a = -10;
  first.run(90);
  EXPECT_EQ(first.value(M::STATE_OF_CHARGE), 100) << "counted: it was full";
  EXPECT_EQ(first.value(M::BATTERY_STORED_ENERGY), 15'000);
  first.input.now.dc_bus_voltage_v = 53;
  first.input.now.battery_current_a = 28;
  first.run(1800);
  EXPECT_NEAR(first.value(M::BATTERY_ENERGY_DISCHARGED), 53 * 28 / 2.0, 1);
  EXPECT_NEAR(first.value(M::BATTERY_ENERGY_CHARGED), 56 * 10 * 90 / 3600.0, 1);
  EXPECT_NEAR(first.value(M::MPPT_ENERGY), 54 * 20 * 1890 / 3600.0, 1);
  EXPECT_NEAR(first.value(M::STATE_OF_CHARGE), 95, 0.2);

  first.house->keep_counters(first.now_us, true);
  first.house->keep_counters(first.now_us, true);
  EXPECT_EQ(first.storage.saves, 1) << "nothing has changed the second time";
  Bench second(settings, &first.storage);
  second.input.works = false;
  second.run(1);
  for (const M metric : {M::BATTERY_ENERGY_CHARGED, M::BATTERY_ENERGY_DISCHARGED, M::LOAD_ENERGY,
                         M::MPPT_ENERGY, M::STATE_OF_CHARGE})
    EXPECT_EQ(second.value(metric), first.value(metric)) << static_cast<int>(metric);
}

TEST(House, FlashIsWrittenAtMostEveryTenMinutes) {
  Bench bench;
  for (int minute = 0; minute < 60; minute++) {
    bench.run(60);
    for (int i = 0; i < 10; i++) bench.house->keep_counters(bench.now_us, false);
  }
  EXPECT_EQ(bench.storage.saves, 6);
}

TEST(House, AnInverterThatStartsIsNotUnderVoltage) {
  Bench bench;
  const auto mode = [&] {
    dbc::InverterState state;
    state.unpack(bench.house->content(dbc::InverterState::MESSAGE.identifier, 0).value());
    return state.inverter_mode;
  };
  bench.input.now.ac_voltage_v = NAN;
  bench.run(1);
  EXPECT_EQ(mode(), dbc::InverterMode::NOT_AVAILABLE);
  bench.input.now.ac_voltage_v = 0;
  bench.run(5);
  EXPECT_EQ(mode(), dbc::InverterMode::OFF);
  bench.input.now.ac_voltage_v = 120;
  bench.run(5);
  EXPECT_EQ(mode(), dbc::InverterMode::STARTING);
  bench.input.now.ac_voltage_v = 228;
  bench.run(1.1);
  EXPECT_EQ(mode(), dbc::InverterMode::RUNNING);
  EXPECT_EQ(bench.story(), "");
  bench.input.now.ac_voltage_v = 120;
  bench.run(0.5);
  EXPECT_EQ(bench.story(), "F003+");
  EXPECT_EQ(mode(), dbc::InverterMode::TRIPPED);
}

TEST(House, AVoltageThatCollapsesIsSeenToo) {
  Bench bench;
  bench.run(3);
  bench.input.now.ac_voltage_v = 0;
  bench.run(0.5);
  EXPECT_EQ(bench.story(), "F003+");
}

TEST(House, AContactTellsBetterThanTheVoltage) {
  Bench bench;
  bench.house->set_inverter_on(false);  // a neighbour feeds the house
  bench.house->set_battery_connected(false);
  bench.input.now.ac_voltage_v = 200;
  bench.run(5);
  EXPECT_EQ(bench.story(), "");
  dbc::Inverter inverter;
  inverter.unpack(bench.house->content(dbc::Inverter::MESSAGE.identifier, 0).value());
  EXPECT_FALSE(inverter.inverter_on);
  dbc::Battery battery;
  battery.unpack(bench.house->content(dbc::Battery::MESSAGE.identifier, 0).value());
  EXPECT_FALSE(battery.battery_connected);
  bench.house->set_inverter_on(true);
  bench.run(1);
  EXPECT_EQ(bench.story(), "F003+");
}

TEST(House, ItsMessagesCarryTheBeat) {
  Bench bench;
  bench.house->tick(bench.now_us, 0xA5);
  dbc::Frequency frequency;
  frequency.unpack(bench.house->content(dbc::Frequency::MESSAGE.identifier, 0).value());
  EXPECT_EQ(frequency.sequence, 0xA5);
  EXPECT_EQ(frequency.inverter_frequency, -100);
  EXPECT_TRUE(frequency.bus_live);
  EXPECT_EQ(bench.house->content(dbc::Heartbeat::MESSAGE.identifier, 0), std::nullopt);
}

TEST(House, NonsenseFromSensorsDoesNoHarm) {
  std::mt19937_64 dice(1);
  const std::array strange{NAN,    INFINITY, -INFINITY, 3.4e38F, -3.4e38F, 2.1e9F, -2.1e9F,
                           1e-38F, 0.0F,     -0.0F,     50.0F,   230.0F,   -1.0F,  2.14748e7F};
  for (const LoadSource source : {LoadSource::INVERTER, LoadSource::EXCHANGE, LoadSource::METER}) {
    HouseSettings settings;
    settings.load = source;
    settings.charge.capacity_mah = 280'000;
    settings.battery_energy_wh = 15'000;
    Bench bench(settings);
    for (int i = 0; i < 20'000; i++) {
      for (const FastQuantity &quantity : FAST_QUANTITIES)
        bench.input.now.*quantity.member = strange[dice() % strange.size()];
      bench.input.works = dice() % 16 != 0;
      if (dice() % 4 == 0)
        bench.node.readings.set(dice() % HOUSE_METRICS.size(),
                                static_cast<int32_t>(static_cast<uint32_t>(dice())));
      if (dice() % 8 == 0) bench.house->set_exchange(strange[dice() % strange.size()]);
      if (dice() % 64 == 0) bench.house->clear_faults();
      bench.now_us += dice() % 20'000;
      if (dice() % 1000 == 0) bench.now_us += 3'000'000'000;
      bench.run(0.01);
      for (uint16_t type = 0; type < 0x800; type += 0x10)
        bench.house->content(type, static_cast<uint8_t>(dice() % 7));
      bench.log.events.clear();
      bench.log.kept.clear();
    }
  }
}

}  // namespace
}  // namespace esphome::microgrid

// When summaries are written, what of them, and what happens when nobody takes them.
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_gateway/house_summary.h"
#include "esphome/components/microgrid_log/log_settings.h"
#include "memory_log.h"

namespace esphome::microgrid {
namespace {

constexpr uint64_t S = 1'000'000;
constexpr std::array SOURCES{CAN_INTERRUPT_STAMPS};
constexpr Identity IDENTITY{.role = Role::GATEWAY,
                            .number = 0,
                            .node = "gateway-1",
                            .cluster = "north",
                            .swarm = "village",
                            .name = "",
                            .hardware = "",
                            .firmware = "",
                            .boot_id = 1};

class Rig final : public SummarySink {
 public:
  Rig() {
    for (const uint8_t number : std::initializer_list<uint8_t>{1, 2, 15})
      this->name(number, "house-" + std::to_string(number));
  }
  void name(uint8_t number, const std::string &node) {
    HouseIdentity identity{};
    identity.node.assign(node);
    this->directory.set(number, identity);
  }
  bool take(std::span<const uint8_t> frame) override {
    this->asked++;
    if (this->full) return false;
    this->frames.emplace_back(frame.begin(), frame.end());
    this->times_us.push_back(this->now_us);
    return true;
  }
  void send(uint8_t number, double power_w, bool present = true) {
    BusHouse house{number};
    house.set(HouseMetric::INVERTER_POWER, power_w);
    for (const CanFrame &frame : house.frames(dbc::Inverter::MESSAGE, this->now_us))
      this->cluster->frame(frame);
    this->cluster->peer_changed(number, house.peer(present));
  }
  void run(double s, const std::vector<uint8_t> &houses) {
    for (const uint64_t end = this->now_us + static_cast<uint64_t>(s * 1e6); this->now_us < end;) {
      this->now_us += 10'000;
      if (this->now_us % 100'000 == 0) {
        const uint64_t second = this->now_us / S;
        for (const uint8_t number : houses) this->send(number, static_cast<double>(second));
        this->cluster->step(this->now_us);
      }
      this->summaries->tick(this->now_us);
    }
  }
  size_t count(Kind kind) const {
    size_t found = 0;
    for (const auto &frame : this->frames) found += frame[5] == static_cast<uint8_t>(kind) ? 1 : 0;
    return found;
  }

  uint64_t now_us{S};
  bool full{false};
  uint32_t asked{0};
  std::vector<std::vector<uint8_t>> frames;
  std::vector<uint64_t> times_us;
  std::unique_ptr<Cluster> cluster = std::make_unique<Cluster>();
  HouseDirectory directory;
  DisciplinedClock clock{SOURCES};
  std::unique_ptr<SummaryLog> summaries =
      std::make_unique<SummaryLog>(*this->cluster, this->directory, IDENTITY, this->clock, *this);
};

TEST(Summary, one_frame_a_minute_and_house_with_the_schema_before_the_first_and_every_hour) {
  Rig rig;
  rig.run(2 * 3600 + 150, {1, 2, 15});
  EXPECT_NEAR(static_cast<double>(rig.count(Kind::SUMMARY)), 3 * 121, 6);
  EXPECT_EQ(rig.count(Kind::SCHEMA), 3U * 3U);
  EXPECT_EQ(rig.frames.front()[5], static_cast<uint8_t>(Kind::SCHEMA));
  EXPECT_EQ(rig.summaries->lost(), 0U);

  std::map<uint32_t, std::string> schemas;
  std::map<std::string, uint64_t> last_us;
  std::map<uint64_t, int> per_beat;
  for (size_t i = 0; i < rig.frames.size(); i++) {
    auto &bytes = rig.frames[i];
    per_beat[rig.times_us[i]] += bytes[5] == static_cast<uint8_t>(Kind::SUMMARY) ? 1 : 0;
    seal(bytes, {1, static_cast<uint32_t>(i)});
    const auto frame = check_frame(bytes);
    ASSERT_TRUE(frame);
    if (frame->header.kind == Kind::SCHEMA) {
      std::vector<Channel> room(MAX_CHANNELS);
      const auto schema = read_schema(frame->payload(), room);
      ASSERT_TRUE(schema);
      EXPECT_EQ(schema->cluster, "north");
      EXPECT_EQ(schema->channels.size(), SUMMARY_CHANNELS.size());
      EXPECT_EQ(frame->header.schema_hash, crc32(frame->payload()));
      schemas[crc32(frame->payload())] = schema->node;
      continue;
    }
    auto samples = open_samples(*frame);
    ASSERT_TRUE(samples);
    EXPECT_EQ(samples->span_ms, 60'000U);
    EXPECT_EQ(schemas.at(frame->header.schema_hash), samples->node);
    const std::string node{samples->node};
    if (last_us.contains(node)) {
      EXPECT_EQ(frame->header.mono_us - last_us[node], 60 * S);
    }
    last_us[node] = frame->header.mono_us;
    ASSERT_EQ(samples->blocks, 1);  // power is all that comes
    const auto block =
        read_block(samples->in, {.node = {}, .cluster = {}, .channels = SUMMARY_CHANNELS}, samples->span_ms);
    ASSERT_TRUE(block);
    std::vector<int32_t> values(block->present);
    ASSERT_TRUE(decode_block(*block, values));
    // What was true at each full second (told within the tenth of a second before).
    if (block->present == 60) {
      const uint64_t second = frame->header.mono_us / S;
      for (size_t k = 0; k < 60; k++) EXPECT_NEAR(values[k], static_cast<double>(second + k), 1.0) << k;
    }
  }
  EXPECT_EQ(last_us.size(), 3U);
  for (const auto &[time_us, count] : per_beat) EXPECT_LE(count, 1) << "one beat builds one frame";
}

TEST(Summary, the_log_takes_the_longest_one) {
  const LogSettings settings =
      log_settings(Role::GATEWAY, {.hours = 24, .capture_mb = 4, .snapshots = 4, .ram_fallback = false});
  EXPECT_GE(settings.max_foreign_frame, SUMMARY_FRAME_BYTES);
  EXPECT_GE(settings.foreign_bytes, 2 * SUMMARY_FRAME_BYTES + 8);  // what a ring of records needs
}

TEST(Summary, waits_for_room_for_up_to_a_second) {
  Rig rig;
  rig.run(130, {1});
  const size_t before = rig.count(Kind::SUMMARY);
  rig.full = true;
  while (rig.asked == rig.frames.size()) rig.run(0.01, {1});
  rig.run(0.5, {1});
  rig.full = false;
  rig.run(0.1, {1});
  EXPECT_EQ(rig.count(Kind::SUMMARY), before + 1);
  EXPECT_EQ(rig.summaries->lost(), 0U);
  rig.full = true;
  rig.run(130, {1});
  EXPECT_EQ(rig.summaries->lost(), 2U);
  rig.full = false;
  rig.run(70, {1});
  EXPECT_EQ(rig.count(Kind::SUMMARY), before + 2);
}

TEST(Summary, another_house_under_the_same_number_gets_a_schema_of_its_own) {
  Rig rig;
  rig.run(130, {1});
  EXPECT_EQ(rig.count(Kind::SCHEMA), 1U);
  rig.name(1, "house-new");
  rig.run(60, {1});
  EXPECT_EQ(rig.count(Kind::SCHEMA), 2U);
}

TEST(Summary, nothing_of_houses_that_are_away_or_unknown) {
  Rig rig;
  rig.run(200, {7});  // nobody knows who that is
  EXPECT_TRUE(rig.frames.empty());
  rig.run(200, {});
  EXPECT_TRUE(rig.frames.empty());
}

/// The task stood still for hours, or the counter is that of a new start.
TEST(Summary, a_pause_mixes_no_minutes) {
  Rig rig;
  rig.run(100, {1});
  rig.now_us += 3'000 * S + 250'000;
  rig.run(130, {1});
  for (const auto &frame : rig.frames) {
    if (frame[5] != static_cast<uint8_t>(Kind::SUMMARY)) continue;
    const auto start = load<uint64_t>(frame.data() + 24);
    EXPECT_TRUE(start + 60 * S <= 101 * S + 60 * S || start >= 3'000 * S) << start;
  }
}

}  // namespace
}  // namespace esphome::microgrid

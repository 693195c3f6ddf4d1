// The recorder: what was put in at its time stands in the frames, what was not is missing, and nobody waits.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "build_frames.h"
#include "house.h"

namespace esphome::microgrid {
namespace {

constexpr uint64_t START_US = 1'000'000;
constexpr RecorderTiming TEN_SECONDS{.fast = {.span_ms = 10'000, .slack_ms = 4'000}};

class RecorderTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(this->recorder.setup(HOUSE, 77, TEN_SECONDS, this->arena, START_US)); }

  /// Closes the oldest span and decodes it by channel id.
  std::map<uint8_t, Values> close(Group group, const ClockReading &clock = {}) {
    const std::span<uint8_t> bytes = this->recorder.close(group, clock, this->room);
    std::map<uint8_t, Values> found;
    if (bytes.empty()) return found;
    seal(bytes, {1, this->seq++});
    this->frame = *check_frame(bytes);
    auto samples = *open_samples(this->frame);
    for (uint16_t i = 0; i < samples.blocks; i++) {
      const Block block = *read_block(samples.in, HOUSE, samples.span_ms);
      found[block.id] = *decoded(block);
    }
    EXPECT_EQ(samples.in.left(), 0U);
    return found;
  }

  alignas(8) std::array<uint8_t, HOUSE_ARENA_BYTES> arena{};
  std::array<uint8_t, HOUSE_FRAME_BYTES> room{};
  Recorder recorder;
  Frame frame{};
  uint32_t seq{0};
};

TEST_F(RecorderTest, SpansFollowEachOtherWithoutGap) {
  for (uint64_t span = 0; span < 3; span++) {
    for (uint64_t i = span * 1000; i < (span + 1) * 1000; i++) {
      // A timer that is up to 3 ms late.
      ASSERT_TRUE(
          this->recorder.put(0, START_US + i * 10'000 + i % 4 * 1000, static_cast<int32_t>(i * 13 % 5000)));
    }
    const auto found = this->close(Group::FAST);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(this->frame.header.mono_us, START_US + span * 10'000'000);
    for (uint64_t i = 0; i < 1000; i++)
      EXPECT_EQ(found.at(1)[i], static_cast<int32_t>((span * 1000 + i) * 13 % 5000));
  }
}

TEST_F(RecorderTest, TheSlackTakesSamplesWhileTheWriterIsBusyAndNoMore) {
  uint64_t taken = 0;
  while (this->recorder.put(0, START_US + taken * 10'000, 5)) taken++;
  EXPECT_GE(taken, 1400U);
  EXPECT_EQ(this->recorder.counters().overrun, 1U);
  EXPECT_EQ(this->close(Group::FAST).at(1), Values(1000, 5));
  EXPECT_TRUE(this->recorder.put(0, START_US + taken * 10'000, 6));
  const Values second = this->close(Group::FAST).at(1);
  EXPECT_EQ(std::count(second.begin(), second.end(), std::optional<int32_t>(5)),
            static_cast<ptrdiff_t>(taken - 1000));
  EXPECT_EQ(second[taken - 1000], 6);
  EXPECT_EQ(second.back(), std::nullopt);
}

TEST_F(RecorderTest, MissingLateAndImpossibleSamples) {
  EXPECT_TRUE(this->recorder.put(1, START_US + 300'000, 23000));
  EXPECT_FALSE(this->recorder.put(1, START_US + 400'000, 40000));
  EXPECT_FALSE(this->recorder.put(1, START_US - 100'000, 1));
  const auto found = this->close(Group::FAST);
  ASSERT_EQ(found.size(), 1U) << "channels without any sample are left out";
  Values expected(100);
  expected[3] = 23000;
  EXPECT_EQ(found.at(2), expected);
  EXPECT_FALSE(this->recorder.put(1, START_US + 500'000, 23000)) << "its frame is closed";
  EXPECT_EQ(this->recorder.counters().out_of_range, 1U);
  EXPECT_EQ(this->recorder.counters().late, 2U);
  EXPECT_TRUE(this->close(Group::FAST).empty()) << "a span without samples makes no frame";
}

TEST_F(RecorderTest, OldSamplesAreGoneWhenTheRingComesRound) {
  for (uint64_t span = 0; span < 20; span++) {
    if (span % 2 == 0) {
      for (uint64_t i = 0; i < 1000; i++)
        ASSERT_TRUE(this->recorder.put(0, START_US + (span * 1000 + i) * 10'000, static_cast<int32_t>(span)));
      EXPECT_EQ(this->close(Group::FAST).at(1), Values(1000, static_cast<int32_t>(span)));
    } else {
      EXPECT_TRUE(this->close(Group::FAST).empty());
    }
  }
}

TEST_F(RecorderTest, SlowGroupHasItsOwnSpan) {
  for (uint64_t second = 0; second < 60; second++)
    ASSERT_TRUE(this->recorder.put(5, START_US + second * 1'000'000, 3300));
  for (uint64_t i = 0; i < 6; i++)
    ASSERT_TRUE(this->recorder.put(31, START_US + i * 10'000'000, static_cast<int32_t>(700 + i)));
  EXPECT_FALSE(this->recorder.ready(Group::SLOW, START_US + 60'000'000));
  EXPECT_TRUE(this->recorder.ready(Group::SLOW, START_US + 62'500'000));
  const auto found = this->close(Group::SLOW);
  EXPECT_EQ(found.at(10), Values(60, 3300));
  EXPECT_EQ(found.at(50), (Values{700, 701, 702, 703, 704, 705}));
  EXPECT_FALSE(this->recorder.ready(Group::SLOW, START_US + 62'500'000));
}

TEST_F(RecorderTest, FramesCarryWhatTheClockKnows) {
  this->recorder.put(0, START_US, 1);
  this->close(
      Group::FAST,
      {.known = true,
       .utc_minus_mono_us = 1'700'000'000'000'000,
       .record = ClockRecord{
           .drift_ppb = 5, .error_us = 6, .source = ClockSource::GNSS, .state = ClockState::SYNCHRONISED}});
  EXPECT_EQ(this->frame.header.utc_us, 1'700'000'001'000'000);
  EXPECT_EQ(open_samples(this->frame)->clock->drift_ppb, 5);
}

TEST_F(RecorderTest, WorstSamplesFitTheRoomForAFrame) {
  for (size_t channel = 0; channel < HOUSE_CHANNELS.size(); channel++) {
    const Channel &meaning = HOUSE_CHANNELS[channel];
    const uint64_t span_us = meaning.group == Group::FAST ? 10'000'000 : 60'000'000;
    for (uint64_t i = 0; i < span_us / meaning.period_us; i++) {
      if (i % 50 != 49) {
        ASSERT_TRUE(
            this->recorder.put(channel, START_US + i * meaning.period_us, i % 2 == 0 ? 32767 : -32768));
      }
    }
  }
  EXPECT_EQ(this->close(Group::FAST).size(), 5U);
  EXPECT_EQ(this->close(Group::SLOW).size(), 27U);
}

TEST_F(RecorderTest, SamplerAndWriterRunAtTheSameTime) {
  // Far faster than real time: the sampler is held back only by the slack, as the clock would hold it.
  constexpr uint64_t SPANS = 300;
  std::atomic<uint64_t> now{START_US};
  std::thread sampler([&] {
    for (uint64_t i = 0; i < (SPANS + 1) * 1000;) {
      if (this->recorder.put(0, START_US + i * 10'000, static_cast<int32_t>(i % 30'000))) {
        i++;
        now = START_US + i * 10'000;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint64_t span = 0; span < SPANS;) {
    if (!this->recorder.ready(Group::FAST, now)) {
      std::this_thread::yield();
      continue;
    }
    const auto found = this->close(Group::FAST);
    ASSERT_EQ(found.size(), 1U);
    for (uint64_t i = 0; i < 1000; i++)
      ASSERT_EQ(found.at(1)[i], static_cast<int32_t>((span * 1000 + i) % 30'000));
    span++;
  }
  sampler.join();
}

TEST(RecorderSetup, RefusesWhatCannotWork) {
  alignas(8) std::array<uint8_t, HOUSE_ARENA_BYTES> arena{};
  Recorder recorder;
  EXPECT_FALSE(recorder.setup(HOUSE, 0, {}, std::span(arena).first(arena.size() - 1), 0));
  EXPECT_FALSE(recorder.setup(HOUSE, 0, {.slow = {.span_ms = 15'000, .slack_ms = 0}}, arena, 0))
      << "10 s do not divide 15 s";
}

}  // namespace
}  // namespace esphome::microgrid

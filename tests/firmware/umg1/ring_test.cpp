// The ring on its medium: what was acknowledged survives power cuts, bad blocks, wrapping and full cards.
#include <gtest/gtest.h>

#include <map>

#include "build_frames.h"
#include "devices.h"
#include "esphome/components/microgrid_core/umg1_ring_reader.h"
#include "house.h"

namespace esphome::microgrid {
namespace {

constexpr uint32_t BLOCKS = 8;  // of a segment: 32 kB

using Log = std::map<std::pair<uint32_t, uint32_t>, std::vector<uint8_t>>;

/// A node with its log: what a start of the firmware sets up.
class Node {
 public:
  Node(BlockDevice &device, uint32_t boot_id, size_t slots = 6, PinKeeper *keeper = nullptr,
       std::string_view name = "house_1")
      : schema_(schema_payload({.node = "n", .cluster = "", .channels = std::span(HOUSE_CHANNELS).first(5)})),
        slots_(slots),
        log(device, {.node = name, .cluster = "east", .blocks_per_segment = BLOCKS}, slots_, cache, keeper),
        boot_(boot_id) {}

  LogResult open() {
    return this->log.open({.boot_id = this->boot_,
                           .mono_us = 1,
                           .schema = this->schema_,
                           .schema_hash = crc32(this->schema_),
                           .reason = ResetReason::POWER,
                           .firmware = "test"});
  }

  /// Appends a frame and remembers it as it went to the medium.
  LogResult append(size_t payload_bytes, uint64_t mono_us = 1) {
    std::vector<uint8_t> frame = numbered_frame(this->log.next_seq(), payload_bytes, mono_us);
    const LogResult result = this->log.append(frame);
    if (result == LogResult::OK) this->written[{this->boot_, parse_header(frame)->seq}] = frame;
    return result;
  }

  Log read(std::optional<Position> after = {}) {
    RingReader reader(this->log, this->cache, this->room_);
    if (after) this->found = reader.seek_after(*after);
    Log result;
    Frame frame{};
    uint64_t last = 0;
    for (RingReader::Step step = reader.next(frame); step == RingReader::Step::FRAME;
         step = reader.next(frame)) {
      EXPECT_GE(reader.segment(), last);
      last = reader.segment();
      result[{frame.header.boot_id, frame.header.seq}] = {frame.bytes.begin(), frame.bytes.end()};
    }
    return result;
  }

 private:
  std::vector<uint8_t> schema_;
  std::vector<Slot> slots_;
  std::array<uint8_t, BLOCK_BYTES> block_{};
  std::vector<uint8_t> room_ = std::vector<uint8_t>(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);

 public:
  SharedBlock cache{this->block_};  // of log and readers
  RingLog log;
  Log written;
  bool found{false};

 private:
  uint32_t boot_;
};

/// Every frame that `written` has up to `durable` is in `found`, byte by byte.
void expect_kept(const Log &written, const Log &found, std::optional<Position> durable) {
  for (const auto &[position, bytes] : written) {
    if (!durable || position.second > durable->seq) continue;
    const auto it = found.find(position);
    ASSERT_NE(it, found.end()) << "frame " << position.second << " of boot " << position.first << " is gone";
    ASSERT_EQ(it->second, bytes);
  }
}

TEST(Ring, FramesComeBackInOrderAfterSchemaAndBoot) {
  CardDevice card(6 * BLOCKS);
  Node node(card, 100);
  ASSERT_EQ(node.open(), LogResult::OK);
  for (size_t i = 0; i < 50; i++) ASSERT_EQ(node.append(i * 37 % 1200), LogResult::OK);
  EXPECT_EQ(node.read().size(), 2U) << "what is not durable is not handed out";
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  EXPECT_EQ(node.log.durable(), (Position{100, 51}));
  const Log found = node.read();
  EXPECT_EQ(found.size(), 52U);
  EXPECT_EQ(parse_header(found.at({100, 0}))->kind, Kind::SCHEMA);
  EXPECT_EQ(parse_header(found.at({100, 1}))->kind, Kind::BOOT);
  expect_kept(node.written, found, node.log.durable());
}

TEST(Ring, ARestartGoesOnInTheSameSegmentAndNamesTheBootBefore) {
  CardDevice card(6 * BLOCKS);
  Log written;
  for (uint32_t boot = 1; boot <= 5; boot++) {
    Node node(card, boot);
    ASSERT_EQ(node.open(), LogResult::OK);
    if (boot > 1) {
      EXPECT_EQ(node.log.previous(), (Position{boot - 1, 5}));
    }
    for (int i = 0; i < 3; i++) ASSERT_EQ(node.append(100), LogResult::OK);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
    EXPECT_EQ(node.log.segment_from(0), 0U);
    EXPECT_EQ(node.log.segment_from(1), std::nullopt) << "five starts cost one segment";
    written.merge(node.written);
    const Log found = node.read();
    EXPECT_EQ(found.size(), boot * 5);
    expect_kept(written, found, Position{0, 100});
    const Frame frame = *check_frame(found.at({boot, 1}));
    EXPECT_EQ(read_boot(after_clock(frame))->previous_boot_id, boot - 1);
    EXPECT_EQ(read_boot(after_clock(frame))->previous_next_seq, boot > 1 ? 5U : 0U);
  }
}

TEST(Ring, OldGarbageOnTheMediumIsNoLog) {
  CardDevice card(6 * BLOCKS, 'U');
  Node node(card, 1);
  ASSERT_EQ(node.open(), LogResult::OK);
  EXPECT_EQ(node.log.previous(), std::nullopt);
  EXPECT_EQ(node.read().size(), 2U);
}

TEST(Ring, WrapsAndReportsWhatNobodyAcknowledged) {
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  std::optional<LostRange> lost;
  while (!(lost = node.log.take_lost())) {
    ASSERT_EQ(node.append(1000), LogResult::OK);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
  }
  EXPECT_EQ(lost->first_seq, 0U);
  const Log found = node.read();
  EXPECT_EQ(found.begin()->first.second, lost->last_seq + 1) << "exactly what was reported is gone";
  EXPECT_EQ(node.log.counters().lost_frames, lost->last_seq + 1);
  expect_kept({node.written.upper_bound({1, lost->last_seq}), node.written.end()}, found, node.log.durable());
}

TEST(Ring, WhatWasAcknowledgedIsNoLoss) {
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  for (int i = 0; i < 400; i++) {
    ASSERT_EQ(node.append(1000), LogResult::OK);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
    node.log.acknowledge({1, node.log.next_seq() - 20});
  }
  EXPECT_FALSE(node.log.take_lost());

  const uint32_t acknowledged = node.log.next_seq() - 20;
  while (node.log.counters().lost_frames == 0) ASSERT_EQ(node.append(1000), LogResult::OK);
  EXPECT_EQ(node.log.take_lost()->first_seq, acknowledged + 1)
      << "the loss begins after the acknowledged frame";
}

TEST(Ring, ReadsOnAfterAnyPosition) {
  CardDevice card(6 * BLOCKS);
  Log written;
  for (uint32_t boot = 1; boot <= 3; boot++) {
    Node node(card, boot);
    ASSERT_EQ(node.open(), LogResult::OK);
    for (uint32_t i = 0; i < (boot == 2 ? 5U : 60U); i++) ASSERT_EQ(node.append(700), LogResult::OK);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
  }
  Node node(card, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  const Log all = node.read();
  for (auto it = all.begin(); it != all.end(); ++it) {
    const Log rest = node.read(Position{it->first.first, it->first.second});
    EXPECT_TRUE(node.found);
    EXPECT_EQ(rest, Log(std::next(it), all.end())) << "after " << it->first.first << ":" << it->first.second;
  }
  EXPECT_EQ(node.read(Position{99, 5}), all) << "an unknown boot: from the oldest frame on";
  EXPECT_FALSE(node.found);
}

TEST(Ring, AReaderFollowsTheWriter) {
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  std::vector<uint8_t> room(3000);
  RingReader reader(node.log, node.cache, room);
  Frame frame{};
  uint32_t expected = 0;
  for (int i = 0; i < 500; i++) {
    ASSERT_EQ(node.append(static_cast<size_t>(i * 91 % 2500)), LogResult::OK);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
    while (reader.next(frame) == RingReader::Step::FRAME) ASSERT_EQ(frame.header.seq, expected++);
  }
  EXPECT_EQ(expected, node.log.next_seq());
  EXPECT_EQ(reader.overtaken(), 0U);
}

TEST(Ring, NoSectorHoldsPartsOfMoreThanTwoFramesAndADestroyedOneCostsTwo) {
  CardDevice card(6 * BLOCKS);
  Node node(card, 1);
  ASSERT_EQ(node.open(), LogResult::OK);
  std::mt19937 random(7);
  for (int i = 0; i < 150; i++) ASSERT_EQ(node.append(random() % (i % 3 == 0 ? 900 : 60)), LogResult::OK);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  const size_t all = node.read().size();
  const CardDevice::Content good = card.content();
  size_t worst = 0;
  for (size_t sector = 1; sector < 3 * BLOCKS * 8; sector++) {
    for (size_t i = 0; i < SECTOR_BYTES; i++)
      card.content()[sector * SECTOR_BYTES + i] = static_cast<uint8_t>(random());
    worst = std::max(worst, all - node.read().size());
    card.content() = good;
  }
  EXPECT_EQ(worst, 2U);
}

TEST(Ring, AfterADestroyedSectorTheLogGoesOnBehindItsEnd) {
  std::mt19937 random(8);
  for (size_t sector = 1; sector < 40; sector++) {
    CardDevice card(6 * BLOCKS);
    Node before(card, 1);
    ASSERT_EQ(before.open(), LogResult::OK);
    for (int i = 0; i < 60; i++) ASSERT_EQ(before.append(random() % 500), LogResult::OK);
    ASSERT_EQ(before.log.sync(), LogResult::OK);
    for (size_t i = 0; i < SECTOR_BYTES; i++)
      card.content()[sector * SECTOR_BYTES + i] = static_cast<uint8_t>(random());
    const size_t left = before.read().size();
    Node after(card, 2);
    ASSERT_EQ(after.open(), LogResult::OK);
    EXPECT_EQ(after.read().size(), left + 2)
        << "recovery overwrote good frames behind the damage in sector " << sector;
  }
}

TEST(Ring, PowerCutsKeepEverythingThatWasSynchronised) {
  std::mt19937 random(9);
  for (int run = 0; run < 200; run++) {
    CardDevice card(5 * BLOCKS, 0xA5);
    Log durable;
    for (uint32_t boot = 1; boot <= 6; boot++) {
      Node node(card, boot, 5);
      ASSERT_EQ(node.open(), LogResult::OK);
      const Log found = node.read();
      // The ring is too large to wrap here: everything must still be there.
      for (const auto &[position, bytes] : durable)
        ASSERT_TRUE(found.contains(position) && found.at(position) == bytes)
            << "run " << run << ": " << position.first << ":" << position.second << " is gone";
      for (auto i = random() % 12; i > 0; i--) {
        ASSERT_EQ(node.append(random() % (random() % 4 == 0 ? 6000 : 400)), LogResult::OK);
        if (random() % 3 == 0) {
          ASSERT_EQ(node.log.sync(), LogResult::OK);
        }
      }
      for (const auto &[position, bytes] : node.written) {
        if (position.second <= node.log.durable()->seq) durable[position] = bytes;
      }
      card.cut_power(random);
    }
  }
}

TEST(Ring, PowerCutsFailingWritesAndWrappingLeaveAllOfTheNewestSegments) {
  std::mt19937 random(10);
  for (int run = 0; run < 60; run++) {
    CardDevice card(4 * BLOCKS, 0xA5);
    std::vector<std::pair<std::pair<uint32_t, uint32_t>, std::vector<uint8_t>>> durable;
    std::vector<LostRange> lost;
    for (uint32_t boot = 1; boot <= 12; boot++) {
      Node node(card, boot, 4);
      while (node.open() != LogResult::OK) {
      }
      while (const auto range = node.log.take_lost()) lost.push_back(*range);
      const Log found = node.read();
      size_t kept_bytes = 0;
      for (const auto &[position, bytes] : found) kept_bytes += bytes.size();
      for (auto it = durable.begin(); it != durable.end(); ++it) {
        const bool told = std::any_of(lost.begin(), lost.end(), [&](const LostRange &range) {
          return range.boot_id == it->first.first && range.first_seq <= it->first.second &&
                 it->first.second <= range.last_seq;
        });
        if (told) continue;
        ASSERT_TRUE(found.contains(it->first))
            << "run " << run << ": " << it->first.first << ":" << it->first.second;
        ASSERT_EQ(found.at(it->first), it->second);
      }
      if (!lost.empty()) {
        // Of four slots one may just have been cleared, one is open, and padding takes its part of the
        // others.
        EXPECT_GE(kept_bytes, BLOCKS * BLOCK_BYTES);
      }
      for (auto i = random() % 40; i > 0; i--) {
        if (random() % 5 == 0) card.failing_writes = static_cast<int>(random() % 4);
        std::vector<uint8_t> frame =
            numbered_frame(node.log.next_seq(), random() % (random() % 4 == 0 ? 6000 : 900));
        while (node.log.append(frame) != LogResult::OK) {
        }
        node.written[{boot, parse_header(frame)->seq}] = frame;
        if (random() % 3 == 0) node.log.sync();
        if (random() % 3 == 0) node.log.prepare(1);
      }
      while (const auto range = node.log.take_lost()) lost.push_back(*range);
      for (const auto &[position, bytes] : node.written) {
        if (position.second <= node.log.durable()->seq) durable.emplace_back(position, bytes);
      }
      card.failing_writes = 0;
      card.cut_power(random);
    }
  }
}

TEST(Ring, AFailingMediumAcknowledgesNothingAndLosesNothing) {
  CardDevice card(5 * BLOCKS);
  Node node(card, 1, 5);
  ASSERT_EQ(node.open(), LogResult::OK);
  ASSERT_EQ(node.append(200), LogResult::OK);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  const auto durable = node.log.durable();

  card.dead = true;
  std::vector<uint8_t> frame = numbered_frame(99, 9000);
  EXPECT_EQ(node.log.append(frame), LogResult::DEVICE);
  EXPECT_EQ(node.log.append(frame), LogResult::DEVICE);
  EXPECT_EQ(node.log.sync(), LogResult::DEVICE);
  EXPECT_EQ(node.log.durable(), durable);
  EXPECT_GE(node.log.counters().device_errors, 3U);

  card.dead = false;
  ASSERT_EQ(node.log.append(frame), LogResult::OK) << "the same frame again goes on where it stopped";
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  const Log found = node.read();
  EXPECT_EQ(found.size(), 4U);
  EXPECT_EQ(found.at({1, 3}), frame);
  EXPECT_EQ(node.log.counters().abandoned_frames, 0U);
}

TEST(Ring, AnotherFrameAfterAFailureGivesTheFirstOneUp) {
  CardDevice card(5 * BLOCKS);
  Node node(card, 1, 5);
  ASSERT_EQ(node.open(), LogResult::OK);
  card.failing_writes = 1;
  EXPECT_EQ(node.append(9000), LogResult::DEVICE);
  EXPECT_EQ(node.append(100), LogResult::OK);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  EXPECT_EQ(node.log.counters().abandoned_frames, 1U);
  const Log found = node.read();
  EXPECT_EQ(found.size(), 3U);
  expect_kept(node.written, found, node.log.durable());
}

TEST(Ring, ABadBlockIsPassedOver) {
  for (uint32_t bad = 0; bad < 2 * BLOCKS; bad++) {
    for (const size_t payload : {150U, 3000U, 7000U}) {
      CardDevice card(20 * BLOCKS);
      Node node(card, 1, 20);
      ASSERT_EQ(node.open(), LogResult::OK);
      card.bad = {bad};
      for (int i = 0; i < 60; i++) {
        // The caller comes back with the same frame until it is taken, as the firmware does.
        std::vector<uint8_t> frame = numbered_frame(static_cast<uint32_t>(i), payload);
        int attempts = 0;
        while (node.log.append(frame) != LogResult::OK) ASSERT_LT(++attempts, 100) << "bad block " << bad;
        node.written[{1, parse_header(frame)->seq}] = frame;
        while (node.log.sync() != LogResult::OK) ASSERT_LT(++attempts, 100) << "bad block " << bad;
      }
      const auto lost = node.log.take_lost();
      const Log found = node.read();
      for (const auto &[position, bytes] : node.written) {
        if (lost && position.second >= lost->first_seq && position.second <= lost->last_seq) continue;
        ASSERT_TRUE(found.contains(position)) << "bad block " << bad << ", frame " << position.second;
        ASSERT_EQ(found.at(position), bytes);
      }
      if (lost) {
        EXPECT_LE(lost->last_seq - lost->first_seq, 1U);
      }
    }
  }
}

TEST(Ring, AMediumThatIsAwayForLongLosesNothing) {
  // Wherever the log stands when the card goes away, and however often the firmware tries meanwhile.
  for (int frames = 0; frames < 40; frames++) {
    CardDevice card(8 * BLOCKS);
    Node node(card, 1, 8);
    ASSERT_EQ(node.open(), LogResult::OK);
    for (int i = 0; i < frames; i++) ASSERT_EQ(node.append(1500), LogResult::OK);
    card.dead = true;
    std::vector<uint8_t> frame = numbered_frame(99, 5000);
    for (int attempt = 0; attempt < 50; attempt++) {
      ASSERT_EQ(node.log.append(frame), LogResult::DEVICE);
      ASSERT_EQ(node.log.sync(), LogResult::DEVICE);
    }
    card.dead = false;
    for (int attempt = 0; node.log.append(frame) != LogResult::OK; attempt++) ASSERT_LT(attempt, 10);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
    EXPECT_FALSE(node.log.take_lost());
    const Log found = node.read();
    expect_kept(node.written, found, node.log.durable());
    EXPECT_EQ(found.rbegin()->second, frame);
  }
}

TEST(Ring, PinnedSegmentsAreNotOverwritten) {
  CardDevice card(5 * BLOCKS);
  Node node(card, 1, 5);
  ASSERT_EQ(node.open(), LogResult::OK);
  uint64_t now = 0;
  const auto run = [&](int frames) {
    for (int i = 0; i < frames; i++) {
      now += 10'000'000;
      if (node.append(2000, now) != LogResult::OK) return false;
    }
    return node.log.sync() == LogResult::OK;
  };
  ASSERT_TRUE(run(20));
  const uint64_t from = now - 10'000'000, to = now + 10'000'000;
  ASSERT_TRUE(node.log.pin(7, from, to));
  ASSERT_TRUE(run(200));
  const Pin *pin = node.log.find_pin(7);
  ASSERT_NE(pin, nullptr);
  EXPECT_GT(node.log.counters().skipped_slots, 0U);

  struct Collector final : FrameSink {
    bool frame(const Frame &frame) override {
      kinds.push_back(frame.header.kind);
      times.push_back(frame.header.mono_us);
      return true;
    }
    std::vector<Kind> kinds;
    std::vector<uint64_t> times;
  } sink;
  std::vector<uint8_t> room(3000);
  RingReader reader(node.log, node.cache, room);
  ASSERT_TRUE(copy_pinned(reader, *pin, sink));
  EXPECT_EQ(sink.kinds[0], Kind::SCHEMA);
  EXPECT_EQ(std::vector(sink.times.begin() + 1, sink.times.end()),
            (std::vector{from, from + 10'000'000, to}));

  node.log.unpin(7);
  ASSERT_TRUE(run(100));
  EXPECT_EQ(node.log.find_pin(7), nullptr);
}

TEST(Ring, TheKeeperCopiesBeforeTheRingWraps) {
  struct Keeper final : PinKeeper {
    void rescue(uint32_t pin_id) override {
      rescued.push_back(pin_id);
      log->unpin(pin_id);
    }
    RingLog *log{nullptr};
    std::vector<uint32_t> rescued;
  } keeper;
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4, &keeper);
  keeper.log = &node.log;
  ASSERT_EQ(node.open(), LogResult::OK);
  ASSERT_TRUE(node.log.pin(3, 0, 100));
  for (int i = 0; i < 300; i++) ASSERT_EQ(node.append(1000, 1'000'000'000), LogResult::OK);
  EXPECT_EQ(keeper.rescued, std::vector<uint32_t>{3});
}

TEST(Ring, WhenAllIsPinnedTheLogSaysThatItIsFull) {
  CardDevice card(3 * BLOCKS);
  Node node(card, 1, 3);
  ASSERT_EQ(node.open(), LogResult::OK);
  ASSERT_TRUE(node.log.pin(1, 0, ~uint64_t{0} / 2));
  LogResult result = LogResult::OK;
  for (int i = 0; i < 300 && result == LogResult::OK; i++) result = node.append(1000);
  EXPECT_EQ(result, LogResult::FULL);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  expect_kept(node.written, node.read(), node.log.durable());
  node.log.unpin(1);
  EXPECT_EQ(node.append(1000), LogResult::OK);
}

TEST(Ring, SlotsArePreparedInIdleTime) {
  CardDevice card(4 * BLOCKS, 0xFF);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  uint32_t most = 0;
  for (int i = 0; i < 200; i++) {
    const uint32_t before = card.writes;
    ASSERT_EQ(node.append(900), LogResult::OK);
    ASSERT_EQ(node.log.sync(), LogResult::OK);
    most = std::max(most, card.writes - before);
    ASSERT_EQ(node.log.prepare(1), LogResult::OK);
  }
  EXPECT_LE(most, 4U) << "a new segment costs no more than its first blocks";
}

TEST(Ring, ASegmentIsClosedAfterItsTime) {
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  ASSERT_EQ(node.append(10, 3'599'000'000), LogResult::OK);
  EXPECT_EQ(node.log.segment_from(1), std::nullopt);
  ASSERT_EQ(node.append(10, 3'601'000'000), LogResult::OK);
  EXPECT_EQ(node.log.segment_from(1), 1U);
}

TEST(Ring, ACardOfAnotherNodeIsNotContinued) {
  CardDevice card(4 * BLOCKS);
  Node other(card, 1, 4, nullptr, "house_2");
  ASSERT_EQ(other.open(), LogResult::OK);
  Node node(card, 2, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  EXPECT_EQ(node.log.previous(), std::nullopt);
  EXPECT_EQ(node.log.segment_from(1), 1U);
  EXPECT_EQ(node.read().size(), 4U) << "and not thrown away either";
}

TEST(Ring, AChangedCardGoesOnWithTheSequence) {
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  ASSERT_EQ(node.append(10), LogResult::OK);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  card.content().assign(card.content().size(), 0);
  node.log.forget_medium();
  EXPECT_EQ(node.append(10), LogResult::UNUSABLE);
  ASSERT_EQ(node.open(), LogResult::OK);
  ASSERT_EQ(node.append(10), LogResult::OK);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  const Log found = node.read();
  EXPECT_EQ(found.size(), 2U);
  EXPECT_TRUE(found.contains({1, 3}) && found.contains({1, 4})) << "schema and frame, numbered on";
}

TEST(Ring, UnreadableBlocksAreReportedAndCanBeSkipped) {
  CardDevice card(4 * BLOCKS);
  Node node(card, 1, 4);
  ASSERT_EQ(node.open(), LogResult::OK);
  for (int i = 0; i < 60; i++) ASSERT_EQ(node.append(800), LogResult::OK);
  ASSERT_EQ(node.log.sync(), LogResult::OK);
  card.unreadable = {3};
  std::vector<uint8_t> room(3000);
  RingReader reader(node.log, node.cache, room);
  Frame frame{};
  size_t frames = 0, skips = 0;
  for (RingReader::Step step = reader.next(frame); step != RingReader::Step::END && skips < 10;
       step = reader.next(frame)) {
    if (step == RingReader::Step::FRAME) {
      frames++;
    } else {
      skips++;
      reader.skip();
    }
  }
  EXPECT_GE(frames, 62U - 7);
  EXPECT_LT(skips, 10U);
}

TEST(Ring, TooSmallMediaAreRefused) {
  CardDevice card(2 * BLOCKS);
  Node node(card, 1, 4);
  EXPECT_EQ(node.open(), LogResult::UNUSABLE);
  CardDevice enough(4 * BLOCKS);
  Node large(enough, 1, 4);
  ASSERT_EQ(large.open(), LogResult::OK);
  EXPECT_EQ(large.append(BLOCKS * BLOCK_BYTES), LogResult::UNUSABLE);
}

}  // namespace
}  // namespace esphome::microgrid

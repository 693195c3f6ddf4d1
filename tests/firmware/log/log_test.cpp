// The log of a node in simulated time: what is told is on the medium, what is lost is told.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <random>
#include <set>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_event.h"
#include "esphome/components/microgrid_core/umg1_samples.h"
#include "rig.h"

namespace esphome::microgrid {
namespace {

using What = ReadRequest::What;

Frame frame_of(const std::vector<uint8_t> &bytes) {
  const auto frame = check_frame(bytes);
  if (!frame) throw std::runtime_error("not a frame");
  return *frame;
}

size_t count_of(const std::vector<std::vector<uint8_t>> &frames, Kind kind) {
  return static_cast<size_t>(std::count_if(frames.begin(), frames.end(), [kind](const auto &bytes) {
    return frame_of(bytes).header.kind == kind;
  }));
}

std::vector<Event> events_in(const std::vector<std::vector<uint8_t>> &frames) {
  static std::array<EventValue, 8> room;
  std::vector<Event> events;
  for (const auto &bytes : frames) {
    const Frame frame = frame_of(bytes);
    if (frame.header.kind == Kind::EVENT) events.push_back(read_event(after_clock(frame), room).value());
  }
  return events;
}

/// The frames of a boot have all numbers from `first` on, each once.
void expect_gapless(const std::vector<std::vector<uint8_t>> &frames, uint32_t boot_id, uint32_t first) {
  for (const auto &bytes : frames) {
    const FrameHeader header = frame_of(bytes).header;
    if (header.boot_id != boot_id) continue;
    ASSERT_EQ(header.seq, first);
    first++;
  }
}

class LogTest : public testing::Test {
 protected:
  TemporaryFolder folder;
  TroubledMedium medium{folder.path + "/card"};
};

// ------------------------------------------------------------------------------------------------- in health

TEST_F(LogTest, what_was_sampled_is_in_the_log) {
  Rig rig(this->medium, 77);
  ASSERT_TRUE(rig.ok);
  rig.run(130);
  const auto frames = rig.frames();
  expect_gapless(frames, 77, 0);
  EXPECT_EQ(frame_of(frames[0]).header.kind, Kind::SCHEMA);
  EXPECT_EQ(frame_of(frames[1]).header.kind, Kind::BOOT);
  EXPECT_EQ(count_of(frames, Kind::FAST), 10U);
  EXPECT_EQ(count_of(frames, Kind::SLOW), 2U);
  EXPECT_EQ(count_of(frames, Kind::TIMESYNC), 3U);
  const LogHealth health = rig.log.health();
  EXPECT_EQ(health.card, CardState::OK);
  EXPECT_EQ(health.errors, 0U);
  EXPECT_EQ(health.lost_frames, 0U);
  EXPECT_EQ(health.refused_records, 0U);
  EXPECT_TRUE(health.durable_known);
  EXPECT_EQ(health.durable.seq + 1, frames.size());
  uint32_t writes = 0;
  for (const uint32_t count : health.write_latency) writes += count;
  EXPECT_EQ(writes, this->medium.written.size());
}

TEST_F(LogTest, an_event_is_told_when_it_is_in_the_log_and_not_before) {
  Rig rig(this->medium, 77);
  rig.run(1);
  rig.raise("F005");
  EXPECT_TRUE(rig.told.empty());
  rig.run(0.1);
  ASSERT_EQ(rig.told.size(), 1U);
  EXPECT_EQ(rig.told[0].event.code.view(), "F005");
  const auto frames = rig.frames();
  const Frame frame = frame_of(frames.at(rig.told[0].seq));
  std::array<EventValue, 8> room{};
  const Event event = read_event(after_clock(frame), room).value();
  EXPECT_EQ(event.event_id, "north.3:0000004d:0");
  EXPECT_EQ(event.values[0].integer, 49'000);
  EXPECT_EQ(frame.header.utc_us, rig.told[0].event.utc_us);
}

TEST_F(LogTest, frames_of_others_are_logged_as_they_are) {
  LogSettings settings = small_settings();
  settings.foreign_bytes = 4096;
  settings.max_foreign_frame = 1024;
  Rig rig(this->medium, 77, SECOND_US, settings);
  std::array<uint8_t, 300> room{};
  FrameBuilder builder(room,
                       {.kind = Kind::SUMMARY, .mono_us = 5, .utc_us = 6, .schema_hash = 7, .clock = {}});
  builder.text("house-9");
  builder.u32(1000);
  ASSERT_TRUE(rig.log.record(builder.finish()));
  rig.run(3);
  const auto frames = rig.frames();
  EXPECT_EQ(count_of(frames, Kind::SUMMARY), 1U);
  const std::vector<uint8_t> too_long(5000);
  EXPECT_FALSE(rig.log.record(std::span(too_long)));
  rig.run(0.1);
  EXPECT_EQ(rig.log.health().refused_records, 1U);
}

TEST_F(LogTest, reading_goes_on_behind_a_position_and_from_what_was_acknowledged) {
  MapStorage storage;
  const auto all = [&] {
    Rig rig(this->medium, 77, SECOND_US, small_settings(), &storage);
    rig.run(30);
    auto frames = rig.frames();
    EXPECT_EQ(rig.frames(Position{77, 3}).size(), frames.size() - 4);
    EXPECT_EQ(rig.ask({.what = What::ACKNOWLEDGE, .position = {77, 1000}}).status, ReadStatus::UNKNOWN);
    EXPECT_EQ(rig.ask({.what = What::ACKNOWLEDGE, .position = {77, 4}}).status, ReadStatus::OK);
    EXPECT_EQ(rig.ask({.what = What::ACKNOWLEDGE, .position = {77, 2}}).status,
              ReadStatus::OK);  // late repetition
    EXPECT_EQ(rig.frames().size(), frames.size() - 5);
    std::array<uint8_t, 50> little{};
    EXPECT_EQ(rig.ask({.what = What::LOG_AFTER, .position = {77, 1}}, little).status, ReadStatus::FAILED);
    rig.run(2);
    return rig.frames();
  }();
  EXPECT_EQ(storage.saves, 1);
  Rig rig(this->medium, 78, SECOND_US, small_settings(), &storage);
  rig.run(1);
  const auto frames = rig.frames();
  ASSERT_GT(frames.size(), all.size());
  EXPECT_TRUE(std::equal(all.begin(), all.end(), frames.begin()));
  expect_gapless(frames, 78, 0);
  EXPECT_EQ(rig.frames(Position{5, 5}).size(),
            frames.size() + 5);  // a boot that is not there: from the oldest on
}

TEST_F(LogTest, acknowledgements_are_saved_once_a_minute_at_most) {
  MapStorage storage;
  Rig rig(this->medium, 77, SECOND_US, small_settings(), &storage);
  for (uint32_t i = 0; i < 130; i++) {
    rig.run(1);
    if (rig.log.health().durable_known)
      rig.ask({.what = What::ACKNOWLEDGE, .position = rig.log.health().durable});
  }
  EXPECT_GE(storage.saves, 2);
  EXPECT_LE(storage.saves, 3);
}

// ------------------------------------------------------------------------------------------------- full, bad

TEST_F(LogTest, a_full_medium_says_exactly_what_it_lost) {
  LogSettings settings = small_settings();
  settings.log_slots = 4;
  settings.log_slot_blocks = 5;
  Rig rig(this->medium, 77, SECOND_US, settings);
  rig.run(1);
  rig.ask({.what = What::ACKNOWLEDGE, .position = {77, 1}});
  std::set<uint32_t> seen;
  std::vector<LostRange> told;
  uint32_t read_until = 1;
  while (told.size() < 3 && rig.now_us < 3600 * SECOND_US) {
    rig.run(20);
    for (const auto &event : rig.told) {
      if (event.event.type == EventType::OVERFLOW_ && (told.empty() || !(told.back() == event.event.lost)))
        told.push_back(event.event.lost);
    }
    rig.told.clear();
  }
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[0].first_seq, 2U);
  for (const LostRange &lost : told) {
    EXPECT_EQ(lost.boot_id, 77U);
    EXPECT_EQ(lost.first_seq, read_until + 1);  // no gap between the ranges
    read_until = lost.last_seq;
  }
  const auto frames = rig.frames();
  ASSERT_EQ(frame_of(frames[0]).header.seq, read_until + 1);  // nothing told to be lost is there, all else is
  expect_gapless(frames, 77, read_until + 1);
  EXPECT_EQ(rig.log.health().lost_frames, read_until - 1);
  EXPECT_EQ(rig.log.health().free_permille, 0);
}

TEST_F(LogTest, what_is_acknowledged_is_overwritten_without_a_word) {
  LogSettings settings = small_settings();
  settings.log_slots = 4;
  settings.log_slot_blocks = 5;
  Rig rig(this->medium, 77, SECOND_US, settings);
  for (int i = 0; i < 60; i++) {
    rig.run(20);
    rig.ask({.what = What::ACKNOWLEDGE, .position = rig.log.health().durable});
  }
  EXPECT_GT(frame_of(rig.frames(Position{1, 1})[0]).header.seq, 0U);  // it came round
  EXPECT_EQ(rig.log.health().lost_frames, 0U);
  EXPECT_GE(rig.log.health().free_permille, 500);
  EXPECT_TRUE(rig.told.empty());
}

TEST_F(LogTest, single_failures_are_passed_over) {
  Rig rig(this->medium, 77);
  std::mt19937 random(3);
  for (int i = 0; i < 40; i++) {
    this->medium.failing_writes = static_cast<int>(random() % 4);
    rig.run(3);
    rig.raise();
  }
  rig.run(5);
  const auto frames = rig.frames();
  expect_gapless(frames, 77, 0);
  EXPECT_EQ(events_in(frames).size(), 40U);
  EXPECT_EQ(this->medium.mounts, 1);
  EXPECT_GT(rig.log.health().errors, 0U);
  EXPECT_EQ(rig.log.health().lost_frames, 0U);
}

TEST_F(LogTest, a_medium_that_is_taken_out_and_put_back_has_everything) {
  Rig rig(this->medium, 77);
  rig.run(20);
  this->medium.out = true;
  rig.run(3);
  EXPECT_EQ(rig.log.health().card, CardState::FAILING);
  const NodeEvent event = rig.raise("F002");
  rig.run(25);
  EXPECT_EQ(rig.log.health().card, CardState::MISSING);
  EXPECT_EQ(rig.log.complaint().view(), "no card");
  ASSERT_EQ(rig.told.size(), 2U);  // without a place in the log, but not withheld
  EXPECT_EQ(rig.told[0].event.key, event.key);
  EXPECT_EQ(rig.told[0].seq, event.key.number);
  EXPECT_EQ(rig.told[1].event.code.view(), "CARD_FAILED");
  EXPECT_EQ(rig.told[1].event.state, EventState::RAISED);
  EXPECT_EQ(rig.ask({.what = What::LOG_FROM_START}).status, ReadStatus::FAILED);
  this->medium.out = false;
  rig.run(30);
  EXPECT_EQ(rig.log.health().card, CardState::OK);
  ASSERT_EQ(rig.told.size(), 3U);
  EXPECT_EQ(rig.told[2].event.state, EventState::CLEARED);
  const auto frames = rig.frames();
  expect_gapless(frames, 77, 0);
  EXPECT_EQ(events_in(frames).size(), 3U);
  EXPECT_EQ(count_of(frames, Kind::FAST), 6U);
  EXPECT_EQ(rig.log.health().lost_frames, 0U);
}

TEST_F(LogTest, without_a_medium_the_newest_frames_are_kept_and_the_others_counted) {
  this->medium.out = true;
  Rig rig(this->medium, 77);
  rig.run(1200);
  EXPECT_EQ(rig.log.health().card, CardState::MISSING);
  this->medium.out = false;
  rig.run(20);
  const auto frames = rig.frames();
  uint32_t lost = 0;
  for (const Event &event : events_in(frames)) {
    if (event.type != EventType::OVERFLOW_) continue;
    EXPECT_EQ(event.lost.boot_id, 77U);
    EXPECT_EQ(event.lost.first_seq, 2U);  // behind schema and boot
    lost = event.lost.last_seq - 1;
  }
  EXPECT_GT(lost, 20U);
  EXPECT_EQ(rig.log.health().lost_frames, lost);
  expect_gapless({frames.begin() + 2, frames.end()}, 77, lost + 2);
  // Fast frames of 20 minutes are 100, slow ones 20: what is neither here nor told to be lost does not exist.
  EXPECT_EQ(
      count_of(frames, Kind::FAST) + count_of(frames, Kind::SLOW) + count_of(frames, Kind::TIMESYNC) + lost,
      101U + 20U + 21U);
}

TEST_F(LogTest, a_medium_that_mounts_but_takes_nothing_is_given_up_again) {
  Rig rig(this->medium, 77);
  rig.run(20);
  this->medium.failing_writes = 1'000'000;
  rig.run(60);
  EXPECT_GE(this->medium.mounts, 3);
  EXPECT_EQ(rig.log.health().card, CardState::FAILING);
  this->medium.failing_writes = 0;
  rig.run(40);
  EXPECT_EQ(rig.log.health().card, CardState::OK);
  expect_gapless(rig.frames(), 77, 0);
  EXPECT_EQ(rig.log.health().lost_frames, 0U);
  rig.trigger(rig.raise());
  rig.run(15);
  EXPECT_EQ(rig.snapshots().at(0).state, StoredState::COMPLETE);
}

TEST_F(LogTest, another_medium_says_what_the_first_one_took_along) {
  Rig rig(this->medium, 77);
  rig.run(50);
  const uint32_t written = rig.log.health().next_seq;
  rig.ask({.what = What::ACKNOWLEDGE, .position = {77, 2}});
  this->medium.out = true;
  rig.run(20);
  this->medium.exchange(this->folder.path + "/other");
  this->medium.out = false;
  rig.run(30);
  const auto frames = rig.frames();
  bool told = false;
  for (const Event &event : events_in(frames)) {
    if (event.type != EventType::OVERFLOW_) continue;
    told = true;
    EXPECT_EQ(event.lost.first_seq, 3U);
    EXPECT_GE(event.lost.last_seq + 1, written);
    expect_gapless(frames, 77, event.lost.last_seq + 1);
  }
  EXPECT_TRUE(told);
  // The first one comes back: its frames are old, and no number has two contents.
  std::map<uint32_t, std::vector<uint8_t>> contents;
  for (const auto &bytes : frames) contents[frame_of(bytes).header.seq] = bytes;
  this->medium.out = true;
  rig.run(20);
  this->medium.exchange(this->folder.path + "/card");
  this->medium.out = false;
  rig.run(30);
  for (const auto &bytes : rig.frames(Position{1, 1})) {
    const uint32_t seq = frame_of(bytes).header.seq;
    if (contents.contains(seq)) {
      EXPECT_EQ(contents[seq], bytes) << seq;
    }
  }
}

TEST_F(LogTest, a_disk_without_room_is_said_to_be_so) {
  // A limit of the process stands for the end of the disk, which a test better leaves alone.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 3'000'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Rig rig(this->medium, 77);
  rig.run(3);
  EXPECT_EQ(rig.log.health().card, CardState::FAILING);
  const auto complaint = rig.log.complaint();
  EXPECT_NE(complaint.view().find("snapshots.umg needs 4 MB: make room or keep less"), std::string_view::npos)
      << complaint.view();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old_handler);
  rig.run(10);
  EXPECT_EQ(rig.log.health().card, CardState::OK);
  expect_gapless(rig.frames(), 77, 0);
}

TEST_F(LogTest, without_the_folder_around_it_a_folder_is_missing) {
  FolderMedium nowhere(this->folder.path + "/not/there");
  EXPECT_EQ(nowhere.mount({4, 4, 4}), CardState::MISSING);
  EXPECT_NE(nowhere.complaint().find("/not/there cannot be created"), std::string_view::npos);
}

// ------------------------------------------------------------------------------------------------- snapshots

struct Read {
  std::vector<Frame> frames;
  Snapshot snapshot;
  uint64_t samples_from_us{~uint64_t{0}};
  uint64_t samples_until_us{0};
  size_t can_frames{0};
};

/// Everything of an object, numbers checked; `bytes` must stay.
Read read_object(const std::vector<uint8_t> &bytes, uint32_t first_seq) {
  Read read;
  FrameScanner scanner(bytes);
  uint32_t seq = first_seq;
  size_t size = 0;
  while (const auto frame = scanner.next()) {
    EXPECT_EQ(frame->header.seq, seq++);
    size += frame->bytes.size();
    read.frames.push_back(*frame);
    if (frame->header.kind == Kind::SNAPSHOT) read.snapshot = read_snapshot(after_clock(*frame)).value();
    if (frame->header.kind == Kind::FAST) {
      if (read.samples_until_us != 0) {
        EXPECT_EQ(frame->header.mono_us, read.samples_until_us);
      }
      read.samples_from_us = std::min(read.samples_from_us, frame->header.mono_us);
      read.samples_until_us = frame->header.mono_us + SECOND_US;
      auto samples = open_samples(*frame).value();
      const Schema schema{.node = "", .cluster = "", .channels = HOUSE_CAPTURE};
      for (int block = 0; block < samples.blocks; block++) {
        const auto one = read_block(samples.in, schema, samples.span_ms);
        EXPECT_EQ(one.value().present, 100);
      }
    }
    if (frame->header.kind == Kind::CAN) {
      CanReader can(*frame);
      while (can.next()) read.can_frames++;
      EXPECT_TRUE(can.ok());
    }
  }
  EXPECT_EQ(size, bytes.size());
  return read;
}

TEST_F(LogTest, a_snapshot_has_ten_seconds_before_and_after) {
  Rig rig(this->medium, 77);
  rig.run(75);
  const NodeEvent event = rig.raise("F001");
  rig.trigger(event);
  rig.run(1);
  ASSERT_EQ(rig.snapshots().size(), 1U);
  EXPECT_EQ(rig.snapshots()[0].state, StoredState::RECORDING);
  EXPECT_EQ(rig.snapshots()[0].object, 0U);
  rig.run(14);
  const auto stored = rig.snapshots();
  ASSERT_EQ(stored.size(), 2U);
  EXPECT_EQ(stored[0].part, SnapshotPart::MEASURED);
  EXPECT_EQ(stored[1].part, SnapshotPart::TRAFFIC);
  for (const StoredSnapshot &one : stored) {
    EXPECT_EQ(one.state, StoredState::COMPLETE);
    EXPECT_EQ(one.key, event.key);
    EXPECT_EQ(one.node, 3);
    EXPECT_EQ(one.code.view(), "F001");
  }
  const auto measured = rig.bytes_of(stored[0]), traffic = rig.bytes_of(stored[1], 4097);
  EXPECT_EQ(measured.size(), stored[0].bytes);
  EXPECT_EQ(crc32(measured), stored[0].crc);
  EXPECT_EQ(crc32(traffic), stored[1].crc);
  EXPECT_LT(measured.size(), 20'000U);

  const Read of_measured = read_object(measured, 0);
  EXPECT_EQ(of_measured.snapshot.event_id, "north.3:0000004d:0");
  EXPECT_EQ(of_measured.snapshot.origin, "house-3");
  EXPECT_EQ(of_measured.snapshot.trigger_mono_us, event.mono_us);
  EXPECT_EQ(of_measured.snapshot.before_ms, 10'000U);
  EXPECT_EQ(of_measured.snapshot.state, SnapshotState::COMPLETE);
  EXPECT_LE(of_measured.samples_from_us, event.mono_us - 10 * SECOND_US);
  EXPECT_GE(of_measured.samples_until_us, event.mono_us + 10 * SECOND_US);
  EXPECT_LE(of_measured.samples_until_us - of_measured.samples_from_us, 22 * SECOND_US);
  const auto has = [&of_measured](Kind kind) {
    return std::count_if(of_measured.frames.begin(), of_measured.frames.end(),
                         [kind](const Frame &frame) { return frame.header.kind == kind; });
  };
  EXPECT_EQ(has(Kind::SCHEMA), 2);
  EXPECT_EQ(has(Kind::SLOW), 1);
  EXPECT_EQ(has(Kind::EVENT), 1);
  const Read of_traffic = read_object(traffic, static_cast<uint32_t>(of_measured.frames.size()));
  EXPECT_GE(of_traffic.can_frames, 20U * 400);
  EXPECT_LE(of_traffic.can_frames, 22U * 400);

  EXPECT_EQ(rig.ask({.what = What::FORGET_SNAPSHOT, .node = 3, .key = event.key}).status, ReadStatus::OK);
  EXPECT_TRUE(rig.snapshots().empty());
  EXPECT_EQ(rig.ask({.what = What::FORGET_SNAPSHOT, .node = 3, .key = event.key}).status,
            ReadStatus::UNKNOWN);
  EXPECT_EQ(rig.ask({.what = What::SNAPSHOT_BYTES, .object = stored[0].object}).status, ReadStatus::UNKNOWN);
}

TEST_F(LogTest, overlapping_triggers_prolong_each_other_to_a_minute) {
  Rig rig(this->medium, 77);
  rig.run(20);
  std::vector<NodeEvent> events;
  for (int i = 0; i < 4; i++) {
    events.push_back(rig.raise("F00" + std::to_string(i + 1)));
    rig.trigger(events.back());
    rig.run(8);
  }
  rig.run(30);
  const auto stored = rig.snapshots();
  ASSERT_EQ(stored.size(), 8U);
  for (size_t i = 0; i < 4; i++) {
    const StoredSnapshot &one = stored[6 - 2 * i];
    const auto bytes = rig.bytes_of(one);
    const Read read = read_object(bytes, 0);
    EXPECT_EQ(one.key, events[i].key);
    EXPECT_EQ(one.state, i < 3 ? StoredState::EXTENDED : StoredState::COMPLETE);
    const uint64_t end_us = std::min(events[3].mono_us, events[i].mono_us + 40 * SECOND_US) + 10 * SECOND_US;
    EXPECT_LE(read.samples_from_us, events[i].mono_us - 10 * SECOND_US);
    EXPECT_GE(read.samples_until_us, end_us);
    EXPECT_LE(read.samples_until_us, end_us + 2 * SECOND_US);
    EXPECT_EQ(read.snapshot.after_ms, (end_us - events[i].mono_us) / 1000);
  }
}

TEST_F(LogTest, a_snapshot_never_gets_longer_than_a_minute) {
  Rig rig(this->medium, 77);
  rig.run(20);
  const NodeEvent event = rig.raise();
  const uint64_t trigger_us = event.mono_us;
  for (int i = 0; i < 12; i++) {
    NodeEvent again = event;
    again.mono_us = rig.now_us;
    rig.trigger(again);  // the same key moves the end
    rig.run(6);
  }
  rig.run(5);
  const auto stored = rig.snapshots();
  ASSERT_FALSE(stored.empty());
  const StoredSnapshot oldest = stored[stored.size() - 2];
  EXPECT_EQ(oldest.state, StoredState::EXTENDED);
  const auto bytes = rig.bytes_of(oldest);
  EXPECT_EQ(read_object(bytes, 0).snapshot.after_ms, 50'000U);
  EXPECT_EQ(read_object(bytes, 0).snapshot.trigger_mono_us, trigger_us);
}

TEST_F(LogTest, a_snapshot_waits_for_its_name) {
  Rig rig(this->medium, 77);
  rig.run(20);
  rig.log.keep({.key = {.node = 5, .boot_id = 0, .number = 17},
                .code = EventCode{"F010"},
                .trigger_mono_us = rig.now_us,
                .trigger_utc_us = 0});
  rig.run(5);
  rig.log.name_snapshot(5, 17, 0x5f2a10c4);
  rig.run(9);
  const auto stored = rig.snapshots();
  ASSERT_EQ(stored.size(), 2U);
  const auto bytes = rig.bytes_of(stored[0]);
  EXPECT_EQ(read_object(bytes, 0).snapshot.event_id, "north.5:5f2a10c4:17");
  EXPECT_EQ(read_object(bytes, 0).snapshot.origin, "5");
}

TEST_F(LogTest, what_was_being_recorded_at_a_restart_is_completed_as_far_as_it_goes) {
  uint64_t trigger_us = 0;
  EventKey key;
  {
    Rig rig(this->medium, 77);
    rig.run(30);
    const NodeEvent event = rig.raise();
    rig.trigger(event);
    trigger_us = event.mono_us;
    key = event.key;
    rig.run(6);
  }
  Rig rig(this->medium, 78);
  rig.run(3);
  const auto stored = rig.snapshots();
  ASSERT_EQ(stored.size(), 2U);
  EXPECT_EQ(stored[0].key, key);
  EXPECT_EQ(stored[0].state, StoredState::PARTIAL);
  const auto bytes = rig.bytes_of(stored[0]);
  const Read read = read_object(bytes, 0);
  EXPECT_EQ(read.frames[0].header.boot_id, 77U);
  EXPECT_EQ(read.snapshot.state, SnapshotState::PARTIAL);
  EXPECT_LE(read.samples_from_us, trigger_us - 10 * SECOND_US);
  EXPECT_GE(read.samples_until_us, trigger_us + 3 * SECOND_US);
  EXPECT_EQ(rig.log.health().refused_records, 0U);
}

TEST_F(LogTest, all_that_a_restart_interrupts_is_completed_beside_new_triggers) {
  {
    Rig rig(this->medium, 77);
    rig.run(20);
    for (int i = 0; i < 6; i++) {
      rig.trigger(rig.raise());
      rig.run(1);
    }
  }
  Rig rig(this->medium, 78);
  rig.trigger(rig.raise());
  rig.run(16);
  std::map<uint32_t, std::set<StoredState>> states;
  for (const StoredSnapshot &one : rig.snapshots()) states[one.key.boot_id].insert(one.state);
  EXPECT_EQ(rig.snapshots().size(), 14U);
  EXPECT_EQ(states[77], std::set{StoredState::PARTIAL});
  EXPECT_EQ(states[78], std::set{StoredState::PARTIAL});  // the node had just started
}

TEST_F(LogTest, too_many_triggers_are_counted) {
  Rig rig(this->medium, 77);
  EXPECT_EQ(rig.log.health().snapshots_free, 0) << "there is no card yet";
  rig.run(20);
  for (int i = 0; i < 7; i++) {
    EXPECT_EQ(rig.log.health().snapshots_free, std::max(6 - i, 0));
    rig.trigger(rig.raise());
    rig.run(0.1);
  }
  EXPECT_EQ(rig.log.health().refused_records, 1U);
  rig.run(15);
  EXPECT_EQ(rig.log.health().snapshots_free, 6);
  EXPECT_EQ(rig.snapshots().size(), 12U);
}

TEST_F(LogTest, a_trigger_while_the_card_fails_survives_its_return) {
  Rig rig(this->medium, 77);
  rig.run(30);
  this->medium.out = true;
  rig.run(12);
  for (int i = 0; i < 5; i++) {  // more often than the ring in RAM has places
    rig.trigger(rig.raise());
    rig.run(40);
    EXPECT_EQ(rig.snapshots().size(), 1U);
    this->medium.out = false;
    rig.run(12);
    EXPECT_EQ(rig.log.health().card, CardState::OK);
    this->medium.out = true;
    rig.run(12);
  }
}

TEST_F(LogTest, without_a_medium_a_snapshot_is_kept_in_ram) {
  this->medium.out = true;
  Rig rig(this->medium, 77);
  rig.run(40);
  const NodeEvent event = rig.raise();
  rig.trigger(event);
  rig.run(16);
  const auto stored = rig.snapshots();
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].state, StoredState::PARTIAL);
  const auto bytes = rig.bytes_of(stored[0]);
  EXPECT_EQ(crc32(bytes), stored[0].crc);
  const Read read = read_object(bytes, 0);
  EXPECT_LE(read.samples_from_us, event.mono_us - 10 * SECOND_US);
  EXPECT_GE(read.samples_until_us, event.mono_us + 10 * SECOND_US);
  this->medium.out = false;
  rig.run(12);
  EXPECT_EQ(rig.log.health().card, CardState::OK);
  EXPECT_EQ(rig.bytes_of(rig.snapshots().at(0)), bytes);
}

TEST_F(LogTest, lost_traffic_makes_a_snapshot_partial) {
  Rig rig(this->medium, 77);
  rig.run(20);
  rig.trigger(rig.raise());
  rig.run(2);
  for (uint32_t i = 0; i < 2000; i++)
    rig.log.record(CanFrame{.identifier = i % 16, .mono_us = rig.now_us, .length = 0, .data = {}});
  rig.run(13);
  ASSERT_EQ(rig.snapshots().size(), 2U);
  EXPECT_EQ(rig.snapshots()[0].state, StoredState::PARTIAL);
  EXPECT_GT(rig.log.health().refused_records, 0U);
}

TEST_F(LogTest, slots_are_used_again_forgotten_ones_first_then_the_oldest) {
  Rig rig(this->medium, 77);
  rig.run(12);
  std::vector<EventKey> keys;
  for (int i = 0; i < 8; i++) {
    const NodeEvent event = rig.raise();
    rig.trigger(event);
    keys.push_back(event.key);
    rig.run(25);
  }
  EXPECT_EQ(rig.snapshots().size(), 16U);
  rig.ask({.what = What::FORGET_SNAPSHOT, .node = 3, .key = keys[4]});
  const auto left = [&] {
    std::set<uint32_t> numbers;
    for (const StoredSnapshot &one : rig.snapshots()) numbers.insert(one.key.number);
    return numbers;
  };
  rig.trigger(rig.raise());
  rig.run(25);
  EXPECT_EQ(left(), (std::set<uint32_t>{0, 1, 2, 3, 5, 6, 7, 8}));
  rig.trigger(rig.raise());
  rig.run(25);
  EXPECT_EQ(left(), (std::set<uint32_t>{1, 2, 3, 5, 6, 7, 8, 9}));
}

TEST_F(LogTest, a_snapshot_of_another_node_is_received_across_a_restart) {
  std::mt19937 random(5);
  std::vector<uint8_t> bytes(70'000);
  for (uint8_t &byte : bytes) byte = static_cast<uint8_t>(random());
  const StoredSnapshot wanted{.object = 0,
                              .node = 7,
                              .part = SnapshotPart::MEASURED,
                              .state = StoredState::EXTENDED,
                              .key = {.node = 5, .boot_id = 6, .number = 9},
                              .code = EventCode{"F020"},
                              .bytes = static_cast<uint32_t>(bytes.size()),
                              .crc = crc32(bytes)};
  const auto keep = [&](Rig &rig, uint32_t &object, size_t from, size_t until) {
    while (from < until) {
      const size_t some = std::min<size_t>(3000, until - from);
      const ReadReply reply =
          rig.ask({.what = What::KEEP_BYTES, .object = object, .offset = static_cast<uint32_t>(from)},
                  std::span(bytes).subspan(from, some));
      ASSERT_EQ(reply.status, ReadStatus::OK);
      from = reply.bytes;
    }
  };
  uint32_t object = 0;
  {
    Rig rig(this->medium, 77);
    rig.run(1);
    const ReadReply begun = rig.ask({.what = What::KEEP_SNAPSHOT, .snapshot = wanted});
    ASSERT_EQ(begun.status, ReadStatus::OK);
    EXPECT_EQ(begun.bytes, 0U);
    object = begun.object;
    keep(rig, object, 0, 50'000);
    EXPECT_EQ(
        rig.ask({.what = What::KEEP_BYTES, .object = object, .offset = 7}, std::span(bytes).first(10)).bytes,
        50'000U);
    EXPECT_EQ(rig.snapshots().at(0).state, StoredState::RECORDING);
  }
  Rig rig(this->medium, 78);
  rig.run(1);
  const ReadReply resumed = rig.ask({.what = What::KEEP_SNAPSHOT, .snapshot = wanted});
  EXPECT_EQ(resumed.object, object);
  EXPECT_GE(resumed.bytes, 48'000U);
  EXPECT_LE(resumed.bytes, 50'000U);
  keep(rig, object, resumed.bytes, bytes.size());
  const auto stored = rig.snapshots();
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].state, StoredState::EXTENDED);
  EXPECT_EQ(stored[0].node, 7);
  EXPECT_EQ(rig.bytes_of(stored[0]), bytes);
  // Damaged on the way: it begins again.
  StoredSnapshot other = wanted;
  other.key.number = 10;
  other.crc++;
  object = rig.ask({.what = What::KEEP_SNAPSHOT, .snapshot = other}).object;
  keep(rig, object, 0, 69'000);
  const ReadReply end = rig.ask({.what = What::KEEP_BYTES, .object = object, .offset = 69'000},
                                std::span(bytes).subspan(69'000));
  EXPECT_EQ(end.status, ReadStatus::FAILED);
  EXPECT_EQ(rig.ask({.what = What::KEEP_SNAPSHOT, .snapshot = other}).bytes, 0U);
}

// ------------------------------------------------------------------------------------------------- questions

TEST_F(LogTest, any_question_gets_an_answer) {
  std::mt19937 random(11);
  Rig rig(this->medium, 77);
  rig.run(12);
  rig.trigger(rig.raise());
  rig.run(15);
  std::vector<uint8_t> room(6000);
  for (int i = 0; i < 3000; i++) {
    const auto some = [&random](uint32_t likely) {
      const auto number = static_cast<uint32_t>(random());
      return random() % 3 == 0 ? number : number % likely;
    };
    ReadRequest request{
        .what = static_cast<What>(random() % 8),
        .position = {random() % 2 == 0 ? 77U : some(100), some(60)},
        .object = some(20),
        .offset = some(12'000),
        .node = static_cast<uint8_t>(some(16)),
        .key = {.node = static_cast<uint8_t>(some(16)), .boot_id = some(80), .number = some(4)},
        .snapshot = {.object = some(9),
                     .node = static_cast<uint8_t>(some(5)),
                     .part = static_cast<SnapshotPart>(random() % 2),
                     .state = StoredState::COMPLETE,
                     .key = {.node = 1, .boot_id = 2, .number = some(9)},
                     .code = EventCode{"F001"},
                     .bytes = some(9000),
                     .crc = some(5)}};
    const ReadReply reply = rig.ask(request, std::span(room).first(random() % room.size()));
    ASSERT_FALSE(rig.log.bus_port().busy()) << "question " << i << " was not answered";
    ASSERT_LE(reply.bytes, 2'000'000U);
  }
  rig.run(30);
  expect_gapless(rig.frames(Position{1, 1}), 77, 0);
}

TEST(ReadPort, takes_one_question_at_a_time) {
  ReadPort port;
  EXPECT_FALSE(port.busy());
  EXPECT_EQ(port.asked(), nullptr);
  EXPECT_TRUE(port.ask({.what = ReadRequest::What::SNAPSHOTS}));
  EXPECT_FALSE(port.ask({}));
  EXPECT_FALSE(port.reply());
  ASSERT_NE(port.asked(), nullptr);
  port.answer({.status = ReadStatus::OK, .count = 3});
  EXPECT_EQ(port.asked(), nullptr);
  EXPECT_TRUE(port.busy());
  EXPECT_EQ(port.reply().value().count, 3U);
  EXPECT_FALSE(port.busy());
}

TEST(FrameQueue, keeps_what_is_not_durable_and_lets_the_oldest_go) {
  std::array<uint8_t, 400> memory{};
  FrameQueue queue(memory);
  const auto frame = [](uint32_t seq) {
    std::array<uint8_t, 96> bytes{};
    store(bytes.data() + 12, seq);
    return bytes;
  };
  for (uint32_t seq = 0; seq < 4; seq++) EXPECT_EQ(queue.push(frame(seq)), 0U);
  EXPECT_EQ(queue.push(frame(4)), 1U);
  queue.placed();  // 1
  queue.placed();  // 2
  queue.durable(1);
  EXPECT_EQ(queue.unplace(1), 0U);
  EXPECT_EQ(load<uint32_t>(queue.next().data() + 12), 2U);
  queue.placed();
  EXPECT_EQ(queue.push(frame(5)), 0U);
  EXPECT_EQ(queue.push(frame(6)), 0U);  // 2 goes, which had a place
  EXPECT_EQ(queue.unplace(std::nullopt), 1U);
  EXPECT_EQ(load<uint32_t>(queue.next().data() + 12), 3U);
  EXPECT_EQ(queue.push(std::array<uint8_t, 500>{}), 1U);
}

TEST(TrafficQueue, gives_back_what_was_put_in) {
  TrafficQueue queue;
  std::mt19937 dice(5);
  uint64_t at_us = 99'000'000'000'120;
  for (int round = 0; round < 50; round++) {
    std::vector<CanFrame> frames;
    for (int i = 0; i < 300; i++) {
      // Mostly a little later; stamps of two sources may be out of order, and a bus may be silent for long.
      at_us += dice() % 100 == 0 ? dice() % 20'000'000'000 : dice() % 3000;
      const uint64_t stamp_us = at_us - dice() % 500;
      const uint32_t identifier = dice() % 8 == 0 ? CAN_EXTENDED | dice() % 0x2000'0000 : dice() % 0x800;
      CanFrame frame{.identifier = identifier,
                     .mono_us = stamp_us,
                     .length = static_cast<uint8_t>(dice() % 9),
                     .data = {}};
      for (uint8_t byte = 0; byte < frame.length; byte++) frame.data[byte] = static_cast<uint8_t>(dice());
      ASSERT_TRUE(queue.push(frame));
      frames.push_back(frame);
    }
    for (const CanFrame &frame : frames) {
      const auto back = queue.pop();
      ASSERT_TRUE(back);
      EXPECT_EQ(back->mono_us, frame.mono_us / 10 * 10);
      EXPECT_EQ(back->identifier, frame.identifier);
      EXPECT_EQ(back->length, frame.length);
      EXPECT_EQ(back->data, frame.data);
    }
    EXPECT_FALSE(queue.pop());
  }
}

TEST(TrafficQueue, holds_a_second_of_four_houses) {
  TrafficQueue queue;
  CanFrame frame{.identifier = 0x123, .mono_us = 5'000'000, .length = 8, .data = {}};
  int taken = 0;
  for (; queue.push(frame); taken++) frame.mono_us += 1552;
  EXPECT_GE(taken, 644);
  EXPECT_EQ(queue.refused(), 1U);
  // What was refused does not disturb the times of what follows.
  ASSERT_TRUE(queue.pop());
  frame.mono_us += 1'000'000;
  ASSERT_TRUE(queue.push(frame));
  for (int i = 1; i < taken; i++)
    ASSERT_EQ(queue.pop()->mono_us, (5'000'000U + 1552U * static_cast<unsigned>(i)) / 10 * 10);
  EXPECT_EQ(queue.pop()->mono_us, frame.mono_us / 10 * 10);
}

}  // namespace
}  // namespace esphome::microgrid

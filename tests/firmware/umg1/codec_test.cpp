// The codec: blocks, frames, schema, records and bus traffic come back as they went in, and nothing hostile
// gets through.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "build_frames.h"
#include "esphome/components/microgrid_core/umg1_can.h"
#include "esphome/components/microgrid_core/umg1_event.h"
#include "esphome/components/microgrid_core/umg1_segment.h"
#include "house.h"

namespace esphome::microgrid {
namespace {

constexpr int32_t MIN = std::numeric_limits<int32_t>::min();
constexpr int32_t MAX = std::numeric_limits<int32_t>::max();

Bytes of(std::string_view text) { return {reinterpret_cast<const uint8_t *>(text.data()), text.size()}; }

constexpr std::array<Channel, 1> ONE_CHANNEL = {
    {{.id = 7, .name = "x", .unit = "", .period_us = 1000, .group = Group::FAST, .width = 4}}};
constexpr Schema ONE = {.node = "n", .cluster = "", .channels = ONE_CHANNEL};

struct Written {
  std::vector<uint8_t> bytes;
  Block block;
};

/// Writes a block, reads it back and expects the same samples.
Written round_trip(const Values &values) {
  Written result{std::vector<uint8_t>(max_block_bytes(values.size(), 4)), {}};
  ByteWriter out(result.bytes);
  const bool with_count = values.size() != default_count(10, 1000);
  write_block(out, 7, Stored(values).view(), with_count);
  EXPECT_TRUE(out.ok()) << "the bound of the block size is too small";
  result.bytes.resize(out.size());
  ByteReader in(result.bytes);
  const auto block = read_block(in, ONE, 10);
  EXPECT_TRUE(block.has_value());
  if (!block) return result;
  EXPECT_EQ(in.left(), 0U);
  EXPECT_EQ(decoded(*block), values);
  result.block = *block;
  return result;
}

TEST(Crc, IsThatOfZlib) { EXPECT_EQ(crc32(of("123456789")), 0xCBF43926U); }

TEST(Varint, SmallNumbersAreShortAndExtremesComeBack) {
  std::array<uint8_t, 16> room{};
  for (const int32_t value : {0, -1, 1, -2, 63, 64, MIN, MAX}) {
    ByteWriter out(room);
    out.varint(zigzag(value));
    ByteReader in(out.written());
    EXPECT_EQ(static_cast<int32_t>(unzigzag(in.varint())), value);
    EXPECT_LE(out.size(), 5U);
  }
  EXPECT_EQ(zigzag(0), 0U);
  EXPECT_EQ(zigzag(-1), 1U);
  EXPECT_EQ(zigzag(1), 2U);
}

TEST(Varint, MoreThanFiveBytesOrThirtyTwoBitsAreRefused) {
  for (const Bytes bytes : {of("\xFF\xFF\xFF\xFF\xFF\x01"), of("\xFF\xFF\xFF\xFF\x1F"), of("\xFF")}) {
    ByteReader in(bytes);
    in.varint();
    EXPECT_FALSE(in.ok());
  }
}

TEST(Block, BytesWorkedOutByHand) {
  // Residuals 1 (predictor 0) or 1, 0, 0, … (predictor 3): both take 4 bytes; of equals the lowest predictor
  // is written.
  const Written ramp = round_trip({5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  EXPECT_EQ(ramp.bytes, (std::vector<uint8_t>{7, FIXED_WIDTH, 10, 2, 0b10101010, 0b10101010, 0b10000000}));

  // Predictor 0, k = 2: u = 4 5 6 7 0 40 4 3; u >> 2 = 1 1 1 1 0 10 1 0 in unary, then the low bits 00 01 10
  // 11 00 00 00 11.
  const Written rice = round_trip({0, 2, -1, 2, -2, -2, 18, 20, 18});
  EXPECT_EQ(rice.bytes, (std::vector<uint8_t>{7, 0x80 | 2, 9, 0, 0, 3, 0, 0b01010101, 0b10000000, 0b00010110,
                                              0b00011011, 0b00000011}));
}

TEST(Block, OneSampleHasNoResiduals) {
  const Written block = round_trip({42});
  EXPECT_EQ(block.bytes, (std::vector<uint8_t>{7, 0x80 | FIXED_WIDTH, 1, 0, 84}));
}

TEST(Block, NoSampleAtAll) {
  const Written block = round_trip({std::nullopt, std::nullopt});
  EXPECT_EQ(block.bytes, (std::vector<uint8_t>{7, 0xC0 | FIXED_WIDTH, 2, 0, 0}));
}

TEST(Block, ConstantSamplesArePackedInNoBits) {
  const Written block = round_trip(Values(10, -3));
  EXPECT_EQ(block.bytes, (std::vector<uint8_t>{7, FIXED_WIDTH, 5, 0}));
}

TEST(Block, EveryPredictorWins) {
  std::array<bool, PREDICTORS> won{};
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 40);
  Values walk, pairs, level, line;
  double at = 0;
  for (int i = 0; i < 200; i++) {
    at += noise(random);
    walk.emplace_back(static_cast<int32_t>(at));
    pairs.emplace_back(static_cast<int32_t>(at / 40 + noise(random)));
    level.emplace_back(i == 0 ? 0 : static_cast<int32_t>(noise(random)));
    line.emplace_back(1000 * i + static_cast<int32_t>(noise(random) / 20));
  }
  for (const Values &values : {walk, pairs, level, line}) won[round_trip(values).block.predictor] = true;
  EXPECT_EQ(won, (std::array{true, true, true, true}));
}

TEST(Block, EveryRiceParameterAndPackedWins) {
  std::array<bool, 16> seen{};
  std::mt19937 random(2);
  for (double bits = 0; bits < 15; bits += 0.25) {
    std::geometric_distribution<int32_t> residual(1.0 / (1 + std::pow(2.0, bits)));
    Values values{0};
    for (int i = 0; i < 400; i++) values.emplace_back(residual(random) * (random() % 2 == 0 ? 1 : -1));
    seen[round_trip(values).block.k] = true;
  }
  Values wide;
  for (int i = 0; i < 50; i++) wide.emplace_back(static_cast<int32_t>(random()));
  seen[round_trip(wide).block.k] = true;
  for (size_t k = 0; k < seen.size(); k++) EXPECT_TRUE(seen[k]) << "k = " << k;
}

TEST(Block, ExtremesOfAllWidths) {
  round_trip({MIN, MAX, MIN, MAX, MAX, MIN, MIN, 0, MIN, MAX});
  round_trip({MAX, MIN});
  Values swing;
  for (int i = 0; i < 1000; i++) swing.emplace_back(i % 2 == 0 ? MIN : MAX);
  EXPECT_GT(round_trip(swing).bytes.size(), 1000U);
}

TEST(Block, OneOutlierMakesNoUnaryStreamOfMegabytes) {
  Values values(5000, 1);
  values[2500] = MAX;
  EXPECT_LT(round_trip(values).bytes.size(), max_block_bytes(values.size(), 4));
}

TEST(Block, LongestBlock) { round_trip(Values(65535, 1)); }

TEST(Block, MissingSamples) {
  std::mt19937 random(3);
  for (int run = 0; run < 300; run++) {
    Values values;
    const size_t count = 1 + random() % 70;
    for (size_t i = 0; i < count; i++)
      values.emplace_back(random() % 3 == 0 ? std::nullopt
                                            : std::optional(static_cast<int32_t>(random() % 2000) - 1000));
    round_trip(values);
  }
}

TEST(Block, IsReadOutOfARingThatWraps) {
  const std::vector<int16_t> ring = {30, 31, -1, -1, 10, 20};
  const uint32_t valid = 0b110011;
  const SampleView view{.values = reinterpret_cast<const uint8_t *>(ring.data()),
                        .valid = &valid,
                        .width = 2,
                        .count = 4,
                        .first = 4,
                        .capacity = 6};
  std::array<uint8_t, 64> room{};
  ByteWriter out(room);
  write_block(out, 7, view, true);
  ByteReader in(out.written());
  EXPECT_EQ(decoded(*read_block(in, ONE, 10)), (Values{10, 20, 30, 31}));
}

TEST(Block, WithoutRoomTheWriterFailsAndTouchesNothingOutside) {
  const Values values = {1, 500, -70000, 3, 9, 12, 90000};
  const size_t whole = round_trip(values).bytes.size();
  for (size_t size = 0; size < whole; size++) {
    std::vector<uint8_t> room(size);
    ByteWriter out(room);
    write_block(out, 7, Stored(values).view(), true);
    EXPECT_FALSE(out.ok());
  }
}

TEST(Block, DamagedStreamsAreRefusedOrDecodedWithinBounds) {
  std::mt19937 random(4);
  Values values;
  for (int i = 0; i < 64; i++) values.emplace_back(static_cast<int32_t>(random() % 4000));
  const std::vector<uint8_t> good = round_trip(values).bytes;
  size_t refused = 0;
  for (int run = 0; run < 20000; run++) {
    std::vector<uint8_t> bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; flips--)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    ByteReader in(bytes);
    const auto block = read_block(in, ONE, 10);
    refused += !block || !decoded(*block) ? 1 : 0;
  }
  EXPECT_GT(refused, 10000U);
}

/// A block as a reader finds it, decoded; the channel 7 has `width` bytes.
std::optional<Values> read_as(std::vector<uint8_t> bytes, uint8_t width) {
  std::array<Channel, 1> channels = ONE_CHANNEL;
  channels[0].width = width;
  ByteReader in(bytes);
  const auto block = read_block(in, {.node = "n", .cluster = "", .channels = channels}, 3);
  return block ? decoded(*block) : std::nullopt;
}

TEST(Block, ValuesBeyondTheWidthOfTheChannelAreRefused) {
  const std::vector<uint8_t> first = {7, 0x80 | FIXED_WIDTH, 1, 0, 0x80, 0x02};  // 128
  EXPECT_FALSE(read_as(first, 1));
  EXPECT_EQ(read_as(first, 2), (Values{128}));
  const std::vector<uint8_t> second = {7, 0x80 | FIXED_WIDTH, 2, 0, 0xFE, 0x01, 2, 0b10000000};  // 127, 128
  EXPECT_FALSE(read_as(second, 1));
  EXPECT_EQ(read_as(second, 2), (Values{127, 128}));
}

TEST(Block, TheUnaryPartHoldsExactlyOneQuotientAResidual) {
  EXPECT_EQ(read_as({7, 0, 0, 1, 0, 0b11000000}, 2), (Values{0, 0, 0}));
  EXPECT_FALSE(read_as({7, 0, 0, 1, 0, 0b10000000}, 2));
  EXPECT_FALSE(read_as({7, 0, 0, 1, 0, 0b11000001}, 2));
  EXPECT_FALSE(read_as({7, 0, 0, 2, 0, 0b11000000, 1}, 2));
}

TEST(Text, IsUtf8OrRefused) {
  for (const std::string_view good :
       {"", "abc", "\u00fc", "\u20ac", "\U0001F50B", "\u07ff\u0800\uffff", "\U0010FFFF"})
    EXPECT_TRUE(is_utf8(of(good))) << good;
  for (const std::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82", "\xE2\x82(",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xF0\x9F\x94"})
    EXPECT_FALSE(is_utf8(of(bad)));
  ByteReader in(of("\x02\xC3("));
  in.text();
  EXPECT_FALSE(in.ok());
}

TEST(Schema, ComesBackAndHasTheSizeOfItsTexts) {
  const std::vector<uint8_t> payload = schema_payload(HOUSE);
  std::array<Channel, MAX_CHANNELS> room{};
  const auto schema = read_schema(payload, room);
  ASSERT_TRUE(schema);
  EXPECT_EQ(schema->node, "house_1");
  EXPECT_EQ(schema->cluster, "east");
  ASSERT_EQ(schema->channels.size(), HOUSE_CHANNELS.size());
  EXPECT_EQ(schema->find(1)->offset, 50'000);
  EXPECT_EQ(schema->find(50)->period_us, 10'000'000U);
  EXPECT_EQ(schema_payload(*schema), payload);
  for (size_t size = 0; size < payload.size(); size++)
    EXPECT_FALSE(read_schema(Bytes(payload).first(size), room));
}

TEST(Schema, WhatCannotBeIsRefused) {
  const auto refused = [](auto &&change) {
    std::array<Channel, 2> channels = {HOUSE_CHANNELS[0], HOUSE_CHANNELS[1]};
    change(channels);
    return schema_payload({.node = "n", .cluster = "", .channels = channels}).empty();
  };
  EXPECT_FALSE(refused([](auto &) {}));
  EXPECT_TRUE(refused([](auto &c) { c[1].id = c[0].id; }));
  EXPECT_TRUE(refused([](auto &c) { c[0].id = 0; }));
  EXPECT_TRUE(refused([](auto &c) { c[0].name = "Volt"; }));
  EXPECT_TRUE(refused([](auto &c) { c[0].name = ""; }));
  EXPECT_TRUE(refused([](auto &c) { c[0].period_us = 0; }));
  EXPECT_TRUE(refused([](auto &c) { c[0].width = 3; }));
}

TEST(Frame, EveryFieldComesBack) {
  std::vector<uint8_t> room(100);
  FrameBuilder builder(room, {.kind = Kind::TIMESYNC,
                              .mono_us = 0x0102030405060708,
                              .utc_us = -5,
                              .schema_hash = 0xAABBCCDD,
                              .clock = ClockRecord{.drift_ppb = -20'000,
                                                   .error_us = 350,
                                                   .source = ClockSource::CAN,
                                                   .state = ClockState::HOLDOVER}});
  const std::span<uint8_t> bytes = builder.finish();
  seal(bytes, {0x11223344, 0xFFFFFFFF});
  const auto frame = check_frame(bytes);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->bytes.size(), 56U);
  EXPECT_EQ(frame->header.kind, Kind::TIMESYNC);
  EXPECT_EQ(frame->header.flags, FLAG_CLOCK);
  EXPECT_EQ(frame->header.seq, 0xFFFFFFFF);
  EXPECT_EQ(frame->header.boot_id, 0x11223344U);
  EXPECT_EQ(frame->header.schema_hash, 0xAABBCCDD);
  EXPECT_EQ(frame->header.mono_us, 0x0102030405060708U);
  EXPECT_EQ(frame->header.utc_us, -5);
  ByteReader in(frame->payload());
  const ClockRecord clock = read_clock(in);
  EXPECT_EQ(clock.drift_ppb, -20'000);
  EXPECT_EQ(clock.error_us, 350U);
  EXPECT_EQ(clock.source, ClockSource::CAN);
  EXPECT_EQ(clock.state, ClockState::HOLDOVER);
}

TEST(Frame, EveryFlippedBitIsFound) {
  std::vector<uint8_t> frame = numbered_frame(1, 40);
  seal(frame, {1, 2});
  ASSERT_TRUE(check_frame(frame));
  for (size_t bit = 0; bit < frame.size() * 8; bit++) {
    frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(check_frame(frame));
    frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ (1U << (bit % 8)));
  }
}

TEST(Frame, ScannerFindsFramesBetweenGarbageAndFalseSyncs) {
  std::vector<uint8_t> log;
  for (uint32_t i = 0; i < 20; i++) {
    const Bytes garbage = of("UMG1UMUMG1\x01\x03");
    log.insert(log.end(), garbage.begin(), garbage.begin() + i % static_cast<ptrdiff_t>(garbage.size()));
    std::vector<uint8_t> frame = numbered_frame(i, i * 3);
    seal(frame, {9, i});
    log.insert(log.end(), frame.begin(), frame.end());
  }
  FrameScanner scanner(log);
  for (uint32_t i = 0; i < 20; i++) EXPECT_EQ(scanner.next()->header.seq, i);
  EXPECT_FALSE(scanner.next());
}

TEST(Frame, TruncationAtAnyByteLosesNoCompleteFrame) {
  std::vector<uint8_t> log;
  std::vector<size_t> ends;
  for (uint32_t i = 0; i < 8; i++) {
    std::vector<uint8_t> frame = numbered_frame(i, 5 + i * 11);
    seal(frame, {9, i});
    log.insert(log.end(), frame.begin(), frame.end());
    ends.push_back(log.size());
  }
  for (size_t size = 0; size <= log.size(); size++) {
    const std::vector<uint8_t> cut(log.begin(), log.begin() + static_cast<ptrdiff_t>(size));
    FrameScanner scanner(cut);
    size_t found = 0;
    while (scanner.next()) found++;
    EXPECT_EQ(found, static_cast<size_t>(
                         std::count_if(ends.begin(), ends.end(), [&](size_t end) { return end <= size; })));
  }
}

TEST(Frame, PayloadEndsAtItsLimit) {
  std::vector<uint8_t> room(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES + 1);
  FrameBuilder frame(room, {.kind = Kind::CAN, .mono_us = 0, .schema_hash = 0, .clock = {}});
  ASSERT_NE(frame.take(MAX_PAYLOAD_BYTES), nullptr);
  EXPECT_TRUE(frame.ok());
  frame.u8(0);
  EXPECT_TRUE(frame.finish().empty());
}

TEST(Records, EventSnapshotAndBootComeBack) {
  std::array<uint8_t, 600> room{};
  const std::array<EventValue, 2> values = {{{1, MIN}, {255, MAX}}};
  ByteWriter event_out(room);
  write_event(event_out, {.type = EventType::OVERFLOW_,
                          .state = EventState::RAISED,
                          .severity = Severity::CRITICAL,
                          .code = "F005",
                          .event_id = "01J",
                          .values = values,
                          .lost = {1, 2, 3}});
  std::array<EventValue, 2> value_room{};
  const auto event = read_event(ByteReader(event_out.written()), value_room);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->code, "F005");
  EXPECT_EQ(event->event_id, "01J");
  EXPECT_EQ(event->values[1].integer, MAX);
  EXPECT_EQ(event->lost, (LostRange{1, 2, 3}));
  for (size_t size = 0; size < event_out.size(); size++)
    EXPECT_FALSE(read_event(ByteReader(event_out.written().first(size)), value_room));

  ByteWriter snapshot_out(room);
  write_snapshot(snapshot_out, {.event_id = "id",
                                .code = "F001",
                                .origin = "house_2",
                                .trigger_mono_us = 77,
                                .trigger_utc_us = -1,
                                .before_ms = 10'000,
                                .after_ms = 60'000,
                                .state = SnapshotState::EXTENDED});
  const auto snapshot = read_snapshot(ByteReader(snapshot_out.written()));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->origin, "house_2");
  EXPECT_EQ(snapshot->after_ms, 60'000U);
  EXPECT_EQ(snapshot->state, SnapshotState::EXTENDED);

  ByteWriter boot_out(room);
  write_boot(
      boot_out,
      {.reason = ResetReason::BROWN_OUT, .firmware = "1.2.3", .previous_boot_id = 5, .previous_next_seq = 6});
  const auto boot = read_boot(ByteReader(boot_out.written()));
  ASSERT_TRUE(boot);
  EXPECT_EQ(boot->reason, ResetReason::BROWN_OUT);
  EXPECT_EQ(boot->previous_next_seq, 6U);
}

TEST(Records, TextsLongerThanTheirLengthByteAreRefused) {
  std::array<uint8_t, 600> room{};
  ByteWriter out(room);
  out.text(std::string(256, 'x'));
  EXPECT_FALSE(out.ok());
}

class Can : public ::testing::Test {
 protected:
  static constexpr uint64_t START_US = 5'000'000;

  std::vector<CanFrame> through(const std::vector<CanFrame> &frames) {
    FrameBuilder builder(this->room_,
                         {.kind = Kind::CAN, .mono_us = START_US, .schema_hash = 0, .clock = {}});
    CanWriter writer(builder, START_US);
    for (const CanFrame &frame : frames) EXPECT_TRUE(writer.add(frame));
    const std::span<uint8_t> bytes = builder.finish();
    seal(bytes, {1, 1});
    this->size_ = bytes.size();
    CanReader reader(*check_frame(bytes));
    std::vector<CanFrame> result;
    while (const auto frame = reader.next()) result.push_back(*frame);
    EXPECT_TRUE(reader.ok());
    return result;
  }
  std::vector<uint8_t> room_ = std::vector<uint8_t>(20000);
  size_t size_{0};
};

TEST_F(Can, TrafficComesBackInTicksOfTenMicroseconds) {
  std::mt19937 random(5);
  std::vector<CanFrame> frames;
  uint64_t now = START_US;
  std::array<uint8_t, 8> data{};
  for (int i = 0; i < 560; i++) {
    now += random() % 4000;
    data[random() % 8] = static_cast<uint8_t>(random());
    const auto id = static_cast<uint32_t>(0x100 + random() % 20);
    frames.push_back({.identifier = id, .mono_us = now / 10 * 10, .length = 8, .data = data});
  }
  frames.push_back({.identifier = CAN_REMOTE | 5, .mono_us = START_US, .length = 0, .data = {}});
  frames.push_back(
      {.identifier = CAN_EXTENDED | 0x1FFFFFFF, .mono_us = START_US - 30, .length = 3, .data = {1, 2, 3}});
  frames.push_back(
      {.identifier = CAN_EXTENDED | 0x1FFFFFFF, .mono_us = START_US, .length = 2, .data = {1, 2}});
  const std::vector<CanFrame> back = this->through(frames);
  ASSERT_EQ(back.size(), frames.size());
  for (size_t i = 0; i < frames.size(); i++) {
    EXPECT_EQ(back[i].identifier, frames[i].identifier);
    EXPECT_EQ(back[i].mono_us, frames[i].mono_us);
    EXPECT_EQ(back[i].length, frames[i].length);
    EXPECT_TRUE(
        std::equal(back[i].data.begin(), back[i].data.begin() + back[i].length, frames[i].data.begin()));
  }
}

TEST_F(Can, RegularUnchangedFramesCostFourBytes) {
  std::vector<CanFrame> frames;
  for (uint64_t i = 0; i < 100; i++)
    frames.push_back({.identifier = 1, .mono_us = START_US + i * 10'000, .length = 8, .data = {1, 2, 3}});
  this->through(frames);
  EXPECT_LE(this->size_, FRAME_HEADER_BYTES + 2 + 100 * 4 + 20);
}

TEST_F(Can, AFullPayloadSaysSoAndStaysGood) {
  FrameBuilder builder(std::span(this->room_).first(100),
                       {.kind = Kind::CAN, .mono_us = 0, .schema_hash = 0, .clock = {}});
  CanWriter writer(builder, 0);
  uint16_t taken = 0;
  while (writer.add({.identifier = taken, .mono_us = taken * 100ULL, .length = 8, .data = {9}})) taken++;
  const std::span<uint8_t> bytes = builder.finish();
  seal(bytes, {1, 1});
  CanReader reader(*check_frame(bytes));
  uint16_t read = 0;
  while (reader.next()) read++;
  EXPECT_EQ(read, taken);
  EXPECT_GT(taken, 1);
}

TEST(Segment, HeaderComesBackAndItsDamageIsFound) {
  std::array<uint8_t, SEGMENT_HEADER_BYTES> bytes{};
  write_segment_header({.capacity_bytes = 524288,
                        .number = 1ULL << 40,
                        .boot_id = 3,
                        .schema_hash = 4,
                        .utc_us = 5,
                        .mono_us = 6,
                        .node = "a_node_with_a_name_of_32_letters",
                        .cluster = ""},
                       bytes);
  const auto header = read_segment_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->number, 1ULL << 40);
  EXPECT_EQ(header->node, "a_node_with_a_name_of_32_letters");
  EXPECT_EQ(header->cluster, "");
  bytes[200] = 1;
  EXPECT_FALSE(read_segment_header(bytes));
}

}  // namespace
}  // namespace esphome::microgrid

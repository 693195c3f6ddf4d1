// Golden segments, the same bytes on every run and machine: `umg1_vectors FOLDER`.
//
// - kinds: every kind of frame, missing samples, an overflow event, bus traffic, the summary of another node
// - codings: every predictor, every k, packed residuals of many widths, counts, extremes, one and no sample
// - sequence: the sequence number at its end: …, 0xFFFFFFFF, 0, …
// - clock: an unknown clock, a drifting one, a step forward, a step back, holdover
// - boots: two starts in one segment, frames that come twice, a gap in the sequence
// - snapshot: a snapshot file
// - damaged: boots with a destroyed sector, a flipped bit, garbage before and a torn frame at the end
#include <cstdio>
#include <random>

#include "build_frames.h"
#include "esphome/components/microgrid_core/umg1_can.h"
#include "esphome/components/microgrid_core/umg1_event.h"
#include "house.h"
#include "segment_file.h"

using namespace esphome::microgrid;

namespace {

constexpr int32_t MIN = std::numeric_limits<int32_t>::min();
constexpr int32_t MAX = std::numeric_limits<int32_t>::max();
constexpr uint32_t BOOT = 0xB0070001;
constexpr int64_t UTC_US = 1'790'000'000'000'000;  // of mono 0

constexpr std::array<Channel, 4> CHANNELS = {{
    {.id = 1,
     .name = "frequency",
     .unit = "Hz",
     .exponent = -3,
     .offset = 50'000,
     .period_us = 10'000,
     .group = Group::FAST,
     .width = 2},
    {.id = 2,
     .name = "ac_current",
     .unit = "A",
     .exponent = -2,
     .period_us = 100'000,
     .group = Group::FAST,
     .width = 2},
    {.id = 200,
     .name = "cell_temperature",
     .unit = "°C",
     .numerator = 5,
     .exponent = -1,
     .offset = -40,
     .period_us = 1'000'000,
     .group = Group::SLOW,
     .width = 1},
    {.id = 255, .name = "energy", .unit = "Wh", .period_us = 10'000'000, .group = Group::SLOW, .width = 4},
}};
constexpr Schema SCHEMA = {.node = "house_1", .cluster = "east", .channels = CHANNELS};

constexpr std::array<Channel, 1> SUMMARY_CHANNELS = {
    {{.id = 9, .name = "power", .unit = "W", .period_us = 1'000'000, .group = Group::SLOW, .width = 4}}};
constexpr Schema SUMMARY = {.node = "house_2", .cluster = "east", .channels = SUMMARY_CHANNELS};

class Vector {
 public:
  explicit Vector(const Schema &schema, uint32_t boot = BOOT, uint32_t first_seq = 0)
      : boot_id(boot),
        seq(first_seq),
        payload_(schema_payload(schema)),
        hash_(crc32(this->payload_)),
        file_({.capacity_bytes = 0,
               .number = 7,
               .boot_id = boot,
               .schema_hash = this->hash_,
               .utc_us = UTC_US,
               .mono_us = 0,
               .node = schema.node,
               .cluster = schema.cluster}) {
    this->schema_frame();
  }

  void schema_frame() {
    this->add(Kind::SCHEMA, 0, {}, this->hash_, [&](FrameBuilder &out) { out.bytes(this->payload_); });
  }
  template <typename F>
  void add(Kind kind, uint64_t mono_us, const std::optional<ClockRecord> &clock, uint32_t hash, F &&payload) {
    std::vector<uint8_t> room(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);
    FrameBuilder out(
        room, {.kind = kind,
               .mono_us = mono_us,
               .utc_us = this->utc_known ? UTC_US + this->utc_shift_us + static_cast<int64_t>(mono_us) : 0,
               .schema_hash = hash,
               .clock = clock});
    payload(out);
    const std::span<uint8_t> frame = out.finish();
    this->file_.add(frame, {this->boot_id, this->seq++});
    this->last_.assign(frame.begin(), frame.end());
  }
  template <typename F>
  void add(Kind kind, uint64_t mono_us, F &&payload) {
    this->add(kind, mono_us, {}, this->hash_, payload);
  }

  /// The last frame once more, as it was.
  void repeat() { this->file_.add(this->last_, {this->boot_id, this->seq - 1}); }

  void boot(std::string_view firmware, uint32_t previous, uint32_t next_seq) {
    this->add(Kind::BOOT, 1000, [&](FrameBuilder &out) {
      write_boot(out, {.reason = ResetReason::BROWN_OUT,
                       .firmware = firmware,
                       .previous_boot_id = previous,
                       .previous_next_seq = next_seq});
    });
  }
  void timesync(uint64_t mono_us, const ClockRecord &clock) {
    this->add(Kind::TIMESYNC, mono_us, clock, this->hash_, [](FrameBuilder &) {});
  }
  void samples(Kind kind, uint64_t mono_us, uint32_t span_ms,
               const std::vector<std::pair<uint8_t, Values>> &channels, const Schema &schema,
               std::string_view node = {}, const std::optional<ClockRecord> &clock = {}) {
    this->add(kind, mono_us, clock, crc32(schema_payload(schema)), [&](FrameBuilder &out) {
      if (kind == Kind::SUMMARY) out.text(node);
      out.u32(span_ms);
      for (const auto &[id, values] : channels) {
        const bool with_count = values.size() != default_count(span_ms, schema.find(id)->period_us);
        write_block(out, id, Stored(values).view(), with_count);
        out.count_block();
      }
    });
  }
  const std::vector<uint8_t> &finish() { return this->file_.finish(); }

  uint32_t boot_id;
  uint32_t seq;
  bool utc_known{true};
  int64_t utc_shift_us{0};

 protected:
  std::vector<uint8_t> payload_;
  uint32_t hash_;
  SegmentFile file_;
  std::vector<uint8_t> last_;
};

/// `count` samples that wander by up to `step`, of which one in `missing` is missing (0: none).
Values wander(std::mt19937 &random, size_t count, int32_t step, uint32_t missing = 0, int32_t start = 0) {
  Values values;
  for (int32_t at = start; values.size() < count;) {
    at += static_cast<int32_t>(random() % static_cast<uint32_t>(2 * step + 1)) - step;
    const bool gone = missing != 0 && random() % missing == 0;
    values.push_back(gone ? std::nullopt : std::optional(at));
  }
  return values;
}

std::vector<uint8_t> kinds() {
  std::mt19937 random(1);
  Vector log(SCHEMA);
  log.boot("1.2.3", 0, 0);
  log.samples(Kind::FAST, 1'000'000, 10'000, {{1, wander(random, 1000, 6)}, {2, wander(random, 100, 20, 5)}},
              SCHEMA);
  log.samples(Kind::SLOW, 1'000'000, 60'000,
              {{200, wander(random, 60, 1, 10, 100)}, {255, wander(random, 6, 1000, 0, 1'000'000)}}, SCHEMA,
              {},
              ClockRecord{.drift_ppb = -12'345,
                          .error_us = 900,
                          .source = ClockSource::CAN,
                          .state = ClockState::SYNCHRONISED});
  log.add(Kind::EVENT, 2'000'000, [](FrameBuilder &out) {
    const std::array<EventValue, 3> values = {{{1, -1200}, {2, MAX}, {255, MIN}}};
    write_event(out, {.type = EventType::FAULT,
                      .state = EventState::RAISED,
                      .severity = Severity::CRITICAL,
                      .code = "F001",
                      .event_id = "house_1-17",
                      .values = values});
  });
  log.add(Kind::EVENT, 2'000'001, [](FrameBuilder &out) {
    write_event(out, {.type = EventType::OVERFLOW_,
                      .state = EventState::MOMENT,
                      .severity = Severity::WARNING,
                      .code = "",
                      .event_id = "überlauf",
                      .values = {},
                      .lost = {0xB0070000, 12, 4711}});
  });
  log.timesync(3'000'000, {.drift_ppb = 20'000,
                           .error_us = 0xFFFFFFFF,
                           .source = ClockSource::RTC,
                           .state = ClockState::UNSYNCHRONISED});
  log.add(Kind::CAN, 4'000'000, [&](FrameBuilder &out) {
    CanWriter can(out, 4'000'000);
    std::array<uint8_t, 8> data{};
    for (uint32_t i = 0; i < 200; i++) {
      data[i % 3] = static_cast<uint8_t>(random());
      can.add({.identifier = i % 7 == 0 ? CAN_EXTENDED | (0x18FF0000 + i % 3) : 0x100 + i % 5,
               .mono_us = 4'000'000 + i * 1790ULL + random() % 200,
               .length = static_cast<uint8_t>(i % 11 == 0 ? i % 9 : 8),
               .data = data});
    }
    can.add({.identifier = CAN_REMOTE | 0x7FF, .mono_us = 4'500'000, .length = 0, .data = {}});
    can.add({.identifier = CAN_ERROR | 0x4,
             .mono_us = 3'999'990,
             .length = 8,
             .data = {255, 255, 255, 255, 255, 255, 255, 255}});
  });
  log.add(Kind::SCHEMA, 5'000'000, {}, crc32(schema_payload(SUMMARY)),
          [](FrameBuilder &out) { write_schema(out, SUMMARY); });
  log.samples(Kind::SUMMARY, 5'000'000, 60'000, {{9, wander(random, 60, 300, 30)}}, SUMMARY, "house_2");
  log.add(static_cast<Kind>(77), 6'000'000, [](FrameBuilder &out) { out.u32(1); });
  return log.finish();
}

std::vector<uint8_t> codings() {
  std::mt19937 random(2);
  Vector log(SCHEMA);
  uint64_t now = 0;
  const auto add = [&](const Values &values) {
    log.samples(Kind::SLOW, now += 60'000'000, 60'000, {{255, values}}, SCHEMA);
  };
  for (int32_t step = 0; step < 1 << 20; step = step * 3 / 2 + 1) {
    add(wander(random, 60, step));        // predictor 0
    add(wander(random, 6, step, 4, 17));  // the count that span and period give
    Values level, line, pairs;
    for (int32_t i = 0; i < 80; i++) {
      const auto noise = static_cast<int32_t>(random() % static_cast<uint32_t>(step + 1));
      level.emplace_back(i == 0 ? step / 2 : noise);
      line.emplace_back(i * 4000 + noise / 16);
      pairs.emplace_back((i % 2 == 0 ? 1 : -1) * step + noise / 8);
    }
    add(level);
    add(line);
    add(pairs);
  }
  for (unsigned bits = 1; bits <= 32; bits++) {
    Values packed;
    for (int i = 0; i < 20; i++) packed.emplace_back(static_cast<int32_t>(random() >> (32 - bits)));
    add(packed);
  }
  add({MIN, MAX, MIN, MAX, MAX, MIN, 0, -1, 1, MIN});
  add({MAX});
  add({MIN, MAX});
  add({std::nullopt, MIN, std::nullopt});
  add(Values(6));
  add(Values(9));
  add(Values(40000, -7));
  Values outlier(5000, 3);
  outlier[4321] = MAX;
  add(outlier);
  return log.finish();
}

std::vector<uint8_t> sequence() {
  std::mt19937 random(3);
  Vector log(SCHEMA, BOOT, 0xFFFFFFFC);
  for (uint64_t i = 0; i < 8; i++)
    log.samples(Kind::FAST, i * 10'000'000, 10'000, {{2, wander(random, 100, 9)}}, SCHEMA);
  return log.finish();
}

std::vector<uint8_t> clock_steps() {
  std::mt19937 random(4);
  Vector log(SCHEMA);
  struct Minute {
    bool known;
    int64_t shift_us;
    ClockRecord clock;
  };
  constexpr ClockRecord UNKNOWN = {.drift_ppb = 0,
                                   .error_us = 0xFFFFFFFF,
                                   .source = ClockSource::NONE,
                                   .state = ClockState::UNSYNCHRONISED};
  constexpr ClockRecord SYNCED = {
      .drift_ppb = 8'000, .error_us = 400, .source = ClockSource::CAN, .state = ClockState::SYNCHRONISED};
  constexpr ClockRecord HOLDOVER = {
      .drift_ppb = 8'000, .error_us = 4'000, .source = ClockSource::RTC, .state = ClockState::HOLDOVER};
  const std::array<Minute, 10> minutes = {{{false, 0, UNKNOWN},
                                           {true, -90'000'000, UNKNOWN},
                                           {true, 0, SYNCED},
                                           {true, -480, SYNCED},
                                           {true, -960, SYNCED},
                                           {true, 3'600'000'000, SYNCED},
                                           {true, 3'599'999'520, SYNCED},
                                           {true, -5'000'000, SYNCED},
                                           {true, -5'000'480, HOLDOVER},
                                           {true, -5'000'960, HOLDOVER}}};
  for (uint64_t i = 0; i < minutes.size(); i++) {
    log.utc_known = minutes[i].known;
    log.utc_shift_us = minutes[i].shift_us;
    log.timesync(i * 60'000'000, minutes[i].clock);
    log.samples(Kind::SLOW, i * 60'000'000 + 500'000, 60'000, {{200, wander(random, 60, 1)}}, SCHEMA);
  }
  return log.finish();
}

std::vector<uint8_t> boots() {
  std::mt19937 random(5);
  Vector log(SCHEMA);
  log.boot("1.0.0", 0, 0);
  const auto some = [&](uint64_t frames) {
    for (uint64_t i = 0; i < frames; i++)
      log.samples(Kind::FAST, i * 10'000'000, 10'000,
                  {{1, wander(random, 1000, 6)}, {2, wander(random, 100, 30)}}, SCHEMA);
  };
  some(4);
  log.repeat();
  log.seq += 3;  // lost
  some(2);
  const uint32_t next_seq = log.seq;
  log.boot_id = BOOT + 1;
  log.seq = 0;
  log.utc_shift_us = 100'000'000;
  log.schema_frame();
  log.boot("1.0.1", BOOT, next_seq);
  some(4);
  return log.finish();
}

std::vector<uint8_t> damaged() {
  std::mt19937 random(6);
  std::vector<uint8_t> bytes = boots();
  for (size_t i = 5 * SECTOR_BYTES; i < 6 * SECTOR_BYTES; i++) bytes[i] = static_cast<uint8_t>(random());
  bytes[bytes.size() / 2] ^= 0x10;
  bytes.resize(bytes.size() - 33);
  std::vector<uint8_t> garbage = {'U', 'M', 'G', '1', 1, 2, 'U', 'M', 'U', 'M', 'G'};
  bytes.insert(bytes.begin(), garbage.begin(), garbage.end());
  return bytes;
}

std::vector<uint8_t> snapshot() {
  std::mt19937 random(7);
  Vector log(SCHEMA, BOOT, 500);
  log.add(Kind::SNAPSHOT, 60'000'000, [](FrameBuilder &out) {
    write_snapshot(out, {.event_id = "house_2-3",
                         .code = "F001",
                         .origin = "house_2",
                         .trigger_mono_us = 60'000'000,
                         .trigger_utc_us = UTC_US + 60'000'000,
                         .before_ms = 10'000,
                         .after_ms = 10'000,
                         .state = SnapshotState::PARTIAL});
  });
  for (uint64_t i = 0; i < 2; i++)
    log.samples(Kind::FAST, 50'000'000 + i * 10'000'000, 10'000,
                {{1, wander(random, 1000, 6)}, {2, wander(random, 100, 30, 50)}}, SCHEMA);
  log.samples(Kind::SLOW, 30'000'000, 60'000, {{200, wander(random, 60, 1)}, {255, wander(random, 6, 5)}},
              SCHEMA);
  return log.finish();
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: umg1_vectors FOLDER\n");
    return 2;
  }
  const std::array<std::pair<const char *, std::vector<uint8_t>>, 7> files = {{{"kinds", kinds()},
                                                                               {"codings", codings()},
                                                                               {"sequence", sequence()},
                                                                               {"clock", clock_steps()},
                                                                               {"boots", boots()},
                                                                               {"snapshot", snapshot()},
                                                                               {"damaged", damaged()}}};
  for (const auto &[name, bytes] : files) {
    if (!write_file(std::string(argv[1]) + "/" + name + ".umg1", bytes)) {
      std::fprintf(stderr, "umg1_vectors: cannot write %s/%s.umg1\n", argv[1], name);
      return 1;
    }
  }
  return 0;
}

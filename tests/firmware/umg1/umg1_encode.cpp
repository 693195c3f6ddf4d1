// Samples in, segment out, through the recorder of the firmware: `umg1_encode IN OUT [fast_ms slow_ms]` (- is
// stdin, stdout).
//
// IN, little-endian: u32 size of the schema, the schema payload, then for each channel of the schema, in its
// order: u32 count, count × i64 samples; the smallest i64 stands for a missing one. The first samples are
// taken at mono 1 s, UTC unknown. Says on stderr: frames, bytes of the frames, samples.
#include <cstdio>
#include <cstdlib>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/microgrid_core/umg1_recorder.h"
#include "segment_file.h"

using namespace esphome::microgrid;

namespace {

constexpr uint64_t START_US = 1'000'000;
constexpr uint32_t BOOT_ID = 0x0B007001;

[[noreturn]] void fail(const char *why) {
  std::fprintf(stderr, "umg1_encode: %s\n", why);
  std::exit(1);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3 && argc != 5) fail("usage: umg1_encode IN OUT [FAST_MS SLOW_MS]");
  RecorderTiming timing;
  if (argc == 5) {
    timing.fast.span_ms = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
    timing.slow.span_ms = static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10));
  }
  std::FILE *file = std::string(argv[1]) == "-" ? stdin : std::fopen(argv[1], "rb");
  if (file == nullptr) fail("cannot open the input");
  const std::vector<uint8_t> input = read_file(file);

  ByteReader in(input);
  const Bytes payload = in.bytes(in.u32());
  std::vector<Channel> room(MAX_CHANNELS);
  const auto schema = read_schema(payload, room);
  if (!in.ok() || !schema) fail("the schema is malformed");
  std::vector<std::vector<int64_t>> samples(schema->channels.size());
  size_t total = 0;
  for (auto &channel : samples) {
    channel.resize(in.u32());
    const Bytes bytes = in.bytes(channel.size() * sizeof(int64_t));
    if (!in.ok()) fail("the samples end too early");
    for (size_t i = 0; i < channel.size(); i++)
      channel[i] = load<int64_t>(bytes.data() + i * sizeof(int64_t));
    total += channel.size();
  }

  const uint32_t schema_hash = crc32(payload);
  std::vector<uint64_t> arena(Recorder::arena_bytes(schema->channels, timing) / sizeof(uint64_t) + 1);
  Recorder recorder;
  if (!recorder.setup(*schema, schema_hash, timing,
                      {reinterpret_cast<uint8_t *>(arena.data()), arena.size() * sizeof(uint64_t)}, START_US))
    fail("the recorder refuses this schema: every span must be a multiple of the periods in its group");

  SegmentFile segment({.capacity_bytes = 0,
                       .number = 0,
                       .boot_id = BOOT_ID,
                       .schema_hash = schema_hash,
                       .utc_us = 0,
                       .mono_us = START_US,
                       .node = schema->node,
                       .cluster = schema->cluster});
  uint32_t seq = 0;
  size_t frame_bytes = 0;
  const auto add = [&](std::span<uint8_t> frame) {
    frame_bytes += frame.size();
    segment.add(frame, {BOOT_ID, seq++});
  };
  std::vector<uint8_t> frame_room(
      std::max(Recorder::max_frame_bytes(schema->channels, timing), FRAME_HEADER_BYTES + payload.size()));
  FrameBuilder schema_frame(
      frame_room, {.kind = Kind::SCHEMA, .mono_us = START_US, .schema_hash = schema_hash, .clock = {}});
  schema_frame.bytes(payload);
  add(schema_frame.finish());

  // Span by span in the order in which the spans end; before equals the fast group.
  uint64_t spans[2] = {0, 0};
  while (true) {
    const uint64_t fast_end = (spans[1] + 1) * timing.fast.span_ms,
                   slow_end = (spans[0] + 1) * timing.slow.span_ms;
    bool left[2] = {false, false};
    const Group group = fast_end <= slow_end ? Group::FAST : Group::SLOW;
    for (size_t i = 0; i < samples.size(); i++) {
      const Channel &channel = schema->channels[i];
      const uint64_t block = Recorder::block_samples(channel, timing.of(channel.group));
      const uint64_t from = spans[static_cast<size_t>(channel.group)] * block;
      left[static_cast<size_t>(channel.group)] |= from < samples[i].size();
      if (channel.group != group) continue;
      for (uint64_t at = from; at < std::min<uint64_t>(from + block, samples[i].size()); at++) {
        const int64_t value = samples[i][at];
        if (value == std::numeric_limits<int64_t>::min()) continue;
        if (value != static_cast<int32_t>(value) ||
            !recorder.put(i, START_US + at * channel.period_us, static_cast<int32_t>(value)))
          fail("a sample does not fit the width of its channel");
      }
    }
    if (!left[0] && !left[1]) break;
    if (const std::span<uint8_t> frame = recorder.close(group, {}, frame_room); !frame.empty()) add(frame);
    spans[static_cast<size_t>(group)]++;
  }
  if (!write_file(argv[2], segment.finish())) fail("cannot write the output");
  std::fprintf(stderr, "%u frames %zu bytes %zu samples\n", seq, frame_bytes, total);
  return 0;
}

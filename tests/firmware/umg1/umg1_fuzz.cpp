// libFuzzer target: arbitrary bytes through everything that reads. The CRC of frames is also repaired, or
// nothing behind it would ever be reached.
#include "build_frames.h"
#include "devices.h"
#include "esphome/components/microgrid_core/umg1_can.h"
#include "esphome/components/microgrid_core/umg1_event.h"
#include "esphome/components/microgrid_core/umg1_ring_reader.h"
#include "house.h"

using namespace esphome::microgrid;

namespace {

void read_samples(const Frame &frame, const Schema &schema) {
  auto samples = open_samples(frame);
  if (!samples) return;
  static std::vector<int32_t> values(65535);
  for (uint16_t i = 0; i < samples->blocks; i++) {
    const auto block = read_block(samples->in, schema, samples->span_ms);
    if (!block) return;
    if (!decode_block(*block, values)) continue;
    // What can be read can be written again, in no more bytes than the bound, and reads the same.
    const auto decoded_values = decoded(*block);
    std::vector<uint8_t> room(max_block_bytes(block->count, 4));
    ByteWriter out(room);
    write_block(out, block->id, Stored(*decoded_values).view(), true);
    ByteReader in(out.written());
    const auto again = read_block(in, schema, samples->span_ms);
    if (!out.ok() || !again || decoded(*again) != decoded_values) __builtin_trap();
  }
}

void read_frame(const Frame &frame) {
  std::array<Channel, MAX_CHANNELS> channels{};
  std::array<EventValue, 255> values{};
  if (const auto schema = read_schema(frame.payload(), channels)) {
    if (schema_payload(*schema).empty()) __builtin_trap();
  }
  read_samples(frame, HOUSE);
  read_event(after_clock(frame), values);
  read_snapshot(after_clock(frame));
  read_boot(after_clock(frame));
  CanReader can(frame);
  while (can.next()) {
  }
}

/// The bytes as a medium: a node must start on it, write, and read its own frames back.
void use_as_medium(Bytes data) {
  constexpr uint32_t BLOCKS = 4;
  static const std::vector<uint8_t> schema =
      schema_payload({.node = "n", .cluster = "", .channels = std::span(HOUSE_CHANNELS).first(1)});
  CardDevice card(3 * BLOCKS);
  std::copy_n(data.begin(), std::min(data.size(), card.content().size()), card.content().begin());
  std::array<Slot, 3> slots{};
  std::array<uint8_t, BLOCK_BYTES> block{};
  SharedBlock cache(block);
  RingLog log(card, {.node = "n", .cluster = "", .blocks_per_segment = BLOCKS}, slots, cache);
  if (log.open({.boot_id = 1, .mono_us = 0, .schema = schema, .schema_hash = crc32(schema)}) != LogResult::OK)
    __builtin_trap();
  std::vector<uint8_t> frame = numbered_frame(1, 3000);
  if (log.append(frame) != LogResult::OK || log.sync() != LogResult::OK) __builtin_trap();
  std::vector<uint8_t> room(FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);
  RingReader reader(log, cache, room);
  Frame found{};
  bool own = false;
  while (reader.next(found) == RingReader::Step::FRAME)
    own = own || std::equal(frame.begin(), frame.end(), found.bytes.begin(), found.bytes.end());
  if (!own) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const Bytes data(bytes, size);
  FrameScanner scanner(data);
  while (const auto frame = scanner.next()) read_frame(*frame);

  std::vector<uint8_t> repaired(data.begin(), data.end());
  for (size_t at = 0; at + FRAME_HEADER_BYTES <= repaired.size();) {
    const std::span<uint8_t> rest = std::span(repaired).subspan(at);
    const auto header = parse_header(rest);
    if (!header || header->frame_bytes() > rest.size()) {
      at++;
      continue;
    }
    seal(rest.first(header->frame_bytes()), {header->boot_id, header->seq});
    read_frame(*check_frame(rest));
    at += header->frame_bytes();
  }
  if (size > SEGMENT_HEADER_BYTES) use_as_medium(repaired);
  return 0;
}

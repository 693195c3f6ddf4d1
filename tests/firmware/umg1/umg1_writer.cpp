// A ring in a file, for tests that kill its writer: `umg1_writer write FILE SLOTS [FRAMES]` and `umg1_writer
// read FILE SLOTS`.
//
// write: "boot ID previous ID SEQ", then appends frames of random sizes without end (or FRAMES of them) and
// prints "durable SEQ"
//        after each synchronisation, "lost BOOT FIRST LAST" for what the ring overwrote.
// read:  without opening the log: "frame BOOT SEQ" for every good frame of the ring whose content is the one
// write gave it.
#include <cstdio>
#include <cstdlib>

#include "build_frames.h"
#include "devices.h"
#include "esphome/components/microgrid_core/umg1_ring_reader.h"
#include "house.h"

using namespace esphome::microgrid;

namespace {

constexpr uint32_t BLOCKS = 16;

int read_ring(FileDevice &device, uint32_t slots) {
  std::array<uint8_t, BLOCK_BYTES> block{};
  SharedBlock cache(block);
  SegmentScan scan(device, cache);
  for (uint32_t slot = 0; slot < slots; slot++) {
    scan.open(slot * BLOCKS, 0, BLOCKS * BLOCK_BYTES);
    while (scan.next() == SegmentScan::Step::FRAME) {
      const FrameHeader header = scan.header();
      std::vector<uint8_t> bytes(header.frame_bytes());
      if (!scan.copy(scan.offset(), bytes)) return 1;
      const auto wanted = numbered_frame(static_cast<uint32_t>(header.mono_us), header.payload_bytes);
      if (header.kind == Kind::EVENT && !std::equal(wanted.begin() + FRAME_HEADER_BYTES, wanted.end(),
                                                    bytes.begin() + FRAME_HEADER_BYTES)) {
        std::printf("wrong %u %u\n", header.boot_id, header.seq);
        return 1;
      }
      std::printf("frame %u %u\n", header.boot_id, header.seq);
    }
  }
  return 0;
}

int write_ring(FileDevice &device, uint32_t slots, uint64_t frames) {
  const std::vector<uint8_t> schema = schema_payload(HOUSE);
  std::vector<Slot> table(slots);
  std::array<uint8_t, BLOCK_BYTES> block{};
  SharedBlock cache(block);
  RingLog log(device, {.node = HOUSE.node, .cluster = HOUSE.cluster, .blocks_per_segment = BLOCKS}, table,
              cache);
  std::random_device entropy;
  const uint32_t boot_id = entropy();
  std::mt19937 random(boot_id);
  if (log.open({.boot_id = boot_id,
                .mono_us = 1,
                .schema = schema,
                .schema_hash = crc32(schema),
                .firmware = "host"}) != LogResult::OK) {
    std::fprintf(stderr, "umg1_writer: the log cannot be opened\n");
    return 1;
  }
  const Position previous = log.previous().value_or(Position{0, 0});
  std::printf("boot %u previous %u %u\n", boot_id, previous.boot_id, previous.seq);
  for (uint64_t i = 0; i < frames; i++) {
    std::vector<uint8_t> frame =
        numbered_frame(static_cast<uint32_t>(i), random() % (random() % 8 == 0 ? 9000 : 600), i);
    if (log.append(frame) != LogResult::OK) return 1;
    if (random() % 3 == 0) {
      if (log.sync() != LogResult::OK) return 1;
      std::printf("durable %u\n", log.durable()->seq);
    }
    while (const auto lost = log.take_lost())
      std::printf("lost %u %u %u\n", lost->boot_id, lost->first_seq, lost->last_seq);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if ((verb != "read" || argc != 4) && (verb != "write" || argc < 4 || argc > 5)) {
    std::fprintf(stderr, "usage: umg1_writer write FILE SLOTS [FRAMES] | read FILE SLOTS\n");
    return 2;
  }
  const auto slots = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  FileDevice device(argv[2], slots * BLOCKS);
  if (!device.ok()) {
    std::fprintf(stderr, "umg1_writer: cannot open %s\n", argv[2]);
    return 1;
  }
  return verb == "read"
             ? read_ring(device, slots)
             : write_ring(device, slots, argc > 4 ? std::strtoull(argv[4], nullptr, 10) : ~uint64_t{0});
}

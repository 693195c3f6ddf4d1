// What the recorder of the firmware needs for a schema (argument: its payload in a file): bytes of the two
// open frames, of the largest finished frame, and of the object itself.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include "esphome/components/microgrid_core/umg1_recorder.h"

using namespace esphome::microgrid;

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  const std::vector<uint8_t> payload(text.begin(), text.end());
  std::vector<Channel> room(MAX_CHANNELS);
  const auto schema = read_schema(payload, room);
  if (!schema) return 1;
  std::printf("%zu %zu %zu\n", Recorder::arena_bytes(schema->channels, {}),
              Recorder::max_frame_bytes(schema->channels, {}), sizeof(Recorder));
  return 0;
}

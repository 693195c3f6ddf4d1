// libFuzzer target: arbitrary frames, controllers and clocks to a BusNode; it neither crashes nor stops its
// beat.
#include "nonsense.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  microgrid_test::play_nonsense({data, size}, [](bool holds) {
    if (!holds) __builtin_trap();
  });
  return 0;
}

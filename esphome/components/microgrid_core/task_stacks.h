// The stacks of our tasks. `tests/firmware/memory` compares them with what the compiler says that they need.
#pragma once

#include <cstddef>

namespace esphome::microgrid {

constexpr size_t BUS_STACK_BYTES = 8192;
constexpr size_t LOG_STACK_BYTES = 6144;

}  // namespace esphome::microgrid

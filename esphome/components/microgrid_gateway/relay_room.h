// How much of the houses' logs a gateway holds at a time.
#pragma once

#include <cstddef>

namespace esphome::microgrid {

/// 40 s of one house. The largest frame of a house has to fit.
constexpr size_t RELAY_BYTES = 6144;

}  // namespace esphome::microgrid

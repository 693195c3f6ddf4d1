// What measuring takes besides its objects.
#pragma once

#include <cstddef>

namespace esphome::microgrid {

/// Of adc_stream_esp32.h: what ESP-IDF stores, and the frame being read.
constexpr size_t MEASURING_BUFFER_BYTES = 12 * 256 + 256;

}  // namespace esphome::microgrid

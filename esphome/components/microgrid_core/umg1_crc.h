// CRC-32 as in zlib, PNG and Ethernet.
#pragma once

#include "umg1_bytes.h"

namespace esphome::microgrid {

/// CRC-32 of `data`; to go on with more data, pass the result so far.
uint32_t crc32(Bytes data, uint32_t so_far = 0);

}  // namespace esphome::microgrid

// CRC-32, one table look-up a byte; the table lies in flash.
#include "umg1_crc.h"

#include <array>

namespace esphome::microgrid {

namespace {

constexpr auto TABLE = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value & 1) != 0 ? 0xEDB88320U ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  return table;
}();

}  // namespace

uint32_t crc32(Bytes data, uint32_t so_far) {
  uint32_t crc = ~so_far;
  for (const uint8_t byte : data) crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

}  // namespace esphome::microgrid

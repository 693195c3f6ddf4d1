// Of ESPHome's helpers.h what the tests of the ESP32 need.
#pragma once
#include <cstdint>

namespace esphome {

inline uint32_t fnv1_hash_extend(uint32_t hash, char letter) {
  return (hash * 16777619U) ^ static_cast<uint8_t>(letter);
}
inline uint32_t fnv1_hash(const char *text) {
  uint32_t hash = 2166136261U;
  for (; *text != '\0'; text++) hash = fnv1_hash_extend(hash, *text);
  return hash;
}

}  // namespace esphome

// The check of texts that come from outside.
#include "umg1_bytes.h"

namespace esphome::microgrid {

bool is_utf8(Bytes bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const uint8_t first = bytes[at];
    const size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (length == 0 || first > 0xF4 || length > bytes.size() - at) return false;
    for (size_t i = 1; i < length; i++) {
      // The second byte excludes longer forms than needed, surrogates, and what is beyond the last letter.
      const uint8_t lowest = i > 1 ? 0x80 : first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
      const uint8_t highest = i > 1 ? 0xBF : first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
      if (bytes[at + i] < lowest || bytes[at + i] > highest) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace esphome::microgrid

// Of ESPHome's log.h what the tests of the ESP32 need: messages are checked and thrown away.
#pragma once
#include <cstdio>

namespace esphome {
__attribute__((format(printf, 2, 3))) inline void thrown_away(const char * /*tag*/, const char * /*format*/,
                                                              ...) {}
}  // namespace esphome

#define ESP_LOGCONFIG(tag, ...) ::esphome::thrown_away(tag, __VA_ARGS__)
#define ESP_LOGE(tag, ...) ::esphome::thrown_away(tag, __VA_ARGS__)

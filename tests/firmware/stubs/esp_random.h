// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>
#include <stdint.h>
extern "C" {
uint32_t esp_random(void);
void esp_fill_random(void *buffer, size_t length);
}

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stdint.h>
extern "C" uint32_t esp_cpu_get_cycle_count(void);

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "nvs.h"
extern "C" esp_err_t nvs_flash_init(void);

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#define CONFIG_FREERTOS_HZ 1000
#define CONFIG_IDF_TARGET_ESP32 1
#define CONFIG_ESP_TASK_WDT_TIMEOUT_S 5
#define CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ 240
#define CONFIG_LWIP_IPV4 1

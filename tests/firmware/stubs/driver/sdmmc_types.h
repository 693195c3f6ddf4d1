// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#define SDMMC_FREQ_DEFAULT 20000
#define SDMMC_FREQ_PROBING 400
typedef struct {
  unsigned flags;
  int slot;
  int max_freq_khz;
  float io_voltage;
  int command_timeout_ms;
} sdmmc_host_t;

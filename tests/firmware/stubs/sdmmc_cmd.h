// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"
typedef struct {
  int mfg_id;
  int oem_id;
  char name[8];
  int revision;
  int serial;
  int date;
} sdmmc_cid_t;
typedef struct {
  int csd_ver;
  int mmc_ver;
  int capacity;  // in sectors
  int sector_size;
  int read_block_len;
  int card_command_class;
  int tr_speed;
} sdmmc_csd_t;
typedef struct {
  sdmmc_cid_t cid;
  sdmmc_csd_t csd;
} sdmmc_card_t;
extern "C" {
esp_err_t sdmmc_get_status(sdmmc_card_t *card);
esp_err_t sdmmc_read_sectors(sdmmc_card_t *card, void *destination, size_t start_sector, size_t sector_count);
esp_err_t sdmmc_write_sectors(sdmmc_card_t *card, const void *source, size_t start_sector,
                              size_t sector_count);
}

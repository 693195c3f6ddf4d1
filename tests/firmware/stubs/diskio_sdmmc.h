// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "ff.h"
#include "sdmmc_cmd.h"
extern "C" {
BYTE ff_diskio_get_pdrv_card(const sdmmc_card_t *card);
}

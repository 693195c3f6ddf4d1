// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>

#include "driver/sdspi_host.h"
#include "esp_err.h"
#include "sdmmc_cmd.h"
typedef struct {
  bool format_if_mount_failed;
  int max_files;
  size_t allocation_unit_size;
  bool disk_status_check_enable;
  bool use_one_fat;
} esp_vfs_fat_mount_config_t;
typedef esp_vfs_fat_mount_config_t esp_vfs_fat_sdmmc_mount_config_t;
extern "C" {
esp_err_t esp_vfs_fat_sdspi_mount(const char *base_path, const sdmmc_host_t *host,
                                  const sdspi_device_config_t *slot, const esp_vfs_fat_mount_config_t *config,
                                  sdmmc_card_t **card);
esp_err_t esp_vfs_fat_sdcard_unmount(const char *base_path, sdmmc_card_t *card);
esp_err_t esp_vfs_fat_info(const char *base_path, uint64_t *total_bytes, uint64_t *free_bytes);
esp_err_t esp_vfs_fat_create_contiguous_file(const char *base_path, const char *full_path, uint64_t size,
                                             bool alloc_now);
esp_err_t esp_vfs_fat_test_contiguous_file(const char *base_path, const char *full_path, bool *is_contiguous);
}

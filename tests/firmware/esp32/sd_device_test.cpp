// The memory card of an ESP32: a log on it is deleted only when it is certainly of no use.
#include "esphome/components/microgrid_log/sd_device.h"

#include <diskio_sdmmc.h>
#include <esp_heap_caps.h>
#include <ff.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace esphome::microgrid {
namespace {

/// What is on the card, and how it fails.
struct Card {
  struct File {
    uint64_t bytes;
    bool in_one_piece;
    bool ours;  // it was there before, with a log in it
  };
  std::map<std::string, File> files;
  FRESULT stat_fails{FR_OK};
  esp_err_t test_fails{ESP_OK};
  FRESULT unlink_fails{FR_OK};
  int deleted{0};
  int created{0};
  int written{0};
  bool mounted{false};

  File *find(const char *path) {
    const std::string whole{path};
    const auto found = this->files.find(whole.substr(whole.rfind('/') + 1));
    return found == this->files.end() ? nullptr : &found->second;
  }
};

Card card;
FATFS volume{};
sdmmc_card_t driver{};

constexpr MediumBlocks BLOCKS{128, 64, 64};

class SdCard : public testing::Test {
 protected:
  SdCard() {
    card = {};
    volume = {.fs_type = 3, .csize = 8, .database = 1000};
    driver.csd.sector_size = SECTOR_BYTES;
  }
  /// With the logs of before.
  static void fill() {
    for (size_t file = 0; file < MEDIUM_FILES; file++)
      card.files[std::string{MEDIUM_FILE_NAMES[file]}] = {uint64_t{BLOCKS[file]} * BLOCK_BYTES, true, true};
  }
  /// How many of the files are still those of before.
  static int logs() {
    int count = 0;
    for (const auto &[name, file] : card.files) count += file.ours ? 1 : 0;
    return count;
  }

  SdMedium medium{SdSettings{.host = SPI2_HOST,
                             .clock_pin = GPIO_NUM_NC,
                             .miso_pin = GPIO_NUM_NC,
                             .mosi_pin = GPIO_NUM_NC,
                             .select_pin = GPIO_NUM_NC,
                             .frequency_khz = 20'000}};
};

TEST_F(SdCard, AnEmptyOneGetsItsFiles) {
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::OK) << this->medium.complaint();
  EXPECT_EQ(card.created, 3);
  EXPECT_EQ(card.written, 4) << "slots begin empty";
}

TEST_F(SdCard, KeepsTheLogThatItHas) {
  fill();
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::OK);
  EXPECT_EQ(logs(), 3);
  EXPECT_EQ(card.deleted + card.created + card.written, 0);
}

TEST_F(SdCard, KeepsTheLogThatItCannotReadNow) {
  fill();
  for (const FRESULT error : {FR_DISK_ERR, FR_INT_ERR, FR_NOT_READY, FR_NO_PATH}) {
    card.stat_fails = error;
    EXPECT_EQ(this->medium.mount(BLOCKS), CardState::FAILING);
    EXPECT_EQ(this->medium.complaint(), "log.umg: cannot be read");
    EXPECT_FALSE(card.mounted);
  }
  card.stat_fails = FR_OK;
  card.test_fails = ESP_FAIL;
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::FAILING);
  EXPECT_EQ(this->medium.complaint(), "log.umg: cannot be read");
  card.test_fails = ESP_ERR_NO_MEM;
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::FAILING);
  EXPECT_EQ(card.deleted + card.created + card.written, 0);

  card.test_fails = ESP_OK;
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::OK) << "the card was pushed in properly";
  EXPECT_EQ(logs(), 3);
}

TEST_F(SdCard, MakesAnewWhatIsTooSmallOrInPieces) {
  fill();
  card.files["log.umg"].bytes -= BLOCK_BYTES;
  card.files["capture.umg"].in_one_piece = false;
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::OK);
  EXPECT_EQ(card.deleted, 2);
  EXPECT_EQ(card.created, 2);
  EXPECT_EQ(logs(), 1);
}

TEST_F(SdCard, ComplainsAboutWhatItCannotDelete) {
  fill();
  card.files["log.umg"].bytes = 0;
  card.unlink_fails = FR_DISK_ERR;
  EXPECT_EQ(this->medium.mount(BLOCKS), CardState::FAILING);
  EXPECT_EQ(this->medium.complaint(), "log.umg: cannot be deleted");
  EXPECT_EQ(card.created, 0);
}

}  // namespace
}  // namespace esphome::microgrid

using esphome::microgrid::card;
using esphome::microgrid::driver;
using esphome::microgrid::volume;

FRESULT f_stat(const TCHAR *path, FILINFO *info) {
  if (card.stat_fails != FR_OK) return card.stat_fails;
  const auto *file = card.find(path);
  if (file == nullptr) return FR_NO_FILE;
  info->fsize = static_cast<FSIZE_t>(file->bytes);
  return FR_OK;
}

FRESULT f_unlink(const TCHAR *path) {
  if (card.unlink_fails != FR_OK) return card.unlink_fails;
  if (card.find(path) == nullptr) return FR_NO_FILE;
  const std::string whole{path};
  card.files.erase(whole.substr(whole.rfind('/') + 1));
  card.deleted++;
  return FR_OK;
}

FRESULT f_open(FIL *file, const TCHAR *path, BYTE /*mode*/) {
  if (card.find(path) == nullptr) return FR_NO_FILE;
  file->obj = {.fs = &volume, .sclust = 2, .objsize = 0};
  return FR_OK;
}

FRESULT f_close(FIL * /*file*/) { return FR_OK; }

BYTE ff_diskio_get_pdrv_card(const sdmmc_card_t * /*card*/) { return 0; }

esp_err_t esp_vfs_fat_test_contiguous_file(const char * /*base_path*/, const char *full_path,
                                           bool *is_contiguous) {
  if (card.test_fails != ESP_OK) return card.test_fails;
  *is_contiguous = card.find(full_path)->in_one_piece;
  return ESP_OK;
}

esp_err_t esp_vfs_fat_create_contiguous_file(const char * /*base_path*/, const char *full_path, uint64_t size,
                                             bool /*alloc_now*/) {
  const std::string whole{full_path};
  card.files[whole.substr(whole.rfind('/') + 1)] = {size, true, false};
  card.created++;
  return ESP_OK;
}

esp_err_t esp_vfs_fat_info(const char * /*base_path*/, uint64_t *total_bytes, uint64_t *free_bytes) {
  *total_bytes = *free_bytes = 0;
  return ESP_OK;
}

esp_err_t esp_vfs_fat_sdspi_mount(const char * /*base_path*/, const sdmmc_host_t * /*host*/,
                                  const sdspi_device_config_t * /*slot*/,
                                  const esp_vfs_fat_mount_config_t * /*config*/, sdmmc_card_t **mounted) {
  *mounted = &driver;
  card.mounted = true;
  return ESP_OK;
}

esp_err_t esp_vfs_fat_sdcard_unmount(const char * /*base_path*/, sdmmc_card_t * /*card*/) {
  card.mounted = false;
  return ESP_OK;
}

esp_err_t sdmmc_write_sectors(sdmmc_card_t * /*card*/, const void * /*source*/, size_t /*start_sector*/,
                              size_t /*sector_count*/) {
  card.written++;
  return ESP_OK;
}

esp_err_t sdmmc_read_sectors(sdmmc_card_t * /*card*/, void * /*destination*/, size_t /*start_sector*/,
                             size_t /*sector_count*/) {
  return ESP_OK;
}

esp_err_t sdmmc_get_status(sdmmc_card_t * /*card*/) { return ESP_OK; }

esp_err_t spi_bus_initialize(spi_host_device_t /*host*/, const spi_bus_config_t * /*bus*/,
                             spi_dma_chan_t /*channel*/) {
  return ESP_OK;
}

/// One block for the transfers, for ever.
void *heap_caps_malloc(size_t size, uint32_t /*caps*/) {
  static std::array<uint8_t, esphome::microgrid::BLOCK_BYTES> room;
  return size <= room.size() ? room.data() : nullptr;
}

// FatFs for finding the files, the driver of the card for everything else.
#include "sd_device.h"

#ifdef USE_ESP32

#include <diskio_sdmmc.h>
#include <esp_heap_caps.h>
#include <ff.h>

namespace esphome::microgrid {

namespace {

constexpr const char *BASE = "/log";
constexpr uint32_t SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES;
// Slots of all files begin at multiples of this.
constexpr uint32_t CLEARED_EVERY_BLOCKS = 64;

}  // namespace

CardState SdMedium::complain(CardState state, const char *what, std::string_view file) {
  std::array<char, 120> text{};
  std::snprintf(text.data(), text.size(), "%.*s%s%s", static_cast<int>(file.size()), file.data(),
                file.empty() ? "" : ": ", what);
  this->complaint_.assign(text.data());
  this->unmount();
  return state;
}

bool SdMedium::begin_bus() {
  if (this->bus_begun_) return true;
  if (this->transfer_ == nullptr)
    this->transfer_ =
        static_cast<uint8_t *>(heap_caps_malloc(BLOCK_BYTES, MALLOC_CAP_DMA | MALLOC_CAP_INTERNAL));
  spi_bus_config_t bus{};
  bus.mosi_io_num = this->settings_.mosi_pin;
  bus.miso_io_num = this->settings_.miso_pin;
  bus.sclk_io_num = this->settings_.clock_pin;
  bus.quadwp_io_num = -1;
  bus.quadhd_io_num = -1;
  bus.max_transfer_sz = BLOCK_BYTES;
  this->bus_begun_ = this->transfer_ != nullptr &&
                     spi_bus_initialize(this->settings_.host, &bus, SDSPI_DEFAULT_DMA) == ESP_OK;
  return this->bus_begun_;
}

CardState SdMedium::mount(const MediumBlocks &blocks) {
  this->unmount();
  this->complaint_ = {};
  if (!this->begin_bus())
    return this->complain(CardState::FAILING, "the SPI of the card is in use by somebody else");
  sdmmc_host_t host = SDSPI_HOST_DEFAULT();
  host.slot = this->settings_.host;
  host.max_freq_khz = this->settings_.frequency_khz;
  sdspi_device_config_t slot = SDSPI_DEVICE_CONFIG_DEFAULT();
  slot.host_id = this->settings_.host;
  slot.gpio_cs = this->settings_.select_pin;
  esp_vfs_fat_mount_config_t config{};
  config.format_if_mount_failed = false;  // somebody else's pictures may be on it
  config.max_files = 2;
  const esp_err_t error = esp_vfs_fat_sdspi_mount(BASE, &host, &slot, &config, &this->card_);
  if (error != ESP_OK) {
    this->card_ = nullptr;
    // ESP_FAIL: there is a card, but no file system that is known.
    return error == ESP_FAIL
               ? this->complain(CardState::FAILING, "the card is not formatted: use FAT32, not exFAT")
               : this->complain(CardState::MISSING, "no card, or it does not answer");
  }
  if (this->card_->csd.sector_size != static_cast<int>(SECTOR_BYTES))
    return this->complain(CardState::FAILING, "the card has sectors of an unusual size: use another one");
  for (size_t file = 0; file < MEDIUM_FILES; file++) {
    if (!this->open(file, blocks[file])) return CardState::FAILING;
  }
  return CardState::OK;
}

bool SdMedium::open(size_t file, uint32_t blocks) {
  const std::string_view name = MEDIUM_FILE_NAMES[file];
  const uint64_t bytes = uint64_t{blocks} * BLOCK_BYTES;
  std::array<char, 32> path{}, inside{};
  std::snprintf(path.data(), path.size(), "%s/%.*s", BASE, static_cast<int>(name.size()), name.data());
  std::snprintf(inside.data(), inside.size(), "%u:/%.*s",
                static_cast<unsigned>(ff_diskio_get_pdrv_card(this->card_)), static_cast<int>(name.size()),
                name.data());

  FILINFO info{};
  const FRESULT found = f_stat(inside.data(), &info);
  bool readable = found == FR_OK || found == FR_NO_FILE;
  bool usable = found == FR_OK && info.fsize >= bytes;
  if (usable) readable = esp_vfs_fat_test_contiguous_file(BASE, path.data(), &usable) == ESP_OK;
  // Only what is certainly of no use is deleted: what cannot be read may be a whole log.
  if (!readable) {
    this->complain(CardState::FAILING, "cannot be read", name);
    return false;
  }
  if (!usable) {
    if (found == FR_OK && f_unlink(inside.data()) != FR_OK) {
      this->complain(CardState::FAILING, "cannot be deleted", name);
      return false;
    }
    if (esp_vfs_fat_create_contiguous_file(BASE, path.data(), bytes, true) != ESP_OK) {
      uint64_t total = 0, free = 0;
      esp_vfs_fat_info(BASE, &total, &free);
      std::array<char, 96> text{};
      std::snprintf(
          text.data(), text.size(), "needs %lu MB in one piece, %lu MB are free: empty the card or keep less",
          static_cast<unsigned long>(bytes / 1'000'000), static_cast<unsigned long>(free / 1'000'000));
      this->complain(CardState::FAILING, text.data(), name);
      return false;
    }
  }
  FIL opened{};
  if (f_open(&opened, inside.data(), FA_READ) != FR_OK) {
    this->complain(CardState::FAILING, "cannot be opened", name);
    return false;
  }
  const FATFS *volume = opened.obj.fs;
  this->first_sector_[file] =
      static_cast<uint32_t>(volume->database + uint64_t{volume->csize} * (opened.obj.sclust - 2));
  f_close(&opened);
  if (!usable && !this->clear(this->first_sector_[file], blocks)) {
    this->complain(CardState::FAILING, "cannot be written", name);
    return false;
  }
  return true;
}

/// What lay on these sectors before may look like a log: slots begin empty.
bool SdMedium::clear(uint32_t first_sector, uint32_t blocks) {
  std::memset(this->transfer_, 0, BLOCK_BYTES);
  for (uint32_t block = 0; block < blocks; block += CLEARED_EVERY_BLOCKS) {
    if (sdmmc_write_sectors(this->card_, this->transfer_, first_sector + block * SECTORS_PER_BLOCK,
                            SECTORS_PER_BLOCK) != ESP_OK)
      return false;
  }
  return true;
}

void SdMedium::unmount() {
  if (this->card_ != nullptr) esp_vfs_fat_sdcard_unmount(BASE, this->card_);
  this->card_ = nullptr;
}

bool SdMedium::read(MediumFile file, uint32_t block, BlockRoom to) {
  if (this->card_ == nullptr) return false;
  const uint32_t sector = this->first_sector_[static_cast<size_t>(file)] + block * SECTORS_PER_BLOCK;
  if (sdmmc_read_sectors(this->card_, this->transfer_, sector, SECTORS_PER_BLOCK) != ESP_OK) return false;
  std::memcpy(to.data(), this->transfer_, BLOCK_BYTES);
  return true;
}

bool SdMedium::write(MediumFile file, uint32_t block, BlockBytes from) {
  if (this->card_ == nullptr) return false;
  const uint32_t sector = this->first_sector_[static_cast<size_t>(file)] + block * SECTORS_PER_BLOCK;
  std::memcpy(this->transfer_, from.data(), BLOCK_BYTES);
  return sdmmc_write_sectors(this->card_, this->transfer_, sector, SECTORS_PER_BLOCK) == ESP_OK;
}

/// The driver waits for the end of each write; here the card says whether all went well.
bool SdMedium::sync(MediumFile /*file*/) {
  return this->card_ != nullptr && sdmmc_get_status(this->card_) == ESP_OK;
}

}  // namespace esphome::microgrid

#endif  // USE_ESP32

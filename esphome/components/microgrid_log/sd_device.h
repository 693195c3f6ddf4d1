// A medium on the ESP32: a memory card at an SPI of its own, formatted with FAT32 by whoever bought it.
//
// FatFs creates the three files, each in one piece, and says where they lie; then their sectors are written
// directly. No table and no directory is touched while logging, so that nothing but the sector being written
// can be hurt by a power cut.
#pragma once

#ifdef USE_ESP32

#include <driver/sdspi_host.h>
#include <driver/spi_master.h>
#include <esp_vfs_fat.h>
#include <sdmmc_cmd.h>

#include "medium.h"

namespace esphome::microgrid {

struct SdSettings {
  spi_host_device_t host;
  gpio_num_t clock_pin;
  gpio_num_t miso_pin;
  gpio_num_t mosi_pin;
  gpio_num_t select_pin;
  int frequency_khz;
};

class SdMedium final : public Medium {
 public:
  explicit SdMedium(const SdSettings &settings) : settings_(settings) {}

  CardState mount(const MediumBlocks &blocks) override;
  void unmount() override;
  bool read(MediumFile file, uint32_t block, BlockRoom to) override;
  bool write(MediumFile file, uint32_t block, BlockBytes from) override;
  bool sync(MediumFile file) override;
  std::string_view complaint() const override { return this->complaint_.view(); }

 protected:
  CardState complain(CardState state, const char *what, std::string_view file = {});
  bool begin_bus();
  /// Finds or creates a file; false with a complaint.
  bool open(size_t file, uint32_t blocks);
  bool clear(uint32_t first_sector, uint32_t blocks);

  SdSettings settings_;
  bool bus_begun_{false};
  sdmmc_card_t *card_{nullptr};
  uint8_t *transfer_{nullptr};  // one block that the DMA can reach
  std::array<uint32_t, MEDIUM_FILES> first_sector_{};
  ShortText<120> complaint_;
};

}  // namespace esphome::microgrid

#endif  // USE_ESP32

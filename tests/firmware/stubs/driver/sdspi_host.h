// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "driver/sdmmc_types.h"
#include "driver/spi_master.h"
#include "hal/gpio_types.h"
#define SDSPI_DEFAULT_HOST SPI2_HOST
#define SDSPI_DEFAULT_DMA SPI_DMA_CH_AUTO
typedef struct {
  spi_host_device_t host_id;
  gpio_num_t gpio_cs;
  gpio_num_t gpio_cd;
  gpio_num_t gpio_wp;
  gpio_num_t gpio_int;
  bool gpio_wp_polarity;
  uint16_t duty_cycle_pos;
} sdspi_device_config_t;
inline sdmmc_host_t stub_sdspi_host() { return {}; }
inline sdspi_device_config_t stub_sdspi_device() { return {}; }
#define SDSPI_HOST_DEFAULT() stub_sdspi_host()
#define SDSPI_DEVICE_CONFIG_DEFAULT() stub_sdspi_device()

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>

#include "esp_err.h"
#include "hal/gpio_types.h"
typedef enum { SPI1_HOST, SPI2_HOST, SPI3_HOST, SPI_HOST_MAX } spi_host_device_t;
typedef enum { SPI_DMA_DISABLED = 0, SPI_DMA_CH1 = 1, SPI_DMA_CH2 = 2, SPI_DMA_CH_AUTO = 3 } spi_common_dma_t;
typedef spi_common_dma_t spi_dma_chan_t;
typedef struct {
  union {
    int mosi_io_num;
    int data0_io_num;
  };
  union {
    int miso_io_num;
    int data1_io_num;
  };
  int sclk_io_num;
  union {
    int quadwp_io_num;
    int data2_io_num;
  };
  union {
    int quadhd_io_num;
    int data3_io_num;
  };
  int data4_io_num;
  int data5_io_num;
  int data6_io_num;
  int data7_io_num;
  bool data_io_default_level;
  int max_transfer_sz;
  uint32_t flags;
  int isr_cpu_id;
  int intr_flags;
} spi_bus_config_t;
extern "C" {
esp_err_t spi_bus_initialize(spi_host_device_t host, const spi_bus_config_t *config, spi_dma_chan_t dma);
esp_err_t spi_bus_free(spi_host_device_t host);
}

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "esp_err.h"
#include "hal/adc_types.h"
#include "soc/soc_caps.h"
#define ADC_MAX_DELAY UINT32_MAX
typedef struct adc_continuous_ctx_t *adc_continuous_handle_t;
typedef struct {
  uint32_t max_store_buf_size;
  uint32_t conv_frame_size;
  struct {
    uint32_t flush_pool : 1;
  } flags;
} adc_continuous_handle_cfg_t;
typedef struct {
  uint32_t pattern_num;
  adc_digi_pattern_config_t *adc_pattern;
  uint32_t sample_freq_hz;
  adc_digi_convert_mode_t conv_mode;
  adc_digi_output_format_t format;
} adc_continuous_config_t;
typedef struct {
  uint8_t *conv_frame_buffer;
  uint32_t size;
} adc_continuous_evt_data_t;
typedef bool (*adc_continuous_callback_t)(adc_continuous_handle_t handle,
                                          const adc_continuous_evt_data_t *data, void *context);
typedef struct {
  adc_continuous_callback_t on_conv_done;
  adc_continuous_callback_t on_pool_ovf;
} adc_continuous_evt_cbs_t;
extern "C" {
esp_err_t adc_continuous_new_handle(const adc_continuous_handle_cfg_t *config,
                                    adc_continuous_handle_t *handle);
esp_err_t adc_continuous_config(adc_continuous_handle_t handle, const adc_continuous_config_t *config);
esp_err_t adc_continuous_register_event_callbacks(adc_continuous_handle_t handle,
                                                  const adc_continuous_evt_cbs_t *callbacks, void *context);
esp_err_t adc_continuous_start(adc_continuous_handle_t handle);
esp_err_t adc_continuous_read(adc_continuous_handle_t handle, uint8_t *buffer, uint32_t length_max,
                              uint32_t *out_length, uint32_t timeout_ms);
esp_err_t adc_continuous_stop(adc_continuous_handle_t handle);
esp_err_t adc_continuous_deinit(adc_continuous_handle_t handle);
}

#ifdef USE_ESP32
#include "adc_stream_esp32.h"

#include <esp_adc/adc_cali.h>
#include <esp_adc/adc_cali_scheme.h>

namespace esphome::microgrid {

LinearScale calibrated_line() {
  constexpr int LOW = 400, HIGH = 3200;
  constexpr LinearScale UNCALIBRATED{.per_count = 3.1F / 4095, .offset = 0.1F};
  adc_cali_handle_t calibration = nullptr;
#if ADC_CALI_SCHEME_CURVE_FITTING_SUPPORTED
  adc_cali_curve_fitting_config_t config{};
  config.unit_id = ADC_UNIT_1;
  config.atten = ADC_ATTEN_DB_12;
  config.bitwidth = ADC_BITWIDTH_12;
  if (adc_cali_create_scheme_curve_fitting(&config, &calibration) != ESP_OK) return UNCALIBRATED;
#elif ADC_CALI_SCHEME_LINE_FITTING_SUPPORTED
  adc_cali_line_fitting_config_t config{};
  config.unit_id = ADC_UNIT_1;
  config.atten = ADC_ATTEN_DB_12;
  config.bitwidth = ADC_BITWIDTH_12;
  if (adc_cali_create_scheme_line_fitting(&config, &calibration) != ESP_OK) return UNCALIBRATED;
#endif
  int low_mv = 0, high_mv = 0;
  if (calibration == nullptr || adc_cali_raw_to_voltage(calibration, LOW, &low_mv) != ESP_OK ||
      adc_cali_raw_to_voltage(calibration, HIGH, &high_mv) != ESP_OK || high_mv <= low_mv)
    return UNCALIBRATED;
  const float per_count = static_cast<float>(high_mv - low_mv) / 1000 / (HIGH - LOW);
  return {.per_count = per_count, .offset = static_cast<float>(low_mv) / 1000 - LOW * per_count};
}

bool AdcStream::open(std::span<const adc_channel_t> inputs) {
  if (inputs.size() > MAX_INPUTS) return false;
  adc_continuous_handle_cfg_t storage{};
  storage.max_store_buf_size = FRAMES_STORED * this->frame_.size();
  storage.conv_frame_size = this->frame_.size();
  storage.flags.flush_pool = true;  // what was not taken in time is old: better the newest
  if (adc_continuous_new_handle(&storage, &this->handle_) != ESP_OK) return false;

  std::array<adc_digi_pattern_config_t, MAX_INPUTS> pattern{};
  for (size_t i = 0; i < inputs.size(); i++) {
    pattern[i].atten = ADC_ATTEN_DB_12;
    pattern[i].channel = static_cast<uint8_t>(inputs[i]);
    pattern[i].unit = ADC_UNIT_1;
    pattern[i].bit_width = ADC_BITWIDTH_12;
  }
#if SOC_ADC_DIGI_RESULT_BYTES == 2
  constexpr auto FORMAT = ADC_DIGI_OUTPUT_FORMAT_TYPE1;
#else
  constexpr auto FORMAT = ADC_DIGI_OUTPUT_FORMAT_TYPE2;
#endif
  const adc_continuous_config_t config{.pattern_num = static_cast<uint32_t>(inputs.size()),
                                       .adc_pattern = pattern.data(),
                                       .sample_freq_hz = SAMPLES_PER_S,
                                       .conv_mode = ADC_CONV_SINGLE_UNIT_1,
                                       .format = FORMAT};
  return adc_continuous_config(this->handle_, &config) == ESP_OK &&
         adc_continuous_start(this->handle_) == ESP_OK;
}

}  // namespace esphome::microgrid

#endif

// The ESP32's ADC, sampling its inputs in turn without pause by DMA. Only ADC1: Wi-Fi uses ADC2 itself.
#pragma once
#ifdef USE_ESP32

#include <esp_adc/adc_continuous.h>

#include <array>
#include <cstring>
#include <span>

#include "linear_scale.h"

namespace esphome::microgrid {

/// Volts at the pin, by two points of the chip's own calibration.
LinearScale calibrated_line();

class AdcStream final {
 public:
  static constexpr uint32_t SAMPLES_PER_S = 20'000;  // of all inputs together; the ESP32's least
  static constexpr uint32_t RESULTS_IN_FRAME = 128;  // 6.4 ms
  static constexpr uint32_t FRAMES_STORED = 12;
  static constexpr size_t MAX_INPUTS = 4;

  /// Inputs in the order of sampling. False when the hardware is not to be had.
  bool open(std::span<const adc_channel_t> inputs);
  bool is_open() const { return this->handle_ != nullptr; }

  /// Calls take(channel, count) with all that came since the last call, without waiting. False when nothing
  /// came.
  template <typename Take>
  bool read(Take &&take) {
    bool any = false;
    uint32_t bytes = 0;
    while (adc_continuous_read(this->handle_, this->frame_.data(), this->frame_.size(), &bytes, 0) ==
           ESP_OK) {
      any = true;
      for (uint32_t at = 0; at + SOC_ADC_DIGI_RESULT_BYTES <= bytes; at += SOC_ADC_DIGI_RESULT_BYTES) {
        adc_digi_output_data_t result{};
        std::memcpy(&result, &this->frame_[at], SOC_ADC_DIGI_RESULT_BYTES);
#if SOC_ADC_DIGI_RESULT_BYTES == 2
        take(uint32_t{result.type1.channel}, static_cast<uint16_t>(result.type1.data));
#else
        take(uint32_t{result.type2.channel}, static_cast<uint16_t>(result.type2.data));
#endif
      }
    }
    return any;
  }

 protected:
  adc_continuous_handle_t handle_{nullptr};
  std::array<uint8_t, size_t{RESULTS_IN_FRAME} * SOC_ADC_DIGI_RESULT_BYTES> frame_{};
};

}  // namespace esphome::microgrid

#endif

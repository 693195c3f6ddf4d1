// The inputs of a house at the ESP32's ADC.
#pragma once
#ifdef USE_ESP32

#include <array>
#include <optional>

#include "analog_inputs.h"
#include "esphome/components/microgrid_measure/adc_stream_esp32.h"

namespace esphome::microgrid {

/// How an input is wired. Pins bear 3.3 V at most; the ADC sees up to about 3.1 V of it.
struct AdcInput {
  AnalogRole role;
  adc_channel_t channel;
  float per_volt;   // what one volt at the pin stands for, in V or A
  float zero_volt;  // at the pin when the value is 0; of AC inputs it is found out
};

class AdcSampler final {
 public:
  /// While setting up; voltage before current.
  void add(const AdcInput &input) {
    if (this->count_ < this->inputs_.size()) this->inputs_[this->count_++] = input;
  }
  /// Of the current transformer behind the voltage's divider.
  void set_current_lag(float lag_us) { this->current_lag_us_ = lag_us; }
  bool open();
  /// Bus task, at each beat.
  void read(FastSample &sample);
  bool measures(HouseMetric metric) const;

 protected:
  AnalogSettings settings() const;
  void take(uint32_t channel, uint16_t count);

  std::array<AdcInput, ANALOG_ROLES> inputs_{};
  size_t count_{0};
  float current_lag_us_{0};
  AdcStream stream_;
  std::optional<AnalogInputs> analog_;
};

}  // namespace esphome::microgrid

#endif

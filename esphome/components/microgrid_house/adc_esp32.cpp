#ifdef USE_ESP32
#include "adc_esp32.h"

namespace esphome::microgrid {

AnalogSettings AdcSampler::settings() const {
  const LinearScale volt = calibrated_line();
  AnalogSettings settings;
  settings.ac.samples_per_s = static_cast<float>(AdcStream::SAMPLES_PER_S) / static_cast<float>(this->count_);
  // A current is sampled right behind its voltage.
  settings.ac.current_delay_us = 1e6F / AdcStream::SAMPLES_PER_S - this->current_lag_us_;
  for (size_t i = 0; i < this->count_; i++) {
    const AdcInput &input = this->inputs_[i];
    settings.measured[static_cast<size_t>(input.role)] = true;
    const LinearScale scale{.per_count = volt.per_count * input.per_volt,
                            .offset = (volt.offset - input.zero_volt) * input.per_volt};
    switch (input.role) {
      case AnalogRole::AC_VOLTAGE:
        settings.ac.volts_per_count = scale.per_count;
        break;
      case AnalogRole::AC_CURRENT:
        settings.ac.amperes_per_count = scale.per_count;
        break;
      case AnalogRole::DC_BUS_VOLTAGE:
        settings.dc_bus_voltage = scale;
        break;
      case AnalogRole::BATTERY_CURRENT:
        settings.battery_current = scale;
        break;
    }
  }
  return settings;
}

bool AdcSampler::open() {
  if (this->count_ == 0) return true;
  this->analog_.emplace(this->settings());
  std::array<adc_channel_t, ANALOG_ROLES> channels{};
  for (size_t i = 0; i < this->count_; i++) channels[i] = this->inputs_[i].channel;
  return this->stream_.open(std::span(channels).first(this->count_));
}

void AdcSampler::take(uint32_t channel, uint16_t count) {
  if (!this->analog_) return;
  for (size_t i = 0; i < this->count_; i++) {
    if (static_cast<uint32_t>(this->inputs_[i].channel) == channel)
      this->analog_->add(this->inputs_[i].role, count);
  }
}

void AdcSampler::read(FastSample &sample) {
  if (!this->analog_) return;
  if (this->stream_.is_open())
    this->stream_.read([this](uint32_t channel, uint16_t count) { this->take(channel, count); });
  this->analog_->read(sample);
}

bool AdcSampler::measures(HouseMetric metric) const {
  return this->analog_ && this->analog_->measures(metric);
}

}  // namespace esphome::microgrid

#endif

// A house's own measurements on the ESP32: zero crossings and ADC together.
#pragma once
#ifdef USE_ESP32

#include <optional>

#include "adc_esp32.h"
#include "esphome/components/microgrid_measure/edge_timer_esp32.h"
#include "esphome/components/microgrid_measure/zero_crossing.h"

namespace esphome::microgrid {

class LocalInput final : public FastInput {
 public:
  // While setting up.
  void set_zero_crossing(int pin, bool both_edges) {
    this->crossings_[0].pin = pin;
    this->crossings_[0].both_edges = both_edges;
  }
  AdcSampler &adc() { return this->adc_; }
  /// False when a part of the hardware is not to be had; the other one works nevertheless.
  bool open() {
    const bool adc = this->adc_.open();
    if (!this->has_crossings()) return adc;
    if (!this->timer_.open(this->crossings_)) return false;
    this->frequency_.emplace(ZeroCrossingSettings{.ticks_per_s = this->timer_.ticks_per_s()});
    return adc;
  }

  bool sample(uint64_t mono_us, FastSample &sample) override {
    if (this->frequency_) {
      while (const auto edge = this->timer_.take(this->crossings_[0])) this->frequency_->edge(edge->ticks);
      this->frequency_->expire(this->timer_.now(mono_us));
      sample.frequency_hz = this->frequency_->frequency_hz();
    }
    this->adc_.read(sample);
    return true;
  }
  bool measures(HouseMetric metric) const override {
    return metric == HouseMetric::INVERTER_FREQUENCY ? this->has_crossings() : this->adc_.measures(metric);
  }

 protected:
  bool has_crossings() const { return this->crossings_[0].pin >= 0; }

  std::array<EdgeTimer::Input, 1> crossings_{};
  EdgeTimer timer_;
  std::optional<ZeroCrossing> frequency_;
  AdcSampler adc_;
};

}  // namespace esphome::microgrid

#endif

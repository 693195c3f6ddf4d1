// Both sides of the contactor measured by the ESP32 itself: zero crossings stamped by the capture unit on one
// timer, so that their difference is exact, and voltages and current by the ADC. Only ADC1: Wi-Fi uses ADC2
// itself.
#pragma once
#ifdef USE_ESP32

#include <array>
#include <atomic>
#include <optional>

#include "contactor_io.h"
#include "esphome/components/microgrid_measure/ac_meter.h"
#include "esphome/components/microgrid_measure/adc_stream_esp32.h"
#include "esphome/components/microgrid_measure/edge_timer_esp32.h"
#include "phase_meter.h"

namespace esphome::microgrid {

/// Zero crossings of both sides.
class PhaseCapture final {
 public:
  /// Pins get a rectangle of the voltage, high while it is positive, at most 3.3 V.
  void set_pin(PhaseMeter::Side side, int pin) { this->inputs_[side].pin = pin; }
  bool used() const { return this->inputs_[PhaseMeter::CLUSTER].pin >= 0; }
  /// False when the hardware is not to be had.
  bool open();
  /// Bus task, at each beat.
  void sample(uint64_t mono_us, GatewaySample &sample);
  /// Any task. False when a side's crossings are no rectangle: then there is no phase.
  bool rectangular(PhaseMeter::Side side) const {
    return this->rectangular_[side].load(std::memory_order_relaxed);
  }

 protected:
  std::array<EdgeTimer::Input, PhaseMeter::SIDES> inputs_{};
  EdgeTimer timer_;
  std::optional<PhaseMeter> meter_;
  std::array<std::atomic<bool>, PhaseMeter::SIDES> rectangular_{true, true};
};

enum class GatewayAnalog : uint8_t { CLUSTER_VOLTAGE, FLOW_CURRENT, SWARM_VOLTAGE };
constexpr size_t GATEWAY_ANALOGS = 3;

/// Voltages of both sides, and what flows between them.
class GatewayAdc final {
 public:
  /// `per_volt`: what one volt at the pin stands for; a current is positive while the cluster feeds the
  /// swarm.
  void set_input(GatewayAnalog role, adc_channel_t channel, float per_volt);
  /// Of the current transformer behind the voltage's divider.
  void set_current_lag(float lag_us) { this->current_lag_us_ = lag_us; }
  bool open();
  /// Bus task, at each beat.
  void sample(GatewaySample &sample);

 protected:
  static constexpr uint8_t SILENT_BEATS = 5;
  struct Input {
    bool used{false};
    adc_channel_t channel{};
    float per_volt{0};
  };

  Input &input(GatewayAnalog role) { return this->inputs_[static_cast<size_t>(role)]; }
  void take(uint32_t channel, uint16_t count);

  std::array<Input, GATEWAY_ANALOGS> inputs_{};
  float current_lag_us_{0};
  AdcStream stream_;
  std::optional<AcMeter> cluster_;
  std::optional<AcMeter> swarm_;
  std::optional<uint16_t> waiting_voltage_;
  uint8_t silent_beats_{0};
};

/// The auxiliary contact is asked by whoever knows its pin or sensor.
class GatewayLocalInput final {
 public:
  PhaseCapture &capture() { return this->capture_; }
  GatewayAdc &adc() { return this->adc_; }
  /// False when a part of the hardware is not to be had; the other one works nevertheless.
  bool open() {
    const bool adc = this->adc_.open();
    return (!this->capture_.used() || this->capture_.open()) && adc;
  }
  void sample(uint64_t mono_us, GatewaySample &sample) {
    this->capture_.sample(mono_us, sample);
    this->adc_.sample(sample);
  }

 protected:
  PhaseCapture capture_;
  GatewayAdc adc_;
};

}  // namespace esphome::microgrid

#endif

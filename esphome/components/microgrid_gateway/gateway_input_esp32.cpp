#ifdef USE_ESP32
#include "gateway_input_esp32.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr uint16_t NO_CURRENT = 2048;

}  // namespace

// -------------------------------------------------------------------------------------------- zero crossings

bool PhaseCapture::open() {
  if (!this->timer_.open(this->inputs_)) return false;
  this->meter_.emplace(ZeroCrossingSettings{.ticks_per_s = this->timer_.ticks_per_s()});
  return true;
}

void PhaseCapture::sample(uint64_t mono_us, GatewaySample &sample) {
  if (!this->meter_) return;
  for (const PhaseMeter::Side side : {PhaseMeter::CLUSTER, PhaseMeter::SWARM}) {
    while (const auto edge = this->timer_.take(this->inputs_[side]))
      this->meter_->edge(side, edge->ticks, edge->rising);
  }
  const uint32_t now = this->timer_.now(mono_us);
  this->meter_->expire(now);
  for (const PhaseMeter::Side side : {PhaseMeter::CLUSTER, PhaseMeter::SWARM})
    this->rectangular_[side].store(this->meter_->rectangular(side), std::memory_order_relaxed);
  sample.cluster_frequency_hz = this->meter_->frequency_hz(PhaseMeter::CLUSTER);
  sample.swarm_frequency_hz = this->meter_->frequency_hz(PhaseMeter::SWARM);
  sample.phase_difference_deg = this->meter_->phase_difference_deg(now);
}

// ------------------------------------------------------------------------------------- voltages and current

void GatewayAdc::set_input(GatewayAnalog role, adc_channel_t channel, float per_volt) {
  this->input(role) = {.used = true, .channel = channel, .per_volt = per_volt};
}

bool GatewayAdc::open() {
  std::array<adc_channel_t, GATEWAY_ANALOGS> channels{};
  size_t used = 0;
  for (const Input &input : this->inputs_) {  // the current right behind its voltage
    if (input.used) channels[used++] = input.channel;
  }
  if (used == 0) return true;

  const float volts = calibrated_line().per_count;  // offsets fall out of alternating values
  AcMeterSettings settings;
  settings.samples_per_s = static_cast<float>(AdcStream::SAMPLES_PER_S) / static_cast<float>(used);
  settings.current_delay_us = 1e6F / AdcStream::SAMPLES_PER_S - this->current_lag_us_;
  settings.volts_per_count = volts * this->input(GatewayAnalog::CLUSTER_VOLTAGE).per_volt;
  settings.amperes_per_count = volts * this->input(GatewayAnalog::FLOW_CURRENT).per_volt;
  if (this->input(GatewayAnalog::CLUSTER_VOLTAGE).used) this->cluster_.emplace(settings);
  settings.volts_per_count = volts * this->input(GatewayAnalog::SWARM_VOLTAGE).per_volt;
  if (this->input(GatewayAnalog::SWARM_VOLTAGE).used) this->swarm_.emplace(settings);

  return this->stream_.open(std::span(channels).first(used));
}

void GatewayAdc::take(uint32_t channel, uint16_t count) {
  const auto is = [&](GatewayAnalog role) {
    const Input &input = this->input(role);
    return input.used && static_cast<uint32_t>(input.channel) == channel;
  };
  if (is(GatewayAnalog::CLUSTER_VOLTAGE)) {
    if (this->input(GatewayAnalog::FLOW_CURRENT).used) {
      this->waiting_voltage_ = count;
    } else if (this->cluster_) {
      this->cluster_->add(count, NO_CURRENT);
    }
  } else if (is(GatewayAnalog::FLOW_CURRENT)) {
    // One without its voltage, when counts were lost, belongs to nothing.
    if (this->waiting_voltage_ && this->cluster_) this->cluster_->add(*this->waiting_voltage_, count);
    this->waiting_voltage_.reset();
  } else if (this->swarm_ && is(GatewayAnalog::SWARM_VOLTAGE)) {
    this->swarm_->add(count, NO_CURRENT);
  }
}

void GatewayAdc::sample(GatewaySample &sample) {
  if (!this->stream_.is_open()) return;
  const bool heard =
      this->stream_.read([this](uint32_t channel, uint16_t count) { this->take(channel, count); });
  this->silent_beats_ = heard ? uint8_t{0} : static_cast<uint8_t>(std::min(this->silent_beats_ + 1, 255));
  if (this->silent_beats_ >= SILENT_BEATS) {
    if (this->cluster_) this->cluster_->reset();
    if (this->swarm_) this->swarm_->reset();
    return;
  }
  if (this->cluster_) {
    const auto values = this->cluster_->values();
    sample.cluster_voltage_v = values.voltage_v;
    if (this->input(GatewayAnalog::FLOW_CURRENT).used) sample.power_flow_w = values.power_w;
  }
  if (this->swarm_) sample.swarm_voltage_v = this->swarm_->values().voltage_v;
}

}  // namespace esphome::microgrid

#endif

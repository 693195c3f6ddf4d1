#include "rtc_component.h"

#include "esphome/core/hal.h"
#include "esphome/core/log.h"

namespace esphome::microgrid {

static const char *const TAG = "microgrid.rtc";

namespace {

constexpr uint32_t LOOK_AGAIN_MS = 60'000;

}  // namespace

bool RtcComponent::Wires::write(std::span<const uint8_t> bytes) {
  return this->component_.I2CDevice::write(bytes.data(), bytes.size()) == i2c::ERROR_OK;
}

bool RtcComponent::Wires::read(uint8_t address, std::span<uint8_t> bytes) {
  return this->component_.read_register(address, bytes.data(), bytes.size()) == i2c::ERROR_OK;
}

void IRAM_ATTR RtcComponent::on_edge(RtcComponent *self) { self->chip_.edge(mono_us()); }

void RtcComponent::setup() {
  this->edge_pin_->setup();
  this->edge_pin_->attach_interrupt(&RtcComponent::on_edge, this, gpio::INTERRUPT_FALLING_EDGE);
  this->begin();
  this->set_interval(LOOK_AGAIN_MS, [this] { this->begin(); });
}

void RtcComponent::begin() {
  if (this->found_) return;
  this->found_ = this->chip_.begin();
  if (this->found_) {
    this->status_clear_warning();
  } else {
    this->status_set_warning();
    ESP_LOGW(TAG, "No DS3231 answers; looking again in a minute");
  }
}

void RtcComponent::loop() {
  if (!this->found_) return;
  const uint64_t now_us = mono_us();
  if (const auto observation = this->chip_.poll(now_us)) this->bus_node_.observe_rtc(*observation);
  this->chip_.keep(this->node_.clock.timeline(), now_us);
}

void RtcComponent::dump_config() {
  ESP_LOGCONFIG(TAG, "Microgrid RTC:");
  LOG_I2C_DEVICE(this);
  LOG_PIN("  Edge pin: ", this->edge_pin_);
}

}  // namespace esphome::microgrid

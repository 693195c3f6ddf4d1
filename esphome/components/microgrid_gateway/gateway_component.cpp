#include "gateway_component.h"

#include "esphome/core/log.h"
#ifdef USE_WIFI
#include "esphome/components/wifi/wifi_component.h"
#endif

namespace esphome::microgrid {

static const char *const TAG = "microgrid.gateway";

namespace {

constexpr uint64_t KEEP_EVERY_US = 1'000'000;
[[maybe_unused]] constexpr uint8_t LOOKS_AT_PULSES = 3;  // one a second, before they are told

}  // namespace

GatewayComponent::GatewayComponent(NodeComponent *core, CanComponent *can, LogStore &log,
                                   const SynchroniserSettings &settings)
    : core_(core),
      bus_node_(can->bus_node()),
      relay_(this->relay_room_),
      bulk_(log.bus_port(), this->relay_, this->directory_, can->bit_rate()),
      gateway_(core->node(), this->bus_node_, log, this->directory_, settings),
      settings_(settings) {
  this->gateway_.set_input(this);
  this->gateway_.set_contactor(this);
}

void GatewayComponent::set_house(uint8_t number, const char *node, const char *name) {
  HouseIdentity identity{};
  identity.node.assign(node);
  if (!identity.node.empty()) this->directory_.set(number, identity);
  this->gateway_.set_house_name(number, name);
}

void GatewayComponent::set_auxiliary_sensor(binary_sensor::BinarySensor *sensor) {
  sensor->add_on_state_callback([this](bool closed) {
    this->auxiliary_.store(closed ? AuxiliaryContact::CLOSED : AuxiliaryContact::OPEN,
                           std::memory_order_relaxed);
  });
}

void GatewayComponent::setup() {
  // What closes it is not touched before the synchroniser has decided: after a restart it may be closed, and
  // stay so.
  if (this->auxiliary_pin_ != nullptr) this->auxiliary_pin_->setup();
#ifdef USE_ESP32
  if (this->has_local_input_ && !this->local_input_.open()) {
    ESP_LOGE(TAG, "The ADC or the capture unit is not available: is another component using it?");
    this->mark_failed();
  }
#endif
  if (this->contactor_output_ != nullptr) this->quick_.start();
  this->gateway_.start(this->core_->storage());
  this->bus_node_.add(this->bulk_);
  this->bus_node_.set_bulk_port(&this->bulk_);
  this->core_->node().desk.add(this->bulk_);
}

void GatewayComponent::loop() {
  if (this->contactor_output_ != nullptr) {
    const bool wanted = this->wanted_.load(std::memory_order_relaxed);
    if (this->driven_ != wanted) this->contactor_output_->set_state(wanted);
    this->driven_ = wanted;
  }
  const uint64_t now_us = mono_us();
  if (now_us < this->next_keeping_us_) return;
  this->next_keeping_us_ = now_us + KEEP_EVERY_US;
  this->gateway_.keep_counters(now_us, false);
#ifdef USE_ESP32
  this->tell_crossings();
#endif
#ifdef USE_WIFI
  Readings &readings = this->core_->node().readings;
  constexpr auto SIGNAL = static_cast<size_t>(GatewayMetric::WIFI_SIGNAL);
  if (wifi::global_wifi_component->is_connected()) {
    readings.set(SIGNAL, wifi::global_wifi_component->wifi_rssi());
  } else {
    readings.forget(SIGNAL);
  }
#endif
}

#ifdef USE_ESP32
/// Once of each side: an installer has to rewire it. A single disturbance is over by the next looks.
void GatewayComponent::tell_crossings() {
  for (const PhaseMeter::Side side : {PhaseMeter::CLUSTER, PhaseMeter::SWARM}) {
    uint8_t &looks = this->looks_at_pulses_[side];
    if (looks == LOOKS_AT_PULSES) continue;  // told
    looks = this->local_input_.capture().rectangular(side) ? uint8_t{0} : static_cast<uint8_t>(looks + 1);
    if (looks != LOOKS_AT_PULSES) continue;
    ESP_LOGE(TAG,
             "The zero crossings of the %s are pulses, no rectangle that is high during one half wave: the "
             "phase is not known and the contactor stays open",
             side == PhaseMeter::CLUSTER ? "cluster" : "swarm");
  }
}
#endif

void GatewayComponent::on_safe_shutdown() { this->gateway_.keep_counters(mono_us(), true); }

GatewaySample GatewayComponent::sample(uint64_t mono_us) {
  GatewaySample sample{};
#ifdef USE_ESP32
  if (this->has_local_input_) this->local_input_.sample(mono_us, sample);
#endif
  if (this->auxiliary_pin_ != nullptr) {
    sample.auxiliary =
        this->auxiliary_pin_->digital_read() ? AuxiliaryContact::CLOSED : AuxiliaryContact::OPEN;
  } else {
    sample.auxiliary = this->auxiliary_.load(std::memory_order_relaxed);
  }
  return sample;
}

void GatewayComponent::drive(bool closed) {
  this->wanted_.store(closed, std::memory_order_relaxed);
  if (this->contactor_pin_ == nullptr) return;
  // The level first: as an output the pin must not begin with the wrong one.
  this->contactor_pin_->digital_write(closed);
  if (!this->driven_) {
    this->contactor_pin_->setup();
    this->contactor_pin_->digital_write(closed);
  }
  this->driven_ = closed;
}

void GatewayComponent::dump_config() {
  const SynchroniserSettings &limits = this->settings_;
  ESP_LOGCONFIG(TAG,
                "Microgrid gateway:\n"
                "  Closes within %.2f Hz, %.1f %%, %.1f degrees for %lu ms\n"
                "  Opens below %.1f Hz and %.0f V, above %.1f Hz and %.0f V, after %lu ms",
                static_cast<double>(limits.frequency_difference_hz),
                static_cast<double>(limits.voltage_difference) * 100,
                static_cast<double>(limits.phase_difference_deg), static_cast<unsigned long>(limits.hold_ms),
                static_cast<double>(limits.under_frequency_hz), static_cast<double>(limits.under_voltage_v),
                static_cast<double>(limits.over_frequency_hz), static_cast<double>(limits.over_voltage_v),
                static_cast<unsigned long>(limits.opening_delay_ms));
  LOG_PIN("  Contactor pin: ", this->contactor_pin_);
  LOG_PIN("  Auxiliary contact pin: ", this->auxiliary_pin_);
}

}  // namespace esphome::microgrid

#include "house_component.h"

#include <cmath>

#include "esphome/core/hal.h"
#include "esphome/core/log.h"

namespace esphome::microgrid {

static const char *const TAG = "microgrid.house";

namespace {

constexpr uint32_t LOOK_EVERY_MS = 1000;
constexpr uint32_t BLINK_MS = 250;

dbc::CardState card_state(CardState state) {
  switch (state) {
    case CardState::OK:
      return dbc::CardState::OK;
    case CardState::MISSING:
      return dbc::CardState::MISSING;
    case CardState::FAILING:
      return dbc::CardState::FAILING;
    case CardState::UNKNOWN:
      break;
  }
  return dbc::CardState::NOT_AVAILABLE;
}

}  // namespace

HouseComponent::HouseComponent(NodeComponent *core, CanComponent *can, LogStore &log,
                               const HouseSettings &settings)
    : core_(core),
      bus_node_(can->bus_node()),
      log_(log),
      house_(core->node(), log, settings),
      bulk_(core->node().identity, log.bus_port(), can->bit_rate()),
      capture_(core->node(), can->bus_node(), log) {
  this->house_.set_trip_output(this);
}

void HouseComponent::set_protection(uint16_t code, bool lower, const ProtectionSettings &settings) {
  for (size_t row = 0; row < PROTECTIONS.size(); row++) {
    const ProtectionRow &what = PROTECTIONS[row];
    if (static_cast<uint16_t>(what.code) != code || (what.watch == Watch::BELOW) != lower) continue;
    if (!this->house_.protections().set(row, settings)) this->mark_failed();
    return;
  }
  this->mark_failed();
}

void HouseComponent::follow(HouseMetric metric, sensor::Sensor *sensor, float factor, uint32_t timeout_ms) {
  this->house_.provided(metric);
  this->follow({.metric = metric,
                .exchange = false,
                .factor = factor,
                .timeout_ms = timeout_ms,
                .heard_ms = 0,
                .known = false},
               sensor);
}

void HouseComponent::follow_exchange(sensor::Sensor *sensor, float factor, uint32_t timeout_ms) {
  this->follow({.metric = HouseMetric::LOAD_POWER,
                .exchange = true,
                .factor = factor,
                .timeout_ms = timeout_ms,
                .heard_ms = 0,
                .known = false},
               sensor);
}

void HouseComponent::follow(const Followed &followed, sensor::Sensor *sensor) {
  const size_t index = this->followed_.size();
  this->followed_.push_back(followed);
  sensor->add_on_state_callback([this, index](float state) { this->heard(index, state); });
}

void HouseComponent::follow(HouseMetric metric, binary_sensor::BinarySensor *sensor) {
  this->house_.provided(metric);
  sensor->add_on_state_callback([this, metric](bool state) {
    this->core_->node().readings.set(static_cast<size_t>(metric), state ? 1 : 0);
  });
}

void HouseComponent::set_inverter_contact(binary_sensor::BinarySensor *contact) {
  contact->add_on_state_callback([this](bool state) { this->house_.set_inverter_on(state); });
}

void HouseComponent::set_battery_contact(binary_sensor::BinarySensor *contact) {
  contact->add_on_state_callback([this](bool state) { this->house_.set_battery_connected(state); });
}

void HouseComponent::heard(size_t index, float state) {
  Followed &followed = this->followed_[index];
  if (std::isnan(state)) {
    this->forget(followed);
    return;
  }
  followed.heard_ms = millis();
  followed.known = true;
  const float value = state * followed.factor;
  if (followed.exchange) {
    this->house_.set_exchange(value);
  } else {
    this->core_->node().readings.set_value(static_cast<size_t>(followed.metric), static_cast<double>(value));
  }
}

void HouseComponent::forget(Followed &followed) {
  followed.known = false;
  if (followed.exchange) {
    this->house_.set_exchange(NAN);
  } else {
    this->core_->node().readings.forget(static_cast<size_t>(followed.metric));
  }
}

void HouseComponent::look_for_silence() {
  const uint32_t now_ms = millis();
  for (Followed &followed : this->followed_) {
    if (followed.known && now_ms - followed.heard_ms > followed.timeout_ms) this->forget(followed);
  }
}

void HouseComponent::tell_card() {
  const LogHealth health = this->log_.health();
  this->bus_node_.set_card_state(card_state(health.card));
  Readings &readings = this->core_->node().readings;
  readings.set(static_cast<size_t>(HouseMetric::CARD_ERRORS), static_cast<int32_t>(health.errors));
  if (health.card == CardState::MISSING || health.card == CardState::UNKNOWN) {
    readings.forget(static_cast<size_t>(HouseMetric::CARD_FREE));
  } else {
    readings.set(static_cast<size_t>(HouseMetric::CARD_FREE), health.free_permille);  // its step is 0.1 %
  }
}

void HouseComponent::setup() {
  this->house_.start(this->core_->storage());
  this->begin_trip_pin();
  if (this->identify_pin_ != nullptr) {
    this->identify_pin_->setup();
    this->identify_pin_->digital_write(false);
    this->set_interval(BLINK_MS, [this] {
      this->blink_ = this->house_.identifying(mono_us()) && !this->blink_;
      this->identify_pin_->digital_write(this->blink_);
    });
  }
#ifdef USE_ESP32
  if (this->has_local_input_) {
    if (!this->local_input_.open()) {
      ESP_LOGE(TAG, "The ADC or the capture unit is not available: is another component using it?");
      this->status_set_error();
    }
    this->house_.set_input(&this->local_input_);
  }
#endif
  this->capture_.start();
  this->bus_node_.add(this->house_);
  this->bus_node_.set_cyclic_source(&this->house_);
  this->bus_node_.add(this->bulk_);
  this->bus_node_.set_bulk_port(&this->bulk_);
  this->set_interval(LOOK_EVERY_MS, [this] {
    this->look_for_silence();
    this->tell_card();
    this->house_.keep_counters(mono_us(), false);
  });
}

void HouseComponent::loop() { this->keep_trip(); }

void HouseComponent::on_safe_shutdown() {
  this->keep_trip();
  this->house_.keep_counters(mono_us(), true);
}

/// A trip of before the restart goes on. The level first: as an output the pin must not begin with the wrong
/// one.
void HouseComponent::begin_trip_pin() {
  this->set_tripped(this->house_.tripped());
  if (this->trip_pin_ == nullptr) return;
  this->trip_pin_->setup();
  this->set_tripped(this->house_.tripped());
}

void HouseComponent::keep_trip() {
  const bool kept = this->house_.keep_trip(mono_us());
  if (kept == this->trip_kept_) return;
  this->trip_kept_ = kept;
  if (kept) {
    this->status_clear_warning();
  } else {
    ESP_LOGE(TAG, "The trip cannot be stored: a restart would not find it as it is");
    this->status_set_warning();
  }
}

void HouseComponent::set_tripped(bool tripped) {
  if (this->trip_pin_ != nullptr) this->trip_pin_->digital_write(tripped);
}

void HouseComponent::dump_config() {
  ESP_LOGCONFIG(TAG, "Microgrid house:");
  for (size_t row = 0; row < PROTECTIONS.size(); row++) {
    const ProtectionSettings &settings = this->house_.protections().settings(row);
    const std::string_view code = fault(PROTECTIONS[row].code).code;
    const std::string_view unit = HOUSE_METRICS[static_cast<size_t>(PROTECTIONS[row].first)].unit;
    ESP_LOGCONFIG(TAG, "  %.*s: %s%.2f %.*s for %lu ms, %s", static_cast<int>(code.size()), code.data(),
                  PROTECTIONS[row].watch == Watch::BELOW ? "< " : "> ", static_cast<double>(settings.limit),
                  static_cast<int>(unit.size()), unit.data(),
                  static_cast<unsigned long>(settings.delay_us / 1000),
                  !settings.enabled ? "not watched"
                  : settings.trips  ? "trips"
                                    : "warns");
  }
  LOG_PIN("  Trip pin: ", this->trip_pin_);
  LOG_PIN("  Identify pin: ", this->identify_pin_);
}

}  // namespace esphome::microgrid

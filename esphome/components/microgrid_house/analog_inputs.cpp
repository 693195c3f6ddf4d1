#include "analog_inputs.h"

namespace esphome::microgrid {

namespace {

constexpr uint16_t NO_CURRENT = 2048;

}  // namespace

void AnalogInputs::add(AnalogRole role, uint16_t count) {
  this->heard_ = true;
  switch (role) {
    case AnalogRole::AC_VOLTAGE:
      if (this->measured(AnalogRole::AC_CURRENT)) {
        this->waiting_voltage_ = count;
      } else {
        this->ac_.add(count, NO_CURRENT);
      }
      break;
    case AnalogRole::AC_CURRENT:
      // One without its voltage, when counts were lost, belongs to nothing.
      if (this->waiting_voltage_) this->ac_.add(*this->waiting_voltage_, count);
      this->waiting_voltage_.reset();
      break;
    case AnalogRole::DC_BUS_VOLTAGE:
      this->dc_bus_voltage_.sum += count;
      this->dc_bus_voltage_.count++;
      break;
    case AnalogRole::BATTERY_CURRENT:
      this->battery_current_.sum += count;
      this->battery_current_.count++;
      break;
  }
}

float AnalogInputs::Mean::take(const LinearScale &scale) {
  if (this->count != 0)
    this->last =
        static_cast<float>(this->sum) / static_cast<float>(this->count) * scale.per_count + scale.offset;
  this->sum = this->count = 0;
  return this->last;
}

void AnalogInputs::read(FastSample &sample) {
  this->silent_beats_ = this->heard_ ? uint8_t{0} : static_cast<uint8_t>(this->silent_beats_ + 1);
  this->heard_ = false;
  if (this->silent_beats_ >= SILENT_BEATS) {
    *this = AnalogInputs{this->settings_};
    return;
  }
  const AcValues &ac = this->ac_.values();
  if (this->measured(AnalogRole::AC_VOLTAGE)) sample.ac_voltage_v = ac.voltage_v;
  if (this->measured(AnalogRole::AC_CURRENT)) {
    sample.ac_current_a = ac.current_a;
    sample.active_power_w = ac.power_w;
  }
  if (this->measured(AnalogRole::DC_BUS_VOLTAGE))
    sample.dc_bus_voltage_v = this->dc_bus_voltage_.take(this->settings_.dc_bus_voltage);
  if (this->measured(AnalogRole::BATTERY_CURRENT))
    sample.battery_current_a = this->battery_current_.take(this->settings_.battery_current);
}

bool AnalogInputs::measures(HouseMetric metric) const {
  switch (metric) {
    case HouseMetric::INVERTER_VOLTAGE:
      return this->measured(AnalogRole::AC_VOLTAGE);
    case HouseMetric::INVERTER_CURRENT:
    case HouseMetric::INVERTER_POWER:
      return this->measured(AnalogRole::AC_CURRENT);
    case HouseMetric::DC_BUS_VOLTAGE:
      return this->measured(AnalogRole::DC_BUS_VOLTAGE);
    case HouseMetric::BATTERY_CURRENT:
      return this->measured(AnalogRole::BATTERY_CURRENT);
    default:
      return false;
  }
}

}  // namespace esphome::microgrid

// A simulated house: its quick measurements, and the output that stops its inverter.
#pragma once
#if defined(USE_HOST) && defined(USE_MICROGRID_SIM_HOUSE)

#include "esphome/components/microgrid_house/house_component.h"
#include "sim_component.h"

namespace esphome::microgrid::sim {

class HouseSim final : public FastInput, public TripOutput {
 public:
  /// Takes the place of the house's own input and output.
  HouseSim(SimComponent *simulator, HouseComponent *component) : link_(simulator->link()) {
    House &house = component->house();
    house.set_input(this);
    house.set_trip_output(this);
    for (const HouseMetric metric : SENSED) house.provided(metric);
  }

  bool sample(uint64_t mono_us, FastSample &sample) override {
    const auto newest = this->link_.newest(mono_us);
    if (!newest) return false;
    for (size_t i = 0; i < FAST_QUANTITIES.size(); i++) {
      sample.*FAST_QUANTITIES[i].member = newest->values[i];
    }
    return true;
  }
  void set_tripped(bool tripped) override { this->link_.set_tripped(tripped); }

 protected:
  static_assert(FAST_QUANTITIES.size() == FAST_VALUES);
  /// What a house would work out by itself, were it not for sensors that tell.
  static constexpr std::array SENSED = {HouseMetric::STATE_OF_CHARGE, HouseMetric::BATTERY_STORED_ENERGY};

  SimLink &link_;
};

}  // namespace esphome::microgrid::sim

#endif

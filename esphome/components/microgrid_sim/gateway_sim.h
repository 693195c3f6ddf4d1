// A simulated contactor between cluster and swarm: what is measured on both sides, and its coil.
#pragma once
#if defined(USE_HOST) && defined(USE_MICROGRID_SIM_GATEWAY)

#include "esphome/components/microgrid_gateway/gateway_component.h"
#include "sim_component.h"

namespace esphome::microgrid::sim {

class GatewaySim final : public GatewayInput, public ContactorOutput {
 public:
  /// Takes the place of the gateway's own input and output.
  GatewaySim(SimComponent *simulator, GatewayComponent *component) : link_(simulator->link()) {
    component->gateway().set_input(this);
    component->gateway().set_contactor(this);
  }

  GatewaySample sample(uint64_t mono_us) override {
    const auto newest = this->link_.newest(mono_us);
    if (!newest) return {};
    const auto &values = newest->values;
    return {.cluster_frequency_hz = values[0],
            .swarm_frequency_hz = values[1],
            .cluster_voltage_v = values[2],
            .swarm_voltage_v = values[3],
            .phase_difference_deg = values[4],
            .power_flow_w = values[5],
            .auxiliary = newest->auxiliary == 1   ? AuxiliaryContact::OPEN
                         : newest->auxiliary == 2 ? AuxiliaryContact::CLOSED
                                                  : AuxiliaryContact::UNKNOWN};
  }
  void drive(bool closed) override { this->link_.set_driven(closed); }

 protected:
  SimLink &link_;
};

}  // namespace esphome::microgrid::sim

#endif

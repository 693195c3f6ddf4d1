// What the gateway sees of the contactor between cluster and swarm, and what it can do to it.
#pragma once

#include <cstdint>
#include <limits>

namespace esphome::microgrid {

enum class AuxiliaryContact : uint8_t { UNKNOWN, OPEN, CLOSED };

/// Both sides of the contactor at one time. NaN: not known, or too old to be believed.
struct GatewaySample {
  static constexpr float UNKNOWN = std::numeric_limits<float>::quiet_NaN();

  float cluster_frequency_hz{UNKNOWN};
  float swarm_frequency_hz{UNKNOWN};
  float cluster_voltage_v{UNKNOWN};
  float swarm_voltage_v{UNKNOWN};
  float phase_difference_deg{UNKNOWN};  // cluster minus swarm, ±180
  float power_flow_w{UNKNOWN};          // positive while the cluster feeds the swarm
  AuxiliaryContact auxiliary{AuxiliaryContact::UNKNOWN};
};

/// Asked in the bus task at each beat of 10 ms; must not wait.
class GatewayInput {
 public:
  virtual GatewaySample sample(uint64_t mono_us) = 0;

 protected:
  ~GatewayInput() = default;
};

/// Told in the bus task; must not wait. The contactor opens when nobody tells it anything.
class ContactorOutput {
 public:
  virtual void drive(bool closed) = 0;

 protected:
  ~ContactorOutput() = default;
};

}  // namespace esphome::microgrid

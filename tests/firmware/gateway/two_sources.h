// Two sources of alternating voltage and a contactor between them: what a gateway measures, and what truly
// is.
#pragma once

#include <cmath>
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "esphome/components/microgrid_gateway/synchroniser.h"

namespace esphome::microgrid {

struct Side {
  double frequency_hz{50.0};
  double voltage_v{230.0};
  double phase_deg{0.0};
};

/// The coil is energised, and a while later the contacts move. Auxiliary contacts move with them.
class TwoSources final : public ContactorOutput, public GatewayInput, public SynchroniserListener {
 public:
  struct Told {
    ContactorEvent event;
    GatewaySample sample;
    uint64_t mono_us;
  };

  explicit TwoSources(uint64_t seed = 1) : dice(seed) {}

  void drive(bool to_close) override {
    if (to_close == this->driven) return;
    this->driven = to_close;
    const double delay_ms = to_close ? this->closing_ms : this->opening_ms;
    this->moves_at_us = this->now_us + static_cast<uint64_t>(delay_ms * 1000);
  }

  /// The physics in steps of 0.1 ms; frequencies drift as `wander_hz_per_s` says.
  void pass(uint64_t us) {
    constexpr uint64_t STEP_US = 100;
    for (const uint64_t end = this->now_us + us; this->now_us < end;) {
      this->now_us += STEP_US;
      const double s = STEP_US * 1e-6;
      this->cluster.frequency_hz += this->wander_hz_per_s * s;
      if (this->closed) {
        this->cluster.frequency_hz = this->swarm.frequency_hz;
        this->cluster.phase_deg = this->swarm.phase_deg;
        this->cluster.voltage_v = this->swarm.voltage_v;
      }
      this->cluster.phase_deg += 360 * this->cluster.frequency_hz * s;
      this->swarm.phase_deg += 360 * this->swarm.frequency_hz * s;
      if (this->moves_at_us && this->now_us >= *this->moves_at_us) {
        this->moves_at_us.reset();
        if (!this->stuck && this->closed != this->driven) {
          this->closed = this->driven;
          if (this->closed) {
            this->phases_at_closing.push_back(this->phase_deg());
            this->slips_at_closing.push_back(this->cluster.frequency_hz - this->swarm.frequency_hz);
            this->voltages_at_closing.push_back(this->cluster.voltage_v - this->swarm.voltage_v);
          }
        }
      }
    }
  }

  double phase_deg() const { return std::remainder(this->cluster.phase_deg - this->swarm.phase_deg, 360.0); }

  GatewaySample sample(uint64_t /*mono_us*/) override {
    std::normal_distribution<double> noise{0.0, 1.0};
    GatewaySample seen;
    seen.cluster_frequency_hz = static_cast<float>(this->cluster.frequency_hz + 0.001 * noise(this->dice));
    seen.swarm_frequency_hz = static_cast<float>(this->swarm.frequency_hz + 0.001 * noise(this->dice));
    seen.cluster_voltage_v = static_cast<float>(this->cluster.voltage_v);
    seen.swarm_voltage_v = static_cast<float>(this->swarm.voltage_v);
    const double noisy_deg =
        std::remainder(this->phase_deg() + this->phase_noise_deg * noise(this->dice), 360.0);
    seen.phase_difference_deg = static_cast<float>(this->stuck_phase_deg.value_or(noisy_deg));
    seen.power_flow_w = this->closed ? 1500.0F : 0.0F;
    const bool says_closed = this->stuck_auxiliary.value_or(this->closed);
    seen.auxiliary = says_closed ? AuxiliaryContact::CLOSED : AuxiliaryContact::OPEN;
    return seen;
  }

  void contactor_event(ContactorEvent event, const GatewaySample &at, uint64_t mono_us) override {
    this->told.push_back({event, at, mono_us});
  }

  size_t count(ContactorEvent event) const {
    size_t found = 0;
    for (const Told &one : this->told) found += one.event == event ? 1 : 0;
    return found;
  }
  std::optional<uint64_t> first(ContactorEvent event) const {
    for (const Told &one : this->told) {
      if (one.event == event) return one.mono_us;
    }
    return std::nullopt;
  }

  Side cluster;
  Side swarm;
  bool closed{false};
  bool driven{false};
  bool stuck{false};
  std::optional<bool> stuck_auxiliary;
  std::optional<double> stuck_phase_deg;
  double closing_ms{30};
  double opening_ms{15};
  double phase_noise_deg{0.05};
  double wander_hz_per_s{0};
  uint64_t now_us{1'000'000};
  std::vector<Told> told;
  std::vector<double> phases_at_closing;
  std::vector<double> slips_at_closing;
  std::vector<double> voltages_at_closing;
  std::mt19937_64 dice;

 protected:
  std::optional<uint64_t> moves_at_us;
};

}  // namespace esphome::microgrid

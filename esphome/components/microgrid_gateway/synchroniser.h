// Decides when the contactor to the swarm closes and opens. It opens at once; it closes only when both sides
// turn together.
//
// The phase that counts is the one at which the contacts will touch: the measured one, moved on by the
// difference of the frequencies over the contactor's closing delay. What is not known never allows anything.
#pragma once

#include <optional>

#include "contactor_io.h"
#include "esphome/components/microgrid_can/microgrid_dbc.h"

namespace esphome::microgrid {

/// Defaults: the tight class of IEEE 1547-2018 for the closing, EN 50549-1 for opening and coming back.
struct SynchroniserSettings {
  float nominal_voltage_v{230.0F};

  // Closing on a live swarm: all of it, without interruption.
  float frequency_difference_hz{0.1F};
  float voltage_difference{0.03F};  // share of the nominal voltage
  float phase_difference_deg{10.0F};
  float phase_accuracy_deg{0.2F};  // of the measurement: the limit is kept nevertheless
  uint32_t hold_ms{500};

  uint32_t closing_delay_ms{30};   // from the command to the touch of the contacts
  uint32_t closing_spread_ms{10};  // how much earlier or later that may be
  uint32_t confirmation_ms{300};   // the command is withdrawn when the auxiliary contact has not followed:
                                   // later, the contacts would touch at any phase
  uint32_t timeout_s{60};          // F040
  uint32_t minimum_off_s{5};
  uint32_t reconnection_s{60};  // healthy on both sides for so long after it was not opened on command
  bool auxiliary_contact{true};

  // Closing when one side has no voltage. Both sides dead takes both.
  bool close_on_dead_swarm{false};
  bool close_on_dead_cluster{false};
  float dead_voltage_v{23.0F};
  uint32_t dead_hold_ms{5000};

  // Opening: beyond these for so long.
  float under_frequency_hz{47.5F};
  float over_frequency_hz{52.0F};
  float under_voltage_v{184.0F};
  float over_voltage_v{264.5F};
  uint32_t opening_delay_ms{200};
  uint32_t blind_ms{10'000};  // closed, and neither side can be measured
};

/// What happened, for events.
enum class ContactorEvent : uint8_t {
  SYNC_STARTED,
  SYNC_REACHED,
  SYNC_FAILED,
  CONTACTOR_CLOSED,
  CONTACTOR_OPENED,
  TRIPPED,  // opened, but not on command
  SYNC_FAULT_RAISED,
  SYNC_FAULT_CLEARED,
  CONTACTOR_FAULT_RAISED,
  CONTACTOR_FAULT_CLEARED,
};

class SynchroniserListener {
 public:
  /// `sample`: as it was when it was decided.
  virtual void contactor_event(ContactorEvent event, const GatewaySample &sample, uint64_t mono_us) = 0;

 protected:
  ~SynchroniserListener() = default;
};

class Synchroniser final {
 public:
  Synchroniser(const SynchroniserSettings &settings, ContactorOutput &output, SynchroniserListener &listener)
      : settings_(settings), output_(output), listener_(listener) {}

  /// What the operator wants; the same again changes nothing.
  void command(bool closed) { this->commanded_ = closed; }
  bool commanded() const { return this->commanded_; }

  /// Every 10 ms.
  void step(const GatewaySample &sample, uint64_t mono_us);

  /// What the contactor is told.
  bool driven() const { return this->driven_; }
  /// False right after a restart, while nothing was told yet: contacts that were closed may stay so.
  bool decided() const { return this->decided_; }
  /// Where it is, by its auxiliary contact; nullopt when nobody knows.
  std::optional<bool> closed() const { return this->closed_; }
  /// For the bus.
  dbc::Contactor status() const;
  bool sync_fault() const { return this->sync_fault_; }
  bool contactor_fault() const { return this->contactor_fault_; }
  /// How often the contacts closed since the start.
  uint32_t closings() const { return this->closings_; }

 protected:
  enum class State : uint8_t { OPEN, WAITING, CLOSING, CLOSED };
  /// One side of the contactor.
  enum class Side : uint8_t { UNKNOWN, DEAD, ILL, HEALTHY };
  /// Why closing would be allowed now.
  enum class Window : uint8_t { NONE, SYNCHRONOUS, DEAD };

  Side side(float frequency_hz, float voltage_v) const;
  Window window(const GatewaySample &sample) const;
  void follow_phase(const GatewaySample &sample, uint64_t mono_us);
  void find_position(const GatewaySample &sample, uint64_t mono_us);
  void wait(const GatewaySample &sample, uint64_t mono_us);
  void confirm(const GatewaySample &sample, uint64_t mono_us);
  void supervise(const GatewaySample &sample, uint64_t mono_us);
  void watch_position(const GatewaySample &sample, uint64_t mono_us);

  void drive(bool closed, uint64_t mono_us);
  void take_over(const GatewaySample &sample, uint64_t mono_us);
  void begin_waiting(const GatewaySample &sample, uint64_t mono_us);
  void end_waiting(const GatewaySample &sample, uint64_t mono_us);
  void open(bool commanded, const GatewaySample &sample, uint64_t mono_us);
  void tell(ContactorEvent event, const GatewaySample &sample, uint64_t mono_us) {
    this->listener_.contactor_event(event, sample, mono_us);
  }

  const SynchroniserSettings settings_;
  ContactorOutput &output_;
  SynchroniserListener &listener_;

  State state_{State::OPEN};
  bool commanded_{false};
  bool driven_{false};
  bool decided_{false};
  std::optional<uint64_t> started_us_;
  uint8_t sequence_{0};
  std::optional<bool> closed_;
  uint32_t closings_{0};

  uint64_t driven_since_us_{0};
  uint64_t waiting_since_us_{0};
  uint64_t not_before_us_{0};
  bool reconnecting_{false};  // not opened on command: both sides have to be healthy until not_before
  Window window_{Window::NONE};
  uint64_t window_since_us_{0};
  std::optional<uint64_t> ill_since_us_;
  std::optional<uint64_t> blind_since_us_;
  std::optional<uint64_t> differs_since_us_;
  bool failed_{false};       // the contacts did not do what they were told; the command is withdrawn
  bool opening_told_{true};  // CONTACTOR_OPENED of the last opening
  bool opened_on_command_{true};
  GatewaySample at_opening_{};
  bool sync_fault_{false};
  bool contactor_fault_{false};

  // Does the phase move as the frequencies say? A stuck measurement does not.
  std::optional<uint64_t> phase_us_;
  float last_phase_deg_{0};
  float phase_doubt_deg_{0};
};

}  // namespace esphome::microgrid

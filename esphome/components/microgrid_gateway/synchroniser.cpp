#include "synchroniser.h"

#include <algorithm>
#include <cmath>

namespace esphome::microgrid {

namespace {

constexpr uint64_t MS = 1000;
constexpr uint64_t S = 1'000'000;

constexpr uint64_t CONTACTOR_FAULT_US = 2 * S;      // F041
constexpr uint64_t POSITION_DEBOUNCE_US = 50 * MS;  // an auxiliary contact bounces
constexpr uint64_t TAKING_OVER_US = 2 * S;
constexpr uint64_t METER_SETTLING_US = 500 * MS;  // after closing, until a side that was dead is measured
constexpr uint64_t PHASE_GAP_US = 100 * MS;  // without a phase for longer, what was learned of it is void
constexpr float PHASE_MEMORY_S = 10.0F;
constexpr float MOST_PHASE_DOUBT_DEG = 3.0F;
constexpr float SLOWEST_HZ = 1.0F;  // below, a frequency is the noise of none

/// ±180.
float turn(float degrees) { return std::remainder(degrees, 360.0F); }

bool within(float value, float low, float high) { return value >= low && value <= high; }  // false for NaN

}  // namespace

void Synchroniser::step(const GatewaySample &sample, uint64_t mono_us) {
  if (!this->started_us_) this->started_us_ = mono_us;
  this->follow_phase(sample, mono_us);
  this->find_position(sample, mono_us);
  if (!this->decided_) this->take_over(sample, mono_us);
  switch (this->state_) {
    case State::OPEN:
      if (!this->commanded_) {
        this->failed_ = false;
      } else if (!this->decided_) {
        if (this->closed_ == true) this->begin_waiting(sample, mono_us);
      } else if (this->opening_told_ || mono_us - this->driven_since_us_ >= CONTACTOR_FAULT_US) {
        this->begin_waiting(sample, mono_us);
      }
      break;
    case State::WAITING:
      this->wait(sample, mono_us);
      break;
    case State::CLOSING:
      this->confirm(sample, mono_us);
      break;
    case State::CLOSED:
      this->supervise(sample, mono_us);
      break;
  }
  this->watch_position(sample, mono_us);
}

dbc::Contactor Synchroniser::status() const {
  dbc::Contactor status{};
  status.contactor_command = this->driven_ ? dbc::ContactorCommand::CLOSE : dbc::ContactorCommand::OPEN;
  if (this->closed_) {
    const bool moving = *this->closed_ != this->driven_ && !this->failed_ && !this->contactor_fault_;
    status.contactor_position = moving           ? dbc::ContactorPosition::MOVING
                                : *this->closed_ ? dbc::ContactorPosition::CLOSED
                                                 : dbc::ContactorPosition::OPEN;
  }
  if (this->state_ == State::CLOSING) {
    status.synchronisation = dbc::Synchronisation::CLOSING;
  } else if (this->state_ == State::WAITING) {
    status.synchronisation = this->window_ != Window::NONE ? dbc::Synchronisation::IN_WINDOW
                             : this->sync_fault_           ? dbc::Synchronisation::FAILED
                                                           : dbc::Synchronisation::WAITING;
  }
  status.sequence = this->sequence_;
  return status;
}

/// The voltage decides first: without one there is no frequency to judge. Where there is one nevertheless, it
/// is the measurement of the voltage that failed.
Synchroniser::Side Synchroniser::side(float frequency_hz, float voltage_v) const {
  if (!std::isfinite(voltage_v) || voltage_v < 0) return Side::UNKNOWN;
  if (voltage_v < this->settings_.dead_voltage_v) {
    const bool turns = std::abs(frequency_hz) >= SLOWEST_HZ;  // false when not known: then nothing crosses
    return turns ? Side::ILL : Side::DEAD;
  }
  if (!within(voltage_v, this->settings_.under_voltage_v, this->settings_.over_voltage_v)) return Side::ILL;
  if (!std::isfinite(frequency_hz)) return Side::UNKNOWN;
  const bool healthy =
      within(frequency_hz, this->settings_.under_frequency_hz, this->settings_.over_frequency_hz);
  return healthy ? Side::HEALTHY : Side::ILL;
}

Synchroniser::Window Synchroniser::window(const GatewaySample &sample) const {
  const Side cluster = this->side(sample.cluster_frequency_hz, sample.cluster_voltage_v);
  const Side swarm = this->side(sample.swarm_frequency_hz, sample.swarm_voltage_v);
  if (cluster == Side::DEAD || swarm == Side::DEAD) {
    const bool cluster_fits =
        cluster == Side::HEALTHY || (cluster == Side::DEAD && this->settings_.close_on_dead_cluster);
    const bool swarm_fits =
        swarm == Side::HEALTHY || (swarm == Side::DEAD && this->settings_.close_on_dead_swarm);
    return cluster_fits && swarm_fits ? Window::DEAD : Window::NONE;
  }
  if (cluster != Side::HEALTHY || swarm != Side::HEALTHY) return Window::NONE;

  const float slip_hz = sample.cluster_frequency_hz - sample.swarm_frequency_hz;
  const float voltage_v = std::abs(sample.cluster_voltage_v - sample.swarm_voltage_v);
  const float phase_deg = sample.phase_difference_deg;
  if (!(std::abs(slip_hz) <= this->settings_.frequency_difference_hz) ||
      !(voltage_v <= this->settings_.voltage_difference * this->settings_.nominal_voltage_v) ||
      !within(phase_deg, -180.0F, 180.0F) || !this->phase_us_ ||
      this->phase_doubt_deg_ > MOST_PHASE_DOUBT_DEG || this->phase_doubt_deg_ < -MOST_PHASE_DOUBT_DEG)
    return Window::NONE;

  const float limit_deg = this->settings_.phase_difference_deg - this->settings_.phase_accuracy_deg;
  const auto delay_s = static_cast<float>(this->settings_.closing_delay_ms) / 1000.0F;
  const auto spread_s = static_cast<float>(this->settings_.closing_spread_ms) / 1000.0F;
  for (const float at_s : {delay_s - spread_s, delay_s + spread_s}) {
    if (!(std::abs(turn(phase_deg + 360.0F * slip_hz * at_s)) <= limit_deg)) return Window::NONE;
  }
  return Window::SYNCHRONOUS;
}

/// After a restart: contacts that are closed, and shall be, are left as they are until it is clear that they
/// may be held.
void Synchroniser::take_over(const GatewaySample &sample, uint64_t mono_us) {
  const bool may_hold = this->settings_.auxiliary_contact && this->commanded_ && this->closed_ != false;
  if (may_hold && mono_us - this->started_us_.value_or(mono_us) < TAKING_OVER_US) return;
  if (this->closed_ == true) {
    this->open(!this->commanded_, sample, mono_us);
  } else {
    this->drive(false, mono_us);
    this->state_ = State::OPEN;
  }
}

/// Sums up how far the phase has strayed from what the frequencies make of it, and forgets it slowly.
void Synchroniser::follow_phase(const GatewaySample &sample, uint64_t mono_us) {
  const float slip_hz = sample.cluster_frequency_hz - sample.swarm_frequency_hz;
  const float phase_deg = sample.phase_difference_deg;
  if (!std::isfinite(slip_hz) || !within(phase_deg, -180.0F, 180.0F)) {
    if (this->phase_us_ && mono_us - *this->phase_us_ > PHASE_GAP_US) this->phase_us_.reset();
    return;
  }
  if (!this->phase_us_ || mono_us - *this->phase_us_ > PHASE_GAP_US) {
    this->phase_doubt_deg_ = 0;
  } else {
    const float passed_s = static_cast<float>(mono_us - *this->phase_us_) * 1e-6F;
    const float strayed_deg = turn(phase_deg - this->last_phase_deg_ - 360.0F * slip_hz * passed_s);
    this->phase_doubt_deg_ = this->phase_doubt_deg_ * (1.0F - passed_s / PHASE_MEMORY_S) + strayed_deg;
  }
  this->phase_us_ = mono_us;
  this->last_phase_deg_ = phase_deg;
}

void Synchroniser::find_position(const GatewaySample &sample, uint64_t mono_us) {
  if (this->settings_.auxiliary_contact) {
    this->closed_ = sample.auxiliary == AuxiliaryContact::UNKNOWN
                        ? std::nullopt
                        : std::optional{sample.auxiliary == AuxiliaryContact::CLOSED};
    return;
  }
  // Without one it is believed to have followed.
  const bool moved = mono_us - this->driven_since_us_ >= this->settings_.closing_delay_ms * MS;
  this->closed_ = moved ? this->driven_ : !this->driven_ && this->closed_.value_or(false);
}

void Synchroniser::drive(bool closed, uint64_t mono_us) {
  if (this->decided_ && this->driven_ == closed) return;
  this->decided_ = true;
  this->output_.drive(closed);
  this->driven_ = closed;
  this->driven_since_us_ = mono_us;
  this->sequence_++;
  this->window_ = Window::NONE;
  this->ill_since_us_.reset();
  this->blind_since_us_.reset();
}

void Synchroniser::begin_waiting(const GatewaySample &sample, uint64_t mono_us) {
  this->state_ = State::WAITING;
  this->waiting_since_us_ = mono_us;
  this->window_ = Window::NONE;
  // Contacts that are closed already, after a restart, only have to be held.
  if (this->closed_ != true || this->failed_) this->tell(ContactorEvent::SYNC_STARTED, sample, mono_us);
}

void Synchroniser::end_waiting(const GatewaySample &sample, uint64_t mono_us) {
  if (!this->sync_fault_) return;
  this->sync_fault_ = false;
  this->tell(ContactorEvent::SYNC_FAULT_CLEARED, sample, mono_us);
}

void Synchroniser::wait(const GatewaySample &sample, uint64_t mono_us) {
  if (!this->commanded_) {
    this->end_waiting(sample, mono_us);
    this->failed_ = false;
    this->reconnecting_ = false;
    this->window_ = Window::NONE;
    this->state_ = State::OPEN;
    return;
  }
  const Window now = this->window(sample);
  if (this->reconnecting_) {
    const bool healthy = this->side(sample.cluster_frequency_hz, sample.cluster_voltage_v) == Side::HEALTHY &&
                         this->side(sample.swarm_frequency_hz, sample.swarm_voltage_v) == Side::HEALTHY;
    // A side that died is an outage that nobody waits for: the rules of dead sides have a time of their own.
    if (!healthy && now != Window::DEAD)
      this->not_before_us_ = std::max(this->not_before_us_, mono_us + this->settings_.reconnection_s * S);
  }
  if (now != this->window_) {
    this->window_ = now;
    this->window_since_us_ = mono_us;
  }
  const bool blocked = mono_us < this->not_before_us_;
  if (blocked) this->waiting_since_us_ = mono_us;
  const uint64_t hold_us =
      (now == Window::DEAD ? this->settings_.dead_hold_ms : this->settings_.hold_ms) * MS;
  const bool position_known = !this->settings_.auxiliary_contact || this->closed_.has_value();
  if (now != Window::NONE && !blocked && position_known && mono_us - this->window_since_us_ >= hold_us) {
    this->reconnecting_ = false;
    if (this->closed_ == true && now == Window::SYNCHRONOUS) {
      this->drive(true, mono_us);
      this->end_waiting(sample, mono_us);
      this->failed_ = false;
      this->opening_told_ = true;  // it never opened
      this->state_ = State::CLOSED;
      return;
    }
    if (this->closed_ != true) {
      this->tell(ContactorEvent::SYNC_REACHED, sample, mono_us);
      this->drive(true, mono_us);
      this->state_ = State::CLOSING;
      return;
    }
  }
  if (!this->sync_fault_ && mono_us - this->waiting_since_us_ >= this->settings_.timeout_s * S) {
    this->tell(ContactorEvent::SYNC_FAILED, sample, mono_us);
    this->sync_fault_ = true;
    this->tell(ContactorEvent::SYNC_FAULT_RAISED, sample, mono_us);
  }
}

void Synchroniser::confirm(const GatewaySample &sample, uint64_t mono_us) {
  if (this->closed_ == true) {
    this->closings_++;
    this->failed_ = false;
    this->opening_told_ = false;
    this->tell(ContactorEvent::CONTACTOR_CLOSED, sample, mono_us);
    this->end_waiting(sample, mono_us);
    this->state_ = State::CLOSED;
    return;
  }
  if (!this->commanded_) {
    this->drive(false, mono_us);
    this->end_waiting(sample, mono_us);
    this->not_before_us_ = mono_us + this->settings_.minimum_off_s * S;
    this->state_ = State::OPEN;
    return;
  }
  if (mono_us - this->driven_since_us_ < this->settings_.confirmation_ms * MS) return;
  this->failed_ = true;
  this->drive(false, mono_us);
  this->not_before_us_ =
      mono_us + std::max(this->settings_.minimum_off_s, this->settings_.reconnection_s) * S;
  this->begin_waiting(sample, mono_us);
}

void Synchroniser::supervise(const GatewaySample &sample, uint64_t mono_us) {
  if (!this->commanded_) {
    this->open(true, sample, mono_us);
    return;
  }
  // Opened by itself: let go, or it comes back at any phase.
  const bool fell_open = this->settings_.auxiliary_contact && this->closed_ == false;
  if (fell_open && this->differs_since_us_ && mono_us - *this->differs_since_us_ >= POSITION_DEBOUNCE_US) {
    this->failed_ = true;
    this->open(false, sample, mono_us);
    return;
  }
  const Side cluster = this->side(sample.cluster_frequency_hz, sample.cluster_voltage_v);
  const Side swarm = this->side(sample.swarm_frequency_hz, sample.swarm_voltage_v);
  const auto bad = [](Side side) { return side == Side::ILL || side == Side::DEAD; };
  const bool settled = mono_us - this->driven_since_us_ >= METER_SETTLING_US;
  if (!settled || (!bad(cluster) && !bad(swarm))) {
    this->ill_since_us_.reset();
  } else if (!this->ill_since_us_) {
    this->ill_since_us_ = mono_us;
  }
  if (cluster != Side::UNKNOWN || swarm != Side::UNKNOWN) {
    this->blind_since_us_.reset();
  } else if (!this->blind_since_us_) {
    this->blind_since_us_ = mono_us;
  }
  if ((this->ill_since_us_ && mono_us - *this->ill_since_us_ >= this->settings_.opening_delay_ms * MS) ||
      (this->blind_since_us_ && mono_us - *this->blind_since_us_ >= this->settings_.blind_ms * MS))
    this->open(false, sample, mono_us);
}

void Synchroniser::open(bool on_command, const GatewaySample &sample, uint64_t mono_us) {
  this->drive(false, mono_us);
  this->at_opening_ = sample;
  this->opening_told_ = false;
  this->opened_on_command_ = on_command;
  this->reconnecting_ = !on_command;
  const uint32_t off_s = on_command ? this->settings_.minimum_off_s
                                    : std::max(this->settings_.minimum_off_s, this->settings_.reconnection_s);
  this->not_before_us_ = mono_us + off_s * S;
  this->state_ = State::OPEN;
}

void Synchroniser::watch_position(const GatewaySample &sample, uint64_t mono_us) {
  if (!this->decided_) return;
  if (!this->opening_told_ && !this->driven_ && this->closed_ == false) {
    this->opening_told_ = true;
    this->tell(this->opened_on_command_ ? ContactorEvent::CONTACTOR_OPENED : ContactorEvent::TRIPPED,
               this->at_opening_, mono_us);
  }
  const bool differs = this->failed_ || (this->closed_ && *this->closed_ != this->driven_);
  if (!differs) {
    this->differs_since_us_.reset();
    if (this->contactor_fault_) {
      this->contactor_fault_ = false;
      this->tell(ContactorEvent::CONTACTOR_FAULT_CLEARED, sample, mono_us);
    }
    return;
  }
  if (!this->differs_since_us_) this->differs_since_us_ = mono_us;
  if (!this->contactor_fault_ && mono_us - *this->differs_since_us_ >= CONTACTOR_FAULT_US) {
    this->contactor_fault_ = true;
    this->tell(ContactorEvent::CONTACTOR_FAULT_RAISED, sample, mono_us);
  }
}

}  // namespace esphome::microgrid

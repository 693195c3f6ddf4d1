// Limits that a house watches: which value, how far, for how long, and whether the inverter is stopped. One
// table, one interpreter. What is not known neither raises nor ends a fault.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <span>

#include "esphome/components/microgrid_core/fault_catalogue.h"
#include "esphome/components/microgrid_core/metric_tables.h"

namespace esphome::microgrid {

/// What of its metrics a protection looks at; the worst of several counts.
enum class Watch : uint8_t {
  ABOVE,
  BELOW,
  MAGNITUDE,  // above, whatever the sign
  REVERSE,    // the negative value above
  SPREAD,     // highest minus lowest above
};

struct ProtectionRow {
  FaultCode code;
  Watch watch;
  HouseMetric first;
  uint8_t count;       // metrics from `first` on
  bool while_running;  // looked at only while the inverter runs
  // Usual settings, limits in the metric's unit.
  bool trips;
  float limit;
  float release;  // the fault ends when the value is back here for CLEAR_AFTER_US
  uint32_t delay_us;
};

/// Thresholds of contract/faults.yaml. Where it says that the installer sets the limit, what suits 16 cells
/// of 280 Ah and an inverter of 6 kW.
inline constexpr std::array<ProtectionRow, 15> PROTECTIONS = {{
    // 150 % of 26.1 A
    {FaultCode::F001, Watch::MAGNITUDE, HouseMetric::INVERTER_CURRENT, 1, false, true, 39.15F, 35.0F, 20'000},
    {FaultCode::F002, Watch::ABOVE, HouseMetric::INVERTER_VOLTAGE, 1, true, true, 253.0F, 250.0F, 200'000},
    {FaultCode::F003, Watch::BELOW, HouseMetric::INVERTER_VOLTAGE, 1, true, true, 207.0F, 210.0F, 200'000},
    {FaultCode::F004, Watch::ABOVE, HouseMetric::MOSFET_TEMPERATURE_1, 2, false, true, 95.0F, 80.0F, 500'000},
    // 16 × 3.65 V and 16 × 2.80 V
    {FaultCode::F005, Watch::ABOVE, HouseMetric::DC_BUS_VOLTAGE, 1, false, true, 58.4F, 57.6F, 100'000},
    {FaultCode::F006, Watch::BELOW, HouseMetric::DC_BUS_VOLTAGE, 1, false, true, 44.8F, 46.4F, 500'000},
    {FaultCode::F010, Watch::ABOVE, HouseMetric::CELL_VOLTAGE_1, 16, false, true, 3.65F, 3.50F, 1'000'000},
    {FaultCode::F011, Watch::BELOW, HouseMetric::CELL_VOLTAGE_1, 16, false, true, 2.80F, 3.00F, 1'000'000},
    {FaultCode::F012, Watch::ABOVE, HouseMetric::BATTERY_TEMPERATURE_1, 4, false, true, 60.0F, 50.0F,
     5'000'000},
    {FaultCode::F012, Watch::BELOW, HouseMetric::BATTERY_TEMPERATURE_1, 4, false, true, -20.0F, -15.0F,
     5'000'000},
    {FaultCode::F013, Watch::REVERSE, HouseMetric::BATTERY_CURRENT, 1, false, true, 180.0F, 150.0F,
     1'000'000},
    {FaultCode::F014, Watch::ABOVE, HouseMetric::BATTERY_CURRENT, 1, false, true, 220.0F, 200.0F, 1'000'000},
    {FaultCode::F015, Watch::SPREAD, HouseMetric::CELL_VOLTAGE_1, 16, false, false, 0.100F, 0.080F,
     60'000'000},
    {FaultCode::F020, Watch::ABOVE, HouseMetric::MPPT_INPUT_VOLTAGE, 1, false, false, 250.0F, 240.0F,
     500'000},
    {FaultCode::F021, Watch::ABOVE, HouseMetric::MPPT_INPUT_CURRENT, 1, false, false, 45.0F, 40.0F, 500'000},
}};

struct ProtectionSettings {
  bool enabled;
  bool trips;
  float limit;
  float release;
  uint32_t delay_us;
};

/// The metrics that made a fault: one, or the highest and the lowest of a spread.
struct Cause {
  std::array<HouseMetric, 2> metrics{};
  uint8_t count{0};
  std::span<const HouseMetric> used() const { return {this->metrics.data(), this->count}; }
};

struct ProtectionChange {
  FaultCode code{FaultCode::F001};
  EventState state{EventState::RAISED};  // or cleared
  Cause cause{};
};

class Protections final {
 public:
  static constexpr size_t ROWS = PROTECTIONS.size();
  static constexpr uint64_t CLEAR_AFTER_US = 5'000'000;
  /// Between two raised events of the same code, see contract/can.md. The trip does not wait for it.
  static constexpr uint64_t RAISE_PAUSE_US = 10'000'000;
  /// A beat comes a little early now and then.
  static constexpr uint64_t JITTER_US = 1000;

  Protections();

  /// While setting up. False when the release is on the wrong side of the limit.
  bool set(size_t row, const ProtectionSettings &settings);
  const ProtectionSettings &settings(size_t row) const { return this->settings_[row]; }
  /// How long after the last tripping fault ended the inverter may start by itself; 0: only after clear().
  void set_restart_after(uint64_t restart_after_us) { this->restart_after_us_ = restart_after_us; }
  /// The trip of before a restart goes on, behind all set(). Its fault is over, for the time to count from,
  /// when the value is seen behind its release. Any code trips but 0, also one that is known no more.
  void restore_trip(uint16_t code);

  /// Bus task, at each beat. What changed is valid until the next call.
  std::span<const ProtectionChange> step(const Readings &readings, bool running, uint64_t now_us);
  /// Bus task: an operator's command. Ends, at the next step(), every fault whose value is not beyond its
  /// limit now, and the trip with the last of them.
  void clear();

  // Any task.
  bool tripped() const { return this->trip_code() != 0; }
  /// The code that tripped; 0: not tripped.
  uint16_t trip_code() const { return this->trip_code_.load(std::memory_order_relaxed); }
  /// Whether a value that trips is beyond its limit at this moment.
  bool tripping() const { return this->tripping_.load(std::memory_order_relaxed); }
  /// One bit per row with a fault.
  uint32_t active() const { return this->active_.load(std::memory_order_relaxed); }
  /// The code that tripped, or else one that is active; 0: none.
  uint16_t code() const { return this->code_.load(std::memory_order_relaxed); }

 protected:
  struct State {
    bool active;
    bool counting;  // towards raised, or when active towards cleared
    bool beyond;    // the limit, at the last step
    bool raised_ever;
    bool of_before;  // tripped before a restart, and not seen behind its release since
    uint64_t since_us;
    uint64_t raised_us;
    Cause cause;
  };
  /// Larger is worse, whatever is watched.
  struct Seen {
    int32_t value{0};
    Cause cause{};
  };

  static std::optional<Seen> look(const ProtectionRow &row, const Readings &readings);
  void step_row(size_t row, const Readings &readings, bool running, uint64_t now_us);
  bool may_raise(FaultCode code, uint64_t now_us) const;
  void change(size_t row, EventState state, const Cause &cause);
  void step_trip(uint64_t now_us);

  std::array<ProtectionSettings, ROWS> settings_{};
  std::array<int32_t, ROWS> limits_{};  // in steps of the metric, larger is worse
  std::array<int32_t, ROWS> releases_{};
  std::array<State, ROWS> states_{};
  std::array<ProtectionChange, ROWS> changes_;
  size_t change_count_{0};
  bool clearing_{false};
  bool trip_wanted_{false};  // by a row of this step
  uint64_t restart_after_us_{0};
  uint64_t calm_since_us_{0};  // since no row wants the trip; 0: one does
  std::atomic<uint16_t> trip_code_{0};
  std::atomic<bool> tripping_{false};
  std::atomic<uint32_t> active_{0};
  std::atomic<uint16_t> code_{0};
};

static_assert(Protections::ROWS <= 32);

}  // namespace esphome::microgrid

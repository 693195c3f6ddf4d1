// A house: samples at each beat of the bus, protects, counts energy, records, and tells its cluster.
// Everything but what is marked runs in the bus task; nothing waits or allocates.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <optional>

#include "esphome/components/microgrid_can/bus_node.h"
#include "esphome/components/microgrid_can/house_messages.h"
#include "esphome/components/microgrid_core/node.h"
#include "esphome/components/microgrid_log/fault_snapshots.h"
#include "esphome/components/microgrid_measure/energy.h"
#include "esphome/components/microgrid_measure/recorded_readings.h"
#include "fast_input.h"
#include "protections.h"

namespace esphome::microgrid {

/// Stops the inverter. Called in the bus task, at each change and once at the start.
class TripOutput {
 public:
  virtual void set_tripped(bool tripped) = 0;

 protected:
  ~TripOutput() = default;
};

/// Where the power of the house's own load is known from. Whatever is missing of load and exchange with the
/// cluster follows from the inverter's power: inverter = load + exchange.
enum class LoadSource : uint8_t {
  INVERTER,  // nothing else is connected: all of the inverter's power
  EXCHANGE,  // the exchange is measured: see House::set_exchange()
  METER,     // the metric load_power is measured
};

struct HouseSettings {
  LoadSource load{LoadSource::INVERTER};
  float charging_above_a{0.5F};  // a smaller current into the battery is not called charging
  ChargeCounter::Settings charge{};
  int32_t battery_energy_wh{0};  // when full; 0: not known
};

/// At most this often the counters are written to flash.
constexpr uint64_t KEEP_COUNTERS_EVERY_US = 600'000'000;
/// Between two attempts to write a trip to a flash that does not take it.
constexpr uint64_t KEEP_TRIP_AGAIN_US = 10'000'000;

class House final : public BusListener, public CyclicSource, public EventListener {
 public:
  /// Readings of the node have the rows HOUSE_METRICS; the recorders of the log HOUSE_LOG and HOUSE_CAPTURE,
  /// and they are set up by the time of start().
  House(Node &node, LogStore &log, const HouseSettings &settings);

  // While setting up.
  void set_input(FastInput *input) { this->input_ = input; }
  void set_trip_output(TripOutput *output) { this->trip_output_ = output; }
  Protections &protections() { return this->protections_; }
  /// Somebody else writes this metric; the house will not work it out.
  void provided(HouseMetric metric) { this->provided_.set(static_cast<size_t>(metric)); }
  bool is_provided(HouseMetric metric) const { return this->provided_.test(static_cast<size_t>(metric)); }
  /// Loads the trip and the counters, declares the commands and joins the desk. The caller makes it listener
  /// and source of the bus node.
  void start(Storage &storage);

  // Main loop.
  /// Power to the cluster; negative from it. NaN: not known.
  void set_exchange(float power_w);
  /// Told by contacts; until then both are worked out from the voltages.
  void set_inverter_on(bool on) { this->inverter_contact_.store(on ? 1 : 0, std::memory_order_relaxed); }
  void set_battery_connected(bool connected) {
    this->battery_contact_.store(connected ? 1 : 0, std::memory_order_relaxed);
  }
  /// Ends faults that are over and the trip; see Protections::clear().
  CommandOutcome clear_faults();
  void identify(uint64_t now_us) { this->identify_until_us_ = now_us + IDENTIFY_US; }
  bool identifying(uint64_t now_us) const { return now_us < this->identify_until_us_; }
  /// Writes the counters when they have changed and it is time to, or when `at_once`.
  void keep_counters(uint64_t now_us, bool at_once);
  /// Often: writes the trip when it begins and when it ends. False while a restart would not find it as it
  /// is.
  bool keep_trip(uint64_t now_us);

  // Any task.
  bool tripped() const { return this->protections_.tripped(); }
  /// Faults of this node that are raised, those of its bus included: one bit per row of FAULTS.
  uint32_t faults() const { return this->faults_.raised(); }

  // Bus task.
  void tick(uint64_t mono_us, uint8_t sequence) override;
  void frame(const CanFrame &frame) override { this->log_.record(frame); }
  void fault(const HeardFault &fault) override;
  void peer_changed(uint8_t node, const Peer &peer) override;
  std::optional<uint64_t> content(uint16_t type, uint8_t group) override;
  void happened(const NodeEvent &event) override;

 protected:
  static constexpr uint64_t IDENTIFY_US = 30'000'000;

  /// Energy counters in the order in which they are kept.
  enum Counter : uint8_t { CHARGED, DISCHARGED, LOAD, SOLAR, EXPORTED, IMPORTED, COUNTERS };
  struct Kept {
    std::array<uint32_t, COUNTERS> wh;
    int32_t charge_mah;  // negative: not known
    bool operator==(const Kept &) const = default;
  };
  template <CommandOutcome (House::*ACTION)()>
  class Action final : public CommandHandler {
   public:
    explicit Action(House &house) : house_(house) {}
    CommandOutcome run(std::span<const CommandValue>) override { return (this->house_.*ACTION)(); }

   protected:
    House &house_;
  };

  CommandOutcome identify_now();
  std::optional<int32_t> get(HouseMetric metric) const {
    return this->readings_.get(static_cast<size_t>(metric));
  }
  /// Only what nobody else writes.
  void derive(HouseMetric metric, std::optional<int32_t> integer);

  void take_sample(uint64_t mono_us);
  void watch_inverter(uint64_t mono_us);
  void protect(uint64_t mono_us);
  void count_energy(uint64_t mono_us);
  void derive_all();
  void derive_load();
  void derive_battery();
  void derive_health();
  void record(uint64_t mono_us);

  Readings &readings_;
  EventDesk &desk_;
  Node &node_;
  LogStore &log_;
  const HouseSettings settings_;
  FastInput *input_{nullptr};
  TripOutput *trip_output_{nullptr};
  std::bitset<HOUSE_METRICS.size()> provided_;
  Protections protections_;
  HouseStatus status_{};

  uint64_t turning_since_us_{0};  // the voltage says that the inverter starts or stops; 0: it does not
  std::optional<bool> told_tripped_;

  EnergyIntegral battery_energy_;
  EnergyIntegral load_energy_;
  EnergyIntegral solar_energy_;
  EnergyIntegral exchange_energy_;
  ChargeCounter charge_;
  uint32_t beats_{0};
  Published<Kept> published_;

  RecordedReadings<HOUSE_LOG, HOUSE_LOG_METRICS> recorded_;
  RecordedReadings<HOUSE_CAPTURE, HOUSE_CAPTURE_METRICS> captured_;

  FaultSnapshots faults_{this->log_};

  std::atomic<int32_t> exchange_w_{Readings::UNKNOWN};
  std::atomic<int8_t> inverter_contact_{-1};  // -1: there is none
  std::atomic<int8_t> battery_contact_{-1};
  std::atomic<bool> clear_asked_{false};

  // Main loop.
  Storage *storage_{nullptr};
  Kept kept_{};
  uint64_t kept_us_{0};
  uint16_t kept_trip_{0};
  uint64_t keep_trip_from_us_{0};
  uint64_t identify_until_us_{0};
  Action<&House::clear_faults> clear_action_{*this};
  Action<&House::identify_now> identify_action_{*this};
};

}  // namespace esphome::microgrid

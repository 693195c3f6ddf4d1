// A gateway: measures both sides of the contactor at each beat of the bus and works it, knows the houses of
// its cluster, and records. Everything but what is marked runs in the bus task; nothing waits or allocates.
#pragma once

#include <array>
#include <atomic>

#include "cluster.h"
#include "contactor_io.h"
#include "esphome/components/microgrid_can/bulk_relay.h"
#include "esphome/components/microgrid_can/bus_node.h"
#include "esphome/components/microgrid_can/capture_command.h"
#include "esphome/components/microgrid_can/gateway_messages.h"
#include "esphome/components/microgrid_core/node.h"
#include "esphome/components/microgrid_log/fault_snapshots.h"
#include "esphome/components/microgrid_measure/energy.h"
#include "esphome/components/microgrid_measure/recorded_readings.h"
#include "esphome/components/microgrid_uplink/houses.h"
#include "house_summary.h"
#include "synchroniser.h"

namespace esphome::microgrid {

/// At most this often the energy counters are written to flash.
constexpr uint64_t KEEP_ENERGY_EVERY_US = 600'000'000;

class Gateway final : public BusListener,
                      public CyclicSource,
                      public EventListener,
                      public Houses,
                      protected CommandHandler,
                      protected ContactorOutput,
                      protected SummarySink,
                      protected SynchroniserListener {
 public:
  /// Readings of the node have the rows GATEWAY_METRICS; the recorders of the log GATEWAY_LOG and
  /// GATEWAY_CAPTURE.
  Gateway(Node &node, BusNode &bus, LogStore &log, const HouseDirectory &directory,
          const SynchroniserSettings &settings);

  // While setting up.
  void set_input(GatewayInput *input) { this->input_ = input; }
  void set_contactor(ContactorOutput *output) { this->output_ = output; }
  /// What people call a house, whatever it says itself. `name` lives as long as the node.
  void set_house_name(uint8_t number, std::string_view name);
  /// Loads command and counters, declares the commands, joins the desk and the bus.
  void start(Storage &storage);

  // Main loop.
  /// Writes the counters that have changed, energies not more often than it is good for the flash unless
  /// `at_once`.
  void keep_counters(uint64_t now_us, bool at_once);
  bool house(uint8_t number, HouseView &view) override;

  // Any task.
  const Cluster &cluster() const { return this->cluster_; }
  /// Faults of this node that are raised, those of its bus included: one bit per row of FAULTS.
  uint32_t faults() const { return this->faults_.raised(); }
  uint32_t lost_summaries() const { return this->summaries_.lost(); }

  // Bus task.
  void tick(uint64_t mono_us, uint8_t sequence) override;
  void frame(const CanFrame &frame) override;
  void fault(const HeardFault &fault) override;
  void peer_changed(uint8_t node, const Peer &peer) override;
  std::optional<uint64_t> content(uint16_t type, uint8_t group) override;
  void happened(const NodeEvent &event) override;

 protected:
  struct Kept {
    uint32_t closings;
    uint32_t exported_wh;
    uint32_t imported_wh;
    bool operator==(const Kept &) const = default;
  };

  // Main loop.
  CommandOutcome run(std::span<const CommandValue> parameters) override;
  std::string_view name_of(uint8_t number) const;

  void drive(bool closed) override;
  bool take(std::span<const uint8_t> frame) override { return this->log_.record(frame); }
  void contactor_event(ContactorEvent event, const GatewaySample &sample, uint64_t mono_us) override;

  void show(const GatewaySample &sample);
  void show_contactor();
  void tell_contactor(uint64_t mono_us);
  void sum_up(uint64_t mono_us);
  void show_bus();
  void record(uint64_t mono_us);
  std::optional<int32_t> get(GatewayMetric metric) const {
    return this->readings_.get(static_cast<size_t>(metric));
  }
  void set(GatewayMetric metric, double value) {
    this->readings_.set_value(static_cast<size_t>(metric), value);
  }

  Node &node_;
  Readings &readings_;
  BusNode &bus_;
  LogStore &log_;
  const HouseDirectory &directory_;
  GatewayInput *input_{nullptr};
  ContactorOutput *output_{nullptr};

  Cluster cluster_;
  Synchroniser synchroniser_;
  SummaryLog summaries_;
  EnergyIntegral energy_;
  uint32_t beats_{0};
  uint32_t closings_before_{0};  // this start
  std::optional<dbc::Contactor> told_;
  RecordedReadings<GATEWAY_LOG, GATEWAY_LOG_METRICS> recorded_;
  RecordedReadings<GATEWAY_CAPTURE, GATEWAY_CAPTURE_METRICS> captured_;
  FaultSnapshots faults_{this->log_};

  std::atomic<bool> commanded_{false};
  Published<Kept> published_;

  // Main loop.
  CaptureCommand capture_{this->node_, this->bus_, this->log_};
  Storage *storage_{nullptr};
  Kept kept_{};
  uint64_t kept_us_{0};
  std::array<std::string_view, MAX_HOUSES + 1> names_{};
  HouseIdentity asked_{};
};

}  // namespace esphome::microgrid

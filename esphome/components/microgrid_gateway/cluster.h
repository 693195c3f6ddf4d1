// The houses of the cluster as the bus shows them: their readings while they are fresh, their faults, and
// what they add up to. The bus task writes; what is marked may be read by any task.
#pragma once

#include <array>
#include <atomic>

#include "esphome/components/microgrid_can/bulk_relay.h"
#include "esphome/components/microgrid_can/bus_node.h"
#include "esphome/components/microgrid_can/house_messages.h"

namespace esphome::microgrid {

/// Sums over the houses that are present. NaN: no house tells.
struct ClusterTotals {
  double power_w;
  double load_power_w;
  double solar_power_w;
  double state_of_charge;  // %, weighted with the capacities when all of them are known
  double health;           // %, of the worst
  uint8_t houses_online;
};

class Cluster final {
 public:
  static constexpr uint8_t HOUSES = MAX_HOUSES;
  /// As long as a house tries before it gives its card up.
  static constexpr uint64_t CARD_PATIENCE_US = 5'000'000;

  Cluster();

  // Bus task.

  void frame(const CanFrame &frame);
  void fault(const HeardFault &fault);
  void peer_changed(uint8_t node, const Peer &peer);
  /// Forgets what has not come for three of its cycles; at least every 100 ms.
  void step(uint64_t mono_us);
  ClusterTotals totals();

  // Any task; `number` is 1 … HOUSES.

  const Readings &readings(uint8_t number) const { return this->house(number).readings; }
  /// Its Heartbeat comes.
  bool present(uint8_t number) const { return this->house(number).present.load(std::memory_order_relaxed); }
  /// 0: never heard.
  uint32_t boot_id(uint8_t number) const {
    return this->house(number).boot_id.load(std::memory_order_relaxed);
  }
  /// Raised faults: bit i is row i of FAULTS.
  uint32_t faults(uint8_t number) const { return this->house(number).faults.load(std::memory_order_relaxed); }
  /// Its Heartbeats have told of no working card for CARD_PATIENCE_US.
  bool card_failed(uint8_t number) const {
    return this->house(number).card_failed.load(std::memory_order_relaxed);
  }

 protected:
  /// A message of a house, or a group of one: what comes and ages together.
  struct Source {
    uint16_t type;
    uint8_t group;
    uint32_t patience_ms;
  };
  static constexpr size_t MAX_SOURCES = 20;
  static constexpr uint8_t NO_SOURCE = 0xFF;

  struct House {
    std::array<Readings::Cell, HOUSE_METRICS.size()> cells{};
    Readings readings{HOUSE_METRICS, cells};
    std::atomic<bool> present{false};
    std::atomic<uint32_t> boot_id{0};
    std::atomic<uint32_t> faults{0};
    std::atomic<bool> card_failed{false};

    HouseStatus status{};
    std::array<uint32_t, MAX_SOURCES> heard_ms{};
    uint32_t fresh{0};  // one bit per source
    uint32_t heard_faults{0};
    uint64_t raised_us{0};          // the last of them
    uint64_t card_bad_since_us{0};  // 0: it is not
    float capacity_wh{0};           // 0: not known
  };

  const House &house(uint8_t number) const { return this->houses_[number - 1U]; }
  void learn_sources();
  size_t source_of(const CanFrame &frame) const;
  static void publish_faults(House &house, bool state_known);
  static void watch_card(House &house, uint64_t mono_us);
  static double state_of_charge(House &house, double &stored_wh, double &capacity_wh);

  std::array<House, HOUSES> houses_;
  std::array<Source, MAX_SOURCES> sources_{};
  size_t source_count_{0};
  std::array<uint8_t, HOUSE_METRICS.size()> source_of_metric_{};
  uint64_t now_us_{0};
};

}  // namespace esphome::microgrid

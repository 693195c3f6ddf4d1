// The node as a component of ESPHome: its identity as configured, preferences as its storage, the start as
// its first event, and the readings that every node has of itself.
#pragma once

#include <algorithm>

#include "esphome/core/component.h"
#include "esphome/core/preferences.h"
#include "metric_tables.h"
#include "node.h"

namespace esphome::microgrid {

class NodeComponent final : public Component, public Storage {
 public:
  /// Texts are literals of the generated program.
  NodeComponent(Role role, uint8_t number, const char *node, const char *cluster, const char *swarm,
                const char *name, const char *hardware, const char *firmware);

  Node &node() { return this->node_; }
  Storage &storage() { return *this; }
  /// Why the node started; UNKNOWN on a PC.
  static ResetReason reset_reason();

  void setup() override;
  void dump_config() override;
  float get_setup_priority() const override { return setup_priority::BUS; }

  // Main loop only.
  bool load(std::string_view name, std::span<uint8_t> value) override;
  bool save(std::string_view name, std::span<const uint8_t> value) override;
  bool save_now(std::string_view name, std::span<const uint8_t> value) override;

 protected:
  /// A preference is made once and never freed, so each name has one, of one size.
  struct Kept {
    uint32_t key{0};
    size_t size{0};
    ESPPreferenceObject preference;
  };
  static constexpr size_t MAX_KEPT = 16;

  Kept *kept(std::string_view name, size_t size);
  void count_restart();
  void tell_start();
  void refresh();

  // Those of the other role are never used.
  std::array<Readings::Cell, std::max(HOUSE_METRICS.size(), GATEWAY_METRICS.size())> cells_{};
  std::array<Kept, MAX_KEPT> kept_{};
  size_t kept_count_{0};
  uint32_t restarts_{0};
  Node node_;
};

}  // namespace esphome::microgrid

// The command `capture_snapshot`: records on the whole bus as if there were a fault.
#pragma once

#include "bus_node.h"
#include "esphome/components/microgrid_core/node.h"
#include "esphome/components/microgrid_log/log_store.h"

namespace esphome::microgrid {

class CaptureCommand final : public CommandHandler {
 public:
  static constexpr std::string_view NAME = "capture_snapshot";
  /// Between two of them: a recording takes 20 s, and its way to the gateway as long again.
  static constexpr uint64_t BETWEEN_US = 30'000'000;

  CaptureCommand(Node &node, BusNode &bus, const LogStore &log) : node_(node), bus_(bus), log_(log) {}

  /// While setting up: the node declares it.
  void start() { this->node_.add({.name = NAME, .parameters = {}, .handler = this}); }

  // Main loop.
  CommandOutcome run(std::span<const CommandValue> parameters) override;
  CommandOutcome begin(uint64_t now_us);

 protected:
  Node &node_;
  BusNode &bus_;
  const LogStore &log_;
  uint64_t next_us_{0};
};

}  // namespace esphome::microgrid

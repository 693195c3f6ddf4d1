// The log as a component of ESPHome: its medium, the task that writes it, what it needs to survive a restart.
#pragma once

#include <optional>

#include "esphome/components/microgrid_core/node_component.h"
#include "esphome/core/component.h"
#include "log_writer.h"
#ifdef USE_HOST
#include "file_device.h"
#endif
#ifdef USE_ESP32
#include "sd_device.h"
#endif

namespace esphome::microgrid {

#ifdef USE_HOST
/// The folder as configured, unless MICROGRID_STORAGE names another one.
std::string log_folder(const char *folder);
#endif

class LogComponent final : public Component {
 public:
  LogComponent(NodeComponent *core, Medium *medium, const LogSize &size);

  LogStore &store() { return this->writer_; }

  void setup() override;
  void loop() override;
  void dump_config() override;
  void on_safe_shutdown() override { this->task_.reset(); }
  /// After the node, before everybody who logs.
  float get_setup_priority() const override { return setup_priority::IO; }

 protected:
  void show_card();

  NodeComponent *core_;
  LogSettings settings_;
  LogWriter writer_;
  CardState shown_{CardState::OK};
  std::optional<Task> task_;
};

}  // namespace esphome::microgrid

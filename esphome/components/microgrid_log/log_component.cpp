// Set-up, the task, and what the console shows.
#include "log_component.h"

#include "esphome/components/microgrid_core/environment.h"
#include "esphome/components/microgrid_core/task_stacks.h"
#include "esphome/core/log.h"

namespace esphome::microgrid {

static const char *const TAG = "microgrid.log";

namespace {

LogSettings settings_of(Role role, const LogSize &size) {
  LogSettings settings = log_settings(role, size);
  settings.reason = NodeComponent::reset_reason();
  return settings;
}

const char *text_of(CardState state) {
  switch (state) {
    case CardState::OK:
      return "works";
    case CardState::MISSING:
      return "is missing";
    case CardState::FAILING:
      return "fails";
    case CardState::UNKNOWN:
      break;
  }
  return "?";
}

}  // namespace

#ifdef USE_HOST
std::string log_folder(const char *folder) { return std::string(environment("STORAGE", folder)); }
#endif

LogComponent::LogComponent(NodeComponent *core, Medium *medium, const LogSize &size)
    : core_(core),
      settings_(settings_of(core->node().identity.role, size)),
      writer_(core->node(), *medium, this->settings_) {}

void LogComponent::setup() {
  if (!this->writer_.setup(mono_us())) {
    ESP_LOGE(TAG, "There is no memory for the log: it needs %u kB",
             static_cast<unsigned>(LogWriter::ram_use(this->settings_).total() / 1000));
    this->mark_failed();
    return;
  }
  this->writer_.load(this->core_->storage());
  this->task_.emplace();
  const auto body = [](void *writer) { static_cast<LogWriter *>(writer)->run(); };
  if (!this->task_->start("log", body, &this->writer_, Priority::BACKGROUND, LOG_STACK_BYTES)) {
    ESP_LOGE(TAG, "There is no memory for the task of the log");
    this->mark_failed();
  }
}

void LogComponent::loop() {
  this->writer_.save(this->core_->storage(), mono_us());
  this->show_card();
}

void LogComponent::show_card() {
  const CardState state = this->writer_.health().card;
  if (state == this->shown_ || state == CardState::UNKNOWN) return;
  this->shown_ = state;
  if (state == CardState::OK) {
    ESP_LOGI(TAG, "The medium works");
    return;
  }
  const auto complaint = this->writer_.complaint();
  ESP_LOGW(TAG, "The medium %s: %.*s", text_of(state), static_cast<int>(complaint.view().size()),
           complaint.view().data());
}

void LogComponent::dump_config() {
  const LogHealth health = this->writer_.health();
  ESP_LOGCONFIG(TAG,
                "Microgrid log:\n"
                "  The medium %s\n"
                "  Log %lu × %lu kB, capture %lu × 1 MB, %lu snapshots\n"
                "  Memory: %u kB",
                text_of(health.card), static_cast<unsigned long>(this->settings_.log_slots),
                static_cast<unsigned long>(this->settings_.log_slot_blocks * BLOCK_BYTES / 1000),
                static_cast<unsigned long>(this->settings_.capture_slots),
                static_cast<unsigned long>(this->settings_.snapshot_slots),
                static_cast<unsigned>(LogWriter::ram_use(this->settings_).total() / 1000));
}

}  // namespace esphome::microgrid

#include "can_component.h"

#include "esphome/components/microgrid_core/environment.h"
#include "esphome/components/microgrid_core/task_stacks.h"
#include "esphome/core/log.h"

#ifdef USE_HOST
#include <arpa/inet.h>
#endif

namespace esphome::microgrid {

static const char *const TAG = "microgrid.can";

namespace {

constexpr uint32_t REFRESH_MS = 1000;
constexpr uint32_t TELL_LOSSES_MS = 10'000;

const char *text_of(ControllerState state) {
  switch (state) {
    case ControllerState::ACTIVE:
      return "error active";
    case ControllerState::PASSIVE:
      return "error passive";
    case ControllerState::BUS_OFF:
      return "bus off";
    case ControllerState::STOPPED:
      return "stopped";
  }
  return "";
}

}  // namespace

#ifdef USE_HOST
UdpBusSettings udp_bus_settings(const char *group, uint16_t port) {
  const auto elsewhere = environment_endpoint("CAN");
  if (!elsewhere) return {.group = group, .port = port};
  static std::array<char, INET_ADDRSTRLEN> text;
  const in_addr address{.s_addr = elsewhere->address};
  inet_ntop(AF_INET, &address, text.data(), text.size());
  return {.group = text.data(), .port = elsewhere->port};
}
#endif

CanComponent::CanComponent(NodeComponent *core, CanBus *bus, uint32_t bit_rate, uint8_t rank_limit)
    : node_(core->node()),
      bus_(bus),
      bit_rate_(bit_rate),
      bus_node_(core->node().identity, core->node().clock, core->node().desk,
                BusSettings{.bit_rate = bit_rate, .rank_limit = rank_limit}) {
  this->bus_node_.set_bus(bus);
}

void CanComponent::setup() {
  this->task_.emplace();
  if (!this->task_->start("bus", CanComponent::live, this, Priority::BUS, BUS_STACK_BYTES)) {
    ESP_LOGE(TAG, "There is no memory for the bus task");
    this->mark_failed();
    return;
  }
  this->set_interval(REFRESH_MS, [this] { this->refresh(); });
  this->set_interval(TELL_LOSSES_MS, [this] { this->tell_losses(this->bus_node_.statistics()); });
}

void CanComponent::live(void *self) { static_cast<CanComponent *>(self)->bus_node_.run(); }

void CanComponent::dump_config() {
  [[maybe_unused]] const BusStatistics statistics = this->bus_node_.statistics();
  ESP_LOGCONFIG(TAG,
                "Microgrid CAN:\n"
                "  %lu kbit/s, %s",
                static_cast<unsigned long>(this->bit_rate_ / 1000),
                this->bus_ == nullptr ? "no bus" : text_of(statistics.controller.state));
}

/// See "Identifiers" in contract/can.md: nobody else can say it for a silent node.
void CanComponent::tell_conflict(const BusStatistics &statistics) {
  if (statistics.number_conflict == this->conflict_told_) return;
  this->conflict_told_ = statistics.number_conflict;
  [[maybe_unused]] const unsigned number = this->node_.identity.number;
  if (statistics.number_conflict) {
    ESP_LOGE(TAG, "Another node has our number %u: this one is silent. Give one of them another number",
             number);
    this->status_set_error();
  } else {
    ESP_LOGI(TAG, "Nobody else has our number %u any more: sending again", number);
    this->status_clear_error();
  }
}

void CanComponent::tell_losses(const BusStatistics &statistics) {
  const BusStatistics &told = this->losses_told_;
  const uint32_t missed = statistics.controller.missed - told.controller.missed;
  const uint32_t unsent = statistics.controller.unsent - told.controller.unsent;
  const uint32_t foreign = statistics.foreign_frames - told.foreign_frames;
  const uint32_t errors = statistics.controller.bus_errors - told.controller.bus_errors;
  if ((missed | unsent | foreign | errors) != 0) {
    ESP_LOGW(TAG, "In the last 10 s: %lu errors on the bus, frames: %lu foreign, %lu missed, %lu unsent",
             static_cast<unsigned long>(errors), static_cast<unsigned long>(foreign),
             static_cast<unsigned long>(missed), static_cast<unsigned long>(unsent));
  }
  this->losses_told_ = statistics;
}

void CanComponent::tell_controller(ControllerState state) {
  if (state == this->shown_) return;
  this->shown_ = state;
  if (state == ControllerState::STOPPED) {
    ESP_LOGE(TAG,
             "The controller of the bus does not answer: look at its wiring and supply; tried every second");
  } else {
    ESP_LOGI(TAG, "Controller: %s", text_of(state));
  }
  if (state == ControllerState::ACTIVE) {
    this->status_clear_warning();
  } else {
    this->status_set_warning();
  }
}

void CanComponent::refresh() {
  const BusStatistics statistics = this->bus_node_.statistics();
  this->tell_conflict(statistics);
  const ControllerStatus &controller = statistics.controller;
  if (this->bus_ != nullptr) this->tell_controller(controller.state);
  Readings &readings = this->node_.readings;
  for (size_t metric = 0; metric < readings.size(); metric++) {
    const std::string_view key = readings.rows()[metric].key;
    if (key == "can_frames_received") {
      readings.set_value(metric, statistics.frames_received);
    } else if (key == "can_errors") {
      readings.set_value(metric, controller.bus_errors);
    } else if (key == "can_bus_off") {
      readings.set_value(metric, controller.bus_offs);
    } else if (key == "can_bus_load") {
      readings.set_value(metric, statistics.load_permille / 10.0);
    }
  }
}

}  // namespace esphome::microgrid

#ifdef USE_HOST
#include "sim_component.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include "esphome/core/log.h"

namespace esphome::microgrid::sim {

static const char *const TAG = "microgrid.sim";

namespace {

Endpoint group_of(const char *group, uint16_t port) {
  if (const auto elsewhere = environment_endpoint("SIM")) return *elsewhere;
  return {.address = inet_addr(group), .port = port};
}

std::optional<size_t> commanded_metric(const Identity &who) {
  if (who.role != Role::GATEWAY) return std::nullopt;
  return static_cast<size_t>(GatewayMetric::CONTACTOR_COMMANDED);
}

}  // namespace

SimComponent::SimComponent(NodeComponent *core, const char *group, uint16_t port)
    : group_(group_of(group, port)) {
  this->link_.emplace(core->node(), commanded_metric(core->node().identity));
}

void SimComponent::setup() {
  if (this->link_->open(this->group_)) return;
  ESP_LOGE(TAG, "The simulator's multicast group cannot be joined: %s", std::strerror(errno));
  this->mark_failed();
}

void SimComponent::dump_config() {
  [[maybe_unused]] const in_addr address{.s_addr = this->group_.address};
  ESP_LOGCONFIG(TAG,
                "Microgrid simulator:\n"
                "  Group %s, port %u",
                inet_ntoa(address), this->group_.port);
}

}  // namespace esphome::microgrid::sim

#endif

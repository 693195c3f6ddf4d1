#include "time_component.h"

#include "esphome/components/microgrid_core/environment.h"
#include "esphome/components/network/util.h"
#include "esphome/core/log.h"

#ifdef USE_HOST
#include <arpa/inet.h>
#endif

namespace esphome::microgrid {

static const char *const TAG = "microgrid.time";

TimeServer time_server(const char *address, uint16_t port) {
#ifdef USE_HOST
  if (const auto elsewhere = environment_endpoint("TIME")) {
    static std::array<char, INET_ADDRSTRLEN> text;
    const in_addr found{.s_addr = elsewhere->address};
    inet_ntop(AF_INET, &found, text.data(), text.size());
    return {.address = text.data(), .port = elsewhere->port};
  }
#endif
  return {.address = address, .port = port};
}

void TimeComponent::loop() {
  if (!network::is_connected()) return;
  const auto observation = this->client_.poll(mono_us());
  if (!observation) return;
  this->bus_node_.observe_network(*observation);
  if (!this->answered_) {
    ESP_LOGI(TAG, "The server answers");
    this->answered_ = true;
  }
}

void TimeComponent::dump_config() {
  ESP_LOGCONFIG(TAG,
                "Microgrid time:\n"
                "  Server %s, port %u",
                this->server_.address, this->server_.port);
}

}  // namespace esphome::microgrid

#include "esphome_mqtt_component.h"

#ifdef USE_MQTT

#include <algorithm>
#include <string>

#include "esphome/components/microgrid_core/umg1_crc.h"
#include "esphome/components/mqtt/mqtt_client.h"

#ifdef USE_ESP32
#include <esp_system.h>
#endif

namespace esphome::microgrid {

namespace {

#ifdef USE_ESP32
// Messages wait on the heap while the network is slow: TLS and Wi-Fi need the rest.
constexpr size_t HEAP_RESERVE_BYTES = 40'000;

bool has_room(size_t bytes) { return esp_get_free_heap_size() > HEAP_RESERVE_BYTES + 2 * bytes; }
#else
bool has_room(size_t /*bytes*/) { return true; }
#endif

}  // namespace

void EsphomePublisher::set_will(std::string_view topic, std::string_view payload) {
  mqtt::global_mqtt_client->set_last_will(
      {.topic = std::string(topic), .payload = std::string(payload), .qos = 1, .retain = true});
  mqtt::global_mqtt_client->set_shutdown_message(
      {.topic = std::string(topic), .payload = std::string(payload), .qos = 1, .retain = true});
}

void EsphomePublisher::loop(uint64_t /*now_us*/) {
  const bool connected = mqtt::global_mqtt_client->is_connected();
  if (connected && !this->connected_) this->connections_++;
  this->connected_ = connected;
}

bool EsphomePublisher::publish(std::string_view topic, Bytes payload, uint8_t qos, bool retain) {
  std::array<char, 192> name{};
  if (!this->connected_ || topic.size() >= name.size() || !has_room(payload.size())) return false;
  std::copy(topic.begin(), topic.end(), name.begin());
  return mqtt::global_mqtt_client->publish(name.data(), reinterpret_cast<const char *>(payload.data()),
                                           payload.size(), qos, retain);
}

bool EsphomePublisher::subscribe(std::string_view filter) {
  if (!this->connected_) return false;
  const uint32_t name = crc32(bytes_of(filter));
  const auto end = this->filters_.begin() + static_cast<std::ptrdiff_t>(this->filter_count_);
  if (std::find(this->filters_.begin(), end, name) != end) return true;
  if (this->filter_count_ == MAX_FILTERS)
    return true;  // more nodes than a bus can have: nothing that waiting would mend
  this->filters_[this->filter_count_++] = name;
  mqtt::global_mqtt_client->subscribe(
      std::string(filter),
      [this](const std::string &topic, const std::string &payload) {
        this->receiver_.received(topic, bytes_of(payload));
      },
      1);
  return true;
}

}  // namespace esphome::microgrid

#endif

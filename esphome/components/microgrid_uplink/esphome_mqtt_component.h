// The broker through ESPHome's mqtt component: its TLS, its credentials, its connection. (The file is named
// so that it is checked with ESPHome's headers, see tests/firmware/check_esp32.sh.)
#pragma once

#include "esphome/core/defines.h"

#ifdef USE_MQTT

#include <array>

#include "publisher.h"

namespace esphome::microgrid {

/// What was taken is given to ESPHome's queue; a break of the connection may lose what is in there. Whatever
/// must not be lost is repeated by the uplink itself.
class EsphomePublisher final : public Publisher {
 public:
  explicit EsphomePublisher(MessageReceiver &receiver) : receiver_(receiver) {}

  /// Before the mqtt component connects. It has one last will: its own `status` topic then has none.
  static void set_will(std::string_view topic, std::string_view payload);

  void loop(uint64_t now_us) override;
  uint32_t connection() const override { return this->connected_ ? this->connections_ : 0; }
  bool publish(std::string_view topic, Bytes payload, uint8_t qos, bool retain) override;
  bool subscribe(std::string_view filter) override;

 protected:
  static constexpr size_t MAX_FILTERS = 48;  // three of each node of a bus

  MessageReceiver &receiver_;
  bool connected_{false};
  uint32_t connections_{0};
  std::array<uint32_t, MAX_FILTERS> filters_{};  // CRC-32; the mqtt component keeps subscriptions for ever
  size_t filter_count_{0};
};

}  // namespace esphome::microgrid

#endif

// The broker as the uplink sees it, whichever client speaks to it: our own, or ESPHome's mqtt component.
#pragma once

#include "esphome/components/microgrid_core/umg1_bytes.h"

namespace esphome::microgrid {

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

class MessageReceiver {
 public:
  /// In the main loop; both views end with the call.
  virtual void received(std::string_view topic, Bytes payload) = 0;

 protected:
  ~MessageReceiver() = default;
};

class Publisher {
 public:
  virtual void loop(uint64_t now_us) = 0;
  /// 0 while there is no connection, another number after each one.
  virtual uint32_t connection() const = 0;
  /// False when there is no room for it now, or no connection: try again later. QoS 1 is repeated until it
  /// arrived, also over a break of the connection.
  virtual bool publish(std::string_view topic, Bytes payload, uint8_t qos, bool retain) = 0;
  /// With QoS 1, to be called anew for each connection. False: try again later.
  virtual bool subscribe(std::string_view filter) = 0;

 protected:
  ~Publisher() = default;
};

}  // namespace esphome::microgrid

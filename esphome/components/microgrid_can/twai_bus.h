// CAN by the ESP32's own controller (TWAI): time stamps are taken in its interrupt.
#pragma once
#ifdef USE_ESP32

#include <esp_twai.h>
#include <esp_twai_onchip.h>

#include <atomic>

#include "can_bus.h"
#include "esphome/components/microgrid_core/spsc_ring.h"
#include "transmit_queue.h"

namespace esphome::microgrid {

struct TwaiBusSettings {
  gpio_num_t transmit_pin;
  gpio_num_t receive_pin;
};

class TwaiBus final : public CanBus {
 public:
  explicit TwaiBus(const TwaiBusSettings &settings) : settings_(settings) {}

  bool open(uint32_t bit_rate, Signal &wake) override;
  bool send(const CanFrame &frame, bool stamp) override;
  std::optional<uint64_t> sent_us() override { return this->sent_.pop(); }
  std::optional<CanFrame> receive() override;
  ControllerStatus status() override;
  void recover() override;
  bool stamps_in_interrupt() const override { return true; }

 protected:
  // Callbacks of the driver, in its interrupt.
  static bool on_received(twai_node_handle_t node, const twai_rx_done_event_data_t *event, void *self);
  static bool on_transmitted(twai_node_handle_t node, const twai_tx_done_event_data_t *event, void *self);
  static bool on_state_changed(twai_node_handle_t node, const twai_state_change_event_data_t *event,
                               void *self);
  static bool on_error(twai_node_handle_t node, const twai_error_event_data_t *event, void *self);

  void transmit();

  TwaiBusSettings settings_;
  twai_node_handle_t node_{nullptr};
  Signal *wake_{nullptr};
  TransmitQueue queue_;
  // The frame that the driver has; it reads it until it says that the transmission is over.
  twai_frame_t current_{};
  std::array<uint8_t, 8> current_data_{};
  bool current_stamp_{false};
  std::atomic<bool> busy_{false};
  SpscRing<CanFrame, 128> received_;
  SpscRing<uint64_t, 4> sent_;
  std::atomic<uint32_t> bus_errors_{0};
  std::atomic<uint32_t> bus_offs_{0};
};

}  // namespace esphome::microgrid

#endif  // USE_ESP32

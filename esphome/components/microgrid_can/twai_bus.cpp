#ifdef USE_ESP32
#include "twai_bus.h"

#include <esp_attr.h>

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr uint16_t SAMPLE_POINT_PERMILLE = 800;  // see contract/can.md

ControllerState state_of(twai_error_state_t state) {
  switch (state) {
    case TWAI_ERROR_BUS_OFF:
      return ControllerState::BUS_OFF;
    case TWAI_ERROR_PASSIVE:
      return ControllerState::PASSIVE;
    default:
      return ControllerState::ACTIVE;
  }
}

uint8_t clamped(uint16_t errors) { return static_cast<uint8_t>(std::min<uint16_t>(errors, 255)); }

}  // namespace

bool TwaiBus::open(uint32_t bit_rate, Signal &wake) {
  if (this->node_ != nullptr) return true;
  twai_onchip_node_config_t config{};
  config.io_cfg.tx = this->settings_.transmit_pin;
  config.io_cfg.rx = this->settings_.receive_pin;
  config.io_cfg.quanta_clk_out = GPIO_NUM_NC;
  config.io_cfg.bus_off_indicator = GPIO_NUM_NC;
  config.bit_timing.bitrate = bit_rate;
  config.bit_timing.sp_permill = SAMPLE_POINT_PERMILLE;
  config.fail_retry_cnt = -1;
  // One: what else waits does so in our own queue, where the most urgent frame is first.
  config.tx_queue_depth = 1;
  twai_node_handle_t node = nullptr;
  if (twai_new_node_onchip(&config, &node) != ESP_OK) return false;

  twai_event_callbacks_t callbacks{};
  callbacks.on_tx_done = TwaiBus::on_transmitted;
  callbacks.on_rx_done = TwaiBus::on_received;
  callbacks.on_state_change = TwaiBus::on_state_changed;
  callbacks.on_error = TwaiBus::on_error;
  this->wake_ = &wake;
  if (twai_node_register_event_callbacks(node, &callbacks, this) != ESP_OK ||
      twai_node_enable(node) != ESP_OK) {
    twai_node_delete(node);
    return false;
  }
  this->node_ = node;
  return true;
}

bool IRAM_ATTR TwaiBus::on_received(twai_node_handle_t node, const twai_rx_done_event_data_t * /*event*/,
                                    void *self) {
  const uint64_t now = mono_us();
  auto *bus = static_cast<TwaiBus *>(self);
  CanFrame frame{.identifier = 0, .mono_us = now, .length = 0, .data = {}};
  twai_frame_t received{};
  received.buffer = frame.data.data();
  received.buffer_len = frame.data.size();
  if (twai_node_receive_from_isr(node, &received) != ESP_OK) return false;
  frame.identifier = received.header.id | (received.header.ide != 0 ? CAN_EXTENDED : 0) |
                     (received.header.rtr != 0 ? CAN_REMOTE : 0);
  if (received.header.rtr == 0)
    frame.length = static_cast<uint8_t>(std::min<uint16_t>(received.header.dlc, 8));
  bus->received_.push(frame);
  bus->wake_->give_from_interrupt();
  return false;  // the signal has asked for the switch of tasks already
}

bool IRAM_ATTR TwaiBus::on_transmitted(twai_node_handle_t /*node*/, const twai_tx_done_event_data_t *event,
                                       void *self) {
  const uint64_t now = mono_us();
  auto *bus = static_cast<TwaiBus *>(self);
  if (event->is_tx_success && bus->current_stamp_) bus->sent_.push(now);
  bus->busy_.store(false, std::memory_order_release);
  bus->wake_->give_from_interrupt();
  return false;
}

bool IRAM_ATTR TwaiBus::on_state_changed(twai_node_handle_t /*node*/,
                                         const twai_state_change_event_data_t *event, void *self) {
  auto *bus = static_cast<TwaiBus *>(self);
  if (event->new_sta == TWAI_ERROR_BUS_OFF) {
    bus->bus_offs_.store(bus->bus_offs_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  } else if (event->old_sta == TWAI_ERROR_BUS_OFF) {
    bus->busy_.store(false, std::memory_order_release);  // what was under way is not taken up again
  }
  bus->wake_->give_from_interrupt();
  return false;
}

bool IRAM_ATTR TwaiBus::on_error(twai_node_handle_t /*node*/, const twai_error_event_data_t *event,
                                 void *self) {
  auto *bus = static_cast<TwaiBus *>(self);
  auto errors = event->err_flags;
  errors.arb_lost = 0;  // is no error
  if (errors.val != 0) {
    bus->bus_errors_.store(bus->bus_errors_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  return false;
}

bool TwaiBus::send(const CanFrame &frame, bool stamp) {
  if (this->node_ == nullptr || this->status().state == ControllerState::BUS_OFF) return false;
  const bool taken = this->queue_.push({.frame = frame, .stamp = stamp});
  this->transmit();
  return taken;
}

/// Gives the driver the next frame when it has none. Bus task.
void TwaiBus::transmit() {
  if (this->node_ == nullptr || this->busy_.load(std::memory_order_acquire)) return;
  const auto next = this->queue_.pop();
  if (!next) return;
  const CanFrame &frame = next->frame;
  this->current_data_ = frame.data;
  this->current_stamp_ = next->stamp;
  this->current_ = {};
  this->current_.header.id = frame.identifier & 0x1FFFFFFF;
  this->current_.header.ide = (frame.identifier & CAN_EXTENDED) != 0;
  this->current_.header.rtr = (frame.identifier & CAN_REMOTE) != 0;
  this->current_.header.dlc = frame.length;
  this->current_.buffer = this->current_data_.data();
  this->current_.buffer_len = frame.length;
  this->busy_.store(true, std::memory_order_release);
  if (twai_node_transmit(this->node_, &this->current_, 0) != ESP_OK) {
    this->busy_.store(false, std::memory_order_release);
  }
}

std::optional<CanFrame> TwaiBus::receive() {
  this->transmit();  // the end of a transmission wakes the bus task, which asks for frames
  return this->received_.pop();
}

ControllerStatus TwaiBus::status() {
  if (this->node_ == nullptr) return {};
  twai_node_status_t status{};
  if (twai_node_get_info(this->node_, &status, nullptr) != ESP_OK) return {};
  const ControllerState state = state_of(status.state);
  if (state == ControllerState::BUS_OFF)
    this->queue_.clear();  // would be old news when the controller is back
  return {
      .state = state,
      .transmit_errors = clamped(status.tx_error_count),
      .receive_errors = clamped(status.rx_error_count),
      .bus_errors = this->bus_errors_.load(std::memory_order_relaxed),
      .missed = this->received_.refused(),
      .unsent = this->queue_.lost(),
      .bus_offs = this->bus_offs_.load(std::memory_order_relaxed),
  };
}

void TwaiBus::recover() {
  if (this->node_ != nullptr) twai_node_recover(this->node_);
}

}  // namespace esphome::microgrid
#endif  // USE_ESP32

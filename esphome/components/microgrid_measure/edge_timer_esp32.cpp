#ifdef USE_ESP32
#include "edge_timer_esp32.h"

#include <esp_attr.h>

#include <algorithm>

#include "esphome/components/microgrid_core/platform.h"

namespace esphome::microgrid {

bool EdgeTimer::open_input(mcpwm_cap_timer_handle_t timer, Input &input) {
  mcpwm_capture_channel_config_t config{};
  config.gpio_num = input.pin;
  config.prescale = 1;
  config.flags.pos_edge = true;
  config.flags.neg_edge = input.both_edges;
  mcpwm_cap_channel_handle_t channel = nullptr;
  if (mcpwm_new_capture_channel(timer, &config, &channel) != ESP_OK) return false;
  mcpwm_capture_event_callbacks_t callbacks{};
  callbacks.on_cap = EdgeTimer::captured;
  return mcpwm_capture_channel_register_event_callbacks(channel, &callbacks, &input) == ESP_OK &&
         mcpwm_capture_channel_enable(channel) == ESP_OK;
}

bool EdgeTimer::open(std::span<Input> inputs) {
  mcpwm_capture_timer_config_t config{};
  config.group_id = 0;
  config.clk_src = MCPWM_CAPTURE_CLK_SRC_DEFAULT;
  mcpwm_cap_timer_handle_t timer = nullptr;
  if (mcpwm_new_capture_timer(&config, &timer) != ESP_OK) return false;
  uint32_t ticks_per_s = 0;
  if (mcpwm_capture_timer_get_resolution(timer, &ticks_per_s) != ESP_OK || ticks_per_s < 1'000'000)
    return false;
  for (Input &input : inputs) {
    if (!open_input(timer, input)) return false;
  }
  if (mcpwm_capture_timer_enable(timer) != ESP_OK || mcpwm_capture_timer_start(timer) != ESP_OK) return false;
  this->ticks_per_s_ = ticks_per_s;
  return true;
}

bool IRAM_ATTR EdgeTimer::captured(mcpwm_cap_channel_handle_t /*channel*/,
                                   const mcpwm_capture_event_data_t *event, void *input) {
  static_cast<Input *>(input)->waiting.push(
      {.ticks = event->cap_value, .rising = event->cap_edge == MCPWM_CAP_EDGE_POS, .mono_us = mono_us()});
  return false;  // nobody is woken: the bus task comes every 10 ms
}

std::optional<EdgeTimer::Edge> EdgeTimer::take(Input &input) {
  const auto edge = input.waiting.pop();
  if (edge && edge->mono_us >= this->last_us_) {
    this->last_us_ = edge->mono_us;
    this->last_ticks_ = edge->ticks;
  }
  return edge;
}

uint32_t EdgeTimer::now(uint64_t mono_us) const {
  constexpr int64_t LONGEST_SILENCE_US = 10'000'000;                     // less than half a wrap of the timer
  const auto since_us = static_cast<int64_t>(mono_us - this->last_us_);  // an edge may be newer than the beat
  const int64_t silence_us = std::clamp(since_us, -LONGEST_SILENCE_US, LONGEST_SILENCE_US);
  return this->last_ticks_ + static_cast<uint32_t>(silence_us * (this->ticks_per_s_ / 1'000'000));
}

}  // namespace esphome::microgrid

#endif

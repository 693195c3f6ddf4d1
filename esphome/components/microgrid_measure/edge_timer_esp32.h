// Zero crossings stamped by the capture unit of the ESP32's MCPWM, in hardware: the interrupt may be late,
// the time is not. All pins share one timer, so that the difference of two of them is exact.
#pragma once
#ifdef USE_ESP32

#include <driver/mcpwm_cap.h>

#include <optional>
#include <span>

#include "esphome/components/microgrid_core/spsc_ring.h"

namespace esphome::microgrid {

class EdgeTimer final {
 public:
  struct Edge {
    uint32_t ticks;
    bool rising;
    uint64_t mono_us;  // of the interrupt
  };
  // 320 ms of 50 Hz; chatter that fills it is no mains.
  static constexpr uint32_t WAITING = 32;
  /// A pin that gets a rectangle of the voltage, or a pulse at each crossing (then only the rising edges
  /// count); 3.3 V at most.
  struct Input {
    int pin{-1};
    bool both_edges{true};
    SpscRing<Edge, WAITING> waiting{};
  };

  /// Inputs stay where they are. False when the hardware is not to be had.
  bool open(std::span<Input> inputs);
  bool is_open() const { return this->ticks_per_s_ != 0; }
  uint32_t ticks_per_s() const { return this->ticks_per_s_; }

  /// Bus task: the oldest edge that was not taken yet.
  std::optional<Edge> take(Input &input);
  /// What the timer shows about now: it cannot be read without an edge, so it follows from the last one.
  uint32_t now(uint64_t mono_us) const;

 protected:
  static bool captured(mcpwm_cap_channel_handle_t channel, const mcpwm_capture_event_data_t *event,
                       void *input);
  static bool open_input(mcpwm_cap_timer_handle_t timer, Input &input);

  uint32_t ticks_per_s_{0};
  uint32_t last_ticks_{0};
  uint64_t last_us_{0};
};

}  // namespace esphome::microgrid

#endif

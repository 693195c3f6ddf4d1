// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "esp_err.h"
#include "hal/gpio_types.h"
typedef struct mcpwm_cap_timer_t *mcpwm_cap_timer_handle_t;
typedef struct mcpwm_cap_channel_t *mcpwm_cap_channel_handle_t;
typedef enum { MCPWM_CAP_EDGE_POS, MCPWM_CAP_EDGE_NEG } mcpwm_capture_edge_t;
typedef enum { MCPWM_CAPTURE_CLK_SRC_DEFAULT } mcpwm_capture_clock_source_t;
typedef struct {
  int group_id;
  mcpwm_capture_clock_source_t clk_src;
  uint32_t resolution_hz;
  struct {
    uint32_t allow_pd : 1;
  } flags;
} mcpwm_capture_timer_config_t;
typedef struct {
  int gpio_num;
  int intr_priority;
  uint32_t prescale;
  struct {
    uint32_t pos_edge : 1;
    uint32_t neg_edge : 1;
    uint32_t pull_up : 1;
    uint32_t pull_down : 1;
    uint32_t invert_cap_signal : 1;
    uint32_t io_loop_back : 1;
    uint32_t keep_io_conf_at_exit : 1;
  } flags;
} mcpwm_capture_channel_config_t;
typedef struct {
  uint32_t cap_value;
  mcpwm_capture_edge_t cap_edge;
} mcpwm_capture_event_data_t;
typedef bool (*mcpwm_capture_event_cb_t)(mcpwm_cap_channel_handle_t channel,
                                         const mcpwm_capture_event_data_t *data, void *context);
typedef struct {
  mcpwm_capture_event_cb_t on_cap;
} mcpwm_capture_event_callbacks_t;
extern "C" {
esp_err_t mcpwm_new_capture_timer(const mcpwm_capture_timer_config_t *config,
                                  mcpwm_cap_timer_handle_t *timer);
esp_err_t mcpwm_capture_timer_enable(mcpwm_cap_timer_handle_t timer);
esp_err_t mcpwm_capture_timer_start(mcpwm_cap_timer_handle_t timer);
esp_err_t mcpwm_capture_timer_get_resolution(mcpwm_cap_timer_handle_t timer, uint32_t *resolution_hz);
esp_err_t mcpwm_new_capture_channel(mcpwm_cap_timer_handle_t timer,
                                    const mcpwm_capture_channel_config_t *config,
                                    mcpwm_cap_channel_handle_t *channel);
esp_err_t mcpwm_capture_channel_enable(mcpwm_cap_channel_handle_t channel);
esp_err_t mcpwm_capture_channel_register_event_callbacks(mcpwm_cap_channel_handle_t channel,
                                                         const mcpwm_capture_event_callbacks_t *callbacks,
                                                         void *context);
}

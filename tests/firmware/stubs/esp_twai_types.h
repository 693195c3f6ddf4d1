// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>

#include "hal/twai_types.h"
typedef struct twai_node_base *twai_node_handle_t;
typedef struct {
  uint32_t bitrate;
  uint16_t sp_permill;
  uint16_t ssp_permill;
} twai_timing_basic_config_t;
typedef struct {
  twai_frame_header_t header;
  uint8_t *buffer;
  size_t buffer_len;
} twai_frame_t;
typedef struct {
  twai_error_state_t state;
  uint16_t tx_error_count;
  uint16_t rx_error_count;
} twai_node_status_t;
typedef struct {
  uint32_t bus_err_num;
} twai_node_record_t;
typedef struct {
  bool is_tx_success;
  const twai_frame_t *done_tx_frame;
} twai_tx_done_event_data_t;
typedef struct {
} twai_rx_done_event_data_t;
typedef struct {
  twai_error_state_t old_sta;
  twai_error_state_t new_sta;
} twai_state_change_event_data_t;
typedef struct {
  twai_error_flags_t err_flags;
} twai_error_event_data_t;
typedef struct {
  bool (*on_tx_done)(twai_node_handle_t handle, const twai_tx_done_event_data_t *data, void *context);
  bool (*on_rx_done)(twai_node_handle_t handle, const twai_rx_done_event_data_t *data, void *context);
  bool (*on_state_change)(twai_node_handle_t handle, const twai_state_change_event_data_t *data,
                          void *context);
  bool (*on_error)(twai_node_handle_t handle, const twai_error_event_data_t *data, void *context);
} twai_event_callbacks_t;

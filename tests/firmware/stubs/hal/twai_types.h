// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stdint.h>
#define TWAI_FRAME_MAX_LEN 8
typedef enum {
  TWAI_ERROR_ACTIVE,
  TWAI_ERROR_WARNING,
  TWAI_ERROR_PASSIVE,
  TWAI_ERROR_BUS_OFF
} twai_error_state_t;
typedef int twai_clock_source_t;
typedef struct {
  uint32_t id;
  uint16_t dlc;
  struct {
    uint32_t ide : 1;
    uint32_t rtr : 1;
    uint32_t fdf : 1;
    uint32_t brs : 1;
    uint32_t esi : 1;
  };
  union {
    uint64_t timestamp;
    uint64_t trigger_time;
  };
} twai_frame_header_t;
typedef union {
  struct {
    uint32_t arb_lost : 1;
    uint32_t bit_err : 1;
    uint32_t form_err : 1;
    uint32_t stuff_err : 1;
    uint32_t ack_err : 1;
    uint32_t reserved : 27;
  };
  uint32_t val;
} twai_error_flags_t;

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stddef.h>

#include "esp_err.h"
typedef enum { UART_NUM_0, UART_NUM_1, UART_NUM_2, UART_NUM_MAX } uart_port_t;
extern "C" int uart_write_bytes(uart_port_t port, const void *data, size_t size);

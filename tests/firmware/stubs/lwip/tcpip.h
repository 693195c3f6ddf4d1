// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "lwip/err.h"
typedef void (*tcpip_callback_fn)(void *arg);
extern "C" {
err_t tcpip_callback(tcpip_callback_fn function, void *arg);
err_t tcpip_try_callback(tcpip_callback_fn function, void *arg);
}

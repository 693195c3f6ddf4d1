// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "lwip/err.h"
#include "lwip/ip_addr.h"
typedef void (*dns_found_callback)(const char *name, const ip_addr_t *address, void *arg);
extern "C" err_t dns_gethostbyname(const char *name, ip_addr_t *address, dns_found_callback found, void *arg);

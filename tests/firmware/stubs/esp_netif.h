// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "esp_err.h"
#include "esp_event.h"
#include "lwip/ip_addr.h"
typedef struct {
  uint32_t addr;
} esp_ip4_addr_t;
typedef struct {
  uint32_t addr[4];
  uint8_t zone;
} esp_ip6_addr_t;
typedef struct {
  union {
    esp_ip6_addr_t ip6;
    esp_ip4_addr_t ip4;
  } u_addr;
  uint8_t type;
} esp_ip_addr_t;

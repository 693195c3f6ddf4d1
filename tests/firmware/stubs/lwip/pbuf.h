// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stdint.h>

#include "lwip/err.h"
typedef enum { PBUF_TRANSPORT, PBUF_IP, PBUF_LINK, PBUF_RAW } pbuf_layer;
typedef enum { PBUF_RAM, PBUF_ROM, PBUF_REF, PBUF_POOL } pbuf_type;
struct pbuf {
  pbuf *next;
  void *payload;
  uint16_t tot_len;
  uint16_t len;
};
extern "C" {
pbuf *pbuf_alloc(pbuf_layer layer, uint16_t length, pbuf_type type);
uint8_t pbuf_free(pbuf *buffer);
err_t pbuf_take(pbuf *buffer, const void *data, uint16_t length);
uint16_t pbuf_copy_partial(const pbuf *buffer, void *data, uint16_t length, uint16_t offset);
}

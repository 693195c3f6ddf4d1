// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"
struct udp_pcb;
typedef void (*udp_recv_fn)(void *arg, udp_pcb *pcb, pbuf *buffer, const ip_addr_t *address, uint16_t port);
extern "C" {
udp_pcb *udp_new(void);
void udp_remove(udp_pcb *pcb);
void udp_recv(udp_pcb *pcb, udp_recv_fn callback, void *arg);
err_t udp_sendto(udp_pcb *pcb, pbuf *buffer, const ip_addr_t *address, uint16_t port);
}

// Declarations for syntax checks on a PC, by the API reference of ESP-IDF 5.5. Nothing is defined, nothing
// can be linked.
#pragma once
#include <stdint.h>
#define LWIP_IPV6 1
typedef uint8_t u8_t;
typedef struct {
  uint32_t addr;
} ip4_addr_t;
typedef struct {
  uint32_t addr[4];
  uint8_t zone;
} ip6_addr_t;
typedef struct {
  union {
    ip6_addr_t ip6;
    ip4_addr_t ip4;
  } u_addr;
  uint8_t type;
} ip_addr_t;
enum { IPADDR_TYPE_V4 = 0, IPADDR_TYPE_V6 = 6, IPADDR_TYPE_ANY = 46 };
#define IP_IS_V4(address) ((address)->type == IPADDR_TYPE_V4)
#define ip_2_ip4(address) (&((address)->u_addr.ip4))
#define ip4_addr_get_u32(address) ((address)->addr)
#define IP_IS_V6(address) ((address)->type == IPADDR_TYPE_V6)
#define ip_addr_copy(destination, source) ((destination) = (source))
#define IP_ADDR4(address, a, b, c, d) stub_ip_address(address, a, b, c, d)
extern "C" {
void stub_ip_address(ip_addr_t *address, uint8_t a, uint8_t b, uint8_t c, uint8_t d);
void ip_addr_set_zero(ip_addr_t *address);
bool ip_addr_isany(const ip_addr_t *address);
bool ip_addr_ismulticast(const ip_addr_t *address);
bool ip_addr_cmp(const ip_addr_t *one, const ip_addr_t *other);
int ipaddr_aton(const char *text, ip_addr_t *address);
char *ipaddr_ntoa_r(const ip_addr_t *address, char *room, int size);
}

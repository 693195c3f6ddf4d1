// The way to a time server: UDP, stamped where the packet leaves and arrives, not when the main loop looks.
#pragma once

#include <atomic>

#include "network_time.h"
#include "spsc_ring.h"

#ifdef USE_ESP32
#include <lwip/ip_addr.h>
#include <lwip/udp.h>
#endif

namespace esphome::microgrid {

constexpr uint16_t TIME_PORT = 123;

#ifdef USE_ESP32

/// Lives in the task of lwIP, which takes the stamps; the main loop only leaves and finds packets.
class TimeSocket final : public TimeTransport {
 public:
  /// `server`: a name or an address; outlives the socket.
  explicit TimeSocket(const char *server, uint16_t port = TIME_PORT) : server_(server), port_(port) {}

  bool send(const TimePacket &packet) override;
  uint64_t sent_us() override { return this->sent_us_; }
  std::optional<Arrival> receive() override;
  uint32_t reference() override { return this->reference_.load(std::memory_order_relaxed); }
  void look_up_again() override { this->looked_up_.store(false, std::memory_order_release); }

 protected:
  static void step(void *self);  // in lwIP's task
  static void on_found(const char *name, const ip_addr_t *address, void *self);
  static void on_packet(void *self, udp_pcb *from, pbuf *buffer, const ip_addr_t *address, uint16_t port);
  void found(const ip_addr_t &address);

  const char *server_;
  uint16_t port_;
  uint64_t sent_us_{0};
  std::atomic<bool> looked_up_{false};
  std::atomic<uint32_t> reference_{0};
  SpscRing<TimePacket, 2> questions_;
  SpscRing<uint64_t, 2> sent_;
  SpscRing<Arrival, 4> arrivals_;
  // Of lwIP's task.
  udp_pcb *socket_{nullptr};
  ip_addr_t address_{};
  bool looking_up_{false};
};

#else

/// The kernel takes the stamps.
class TimeSocket final : public TimeTransport {
 public:
  /// `server`: an IPv4 address in dotted form; outlives the socket.
  explicit TimeSocket(const char *server, uint16_t port = TIME_PORT) : server_(server), port_(port) {}
  TimeSocket(const TimeSocket &) = delete;
  TimeSocket &operator=(const TimeSocket &) = delete;
  ~TimeSocket();

  bool send(const TimePacket &packet) override;
  uint64_t sent_us() override { return this->sent_us_; }
  std::optional<Arrival> receive() override;
  uint32_t reference() override { return this->reference_; }
  void look_up_again() override {}  // an address stays what it is

 protected:
  bool open();

  const char *server_;
  uint16_t port_;
  int socket_{-1};
  uint64_t sent_us_{0};
  uint32_t reference_{0};
};

#endif

}  // namespace esphome::microgrid

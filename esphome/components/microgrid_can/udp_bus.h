// The CAN bus of a PC: UDP multicast, in the format of python-can's interface `udp_multicast`, so that tests,
// simulators and host twins of nodes share it. The kernel stamps what arrives, at the sender (its own echo)
// and at the receivers alike: as good as the interrupts of a controller.
#pragma once
#ifndef USE_ESP32

#include <netinet/in.h>

#include <atomic>

#include "can_bus.h"
#include "esphome/components/microgrid_core/spsc_ring.h"
#include "udp_frame.h"

namespace esphome::microgrid {

struct UdpBusSettings {
  // The group and port of python-can's default for IPv4.
  const char *group{"239.74.163.2"};
  uint16_t port{43113};
  // Address of the interface: loopback does not leave the machine.
  const char *interface{"127.0.0.1"};
};

/// A file descriptor that is closed with it.
class Descriptor final {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  Descriptor &operator=(Descriptor &&other) noexcept;
  ~Descriptor();

  int number() const { return this->number_; }
  bool good() const { return this->number_ >= 0; }

 protected:
  int number_{-1};
};

class UdpBus final : public CanBus {
 public:
  /// The texts outlive the bus.
  explicit UdpBus(const UdpBusSettings &settings) : settings_(settings) {}

  bool open(uint32_t bit_rate, Signal &wake) override;
  bool send(const CanFrame &frame, bool stamp) override;
  std::optional<uint64_t> sent_us() override;
  std::optional<CanFrame> receive() override { return this->received_.pop(); }
  ControllerStatus status() override;
  void recover() override;
  bool stamps_in_interrupt() const override { return true; }

  /// Datagrams that were no frame.
  uint32_t malformed() const { return this->malformed_.load(std::memory_order_relaxed); }

 protected:
  bool join();
  bool announce();
  static void receive_some(void *self);
  void take(Bytes bytes, const sockaddr_in &from, uint64_t mono_us);
  void count(std::atomic<uint32_t> &errors, int change);

  UdpBusSettings settings_;
  Signal *wake_{nullptr};
  Descriptor ears_;   // on the group's port, shared with everybody
  Descriptor mouth_;  // on a port of its own, by which the own echo is known
  sockaddr_in group_{};
  uint16_t own_port_{0};
  uint32_t recovery_us_{0};           // 128 × 11 bits
  uint64_t recovered_at_us_{0};       // 0: no recovery is under way
  std::atomic<uint64_t> awaited_{0};  // bits of the time stamp in the frame whose echo is waited for
  SpscRing<uint64_t, 4> sent_;
  SpscRing<CanFrame, 256> received_;
  std::atomic<uint32_t> transmit_errors_{0};
  std::atomic<uint32_t> receive_errors_{0};
  std::atomic<uint32_t> bus_errors_{0};
  std::atomic<uint32_t> malformed_{0};
  std::atomic<uint32_t> dropped_by_kernel_{0};
  std::atomic<bool> off_{true};
  uint32_t bus_offs_{0};
  Task task_;  // last: ends first
};

}  // namespace esphome::microgrid

#endif  // USE_ESP32

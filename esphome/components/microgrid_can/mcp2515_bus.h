// CAN by an MCP2515 on an SPI of its own: a task of its own serves it, the interrupt line gives the time
// stamps.
#pragma once
#ifdef USE_ESP32

#include <driver/gpio.h>
#include <driver/spi_master.h>

#include <atomic>

#include "esphome/components/microgrid_core/clock_timeline.h"
#include "esphome/components/microgrid_core/spsc_ring.h"
#include "mcp2515_registers.h"
#include "transmit_queue.h"

namespace esphome::microgrid {

struct Mcp2515BusSettings {
  spi_host_device_t host;
  gpio_num_t clock_pin;
  gpio_num_t miso_pin;
  gpio_num_t mosi_pin;
  gpio_num_t select_pin;
  gpio_num_t interrupt_pin;
  uint32_t crystal_hz;
};

class Mcp2515Bus final : public CanBus, protected Mcp2515Port {
 public:
  explicit Mcp2515Bus(const Mcp2515BusSettings &settings) : settings_(settings), controller_(*this) {}

  bool open(uint32_t bit_rate, Signal &wake) override;
  bool send(const CanFrame &frame, bool stamp) override;
  std::optional<uint64_t> sent_us() override { return this->sent_.pop(); }
  std::optional<CanFrame> receive() override { return this->received_.pop(); }
  ControllerStatus status() override;
  /// The controller begins by itself.
  void recover() override {}
  bool stamps_in_interrupt() const override { return true; }

 protected:
  bool transfer(std::span<uint8_t> bytes) override;
  void pause_us(uint32_t duration_us) override;
  uint64_t now_us() override { return mono_us(); }

  bool connect();
  static void interrupted(void *self);
  static void serve(void *self);
  void look();
  void transmit();
  void give_controller_one();

  Mcp2515BusSettings settings_;
  Mcp2515 controller_;
  spi_device_handle_t spi_{nullptr};
  Signal *wake_{nullptr};
  uint32_t bit_rate_{0};
  std::atomic<bool> start_again_{false};  // asked for by the bus task
  Signal work_;
  SpscRing<uint64_t, 8> edges_;      // from the interrupt
  SpscRing<Outgoing, 32> outgoing_;  // from the bus task
  SpscRing<CanFrame, 128> received_;
  SpscRing<uint64_t, 4> sent_;
  Published<ControllerStatus> status_;
  TransmitQueue queue_;
  std::atomic<uint32_t> taken_below_{UINT32_MAX};  // urgency that the queue has room for
  uint32_t refused_{0};                            // by the queue, or the bus was off
  bool stamp_{false};                              // of the frame that is being sent
  uint64_t refreshed_us_{0};
  Task task_;
};

}  // namespace esphome::microgrid

#endif  // USE_ESP32

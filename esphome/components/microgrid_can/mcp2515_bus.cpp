#ifdef USE_ESP32
#include "mcp2515_bus.h"

#include <esp_attr.h>
#include <esp_rom_sys.h>

#include <algorithm>

namespace esphome::microgrid {

namespace {

constexpr int SPI_HZ = 10'000'000;  // the most that the MCP2515 takes
constexpr uint32_t LOOK_AFTER_US =
    10'000;  // also without an interrupt: for errors, and should an edge be lost
constexpr size_t MAX_TRANSFER_BYTES = 16;
constexpr size_t STACK_BYTES = 3072;
constexpr int MOST_LOOKS = 8;  // in a row: whatever the chip says, the task goes on

}  // namespace

bool Mcp2515Bus::connect() {
  if (this->spi_ != nullptr) return true;
  spi_bus_config_t bus{};
  bus.mosi_io_num = this->settings_.mosi_pin;
  bus.miso_io_num = this->settings_.miso_pin;
  bus.sclk_io_num = this->settings_.clock_pin;
  bus.quadwp_io_num = -1;
  bus.quadhd_io_num = -1;
  bus.max_transfer_sz = MAX_TRANSFER_BYTES;
  const esp_err_t initialized = spi_bus_initialize(this->settings_.host, &bus, SPI_DMA_DISABLED);
  if (initialized != ESP_OK && initialized != ESP_ERR_INVALID_STATE) return false;
  spi_device_interface_config_t device{};
  device.mode = 0;
  device.clock_speed_hz = SPI_HZ;
  device.spics_io_num = this->settings_.select_pin;
  device.queue_size = 1;
  if (spi_bus_add_device(this->settings_.host, &device, &this->spi_) != ESP_OK) return false;

  gpio_config_t interrupt{};
  interrupt.pin_bit_mask = 1ULL << this->settings_.interrupt_pin;
  interrupt.mode = GPIO_MODE_INPUT;
  interrupt.pull_up_en = GPIO_PULLUP_ENABLE;
  interrupt.intr_type = GPIO_INTR_NEGEDGE;
  if (gpio_config(&interrupt) != ESP_OK) return false;
  // ESPHome may have installed the service already.
  const esp_err_t installed = gpio_install_isr_service(ESP_INTR_FLAG_LEVEL3);
  if (installed != ESP_OK && installed != ESP_ERR_INVALID_STATE) return false;
  return gpio_isr_handler_add(this->settings_.interrupt_pin, Mcp2515Bus::interrupted, this) == ESP_OK;
}

bool Mcp2515Bus::open(uint32_t bit_rate, Signal &wake) {
  if (this->wake_ != nullptr) {
    if (this->status_.load().state != ControllerState::STOPPED) return true;
    // The controller was reset or is gone, and belongs to its task. The next call tells whether it is back.
    this->start_again_.store(true, std::memory_order_relaxed);
    this->work_.give();
    return false;
  }
  if (!this->connect() || !this->controller_.start(this->settings_.crystal_hz, bit_rate)) return false;
  this->status_.store(this->controller_.status());
  this->bit_rate_ = bit_rate;
  this->wake_ = &wake;
  if (this->task_.start("can_mcp2515", Mcp2515Bus::serve, this, Priority::BUS, STACK_BYTES)) return true;
  this->wake_ = nullptr;
  return false;
}

bool Mcp2515Bus::transfer(std::span<uint8_t> bytes) {
  // In words, as the driver wants it.
  alignas(4) std::array<uint8_t, MAX_TRANSFER_BYTES> out{};
  alignas(4) std::array<uint8_t, MAX_TRANSFER_BYTES> in{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  spi_transaction_t transaction{};
  transaction.length = bytes.size() * 8;
  transaction.tx_buffer = out.data();
  transaction.rx_buffer = in.data();
  if (spi_device_polling_transmit(this->spi_, &transaction) != ESP_OK) return false;
  std::copy_n(in.begin(), bytes.size(), bytes.begin());
  return true;
}

void Mcp2515Bus::pause_us(uint32_t duration_us) { esp_rom_delay_us(duration_us); }

void IRAM_ATTR Mcp2515Bus::interrupted(void *self) {
  auto *bus = static_cast<Mcp2515Bus *>(self);
  bus->edges_.push(mono_us());
  bus->work_.give_from_interrupt();
}

void Mcp2515Bus::serve(void *self) {
  auto *bus = static_cast<Mcp2515Bus *>(self);
  bus->work_.wait(LOOK_AFTER_US);
  if (bus->start_again_.exchange(false, std::memory_order_relaxed))
    bus->controller_.start(bus->settings_.crystal_hz, bus->bit_rate_);
  bus->look();
  bus->transmit();
  const uint64_t now = mono_us();
  if (now - bus->refreshed_us_ >= LOOK_AFTER_US) {
    bus->refreshed_us_ = now;
    bus->controller_.refresh_status();
  }
  ControllerStatus status = bus->controller_.status();
  status.unsent = bus->refused_ + bus->queue_.lost();
  bus->status_.store(status);
}

void Mcp2515Bus::look() {
  bool more = true;
  for (int looks = 0; more && looks < MOST_LOOKS; looks++) {
    std::optional<uint64_t> edge_us;
    while (const auto later = this->edges_.pop()) edge_us = later;
    const Mcp2515Findings findings = this->controller_.look(edge_us);
    for (size_t i = 0; i < findings.frame_count; i++) this->received_.push(findings.frames[i]);
    if (findings.sent_us && this->stamp_) this->sent_.push(*findings.sent_us);
    if (findings.frame_count != 0 || findings.sent) this->wake_->give();
    if (findings.sent) this->transmit();
    more = findings.more;
  }
  if (more) this->work_.give();  // the line is low still: there will be no edge
}

void Mcp2515Bus::transmit() {
  const ControllerState state = this->controller_.status().state;
  if (state == ControllerState::BUS_OFF || state == ControllerState::STOPPED) {
    this->queue_.clear();
    while (this->outgoing_.pop()) this->refused_++;
    this->taken_below_.store(UINT32_MAX, std::memory_order_relaxed);
    return;
  }
  // All of it, so that nothing urgent stands behind the rest. What has no room was taken from the bus task
  // before it could know.
  while (const auto outgoing = this->outgoing_.pop())
    if (!this->queue_.push(*outgoing)) this->refused_++;
  this->give_controller_one();
  this->taken_below_.store(this->queue_.least_urgency(), std::memory_order_relaxed);
}

void Mcp2515Bus::give_controller_one() {
  if (this->controller_.sending()) return;
  if (const auto next = this->queue_.pop()) {
    this->stamp_ = next->stamp;
    this->controller_.send(next->frame);
  }
}

bool Mcp2515Bus::send(const CanFrame &frame, bool stamp) {
  const ControllerState state = this->status_.load().state;
  if (state == ControllerState::BUS_OFF || state == ControllerState::STOPPED) return false;
  if (TransmitQueue::urgency(frame) >= this->taken_below_.load(std::memory_order_relaxed)) return false;
  if (!this->outgoing_.push({.frame = frame, .stamp = stamp})) return false;
  this->work_.give();
  return true;
}

ControllerStatus Mcp2515Bus::status() {
  ControllerStatus status = this->status_.load();
  status.missed += this->received_.refused();
  return status;
}

}  // namespace esphome::microgrid
#endif  // USE_ESP32

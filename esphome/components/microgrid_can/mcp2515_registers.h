// The protocol of the CAN controller MCP2515: registers, buffers and instructions, over any SPI. Microchip
// DS20001801.
#pragma once

#include <optional>

#include "can_bus.h"

namespace esphome::microgrid {

/// What the controller is connected to.
class Mcp2515Port {
 public:
  /// Chip select down, all bytes out while as many come in, chip select up.
  virtual bool transfer(std::span<uint8_t> bytes) = 0;
  virtual void pause_us(uint32_t duration_us) = 0;
  virtual uint64_t now_us() = 0;

 protected:
  ~Mcp2515Port() = default;
};

/// The contents of CNF1 … CNF3.
struct Mcp2515Timing {
  uint8_t cnf1{0};
  uint8_t cnf2{0};
  uint8_t cnf3{0};
  bool operator==(const Mcp2515Timing &) const = default;
};

/// For crystals of 8 and 16 MHz and bit rates that divide them by 16 quanta, or by 8 with a sample point of
/// 75 % (500 kbit/s from 8 MHz: short buses only). nullopt for all others.
constexpr std::optional<Mcp2515Timing> mcp2515_timing(uint32_t crystal_hz, uint32_t bit_rate);

/// What one look at the controller found.
struct Mcp2515Findings {
  std::array<CanFrame, 2> frames{};
  uint8_t frame_count{0};
  bool sent{false};                 // the frame that was given to send() is on the bus
  std::optional<uint64_t> sent_us;  // when, if it can be told
  bool more{false};                 // look again at once
};

class Mcp2515 final {
 public:
  explicit Mcp2515(Mcp2515Port &port) : port_(port) {}

  /// Resets and configures. False when there is no controller or the bit rate cannot be had.
  bool start(uint32_t crystal_hz, uint32_t bit_rate);

  /// `edge_us`: when the interrupt line last went down. Times are told from it only where they are sure: the
  /// line was up at the last look, and has a single cause now. Other received frames get the time of this
  /// look, which is late but never early; a transmission gets none.
  Mcp2515Findings look(std::optional<uint64_t> edge_us);

  /// One frame at a time. False while the last one is not yet sent, or when the controller is off the bus.
  bool send(const CanFrame &frame);
  bool sending() const { return this->sending_; }

  /// Reads the error counters and flags. The controller recovers from bus-off by itself, after 128 × 11
  /// recessive bits. One that was reset, or is not there any more, is STOPPED until start().
  const ControllerStatus &refresh_status();
  const ControllerStatus &status() const { return this->status_; }

 protected:
  bool read(uint8_t address, std::span<uint8_t> values);
  bool write(uint8_t address, std::span<const uint8_t> values);
  bool write(uint8_t address, uint8_t value) { return this->write(address, std::span{&value, 1}); }
  bool modify(uint8_t address, uint8_t mask, uint8_t value);
  bool enter(uint8_t mode);
  bool runs();
  std::optional<CanFrame> read_buffer(uint8_t index, uint64_t mono_us);
  void note_flags(uint8_t error_flags);

  Mcp2515Port &port_;
  ControllerStatus status_{};
  bool sending_{false};
  std::optional<uint64_t> quiet_us_;  // when the interrupt line was seen to be up, since nothing was found
};

constexpr std::optional<Mcp2515Timing> mcp2515_timing(uint32_t crystal_hz, uint32_t bit_rate) {
  // A time quantum is 2 × (BRP + 1) periods of the crystal. Segments in quanta: synchronisation 1, then
  // these.
  struct Segments {
    uint32_t quanta, propagation, phase1, phase2, jump;
  };
  // Sample points 81 % and 75 %. Phase 2 needs at least two quanta, and more than the jump width.
  constexpr std::array<Segments, 2> SHAPES{{{16, 5, 7, 3, 2}, {8, 2, 3, 2, 1}}};
  constexpr uint32_t BTLMODE = 0x80;  // phase 2 is as long as CNF3 says
  if ((crystal_hz != 8'000'000 && crystal_hz != 16'000'000) || bit_rate == 0) return std::nullopt;
  for (const Segments &shape : SHAPES) {
    const uint64_t bit_periods = uint64_t{2} * shape.quanta * bit_rate;
    if (crystal_hz % bit_periods != 0) continue;
    const auto prescaler = static_cast<uint32_t>(crystal_hz / bit_periods);
    if (prescaler > 64) continue;
    return Mcp2515Timing{
        .cnf1 = static_cast<uint8_t>((shape.jump - 1) << 6 | (prescaler - 1)),
        .cnf2 = static_cast<uint8_t>(BTLMODE | (shape.phase1 - 1) << 3 | (shape.propagation - 1)),
        .cnf3 = static_cast<uint8_t>(shape.phase2 - 1),
    };
  }
  return std::nullopt;
}

}  // namespace esphome::microgrid

// An MCP2515 as its data sheet (DS20001801) describes it: registers, SPI instructions, buffers, interrupt
// line.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "esphome/components/microgrid_can/mcp2515_registers.h"

namespace esphome::microgrid {

class Mcp2515Model final : public Mcp2515Port {
 public:
  enum Register : uint8_t {
    CANSTAT = 0x0E,
    CANCTRL = 0x0F,
    TEC = 0x1C,
    REC = 0x1D,
    CNF3 = 0x28,
    CNF2 = 0x29,
    CNF1 = 0x2A,
    CANINTE = 0x2B,
    CANINTF = 0x2C,
    EFLG = 0x2D,
    TXB0CTRL = 0x30,
    RXB0CTRL = 0x60,
    RXB1CTRL = 0x70,
  };

  Mcp2515Model() { this->reset(); }

  // What the driver sees.

  bool transfer(std::span<uint8_t> bytes) override {
    this->time_us += 2 + bytes.size();  // at 8 Mbit/s
    if (!this->connected || this->wrong_answers > 0) {
      if (this->wrong_answers > 0) this->wrong_answers--;
      for (uint8_t &byte : bytes) byte = this->idle_level;
      return true;
    }
    this->run(bytes);
    if (!this->after_transfers.empty()) {
      const auto event = this->after_transfers.front();
      this->after_transfers.pop_front();
      if (event) event();
    }
    return true;
  }
  void pause_us(uint32_t duration_us) override { this->time_us += duration_us; }
  uint64_t now_us() override { return this->time_us; }

  // What the bus and the test do.

  uint8_t &at(uint8_t address) { return this->registers_.at(address); }

  bool interrupt_is_low() { return (this->at(CANINTF) & this->at(CANINTE)) != 0; }

  /// A frame is complete on the bus. When the interrupt line falls by it, that is the edge.
  void arrive(const CanFrame &frame) {
    if (this->mode() != 0x00) return;
    uint8_t index = 0;
    if ((this->at(CANINTF) & 0x01) != 0) {
      if ((this->at(RXB0CTRL) & 0x04) == 0) return this->overflow(0x40);
      if ((this->at(CANINTF) & 0x02) != 0) return this->overflow(0x80);
      index = 1;
    }
    const auto first = static_cast<uint8_t>(index == 0 ? 0x61 : 0x71);
    for (uint8_t i = 0; i < 13; i++) this->at(static_cast<uint8_t>(first + i)) = 0xEE;  // of a former frame
    const uint32_t bits = frame.identifier & 0x1FFFFFFF;
    const bool remote = (frame.identifier & CAN_REMOTE) != 0;
    if ((frame.identifier & CAN_EXTENDED) != 0) {
      this->at(first) = static_cast<uint8_t>(bits >> 21);
      this->at(static_cast<uint8_t>(first + 1)) =
          static_cast<uint8_t>((bits >> 18 & 7) << 5 | 0x08 | (bits >> 16 & 3));
      this->at(static_cast<uint8_t>(first + 2)) = static_cast<uint8_t>(bits >> 8);
      this->at(static_cast<uint8_t>(first + 3)) = static_cast<uint8_t>(bits);
    } else {
      this->at(first) = static_cast<uint8_t>(bits >> 3);
      this->at(static_cast<uint8_t>(first + 1)) = static_cast<uint8_t>((bits & 7) << 5 | (remote ? 0x10 : 0));
    }
    const bool extended_remote = remote && (frame.identifier & CAN_EXTENDED) != 0;
    this->at(static_cast<uint8_t>(first + 4)) =
        static_cast<uint8_t>(this->length_code.value_or(frame.length) | (extended_remote ? 0x40 : 0));
    for (uint8_t i = 0; i < frame.length; i++) this->at(static_cast<uint8_t>(first + 5 + i)) = frame.data[i];
    this->raise(static_cast<uint8_t>(1U << index));
  }

  /// The waiting frame wins the bus and is acknowledged.
  void complete() {
    ASSERT_NE(this->at(TXB0CTRL) & 0x08, 0);
    CanFrame frame{.identifier = 0, .mono_us = this->time_us, .length = 0, .data = {}};
    const uint8_t low = this->at(0x32);
    frame.identifier = static_cast<uint32_t>(this->at(0x31)) << 3 | low >> 5;
    if ((low & 0x08) != 0) {
      frame.identifier = CAN_EXTENDED | frame.identifier << 18 | (low & 3U) << 16 |
                         static_cast<uint32_t>(this->at(0x33)) << 8 | this->at(0x34);
    }
    if ((this->at(0x35) & 0x40) != 0) frame.identifier |= CAN_REMOTE;
    frame.length = this->at(0x35) & 0x0F;
    for (uint8_t i = 0; i < frame.length; i++) frame.data[i] = this->at(static_cast<uint8_t>(0x36 + i));
    this->sent.push_back(frame);
    this->at(TXB0CTRL) &= static_cast<uint8_t>(~0x08);
    this->raise(0x04);
  }

  void set_errors(uint8_t transmit, uint8_t receive, uint8_t error_flags) {
    this->at(TEC) = transmit;
    this->at(REC) = receive;
    if (this->at(EFLG) != error_flags) this->raise(0x20);
    this->at(EFLG) = error_flags;
  }
  void fail_a_frame() { this->raise(0x80); }

  std::optional<uint64_t> take_edge() { return std::exchange(this->edge_us, std::nullopt); }

  /// Its supply was gone for a moment.
  void reset() {
    this->registers_.fill(0);
    this->at(CANSTAT) = 0x80;
    this->at(CANCTRL) = 0x87;
  }

  bool connected{true};
  uint8_t idle_level{0xFF};   // what is read when it is not
  uint32_t wrong_answers{0};  // so many transfers do not reach it
  bool normal_mode_works{true};
  uint64_t time_us{1000};
  std::optional<uint64_t> edge_us;
  std::optional<uint8_t> length_code;  // instead of the frame's own
  std::vector<CanFrame> sent;
  std::deque<std::function<void()>> after_transfers;  // what the bus does meanwhile

 protected:
  uint8_t mode() { return this->at(CANSTAT) & 0xE0; }

  void raise(uint8_t flag) {
    const bool was_low = this->interrupt_is_low();
    this->at(CANINTF) |= flag;
    if (!was_low && this->interrupt_is_low()) this->edge_us = this->time_us;
  }
  void overflow(uint8_t flag) {
    this->at(EFLG) |= flag;
    this->raise(0x20);
  }

  void set(uint8_t address, uint8_t value) {
    const bool configuring = this->mode() == 0x80;
    if (address == TEC || address == REC || address == CANSTAT) return;  // read only
    if (address >= CNF3 && address <= CNF1 && !configuring) return;
    if ((address == RXB0CTRL || address == RXB1CTRL) && !configuring) value &= 0x04;
    if (address == EFLG) value = static_cast<uint8_t>((value & 0xC0) | (this->at(EFLG) & 0x3F));
    this->at(address) = value;
    const uint8_t wanted = value & 0xE0;
    if (address == CANCTRL && (wanted != 0x00 || this->normal_mode_works)) {
      this->at(CANSTAT) = static_cast<uint8_t>((this->at(CANSTAT) & 0x1F) | wanted);
    }
  }

  static bool takes_bit_modify(uint8_t address) {
    return address == CANCTRL || (address >= CNF3 && address <= EFLG) || address == TXB0CTRL ||
           address == 0x40 || address == 0x50 || address == RXB0CTRL || address == RXB1CTRL;
  }

  void run(std::span<uint8_t> bytes) {
    const uint8_t instruction = bytes[0];
    const auto address = [&](size_t offset) { return static_cast<uint8_t>((bytes[1] + offset) & 0x7F); };
    if (instruction == 0xC0) {
      this->reset();
    } else if (instruction == 0x03) {
      for (size_t i = 2; i < bytes.size(); i++) bytes[i] = this->at(address(i - 2));
    } else if (instruction == 0x02) {
      for (size_t i = 2; i < bytes.size(); i++) this->set(address(i - 2), bytes[i]);
    } else if (instruction == 0x05) {
      const uint8_t mask = takes_bit_modify(bytes[1]) ? bytes[2] : 0xFF;
      this->set(bytes[1], static_cast<uint8_t>((this->at(bytes[1]) & ~mask) | (bytes[3] & mask)));
    } else if (instruction == 0x90 || instruction == 0x94) {
      const uint8_t first = instruction == 0x90 ? 0x61 : 0x71;
      for (size_t i = 1; i < bytes.size(); i++) bytes[i] = this->at(static_cast<uint8_t>(first + i - 1));
      this->at(CANINTF) &= static_cast<uint8_t>(instruction == 0x90 ? ~0x01 : ~0x02);
    } else if (instruction == 0x40) {
      for (size_t i = 1; i < bytes.size(); i++) this->at(static_cast<uint8_t>(0x31 + i - 1)) = bytes[i];
    } else if (instruction == 0x81) {
      this->at(TXB0CTRL) |= 0x08;
    } else {
      ADD_FAILURE() << "no such instruction: " << int{instruction};
    }
  }

  std::array<uint8_t, 128> registers_{};
};

}  // namespace esphome::microgrid

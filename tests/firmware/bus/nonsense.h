// One node that gets whatever bytes say: frames, times, refusals of its controller, observations. For the
// fuzzer and its seeded sister.
#pragma once

#include <span>

#include "esphome/components/microgrid_can/bus_node.h"

namespace microgrid_test {

using namespace esphome::microgrid;

/// Bytes as numbers; zeros behind the end.
class Dice final {
 public:
  explicit Dice(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool left() const { return !this->bytes_.empty(); }
  uint8_t byte() {
    if (this->bytes_.empty()) return 0;
    const uint8_t first = this->bytes_.front();
    this->bytes_ = this->bytes_.subspan(1);
    return first;
  }
  uint64_t word(size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | this->byte();
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
};

class NonsenseBus final : public CanBus {
 public:
  bool open(uint32_t /*bit_rate*/, Signal & /*wake*/) override { return this->opens; }
  bool send(const CanFrame & /*frame*/, bool wants_stamp) override {
    if (this->takes && wants_stamp) this->stamp = this->now_us;
    return this->takes;
  }
  std::optional<uint64_t> sent_us() override {
    const auto seen = this->stamp;
    this->stamp.reset();
    return seen;
  }
  std::optional<CanFrame> receive() override {
    const auto frame = this->next;
    if (this->copies == 0) this->next.reset();
    if (this->copies > 0) this->copies--;
    return frame;
  }
  ControllerStatus status() override { return this->controller; }
  void recover() override { this->controller.state = ControllerState::ACTIVE; }
  bool stamps_in_interrupt() const override { return true; }

  bool opens{true};
  bool takes{true};
  uint64_t now_us{0};
  std::optional<uint64_t> stamp;
  std::optional<CanFrame> next;
  uint8_t copies{0};
  ControllerStatus controller{.state = ControllerState::ACTIVE};
};

class TickCounter final : public BusListener {
 public:
  void tick(uint64_t mono_us, uint8_t /*sequence*/) override {
    this->in_order = this->in_order && (this->count == 0 || mono_us > this->last_us);
    this->last_us = mono_us;
    this->count++;
  }
  bool in_order{true};
  uint64_t last_us{0};
  uint64_t count{0};
};

/// Whether ticks came at 100 Hz and in order. `check` is told false when not.
template <typename C>
void play_nonsense(std::span<const uint8_t> bytes, C &&check) {
  static constexpr std::array SOURCES{CAN_INTERRUPT_STAMPS, NETWORK_EXCHANGE, RTC_EDGE};
  Dice dice(bytes);
  const Identity identity{.role = (dice.byte() & 1) == 0 ? Role::HOUSE : Role::GATEWAY,
                          .number = static_cast<uint8_t>(dice.byte() & 0xF),
                          .node = "node",
                          .cluster = "north",
                          .swarm = "swarm",
                          .name = "Node",
                          .hardware = "none",
                          .firmware = "test",
                          .boot_id = 7};
  DisciplinedClock clock(SOURCES);
  EventDesk desk(identity, clock);
  NonsenseBus bus;
  TickCounter ticks;
  BusNode node(identity, clock, desk, {});
  node.set_bus(&bus);
  node.add(ticks);
  uint64_t now_us = 1'000'000;
  const uint64_t began_us = now_us;
  while (dice.left()) {
    const uint8_t what = dice.byte();
    switch (what & 7) {
      default: {  // a frame of ours, more or less
        CanFrame frame{.identifier = static_cast<uint32_t>(dice.word(2) & 0x7FF),
                       .mono_us = now_us,
                       .length = 8,
                       .data = {}};
        if ((what & 0x80) != 0) frame.length = static_cast<uint8_t>(dice.byte() % 10);
        for (uint8_t &byte : frame.data) byte = dice.byte();
        bus.next = frame;
        bus.copies = (what & 0x40) != 0 ? 40 : 0;
        break;
      }
      case 4:  // a foreign one
        bus.next = CanFrame{.identifier = static_cast<uint32_t>(dice.word(4)),
                            .mono_us = now_us - dice.byte(),
                            .length = dice.byte(),
                            .data = {}};
        break;
      case 5:
        bus.takes = (what & 8) == 0;
        bus.controller.state = static_cast<ControllerState>(what >> 4 & 3);
        bus.controller.bus_errors += dice.byte();
        break;
      case 6:
        node.observe_network({.source = ClockSource::NETWORK,
                              .reference = what,
                              .mono_us = now_us,
                              .utc_us = 1'795'000'000'000'000 + static_cast<int64_t>(dice.word(5)),
                              .reference_error_us = dice.byte(),
                              .round_trip_us = 1000});
        break;
      case 7:
        desk.raise({.type = EventType::FAULT,
                    .state = static_cast<EventState>(dice.byte() % 3),
                    .severity = Severity::CRITICAL,
                    .code = EventCode{FAULTS[dice.byte() % FAULTS.size()].code},
                    .mono_us = now_us});
        break;
    }
    // At least every 2 ms, as run() does.
    const uint64_t pause_us = 1 + (what & 0x38) * 25;
    const uint64_t until_us = now_us + ((what & 0xC7) == 0x85 ? 3'000'000 : pause_us);
    while (now_us < until_us) {
      now_us += std::min<uint64_t>(until_us - now_us, 1500);
      bus.now_us = now_us;
      node.step(now_us);
      check(ticks.in_order);
      check(now_us < 20'000 + std::max(ticks.last_us, began_us));
    }
  }
  // A clock that is set with every beat moves each by up to half of it.
  const double wanted = static_cast<double>(now_us - began_us) / 10'000;
  const auto count = static_cast<double>(ticks.count);
  check(count <= wanted * 2 + 12 && count >= wanted * 0.6 - 4);
}

}  // namespace microgrid_test

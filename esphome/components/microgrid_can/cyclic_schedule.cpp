// The tables of phases, and the arithmetic of "every so many milliseconds after the full second".
#include "cyclic_schedule.h"

#include <algorithm>

namespace esphome::microgrid {

namespace {

// Messages of 1 s have 60 ms per node, those of 250 ms and 100 ms as much as fits sixteen times. The contract
// fixes the 60 ms; the steps within keep a node's frames apart, and off the full 10 ms, where Sync and
// Frequency are.
constexpr std::array HOUSE_MESSAGES = std::to_array<CyclicMessage>({
    {dbc::Heartbeat::MESSAGE, 0, 60, 1},
    {dbc::HouseState::MESSAGE, 9, 60, 1},
    {dbc::InverterState::MESSAGE, 18, 60, 1},
    {dbc::Mppt::MESSAGE, 27, 60, 1},
    {dbc::BatteryState::MESSAGE, 36, 60, 1},
    {dbc::Counters::MESSAGE, 45, 60, 6},
    {dbc::Cells::MESSAGE, 5, 15, 4},
    {dbc::Inverter::MESSAGE, 1, 6, 1},
    {dbc::Battery::MESSAGE, 4, 6, 1},
});
constexpr std::array GATEWAY_MESSAGES = std::to_array<CyclicMessage>({
    {dbc::Heartbeat::MESSAGE, 0, 60, 1},
    {dbc::GatewayState::MESSAGE, 9, 60, 1},
    {dbc::Contactor::MESSAGE, 1, 6, 1},
    {dbc::GatewayBus::MESSAGE, 4, 6, 1},
});

constexpr int64_t MS = 1000;

}  // namespace

std::span<const CyclicMessage> cyclic_messages(Role role) {
  if (role == Role::GATEWAY) return GATEWAY_MESSAGES;
  return HOUSE_MESSAGES;
}

int64_t CyclicSchedule::next_after(const CyclicMessage &message, int64_t clock_us) const {
  const int64_t period_us = message.message.cycle_ms * MS;
  const int64_t phase_us = (message.phase_ms + this->node_ * message.per_node_ms) * MS % period_us;
  return (clock_us - phase_us + period_us) / period_us * period_us + phase_us;
}

bool CyclicSchedule::due(size_t index, int64_t clock_us) {
  const CyclicMessage &message = this->messages_[index];
  Slot &slot = this->slots_[index];
  const int64_t next_us = this->next_after(message, clock_us);
  if (slot.next_us != 0 && clock_us >= slot.next_us) {
    // A clock that was set forward has not earned a message in the middle of the period.
    if (clock_us - slot.next_us < message.message.cycle_ms * MS) slot.waiting = true;
  }
  slot.next_us = next_us;  // also when the clock was set back
  return slot.waiting;
}

void CyclicSchedule::done(size_t index) {
  Slot &slot = this->slots_[index];
  slot.waiting = false;
  slot.group = static_cast<uint8_t>((slot.group + 1) % this->messages_[index].groups);
}

uint64_t CyclicSchedule::wait_us(int64_t clock_us) const {
  int64_t wait_us = 1'000'000;
  for (size_t i = 0; i < this->messages_.size(); i++)
    wait_us = std::min(wait_us, this->slots_[i].next_us - clock_us);
  return static_cast<uint64_t>(std::max<int64_t>(wait_us, 0));
}

}  // namespace esphome::microgrid

// See "Faults" in contract/can.md.
#include "fault_broadcast.h"

#include <algorithm>

#include "esphome/components/microgrid_core/fault_catalogue.h"

namespace esphome::microgrid {

namespace {

constexpr std::array<uint64_t, 2> REPEATED_AFTER_US{20'000,
                                                    10'000};  // by how many are left afterwards: none, one
constexpr uint8_t TIMES = 3;
constexpr uint64_t BETWEEN_RAISED_US = 10'000'000;
constexpr uint64_t GIVE_UP_US =
    10'000'000;  // the bus was off all the time; the rings of others have moved on
constexpr uint64_t UNNAMED_FOR_US = 5'000'000;
constexpr int64_t PLAUSIBLE_US = 60'000'000;  // between the trip and its arrival
constexpr uint32_t NUMBER_MASK = (1U << 20) - 1;

bool makes_sense(const dbc::Fault &fault) {
  if (fault.fault_code == NO_FAULT && fault.event_state != dbc::EventState::RAISED) return false;
  return fault.fault_code <= 999 && fault.event_state <= dbc::EventState::CLEARED &&
         fault.severity <= dbc::Severity::CRITICAL;
}

}  // namespace

std::optional<dbc::Fault> fault_message(const NodeEvent &event, const Timeline &timeline) {
  const FaultRow *row = event.type == EventType::FAULT ? find_fault(event.code.view()) : nullptr;
  if (row == nullptr) return std::nullopt;
  return dbc::Fault{.fault_code = static_cast<uint16_t>(row->number),
                    .event_state = static_cast<dbc::EventState>(event.state),
                    .severity = static_cast<dbc::Severity>(event.severity),
                    .time_valid = event.utc_us != 0 && timeline.valid(event.mono_us),
                    .event_number = event.key.number & NUMBER_MASK,
                    .event_time = dbc::event_ticks(event.utc_us)};
}

dbc::Fault capture_message(const HeardFault &capture) {
  return {.fault_code = NO_FAULT,
          .event_state = dbc::EventState::RAISED,
          .severity = dbc::Severity::INFO,
          .time_valid = capture.time_valid,
          .event_number = capture.key.number & NUMBER_MASK,
          .event_time = dbc::event_ticks(capture.utc_us)};
}

bool FaultOutbox::raised_lately(const dbc::Fault &fault, uint64_t now_us) {
  const auto begin = this->raised_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(this->raised_count_);
  const auto over = [=](const Raised &raised) { return now_us - raised.mono_us >= BETWEEN_RAISED_US; };
  this->raised_count_ = static_cast<size_t>(std::remove_if(begin, end, over) - begin);
  const auto kept = begin + static_cast<std::ptrdiff_t>(this->raised_count_);
  if (std::any_of(begin, kept, [&](const Raised &raised) { return raised.fault_code == fault.fault_code; }))
    return true;
  if (this->raised_count_ < SLOTS) this->raised_[this->raised_count_++] = {fault.fault_code, now_us};
  return false;
}

bool FaultOutbox::put(const dbc::Fault &fault, uint64_t now_us) {
  if (fault.event_state == dbc::EventState::RAISED && this->raised_lately(fault, now_us)) return false;
  // With more faults at once than places, the one that was told most often makes room.
  Slot &slot = *std::ranges::min_element(this->slots_, {}, &Slot::left);
  slot = {.fault = fault, .left = TIMES, .due_us = now_us, .give_up_us = now_us + GIVE_UP_US};
  return true;
}

const dbc::Fault *FaultOutbox::due(uint64_t now_us) {
  // What was told least comes first.
  Slot *most_urgent = nullptr;
  for (Slot &slot : this->slots_) {
    if (slot.left == 0 || now_us < slot.due_us) continue;
    if (now_us >= slot.give_up_us) {
      slot.left = 0;
    } else if (most_urgent == nullptr || slot.left > most_urgent->left) {
      most_urgent = &slot;
    }
  }
  if (most_urgent == nullptr) return nullptr;
  this->current_ = static_cast<size_t>(most_urgent - this->slots_.data());
  return &most_urgent->fault;
}

void FaultOutbox::sent(uint64_t now_us) {
  Slot &slot = this->slots_[this->current_];
  if (slot.left == 0) return;
  slot.left--;
  if (slot.left != 0) slot.due_us = now_us + REPEATED_AFTER_US[slot.left - 1];
}

uint64_t FaultOutbox::next_us() const {
  uint64_t next_us = UINT64_MAX;
  for (const Slot &slot : this->slots_)
    if (slot.left != 0) next_us = std::min(next_us, slot.due_us);
  return next_us;
}

bool FaultInbox::is_new(uint8_t node, uint32_t boot_id, uint32_t number, uint64_t arrived_us) {
  auto &heard = this->heard_[node];
  for (Heard &known : heard) {
    if (known.number != number) continue;
    if (known.boot_id == boot_id && boot_id != 0) return false;
    // Its Heartbeat may have come between the repetitions.
    if ((known.boot_id == 0 || boot_id == 0) && arrived_us < known.mono_us + UNNAMED_FOR_US) {
      if (known.boot_id == 0) known.boot_id = boot_id;
      return false;
    }
  }
  uint8_t &next = this->next_[node];
  heard[next] = {.boot_id = boot_id, .number = number, .mono_us = arrived_us};
  next = static_cast<uint8_t>((next + 1) % KEPT);
  return true;
}

std::optional<HeardFault> FaultInbox::take(const dbc::Fault &fault, uint8_t node, uint32_t boot_id,
                                           uint64_t arrived_us, const Timeline &timeline) {
  if (!makes_sense(fault) || node >= NODES || !this->is_new(node, boot_id, fault.event_number, arrived_us))
    return std::nullopt;
  HeardFault heard{.key = {.node = node, .boot_id = boot_id, .number = fault.event_number},
                   .fault_code = fault.fault_code,
                   .state = static_cast<EventState>(fault.event_state),
                   .severity = static_cast<Severity>(fault.severity),
                   .mono_us = arrived_us,
                   .utc_us = timeline.known ? timeline.utc_us(arrived_us) : 0,
                   .time_valid = fault.time_valid};
  if (!fault.time_valid || !timeline.valid(arrived_us)) return heard;
  const int64_t trip_utc_us = dbc::full_time(fault.event_time, heard.utc_us);
  const int64_t ago_us = heard.utc_us - trip_utc_us;
  if (ago_us < -PLAUSIBLE_US || ago_us > PLAUSIBLE_US) return heard;  // no clock that is valid says so
  heard.mono_us = ago_us > static_cast<int64_t>(arrived_us) ? 0 : arrived_us - static_cast<uint64_t>(ago_us);
  heard.utc_us = trip_utc_us;
  return heard;
}

}  // namespace esphome::microgrid

// Looking up two dozen rows, one after the other.
#include "fault_catalogue.h"

#include <algorithm>

namespace esphome::microgrid {

const FaultRow *find_fault(uint16_t number) {
  const auto *row = std::ranges::find_if(
      FAULTS, [=](const FaultRow &r) { return static_cast<uint16_t>(r.number) == number; });
  return row == FAULTS.end() ? nullptr : row;
}

const FaultRow *find_fault(std::string_view code) {
  const auto *row = std::ranges::find(FAULTS, code, &FaultRow::code);
  return row == FAULTS.end() ? nullptr : row;
}

const FaultRow &fault(FaultCode code) {
  return *std::ranges::lower_bound(FAULTS, code, {}, &FaultRow::number);
}

EventCode fault_text(uint16_t number) {
  if (number == NO_FAULT) return EventCode{CAPTURE_CODE};
  if (const FaultRow *row = find_fault(number); row != nullptr) return EventCode{row->code};
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "F%03u", static_cast<unsigned>(number % 1000));
  return EventCode{std::string_view{text.data()}};
}

}  // namespace esphome::microgrid

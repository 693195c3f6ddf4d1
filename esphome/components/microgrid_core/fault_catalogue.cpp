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

}  // namespace esphome::microgrid

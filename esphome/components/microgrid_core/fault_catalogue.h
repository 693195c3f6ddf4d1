// What a node knows of its fault codes: category and severity. The texts are told elsewhere.
#pragma once

#include "fault_catalogue_table.h"

namespace esphome::microgrid {

/// nullptr for a number that this version does not know.
const FaultRow *find_fault(uint16_t number);
const FaultRow *find_fault(std::string_view code);

const FaultRow &fault(FaultCode code);

}  // namespace esphome::microgrid

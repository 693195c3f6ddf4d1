// What a node knows of its fault codes: category and severity. The texts are told elsewhere.
#pragma once

#include "fault_catalogue_table.h"
#include "node_event.h"

namespace esphome::microgrid {

/// nullptr for a number that this version does not know.
const FaultRow *find_fault(uint16_t number);
const FaultRow *find_fault(std::string_view code);

const FaultRow &fault(FaultCode code);

/// `fault_code` on the bus when there is no fault: somebody asked for a recording.
inline constexpr uint16_t NO_FAULT = 0;
/// Code of the snapshots that are taken then.
inline constexpr std::string_view CAPTURE_CODE = "CAPTURE";

/// The code that a snapshot has: `F…`, also for a number of a later version, or CAPTURE_CODE.
EventCode fault_text(uint16_t number);

}  // namespace esphome::microgrid

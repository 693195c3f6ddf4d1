// The fault codes as rows; generated from contract/faults.yaml by `script/generate faults`.
#pragma once

#include <array>

#include "umg1_event.h"

namespace esphome::microgrid {

enum class FaultCategory : uint8_t {
  INVERTER = 0,
  BATTERY = 1,
  SOLAR = 2,
  COMMUNICATION = 3,
  SYNCHRONISATION = 4,
  HEAT_PUMP = 5,
  UNKNOWN = 6,
};

/// The number in the code.
enum class FaultCode : uint16_t {  // NOLINT(performance-enum-size): F999 would not fit into a byte
  F001 = 1,
  F002 = 2,
  F003 = 3,
  F004 = 4,
  F005 = 5,
  F006 = 6,
  F010 = 10,
  F011 = 11,
  F012 = 12,
  F013 = 13,
  F014 = 14,
  F015 = 15,
  F020 = 20,
  F021 = 21,
  F030 = 30,
  F031 = 31,
  F040 = 40,
  F041 = 41,
};

struct FaultRow {
  FaultCode number;
  std::string_view code;
  FaultCategory category;
  Severity severity;
};

/// In the order of the numbers.
inline constexpr std::array<FaultRow, 18> FAULTS = {{
    {FaultCode::F001, "F001", FaultCategory::INVERTER, Severity::CRITICAL},
    {FaultCode::F002, "F002", FaultCategory::INVERTER, Severity::CRITICAL},
    {FaultCode::F003, "F003", FaultCategory::INVERTER, Severity::CRITICAL},
    {FaultCode::F004, "F004", FaultCategory::INVERTER, Severity::CRITICAL},
    {FaultCode::F005, "F005", FaultCategory::INVERTER, Severity::CRITICAL},
    {FaultCode::F006, "F006", FaultCategory::INVERTER, Severity::CRITICAL},
    {FaultCode::F010, "F010", FaultCategory::BATTERY, Severity::CRITICAL},
    {FaultCode::F011, "F011", FaultCategory::BATTERY, Severity::CRITICAL},
    {FaultCode::F012, "F012", FaultCategory::BATTERY, Severity::CRITICAL},
    {FaultCode::F013, "F013", FaultCategory::BATTERY, Severity::CRITICAL},
    {FaultCode::F014, "F014", FaultCategory::BATTERY, Severity::CRITICAL},
    {FaultCode::F015, "F015", FaultCategory::BATTERY, Severity::WARNING},
    {FaultCode::F020, "F020", FaultCategory::SOLAR, Severity::CRITICAL},
    {FaultCode::F021, "F021", FaultCategory::SOLAR, Severity::WARNING},
    {FaultCode::F030, "F030", FaultCategory::COMMUNICATION, Severity::WARNING},
    {FaultCode::F031, "F031", FaultCategory::COMMUNICATION, Severity::WARNING},
    {FaultCode::F040, "F040", FaultCategory::SYNCHRONISATION, Severity::WARNING},
    {FaultCode::F041, "F041", FaultCategory::SYNCHRONISATION, Severity::CRITICAL},
}};

}  // namespace esphome::microgrid

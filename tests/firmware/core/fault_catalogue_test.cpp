// The fault codes as the firmware finds them.
#include "esphome/components/microgrid_core/fault_catalogue.h"

#include <gtest/gtest.h>

namespace esphome::microgrid {
namespace {

TEST(FaultCatalogue, finds_every_row_by_number_and_by_code) {
  uint16_t last = 0;
  for (const FaultRow &row : FAULTS) {
    const auto number = static_cast<uint16_t>(row.number);
    EXPECT_GT(number, last) << "the table is searched by halves";
    last = number;
    EXPECT_EQ(find_fault(number), &row);
    EXPECT_EQ(find_fault(row.code), &row);
    EXPECT_EQ(&fault(row.number), &row);
    EXPECT_EQ(std::stoi(std::string(row.code.substr(1))), number);
  }
}

TEST(FaultCatalogue, knows_what_the_contract_says) {
  EXPECT_EQ(fault(FaultCode::F030).category, FaultCategory::COMMUNICATION);
  EXPECT_EQ(fault(FaultCode::F030).severity, Severity::WARNING);
  EXPECT_EQ(fault(FaultCode::F001).severity, Severity::CRITICAL);
}

TEST(FaultCatalogue, does_not_find_what_is_not_there) {
  EXPECT_EQ(find_fault(uint16_t{0}), nullptr);
  EXPECT_EQ(find_fault(uint16_t{999}), nullptr);
  EXPECT_EQ(find_fault("F1"), nullptr);
  EXPECT_EQ(find_fault(""), nullptr);
}

}  // namespace
}  // namespace esphome::microgrid

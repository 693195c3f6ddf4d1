// The houses of a gateway as the uplink sees them: whoever knows them (the gateway component) answers for
// each number.
#pragma once

#include "esphome/components/microgrid_core/fault_catalogue.h"
#include "esphome/components/microgrid_core/node.h"

namespace esphome::microgrid {

/// Which of the known faults last, a bit per row of the catalogue.
class ActiveFaults final {
 public:
  void set(uint16_t fault_number, bool active) {
    if (const FaultRow *row = find_fault(fault_number)) this->set(*row, active);
  }
  void set(std::string_view code, bool active) {
    if (const FaultRow *row = find_fault(code)) this->set(*row, active);
  }
  bool active(const FaultRow &row) const { return (this->bits_ & bit(row)) != 0; }
  bool operator==(const ActiveFaults &) const = default;

 protected:
  static_assert(FAULTS.size() <= 32);
  static uint32_t bit(const FaultRow &row) { return uint32_t{1} << (&row - FAULTS.data()); }
  void set(const FaultRow &row, bool active) {
    this->bits_ = active ? this->bits_ | bit(row) : this->bits_ & ~bit(row);
  }

  uint32_t bits_{0};
};

/// Texts and readings stay where they are until the next question.
struct HouseView {
  std::string_view node;
  std::string_view name;  // for people
  std::string_view firmware;
  uint32_t boot_id{0};
  bool present{false};
  bool card_failed{false};
  ActiveFaults faults{};
  const Readings *readings{nullptr};    // in the rows of HOUSE_METRICS
  std::span<const Command> commands{};  // that the gateway obeys for it
};

class Houses {
 public:
  /// False while the house of this number has never said who it is (node id and boot id). In the main loop.
  virtual bool house(uint8_t number, HouseView &view) = 0;

 protected:
  ~Houses() = default;
};

}  // namespace esphome::microgrid

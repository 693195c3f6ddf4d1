// Houses as a gateway would know them, set by hand.
#pragma once

#include <array>
#include <string>

#include "esphome/components/microgrid_core/metric_tables.h"
#include "esphome/components/microgrid_uplink/houses.h"

namespace esphome::microgrid {

class PlainHouses final : public Houses {
 public:
  struct House {
    std::string node;
    std::string name;
    uint32_t boot_id{0};
    bool present{false};
    bool card_failed{false};
    ActiveFaults faults{};
    std::span<const Command> commands{};
    std::array<Readings::Cell, HOUSE_METRICS.size()> cells{};
    Readings readings{HOUSE_METRICS, cells};
  };

  bool house(uint8_t number, HouseView &view) override {
    const House &house = this->houses.at(number);
    if (house.node.empty()) return false;
    view = {.node = house.node,
            .name = house.name,
            .firmware = "1.0.0",
            .boot_id = house.boot_id,
            .present = house.present,
            .card_failed = house.card_failed,
            .faults = house.faults,
            .readings = &house.readings,
            .commands = house.commands};
    return true;
  }

  std::array<House, 16> houses{};
};

}  // namespace esphome::microgrid

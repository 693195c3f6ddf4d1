// What takes how much of a node's memory. Sizes are those of the machine that compiles: pointers of the ESP32
// are half as long as those of a PC.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace esphome::microgrid {

struct RamUse {
  struct Row {
    std::string_view part;
    size_t bytes;
  };
  std::array<Row, 32> rows{};
  size_t count{0};

  constexpr void add(std::string_view part, size_t bytes) {
    if (bytes != 0 && this->count < this->rows.size()) this->rows[this->count++] = {part, bytes};
  }
  constexpr void add(const RamUse &others) {
    for (size_t i = 0; i < others.count; i++) this->add(others.rows[i].part, others.rows[i].bytes);
  }
  constexpr size_t total() const {
    size_t bytes = 0;
    for (const Row &row : this->rows) bytes += row.bytes;
    return bytes;
  }
};

}  // namespace esphome::microgrid

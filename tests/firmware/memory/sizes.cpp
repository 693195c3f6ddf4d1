// What a house and a gateway take of their memory, as a table in a section of the object file: memory.py
// compiles this for a machine with the ESP32's sizes, on which nothing could run, and reads it.
#include "esphome/components/microgrid_gateway/memory.h"
#include "esphome/components/microgrid_house/memory.h"

namespace esphome::microgrid {
namespace {

struct Entry {
  std::array<char, 24> node;
  std::array<char, 36> part;
  uint32_t bytes;
};

constexpr LogSize HOUSE_SIZE{.hours = 7 * 24, .capture_mb = 8, .snapshots = 16, .ram_fallback = false};
constexpr LogSize FALLBACK_SIZE{.hours = 7 * 24, .capture_mb = 8, .snapshots = 16, .ram_fallback = true};
constexpr LogSize GATEWAY_SIZE{.hours = 30 * 24, .capture_mb = 8, .snapshots = 32, .ram_fallback = false};

constexpr RamUse HOUSE = house_memory(log_settings(Role::HOUSE, HOUSE_SIZE));
constexpr RamUse FALLBACK = house_memory(log_settings(Role::HOUSE, FALLBACK_SIZE));
constexpr RamUse GATEWAY = gateway_memory(log_settings(Role::GATEWAY, GATEWAY_SIZE));

template <size_t COUNT>
constexpr void copy(std::string_view text, std::array<char, COUNT> &to) {
  for (size_t i = 0; i < text.size(); i++) to[i] = text[i];  // too long: does not compile
}

constexpr auto table() {
  std::array<Entry, HOUSE.count + FALLBACK.count + GATEWAY.count> all{};
  size_t next = 0;
  const auto add = [&](std::string_view node, const RamUse &use) {
    for (size_t i = 0; i < use.count; i++) {
      Entry &entry = all[next++];
      copy(node, entry.node);
      copy(use.rows[i].part, entry.part);
      entry.bytes = static_cast<uint32_t>(use.rows[i].bytes);
    }
  };
  add("house", HOUSE);
  add("house with fallback", FALLBACK);
  add("gateway", GATEWAY);
  return all;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-throwing-static-initialization): constinit, so nothing is left to throw
[[gnu::section(".memory"), gnu::used]] constinit const std::array<Entry, table().size()> MEMORY_TABLE =
    table();

}  // namespace esphome::microgrid

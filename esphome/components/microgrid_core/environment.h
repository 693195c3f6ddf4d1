// Host programs only: one compiled program plays any node, told by MICROGRID_… variables who it is and where
// its surroundings are. On the ESP32 what was configured stands.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace esphome::microgrid {

#ifdef USE_HOST

/// The variable MICROGRID_<name>, which lives as long as the program; `otherwise` when it is not set, or
/// empty.
std::string_view environment(const char *name, std::string_view otherwise = {});
/// The same for numbers. What is none, or outside of the limits, ends the program with a message.
double environment_number(const char *name, double otherwise, double least, double most);

/// `address:port` with an IPv4 address.
struct Endpoint {
  uint32_t address;  // in the order of the network
  uint16_t port;
};
/// nullopt when the variable is not set; what is no endpoint ends the program with a message.
std::optional<Endpoint> environment_endpoint(const char *name);

#else

constexpr std::string_view environment(const char * /*name*/, std::string_view otherwise = {}) {
  return otherwise;
}
constexpr double environment_number(const char * /*name*/, double otherwise, double /*least*/,
                                    double /*most*/) {
  return otherwise;
}

#endif

}  // namespace esphome::microgrid

// Variables of the environment, read once at the start. A wrong one ends the program: a twin that is somebody
// else would only confuse.
#ifdef USE_HOST

#include "environment.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace esphome::microgrid {

namespace {

struct Variable {
  std::string name;
  std::string_view value;
};

Variable variable(const char *name) {
  std::string whole = std::string{"MICROGRID_"} + name;
  const char *value = std::getenv(whole.c_str());
  return {.name = std::move(whole), .value = value == nullptr ? "" : value};
}

[[noreturn]] void refuse(const Variable &wrong, const char *remedy) {
  std::fprintf(stderr, "%s=%s: %s\n", wrong.name.c_str(), wrong.value.data(), remedy);
  std::exit(2);
}

}  // namespace

std::string_view environment(const char *name, std::string_view otherwise) {
  const Variable found = variable(name);
  return found.value.empty() ? otherwise : found.value;
}

double environment_number(const char *name, double otherwise, double least, double most) {
  const Variable found = variable(name);
  if (found.value.empty()) return otherwise;
  char *end = nullptr;
  const double number = std::strtod(found.value.data(), &end);
  if (*end == '\0' && number >= least && number <= most) return number;
  std::array<char, 64> remedy{};
  std::snprintf(remedy.data(), remedy.size(), "give a number from %g to %g", least, most);
  refuse(found, remedy.data());
}

std::optional<Endpoint> environment_endpoint(const char *name) {
  const Variable found = variable(name);
  if (found.value.empty()) return std::nullopt;
  const size_t colon = found.value.rfind(':');
  if (colon != std::string_view::npos) {
    const std::string address{found.value.substr(0, colon)};
    const std::string port{found.value.substr(colon + 1)};
    char *end = nullptr;
    const unsigned long number = std::strtoul(port.c_str(), &end, 10);
    in_addr parsed{};
    if (inet_pton(AF_INET, address.c_str(), &parsed) == 1 && *end == '\0' && number > 0 && number < 65536)
      return Endpoint{.address = parsed.s_addr, .port = static_cast<uint16_t>(number)};
  }
  refuse(found, "give an IPv4 address and a port, such as 239.74.163.2:43113");
}

}  // namespace esphome::microgrid

#endif

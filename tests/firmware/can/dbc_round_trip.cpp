// Host program: frames in, one a line as `identifier data` in hex; out comes JSON: the message, its integers,
// their values, and the data packed again, both from the integers and from the values.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "esphome/components/microgrid_can/microgrid_dbc.h"

namespace dbc = esphome::microgrid::dbc;

namespace {

struct Printer {
  std::string raws, values;

  template <typename T>
  void operator()(const char *name, T raw) {
    this->add(this->raws, name, std::to_string(static_cast<long long>(raw)));
  }
  template <typename T>
  void operator()(const char *name, T raw, const dbc::Scale<T> &scale) {
    (*this)(name, raw);
    const float value = scale.value(raw);
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
    this->add(this->values, name, std::isnan(value) ? "null" : text);
    // A float holds no more than 24 bits; a raw value outside the range has no way back.
    const auto wide = static_cast<int64_t>(raw);
    const bool exact = wide > -(1 << 20) && wide < 1 << 20 && raw >= scale.minimum && raw <= scale.maximum;
    if (std::isnan(value) || exact) this->same = this->same && scale.raw(value) == raw;
  }
  bool same{true};

 protected:
  static void add(std::string &out, const char *name, const std::string &value) {
    out += std::string(out.empty() ? "" : ", ") + '"' + name + "\": " + value;
  }
};

}  // namespace

int main() {
  std::string first, hex;
  while (std::cin >> first >> hex) {
    const auto identifier = static_cast<uint32_t>(std::strtoul(first.c_str(), nullptr, 16));
    uint8_t data[8] = {};
    const size_t length = std::min(hex.size() / 2, sizeof(data));
    for (size_t i = 0; i < length; i++) {
      data[i] = static_cast<uint8_t>(std::strtoul(hex.substr(2 * i, 2).c_str(), nullptr, 16));
    }
    const bool known = dbc::with_message(identifier, [&](auto message) {
      message.unpack(dbc::load(data, length));
      Printer printer;
      message.visit(printer);
      uint8_t packed[8] = {};
      dbc::store(message.pack(), packed, message.MESSAGE.length);
      std::printf(
          R"({"message": "%s", "node": %u, "cycle_ms": %u, "raw": {%s}, "value": {%s}, "same": %s, "packed": ")",
          message.NAME, static_cast<unsigned>(dbc::node_of(identifier)),
          static_cast<unsigned>(message.MESSAGE.cycle_ms), printer.raws.c_str(), printer.values.c_str(),
          printer.same ? "true" : "false");
      for (size_t i = 0; i < message.MESSAGE.length; i++) std::printf("%02x", packed[i]);
      std::puts("\"}");
    });
    if (!known) std::puts("null");
  }
  return 0;
}

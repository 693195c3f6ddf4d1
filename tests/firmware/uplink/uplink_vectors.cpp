// Reads `<message> <now, µs> <payload in hex>` line by line and prints what the firmware makes of it: `ok …`
// or the reason of the refusal, for the golden messages of the contract.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "esphome/components/microgrid_uplink/requests.h"

using namespace esphome::microgrid;

namespace {

std::vector<uint8_t> bytes_of_hex(const std::string &hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::strtoul(hex.substr(i, 2).c_str(), nullptr, 16)));
  return bytes;
}

template <typename T, typename P>
void show(const Read<T> &read, P print) {
  if (const auto *refusal = std::get_if<Refusal>(&read)) {
    std::cout << name_of(*refusal) << std::endl;
  } else {
    std::cout << "ok ";
    print(std::get<T>(read));
    std::cout << std::endl;
  }
}

}  // namespace

int main() {
  std::string message;
  int64_t now_us = 0;
  std::string hex;
  while (std::cin >> message >> now_us >> hex) {
    const std::vector<uint8_t> payload = bytes_of_hex(hex.substr(1));  // behind a colon: it may be empty
    if (message == "log-ack") {
      show(read_log_ack(payload), [](const Position &at) { std::cout << at.boot_id << " " << at.seq; });
    } else if (message == "snapshot-get") {
      show(read_snapshot_get(payload), [](const SnapshotGet &get) {
        std::cout << (get.event_id.empty() ? "-" : get.event_id.view()) << " "
                  << (get.part == 1 ? "traffic" : "measured") << " " << get.first << " " << get.count;
      });
    } else {
      show(read_command(payload, now_us), [](const CommandRequest &request) {
        std::cout << request.id.view() << " " << request.command.view() << " " << request.expires_utc_us
                  << " " << (request.parameters.given() ? request.parameters.raw() : "{}");
      });
    }
  }
  return 0;
}

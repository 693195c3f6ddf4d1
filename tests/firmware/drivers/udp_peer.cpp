// A node on the CAN bus of the PC for tests: sends what it reads, prints what it receives.
// usage: udp_peer GROUP PORT   in and out, a line each: identifier with flags, length, data; all hexadecimal
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "esphome/components/microgrid_can/udp_bus.h"

using namespace esphome::microgrid;

namespace {

bool read_frame(CanFrame &frame) {
  std::string line;
  if (!std::getline(std::cin, line)) return false;
  std::istringstream words{line};
  unsigned length = 0;
  frame = {};
  words >> std::hex >> frame.identifier >> length;
  frame.length = static_cast<uint8_t>(length);
  for (unsigned i = 0; i < length && i < frame.data.size(); i++) {
    unsigned value = 0;
    words >> value;
    frame.data[i] = static_cast<uint8_t>(value);
  }
  return !words.fail() && length <= frame.data.size();
}

void print(const CanFrame &frame) {
  std::printf("%x %x", static_cast<unsigned>(frame.identifier), static_cast<unsigned>(frame.length));
  for (unsigned i = 0; i < frame.length; i++) std::printf(" %02x", static_cast<unsigned>(frame.data[i]));
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  Signal wake;
  UdpBus bus{{.group = argv[1], .port = static_cast<uint16_t>(std::strtoul(argv[2], nullptr, 10))}};
  if (!bus.open(500'000, wake)) {
    std::fprintf(stderr, "udp_peer: no bus at %s:%s\n", argv[1], argv[2]);
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  std::atomic<bool> over{false};
  std::thread printer{[&] {
    while (!over) {
      wake.wait(20'000);
      while (const auto frame = bus.receive()) print(*frame);
    }
  }};
  CanFrame frame{};
  while (read_frame(frame)) {
    if (!bus.send(frame, false))
      std::fprintf(stderr, "udp_peer: not sent: %x\n", static_cast<unsigned>(frame.identifier));
  }
  over = true;
  printer.join();
  const ControllerStatus status = bus.status();
  std::printf("malformed %u bus_errors %u missed %u\n", static_cast<unsigned>(bus.malformed()),
              static_cast<unsigned>(status.bus_errors), static_cast<unsigned>(status.missed));
}

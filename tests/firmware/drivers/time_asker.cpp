// Asks a time server as a gateway does, and prints what comes of it.
// usage: time_asker ADDRESS PORT SECONDS   a line for each observation: UTC of now in microseconds, its error
// as the server says it, round trip; at the end the counters
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "esphome/components/microgrid_core/network_time_socket.h"
#include "esphome/components/microgrid_core/platform.h"

using namespace esphome::microgrid;

namespace {

/// The PC's own UTC and our counter at the same moment.
std::pair<int64_t, uint64_t> both_clocks() {
  while (true) {
    const uint64_t before = mono_us();
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    if (mono_us() - before < 50) {
      return {std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count(), before};
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  TimeSocket socket{argv[1], static_cast<uint16_t>(std::strtoul(argv[2], nullptr, 10))};
  TimeClient client{socket};
  const uint64_t end = mono_us() + static_cast<uint64_t>(std::strtod(argv[3], nullptr) * 1e6);
  while (mono_us() < end) {
    if (const auto seen = client.poll(mono_us())) {
      const auto [realtime_us, at_us] = both_clocks();
      const int64_t ours_us = seen->utc_us + static_cast<int64_t>(at_us - seen->mono_us);
      std::printf(
          "ahead_us %lld error_us %u round_trip_us %u\n", static_cast<long long>(ours_us - realtime_us),
          static_cast<unsigned>(seen->reference_error_us), static_cast<unsigned>(seen->round_trip_us));
      std::fflush(stdout);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{16});  // as the main loop of ESPHome
  }
  const TimeClientCounters &counters = client.counters();
  std::printf("asked %u taken %u unanswered %u refused", static_cast<unsigned>(counters.asked),
              static_cast<unsigned>(counters.taken), static_cast<unsigned>(counters.unanswered));
  for (const uint32_t refused : counters.refused) std::printf(" %u", static_cast<unsigned>(refused));
  std::printf("\n");
}

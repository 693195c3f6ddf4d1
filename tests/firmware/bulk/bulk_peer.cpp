// One side of bulk transfer on the CAN bus of the PC, for a Python peer that is the other one. It prints what
// it has got. usage: bulk_peer house PORT     house 1 with a snapshot of 9000 bytes (measured) and a log of
// 20 frames
//        bulk_peer gateway PORT   the gateway of house 1, which it takes for present
// "ready" when it listens; a house prints "log BOOT SEQ" and "snapshot NODE BOOT NUMBER" for what it may
// forget; a gateway prints "log HOUSE HEX" for frames, which it acknowledges at once, and "snapshot HOUSE
// HEX".
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cluster.h"
#include "esphome/components/microgrid_can/udp_bus.h"

using namespace esphome::microgrid;

namespace {

constexpr EventKey KEY{.node = 3, .boot_id = 7, .number = 17};

/// What the test can compute too.
Data pattern(size_t bytes) {
  Data data(bytes);
  for (size_t i = 0; i < bytes; i++) data[i] = static_cast<uint8_t>(i * 31 + (i >> 8));
  return data;
}

void print_hex(const char *what, uint8_t house, Bytes bytes) {
  std::printf("%s %u ", what, static_cast<unsigned>(house));
  for (const uint8_t byte : bytes) std::printf("%02x", static_cast<unsigned>(byte));
  std::printf("\n");
}

class Program {
 public:
  explicit Program(bool is_house) : is_house_(is_house) {
    if (is_house) {
      this->house_.card.pin(KEY, 1, pattern(9000));
      for (int i = 0; i < 20; i++) this->house_.log(500);
      this->house_.start();
    } else {
      this->gateway_.start();
      Peer peer{.present = true, .ever = true};
      peer.heartbeat.boot_id = 9;
      this->gateway_.client->peer_changed(1, peer);
    }
  }

  void run(UdpBus &bus, Signal &wake) {
    Card &card = this->is_house_ ? this->house_.card : this->gateway_.card;
    BulkPort &port = this->is_house_ ? static_cast<BulkPort &>(*this->house_.server) : *this->gateway_.client;
    BusListener &listener =
        this->is_house_ ? static_cast<BusListener &>(*this->house_.server) : *this->gateway_.client;
    while (true) {
      wake.wait(500);
      while (const auto frame = bus.receive()) listener.frame(*frame);
      card.step(mono_us());
      const CanFrame *due = port.due(mono_us());
      if (due != nullptr && bus.send(*due, false)) port.sent(mono_us());
      this->tell();
      std::fflush(stdout);
    }
  }

 protected:
  void tell() {
    const auto &acknowledged = this->house_.card.acknowledged;
    if (acknowledged && !(acknowledged == this->told_)) {
      this->told_ = acknowledged;
      std::printf("log %u %u\n", static_cast<unsigned>(acknowledged->boot_id),
                  static_cast<unsigned>(acknowledged->seq));
    }
    for (const EventKey &key : this->house_.card.forgotten)
      std::printf("snapshot %u %u %u\n", static_cast<unsigned>(key.node), static_cast<unsigned>(key.boot_id),
                  static_cast<unsigned>(key.number));
    this->house_.card.forgotten.clear();
    if (this->is_house_) return;
    if (const auto batch = this->gateway_.relay->ready()) {
      print_hex("log", batch->house, batch->frames);
      this->gateway_.relay->acknowledge(batch->last);
    }
    if (this->gateway_.client->statistics().snapshots != this->snapshots_) {
      this->snapshots_++;
      print_hex("snapshot", this->gateway_.card.foreign.back().about.node,
                this->gateway_.card.foreign.back().data);
    }
  }

  bool is_house_;
  SimulatedHouse house_{1};
  SimulatedGateway gateway_;
  std::optional<Position> told_;
  uint32_t snapshots_{0};
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  Signal wake;
  UdpBus bus{{.port = static_cast<uint16_t>(std::strtoul(argv[2], nullptr, 10))}};
  if (!bus.open(BIT_RATE, wake)) {
    std::fprintf(stderr, "bulk_peer: no bus at port %s\n", argv[2]);
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  Program(std::strcmp(argv[1], "house") == 0).run(bus, wake);
}

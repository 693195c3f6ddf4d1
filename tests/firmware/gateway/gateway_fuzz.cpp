// libFuzzer: a gateway that gets any frames and samples must not break, nor close its contactor on what is
// not good.
#include <cmath>
#include <cstdlib>
#include <memory>

#include "esphome/components/microgrid_gateway/gateway.h"
#include "memory_log.h"

using namespace esphome::microgrid;

namespace {

constexpr std::array SOURCES{CAN_INTERRUPT_STAMPS};
constexpr Identity IDENTITY{.role = Role::GATEWAY,
                            .number = 0,
                            .node = "gateway-1",
                            .cluster = "north",
                            .swarm = "village",
                            .name = "",
                            .hardware = "",
                            .firmware = "",
                            .boot_id = 1};

class Bytewise final : public GatewayInput, public ContactorOutput {
 public:
  explicit Bytewise(ByteReader &in) : in_(in) {}
  GatewaySample sample(uint64_t /*mono_us*/) override {
    // Mostly near the limits, sometimes anything that 32 bits can be.
    const auto near = [&](float centre, float step) {
      const uint8_t how = this->in_.u8();
      if (how == 0xFF) return std::bit_cast<float>(this->in_.u32());
      return centre + step * static_cast<float>(static_cast<int8_t>(how));
    };
    this->last.cluster_frequency_hz = near(50, 0.002F);
    this->last.swarm_frequency_hz = near(50, 0.002F);
    this->last.cluster_voltage_v = near(230, 0.1F);
    this->last.swarm_voltage_v = near(230, 0.1F);
    this->last.phase_difference_deg = near(0, 0.2F);
    this->last.power_flow_w = near(0, 100);
    this->last.auxiliary = static_cast<AuxiliaryContact>(this->in_.u8() % 3);
    return this->last;
  }
  void drive(bool closed) override {
    if (closed && !this->driven) {
      const bool good =
          std::abs(this->last.cluster_frequency_hz - this->last.swarm_frequency_hz) <= 0.1001F &&
          std::abs(this->last.cluster_voltage_v - this->last.swarm_voltage_v) <= 6.9001F &&
          std::abs(this->last.phase_difference_deg) <= 12 &&
          this->last.auxiliary != AuxiliaryContact::UNKNOWN;
      if (!good) std::abort();
    }
    this->driven = closed;
  }

  GatewaySample last{};
  bool driven{false};

 protected:
  ByteReader &in_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ByteReader in{{data, size}};
  Bytewise site{in};
  MemoryStorage storage;
  MemoryLog log;
  std::array<Readings::Cell, GATEWAY_METRICS.size()> cells{};
  const auto node = std::make_unique<Node>(IDENTITY, SOURCES, GATEWAY_METRICS, cells);
  BusNode bus{node->identity, node->clock, node->desk, {}};
  HouseDirectory directory;
  HouseIdentity identity{};
  identity.node.assign("house-01");
  directory.set(1, identity);
  node->desk.add(log);
  const auto gateway = std::make_unique<Gateway>(*node, bus, log, directory, SynchroniserSettings{});
  gateway->set_input(&site);
  gateway->set_contactor(&site);
  gateway->start(storage);
  log.begin(1'000'000);
  uint64_t now_us = 1'000'000;
  while (in.ok() && in.left() > 0) {
    switch (in.u8() % 8) {
      case 0: {
        CanFrame frame{.identifier = in.u32() & 0x7FF, .mono_us = now_us, .length = in.u8(), .data = {}};
        for (uint8_t &byte : frame.data) byte = in.u8();
        gateway->frame(frame);
        break;
      }
      case 1: {
        Peer peer{};
        peer.ever = true;
        peer.present = in.u8() % 2 == 0;
        peer.heartbeat.boot_id = in.u8();
        gateway->peer_changed(in.u8(), peer);
        break;
      }
      case 2:
        gateway->fault({.key = {.node = in.u8(), .boot_id = in.u8(), .number = in.u8()},
                        .fault_code = in.u16(),
                        .state = static_cast<EventState>(in.u8() % 3),
                        .severity = Severity::INFO,
                        .mono_us = now_us,
                        .utc_us = 0,
                        .time_valid = false});
        break;
      case 3: {
        const std::array values{
            CommandValue{.name = "closed", .number = static_cast<double>(in.u8() % 4 != 0)}};
        node->commands()[0].handler->run(values);
        break;
      }
      case 4:
        now_us += uint64_t{in.u16()} * 10'000;
        break;
      case 5: {
        // The same sample for a while: long enough to close.
        const uint8_t beats = in.u8();
        for (int i = 0; i < beats; i++) {
          now_us += 10'000;
          gateway->tick(now_us, 0);
        }
        break;
      }
      default:
        now_us += 10'000;
        gateway->tick(now_us, 0);
    }
    for (const dbc::Message &message :
         {dbc::Contactor::MESSAGE, dbc::GatewayBus::MESSAGE, dbc::GatewayState::MESSAGE})
      gateway->content(message.identifier, 0);
    HouseView view;
    gateway->house(1, view);
  }
  return 0;
}

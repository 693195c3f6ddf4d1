// libFuzzer: a broker that says anything. The client never reads or writes outside of its buffers, and never
// hangs.
#include <algorithm>
#include <cstdint>

#include "esphome/components/microgrid_uplink/mqtt_client.h"

using namespace esphome::microgrid;

namespace {

class Broker final : public ByteStream {
 public:
  explicit Broker(Bytes script) : script_(script) {}
  bool open() override {
    this->state_ = State::OPEN;
    return true;
  }
  State state() override { return this->state_; }
  void close() override { this->state_ = State::CLOSED; }
  size_t read(std::span<uint8_t> room) override {
    const size_t count = std::min({room.size(), this->script_.size(), size_t{61}});
    std::copy_n(this->script_.begin(), count, room.begin());
    this->script_ = this->script_.subspan(count);
    return count;
  }
  size_t write(Bytes data) override { return std::min<size_t>(data.size(), 37); }

 protected:
  Bytes script_;
  State state_{State::CLOSED};
};

class Receiver final : public MessageReceiver {
 public:
  void received(std::string_view topic, Bytes payload) override {
    for (const char character : topic) this->sum += static_cast<uint8_t>(character);
    for (const uint8_t byte : payload) this->sum += byte;
  }
  uint32_t sum{0};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Broker broker({data, size});
  Receiver receiver;
  std::array<uint8_t, 512> inbox{};
  std::array<uint8_t, 600> outbox{};
  MqttClient client(broker, receiver, {.client_id = "c"}, inbox, outbox);
  uint64_t now_us = 0;
  for (int i = 0; i < 200; i++) {
    client.loop(now_us);
    if (i % 7 == 0) client.publish("topic", bytes_of("payload"), i % 2 == 0 ? 1 : 0, false);
    if (i % 50 == 0) client.subscribe("filter");
    now_us += i % 10 == 0 ? 1'000'000 : 10'000;
  }
  return 0;
}

// libFuzzer target: arbitrary ISO-TP frames and messages to both sides of bulk transfer. A byte says what
// comes next: a raw frame, or a whole message through the other end's own ISO-TP, or time, or the card's
// answer. The card aborts when it is asked for what it must not be asked for.
#include "cluster.h"

using namespace esphome::microgrid;

namespace {

/// The other end of a node's ISO-TP: carries a whole message to it, and throws away what it says.
void deliver(BulkPort &port, BusListener &listener, uint16_t to_node, Bytes message, uint64_t &now_us) {
  static std::array<uint8_t, BULK_MESSAGE_BYTES> room;
  BulkLink link(room, BIT_RATE);
  if (!link.send(message, now_us)) return;
  for (int i = 0; i < 3000 && link.sending() == IsoTpState::BUSY; i++) {
    now_us += 300;
    if (const CanFrame *due = link.due(to_node, now_us)) {
      CanFrame frame = *due;
      link.sent(now_us);
      frame.mono_us = now_us;
      listener.frame(frame);
    }
    if (const CanFrame *due = port.due(now_us)) {
      const CanFrame frame = *due;
      port.sent(now_us);
      link.receive(frame, now_us);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ByteReader in({data, size});
  SimulatedHouse house(1);
  house.card.latency_us = 0;
  house.start();
  house.card.pin({.node = 1, .boot_id = 7, .number = 3}, 1, Data(300, 5));
  for (int i = 0; i < 3; i++) house.log(50);
  SimulatedGateway gateway;
  gateway.card.latency_us = 0;
  gateway.relay_room.resize(1000);
  gateway.start();
  uint64_t now_us = SECOND;
  Peer peer{.present = true, .ever = true};
  peer.heartbeat.boot_id = house.boot_id;
  gateway.client->peer_changed(1, peer);
  while (in.left() > 0) {
    const uint8_t next = in.u8();
    const bool to_house = (next & 0x80) != 0;
    BulkPort *port = to_house ? static_cast<BulkPort *>(house.server.get()) : gateway.client.get();
    BusListener *listener = to_house ? static_cast<BusListener *>(house.server.get()) : gateway.client.get();
    const uint16_t identifier = to_house ? 0x601 : 0x701;
    const size_t length = std::min<size_t>(next & 0x1F, in.left());
    switch ((next >> 5) & 3) {
      case 0: {
        CanFrame frame{.identifier = identifier,
                       .mono_us = now_us,
                       .length = static_cast<uint8_t>(length % 9),
                       .data = {}};
        const Bytes bytes = in.bytes(std::min<size_t>(frame.length, in.left()));
        std::copy(bytes.begin(), bytes.end(), frame.data.begin());
        listener->frame(frame);
        break;
      }
      case 1:
        deliver(*port, *listener, identifier, in.bytes(std::min<size_t>(length * 8, in.left())), now_us);
        break;
      case 2:
        now_us += uint64_t{1} << length;
        if ((next & 0x10) != 0) gateway.client->peer_changed(1, {.present = (length & 1) != 0});
        break;
      default:
        gateway.client->peer_changed(1, peer);
        if (const auto batch = gateway.relay->ready()) gateway.relay->acknowledge(batch->last);
    }
    house.card.step(now_us);
    gateway.card.step(now_us);
    for (BulkPort *each :
         {static_cast<BulkPort *>(house.server.get()), static_cast<BulkPort *>(gateway.client.get())}) {
      if (each->due(now_us) != nullptr) each->sent(now_us);
    }
  }
  return 0;
}

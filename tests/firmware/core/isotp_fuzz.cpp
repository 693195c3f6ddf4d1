// libFuzzer target: arbitrary frames and delays to both sides of ISO-TP. A byte says how many bytes the next
// frame has and how much time goes by; a receiver may never hold more than its room.
#include <vector>

#include "esphome/components/microgrid_can/isotp.h"

using namespace esphome::microgrid;

namespace {

void check(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ByteReader in({data, size});
  std::vector<uint8_t> room(1 + in.u8() * 20U);
  const std::vector<uint8_t> message(1 + in.u8() * 20U, 0x55);
  const IsoTpSettings settings{.pad = (in.u8() & 1) != 0, .block_size = in.u8(), .st_min = in.u8()};
  IsoTpReceiver receiver(room, settings);
  IsoTpSender sender(settings);
  uint64_t now_us = 0;
  sender.start(message, now_us);
  while (in.left() > 0) {
    const uint8_t next = in.u8();
    now_us += next >= 0xF0 ? 600'000 : (next >> 4) * 100U;
    const Bytes frame = in.bytes(std::min<size_t>(next & 0xF, in.left()));
    receiver.receive(frame, now_us);
    sender.receive(frame, now_us);
    if (const IsoTpFrame *due = sender.due(now_us)) {
      check(due->size <= 8);
      sender.sent(now_us);
    }
    if (receiver.due(now_us) != nullptr && (next & 0x10) == 0) receiver.sent(now_us);
    check(receiver.message().size() <= room.size() && sender.bytes_sent() <= message.size());
    if (next == 0xFF) receiver.abort();
    if (sender.state() != IsoTpState::BUSY) sender.start(message, now_us);
  }
  return 0;
}

// Any bytes as a datagram: no crash, and what is taken for a frame is written and read again as the same.
#include <cstdlib>

#include "esphome/components/microgrid_can/udp_frame.h"

using esphome::microgrid::Datagram;
using esphome::microgrid::DatagramKind;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Datagram read = esphome::microgrid::read_datagram({data, size});
  if (read.kind != DatagramKind::FRAME) return 0;
  std::array<uint8_t, esphome::microgrid::MAX_DATAGRAM_BYTES> room{};
  const size_t written = esphome::microgrid::write_datagram(read.frame, 0, room);
  const Datagram again = esphome::microgrid::read_datagram(esphome::microgrid::Bytes{room}.first(written));
  if (again.kind != DatagramKind::FRAME || again.frame.identifier != read.frame.identifier ||
      again.frame.length != read.frame.length || again.frame.data != read.frame.data ||
      read.frame.length > 8) {
    std::abort();
  }
  return 0;
}

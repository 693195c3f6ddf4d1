// A connection that carries bytes: a TCP socket, or a modem that has one. No call waits.
#pragma once

#include "esphome/components/microgrid_core/umg1_bytes.h"

namespace esphome::microgrid {

class ByteStream {
 public:
  enum class State : uint8_t { CLOSED, OPENING, OPEN };

  /// Begins to connect to where it was told. False when that cannot even begin.
  virtual bool open() = 0;
  virtual State state() = 0;
  virtual void close() = 0;

  /// Bytes read, 0 when there are none now; the stream is CLOSED when the other side ended it.
  virtual size_t read(std::span<uint8_t> room) = 0;
  /// Bytes taken, perhaps fewer than given.
  virtual size_t write(Bytes data) = 0;

 protected:
  ~ByteStream() = default;
};

}  // namespace esphome::microgrid

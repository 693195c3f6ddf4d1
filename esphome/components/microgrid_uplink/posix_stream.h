// TCP on a PC, without waiting.
#pragma once

#ifndef USE_ESP32

#include <string>

#include "byte_stream.h"

namespace esphome::microgrid {

class PosixStream final : public ByteStream {
 public:
  PosixStream(std::string host, uint16_t port) : host_(std::move(host)), port_(port) {}
  PosixStream(const PosixStream &) = delete;
  PosixStream &operator=(const PosixStream &) = delete;
  ~PosixStream() { this->close(); }

  bool open() override;
  State state() override;
  void close() override;
  size_t read(std::span<uint8_t> room) override;
  size_t write(Bytes data) override;

 protected:
  std::string host_;
  uint16_t port_;
  int socket_{-1};
  State state_{State::CLOSED};
};

}  // namespace esphome::microgrid

#endif

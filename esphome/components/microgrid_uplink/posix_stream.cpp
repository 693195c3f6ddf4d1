// Non-blocking BSD sockets. Only the name of the broker is looked up waiting, which a numeric address avoids.
#ifndef USE_ESP32

#include "posix_stream.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace esphome::microgrid {

namespace {

bool would_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

bool PosixStream::open() {
  this->close();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  if (getaddrinfo(this->host_.c_str(), std::to_string(this->port_).c_str(), &hints, &found) != 0)
    return false;
  this->socket_ = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (this->socket_ >= 0) {
    const int on = 1;
    setsockopt(this->socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const bool begun = connect(this->socket_, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS;
    this->state_ = begun ? State::OPENING : State::CLOSED;
  }
  freeaddrinfo(found);
  if (this->state_ == State::CLOSED) this->close();
  return this->state_ != State::CLOSED;
}

ByteStream::State PosixStream::state() {
  if (this->state_ != State::OPENING) return this->state_;
  pollfd ready{.fd = this->socket_, .events = POLLOUT, .revents = 0};
  if (poll(&ready, 1, 0) <= 0) return this->state_;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(this->socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    this->close();
  } else {
    this->state_ = State::OPEN;
  }
  return this->state_;
}

void PosixStream::close() {
  if (this->socket_ >= 0) ::close(this->socket_);
  this->socket_ = -1;
  this->state_ = State::CLOSED;
}

size_t PosixStream::read(std::span<uint8_t> room) {
  if (this->state_ != State::OPEN || room.empty()) return 0;
  const ssize_t count = recv(this->socket_, room.data(), room.size(), 0);
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0 || !would_wait()) this->close();
  return 0;
}

size_t PosixStream::write(Bytes data) {
  if (this->state_ != State::OPEN || data.empty()) return 0;
  const ssize_t count = ::send(this->socket_, data.data(), data.size(), MSG_NOSIGNAL);
  if (count >= 0) return static_cast<size_t>(count);
  if (!would_wait()) this->close();
  return 0;
}

}  // namespace esphome::microgrid

#endif

#ifndef USE_ESP32
#include "udp_bus.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace esphome::microgrid {

namespace {

constexpr uint32_t PASSIVE_FROM = 128;
constexpr uint32_t BUS_OFF_FROM = 256;
constexpr int64_t CLOSE_NS = 10'000;
constexpr int WAIT_MS = 50;  // as long may the end of the thread take

int64_t nanoseconds(const timespec &time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

int64_t now_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return nanoseconds(time);
}

/// CLOCK_MONOTONIC at a time of CLOCK_REALTIME. Both are read close to each other: whoever is not let run in
/// between would take the pause for an error of the stamp.
int64_t monotonic_of_realtime_ns(int64_t realtime_ns) {
  int64_t ahead_ns = 0;
  int64_t least_ns = INT64_MAX;
  for (int i = 0; i < 3 && least_ns > CLOSE_NS; i++) {
    const int64_t before_ns = now_ns(CLOCK_MONOTONIC);
    const int64_t between_ns = now_ns(CLOCK_REALTIME);
    const int64_t width_ns = now_ns(CLOCK_MONOTONIC) - before_ns;
    if (width_ns >= least_ns) continue;
    least_ns = width_ns;
    ahead_ns = between_ns - (before_ns + width_ns / 2);
  }
  return realtime_ns - ahead_ns;
}

template <typename T>
bool set_option(const Descriptor &socket, int level, int name, const T &value) {
  return setsockopt(socket.number(), level, name, &value, sizeof(value)) == 0;
}

Descriptor datagram_socket() {
  return Descriptor{socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

bool bind_to(const Descriptor &socket, in_addr address, uint16_t port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr = address;
  place.sin_port = htons(port);
  return bind(socket.number(), reinterpret_cast<const sockaddr *>(&place), sizeof(place)) == 0;
}

/// What the kernel says of a datagram beside its content.
struct Remarks {
  std::optional<int64_t> realtime_ns;
  std::optional<uint32_t> dropped;  // of this socket since it was opened
};

Remarks remarks_of(msghdr &message) {
  Remarks remarks;
  for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_TIMESTAMPNS) {
      timespec time{};
      std::memcpy(&time, CMSG_DATA(header), sizeof(time));
      remarks.realtime_ns = nanoseconds(time);
    } else if (header->cmsg_type == SO_RXQ_OVFL) {
      uint32_t dropped = 0;
      std::memcpy(&dropped, CMSG_DATA(header), sizeof(dropped));
      remarks.dropped = dropped;
    }
  }
  return remarks;
}

}  // namespace

Descriptor &Descriptor::operator=(Descriptor &&other) noexcept {
  std::swap(this->number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (this->good()) close(this->number_);
}

bool UdpBus::join() {
  this->ears_ = datagram_socket();
  ip_mreqn membership{};
  membership.imr_multiaddr = this->group_.sin_addr;
  const in_addr any{.s_addr = htonl(INADDR_ANY)};
  const int kept_bytes = 1 << 20;
  set_option(this->ears_, SOL_SOCKET, SO_RCVBUF, kept_bytes);  // as much as the system allows
  return inet_pton(AF_INET, this->settings_.interface, &membership.imr_address) == 1 && this->ears_.good() &&
         set_option(this->ears_, SOL_SOCKET, SO_REUSEADDR, 1) &&
         set_option(this->ears_, SOL_SOCKET, SO_REUSEPORT, 1) &&
         set_option(this->ears_, SOL_SOCKET, SO_TIMESTAMPNS, 1) &&
         set_option(this->ears_, SOL_SOCKET, SO_RXQ_OVFL, 1) &&
         // Other groups that somebody on this machine joined are other buses, also on the same port.
         set_option(this->ears_, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
         bind_to(this->ears_, any, this->settings_.port) &&
         set_option(this->ears_, IPPROTO_IP, IP_ADD_MEMBERSHIP, membership);
}

bool UdpBus::announce() {
  this->mouth_ = datagram_socket();
  in_addr interface{};
  sockaddr_in own{};
  socklen_t size = sizeof(own);
  if (inet_pton(AF_INET, this->settings_.interface, &interface) != 1 || !this->mouth_.good() ||
      !bind_to(this->mouth_, interface, 0) ||
      !set_option(this->mouth_, IPPROTO_IP, IP_MULTICAST_IF, interface) ||
      getsockname(this->mouth_.number(), reinterpret_cast<sockaddr *>(&own), &size) != 0) {
    return false;
  }
  this->own_port_ = own.sin_port;
  return true;
}

bool UdpBus::open(uint32_t bit_rate, Signal &wake) {
  if (this->wake_ != nullptr) return true;
  this->group_.sin_family = AF_INET;
  this->group_.sin_port = htons(this->settings_.port);
  if (inet_pton(AF_INET, this->settings_.group, &this->group_.sin_addr) != 1) return false;
  if (!this->join() || !this->announce()) return false;
  this->wake_ = &wake;
  this->recovery_us_ = bit_rate == 0 ? 0 : static_cast<uint32_t>(128ULL * 11 * 1'000'000 / bit_rate);
  this->off_.store(false, std::memory_order_release);
  return this->task_.start("can_udp", UdpBus::receive_some, this, Priority::BUS, 4096);
}

/// TEC or REC, between 0 and just beyond what a byte holds.
void UdpBus::count(std::atomic<uint32_t> &errors, int change) {
  const auto before = static_cast<int>(errors.load(std::memory_order_relaxed));
  const int after = before + change;
  const int most = static_cast<int>(BUS_OFF_FROM);
  errors.store(static_cast<uint32_t>(after < 0 ? 0 : (after > most ? most : after)),
               std::memory_order_relaxed);
}

bool UdpBus::send(const CanFrame &frame, bool stamp) {
  if (this->off_.load(std::memory_order_acquire)) return false;
  std::array<uint8_t, MAX_DATAGRAM_BYTES> room{};
  const double timestamp = static_cast<double>(now_ns(CLOCK_REALTIME)) * 1e-9;
  const size_t size = write_datagram(frame, timestamp, room);
  if (stamp) this->awaited_.store(std::bit_cast<uint64_t>(timestamp), std::memory_order_release);
  const ssize_t written = sendto(this->mouth_.number(), room.data(), size, 0,
                                 reinterpret_cast<const sockaddr *>(&this->group_), sizeof(this->group_));
  if (written == static_cast<ssize_t>(size)) {
    this->count(this->transmit_errors_, -1);
    return true;
  }
  if (written < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
    return false;  // full, not wrong
  // Weighed as ISO 11898-1 weighs a failed transmission.
  this->bus_errors_.fetch_add(1, std::memory_order_relaxed);
  this->count(this->transmit_errors_, 8);
  if (this->transmit_errors_.load(std::memory_order_relaxed) >= BUS_OFF_FROM) {
    this->bus_offs_++;
    this->off_.store(true, std::memory_order_release);
  }
  return false;
}

std::optional<uint64_t> UdpBus::sent_us() { return this->sent_.pop(); }

void UdpBus::receive_some(void *self) {
  auto *bus = static_cast<UdpBus *>(self);
  pollfd waiting{.fd = bus->ears_.number(), .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, WAIT_MS) <= 0) return;
  std::array<uint8_t, MAX_DATAGRAM_BYTES> bytes{};
  alignas(cmsghdr) std::array<char, 128> remarks_room{};
  sockaddr_in from{};
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = remarks_room.data();
  message.msg_controllen = remarks_room.size();
  const ssize_t size = recvmsg(bus->ears_.number(), &message, MSG_DONTWAIT);
  if (size < 0) return;
  const Remarks remarks = remarks_of(message);
  const int64_t arrived_ns =
      remarks.realtime_ns ? monotonic_of_realtime_ns(*remarks.realtime_ns) : now_ns(CLOCK_MONOTONIC);
  if (remarks.dropped) bus->dropped_by_kernel_.store(*remarks.dropped, std::memory_order_relaxed);
  const bool cut = (message.msg_flags & MSG_TRUNC) != 0;
  bus->take(cut ? Bytes{} : Bytes{bytes}.first(static_cast<size_t>(size)), from,
            mono_of_monotonic_ns(arrived_ns));
}

void UdpBus::take(Bytes bytes, const sockaddr_in &from, uint64_t mono_us) {
  if (this->off_.load(std::memory_order_acquire)) return;
  Datagram datagram = read_datagram(bytes);
  const bool own = from.sin_port == this->own_port_;
  if (own) {
    uint64_t awaited = std::bit_cast<uint64_t>(datagram.timestamp);
    if (this->awaited_.compare_exchange_strong(awaited, 0, std::memory_order_acq_rel)) {
      this->sent_.push(mono_us);
      this->wake_->give();
    }
    return;
  }
  switch (datagram.kind) {
    case DatagramKind::FRAME:
      this->count(this->receive_errors_, -1);
      datagram.frame.mono_us = mono_us;
      this->received_.push(datagram.frame);
      this->wake_->give();
      break;
    case DatagramKind::MALFORMED:
      this->malformed_.fetch_add(1, std::memory_order_relaxed);
      [[fallthrough]];
    case DatagramKind::ERROR_FRAME:
      this->bus_errors_.fetch_add(1, std::memory_order_relaxed);
      this->count(this->receive_errors_, 1);
      break;
    case DatagramKind::FOREIGN:
      break;
  }
}

ControllerStatus UdpBus::status() {
  if (this->recovered_at_us_ != 0 && mono_us() >= this->recovered_at_us_) {
    this->recovered_at_us_ = 0;
    this->transmit_errors_.store(0, std::memory_order_relaxed);
    this->receive_errors_.store(0, std::memory_order_relaxed);
    this->off_.store(false, std::memory_order_release);
  }
  const uint32_t transmit = this->transmit_errors_.load(std::memory_order_relaxed);
  const uint32_t receive = this->receive_errors_.load(std::memory_order_relaxed);
  const bool off = this->off_.load(std::memory_order_acquire);
  const bool passive = transmit >= PASSIVE_FROM || receive >= PASSIVE_FROM;
  return {
      .state = this->wake_ == nullptr ? ControllerState::STOPPED
               : off                  ? ControllerState::BUS_OFF
               : passive              ? ControllerState::PASSIVE
                                      : ControllerState::ACTIVE,
      .transmit_errors = static_cast<uint8_t>(transmit > 255 ? 255 : transmit),
      .receive_errors = static_cast<uint8_t>(receive > 255 ? 255 : receive),
      .bus_errors = this->bus_errors_.load(std::memory_order_relaxed),
      .missed = this->received_.refused() + this->dropped_by_kernel_.load(std::memory_order_relaxed),
      .bus_offs = this->bus_offs_,
  };
}

void UdpBus::recover() {
  if (this->recovered_at_us_ == 0 && this->off_.load(std::memory_order_acquire) && this->wake_ != nullptr) {
    this->recovered_at_us_ = mono_us() + this->recovery_us_;
  }
}

}  // namespace esphome::microgrid
#endif  // USE_ESP32

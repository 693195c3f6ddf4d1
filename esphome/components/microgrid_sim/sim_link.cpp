#ifdef USE_HOST
#include "sim_link.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace esphome::microgrid::sim {

namespace {

constexpr uint64_t BELIEVED_US = 100'000;  // ten beats
constexpr int64_t ANSWER_NS = 100'000'000;
constexpr int WAIT_MS = 50;

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

sockaddr_in place_of(const Endpoint &endpoint) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = endpoint.address;
  place.sin_port = htons(endpoint.port);
  return place;
}

}  // namespace

SimLink::~SimLink() {
  if (this->socket_ >= 0) close(this->socket_);
}

bool SimLink::open(const Endpoint &group) {
  this->socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (this->socket_ < 0) return false;
  const int yes = 1;
  const sockaddr_in place = place_of(group);
  ip_mreq membership{};
  membership.imr_multiaddr.s_addr = group.address;
  membership.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
  this->task_.emplace();
  return setsockopt(this->socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
         // Bound to the group: what others send to the same port of other groups is not for us.
         bind(this->socket_, reinterpret_cast<const sockaddr *>(&place), sizeof(place)) == 0 &&
         setsockopt(this->socket_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)) == 0 &&
         this->task_->start("sim", SimLink::run, this, Priority::BUS, 0);
}

std::optional<Fast> SimLink::newest(uint64_t mono_us) const {
  const Arrived arrived = this->arrived_.load();
  if (arrived.mono_us == 0 || mono_us > arrived.mono_us + BELIEVED_US) return std::nullopt;
  return arrived.fast;
}

void SimLink::set_flag(uint32_t flag, bool on) {
  if (on) {
    this->flags_.fetch_or(flag, std::memory_order_relaxed);
  } else {
    this->flags_.fetch_and(~flag, std::memory_order_relaxed);
  }
}

uint32_t SimLink::flags() const {
  uint32_t flags = this->flags_.load(std::memory_order_relaxed);
  if (this->commanded_ && this->node_.readings.get(*this->commanded_) == 1) flags |= COMMANDED;
  return flags;
}

void SimLink::run(void *self) {
  auto *link = static_cast<SimLink *>(self);
  link->receive();
  link->answer();
}

void SimLink::receive() {
  pollfd waiting{.fd = this->socket_, .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, WAIT_MS) <= 0) return;
  std::array<uint8_t, MAX_DATAGRAM_BYTES> room;
  sockaddr_in from{};
  socklen_t from_size = sizeof(from);
  const ssize_t size = recvfrom(this->socket_, room.data(), room.size(), MSG_TRUNC,
                                reinterpret_cast<sockaddr *>(&from), &from_size);
  if (size <= 0 || static_cast<size_t>(size) > room.size()) return;
  this->simulator_ = {.address = from.sin_addr.s_addr, .port = ntohs(from.sin_port)};
  this->take(Bytes{room}.first(static_cast<size_t>(size)));
}

void SimLink::take(Bytes datagram) {
  const Identity &who = this->node_.identity;
  if (this->slot_) {
    if (const auto fast = read_fast(datagram, who.role, *this->slot_)) {
      this->arrived_.store({.fast = *fast, .mono_us = mono_us()});
      return;
    }
  }
  const auto slow = read_slow(datagram, who.role, who.node);
  if (!slow) return;
  this->slot_ = slow->slot;
  this->heard_ = true;
  Readings &readings = this->node_.readings;
  ByteReader values{slow->values};
  for (uint8_t i = 0; i < slow->count; i++) {
    const auto value = next_value(values);
    if (!value) return;
    const auto rows = readings.rows();
    const auto row = std::ranges::find(rows, value->key, &MetricRow::key);
    if (row != rows.end()) readings.set_value(static_cast<size_t>(row - rows.begin()), value->value);
  }
}

void SimLink::answer() {
  const int64_t now_ns = monotonic_ns();
  const uint32_t flags = this->flags();
  if (!this->heard_ || (flags == this->answered_flags_ && now_ns - this->answered_ns_ < ANSWER_NS)) return;
  this->answered_flags_ = flags;
  this->answered_ns_ = now_ns;
  const uint64_t now_us = mono_of_monotonic_ns(now_ns);
  const Timeline time = this->node_.clock.timeline();
  std::array<uint8_t, ANSWER_BYTES> room;
  write_answer({.role = this->node_.identity.role,
                .slot = *this->slot_,
                .flags = flags | (time.valid(now_us) ? TIME_VALID : 0),
                .boot_id = this->node_.identity.boot_id,
                .monotonic_ns = now_ns,
                .utc_us = time.known ? time.utc_us(now_us) : 0,
                .error_us = time.error_us(now_us)},
               room);
  const sockaddr_in to = place_of(this->simulator_);
  // Nobody waits for an answer: the next one comes soon.
  sendto(this->socket_, room.data(), room.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr *>(&to),
         sizeof(to));
}

}  // namespace esphome::microgrid::sim

#endif

#include "network_time_socket.h"

#include "platform.h"

#ifdef USE_ESP32
#include <lwip/dns.h>
#include <lwip/pbuf.h>
#include <lwip/tcpip.h>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#endif

namespace esphome::microgrid {

#ifdef USE_ESP32

bool TimeSocket::send(const TimePacket &packet) {
  if (this->reference() == 0 || !this->looked_up_.load(std::memory_order_acquire)) {
    // First the address; the question is asked when it is known.
    tcpip_try_callback(TimeSocket::step, this);
    return false;
  }
  this->sent_us_ = mono_us();  // until the task says when it was
  return this->questions_.push(packet) && tcpip_try_callback(TimeSocket::step, this) == ERR_OK;
}

std::optional<TimeTransport::Arrival> TimeSocket::receive() {
  while (const auto sent = this->sent_.pop()) this->sent_us_ = *sent;
  return this->arrivals_.pop();
}

void TimeSocket::found(const ip_addr_t &address) {
  // IPv4: the servers of a site, and what the names of public pools mean by default.
  if (!IP_IS_V4(&address)) return;
  this->address_ = address;
  this->reference_.store(ip4_addr_get_u32(ip_2_ip4(&address)), std::memory_order_relaxed);
  this->looked_up_.store(true, std::memory_order_release);
}

void TimeSocket::on_found(const char * /*name*/, const ip_addr_t *address, void *self) {
  auto *socket = static_cast<TimeSocket *>(self);
  socket->looking_up_ = false;
  if (address != nullptr) socket->found(*address);
}

void TimeSocket::on_packet(void *self, udp_pcb * /*from*/, pbuf *buffer, const ip_addr_t *address,
                           uint16_t port) {
  const uint64_t now = mono_us();
  auto *socket = static_cast<TimeSocket *>(self);
  if (port == socket->port_ && ip4_addr_get_u32(ip_2_ip4(address)) == socket->reference()) {
    Arrival arrival{.packet = {}, .bytes = 0, .mono_us = now};
    arrival.bytes = pbuf_copy_partial(buffer, arrival.packet.data(), arrival.packet.size(), 0);
    socket->arrivals_.push(arrival);
  }
  pbuf_free(buffer);
}

void TimeSocket::step(void *self) {
  auto *socket = static_cast<TimeSocket *>(self);
  if (!socket->looked_up_.load(std::memory_order_acquire) && !socket->looking_up_) {
    ip_addr_t address{};
    const err_t looked = dns_gethostbyname(socket->server_, &address, TimeSocket::on_found, socket);
    if (looked == ERR_OK) socket->found(address);
    socket->looking_up_ = looked == ERR_INPROGRESS;
  }
  if (socket->socket_ == nullptr) {
    socket->socket_ = udp_new();
    if (socket->socket_ == nullptr) return;
    udp_recv(socket->socket_, TimeSocket::on_packet, socket);
  }
  while (const auto question = socket->questions_.pop()) {
    pbuf *buffer = pbuf_alloc(PBUF_TRANSPORT, TIME_PACKET_BYTES, PBUF_RAM);
    if (buffer == nullptr) return;
    pbuf_take(buffer, question->data(), TIME_PACKET_BYTES);
    const uint64_t now = mono_us();
    if (udp_sendto(socket->socket_, buffer, &socket->address_, socket->port_) == ERR_OK)
      socket->sent_.push(now);
    pbuf_free(buffer);
  }
}

#else

namespace {

int64_t now_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// When the kernel got a message, by our counter; now, when it does not say.
uint64_t arrival_us(msghdr &message) {
  const int64_t monotonic_ns = now_ns(CLOCK_MONOTONIC);
  int64_t age_ns = 0;
  for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(header), sizeof(time));
    age_ns = now_ns(CLOCK_REALTIME) - (static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec);
  }
  return mono_of_monotonic_ns(monotonic_ns - age_ns);
}

}  // namespace

TimeSocket::~TimeSocket() {
  if (this->socket_ >= 0) close(this->socket_);
}

bool TimeSocket::open() {
  if (this->socket_ >= 0) return true;
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(this->port_);
  if (inet_pton(AF_INET, this->server_, &server.sin_addr) != 1) return false;
  const int opened = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (opened < 0) return false;
  const int on = 1;
  // Connected: what others send does not arrive.
  if (setsockopt(opened, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0 ||
      connect(opened, reinterpret_cast<const sockaddr *>(&server), sizeof(server)) != 0) {
    close(opened);
    return false;
  }
  this->socket_ = opened;
  this->reference_ = ntohl(server.sin_addr.s_addr);
  return true;
}

bool TimeSocket::send(const TimePacket &packet) {
  if (!this->open()) return false;
  this->sent_us_ = mono_us();
  return ::send(this->socket_, packet.data(), packet.size(), 0) == static_cast<ssize_t>(packet.size());
}

std::optional<TimeTransport::Arrival> TimeSocket::receive() {
  if (this->socket_ < 0) return std::nullopt;
  Arrival arrival{};
  alignas(cmsghdr) std::array<char, 64> remarks{};
  iovec part{.iov_base = arrival.packet.data(), .iov_len = arrival.packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = remarks.data();
  message.msg_controllen = remarks.size();
  const ssize_t size = recvmsg(this->socket_, &message, MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  arrival.bytes = static_cast<size_t>(size);
  arrival.mono_us = arrival_us(message);
  return arrival;
}

#endif

}  // namespace esphome::microgrid

// Several nodes of one process on the CAN bus of the PC.
#include "esphome/components/microgrid_can/udp_bus.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace esphome::microgrid {
namespace {

/// Tests that run at the same time do not meet.
uint16_t free_port() {
  const Descriptor probe{socket(AF_INET, SOCK_DGRAM, 0)};
  sockaddr_in place{};
  place.sin_family = AF_INET;
  socklen_t size = sizeof(place);
  EXPECT_EQ(bind(probe.number(), reinterpret_cast<const sockaddr *>(&place), size), 0);
  EXPECT_EQ(getsockname(probe.number(), reinterpret_cast<sockaddr *>(&place), &size), 0);
  return ntohs(place.sin_port);
}

CanFrame frame(uint32_t identifier, uint8_t first) {
  return {.identifier = identifier, .mono_us = 0, .length = 2, .data = {first, 7}};
}

struct Node {
  explicit Node(uint16_t port) : bus{{.port = port}} { EXPECT_TRUE(this->bus.open(500'000, this->wake)); }

  std::optional<CanFrame> next() {
    for (int i = 0; i < 200; i++) {
      if (auto received = this->bus.receive()) return received;
      this->wake.wait(10'000);
    }
    return std::nullopt;
  }
  std::optional<uint64_t> sent() {
    for (int i = 0; i < 200; i++) {
      if (auto time = this->bus.sent_us()) return time;
      this->wake.wait(10'000);
    }
    return std::nullopt;
  }

  Signal wake;
  UdpBus bus;
};

void throw_at(uint16_t port, const std::string &bytes) {
  const Descriptor thrower{socket(AF_INET, SOCK_DGRAM, 0)};
  const in_addr loopback{.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(thrower.number(), IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback));
  sockaddr_in group{};
  group.sin_family = AF_INET;
  group.sin_port = htons(port);
  inet_pton(AF_INET, UdpBusSettings{}.group, &group.sin_addr);
  sendto(thrower.number(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr *>(&group),
         sizeof(group));
}

TEST(UdpBus, carries_frames_to_all_others) {
  const uint16_t port = free_port();
  Node a{port};
  Node b{port};
  Node c{port};
  for (uint8_t i = 0; i < 100; i++) ASSERT_TRUE(a.bus.send(frame(0x201, i), false));
  for (Node *node : {&b, &c}) {
    for (uint8_t i = 0; i < 100; i++) {
      const auto received = node->next();
      ASSERT_TRUE(received);
      EXPECT_EQ(received->identifier, 0x201U);
      EXPECT_EQ(received->data[0], i);
    }
    EXPECT_EQ(node->bus.status().missed, 0U);
  }
  EXPECT_FALSE(a.bus.receive()) << "its own frames are not for the sender";
}

TEST(UdpBus, hears_nothing_of_other_groups_on_the_same_port) {
  const uint16_t port = free_port();
  Node node{port};
  Node peer{port};
  Signal wake;
  // Joined by somebody on this machine, which is enough for the kernel to deliver it to every socket of the
  // port.
  UdpBus neighbour{{.group = "239.74.163.77", .port = port}};
  ASSERT_TRUE(neighbour.open(500'000, wake));
  ASSERT_TRUE(neighbour.send(frame(0x201, 1), false));
  ASSERT_TRUE(peer.bus.send(frame(0x202, 2), false));
  const auto received = node.next();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->identifier, 0x202U);
  EXPECT_FALSE(node.bus.receive());
}

TEST(UdpBus, stamps_a_frame_alike_at_both_ends) {
  const uint16_t port = free_port();
  Node a{port};
  Node b{port};
  for (int i = 0; i < 20; i++) {
    const uint64_t before = mono_us();
    ASSERT_TRUE(a.bus.send(frame(0x001, 1), true));
    const auto sent = a.sent();
    const auto received = b.next();
    ASSERT_TRUE(sent);
    ASSERT_TRUE(received);
    EXPECT_GE(*sent + 5, before);  // two readings of two clocks lie between
    EXPECT_LE(*sent, mono_us() + 5);
    EXPECT_NEAR(static_cast<double>(*sent), static_cast<double>(received->mono_us), 1000);
  }
  ASSERT_TRUE(a.bus.send(frame(0x001, 1), false));
  ASSERT_TRUE(b.next());
  EXPECT_FALSE(a.bus.sent_us()) << "nobody asked for it";
}

TEST(UdpBus, counts_hostile_datagrams) {
  const uint16_t port = free_port();
  Node node{port};
  Node peer{port};
  for (int i = 0; i < 200; i++) throw_at(port, std::string(static_cast<size_t>(i) * 5, static_cast<char>(i)));
  ASSERT_TRUE(peer.bus.send(frame(0x123, 9), false));
  const auto received = node.next();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->identifier, 0x123U);
  const ControllerStatus status = node.bus.status();
  EXPECT_EQ(node.bus.malformed(), 200U);
  EXPECT_EQ(status.bus_errors, 200U);
  EXPECT_EQ(status.state, ControllerState::PASSIVE);
  for (int i = 0; i < 100; i++) {
    ASSERT_TRUE(peer.bus.send(frame(0x123, 9), false));
    ASSERT_TRUE(node.next());
  }
  EXPECT_EQ(node.bus.status().state, ControllerState::ACTIVE) << "good frames make up for it";
}

TEST(UdpBus, says_what_is_missed) {
  const uint16_t port = free_port();
  Node sleeper{port};
  Node sender{port};
  constexpr uint32_t SENT = 2000;
  for (uint32_t i = 1; i < SENT; i++) ASSERT_TRUE(sender.bus.send(frame(0x700, 0), false));
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  uint32_t received = 0;
  while (sleeper.bus.receive()) received++;
  // The kernel tells with the next datagram how many it had to drop before.
  ASSERT_TRUE(sender.bus.send(frame(0x701, 0), false));
  ASSERT_TRUE(sleeper.next());
  received++;
  EXPECT_LT(received, SENT);
  EXPECT_EQ(received + sleeper.bus.status().missed, SENT);
}

TEST(UdpBus, is_not_there_without_an_interface_or_a_group) {
  Signal wake;
  UdpBus nowhere{{.group = "239.74.163.2", .port = free_port(), .interface = "203.0.113.77"}};
  EXPECT_FALSE(nowhere.open(500'000, wake));
  EXPECT_EQ(nowhere.status().state, ControllerState::STOPPED);
  EXPECT_FALSE(nowhere.send(frame(1, 1), false));
  UdpBus no_group{{.group = "bus.example", .port = free_port()}};
  EXPECT_FALSE(no_group.open(500'000, wake));
}

}  // namespace
}  // namespace esphome::microgrid

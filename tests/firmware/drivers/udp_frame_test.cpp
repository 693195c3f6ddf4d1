// CAN frames in datagrams: what is written is read again, and nothing else is taken for a frame.
#include "esphome/components/microgrid_can/udp_frame.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace esphome::microgrid {
namespace {

using Packet = std::vector<uint8_t>;

Packet written(const CanFrame &frame, double timestamp = 1.5) {
  Packet packet(MAX_DATAGRAM_BYTES);
  packet.resize(write_datagram(frame, timestamp, packet));
  return packet;
}

CanFrame frame(uint32_t identifier, std::initializer_list<uint8_t> data) {
  CanFrame made{
      .identifier = identifier, .mono_us = 0, .length = static_cast<uint8_t>(data.size()), .data = {}};
  std::copy(data.begin(), data.end(), made.data.begin());
  return made;
}

void text(Packet &packet, std::string_view value) {
  packet.push_back(static_cast<uint8_t>(0xA0 | value.size()));
  packet.insert(packet.end(), value.begin(), value.end());
}

/// A map with an identifier, a length and data, of which one field is replaced by raw bytes.
Packet with(std::string_view name, const Packet &value) {
  Packet packet{0x84};
  const std::vector<std::pair<std::string_view, Packet>> fields{{"arbitration_id", {0x7B}},
                                                                {"dlc", {0x02}},
                                                                {"data", {0xC4, 0x02, 0x11, 0x22}},
                                                                {"is_extended_id", {0xC2}}};
  bool replaced = false;
  for (const auto &[key, usual] : fields) {
    text(packet, key);
    const Packet &bytes = key == name ? value : usual;
    replaced = replaced || key == name;
    packet.insert(packet.end(), bytes.begin(), bytes.end());
  }
  if (!replaced && !name.empty()) {
    packet[0]++;
    text(packet, name);
    packet.insert(packet.end(), value.begin(), value.end());
  }
  return packet;
}

TEST(UdpFrame, reads_what_it_wrote) {
  for (const CanFrame &sent :
       {frame(0, {}), frame(0x7EF, {1, 2, 3, 4, 5, 6, 7, 8}), frame(CAN_EXTENDED | 0x1FFFFFFF, {9}),
        frame(CAN_REMOTE | 0x123, {}), frame(CAN_EXTENDED | CAN_REMOTE | 5, {})}) {
    const Datagram read = read_datagram(written(sent, 12.25));
    ASSERT_EQ(read.kind, DatagramKind::FRAME);
    EXPECT_EQ(read.frame.identifier, sent.identifier);
    EXPECT_EQ(read.frame.length, sent.length);
    EXPECT_EQ(read.frame.data, sent.data);
    EXPECT_EQ(read.timestamp, 12.25);
  }
}

TEST(UdpFrame, reads_every_way_to_write_a_number) {
  const std::vector<Packet> ways{{0x7B},
                                 {0xCC, 0x7B},
                                 {0xCD, 0x00, 0x7B},
                                 {0xCE, 0, 0, 0, 0x7B},
                                 {0xCF, 0, 0, 0, 0, 0, 0, 0, 0x7B},
                                 {0xD0, 0x7B},
                                 {0xD1, 0x00, 0x7B},
                                 {0xD2, 0, 0, 0, 0x7B},
                                 {0xD3, 0, 0, 0, 0, 0, 0, 0, 0x7B}};
  for (const Packet &way : ways) {
    const Datagram read = read_datagram(with("arbitration_id", way));
    ASSERT_EQ(read.kind, DatagramKind::FRAME);
    EXPECT_EQ(read.frame.identifier, 0x7BU);
    EXPECT_EQ(read.frame.data[1], 0x22);
  }
}

TEST(UdpFrame, tells_frames_from_what_is_none) {
  EXPECT_EQ(read_datagram(with("", {})).kind, DatagramKind::FRAME);
  EXPECT_EQ(read_datagram(with("is_error_frame", {0xC3})).kind, DatagramKind::ERROR_FRAME);
  EXPECT_EQ(read_datagram(with("is_fd", {0xC3})).kind, DatagramKind::FOREIGN);
  EXPECT_EQ(read_datagram(with("of_a_later_version", {0xA1, 'x'})).kind, DatagramKind::FRAME);
  const std::vector<std::pair<std::string_view, Packet>> wrong{
      {"arbitration_id", {0xCD, 0x08, 0x00}},  // 0x800 has no room in eleven bits
      {"arbitration_id", {0xFF}},              // negative
      {"arbitration_id", {0xCF, 0xFF, 0, 0, 0, 0, 0, 0, 0}},
      {"arbitration_id", {0xA1, '5'}},  // a text
      {"arbitration_id", {0xC0}},       // nothing
      {"dlc", {0x03}},                  // not as many as data
      {"dlc", {0x09}},
      {"dlc", {0xFF}},
      {"data", {0xA2, 1, 2}},                    // a text
      {"data", {0xC6, 0xFF, 0xFF, 0xFF, 0xFF}},  // longer than the datagram
      {"is_extended_id", {0x01}},                // a number
      {"more", {0x90}},                          // an array
      {"more", {0xC7, 0x00, 0x01}},              // an extension
  };
  for (const auto &[name, value] : wrong) {
    EXPECT_EQ(read_datagram(with(name, value)).kind, DatagramKind::MALFORMED) << name;
  }
  EXPECT_EQ(read_datagram(Bytes{}).kind, DatagramKind::MALFORMED);
  EXPECT_EQ(read_datagram(Packet{0x80}).kind, DatagramKind::MALFORMED) << "nothing said";
  EXPECT_EQ(read_datagram(Packet{0xDE, 0xFF, 0xFF}).kind, DatagramKind::MALFORMED);
  EXPECT_EQ(read_datagram(Packet(MAX_DATAGRAM_BYTES + 1, 0x80)).kind, DatagramKind::MALFORMED);
}

TEST(UdpFrame, refuses_what_is_cut_off_or_goes_on) {
  const Packet whole = written(frame(0x123, {1, 2, 3}));
  for (size_t size = 0; size < whole.size(); size++) {
    EXPECT_EQ(read_datagram(Bytes{whole}.first(size)).kind, DatagramKind::MALFORMED) << size;
  }
  Packet longer = whole;
  longer.push_back(0xC0);
  EXPECT_EQ(read_datagram(longer).kind, DatagramKind::MALFORMED);
}

TEST(UdpFrame, survives_flipped_bits) {
  std::mt19937 dice{5};
  const Packet whole = written(frame(0x123, {1, 2, 3, 4, 5, 6, 7, 8}));
  for (int i = 0; i < 20'000; i++) {
    Packet damaged = whole;
    for (int flips = 1 + static_cast<int>(dice() % 4); flips > 0; flips--) {
      damaged[dice() % damaged.size()] ^= static_cast<uint8_t>(1U << dice() % 8);
    }
    const Datagram read = read_datagram(damaged);
    ASSERT_LE(read.frame.length, 8);
  }
}

}  // namespace
}  // namespace esphome::microgrid

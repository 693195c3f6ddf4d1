// ISO-TP: messages of every length arrive, and whatever goes wrong on the way ends in an error of its own, in
// time.
#include "esphome/components/microgrid_can/isotp.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace esphome::microgrid {
namespace {

using Message = std::vector<uint8_t>;

Message some(size_t size, uint32_t seed = 1) {
  std::mt19937 dice(seed);
  Message message(size);
  for (uint8_t &byte : message) byte = static_cast<uint8_t>(dice());
  return message;
}

/// Sender and receiver on a bus of which every frame takes a while, and of which some can be changed or lost.
struct Bus {
  explicit Bus(size_t room_bytes, const IsoTpSettings &receiver_settings = {},
               const IsoTpSettings &sender_settings = {})
      : room(room_bytes), sender(sender_settings), receiver(room, receiver_settings) {}

  bool start(const Message &to_send) {
    this->message = to_send;
    return this->sender.start(this->message, this->now_us);
  }

  /// Until nobody has anything to do, at most `limit_us`.
  void run(uint64_t limit_us = 3'600'000'000) {
    const uint64_t end_us = this->now_us + limit_us;
    while (this->now_us < end_us) {
      bool moved = false;
      if (const IsoTpFrame *due = this->sender.due(this->now_us)) {
        const IsoTpFrame frame = *due;
        this->sender.sent(this->now_us);
        this->frames++;
        this->data_times.push_back(this->now_us);
        if (!this->loses || !this->loses(frame)) this->receiver.receive(frame.bytes(), this->now_us);
        moved = true;
      }
      if (const IsoTpFrame *due = this->receiver.due(this->now_us)) {
        const IsoTpFrame frame = *due;
        this->receiver.sent(this->now_us);
        this->flow_controls++;
        if (!this->loses_flow_control) this->sender.receive(frame.bytes(), this->now_us);
        moved = true;
      }
      const bool over =
          this->sender.state() != IsoTpState::BUSY && this->receiver.state() != IsoTpState::BUSY;
      if (over && !moved) return;
      this->now_us += moved ? 250 : 10'000;
    }
  }

  Message message;
  Message room;
  IsoTpSender sender;
  IsoTpReceiver receiver;
  std::function<bool(const IsoTpFrame &)> loses;
  bool loses_flow_control{false};
  uint64_t now_us{1'000'000};
  uint32_t frames{0};
  uint32_t flow_controls{0};
  std::vector<uint64_t> data_times;
};

void expect_arrival(Bus &bus, const Message &message) {
  ASSERT_TRUE(bus.start(message));
  bus.run();
  ASSERT_EQ(bus.sender.state(), IsoTpState::DONE) << message.size();
  ASSERT_EQ(bus.receiver.state(), IsoTpState::DONE) << message.size();
  const Bytes got = bus.receiver.message();
  ASSERT_TRUE(std::equal(got.begin(), got.end(), message.begin(), message.end())) << message.size();
}

TEST(IsoTp, every_length_arrives) {
  for (const bool padded : {true, false}) {
    for (const int block_size : {0, 1, 2, 16, 255}) {
      Bus bus(70'000, {.pad = padded, .block_size = static_cast<uint8_t>(block_size)}, {.pad = padded});
      for (size_t size = 1; size < 300; size++) expect_arrival(bus, some(size));
      for (const size_t size : {4094U, 4095U, 4096U, 4097U, 65'535U, 65'536U, 70'000U})
        expect_arrival(bus, some(size));
    }
  }
}

TEST(IsoTp, frames_look_as_the_standard_says) {
  IsoTpSender sender({.pad = false});
  const auto first_frame = [&](const Message &message) {
    EXPECT_TRUE(sender.start(message, 0));
    const IsoTpFrame *frame = sender.due(0);
    const Message bytes(frame->bytes().begin(), frame->bytes().end());
    sender.abort();
    return bytes;
  };
  EXPECT_EQ(first_frame({0xA, 0xB}), (Message{0x02, 0xA, 0xB}));
  EXPECT_EQ(first_frame(Message(8, 1)), (Message{0x10, 0x08, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(first_frame(Message(4095, 1)), (Message{0x1F, 0xFF, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(first_frame(Message(4096, 1)), (Message{0x10, 0, 0, 0, 0x10, 0, 1, 1}));
  EXPECT_EQ(first_frame(Message(500'000, 1)), (Message{0x10, 0, 0, 0x07, 0xA1, 0x20, 1, 1}));

  Message room(100);
  IsoTpReceiver receiver(room, {.pad = true, .block_size = 5, .st_min = 0xF3});
  receiver.receive(Message{0x10, 0x08, 1, 2, 3, 4, 5, 6}, 0);
  const IsoTpFrame *frame = receiver.due(0);
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(Message(frame->bytes().begin(), frame->bytes().end()),
            (Message{0x30, 5, 0xF3, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC}));
}

TEST(IsoTp, keeps_the_separation_that_the_receiver_asks_for) {
  EXPECT_EQ(iso_tp_separation_us(0), 0U);
  EXPECT_EQ(iso_tp_separation_us(0x7F), 127'000U);
  EXPECT_EQ(iso_tp_separation_us(0xF1), 100U);
  EXPECT_EQ(iso_tp_separation_us(0xF9), 900U);
  for (const int reserved : {0x80, 0xF0, 0xFA, 0xFF})
    EXPECT_EQ(iso_tp_separation_us(static_cast<uint8_t>(reserved)), 127'000U);
  Bus bus(1000, {.block_size = 0, .st_min = 20});
  expect_arrival(bus, some(500));
  for (size_t i = 2; i < bus.data_times.size(); i++)
    EXPECT_GE(bus.data_times[i] - bus.data_times[i - 1], 20'000U);
}

TEST(IsoTp, asks_after_every_block) {
  Bus bus(1000, {.block_size = 4});
  expect_arrival(bus, Message(6 + 7 * 12, 1));
  EXPECT_EQ(bus.frames, 13U);
  EXPECT_EQ(bus.flow_controls, 3U) << "none after the last frame";
}

TEST(IsoTp, a_lost_frame_fails_and_the_next_message_arrives) {
  Bus bus(1000);
  bus.loses = [&](const IsoTpFrame &) { return bus.frames == 5; };
  ASSERT_TRUE(bus.start(some(900)));
  bus.run();
  EXPECT_EQ(bus.receiver.error(), IsoTpError::WRONG_SEQUENCE);
  EXPECT_EQ(bus.sender.error(), IsoTpError::FLOW_CONTROL_TIMEOUT);
  EXPECT_EQ(bus.receiver.failed(), 1U);
  EXPECT_TRUE(bus.receiver.message().empty());
  bus.loses = nullptr;
  expect_arrival(bus, some(900, 2));
}

TEST(IsoTp, a_frame_that_comes_twice_fails) {
  Message room(100);
  IsoTpReceiver receiver(room);
  receiver.receive(Message{0x10, 40, 1, 2, 3, 4, 5, 6}, 0);
  receiver.sent(0);
  receiver.receive(Message{0x21, 1, 2, 3, 4, 5, 6, 7}, 10);
  EXPECT_EQ(receiver.state(), IsoTpState::BUSY);
  receiver.receive(Message{0x21, 1, 2, 3, 4, 5, 6, 7}, 20);
  EXPECT_EQ(receiver.error(), IsoTpError::WRONG_SEQUENCE);
}

TEST(IsoTp, nobody_waits_for_ever) {
  Bus bus(1000);
  bus.loses_flow_control = true;
  ASSERT_TRUE(bus.start(some(100)));
  const uint64_t start_us = bus.now_us;
  bus.run();
  EXPECT_EQ(bus.sender.error(), IsoTpError::FLOW_CONTROL_TIMEOUT);
  EXPECT_EQ(bus.receiver.error(), IsoTpError::FRAME_TIMEOUT);
  EXPECT_LE(bus.now_us - start_us, 1'100'000U);

  IsoTpSender sender;
  const Message message = some(3);
  ASSERT_TRUE(sender.start(message, 0));
  EXPECT_NE(sender.due(1'000'000), nullptr);
  EXPECT_EQ(sender.due(1'000'001), nullptr);
  EXPECT_EQ(sender.error(), IsoTpError::SEND_TIMEOUT);

  Message room(100);
  IsoTpReceiver receiver(room);
  receiver.receive(Message{0x10, 40, 1, 2, 3, 4, 5, 6}, 0);
  EXPECT_NE(receiver.due(1'000'000), nullptr);
  EXPECT_EQ(receiver.due(1'000'001), nullptr);
  EXPECT_EQ(receiver.error(), IsoTpError::SEND_TIMEOUT);
}

TEST(IsoTp, waits_only_so_often) {
  IsoTpSender sender({.max_waits = 3});
  const Message message = some(100);
  ASSERT_TRUE(sender.start(message, 0));
  sender.sent(0);
  uint64_t now_us = 0;
  for (int i = 0; i < 3; i++) {
    now_us += 900'000;
    sender.receive(Message{0x31, 0, 0}, now_us);
    EXPECT_EQ(sender.due(now_us), nullptr);
    EXPECT_EQ(sender.state(), IsoTpState::BUSY);
  }
  sender.receive(Message{0x31, 0, 0}, now_us);
  EXPECT_EQ(sender.error(), IsoTpError::TOO_MANY_WAITS);
}

TEST(IsoTp, refuses_what_has_no_room) {
  Bus bus(50);
  ASSERT_TRUE(bus.start(some(51)));
  bus.run();
  EXPECT_EQ(bus.sender.error(), IsoTpError::RECEIVER_OVERFLOW);
  EXPECT_EQ(bus.receiver.error(), IsoTpError::TOO_LONG);
  expect_arrival(bus, some(50));
  IsoTpSender sender;
  EXPECT_FALSE(sender.start({}, 0));
  EXPECT_EQ(sender.error(), IsoTpError::TOO_LONG);
}

TEST(IsoTp, an_unknown_flow_status_ends_the_message) {
  IsoTpSender sender;
  const Message message = some(100);
  ASSERT_TRUE(sender.start(message, 0));
  EXPECT_FALSE(sender.start(message, 0)) << "one at a time";
  sender.receive(Message{0x3F, 0, 0}, 0);
  EXPECT_EQ(sender.state(), IsoTpState::BUSY)
      << "nobody waits for a flow control before the first frame is out";
  sender.sent(0);
  sender.receive(Message{0x30, 0}, 0);
  EXPECT_EQ(sender.due(0), nullptr) << "too short to be one";
  sender.receive(Message{0x3F, 0, 0}, 0);
  EXPECT_EQ(sender.error(), IsoTpError::INVALID_FLOW_STATUS);
}

TEST(IsoTp, an_aborting_receiver_tells_at_the_end_of_the_block) {
  Bus bus(10'000, {.block_size = 8});
  bus.loses = [&](const IsoTpFrame &) {
    if (bus.frames == 20) bus.receiver.abort();
    return false;
  };
  ASSERT_TRUE(bus.start(some(9000)));
  bus.run();
  EXPECT_EQ(bus.receiver.error(), IsoTpError::ABORTED);
  EXPECT_EQ(bus.sender.error(), IsoTpError::RECEIVER_OVERFLOW);
  EXPECT_LE(bus.frames, 28U);
  bus.loses = nullptr;
  expect_arrival(bus, some(9000, 3));
}

TEST(IsoTp, an_aborting_sender_leaves_the_receiver_to_its_timeout) {
  Bus bus(10'000);
  bus.loses = [&](const IsoTpFrame &) {
    if (bus.frames == 20) bus.sender.abort();
    return false;
  };
  ASSERT_TRUE(bus.start(some(9000)));
  bus.run();
  EXPECT_EQ(bus.sender.error(), IsoTpError::ABORTED);
  EXPECT_EQ(bus.receiver.error(), IsoTpError::FRAME_TIMEOUT);
}

TEST(IsoTp, a_new_message_replaces_an_unfinished_one) {
  Message room(100);
  IsoTpReceiver receiver(room);
  receiver.receive(Message{0x10, 40, 1, 2, 3, 4, 5, 6}, 0);
  receiver.sent(0);
  receiver.receive(Message{0x02, 8, 9}, 10);
  EXPECT_EQ(receiver.failed(), 1U);
  ASSERT_EQ(receiver.state(), IsoTpState::DONE);
  EXPECT_EQ(Message(receiver.message().begin(), receiver.message().end()), (Message{8, 9}));
}

TEST(IsoTp, ignores_what_the_standard_says_to_ignore) {
  Message room(5000);
  IsoTpReceiver receiver(room);
  const Message ignored[] = {
      {},
      {0x00, 1, 2},                       // a single frame without length
      {0x03, 1, 2},                       // shorter than it says
      {0x08, 1, 2, 3, 4, 5, 6, 7},        // longer than a single frame can be
      {0x10, 7, 1, 2, 3, 4, 5, 6},        // would have been a single frame
      {0x10, 0, 0, 0, 0x0F, 0xFF, 1, 2},  // would have had a short length
      {0x10, 40, 1, 2, 3},                // a short first frame
      {0x21, 1, 2, 3, 4, 5, 6, 7},        // nobody began
      {0x30, 0, 0},                       // for the other direction
      {0x40, 1, 2},                       // of another protocol
      {0x02, 1, 2, 3, 4, 5, 6, 7, 8},     // CAN FD
  };
  for (const Message &frame : ignored) {
    receiver.receive(frame, 0);
    EXPECT_EQ(receiver.state(), IsoTpState::IDLE);
    EXPECT_EQ(receiver.due(0), nullptr);
  }
}

TEST(IsoTp, survives_any_frames) {
  std::mt19937 dice(4);
  Message room(600);
  IsoTpReceiver receiver(room);
  IsoTpSender sender;
  const Message message = some(500);
  uint64_t now_us = 0;
  for (int i = 0; i < 300'000; i++) {
    Message frame = some(dice() % 10, static_cast<uint32_t>(dice()));
    // Types and sequence numbers that go somewhere come more often.
    if (!frame.empty() && dice() % 2 == 0)
      frame[0] = static_cast<uint8_t>(dice() % 4 << 4 | (dice() % 3 == 0 ? dice() % 16 : 0));
    now_us += dice() % 1000 == 0 ? 2'000'000 : dice() % 300;
    receiver.receive(frame, now_us);
    sender.receive(frame, now_us);
    if (sender.due(now_us) != nullptr) sender.sent(now_us);
    if (receiver.due(now_us) != nullptr) receiver.sent(now_us);
    if (sender.state() != IsoTpState::BUSY) {
      EXPECT_TRUE(sender.start(message, now_us));
    }
    EXPECT_LE(receiver.message().size(), room.size());
  }
  EXPECT_GT(receiver.completed(), 1000U);
  EXPECT_GT(receiver.failed(), 1000U);
}

}  // namespace
}  // namespace esphome::microgrid

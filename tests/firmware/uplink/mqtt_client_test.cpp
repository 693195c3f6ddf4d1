// The MQTT client against a stream that plays the broker byte by byte.
#include "esphome/components/microgrid_uplink/mqtt_client.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace esphome::microgrid {
namespace {

using Packet = std::vector<uint8_t>;

/// What a socket does, under control: how much it takes at a time, when it breaks.
class Line final : public ByteStream {
 public:
  bool open() override {
    this->opened++;
    this->state_ = this->refuses ? State::CLOSED : State::OPEN;
    return !this->refuses;
  }
  State state() override { return this->state_; }
  void close() override {
    this->state_ = State::CLOSED;
    this->to_client.clear();
    this->partial.clear();
  }
  size_t read(std::span<uint8_t> room) override {
    const size_t count = std::min({room.size(), this->to_client.size(), this->read_limit});
    for (size_t i = 0; i < count; i++) {
      room[i] = this->to_client.front();
      this->to_client.pop_front();
    }
    return count;
  }
  size_t write(Bytes data) override {
    this->rests_ =
        !this->rests_ && this->write_limit < 100;  // a thin line takes something only every second time
    const size_t count = this->rests_ ? 0 : std::min(data.size(), this->write_limit);
    this->partial.insert(this->partial.end(), data.begin(),
                         data.begin() + static_cast<std::ptrdiff_t>(count));
    this->split();
    return count;
  }

  void say(const Packet &packet) {
    this->to_client.insert(this->to_client.end(), packet.begin(), packet.end());
  }
  void cut() { this->close(); }
  /// The packets that the client sent since the last call.
  std::vector<Packet> heard() { return std::exchange(this->packets, {}); }

  bool refuses{false};
  size_t read_limit{100'000};
  size_t write_limit{100'000};
  int opened{0};

 protected:
  void split() {
    while (this->partial.size() >= 2) {
      size_t length = 0;
      size_t at = 1;
      do {
        if (at == this->partial.size()) return;
        length |= static_cast<size_t>(this->partial[at] & 0x7F) << (7 * (at - 1));
      } while ((this->partial[at++] & 0x80) != 0);
      if (this->partial.size() < at + length) return;
      const auto end = this->partial.begin() + static_cast<std::ptrdiff_t>(at + length);
      this->packets.emplace_back(this->partial.begin(), end);
      this->partial.erase(this->partial.begin(), end);
    }
  }

  bool rests_{false};
  State state_{State::CLOSED};
  std::deque<uint8_t> to_client;
  Packet partial;
  std::vector<Packet> packets;
};

class Inbox final : public MessageReceiver {
 public:
  void received(std::string_view topic, Bytes payload) override {
    this->messages.push_back(std::string(topic) + "=" + std::string(payload.begin(), payload.end()));
  }
  std::vector<std::string> messages;
};

Packet message(std::string_view topic, std::string_view payload, uint8_t flags = 0, uint16_t id = 0) {
  Packet body{0, static_cast<uint8_t>(topic.size())};
  body.insert(body.end(), topic.begin(), topic.end());
  if ((flags & 0x06) != 0) body.insert(body.end(), {static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)});
  body.insert(body.end(), payload.begin(), payload.end());
  Packet packet{static_cast<uint8_t>(0x30 | flags)};
  for (size_t rest = body.size();; rest >>= 7) {
    packet.push_back(static_cast<uint8_t>((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)));
    if (rest <= 0x7F) break;
  }
  packet.insert(packet.end(), body.begin(), body.end());
  return packet;
}

class MqttClientTest : public testing::Test {
 protected:
  void run(uint64_t microseconds = 10'000) {
    for (uint64_t end = this->now_us_ + microseconds; this->now_us_ < end;) {
      this->now_us_ += 10'000;
      this->client_.loop(this->now_us_);
    }
  }
  void connect() {
    for (int i = 0; i < 4000 && this->line_.state() != ByteStream::State::OPEN; i++) this->run();
    this->run();
    this->greeting_ = this->line_.heard();
    this->line_.say({0x20, 2, 0, 0});
    this->run();
    ASSERT_NE(this->client_.connection(), 0U);
  }
  bool publish(std::string_view topic, std::string_view payload, uint8_t qos, bool retain = false) {
    return this->client_.publish(topic, bytes_of(payload), qos, retain);
  }

  Line line_;
  Inbox inbox_;
  std::array<uint8_t, 512> in_{};
  std::array<uint8_t, 2048> out_{};
  MqttSettings settings_{.client_id = "house-1",
                         .user = "me",
                         .password = "pw",
                         .will_topic = "a/state",
                         .will_payload = bytes_of("offline"),
                         .keep_alive_s = 10};
  MqttClient client_{line_, inbox_, settings_, in_, out_};
  uint64_t now_us_{0};
  std::vector<Packet> greeting_;
};

TEST_F(MqttClientTest, greets_with_will_user_and_password) {
  this->connect();
  ASSERT_EQ(this->greeting_.size(), 1U);
  const std::string_view expected("\x10\x2d\0\4MQTT\4\xec\0\x0a\0\7house-1\0\7a/state\0\7offline\0\2me\0\2pw",
                                  47);
  EXPECT_EQ(std::string(this->greeting_[0].begin(), this->greeting_[0].end()), expected);
}

TEST_F(MqttClientTest, publishes_and_repeats_over_a_break) {
  this->connect();
  EXPECT_TRUE(this->publish("t", "once", 0, true));
  EXPECT_TRUE(this->publish("t", "sure", 1));
  this->run();
  auto heard = this->line_.heard();
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_EQ(heard[0], message("t", "once", 0x01));
  EXPECT_EQ(heard[1], message("t", "sure", 0x02, 1));
  EXPECT_EQ(this->client_.waiting(), 1U);

  this->publish("t", "lost", 0);
  this->line_.cut();
  this->run();
  EXPECT_EQ(this->client_.connection(), 0U);
  EXPECT_FALSE(this->publish("t", "x", 1));
  this->connect();
  EXPECT_EQ(this->client_.connection(), 2U);
  this->run();
  heard = this->line_.heard();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0], message("t", "sure", 0x0A, 1));  // DUP
  this->line_.say({0x40, 2, 0, 1});
  this->run();
  EXPECT_EQ(this->client_.waiting(), 0U);
  EXPECT_EQ(this->client_.counters().repeated, 1U);
  EXPECT_EQ(this->client_.counters().losses, 1U);
}

TEST_F(MqttClientTest, writes_whole_packets_through_a_thin_line) {
  this->connect();
  this->line_.write_limit = 3;
  this->line_.read_limit = 1;
  this->publish("topic", std::string(300, 'x'), 1);
  this->publish("topic", std::string(200, 'y'), 0);
  this->run(50'000);
  this->line_.say(
      message("in", "hello", 0x02, 77));  // its acknowledgement must not cut the first message in two
  this->run(5'000'000);
  const auto heard = this->line_.heard();
  ASSERT_EQ(heard.size(), 3U);
  EXPECT_EQ(heard[0], message("topic", std::string(300, 'x'), 0x02, 1));
  EXPECT_EQ(heard[1], (Packet{0x40, 2, 0, 77}));
  EXPECT_EQ(heard[2], message("topic", std::string(200, 'y')));
  EXPECT_EQ(this->inbox_.messages, std::vector<std::string>{"in=hello"});
}

TEST_F(MqttClientTest, refuses_what_has_no_room) {
  this->connect();
  EXPECT_FALSE(this->publish("t", std::string(3000, 'x'), 1));
  this->line_.write_limit = 0;
  int taken = 0;
  while (this->publish("t", std::string(100, 'x'), 1)) taken++;
  EXPECT_EQ(taken, 19);  // of 107 bytes each
  EXPECT_EQ(this->client_.counters().no_room, 2U);
  this->line_.write_limit = 100'000;
  this->run();
  EXPECT_EQ(this->line_.heard().size(), 19U);
  for (uint8_t id = 19; id >= 1; id--) this->line_.say({0x40, 2, 0, id});  // in any order
  this->run();
  EXPECT_EQ(this->client_.waiting(), 0U);
  EXPECT_TRUE(this->publish("t", std::string(1900, 'x'), 1));
}

TEST_F(MqttClientTest, drops_and_acknowledges_what_is_too_large) {
  this->connect();
  this->line_.read_limit = 100;
  this->line_.say(message("big", std::string(200'000, 'x'), 0x02, 5));
  this->line_.say(message("small", "after", 0x02, 6));
  this->run(1'000'000);
  EXPECT_EQ(this->inbox_.messages, std::vector<std::string>{"small=after"});
  EXPECT_EQ(this->client_.counters().oversized, 1U);
  const auto heard = this->line_.heard();
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_EQ(heard[0], (Packet{0x40, 2, 0, 5}));
  EXPECT_EQ(heard[1], (Packet{0x40, 2, 0, 6}));
}

TEST_F(MqttClientTest, acknowledges_a_flood) {
  this->connect();
  for (uint16_t id = 1; id <= 500; id++) this->line_.say(message("t", "x", 0x02, id));
  this->run(1'000'000);
  EXPECT_EQ(this->inbox_.messages.size(), 500U);
  size_t bytes = 0;
  for (const Packet &packet : this->line_.heard()) bytes += packet.size();
  EXPECT_EQ(bytes, 2000U);
}

TEST_F(MqttClientTest, pings_and_gives_up_a_dead_line) {
  this->connect();
  this->run(5'100'000);
  auto heard = this->line_.heard();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0], (Packet{0xC0, 0}));
  this->line_.say({0xD0, 0});
  this->run(4'000'000);
  EXPECT_NE(this->client_.connection(), 0U);
  this->run(15'000'000);
  EXPECT_EQ(this->client_.counters().losses, 1U);
}

TEST_F(MqttClientTest, notices_a_line_that_only_takes) {
  this->connect();
  for (int i = 0; i < 25 && this->client_.counters().losses == 0; i++) {
    this->publish("t", "live", 0);
    this->run(1'000'000);
  }
  EXPECT_EQ(this->client_.counters().losses, 1U);
}

TEST_F(MqttClientTest, subscribes_anew_for_each_connection) {
  this->connect();
  EXPECT_TRUE(this->client_.subscribe("a/+"));
  this->run();
  const auto heard = this->line_.heard();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0], (Packet{0x82, 8, 0, 1, 0, 3, 'a', '/', '+', 1}));
  this->line_.say({0x90, 3, 0, 1, 1});
  this->run();
  EXPECT_EQ(this->client_.waiting(), 0U);
  this->client_.subscribe("b");
  this->line_.cut();
  this->run();
  EXPECT_EQ(this->client_.waiting(), 0U);
}

TEST_F(MqttClientTest, breaks_off_when_the_broker_breaks_the_rules) {
  for (const Packet &wrong :
       {Packet{0x20, 2, 0, 0}, Packet{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, Packet{0x40, 1, 0},
        message("t", "x", 0x04, 1), message("t", "x", 0x06, 1), message("t", "x", 0x02, 0), message("", "x"),
        Packet{0x30, 3, 0, 9, 'x'}, Packet{0xF0, 0}, Packet{0x10, 0}}) {
    const uint32_t before = this->client_.counters().protocol_errors;
    this->connect();
    this->line_.say(wrong);
    this->run();
    EXPECT_EQ(this->client_.counters().protocol_errors, before + 1);
    EXPECT_EQ(this->client_.connection(), 0U);
  }
  EXPECT_TRUE(this->inbox_.messages.empty());
}

TEST_F(MqttClientTest, comes_back_ever_more_slowly) {
  this->line_.refuses = true;
  this->run(300'000'000);
  EXPECT_GE(this->line_.opened, 10);
  EXPECT_LE(this->line_.opened, 18);  // 1, 2, 4 … 30 s
  this->line_.refuses = false;
  this->connect();
  this->line_.cut();
  this->run();
  const int before = this->line_.opened;
  this->run(1'300'000);
  EXPECT_EQ(this->line_.opened, before + 1);
}

TEST_F(MqttClientTest, waits_long_when_it_is_not_wanted) {
  this->run(20'000);
  this->line_.say({0x20, 2, 0, 5});
  this->run(20'000);
  EXPECT_EQ(this->client_.counters().refused, 1U);
  const int before = this->line_.opened;
  this->run(26'000'000);
  EXPECT_EQ(this->line_.opened, before);
}

TEST_F(MqttClientTest, says_goodbye) {
  this->connect();
  this->client_.disconnect();
  EXPECT_EQ(this->line_.heard(), std::vector<Packet>{(Packet{0xE0, 0})});
  EXPECT_EQ(this->client_.counters().losses, 0U);
}

}  // namespace
}  // namespace esphome::microgrid

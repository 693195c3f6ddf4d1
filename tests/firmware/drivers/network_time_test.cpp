// Questions to a time server and what is made of its answers.
#include "esphome/components/microgrid_core/network_time.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

namespace esphome::microgrid {
namespace {

constexpr int64_t UTC_US = 1'795'000'000'123'456;
constexpr uint64_t ERA = 2'208'988'800;

void put(TimePacket &packet, size_t offset, size_t bytes, uint64_t value) {
  for (size_t i = 0; i < bytes; i++)
    packet[offset + i] = static_cast<uint8_t>(value >> (8 * (bytes - 1 - i)));
}

uint64_t stamp(int64_t utc_us) {
  const auto seconds = static_cast<uint64_t>(utc_us / 1'000'000) + ERA;
  const auto fraction = (static_cast<uint64_t>(utc_us % 1'000'000) << 32) / 1'000'000 + 1;
  return seconds << 32 | fraction;
}

uint64_t cookie_of(const TimePacket &question) {
  uint64_t cookie = 0;
  for (size_t i = 40; i < 48; i++) cookie = cookie << 8 | question[i];
  return cookie;
}

TimePacket answer_to(uint64_t cookie, int64_t received_us, int64_t answered_us) {
  TimePacket packet{};
  packet[0] = 4 << 3 | 4;
  packet[1] = 2;
  put(packet, 4, 4, 0x0000'0200);  // root delay 7.8 ms
  put(packet, 8, 4, 0x0000'0080);  // root dispersion 1.95 ms
  put(packet, 24, 8, cookie);
  put(packet, 32, 8, stamp(received_us));
  put(packet, 40, 8, stamp(answered_us));
  return packet;
}

TEST(TimeAnswer, gives_times_and_error) {
  const TimeAnswer answer = read_time_answer(answer_to(77, UTC_US, UTC_US + 40), 77);
  EXPECT_EQ(answer.fault, AnswerFault::NONE);
  EXPECT_EQ(answer.received_utc_us, UTC_US);
  EXPECT_EQ(answer.answered_utc_us, UTC_US + 40);
  EXPECT_EQ(answer.error_us, 1953U + 3906U);
}

TEST(TimeAnswer, outlives_the_year_2036) {
  constexpr int64_t IN_2040 = 2'222'000'000'500'000;
  EXPECT_EQ(read_time_answer(answer_to(77, IN_2040, IN_2040), 77).received_utc_us, IN_2040);
}

TEST(TimeAnswer, refuses_what_is_none) {
  const TimePacket good = answer_to(77, UTC_US, UTC_US);
  const auto changed = [&](size_t offset, uint8_t value) {
    TimePacket packet = good;
    packet[offset] = value;
    return read_time_answer(packet, 77).fault;
  };
  EXPECT_EQ(read_time_answer(std::span{good}.first(47), 77).fault, AnswerFault::SHORT);
  EXPECT_EQ(read_time_answer({}, 77).fault, AnswerFault::SHORT);
  EXPECT_EQ(changed(0, 4 << 3 | 3), AnswerFault::MODE) << "our own question come back";
  EXPECT_EQ(changed(0, 4 << 3 | 5), AnswerFault::MODE) << "a broadcast";
  EXPECT_EQ(changed(0, 7 << 3 | 4), AnswerFault::MODE);
  EXPECT_EQ(changed(31, 78), AnswerFault::ORIGIN);
  EXPECT_EQ(read_time_answer(answer_to(0, UTC_US, UTC_US), 0).fault, AnswerFault::ORIGIN)
      << "nothing was asked";
  EXPECT_EQ(changed(1, 0), AnswerFault::KISS);
  EXPECT_EQ(changed(1, 16), AnswerFault::UNSYNCHRONISED);
  EXPECT_EQ(changed(0, 3 << 6 | 4 << 3 | 4), AnswerFault::UNSYNCHRONISED);
  EXPECT_EQ(changed(8, 0x01), AnswerFault::UNSYNCHRONISED) << "it may be 256 s wrong";
  TimePacket empty = good;
  put(empty, 40, 8, 0);
  EXPECT_EQ(read_time_answer(empty, 77).fault, AnswerFault::UNSYNCHRONISED);
}

TEST(TimeAnswer, survives_any_bytes) {
  std::mt19937 dice{7};
  TimePacket packet{};
  for (int i = 0; i < 50'000; i++) {
    for (uint8_t &byte : packet) byte = static_cast<uint8_t>(dice());
    const TimeAnswer answer = read_time_answer(std::span{packet}.first(dice() % 49), dice());
    EXPECT_NE(answer.fault, AnswerFault::NONE) << "nobody guesses 64 bits";
  }
}

/// A network with one server on it; time is what the test says.
class FakeNetwork final : public TimeTransport {
 public:
  bool send(const TimePacket &packet) override {
    if (!this->up) return false;
    this->questions.push_back(packet);
    this->sent_at = this->now_us;
    return true;
  }
  uint64_t sent_us() override { return this->sent_at; }
  std::optional<Arrival> receive() override {
    if (this->arrivals.empty()) return std::nullopt;
    const Arrival arrival = this->arrivals.front();
    this->arrivals.pop_front();
    return arrival;
  }
  uint32_t reference() override { return 42; }
  void look_up_again() override { this->looked_up++; }

  void deliver(const TimePacket &packet) {
    this->arrivals.push_back({.packet = packet, .bytes = packet.size(), .mono_us = this->now_us});
  }

  bool up{true};
  uint64_t now_us{1'000'000};
  uint64_t sent_at{0};
  std::deque<TimePacket> questions;
  std::deque<Arrival> arrivals;
  int looked_up{0};
};

class TimeClientTest : public ::testing::Test {
 protected:
  std::optional<Observation> poll_at(uint64_t now_us) {
    network.now_us = now_us;
    return client.poll(now_us);
  }
  uint32_t refused(AnswerFault fault) { return client.counters().refused[static_cast<size_t>(fault)]; }
  uint64_t cookie() { return cookie_of(network.questions.back()); }

  FakeNetwork network;
  TimeClient client{network};
};

TEST_F(TimeClientTest, asks_and_observes_every_ten_seconds_after_four_quick_ones) {
  constexpr std::array<uint64_t, 6> STARTS{1'000'000, 3'003'000,  5'006'000,
                                           7'009'000, 17'009'000, 27'009'000};
  for (size_t turn = 0; turn < STARTS.size(); turn++) {
    const uint64_t start = STARTS[turn];
    if (turn > 0) {
      EXPECT_FALSE(this->poll_at(start - 1000));
    }
    EXPECT_EQ(network.questions.size(), turn);
    EXPECT_FALSE(this->poll_at(start));
    ASSERT_EQ(network.questions.size(), turn + 1);
    EXPECT_EQ(network.questions.back()[0], 4 << 3 | 3);
    network.now_us = start + 3000;
    const auto utc = UTC_US + static_cast<int64_t>(start);
    network.deliver(answer_to(this->cookie(), utc, utc + 1000));
    const auto seen = this->poll_at(start + 16'000);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->source, ClockSource::NETWORK);
    EXPECT_EQ(seen->reference, 42U);
    EXPECT_EQ(seen->mono_us, start + 1500) << "by the stamps, not by when the loop looked";
    EXPECT_EQ(seen->utc_us, utc + 500);
    EXPECT_EQ(seen->round_trip_us, 2000U);
    EXPECT_EQ(seen->reference_error_us, 5859U);
  }
  EXPECT_EQ(client.counters().taken, STARTS.size());
  std::set<uint64_t> cookies;
  for (const TimePacket &question : network.questions) cookies.insert(cookie_of(question));
  EXPECT_EQ(cookies.size(), STARTS.size());
}

TEST_F(TimeClientTest, takes_an_answer_once) {
  this->poll_at(1'000'000);
  const TimePacket answer = answer_to(this->cookie(), UTC_US, UTC_US);
  network.deliver(answer);
  network.deliver(answer);
  EXPECT_TRUE(this->poll_at(1'000'500));
  EXPECT_FALSE(this->poll_at(1'000'600));
  EXPECT_EQ(this->refused(AnswerFault::ORIGIN), 1U);
}

TEST_F(TimeClientTest, waits_for_the_true_answer_behind_false_ones) {
  this->poll_at(1'000'000);
  network.deliver(answer_to(this->cookie() ^ 1, UTC_US + 99'000'000, UTC_US + 99'000'000));
  network.deliver(network.questions.back());
  network.deliver(answer_to(this->cookie(), UTC_US, UTC_US));
  const auto seen = this->poll_at(1'000'500);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->utc_us, UTC_US);
  EXPECT_EQ(this->refused(AnswerFault::ORIGIN), 1U);
  EXPECT_EQ(this->refused(AnswerFault::MODE), 1U);
}

TEST_F(TimeClientTest, refuses_times_that_cannot_be) {
  this->poll_at(1'000'000);
  network.now_us = 1'001'000;
  network.deliver(answer_to(this->cookie(), UTC_US, UTC_US + 5000));  // 5 ms inside 1 ms
  EXPECT_FALSE(this->poll_at(1'001'000));
  EXPECT_EQ(this->refused(AnswerFault::TIMES), 1U);
}

TEST_F(TimeClientTest, gives_up_on_late_answers_and_asks_again) {
  this->poll_at(1'000'000);
  const uint64_t cookie = this->cookie();
  EXPECT_FALSE(this->poll_at(3'100'000));
  EXPECT_EQ(client.counters().unanswered, 1U);
  network.deliver(answer_to(cookie, UTC_US, UTC_US));
  EXPECT_FALSE(this->poll_at(3'200'000));
  EXPECT_EQ(network.looked_up, 0);
  for (uint64_t now = 11'000'000; now < 40'000'000; now += 1'000'000) this->poll_at(now);
  EXPECT_EQ(client.counters().unanswered, 4U);
  EXPECT_EQ(network.looked_up, 1) << "after three in a row: the name may mean another server";
}

TEST_F(TimeClientTest, leaves_a_server_alone_that_asks_for_it) {
  uint64_t now = 1'000'000;
  for (int i = 0; i < 20; i++) {
    const size_t asked = network.questions.size();
    while (network.questions.size() == asked) this->poll_at(now += 1'000'000);
    TimePacket kiss = answer_to(this->cookie(), UTC_US, UTC_US);
    kiss[1] = 0;
    network.deliver(kiss);
    this->poll_at(now);
  }
  EXPECT_EQ(this->refused(AnswerFault::KISS), 20U);
  const size_t asked = network.questions.size();
  for (uint64_t end = now + 3'500'000'000; now < end; now += 1'000'000) this->poll_at(now);
  EXPECT_EQ(network.questions.size(), asked) << "once an hour in the end";
}

TEST_F(TimeClientTest, waits_for_the_network) {
  network.up = false;
  for (uint64_t now = 0; now < 60'000'000; now += 16'000) this->poll_at(now);
  EXPECT_EQ(client.counters().asked, 0U);
  network.up = true;
  this->poll_at(61'000'000);
  EXPECT_EQ(client.counters().asked, 1U);
}

}  // namespace
}  // namespace esphome::microgrid
